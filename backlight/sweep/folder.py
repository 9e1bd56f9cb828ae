"""A sweep's folder: one lead at a time, and a record that a crash cannot make unreadable."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from backlight.errors import DataError, UsageError

JOURNAL = "journal.log"
_BLOCK = 1 << 16


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a sweep's folder; the system frees it when the process ends, however it ends.

    Raises
    ------
    UsageError
        If another process leads this sweep.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"sweep {folder}",
            got="a second lead while another process goes on with it",
            needs="one at a time",
            remedy="Wait for it or stop it; more processes at once are --jobs.",
        ) from None
    except (OSError, NotImplementedError) as problem:
        raise UsageError(
            f"sweep {folder}",
            got=f"a lock that cannot be taken ({problem})",
            needs="a folder that can be written",
            remedy="Check its permissions, or copy the sweep to another disk.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_journal(folder: Path) -> None:
    """Cut off a last line that a crash left half-written, and see that the record is not missing.

    Only whoever holds the folder may do that: a process at work may be writing the line.

    Raises
    ------
    DataError
        If there are trials but no record of them.
    """
    path = folder / JOURNAL
    if not path.exists():
        if any((folder / "trials").glob("*")):
            raise DataError(
                f"the sweep's record {path}",
                got="no such file, although there are trials",
                needs="the record that says what they tried",
                remedy="Restore it, or start the sweep anew in another folder; each trial in "
                f"{folder / 'trials'} can be opened by itself.",
            )
        return
    with path.open("r+b") as stream:
        end = stream.seek(0, 2)
        kept = end
        while kept > 0:
            begin = max(0, kept - _BLOCK)
            stream.seek(begin)
            newline = stream.read(kept - begin).rfind(b"\n")
            if newline >= 0:
                kept = begin + newline + 1
                break
            kept = begin
        if kept < end:
            stream.truncate(kept)
