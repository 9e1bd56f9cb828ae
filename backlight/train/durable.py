"""Files that are either wholly there or not at all, also after a crash or on a lying disk.

Write to a temporary name, flush to the disk, read back and compare, rename, flush the folder.
A rename alone is not enough: it may reach the disk before the contents do; and a disk that reports
success without writing is only caught by reading back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

import psutil

from backlight.errors import CheckpointError

_CHUNK = 1 << 20
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not hold us up
_TEMPORARY = re.compile(r"^\..+\.([0-9]{1,9})\.tmp$")


def temporary_name(path: Path) -> Path:
    """Where the content of `path` is prepared: beside it, hidden, with this process's number."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_new(path: Path, content: bytes) -> str:
    """Write a file that must not exist yet, flush it, read it back; returns its SHA-256.

    Raises
    ------
    CheckpointError
        If the disk is full, refuses, or does not hold what was written. Nothing is left behind.
    """
    made = False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o644)
        made = True
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        wanted = hashlib.sha256(content).hexdigest()
        found = digest(path)
    except OSError as problem:
        if made:
            remove(path)
        raise CheckpointError(
            str(path),
            got=f"the error “{problem.strerror or problem}” while writing {len(content):,} bytes",
            needs="a disk with room that can be written",
            remedy="Free some space or choose another --out; what was saved before is whole.",
        ) from problem
    if found != wanted:
        remove(path)
        raise CheckpointError(
            str(path),
            got="other bytes back than were written",
            needs="a disk that keeps what it is given",
            remedy="Check the disk; what was saved before is whole.",
        )
    return wanted


def write_all(descriptor: int, content: bytes) -> None:
    """Write every byte, however few a single call takes.

    Raises
    ------
    OSError
        As the system says, or if it takes no byte at all.
    """
    view = memoryview(content)
    while view:
        taken = os.write(descriptor, view[:_CHUNK])
        if taken <= 0:
            raise OSError(errno.EIO, "the disk takes no more bytes")
        view = view[taken:]


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another in one step; a crash leaves the old or the new.

    Raises
    ------
    CheckpointError
        If it cannot be written; then the old file is still there.
    """
    temporary = temporary_name(path)
    remove(temporary)
    write_new(temporary, content)
    try:
        temporary.replace(path)
        flush_folder(path.parent)
    except OSError as problem:
        remove(temporary)
        raise CheckpointError(
            str(path),
            got=f"the error “{problem.strerror or problem}” while renaming",
            needs="a folder that can be written",
            remedy="Check its permissions and its disk.",
        ) from problem


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, whole or not at all; a half-written one before it is cut off first.

    Raises
    ------
    CheckpointError
        If it cannot be written; the lines before it are untouched.
    """
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINKS | _NO_WAITING, 0o644
        )
        try:
            _must_be_file(descriptor)
            end = _end_of_lines(descriptor)
            try:
                write_all(descriptor, line)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise CheckpointError(
            str(path),
            got=f"the error “{problem.strerror or problem}” while writing a line of "
            f"{len(line):,} bytes",
            needs="a file on a disk with room",
            remedy="Free some space; then go on with --resume.",
        ) from problem


def flush(path: Path) -> None:
    """Bring a file that may be absent to the disk.

    Raises
    ------
    CheckpointError
        If the disk refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | _NO_LINKS | _NO_WAITING)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise CheckpointError(
            str(path),
            got=f"the error “{problem.strerror or problem}” while flushing it",
            needs="a disk that can be written",
            remedy="Check the disk; then go on with --resume.",
        ) from problem


def flush_folder(folder: Path) -> None:
    """Make renames inside the folder durable, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, most: int, exactly: int | None = None) -> bytes:
    """A regular file's bytes through one handle; never waits, follows no link at its end.

    Parameters
    ----------
    path : Path
        What to read.
    most : int
        The file may have so many bytes; its size is looked at before any is read.
    exactly : int, optional
        The file must have just so many.

    Raises
    ------
    OSError
        If it is not a file, cannot be read, or has another length.
    """
    descriptor = os.open(path, os.O_RDONLY | _NO_LINKS | _NO_WAITING)
    try:
        size = _must_be_file(descriptor)
        if size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, more than {most:,}")
        if exactly is not None and size != exactly:
            raise OSError(errno.EIO, f"{size:,} bytes instead of {exactly:,}")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(size + 1)
    finally:
        os.close(descriptor)
    if len(content) != size:
        raise OSError(errno.EIO, "a file that changes while it is read")
    return content


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    summary = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            summary.update(chunk)
    return summary.hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder of ours, if it is there and the system lets us."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove temporaries that this process or dead ones left; those of living ones stay."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            match = _TEMPORARY.match(path.name)
            if match and (int(match[1]) == os.getpid() or not psutil.pid_exists(int(match[1]))):
                remove(path)


def is_temporary(name: str) -> bool:
    """Whether a name is one that `temporary_name` gives."""
    return _TEMPORARY.match(name) is not None


def _must_be_file(descriptor: int) -> int:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return found.st_size


def _end_of_lines(descriptor: int) -> int:
    """Go to the end of the last whole line, and cut what follows it."""
    size = end = os.lseek(descriptor, 0, os.SEEK_END)
    reach = 1  # nearly always the last byte already ends a line
    while end:
        start = max(0, end - reach)
        os.lseek(descriptor, start, os.SEEK_SET)
        newline = os.read(descriptor, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end, reach = start, _CHUNK
    if end != size:
        os.ftruncate(descriptor, end)
    os.lseek(descriptor, end, os.SEEK_SET)
    return end
