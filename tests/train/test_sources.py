import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import UsageError
from backlight.train.settings import Settings
from backlight.train.sources import LARGEST, gather, read_toml, write_toml


@pytest.fixture
def config(tmp_path):
    def write(content):
        path = tmp_path / "my.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path, *words):
    with pytest.raises(UsageError) as caught:
        gather({}, path, environment={})
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 1500


# ── who wins ───────────────────────────────────────────────────────────────────────────────────


def test_flags_win_over_environment_over_file_over_base(config):
    path = config("lr = 0.1\nseed = 1\nepochs = 1\n")
    base = {"lr": 0.2, "seed": 2, "epochs": 2, "batch_size": 2}
    around = {"BACKLIGHT_LR": "0.3", "BACKLIGHT_SEED": "3", "BACKLIGHT_UNRELATED": "x"}
    found = gather({"lr": "0.4", "model": None}, path, around, base)
    assert (found.lr, found.seed, found.epochs, found.batch_size) == (0.4, 3, 1, 2)
    assert found.model == Settings().model


def test_the_environment_is_read_by_default_and_blamed_by_name(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_SEED", "17")
    assert gather({}).seed == 17
    monkeypatch.setenv("BACKLIGHT_SEED", "-17")
    with pytest.raises(UsageError, match="BACKLIGHT_SEED"):
        gather({})
    assert gather({}, environment={}).seed == 0


# ── files that are no settings (B11) ───────────────────────────────────────────────────────────


def test_paths_that_are_no_files(tmp_path):
    refused(tmp_path / "absent.toml", "no such file", "absent.toml")
    refused(tmp_path, "not a file", str(tmp_path))
    refused("a\0b", "config")
    refused("x" * 5000, "config")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "not a file")
    if Path("/dev/zero").exists():
        refused("/dev/zero", "not a file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"lr = 0.1\nname = '\xff'\n", [":2", "UTF-8", "0xff"]),
        (b"\0\x01\x02", [":1", "TOML"]),
        ("lr = 0.1".encode("utf-16"), ["UTF-8"]),
        (b"\x7fELF" + bytes(range(256)), ["UTF-8"]),
        ("lr = 0.1\nlr = 0.2\n", [":2", "TOML"]),
        ("seed = 1\n\nepoch = 3\n", [":3", "epoch", "epochs"]),
        ("seed = 1\nlr = nan\n", [":2", "lr", "> 0 and finite"]),
        ("lr = 'fast'", [":1", "'fast'"]),
        ("epochs = true", [":1", "epochs"]),
        ("epochs = 3.0", [":1", "whole number"]),
        ("data = 3", [":1", "data"]),
        ("[train]\nlr = 0.1", [":1", "train"]),
        ("train.lr = 0.1", [":1", "train"]),
        ("lr = 1e999", ["lr"]),
        ("lr = 1979-05-27", ["lr"]),
        ("seed = " + "1" * 5000, ["TOML"]),
        ("lr = [", ["TOML"]),
        ("lr 0.1", [":1", "TOML"]),
        ("batch-size = 1\nbatch_size = 2", ["batch-size", "two values"]),
        ("hidden = " + "[" * 5000, [":1", "brackets"]),
        ("hidden = " + "[\n" * 5000, ["brackets"]),
        ("x = " + "{a=" * 5000, ["brackets"]),
        (".".join(["a"] * 1000) + " = 1", [":1", "dots"]),
        ("\n[" + ".".join(["a"] * 1000) + "]", [":2", "dots"]),
        ('"\u2028".' * 1000 + "a = 1", [":1", "dots"]),
        ('"\x85".' * 1000 + "a = 1", [":1", "dots"]),
        (b"#" * (LARGEST + 1), [str(LARGEST)]),
        ("\ufeff\ufefflr = 1", ["TOML"]),
        ("model = 'os.system'", [":1", "Known"]),
        ("'__class__' = 1", [":1", "unknown key"]),
        ('"a.b" = 1', [":1", "'a.b'"]),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(config, content, words):
    path = config(content)
    refused(path, "my.toml", *words)


def test_a_byte_order_mark_empty_files_and_windows_lines_are_fine(config):
    assert gather({}, config(b"\xef\xbb\xbflr = 0.1\r\nseed = 3\r\n"), {}).seed == 3
    assert gather({}, config(""), {}) == Settings()
    assert gather({}, config("# [[[[ only ... a comment\n"), {}) == Settings()
    assert gather({}, config(b"#" * LARGEST), {}) == Settings()


HOSTILE = {
    "dotted key": ".".join(["a"] * 32_000) + " = 1",
    "dotted quoted key": '"\u2028".' * 10_000 + "a = 1",
    "dotted header": "[" + ".".join(["a"] * 32_000) + "]",
    "many dotted keys": "".join(f"{'.'.join(['a'] * 20)}.b{n} = 1\n" for n in range(1200)),
    "many tables": "".join(f"[a{n}]\n" for n in range(7000)),
    "many table arrays": "[[a]]\n" * 10_000,
    "arrays": "a = " + "[" * 60_000,
    "tables": "a = " + "{b = " * 12_000,
    "split arrays": "a = [" + "[\n" * 30_000,
    "digits": "a = " + "9" * 60_000,
    "fraction": "a = 0." + "9" * 60_000,
    "text": 'a = "' + "x" * 60_000,
    "escapes": 'a = "' + "\\u0041" * 10_000 + '"',
    "keys": "".join(f"k{n}=1\n" for n in range(8000)),
    "commas": "a = [" + "1," * 30_000 + "]",
}


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits as Linux has them")
def test_hostile_files_cost_little_memory_and_time(tmp_path):
    """In a process that may take only 64 MiB more than it has."""
    for name, content in HOSTILE.items():
        (tmp_path / f"{name}.toml").write_text(content)
    began = time.monotonic()
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
        import resource, sys, time
        from pathlib import Path
        from backlight.errors import UsageError
        from backlight.train.sources import gather, read_toml
        gather({}, environment={})
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 64 * 2**20, now + 64 * 2**20))
        for path in sorted(Path(sys.argv[1]).glob("*.toml")):
            began = time.monotonic()
            try:
                gather({}, path, {})
                print("accepted", path.name)
            except UsageError as problem:
                assert str(path) in str(problem), problem
                assert len(str(problem)) < 1500
            if time.monotonic() - began > 2:
                print("slow", path.name)
    """),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert time.monotonic() - began < 30


@given(
    st.binary(max_size=60)
    | st.text(st.sampled_from("lr=.[]{}\"'\n #0123456789aeinft_-T:"), max_size=60).map(str.encode)
)
def test_no_content_leads_to_another_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    try:
        found = gather({}, path, {})
    except UsageError as problem:
        found = problem
    assert isinstance(found, (Settings, UsageError))


def test_paths_in_any_script_come_back(tmp_path):
    chosen = Settings(data="folder:/사진/꽃 🌼/\"'\\ # [x]", data_dir="C:\\data\\é")
    path = tmp_path / "설정.toml"
    path.write_text(write_toml(chosen.as_dict()), encoding="utf-8")
    assert gather({}, path, {}) == chosen
    assert read_toml(path)["data"] == chosen.data
