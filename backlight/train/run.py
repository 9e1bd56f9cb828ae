"""The run folder: settings, environment, metrics, checkpoints, and who is writing to it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

import backlight
from backlight.errors import CheckpointError, UsageError
from backlight.train import durable, strict_json, weights
from backlight.train.settings import Settings
from backlight.train.sources import read_toml, write_toml

_LONGEST = 200
_LARGEST_LOG = 2**31
_LOGS = ("metrics", "timings")
_BEGUN = (".lock", ".owner", "environment.json")
"""What a run that was killed as it began has left: no reason to refuse its folder."""


class RunWarning(UserWarning):
    """Something in a run folder is damaged and was left out."""


class Run:
    """A folder that holds all of one training run.

    ========================  ==================================================================
    ``config.toml``           the settings, as `--config` takes them
    ``environment.json``      versions and processor, for a report or a comparison
    ``metrics.jsonl``         what was measured, a line an event; the same bytes when repeated
    ``timings.jsonl``         seconds and images per second, which are not
    ``checkpoints/``          see `backlight.train.checkpoint`
    ``test_looks.jsonl``      each time the test split was evaluated
    ``report.html``           the page
    ========================  ==================================================================
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self._lock = FileLock(str(path / ".lock"), timeout=0)
        self._holds = 0

    @classmethod
    def create(cls, out: str | Path | None, settings: Settings) -> Run:
        """A new run folder: `out`, or the next free number under ./runs.

        Raises
        ------
        UsageError
            If the folder holds something already, is a file, or cannot be written.
        """
        path = None if out is None else usable(out, settings)
        try:
            if path is None:
                path = _next_free(settings)
            path.mkdir(parents=True, exist_ok=True)
            probe = durable.temporary_name(path / "probe")
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as problem:
            raise UsageError(
                f"--out {out if path is None else path}",
                got=f"the error “{problem.strerror or problem}”",
                needs="a folder that can be created and written",
                remedy="Choose another folder, or change its permissions.",
            ) from None
        run = cls(path)
        with run.writing():
            if (path / "config.toml").exists():  # another process was faster
                raise _not_empty(path, f"--out {path}")
            durable.replace(
                path / "environment.json", (strict_json.dumps(environment()) + "\n").encode()
            )
            # Last, for this is what makes the folder a run.
            durable.replace(path / "config.toml", write_toml(settings.as_dict()).encode())
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """An existing run folder.

        Raises
        ------
        CheckpointError
            If it is missing or not a run folder.
        """
        folder = Path(path)
        try:
            if (folder / "config.toml").is_file():
                return cls(folder)
            got = (
                "no such folder"
                if not folder.exists()
                else "a file"
                if folder.is_file()
                else "a folder without config.toml"
            )
            if folder.is_file():
                with folder.open("rb") as stream:
                    weights.refuse_foreign(stream.read(16), f"run {folder}")
        except (OSError, ValueError) as problem:
            if isinstance(problem, CheckpointError):
                raise
            got = f"an unreadable path ({problem})"
        raise CheckpointError(
            f"run {str(folder)[:_LONGEST]}",
            got=got,
            needs="a folder that a run has written",
            remedy="Give the folder that `backlight train` printed.",
        )

    def settings(self) -> dict[str, Any]:
        """The recorded settings, checked."""
        path = self.path / "config.toml"
        return Settings.from_mapping(read_toml(path), str(path))

    def record(self, settings: Settings) -> None:
        """Write down the settings that a resumed run goes on with."""
        content, path = write_toml(settings.as_dict()).encode(), self.path / "config.toml"
        if path.read_bytes() != content:
            durable.replace(path, content)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder: a second process that wants to write is refused.

        The system frees the lock of a process that dies, however it dies. Blocks may be nested.

        Raises
        ------
        UsageError
            If another process is training into the folder; the message says which.
        """
        owner = self.path / ".owner"
        if not self._holds:
            self._take(owner)
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                durable.remove(owner)
                self._lock.release()

    def _take(self, owner: Path) -> None:
        try:
            self._lock.acquire()
        except Timeout:
            raise UsageError(
                f"run {self.path}",
                got=f"a second writer while {_owner(owner)} is training into it",
                needs="one at a time",
                remedy="Wait for it, stop it, or choose another --out.",
            ) from None
        except (OSError, NotImplementedError) as problem:
            raise UsageError(
                f"run {self.path}",
                got=f"a lock that cannot be taken ({problem})",
                needs="a folder that can be written",
                remedy="Check its permissions, or copy the run to another disk.",
            ) from None
        durable.sweep(self.path)
        with contextlib.suppress(OSError):
            owner.write_text(str(os.getpid()))

    # ── lines of JSON ──────────────────────────────────────────────────────────────────────

    def log(self, name: str, record: dict[str, Any]) -> None:
        """Append one line to `NAME.jsonl`.

        Raises
        ------
        CheckpointError
            If the disk is full or refuses; no half of the line is left.
        """
        durable.append(self.path / f"{name}.jsonl", (strict_json.dumps(record) + "\n").encode())

    def flush(self) -> None:
        """Bring what was logged to the disk, before a checkpoint says that it happened.

        Raises
        ------
        CheckpointError
            If the disk refuses.
        """
        for name in _LOGS:
            durable.flush(self.path / f"{name}.jsonl")

    def read(self, name: str) -> list[dict[str, Any]]:
        """The lines of `NAME.jsonl`; a half-written last line is left out.

        Raises
        ------
        CheckpointError
            If another line is damaged; the message says which.
        """
        path = self.path / f"{name}.jsonl"
        records = []
        for number, line in enumerate(_lines(path), start=1):
            if line.strip():
                record = strict_json.loads(line, f"{path}, line {number},")
                if isinstance(record, dict):
                    records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop what was logged after `step`, so that a resumed run repeats none of it.

        Lines that cannot be read are dropped too, with a warning: a checkpoint that is whole is
        worth more than its diary.
        """
        for name in _LOGS:
            path = self.path / f"{name}.jsonl"
            kept = []
            for number, line in enumerate(_lines(path), start=1):
                try:
                    reached = strict_json.loads(line, str(path)).get("step", 0)
                    if reached <= step:
                        kept.append(line + b"\n")
                except (CheckpointError, AttributeError, TypeError):
                    warnings.warn(
                        RunWarning(f"{path}, line {number}, is damaged and was left out."),
                        stacklevel=2,
                    )
            content = b"".join(kept)
            if path.is_file() and path.stat().st_size != len(content):
                durable.replace(path, content)


def _lines(path: Path) -> list[bytes]:
    """The whole lines of a file, without their ends; none if it is absent."""
    try:
        return durable.read(path, _LARGEST_LOG).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise CheckpointError(
            str(path),
            got=f"the error “{problem.strerror or problem}”",
            needs="a file that can be read",
            remedy="Check its permissions.",
        ) from None


def _owner(owner: Path) -> str:
    """The process that the file names."""
    try:
        return f"process {int(durable.read(owner, 20))}"
    except (OSError, ValueError):
        return "another process"


def environment() -> dict[str, Any]:
    """Versions and processor."""
    return {
        "backlight": backlight.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "implementation": sys.implementation.name,
    }


def usable(out: str | Path, settings: Settings) -> Path:
    """The folder that `--out` names, if a run may be put there."""
    path, shown = Path(out), f"--out {str(out)[:_LONGEST]!r}"
    if not str(out).strip() or not all(_sound_name(part) for part in path.parts):
        raise UsageError(
            shown,
            got="a name that folders should not have",
            needs=f"a path whose parts have at most {_LONGEST} bytes, no NUL and no space at "
            "either end",
            remedy="Choose another folder.",
        )
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(shown, got="a file", needs="a folder", remedy="Choose another path.")
        if path.is_dir() and any(
            one.name not in _BEGUN and not durable.is_temporary(one.name) for one in path.iterdir()
        ):
            raise _not_empty(path, shown)
    except OSError as problem:
        raise UsageError(
            shown,
            got=f"the error “{problem.strerror or problem}”",
            needs="a folder that can be created and written",
            remedy="Choose another folder, or change its permissions.",
        ) from None
    _not_among_the_data(path, settings, shown)
    return path


def _sound_name(part: str) -> bool:
    try:
        length = len(os.fsencode(part))
    except UnicodeError:
        return False
    return "\0" not in part and part == part.strip() and length <= _LONGEST


def _not_empty(path: Path, shown: str) -> UsageError:
    began = (path / "config.toml").is_file()
    return UsageError(
        shown,
        got="a folder that is not empty",
        needs="a new or empty folder",
        remedy=(
            f"Continue that run with --resume {path}, or choose another --out."
            if began
            else "Choose another --out."
        ),
    )


def _not_among_the_data(path: Path, settings: Settings, shown: str) -> None:
    """Refuse a run folder that would become a class of the very images it learns from."""
    kind, _, folder = settings.data.partition(":")
    if kind in ("folder", "faces", "stream") and folder:
        place, data = path.resolve(), Path(folder).resolve()
        if place == data or data in place.parents:
            raise UsageError(
                shown,
                got=f"a folder inside the data, {folder}",
                needs="a folder outside of them",
                remedy="Choose another --out.",
            )


def _next_free(settings: Settings) -> Path:
    """Make the next free number under ./runs, which no other process can then take."""
    stem = f"{settings.data.split(':')[0]}-{settings.model}"
    Path("runs").mkdir(exist_ok=True)
    number = 1
    while True:
        path = Path("runs") / f"{stem}-{number:03d}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path
