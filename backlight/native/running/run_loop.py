"""The native loop that walks a table of kernels, alone or as a team: its memory and its functions.

A table is data: one record a kernel. The loop that reads it (run_loop.ll) is the only code that
knows of threads. Thread t of T runs the chunks ⌊chunks·t/T⌋ … ⌊chunks·(t+1)/T⌋ − 1 of every
record, and all meet at a barrier after it. Whoever comes last decides for all whether to go on:
nothing else can make the threads of a team disagree.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import string
import time
from importlib import resources
from typing import Any

import numpy as np

from backlight.native.machine_code import build

_WINDOWS = platform.system() == "Windows"

RECORD_WORDS = 8  # 64-bit words a record: function, operands, chunks, flags, ticks, pieces

STATE_WORDS = 80
STATE = {
    # What the table is.
    "TABLE": 0,
    "RECORDS": 1,
    "REPETITIONS": 2,
    "ROWS": 3,
    "STRIDE": 4,
    "SCALARS": 5,
    "PROFILE": 6,
    "SLICE": 7,
    "SPINS": 8,
    # Where the walk is.
    "RECORD": 9,
    "REPETITION": 10,
    "PIECE": 11,
    "DEADLINE": 12,
    "RUNNING": 13,
    "ABANDONED": 14,
    "REACHED": 15,
    # Written from outside while it runs.
    "ERROR": 16,
    "STOP": 17,
    # Two cache lines each, so that waiting for one does not disturb the others.
    "ARRIVED": 32,
    "GENERATION": 48,
    "LEFT": 64,
}

MAIL_WORDS = 16  # a worker's mailbox; mailbox 0 holds the words of the whole team
TEAM = {"HOLD": 0, "QUIT": 1, "IDLE": 2, "IDLE_SPINS": 3}
MAIL = {"STATUS": 0, "STATE_AT": 1, "THREADS": 2, "THREAD": 3}
STATUS = {"PARKED": 0, "AWAKE": 1, "POSTED": 2, "CLAIMED": 3}

NO_BARRIER, HOST, NARROW, BRIEF = 1, 2, 4, 8  # flags of a record

FINISHED, UNFINISHED, STOPPED, BUSY, ASLEEP = 0, 1, 2, 3, 4  # what a call returns

_X86 = {
    "declarations": "declare void @llvm.x86.sse2.pause()\ndeclare i64 @llvm.readcyclecounter()",
    "pause": "call void @llvm.x86.sse2.pause()",
    "now": "%now = call i64 @llvm.readcyclecounter()\n  ret i64 %now",
}
_ARM = {
    "declarations": "declare void @llvm.aarch64.hint(i32)\ndeclare i64 @llvm.readsteadycounter()",
    "pause": "call void @llvm.aarch64.hint(i32 1)",
    "now": "%now = call i64 @llvm.readsteadycounter()\n  ret i64 %now",
}


def text(machine: str = "") -> str:
    """The loop in LLVM's language, for x86-64 or 64-bit ARM; by default for this machine.

    Examples
    --------
    >>> "define i64 @start_team" in text("aarch64")
    True
    """
    arm = (machine or platform.machine()).lower() in ("arm64", "aarch64")
    numbers: dict[str, object] = {**STATE, **TEAM, **MAIL, **STATUS}
    numbers |= {
        "RECORD_WORDS": RECORD_WORDS,
        "MAIL_WORDS": MAIL_WORDS,
        "NO_BARRIER": NO_BARRIER,
        "BRIEF": BRIEF,
        "SINGLE": HOST | NARROW,
        "FINISHED": FINISHED,
        "UNFINISHED": UNFINISHED,
        "STOPPED": STOPPED,
        "BUSY": BUSY,
        "ASLEEP": ASLEEP,
        "nap": 1 if _WINDOWS else 50,  # milliseconds there, microseconds elsewhere
    }
    template = (
        resources.files("backlight.native.running").joinpath("run_loop.ll").read_text("utf-8")
    )
    return string.Template(template).substitute(numbers, **(_ARM if arm else _X86))


class Loop:
    """The loop's functions in memory, callable without the interpreter's lock.

    Attributes
    ----------
    start_alone, resume_alone : callables of (state)
    start_team, resume_team : callables of (team, state, threads)
    worker : callable of (team, mailbox)
        0: nothing to do for a while, wait to be woken; 1: the team is dissolved.
    """

    def __init__(self) -> None:
        self._library = build.load([build.kept_object(text())], _waiting())
        address, number = ctypes.c_void_p, ctypes.c_int64
        self.start_alone = self._function("start_alone", address)
        self.resume_alone = self._function("resume_alone", address)
        # The same without giving up the interpreter's lock, which takes a while.
        brief = ctypes.PYFUNCTYPE(number, address)
        self.start_briefly: Any = brief(self._library.address("start_alone"))
        self.start_team = self._function("start_team", address, address, number)
        self.resume_team = self._function("resume_team", address, address, number)
        self.worker = self._function("worker", address, address)
        self._ticks = self._function("ticks")
        self._origin = self._ticks(), time.perf_counter_ns()

    def ticks_per_nanosecond(self) -> float:
        """How fast the processor's clock counts, measured since this loop was loaded."""
        ticks, nanoseconds = self._origin
        elapsed = time.perf_counter_ns() - nanoseconds
        if elapsed < 1_000_000:
            time.sleep(1e-3)
            elapsed = time.perf_counter_ns() - nanoseconds
        return float((self._ticks() - ticks) / elapsed)

    def _function(self, name: str, *arguments: Any) -> Any:
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)
        return kind(self._library.address(name))


@functools.cache
def loop() -> Loop:
    """The loop, compiled or fetched from the cache the first time it is asked for."""
    return Loop()


def words(count: int) -> Any:
    """Zeros of 64 bits each, beginning on a cache line of their own."""
    spare = 16
    whole = np.zeros(count + spare, np.int64)
    start = (-whole.ctypes.data // 8) % spare
    return whole[start : start + count]


def _waiting() -> dict[str, int]:
    """The system's functions for giving the processor to others, and for a short sleep."""
    if _WINDOWS:
        system = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined, unused-ignore]
        found = {"backlight_yield": system.SwitchToThread, "backlight_sleep": system.Sleep}
    else:
        process = ctypes.CDLL(None)
        found = {"backlight_yield": process.sched_yield, "backlight_sleep": process.usleep}
    return {name: ctypes.cast(one, ctypes.c_void_p).value or 0 for name, one in found.items()}
