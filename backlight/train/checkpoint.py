"""Checkpoints: everything a run needs to go on as if it had never stopped.

A checkpoint is a folder `step-000123` with the arrays (`tensors.safetensors`), the rest
(`state.json`) and a manifest with the SHA-256 and length of both, sealed by its own. It is
written under a temporary name, flushed, read back, and renamed; the newest two and the best are
kept. The latest is found by looking, never by a pointer that could itself be damaged. A second
checkpoint of the same step is `step-000123.1`: nothing is put in the place of something good.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import backlight
from backlight.errors import CheckpointError
from backlight.train import durable, strict_json, weights

Array = np.ndarray[Any, Any]
FORMAT = 1
_NAME = re.compile(r"^step-([0-9]{6,18})(?:\.([0-9]{1,9}))?$")
_MANIFEST, _TENSORS, _STATE = "manifest.json", "tensors.safetensors", "state.json"
_FILES = (_TENSORS, _STATE)
_LARGEST_MANIFEST = 2**16


class CheckpointWarning(UserWarning):
    """A damaged checkpoint was passed over for an earlier one."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: arrays by name, and a state of plain values."""

    path: Path
    step: int
    score: float | None
    arrays: dict[str, Array]
    state: dict[str, Any]


# ── saving ─────────────────────────────────────────────────────────────────────────────────────


def save(
    folder: Path,
    step: int,
    arrays: Mapping[str, Array],
    state: Mapping[str, Any],
    *,
    score: float | None = None,
    keep: int = 2,
) -> Path:
    """Write a checkpoint and remove those no longer needed.

    Parameters
    ----------
    folder : Path
        Where checkpoints live.
    step : int
        Steps taken so far.
    arrays, state : mappings
        Arrays by name; and plain values that JSON holds exactly.
    score : float, optional
        Larger is better; the best checkpoint is never removed.
    keep : int
        How many of the newest whole ones are kept, at least 1.

    Returns
    -------
    Path
        The checkpoint's folder.

    Raises
    ------
    CheckpointError
        If it cannot be written; the earlier ones are untouched.
    """
    contents = {
        _TENSORS: weights.to_bytes(arrays),
        _STATE: strict_json.dumps(state, exact=True).encode(),
    }
    room = sum(map(len, contents.values()))
    target = folder / f"step-{step:06d}"
    temporary = durable.temporary_name(target)
    try:
        _make(folder)
        target = _unused(folder, step)
        durable.remove(temporary)
        temporary.mkdir()
        _fill(temporary, contents, step, score)
        temporary.rename(target)
        try:
            durable.flush_folder(folder)
        except OSError:
            target.rename(temporary)  # perhaps not on the disk: no success then
            raise
    except OSError as problem:
        durable.remove(temporary)
        raise CheckpointError(
            str(target),
            got=f"the error “{problem.strerror or problem}”",
            needs=f"room for {room:,} bytes in a folder that can be written",
            remedy="Free some space or choose another --out; earlier checkpoints are whole.",
        ) from problem
    except CheckpointError as problem:
        durable.remove(temporary)
        raise CheckpointError(
            problem.subject,
            got=problem.got,
            needs=f"{problem.needs} ({room:,} bytes in all)",
            remedy=problem.remedy,
            source=problem.source,
        ) from problem
    _prune(folder, keep)
    durable.sweep(folder)
    return target


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        durable.flush_folder(folder.parent)


def _unused(folder: Path, step: int) -> Path:
    """The first name for a checkpoint of this step that nothing has."""
    target, revision = folder / f"step-{step:06d}", 0
    while target.exists() or target.is_symlink():
        revision += 1
        target = folder / f"step-{step:06d}.{revision}"
    return target


def _fill(folder: Path, contents: Mapping[str, bytes], step: int, score: float | None) -> None:
    files = {
        name: {"sha256": durable.write_new(folder / name, content), "bytes": len(content)}
        for name, content in contents.items()
    }
    manifest = {
        "format": FORMAT,
        "made_by": backlight.__version__,
        "step": step,
        "score": score,
        "files": files,
    }
    durable.write_new(folder / _MANIFEST, seal(manifest))
    durable.flush_folder(folder)


def seal(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is written: with the hash of its other entries at its end."""
    entries = {name: value for name, value in manifest.items() if name != "seal"}
    digest = hashlib.sha256(strict_json.dumps(entries).encode()).hexdigest()
    return strict_json.dumps({**entries, "seal": digest}).encode()


def _prune(folder: Path, keep: int) -> None:
    """Remove what is neither among the newest, nor the best, nor damaged."""
    scores: dict[Path, float | None] = {}
    for path in found(folder):
        try:
            scores[path] = _outlined(path)["score"]
        except (CheckpointError, OSError):
            continue  # damaged: left for a person to look at, and not counted
    latest_of_step = {_step(path): path for path in scores}
    kept = set(list(latest_of_step.values())[-max(1, keep) :])
    scored = {path: score for path, score in scores.items() if score is not None}
    if scored:
        kept.add(max(scored, key=scored.__getitem__))  # the first of equals
    for path in set(scores) - kept:
        # First out of sight in one step, so that a kill leaves no half of it behind.
        hidden = durable.temporary_name(path)
        try:
            path.rename(hidden)
        except OSError:
            continue
        durable.remove(hidden)


# ── loading ────────────────────────────────────────────────────────────────────────────────────


def load(path: Path) -> Checkpoint:
    """The checkpoint in this folder, after every check.

    Raises
    ------
    CheckpointError
        If a file is missing, of another length or hash, or not what it should be.
    """
    manifest = _manifest(path)
    contents = {}
    for name in _FILES:
        expected = manifest["files"][name]
        _look_at_size(path / name, expected["bytes"])
        weights.check_room(expected["bytes"], str(path / name))
        contents[name] = _read(path / name, expected["bytes"], expected["bytes"])
        if hashlib.sha256(contents[name]).hexdigest() != expected["sha256"]:
            raise _damaged(
                path,
                f"{name} with another SHA-256 than its manifest says "
                f"({str(expected['sha256'])[:12]}…)",
            )
    state = strict_json.loads(contents[_STATE], str(path / _STATE), exact=True)
    if not isinstance(state, dict):
        raise _damaged(path, "a state that is not a table")
    arrays = weights.from_bytes(contents[_TENSORS], str(path / _TENSORS))
    return Checkpoint(path, manifest["step"], manifest["score"], arrays, state)


def latest(folder: Path, *, strict: bool = False, told: Container[Path] = ()) -> Checkpoint:
    """The newest checkpoint that is whole; a damaged one is warned about and passed over.

    Parameters
    ----------
    folder : Path
        Where checkpoints live.
    strict : bool
        Refuse a damaged newest checkpoint rather than take an earlier one.
    told : container of Path
        Checkpoints whose damage was warned about already.

    Raises
    ------
    CheckpointError
        If there is none, or none is whole.
    """
    problems = []
    for path in reversed(found(folder)):
        try:
            return load(path)
        except CheckpointError as problem:
            if strict:
                raise
            problems.append(f"{path.name}: {problem.got}")
            if path not in told:
                _warn(path, problem)
    damage = f"; damaged: {'; '.join(problems)}" if problems else ""
    raise CheckpointError(
        str(folder),
        got=f"no whole checkpoint{damage}",
        needs="at least one",
        remedy="Start the run again with `backlight train` and another --out; "
        "config.toml in the run's folder has its settings, for --config.",
    )


def best(folder: Path) -> Checkpoint:
    """The whole checkpoint with the highest score (the earliest of equals), else the latest.

    Raises
    ------
    CheckpointError
        If none is whole.
    """
    scored, told = [], set()
    for place, path in enumerate(found(folder)):
        try:
            score = _manifest(path)["score"]
        except CheckpointError as problem:
            _warn(path, problem)
            told.add(path)
            continue
        if score is not None:
            scored.append((-score, place, path))
    for _, _, path in sorted(scored):
        try:
            return load(path)
        except CheckpointError as problem:
            _warn(path, problem)
            told.add(path)
    return latest(folder, told=told)


def found(folder: Path) -> list[Path]:
    """The checkpoint folders, oldest first; temporaries of dead runs are not among them."""
    try:
        paths = [
            path
            for path in folder.iterdir()
            if _NAME.match(path.name) and path.is_dir() and not path.is_symlink()
        ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise CheckpointError(
            str(folder),
            got=f"the error “{problem.strerror or problem}”",
            needs="a folder that can be read",
            remedy="Check its permissions.",
        ) from None
    return sorted(paths, key=lambda path: (_step(path), _revision(path)))


def _step(path: Path) -> int:
    match = _NAME.match(path.name)
    return -1 if match is None else int(match[1])


def _revision(path: Path) -> int:
    match = _NAME.match(path.name)
    return 0 if match is None else int(match[2] or 0)


# ── the manifest and the files ─────────────────────────────────────────────────────────────────


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, every entry checked."""
    if not path.is_dir():
        if path.is_file():
            with path.open("rb") as stream:
                weights.refuse_foreign(stream.read(16), str(path))
        got = "a file" if path.is_file() else "no such folder" if not path.exists() else "no folder"
        raise CheckpointError(
            str(path),
            got=got,
            needs="a checkpoint's folder",
            remedy="Give the folder of a run, or step-… in its checkpoints/.",
        )
    content = _read(path / _MANIFEST, _LARGEST_MANIFEST)
    manifest = strict_json.loads(content, str(path / _MANIFEST))
    if not isinstance(manifest, dict):
        raise _damaged(path, "a manifest that is not a table")
    if type(manifest.get("format")) is int and manifest["format"] > FORMAT:
        raise CheckpointError(
            str(path),
            got=f"format {manifest['format']}, made by Backlight "
            f"{str(manifest.get('made_by', 'of a later version'))[:40]}",
            needs=f"format {FORMAT}, for this is Backlight {backlight.__version__}",
            remedy="Upgrade Backlight to read it.",
        )
    wrong = [
        name
        for name, sound in _ENTRIES.items()
        if name not in manifest or not sound(manifest[name])
    ]
    wrong += [str(name)[:80] for name in manifest if name not in _ENTRIES]
    if wrong:
        raise _damaged(path, f"a manifest whose {', '.join(wrong[:5])} is not as written")
    if seal(manifest) != content:
        raise _damaged(path, f"a manifest with another seal than {manifest['seal'][:12]}…")
    if _NAME.match(path.name) and _step(path) != manifest["step"]:
        raise _damaged(path, f"a manifest of step {manifest['step']}")
    return manifest


def _sound_files(files: Any) -> bool:
    """Just the two files of a checkpoint, which keeps every path inside its folder."""
    return (
        isinstance(files, dict)
        and set(files) == set(_FILES)
        and all(
            isinstance(entry, dict)
            and set(entry) == {"sha256", "bytes"}
            and type(entry["bytes"]) is int
            and entry["bytes"] >= 0
            and isinstance(entry["sha256"], str)
            for entry in files.values()
        )
    )


_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "format": lambda value: type(value) is int and value == FORMAT,
    "made_by": lambda value: isinstance(value, str),
    "step": lambda value: type(value) is int and value >= 0,
    "score": lambda value: value is None or type(value) in (int, float),
    "files": _sound_files,
    "seal": lambda value: isinstance(value, str),
}


def _outlined(path: Path) -> dict[str, Any]:
    """The manifest, and a look at whether its files are there with their lengths."""
    manifest = _manifest(path)
    for name in _FILES:
        _look_at_size(path / name, manifest["files"][name]["bytes"])
    return manifest


def _look_at_size(file: Path, expected: int) -> None:
    try:
        size = file.lstat().st_size
    except OSError as problem:
        raise _damaged(file.parent, f"{file.name} unreadable ({problem.strerror})") from None
    if size != expected:
        raise _damaged(
            file.parent, f"{file.name} of {size:,} bytes, where its manifest says {expected:,}"
        )


def _read(file: Path, most: int, exactly: int | None = None) -> bytes:
    """A file's bytes through one handle, so that what is checked is what is used."""
    try:
        return durable.read(file, most, exactly)
    except OSError as problem:
        raise _damaged(file.parent, f"{file.name} unreadable ({problem.strerror})") from None


def _damaged(path: Path, got: str) -> CheckpointError:
    return CheckpointError(
        str(path),
        got=got,
        needs="the files as they were written",
        remedy="Use an earlier checkpoint.",
    )


def _warn(path: Path, problem: CheckpointError) -> None:
    warnings.warn(
        CheckpointWarning(f"{path} is damaged ({problem.got}); an earlier checkpoint is used."),
        stacklevel=3,
    )
