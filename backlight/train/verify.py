"""Verify: a run's own settings and state, taken on in other ways that must come to the same.

The same bits on 1, 2 and 3 threads; a state handed from compiled to eager steps and back without
the loss of a bit, and one more step within rounding; and after a kill in the middle of an epoch and
a resume the same bytes as without. Everything happens in copies: the run is only read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from backlight.engine import random
from backlight.errors import BacklightError, CompileCheckError
from backlight.train import checkpoint, snapshot
from backlight.train.checkpoint import Checkpoint
from backlight.train.pipeline import Parts, build
from backlight.train.run import Run
from backlight.train.settings import Settings
from backlight.train.sources import gather
from backlight.train.step import Step

Array = np.ndarray[Any, Any]

THREADS = (1, 2, 3)
STEPS = 8
ROUNDING = 1e-2
"""How far two steps may be apart, ‖difference‖ / ‖change‖: rounding, and decisions at kinks."""
LONGEST = 120.0
"""Seconds of an epoch up to which it is run again, twice, to be killed."""
_WAIT = 600.0
_FEW = 3


@dataclasses.dataclass(frozen=True)
class Proof:
    """One thing that was verified: `ok` is None where it was not checked."""

    name: str
    ok: bool | None
    told: str


def verify(
    path: str, steps: int = STEPS, listen: Callable[[str], None] = lambda _: None
) -> list[Proof]:
    """Verify a run.

    Parameters
    ----------
    path : str
        Run folder.
    steps : int
        Steps that are taken from its latest checkpoint, for each comparison.
    listen : callable
        Told what is done next.

    Raises
    ------
    CheckpointError
        If it is no run folder, or no checkpoint is whole.
    """
    run = Run.open(path)
    settings = gather({}, environment={}, base=run.settings())
    saved = checkpoint.latest(run.checkpoints)
    before = random.default.state_dict()
    try:
        with threadpool_limits(limits=1):
            return list(_proofs(run, settings, saved, steps, listen))
    finally:
        random.default.load_state_dict(before)


def _proofs(
    run: Run, settings: Settings, saved: Checkpoint, steps: int, listen: Callable[[str], None]
) -> Iterator[Proof]:
    last = THREADS[-1]
    ways: dict[str, Callable[[], tuple[bool | None, str]]] = {
        f"same bits on {', '.join(map(str, THREADS[:-1]))} and {last} threads": lambda: _threads(
            settings, saved, steps
        ),
        "compiled state into eager": lambda: _handed_over(settings, saved, steps, first=True),
        "eager state into compiled": lambda: _handed_over(settings, saved, steps, first=False),
        "same bytes after SIGKILL and resume": lambda: _killed(run, settings),
    }
    for name, prove in ways.items():
        listen(name)
        try:
            ok, told = prove()
        except CompileCheckError as problem:
            ok, told = False, str(problem)
        yield Proof(name, ok, told)


# ── from a checkpoint on ───────────────────────────────────────────────────────────────────


class _Course:
    """A run taken on from a checkpoint, in memory."""

    def __init__(self, settings: Settings, saved: Checkpoint, **wishes: Any) -> None:
        self.parts: Parts = build(dataclasses.replace(settings, **wishes))
        groups = self.parts.optimizer.param_groups
        rates, schedule = [group["lr"] for group in groups], self.parts.schedule.state_dict()
        self.position = snapshot.put_back(self.parts, saved)
        # A finished run's learning rate may be 0: steps that change nothing prove nothing.
        self.parts.schedule.load_state_dict(schedule)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self.step = Step(self.parts)

    def go(self, steps: int) -> None:
        """Take steps, epoch after epoch."""
        taken = 0
        while taken < steps:
            for inputs, labels in self.parts.train:
                self.step(inputs, labels, watched=False)
                taken += 1
                if taken == steps:
                    return

    def saved(self) -> Checkpoint:
        """Where it is, as a checkpoint that was written and read would hold it."""
        arrays, state = snapshot.take(self.parts, self.position)
        copies = {name: np.array(value) for name, value in arrays.items()}
        return Checkpoint(Path("memory"), self.position["step"], None, copies, state)


def _digest(saved: Checkpoint) -> str:
    found = hashlib.sha256()
    for name in sorted(saved.arrays):
        array = np.ascontiguousarray(saved.arrays[name])
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _threads(settings: Settings, saved: Checkpoint, steps: int) -> tuple[bool, str]:
    digests: dict[int, str] = {}
    moved = False
    for count in THREADS:
        course = _Course(settings, saved, compile=True, threads=count)
        course.go(steps)
        after = course.saved()
        digests[count] = _digest(after)
        moved = digests[count] != _digest(saved)
    told = f"after {steps} steps, SHA-256 {digests[THREADS[0]][:12]}…"
    if not moved:
        return False, f"{told}: nothing has changed in these steps"
    if len(set(digests.values())) == 1:
        return True, told
    shown = ", ".join(f"{count}: {digest[:12]}…" for count, digest in digests.items())
    return False, f"after {steps} steps, SHA-256 by threads: {shown}"


def _handed_over(
    settings: Settings, saved: Checkpoint, steps: int, *, first: bool
) -> tuple[bool, str]:
    """Steps one way, the state handed to the other way, and one more step by both."""
    one = _Course(settings, saved, compile=first)
    one.go(steps)
    handed = one.saved()
    other = _Course(settings, handed, compile=not first)
    arrived = other.saved()
    lost = [
        name
        for name, value in handed.arrays.items()
        if value.tobytes() != arrived.arrays[name].tobytes()
    ]
    if lost or handed.arrays.keys() != arrived.arrays.keys():
        return False, f"not the same after loading: {', '.join(lost[:_FEW])}"
    other.go(1)
    again = _Course(settings, handed, compile=first)  # with the random state of that moment
    again.go(1)
    distance, name = _farthest(handed, again.saved(), other.saved())
    told = (
        f"{len(handed.arrays)} arrays equal; one more step: {name} farthest apart, "
        f"{distance:.1e} of its change"
    )
    return distance <= ROUNDING, told


def _farthest(before: Checkpoint, one: Checkpoint, other: Checkpoint) -> tuple[float, str]:
    """The parameter whose two updates differ most, as a share of their length."""
    worst, which = 0.0, "no parameter"
    for name, value in before.arrays.items():
        if not name.startswith("model/") or value.dtype.kind != "f":
            continue
        wide = np.asarray(value, np.float64)
        change = float(np.linalg.norm(one.arrays[name] - wide))
        apart = float(np.linalg.norm(one.arrays[name] - np.float64(other.arrays[name])))
        # A change that the numbers' own rounding swallows is none.
        share = _share(apart, change, wide, value.dtype)
        if share > worst:
            worst, which = share, name.removeprefix("model/")
    return worst, which


def _share(apart: float, change: float, value: Array, dtype: Any) -> float:
    """How far apart, as a share of the change, or of what rounding hides if that is more."""
    hidden = float(np.finfo(dtype).eps) / ROUNDING * float(np.linalg.norm(value))
    return apart / max(change, hidden) if apart else 0.0


# ── killed and resumed ─────────────────────────────────────────────────────────────────────


def _killed(run: Run, settings: Settings) -> tuple[bool | None, str]:
    """One more epoch in two copies; one of them is killed in its middle, and resumed."""
    seconds = max((float(one.get("seconds", 0)) for one in run.read("timings")), default=0.0)
    if seconds > LONGEST:
        return None, f"not checked: an epoch takes {seconds:.0f} s"
    with tempfile.TemporaryDirectory(prefix="backlight-verify-") as folder:
        whole, halved = Path(folder) / "whole", Path(folder) / "halved"
        for copy in (whole, halved):
            shutil.copytree(
                run.path,
                copy,
                ignore=shutil.ignore_patterns(".owner", "*.lock", ".lock", "report.html"),
            )
        epochs = int(checkpoint.latest(run.checkpoints).state["position"]["epoch"]) + 1
        epochs = max(epochs, settings.epochs or 1) if not _finished(run) else epochs
        _finish(whole, epochs)
        reached = _kill(halved, epochs)
        _finish(halved, epochs)
        return _same_run(whole, halved, reached)


def _finished(run: Run) -> bool:
    return any(record.get("event") == "end" for record in run.read("metrics"))


def _command(run: Path, epochs: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "backlight",
        "train",
        "--resume",
        str(run),
        "--epochs",
        str(epochs),
        "--quiet",
        "--no-report",
    ]


def _surroundings() -> dict[str, str]:
    """The environment without what would change the run's settings."""
    ours = {f"BACKLIGHT_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": paths}


def _finish(run: Path, epochs: int) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        _command(run, epochs),
        env=_surroundings(),
        capture_output=True,
        text=True,
        timeout=_WAIT,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        raise BacklightError(
            f"the copy {run.name} of the run",
            got=f"the exit code {done.returncode}: {done.stderr.strip()[-400:]}",
            needs="a resume that goes to its end",
            remedy="Try `backlight train --resume` on a copy of the run.",
        )


def _kill(run: Path, epochs: int) -> int:
    """Resume a run, and kill it as soon as it has taken a few steps; which step it had reached."""
    log = run / "metrics.jsonl"
    start = _steps_in(log)
    child = subprocess.Popen(  # noqa: S603 - our own command
        _command(run, epochs),
        env=_surroundings(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + _WAIT
    taken = 0
    while child.poll() is None and time.monotonic() < end:
        taken = _steps_in(log) - start
        if taken >= _FEW:
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    child.wait()
    return taken


def _steps_in(log: Path) -> int:
    content = log.read_bytes().replace(b" ", b"")
    return content.count(b'"event":"step"')


def _same_run(whole: Path, halved: Path, reached: int) -> tuple[bool, str]:
    one, other = (checkpoint.latest(path / "checkpoints") for path in (whole, halved))
    differing = [
        name
        for name in sorted(one.arrays.keys() | other.arrays.keys())
        if name not in one.arrays
        or name not in other.arrays
        or one.arrays[name].tobytes() != other.arrays[name].tobytes()
    ]
    if (whole / "metrics.jsonl").read_bytes() != (halved / "metrics.jsonl").read_bytes():
        differing.append("metrics.jsonl")
    if one.step != other.step or one.state != other.state:
        differing.append("state.json")
    told = f"killed after {reached} steps, resumed to step {other.step}"
    if not differing:
        return True, f"{told}: {len(one.arrays)} arrays, state and metrics.jsonl equal"
    return False, f"{told}: {', '.join(differing[:_FEW])} differ"
