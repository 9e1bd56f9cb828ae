"""Machine code made by processes beside this one: on all processors, and in their memory.

LLVM takes tens of milliseconds a kernel, holds Python's lock or its own all that time, and keeps
tens of megabytes for the next one. So where many kernels are missing, other processes make their
code; this one writes the text meanwhile, and only loads what comes back. Where they cannot be
started, or one fails, the code is made here: the same code.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import backlight
from backlight.errors import ArgumentError
from backlight.native.machine_code.build import compile_object
from backlight.native.machine_code.machine import Target
from backlight.native.machine_code.worker import receive, send
from backlight.native.running.threads import cores

FEW = 12
"""Kernels that are made sooner than a process has started."""
_MOST = 4
_VARIABLE = "BACKLIGHT_COMPILE_PROCESSES"


def wanted(kernels: int) -> int:
    """How many processes to start for so many missing kernels; 0 to make them here.

    BACKLIGHT_COMPILE_PROCESSES says how many may be, 0 for none.

    Raises
    ------
    ArgumentError
        If it is not a number from 0 to 64.
    """
    told = os.environ.get(_VARIABLE, "").strip()
    if told and not (told.isdecimal() and int(told) <= 64):
        raise ArgumentError(
            _VARIABLE,
            got=repr(told),
            needs="a whole number from 0 to 64",
            remedy="0 compiles in this process; without it, there is one for each processor.",
        )
    most = int(told) if told else min(_MOST, cores())
    if kernels < FEW or (most < 2 and not told) or not _is_python():
        return 0
    return min(most, kernels // (FEW // 2))


def _is_python() -> bool:
    """Whether `sys.executable` is an interpreter, and not a program that one was built into."""
    name = Path(sys.executable or "").name.lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


class Workers:
    """Some processes that make machine code for a target, until `close`."""

    def __init__(self, count: int, target: Target) -> None:
        self.target = target
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        self._started: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            self._idle.put(self._start())
        self._threads = ThreadPoolExecutor(count)

    def _start(self) -> subprocess.Popen[bytes] | None:
        here = str(Path(backlight.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
        command = [sys.executable, "-P", "-m", "backlight.native.machine_code.worker"]
        try:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, on our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
        except OSError:
            return None
        self._started.append(process)
        with suppress(OSError):
            send(_pipe(process.stdin), json.dumps(asdict(self.target)).encode())
        return process

    def submit(self, text: str) -> Future[bytes]:
        """Object code for a module of LLVM's language, when it will be there."""
        return self._threads.submit(self._made, text)

    def _made(self, text: str) -> bytes:
        process = self._idle.get()
        made: bytes | None = b""
        if process is not None:
            try:
                send(_pipe(process.stdin), text.encode())
                made = receive(_pipe(process.stdout))
            except OSError:
                made = None
        self._idle.put(process if made is not None else None)  # one that has ended is not asked
        return made or compile_object(text, self.target)

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        for process in self._started:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._started:
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    _pipe(stream).close()
            process.wait()


@contextmanager
def workers(kernels: int, target: Target) -> Iterator[Workers | None]:
    """Processes for so many missing kernels, as long as the block runs; None where none are due."""
    count = wanted(kernels)
    if not count:
        yield None
        return
    made = Workers(count, target)
    try:
        yield made
    finally:
        made.close()


def _pipe(stream: Any) -> Any:
    """A pipe of a process, which is one since it was started so."""
    return stream
