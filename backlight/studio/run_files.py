"""Run folders as a page may name them: found by a scan, never by a path; links are never followed.

A run folder may come from a stranger. What is read of it is opened relative to the folder, as a
plain file with one name, and only up to a size; whatever else lies there does not exist here.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backlight.errors import CheckpointError

LARGEST = 64 * 2**20
MOST_RUNS = 2_000
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER = _FLAGS | getattr(os, "O_DIRECTORY", 0)
_FILE = _FLAGS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_RELATIVE = os.open in os.supports_dir_fd


@dataclass(frozen=True)
class Found:
    """A run folder: the name that pages use, its place, and when its metrics last grew."""

    name: str
    path: Path
    changed: float


def scan(folder: Path) -> dict[str, Found]:
    """Every run in the folder by its name, the newest first.

    A run is a plain folder that holds a plain config.toml. The folder itself may be missing.
    """
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    one = _run(entry.name, Path(entry.path))
                    if one is not None:
                        found.append(one)
                if len(found) >= MOST_RUNS:
                    break
    except OSError:
        return {}
    return {one.name: one for one in sorted(found, key=lambda one: (-one.changed, one.name))}


def _run(name: str, path: Path) -> Found | None:
    times = []
    for kept in ("config.toml", "metrics.jsonl"):
        try:
            about = os.lstat(path / kept)
        except OSError:
            break
        if not stat.S_ISREG(about.st_mode):
            break
        times.append(about.st_mtime)
    return Found(name, path, max(times)) if times else None


def find(folder: Path, name: Any) -> Found:
    """The run that the scan finds under this name.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    found = scan(folder).get(name) if isinstance(name, str) else None
    if found is None:
        raise CheckpointError(
            "the studio",
            got=f"the run {str(name)[:80]!r}",
            needs="one of the runs in its folder",
            remedy="Reload the list of runs; this one may have been removed.",
        )
    return found


def read(run: Found, name: str, start: int = 0, most: int = LARGEST) -> bytes:
    """The bytes of a file of the run from `start` on; none if it is not there.

    Raises
    ------
    CheckpointError
        If it is a link, a pipe, has a second name, or cannot be read.
    """
    try:
        handle = _opened(run.path, name)
    except FileNotFoundError:
        return b""
    except OSError as problem:
        raise _foreign(run, name, f"the error “{problem.strerror}”") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(handle)
        raise _foreign(run, name, "what is no plain file of the run's own")
    with open(handle, "rb") as file:  # noqa: PTH123 - it has a handle, not a path
        file.seek(start)
        return file.read(most)


def has(run: Found, name: str) -> bool:
    """Whether the run has a file of this name."""
    try:
        return bool(read(run, name, most=1))
    except CheckpointError:
        return False


def _opened(folder: Path, name: str) -> int:
    if not _RELATIVE:
        return os.open(folder / name, _FILE)
    place = os.open(folder, _FOLDER)
    try:
        return os.open(name, _FILE, dir_fd=place)
    finally:
        os.close(place)


def _foreign(run: Found, name: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"run {run.name[:80]}, {name}",
        got=why,
        needs="a plain file that the run has written",
        remedy="Look at the folder: it has been changed by hand, or is somebody else's.",
    )
