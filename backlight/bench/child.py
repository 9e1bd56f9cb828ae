"""One contender in a process of its own: prepares, answers, and runs rounds when it is told to.

The parent writes a line of JSON, and this process answers with one. Between the lines it sleeps on
its standard input, so that only the contender whose turn it is uses the processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from backlight.bench import memory, peer, workload

BATCH_SECONDS = 200e-6
"""Work shorter than this is timed several calls at once, or the clock would be part of it."""
WARM_SECONDS = 0.1
MOST_SAMPLES = 2000


class Contender:
    """What the parent's lines are answered with."""

    def __init__(self) -> None:
        self.ready: workload.Ready | None = None
        self.batch = 1

    def prepare(
        self, module: str, name: str, contender: str, threads: int, folder: str
    ) -> dict[str, Any]:
        """Make the data, the contender, its first call, and the answers to compare."""
        use_processors(threads)
        work = next(one for one in workload.from_module(module) if one.name == name)
        material = work.material()
        began = time.perf_counter()
        ready = work.contenders[contender](material)
        prepared = time.perf_counter()
        answer = ready.step()
        first = time.perf_counter()
        files: list[str] = []
        for turn in range(work.compared):
            answer = ready.step() if turn else answer
            files += _save(ready.read(answer), Path(folder), len(files))
        self.ready = ready
        return {
            "prepared": prepared - began,
            "first_call": first - prepared,
            "answers": files,
            "version": peer.version(workload.framework(contender)),
        }

    def warm(self) -> dict[str, Any]:
        """Run for a moment, and see how many calls make a sample."""
        samples = timed(self._step(), WARM_SECONDS, 1)
        quickest = min(samples)
        self.batch = max(1, round(BATCH_SECONDS / max(quickest, 1e-9)))
        return {"quickest": quickest}

    def round(self, seconds: float) -> dict[str, Any]:
        """Times of one unit of work, measured for about so many seconds."""
        steps = 1 if self.ready is None else self.ready.steps
        samples = timed(self._step(), seconds, self.batch)
        return {"samples": [one / steps for one in samples[:MOST_SAMPLES]]}

    def repeat(self, times: int) -> dict[str, Any]:
        """Run so many times; says the largest memory the process has had."""
        step = self._step()
        for _ in range(times):
            step()
        return {"memory": memory.peak()}

    def _step(self) -> Callable[[], Any]:
        return (lambda: None) if self.ready is None else self.ready.step


def timed(step: Callable[[], Any], seconds: float, batch: int) -> list[float]:
    """Seconds a call, for as many samples of `batch` calls as fit; at least one."""
    samples = []
    clock = time.perf_counter
    end = clock() + seconds
    while True:
        began = clock()
        for _ in range(batch):
            step()
        now = clock()
        samples.append((now - began) / batch)
        if now >= end:
            return samples


def use_processors(threads: int) -> None:
    """Stay on so many processors: some frameworks take every one they see."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        if threads < len(mine):
            os.sched_setaffinity(0, mine[:threads])


def _save(arrays: Any, folder: Path, first: int) -> list[str]:
    """Write arrays to files that the parent compares."""
    import numpy

    files = []
    for place, array in enumerate(arrays, first):
        file = folder / f"{place}.npy"
        numpy.save(file, numpy.asarray(array))
        files.append(str(file))
    return files


def answer(contender: Contender, line: str) -> dict[str, Any]:
    """Do what a line says; what goes wrong is told, not raised."""
    order = json.loads(line)
    try:
        reply: dict[str, Any] = getattr(contender, order.pop("do"))(**order)
    except ModuleNotFoundError as problem:
        return {"missing": (problem.name or "").split(".")[0], "failed": str(problem)}
    except Exception as problem:
        told = str(problem).strip() or type(problem).__name__
        return {"failed": told, "traceback": traceback.format_exc()}
    return reply


def main() -> None:
    """Answer lines until there are no more."""
    channel = _private_channel()
    contender = Contender()
    for line in sys.stdin:
        channel.write(json.dumps(answer(contender, line)) + "\n")
        channel.flush()
    with contextlib.suppress(OSError):
        channel.close()
    os._exit(0)  # thread pools of frameworks may not want to end


def _private_channel() -> TextIO:
    """Standard output for our lines alone: what frameworks print goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel
