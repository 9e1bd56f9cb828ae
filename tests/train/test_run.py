import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backlight
from backlight.errors import CheckpointError, UsageError
from backlight.train.run import Run, RunWarning
from backlight.train.settings import Settings


def create(folder, **settings):
    return Run.create(folder, Settings(**settings))


def test_a_run_folder_says_what_it_is(tmp_path):
    run = create(tmp_path / "a" / "b", model="mlp", hidden=(64, 32), lr=0.01)
    again = Run.open(str(run.path))
    assert again.settings() == run.settings()
    assert Settings(**again.settings()) == Settings(model="mlp", hidden=(64, 32), lr=0.01)
    assert (
        json.loads((run.path / "environment.json").read_text())["backlight"]
        == backlight.__version__
    )
    assert sorted(path.name for path in run.path.iterdir() if path.name[0] != ".") == [
        "config.toml",
        "environment.json",
    ]


def test_without_a_name_the_next_free_number_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits-mlp-002").mkdir()
    assert [str(create(None, model="mlp").path) for _ in range(3)] == [
        "runs/digits-mlp-001",
        "runs/digits-mlp-003",
        "runs/digits-mlp-004",
    ]
    assert create(None, data="folder:/x/y/z").path.name == "folder-convnet-001"


def test_two_processes_never_take_the_same_number(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    taken, start = [], threading.Barrier(8)

    def take():
        start.wait()
        taken.append(create(None).path)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 8


# ── --out (B13) ────────────────────────────────────────────────────────────────────────────────


def refused(out, *words, **settings):
    with pytest.raises(UsageError) as caught:
        create(out, **settings)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 800


def test_a_folder_that_holds_something_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    refused(tmp_path, str(tmp_path), "not empty", "another --out")
    run = create(tmp_path / "run")
    refused(run.path, "not empty", f"--resume {run.path}")


def test_what_a_start_that_was_killed_left_is_no_hindrance(tmp_path):
    path = tmp_path / "run"
    run = create(path)
    (path / "config.toml").unlink()
    (path / ".config.toml.999999999.tmp").write_bytes(b"half")
    (path / ".probe.999999999.tmp").write_bytes(b"")
    (path / ".lock").touch()
    assert create(path).settings() == run.settings()
    assert not list(path.glob(".*.tmp"))


def test_paths_that_cannot_be_run_folders_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "a file", str(tmp_path / "file"))
    refused(tmp_path / "file" / "run", "--out")
    for name in (
        "",
        "   ",
        "a\0b",
        "x" * 300,
        "가" * 100,
        str(tmp_path / "end "),
        " front",
        "a /b",
        "x/" * 3000 + "x",
    ):
        refused(name, "--out", "folder")
    refused(str(tmp_path / "\ud800"), "--out")


def test_odd_names_are_fine(tmp_path):
    for name in ("결과", "🙂 run", "-x", "a.b", "%s {0} [/]", "'\"", "x" * 200):
        assert create(tmp_path / name).path.is_dir()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fail)
        refused(tmp_path / "run", "Permission denied", str(tmp_path / "run"), "permissions")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", fail)
        refused(tmp_path / "new", "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", fail)
        refused(tmp_path / "new", "Permission denied")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_devices_are_refused():
    refused("/dev/full", "a file")
    refused("/proc/nowhere", "--out")


def test_a_run_is_not_put_among_the_images_it_learns_from(tmp_path):
    data = tmp_path / "images"
    data.mkdir()
    for kind in ("folder", "faces"):
        refused(data / "run", "inside the data", data=f"{kind}:{data}")
        refused(data, "inside the data", data=f"{kind}:{data}")
        refused(data / ".." / "images" / "run", "inside the data", data=f"{kind}:{data}")
    assert create(tmp_path / "images-run", data=f"folder:{data}").path.is_dir()


# ── opening ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text("x"), "a file"),
        (lambda path: path.mkdir(), "without config.toml"),
        (lambda path: (path.mkdir(), (path / "config.toml").mkdir()), "without config.toml"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(20)), "PyTorch"),
        (lambda path: path.write_bytes(b"\x80\x02}q\0X\x04\0\0\0"), "PyTorch"),
        (lambda path: path.symlink_to(path), "run"),
    ],
)
def test_what_is_no_run_is_told_in_words(tmp_path, make, word):
    path = tmp_path / "thing"
    make(path)
    with pytest.raises(CheckpointError, match=word) as caught:
        Run.open(path)
    assert "thing" in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, ""])
def test_impossible_paths_are_told_in_words(name):
    with pytest.raises(CheckpointError):
        Run.open(name)


def test_settings_that_were_tampered_with_are_refused(tmp_path):
    run = create(tmp_path / "run")
    for text, word in [
        ("lr = nan", "lr"),
        ("model = 'os.system'", "Known"),
        ("x = [", "TOML"),
        ("layers = ['evil:Class']", "unknown key"),
    ]:
        (run.path / "config.toml").write_text(text)
        with pytest.raises(UsageError, match=word):
            Run.open(run.path).settings()


# ── lines ──────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(st.characters(categories=None), max_size=10)


@given(
    st.lists(
        st.dictionaries(
            TEXT,
            TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
            max_size=3,
        ),
        max_size=5,
    )
)
def test_what_is_logged_is_read(tmp_path_factory, records):
    run = Run(tmp_path_factory.mktemp("run"))
    for record in records:
        run.log("metrics", record)
    assert run.read("metrics") == records


def test_numbers_that_are_none_are_null_and_the_lines_strict(tmp_path):
    run = create(tmp_path / "run")
    run.log("metrics", {"loss": float("nan"), "name": "a\nb\u2028c\x1b[2J"})
    raw = (run.path / "metrics.jsonl").read_bytes()
    assert raw.count(b"\n") == 1
    assert b"NaN" not in raw
    assert b"\x1b" not in raw
    assert run.read("metrics")[0]["loss"] is None


def test_a_half_written_last_line_is_left_out_and_overwritten(tmp_path):
    run = create(tmp_path / "run")
    whole = b"".join(b'{"step": %d, "loss": 0.5}\n' % step for step in range(1, 5))
    for length in range(len(whole) + 1):
        (run.path / "metrics.jsonl").write_bytes(whole[:length])
        steps = [record["step"] for record in run.read("metrics")]
        assert steps == list(range(1, whole[:length].count(b"\n") + 1))
        run.rewind(2)
        kept = b"\n".join(whole.split(b"\n")[: min(2, len(steps))])
        assert (run.path / "metrics.jsonl").read_bytes() == kept + (b"\n" if kept else b"")
        run.log("metrics", {"step": 3})
        assert run.read("metrics")[-1] == {"step": 3}


def test_rewinding_keeps_bytes_as_they_are(tmp_path):
    run = create(tmp_path / "run")
    lines = b'{"step": 1,   "x": 1.50, "y": 1e2}\n{"note": "\\u00e9"}\n'
    (run.path / "metrics.jsonl").write_bytes(lines + b'{"step": 9}\n')
    (run.path / "timings.jsonl").write_bytes(b'{"step": 1}\n{"step": 9}\n')
    run.rewind(5)
    assert (run.path / "metrics.jsonl").read_bytes() == lines
    assert (run.path / "timings.jsonl").read_bytes() == b'{"step": 1}\n'
    before = (run.path / "metrics.jsonl").stat().st_mtime_ns
    run.rewind(5)
    assert (run.path / "metrics.jsonl").stat().st_mtime_ns == before
    run.rewind(-1)
    assert (run.path / "metrics.jsonl").read_bytes() == b""


def test_a_damaged_line_in_the_middle_is_named_and_rewinding_leaves_it_out(tmp_path):
    run = create(tmp_path / "run")
    for bad in (b"\0\0\0\0", b'{"step": 1', b"[1]", b'{"step": "x"}', b""):
        (run.path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + bad + b'\n{"step": 2}\n')
        if bad[:1] in (b"\0", b"{") and bad != b'{"step": "x"}':
            with pytest.raises(CheckpointError, match="line 2"):
                run.read("metrics")
        with pytest.warns(RunWarning, match="line 2"):
            run.rewind(2)
        assert run.read("metrics") == [{"step": 1}, {"step": 2}]


def test_logs_are_never_written_through_links_and_pipes(tmp_path):
    run = create(tmp_path / "run")
    (run.path / "metrics.jsonl").symlink_to(tmp_path / "profile")
    with pytest.raises(CheckpointError):
        run.log("metrics", {})
    assert not (tmp_path / "profile").exists()
    if hasattr(os, "mkfifo"):
        os.mkfifo(run.path / "timings.jsonl")
        with pytest.raises(CheckpointError):
            run.log("timings", {})
        with pytest.raises(CheckpointError):
            run.read("timings")


def test_flushing_takes_what_is_there(tmp_path):
    run = create(tmp_path / "run")
    run.flush()
    run.log("metrics", {})
    run.flush()
    assert not (run.path / "timings.jsonl").exists()


# ── one writer (F14) ───────────────────────────────────────────────────────────────────────────

HOLD = """
import sys, time
from backlight.train.run import Run
with Run.open(sys.argv[1]).writing():
    print("holding", flush=True)
    time.sleep(60)
"""


def holder(run):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == "holding\n"
    return process


def test_a_second_writer_is_told_who_the_first_is_and_the_dead_hold_nothing(tmp_path):
    run = create(tmp_path / "run")
    process = holder(run)
    try:
        with pytest.raises(UsageError, match=f"process {process.pid}") as caught, run.writing():
            pass
        assert str(run.path) in str(caught.value)
        (run.path / ".owner").write_text("rubbish")
        with pytest.raises(UsageError, match="another process"), run.writing():
            pass
        (run.path / ".owner").unlink()
        with pytest.raises(UsageError, match="another process"), run.writing():
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    (run.path / f".metrics.jsonl.{process.pid}.tmp").write_bytes(b"left by the dead")
    until = time.monotonic() + 5
    with run.writing():
        assert (run.path / ".owner").read_text() == str(os.getpid())
        assert not list(run.path.glob(".*.tmp"))
    assert time.monotonic() < until


def test_writing_may_be_nested_and_ends_with_the_outermost(tmp_path):
    run = create(tmp_path / "run")
    with run.writing():
        with run.writing():
            pass
        assert (run.path / ".owner").exists()
        with pytest.raises(UsageError), Run.open(run.path).writing():
            pass
    assert not (run.path / ".owner").exists()
    with Run.open(run.path).writing():
        pass
    with pytest.raises(RuntimeError), run.writing():
        raise RuntimeError
    with run.writing():
        pass


def test_a_lock_that_the_system_refuses_is_told(tmp_path, monkeypatch):
    run = create(tmp_path / "run")

    def fail():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run._lock, "acquire", fail)
    with pytest.raises(UsageError, match="Permission denied"), run.writing():
        pass
