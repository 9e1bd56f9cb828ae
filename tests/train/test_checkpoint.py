import hashlib
import json
import math
import os
import shutil
import warnings

import numpy as np
import pytest

import backlight
from backlight.errors import CheckpointError
from backlight.train import checkpoint, durable, weights
from backlight.train.checkpoint import CheckpointWarning, best, found, latest, load, save

FILES = ("tensors.safetensors", "state.json", "manifest.json")


def arrays(step):
    return {"model/weight": np.full((3, 4), step, np.float32), "optimizer/0": np.arange(5.0) * step}


def store(folder, step, **options):
    return save(folder, step, arrays(step), {"position": step, "best": -math.inf}, **options)


def forge(path, **entries):
    """Rewrite the manifest with other entries; None takes one out."""
    manifest = json.loads((path / "manifest.json").read_text())
    manifest.update(entries)
    manifest = {
        name: value for name, value in manifest.items() if value is not None or name == "score"
    }
    (path / "manifest.json").write_bytes(checkpoint.seal(manifest))


def reseal(path, name, content):
    """Put other content in a file, with a manifest that agrees."""
    (path / name).write_bytes(content)
    files = json.loads((path / "manifest.json").read_text())["files"]
    files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    forge(path, files=files)


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def test_what_is_saved_is_loaded(tmp_path):
    path = store(tmp_path / "deep" / "checkpoints", 7, score=0.5)
    back = load(path)
    assert (back.step, back.score, back.path) == (7, 0.5, path)
    assert back.state == {"position": 7, "best": -math.inf}
    for name, array in arrays(7).items():
        assert back.arrays[name].tobytes() == array.tobytes()
        assert back.arrays[name].dtype == array.dtype
    assert names(path) == sorted(FILES)
    assert json.loads((path / "manifest.json").read_text())["made_by"] == backlight.__version__


def test_the_newest_two_and_the_best_are_kept(tmp_path):
    for step, score in [(1, 0.1), (2, 0.9), (3, 0.5), (4, None), (5, 0.9), (6, 0.2)]:
        store(tmp_path, step, score=score)
    assert names(tmp_path) == ["step-000002", "step-000005", "step-000006"]
    assert best(tmp_path).step == 2  # the first of equals
    assert latest(tmp_path).step == 6
    store(tmp_path, 7, keep=1)
    assert names(tmp_path) == ["step-000002", "step-000007"]


def test_steps_are_ordered_as_numbers(tmp_path):
    for step in (999_999, 1_000_000, 12):
        store(tmp_path, step, keep=9)
    assert [path.name for path in found(tmp_path)] == ["step-000012", "step-999999", "step-1000000"]


def test_nothing_else_is_taken_for_a_checkpoint(tmp_path):
    store(tmp_path, 5)
    for name in (
        "step-1",
        "step-٠٠٠٠٠٩",
        "step-000009x",
        "step-000009.",
        ".step-000009",
        "step-000009.1.tmp",
        "Step-000009",
        ".step-000009.1.old",
    ):
        shutil.copytree(tmp_path / "step-000005", tmp_path / name)
    (tmp_path / "step-000010").write_bytes(b"a file")
    (tmp_path / "step-000011").symlink_to(tmp_path / "step-000005")
    assert names(tmp_path) != ["step-000005"]
    assert [path.name for path in found(tmp_path)] == ["step-000005"]
    assert latest(tmp_path).step == 5


def test_the_same_step_again_replaces_nothing_and_wins(tmp_path, monkeypatch):
    store(tmp_path, 1)
    store(tmp_path, 2, score=0.5)
    before = (tmp_path / "step-000002" / "tensors.safetensors").read_bytes()

    def stop(*_):
        raise RuntimeError("killed before anything is pruned")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_prune", stop)
        with pytest.raises(RuntimeError):
            save(tmp_path, 2, arrays(20), {}, score=0.1)
    assert (tmp_path / "step-000002" / "tensors.safetensors").read_bytes() == before
    assert latest(tmp_path).path.name == "step-000002.1"
    assert best(tmp_path).path.name == "step-000002"
    save(tmp_path, 2, arrays(30), {}, score=0.1)
    assert names(tmp_path) == ["step-000001", "step-000002", "step-000002.2"]
    assert latest(tmp_path).arrays["optimizer/0"][1] == 30


@pytest.mark.parametrize("name", ["step-000002.1.", "step-000002.x", "step-000002.1.1"])
def test_only_numbers_are_revisions(tmp_path, name):
    path = store(tmp_path, 2)
    path.rename(tmp_path / name)
    assert found(tmp_path) == []


def test_keeping_never_counts_damaged_ones_and_never_removes_them(tmp_path):
    store(tmp_path, 1)
    (store(tmp_path, 2) / "manifest.json").unlink()
    with (store(tmp_path, 3) / "tensors.safetensors").open("ab") as stream:
        stream.write(b"!")
    store(tmp_path, 4)
    assert names(tmp_path) == ["step-000001", "step-000002", "step-000003", "step-000004"]
    store(tmp_path, 5)
    assert names(tmp_path) == ["step-000002", "step-000003", "step-000004", "step-000005"]


# ── damage (F10, F11) ──────────────────────────────────────────────────────────────────────────


def damaged_is_passed_over(folder, path):
    with pytest.raises(CheckpointError) as caught:
        latest(folder, strict=True)
    assert str(path) in str(caught.value)
    with pytest.warns(CheckpointWarning, match=path.name) as told:
        assert latest(folder).step == 1
    assert len(told) == 1


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(tmp_path, name):
    store(tmp_path, 1)
    path = store(tmp_path, 2)
    whole = (path / name).read_bytes()
    lengths = sorted({0, 1, len(whole) - 1, *np.random.default_rng(1).choice(len(whole), 70)})
    for length in lengths:
        (path / name).write_bytes(whole[:length])
        damaged_is_passed_over(tmp_path, path)
    (path / name).write_bytes(whole + b"\0")
    damaged_is_passed_over(tmp_path, path)
    (path / name).unlink()
    damaged_is_passed_over(tmp_path, path)
    (path / name).write_bytes(whole)
    assert latest(tmp_path, strict=True).step == 2


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_noticed(tmp_path, name):
    store(tmp_path, 1)
    path = store(tmp_path, 2, score=0.25)
    whole = (path / name).read_bytes()
    for bit in np.random.default_rng(2).permutation(8 * len(whole))[:400]:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << int(bit) % 8
        (path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="step-000002"):
            load(path)
    (path / name).write_bytes(whole)
    assert latest(tmp_path, strict=True).step == 2


def test_a_changed_hash_is_named(tmp_path):
    path = store(tmp_path, 2)
    content = bytearray((path / "tensors.safetensors").read_bytes())
    content[-1] ^= 1
    (path / "tensors.safetensors").write_bytes(content)
    digest = json.loads((path / "manifest.json").read_text())["files"]["tensors.safetensors"]
    with pytest.raises(CheckpointError, match=digest["sha256"][:12]) as caught:
        load(path)
    assert "tensors.safetensors" in str(caught.value)


def test_when_all_are_damaged_it_says_so_and_what_to_do(tmp_path):
    for step in (1, 2):
        (store(tmp_path, step) / "state.json").write_bytes(b"")
    for find in (latest, best):
        with pytest.warns(CheckpointWarning), pytest.raises(CheckpointError) as caught:
            find(tmp_path)
        for word in ("step-000001", "step-000002", "--out", "config.toml", str(tmp_path)):
            assert word in str(caught.value)
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        latest(tmp_path / "absent")


def test_a_damaged_best_gives_way_to_the_next_with_a_warning(tmp_path):
    store(tmp_path, 1, score=0.5)
    (store(tmp_path, 2, score=0.9) / "tensors.safetensors").write_bytes(b"")
    store(tmp_path, 3, score=0.1)
    with pytest.warns(CheckpointWarning, match="step-000002"):
        assert best(tmp_path).step == 1


@pytest.mark.parametrize("name", ["tensors.safetensors", "manifest.json"])
def test_damage_is_told_once_where_the_best_falls_back_to_the_latest(tmp_path, name):
    store(tmp_path, 1)
    (store(tmp_path, 2, score=0.9) / name).write_bytes(b"")
    with pytest.warns(CheckpointWarning, match="step-000002") as told:
        assert best(tmp_path).step == 1
    assert len(told) == 1


def test_temporaries_of_the_dead_are_ignored_and_go_when_a_save_succeeds(tmp_path):
    store(tmp_path, 1)
    dead = tmp_path / ".step-000009.999999999.tmp"
    shutil.copytree(tmp_path / "step-000001", dead)
    living = tmp_path / f".step-000009.{os.getppid()}.tmp"
    shutil.copytree(dead, living)
    (tmp_path / "notes.tmp").write_bytes(b"mine")
    assert latest(tmp_path).step == 1
    store(tmp_path, 2)
    assert names(tmp_path) == sorted([living.name, "notes.tmp", "step-000001", "step-000002"])


# ── foreign and hostile (K01–K12) ──────────────────────────────────────────────────────────────


def test_what_is_no_checkpoint_is_told_in_words(tmp_path):
    (tmp_path / "file").write_bytes(b"hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text('{"name": "a web page"}')
    for name, word in [
        ("absent", "no such folder"),
        ("file", "a file"),
        ("empty", "manifest.json unreadable"),
        ("other", "format"),
    ]:
        with pytest.raises(CheckpointError, match=word) as caught:
            load(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04" + b"\0" * 20)
    with pytest.raises(CheckpointError, match="PyTorch"):
        load(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        ({"format": "1"}, "format"),
        ({"format": True}, "format"),
        ({"format": 0}, "format"),
        ({"format": None}, "format"),
        ({"step": -1}, "step"),
        ({"step": 2.0}, "step"),
        ({"step": 3}, "step 3"),
        ({"score": "high"}, "score"),
        ({"score": [1]}, "score"),
        ({"files": []}, "files"),
        ({"files": {}}, "files"),
        ({"files": None}, "files"),
        ({"made_by": 3}, "made_by"),
        ({"evil": 1}, "evil"),
        ({"files": "x" * 70_000}, "more than"),
    ],
)
def test_a_manifest_of_other_entries_is_refused_by_field(tmp_path, entries, word):
    path = store(tmp_path, 2)
    forge(path, **entries)
    with pytest.raises(CheckpointError, match=word):
        load(path)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/b", "tensors.safetensors\0", ""])
def test_a_manifest_names_no_file_but_its_own(tmp_path, name):
    path = store(tmp_path, 2)
    files = json.loads((path / "manifest.json").read_text())["files"]
    forge(path, files={**files, name: files["state.json"]})
    with pytest.raises(CheckpointError, match="files"):
        load(path)
    forge(path, files={"state.json": files["state.json"], name: files["tensors.safetensors"]})
    with pytest.raises(CheckpointError, match="files"):
        load(path)


@pytest.mark.parametrize(
    "entry", [3, {}, {"bytes": -1}, {"bytes": 1.5}, {"bytes": True}, {"sha256": 3}, {"more": 1}]
)
def test_a_manifests_file_entries_are_checked(tmp_path, entry):
    path = store(tmp_path, 2)
    files = json.loads((path / "manifest.json").read_text())["files"]
    files["state.json"] = (
        {**files["state.json"], **entry} if isinstance(entry, dict) and entry else entry
    )
    forge(path, files=files)
    with pytest.raises(CheckpointError, match="files"):
        load(path)


def test_a_newer_format_says_who_made_it(tmp_path):
    path = store(tmp_path, 2)
    forge(path, format=2, made_by="9.0", something="new")
    with pytest.raises(CheckpointError, match=r"Backlight 9\.0") as caught:
        load(path)
    assert backlight.__version__ in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_links_pipes_and_folders_in_a_files_place_are_refused_at_once(tmp_path, name):
    path = store(tmp_path, 2)
    kept = tmp_path / "elsewhere"
    (path / name).rename(kept)
    (path / name).symlink_to(kept)
    with pytest.raises(CheckpointError, match=name):
        load(path)
    (path / name).unlink()
    (path / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        load(path)
    (path / name).rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path / name)
        with pytest.raises(CheckpointError, match=name):
            load(path)


def test_a_linked_folder_may_be_named_but_is_never_found(tmp_path):
    path = store(tmp_path / "a", 2)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "step-000002").symlink_to(path)
    assert load(tmp_path / "b" / "step-000002").step == 2
    assert found(tmp_path / "b") == []


def test_a_file_swapped_between_check_and_use_is_noticed(tmp_path, monkeypatch):
    path, other = store(tmp_path / "a", 2), store(tmp_path / "b", 2)
    reseal(other, "state.json", b'{"position": 9, "best": null}                  ')
    whole = (path / "state.json").read_bytes()
    swapped = (other / "state.json").read_bytes()[: len(whole)].ljust(len(whole))
    real = checkpoint._look_at_size

    def swap(file, expected):
        real(file, expected)
        if file.name == "state.json":
            file.unlink()
            file.write_bytes(swapped)

    monkeypatch.setattr(checkpoint, "_look_at_size", swap)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load(path)


def test_a_vast_size_is_refused_before_it_is_read(tmp_path):
    path = store(tmp_path, 2)
    files = json.loads((path / "manifest.json").read_text())["files"]
    files["tensors.safetensors"]["bytes"] = 2**43
    forge(path, files=files)
    with pytest.raises(CheckpointError, match=r"of .* bytes, where"):
        load(path)
    with (path / "tensors.safetensors").open("ab") as stream:
        stream.truncate(2**43) if _sparse(tmp_path) else pytest.skip("no sparse files of 8 TiB")
    with pytest.raises(CheckpointError, match=r"8192\.00 GiB"):
        load(path)


def _sparse(folder):
    try:
        with (folder / "probe").open("wb") as stream:
            stream.truncate(2**43)
    except OSError:
        return False
    (folder / "probe").unlink()
    return True


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1, "a": 2}',
        b"[NaN]",
        b'{"x": 1e999}',
        b"[" * 100_000,
        b'{"x": ' + b"1" * 5000 + b"}",
        b"[]",
        b"3",
        b"\xff\xfe",
        b"",
    ],
)
def test_a_loose_state_is_refused_although_its_hash_agrees(tmp_path, content):
    path = store(tmp_path, 2)
    reseal(path, "state.json", content)
    with pytest.raises(CheckpointError):
        load(path)


def test_hostile_tensors_are_refused_although_their_hash_agrees(tmp_path):
    path = store(tmp_path, 2)
    reseal(path, "tensors.safetensors", weights.to_bytes({"x": np.ones(1)}) + b"!")
    with pytest.raises(CheckpointError, match=r"tensors\.safetensors"):
        load(path)


def test_names_of_tensors_never_become_paths(tmp_path):
    hostile = {
        "../../x": np.ones(1),
        "/tmp/y": np.ones(1),
        "a\0b": np.ones(1),
        "__class__": np.ones(1),
    }
    path = save(tmp_path / "c", 1, hostile, {})
    assert set(load(path).arrays) == set(hostile)
    assert names(tmp_path) == ["c"]
    assert names(path) == sorted(FILES)


# ── the folder itself ──────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_saved_leaves_no_trace(tmp_path):
    with pytest.raises(CheckpointError):
        save(tmp_path / "c", 1, {"x": np.array([None])}, {})
    with pytest.raises(TypeError):
        save(tmp_path / "c", 1, {}, {"x": {1: 2}})
    assert not (tmp_path / "c").exists()
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(CheckpointError) as caught:
            store(folder, 1)
        assert str(folder) in str(caught.value)
        assert "room for" in str(caught.value)


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    def fail(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoint.Path, "iterdir", fail)
    with pytest.raises(CheckpointError, match="Permission denied"):
        found(tmp_path)


def test_pruning_that_fails_does_not_fail_the_save(tmp_path, monkeypatch):
    for step in (1, 2):
        store(tmp_path, step)
    real = checkpoint.Path.rename

    def rename(self, target):
        if self.name == "step-000001":
            raise PermissionError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(checkpoint.Path, "rename", rename)
    store(tmp_path, 3)
    assert names(tmp_path) == ["step-000001", "step-000002", "step-000003"]


def test_loading_warns_of_nothing(tmp_path):
    store(tmp_path, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert latest(tmp_path).step == best(tmp_path).step == 1
    assert durable.is_temporary(".step-000001.12.tmp")
