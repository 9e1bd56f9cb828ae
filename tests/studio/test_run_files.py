"""Run folders of strangers: names that lead elsewhere, links, pipes, and files changed by hand."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import CheckpointError
from backlight.studio import run_files
from tests.train.synthetic_run import make_run

SECRET = b"private"


@pytest.fixture
def runs(tmp_path):
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "config.toml").write_bytes(SECRET)
    folder = tmp_path / "runs"
    make_run(folder / "digits", epochs=2)
    return folder


NAMES = [
    "../",
    "..",
    ".",
    "",
    "%2e%2e",
    "%252e%252e",
    "..\\",
    "/etc",
    "digits/../..",
    "digits/.",
    "digits\x00",
    "x" * 5_000,
    "CON",
    "~",
    "file:///etc",
    "digits/",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_found_by_its_name_alone(runs, name):  # W20-W25
    with pytest.raises(CheckpointError):
        run_files.find(runs, name)


@given(st.one_of(st.text(max_size=60), st.integers(), st.none(), st.lists(st.text(max_size=3))))
def test_nothing_else_finds_one(name):
    with pytest.raises(CheckpointError):
        run_files.find(Path("/nowhere"), name)  # a folder that cannot be read is an empty one


def test_a_folder_that_is_a_link_is_no_run(runs, tmp_path):
    (runs / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert list(run_files.scan(runs)) == ["digits"]


@pytest.mark.parametrize("made", ["symlink", "hardlink", "fifo", "folder", "device"])
def test_a_file_that_is_not_the_runs_own_is_never_read(runs, tmp_path, made):
    file = runs / "digits" / "metrics.jsonl"
    run = run_files.find(runs, "digits")
    file.unlink()
    if made == "symlink":
        file.symlink_to(tmp_path / "secret.txt")
    elif made == "hardlink":
        os.link(tmp_path / "secret.txt", file)
    elif made == "fifo":
        os.mkfifo(file)
    elif made == "device":
        file.symlink_to("/dev/zero")
    else:
        file.mkdir()
    with pytest.raises(CheckpointError) as refused:
        run_files.read(run, "metrics.jsonl")
    assert "private" not in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_a_config_that_is_a_link_makes_no_run(runs, tmp_path):
    (runs / "evil").mkdir()
    (runs / "evil" / "config.toml").symlink_to(tmp_path / "secret.txt")
    assert "evil" not in run_files.scan(runs)


def test_a_folder_exchanged_for_a_link_is_not_followed(runs, tmp_path):
    run = run_files.find(runs, "digits")
    (runs / "digits").rename(runs / "away")
    (runs / "digits").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(CheckpointError):
        run_files.read(run, "secret.txt")


def test_a_file_that_is_missing_is_empty(runs):
    assert run_files.read(run_files.find(runs, "digits"), "report.html") == b""


def test_a_file_is_read_from_where_one_left_off(runs):
    run = run_files.find(runs, "digits")
    whole = run_files.read(run, "metrics.jsonl")
    assert run_files.read(run, "metrics.jsonl", start=100) == whole[100:]
    assert run_files.read(run, "metrics.jsonl", most=7) == whole[:7]


def test_missing_folders_hold_no_runs(tmp_path):
    assert run_files.scan(tmp_path / "nowhere") == {}
    (tmp_path / "file").write_text("x")
    assert run_files.scan(tmp_path / "file") == {}


def test_the_newest_run_comes_first(runs):
    make_run(runs / "older", epochs=1)
    for name in ("config.toml", "metrics.jsonl"):
        os.utime(runs / "older" / name, (1, 1))
    assert list(run_files.scan(runs)) == ["digits", "older"]
