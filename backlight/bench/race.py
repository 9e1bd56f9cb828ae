"""Measuring a workload: contenders ready beside each other, compared, then timed in turns."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from backlight.bench.agreement import compared
from backlight.bench.peer import OURS, PEERS
from backlight.bench.process import Process, surroundings
from backlight.bench.row import Measurement, Row
from backlight.bench.workload import Kind, Workload, framework
from backlight.errors import DataError

SETTLE_SECONDS = 0.05
"""Between turns: thread pools that wait for more work go to sleep."""
QUIET_PERCENT = 30.0
"""Busier processors than this are busy with something else, for no contender has its turn."""
PATIENCE_SECONDS = 10.0
"""How long all turns of a workload together wait for such work to end, before they go on."""
FRESH_PROCESSES = {Kind.FIRST_CALL: 3, Kind.CACHED_CALL: 3, Kind.MEMORY: 1, Kind.START: 5}
STEPS_FOR_MEMORY = 10


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes
    ----------
    threads : int
        How many threads each contender may use.
    rounds : int
        How often each contender has its turn.
    seconds : float
        How long a turn is; one call may make it longer.
    peer_python : str
        The interpreter that peers run in.
    tell : callable
        Called with a few words about what is going on.
    """

    threads: int
    rounds: int = 7
    seconds: float = 0.2
    peer_python: str = sys.executable
    tell: Callable[[str], None] = lambda words: None  # noqa: ARG005


class Entry:
    """A contender that takes part: its process, if it could be started, and its measurement."""

    def __init__(self, home: str, work: Workload, contender: str, settings: Settings) -> None:
        self.home, self.work, self.settings = home, work, settings
        self.measured = Measurement(contender)
        self.process: Process | None = None
        self.prepared = 0.0

    def start(self, folder: Path, cache: Path | None = None) -> list[Any]:
        """Start the process and make it ready; returns its answers, empty if it failed."""
        name = self.measured.contender
        self.settings.tell(f"{self.work.name}: {name} gets ready")
        python = sys.executable if framework(name) == OURS else self.settings.peer_python
        folder.mkdir(parents=True, exist_ok=True)
        self.process = Process(python, surroundings(self.settings.threads, cache))
        reply = self.ask(
            "prepare",
            module=self.home,
            name=self.work.name,
            contender=name,
            threads=self.settings.threads,
            folder=str(folder),
        )
        if "failed" in reply:
            return []
        self.prepared, self.measured.first_call = reply["prepared"], reply["first_call"]
        self.measured.version = reply["version"]
        return [np.load(file) for file in reply["answers"]]

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """The process's reply; a process that fails is closed and says so in the measurement."""
        if self.process is None:
            return {}
        try:
            reply = self.process.ask(do, **details)
        except DataError as problem:
            reply = {"failed": problem.got}
        if "failed" in reply:
            self.measured.failed = " ".join(str(reply["failed"]).split())[:300]
            name = framework(self.measured.contender)
            if name in PEERS and reply.get("missing") == PEERS[name].module:
                self.measured.missing = name
            self.measured.samples.clear()
            self.close()
        return reply

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.close()
            self.process = None


def measure(home: str, work: Workload, contenders: Sequence[str], settings: Settings) -> Row:
    """Measure a workload's contenders.

    Parameters
    ----------
    home : str
        The module that holds the workload.
    work : Workload
    contenders : sequence of str
        Which of the workload's contenders take part.
    settings : Settings

    Returns
    -------
    Row
        With a disagreement and no samples if two contenders computed different things.
    """
    entries = [Entry(home, work, name, settings) for name in contenders]
    row = Row(work, settings.threads, [entry.measured for entry in entries])
    with tempfile.TemporaryDirectory(prefix="backlight-bench-") as temporary:
        folder = Path(temporary)
        try:
            if work.kind is Kind.TIME:
                _race(row, entries, folder)
            else:
                _start_afresh(row, entries, folder)
        finally:
            for entry in entries:
                entry.close()
    return row


def _race(row: Row, entries: list[Entry], folder: Path) -> None:
    """All ready beside each other; compared; then rounds in which each has its turn."""
    answers = {}
    for place, entry in enumerate(entries):
        found = entry.start(folder / str(place))
        if entry.process is not None:
            answers[entry.measured.contender] = found
    if not _agree(row, answers):
        return
    settings = entries[0].settings
    settings.tell(f"{row.workload.name}: they agree to {row.difference:.1e}; timing")
    running = [entry for entry in entries if entry.process is not None]
    for entry in running:
        entry.ask("warm")
    patience = PATIENCE_SECONDS
    for turn in range(settings.rounds):
        shift = turn % max(len(running), 1)
        for entry in running[shift:] + running[:shift]:  # nobody is always after the same one
            patience -= wait_for_quiet(patience)
            reply = entry.ask("round", seconds=settings.seconds)
            if entry.process is not None:
                entry.measured.samples += reply["samples"]


def wait_for_quiet(patience: float) -> float:
    """Let the processors come to rest between turns; returns the seconds spent beyond that."""
    began = time.monotonic()
    while psutil.cpu_percent(SETTLE_SECONDS) > QUIET_PERCENT:
        if time.monotonic() - began > patience:
            break
    return max(0.0, time.monotonic() - began - SETTLE_SECONDS)


def _start_afresh(row: Row, entries: list[Entry], folder: Path) -> None:
    """A new process for each sample: compile time, memory and start-up."""
    answers, kind = {}, row.workload.kind
    for place, entry in enumerate(entries):
        own = folder / str(place)
        if kind is Kind.CACHED_CALL:
            entry.start(own, own / "cache")
            entry.close()
        for turn in range(FRESH_PROCESSES[kind]):
            cache = own / ("cache" if kind is Kind.CACHED_CALL else f"cache{turn}")
            found = entry.start(own, cache)
            if entry.process is None:
                break
            answers[entry.measured.contender] = found
            sample = _sample(entry, kind)
            if entry.process is not None:
                entry.measured.samples.append(sample)
            entry.close()
    if not _agree(row, answers):
        for entry in entries:
            entry.measured.samples.clear()


def _sample(entry: Entry, kind: Kind) -> float:
    """The one number that a fresh process is started for."""
    if kind is Kind.MEMORY:
        return float(entry.ask("repeat", times=STEPS_FOR_MEMORY).get("memory", 0))
    return entry.prepared if kind is Kind.START else entry.measured.first_call


def _agree(row: Row, answers: dict[str, list[Any]]) -> bool:
    """Whether all computed the same; the row says who did not."""
    row.difference, disagreement = compared(answers, row.workload.tolerance)
    row.disagreement = "" if disagreement is None else str(disagreement)
    return disagreement is None
