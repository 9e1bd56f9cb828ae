import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import CheckpointError
from backlight.train import durable


def test_a_new_file_holds_its_content_and_the_hash_is_returned(tmp_path):
    path = tmp_path / "file"
    assert durable.write_new(path, b"abc") == durable.digest(path)
    assert path.read_bytes() == b"abc"
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0


def test_a_file_that_exists_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(CheckpointError, match="file"):
        durable.write_new(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_link_is_never_written_through(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError):
        durable.write_new(tmp_path / "link", b"new")
    with pytest.raises(CheckpointError):
        durable.append(tmp_path / "link", b"new\n")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["write", "fsync", "close"])
def test_every_error_is_told_and_leaves_nothing(tmp_path, monkeypatch, call, number):
    real = getattr(os, call)
    failed = []

    def fail(descriptor, *rest):
        if call == "close":
            real(descriptor)
        failed.append(call)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, call, fail)
        with pytest.raises(CheckpointError) as caught:
            durable.write_new(tmp_path / "file", b"x" * 1234)
    assert failed
    assert "1,234 bytes" in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)
    assert os.strerror(number) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_short_writes_go_on_and_a_write_of_nothing_ends(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(durable.os, "write", lambda fd, data: real(fd, bytes(data[:3])))
    durable.write_new(tmp_path / "slow", b"0123456789")
    assert (tmp_path / "slow").read_bytes() == b"0123456789"
    monkeypatch.setattr(durable.os, "write", lambda fd, data: 0)
    with pytest.raises(CheckpointError, match="no more bytes"):
        durable.write_new(tmp_path / "none", b"0123456789")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kept", [b"", b"01234", b"0123456x89"])
def test_a_disk_that_lies_is_caught_by_reading_back(tmp_path, monkeypatch, kept):
    real = os.write

    def lie(descriptor, data):
        real(descriptor, kept)
        return len(data)

    monkeypatch.setattr(durable.os, "write", lie)
    with pytest.raises(CheckpointError, match="other bytes back"):
        durable.write_new(tmp_path / "file", b"0123456789")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_failed_replacement_keeps_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        if call == "rename":
            patch.setattr(durable.Path, "replace", fail)
        else:
            patch.setattr(durable.os, call, fail)
        with pytest.raises(CheckpointError):
            durable.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    durable.replace(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_line_is_added_after_the_last_whole_one(tmp_path):
    path = tmp_path / "log"
    for before, after in [
        (b"", b""),
        (b"one\n", b"one\n"),
        (b"one\nhal", b"one\n"),
        (b"hal", b""),
        (b"one\n" + b"z" * (3 << 20), b"one\n"),
        (b"z" * (1 << 20), b""),
    ]:
        path.write_bytes(before)
        durable.append(path, b"line\n")
        assert path.read_bytes() == after + b"line\n"


@given(st.binary(max_size=60))
def test_appending_never_touches_whole_lines(tmp_path_factory, before):
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(before)
    durable.append(path, b"line\n")
    assert path.read_bytes() == before[: before.rfind(b"\n") + 1] + b"line\n"


def test_no_half_of_a_line_stays_when_the_disk_is_full(tmp_path, monkeypatch):
    path, real, calls = tmp_path / "log", os.write, []
    durable.append(path, b"one\n")

    def full(descriptor, data):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, bytes(data[:2]))

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "write", full)
        with pytest.raises(CheckpointError, match="No space left"):
            durable.append(path, b"two\n")
    assert path.read_bytes() == b"one\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_a_files_place_never_blocks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        durable.read(tmp_path / "pipe", 100)
    with pytest.raises(CheckpointError):
        durable.append(tmp_path / "pipe", b"x\n")
    with pytest.raises(OSError, match="not a regular file"):
        durable.read(tmp_path, 100)


def test_reading_refuses_other_lengths_before_it_takes_memory(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as stream:
        stream.truncate(2**42)  # sparse: takes no room
    with pytest.raises(OSError, match="more than"):
        durable.read(path, 2**20)
    path.write_bytes(b"12345")
    assert durable.read(path, 5) == b"12345"
    with pytest.raises(OSError, match="instead of"):
        durable.read(path, 2**50, exactly=2**50)


def test_sweeping_takes_only_our_own_temporaries_of_dead_processes(tmp_path):
    dead = 999_999_999  # above every limit of a process number
    names = {
        f".metrics.jsonl.{dead}.tmp": False,
        f".step-000001.{os.getpid()}.tmp": False,
        f".report.html.{os.getppid()}.tmp": True,
        "thesis.tmp": True,
        ".thesis.tmp": True,
        f"step-000001.{dead}.tmp": True,
        ".x.99999999999999999999.tmp": True,
        "file": True,
    }
    for name in names:
        (tmp_path / name).write_bytes(b"")
    folder = tmp_path / f".step-000002.{dead}.tmp"
    folder.mkdir()
    (folder / "tensors").write_bytes(b"")
    durable.sweep(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {
        name for name, stays in names.items() if stays
    }
    durable.sweep(tmp_path / "absent")


def test_flushing_an_absent_file_is_nothing_and_an_error_is_told(tmp_path, monkeypatch):
    durable.flush(tmp_path / "absent")
    (tmp_path / "file").write_bytes(b"")
    durable.flush(tmp_path / "file")

    def fail(_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(durable.os, "fsync", fail)
    with pytest.raises(CheckpointError, match="broken"):
        durable.flush(tmp_path / "file")
