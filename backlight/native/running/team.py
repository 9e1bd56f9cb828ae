"""A team of threads that run the same program, each on its share of every kernel.

Threads of a team wait natively for a moment after a program, so that training steps in a row
start within about a microsecond, and then sleep in the interpreter, where they cost nothing.
A program runs on one thread, with the same result, where the team is at work already: when another
Python thread uses it, or when the program is started from inside a call of Python of another one.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import time
import warnings
import weakref
from typing import Any

from backlight.native.running.run_loop import MAIL, MAIL_WORDS, STATUS, TEAM, loop, words
from backlight.native.running.table import Table
from backlight.native.running.threads import MOST_THREADS, checked, cores, get_num_threads

_IDLE = 80e3  # nanoseconds that a thread waits for the next program before it sleeps
_PATIENT, _CROWDED = 2000, 20  # looks before a waiting thread gives its processor to others

_TEAMS: weakref.WeakSet[Team] = weakref.WeakSet()


class Team:
    """Threads for running tables; started when first needed, at rest between programs.

    Examples
    --------
    >>> team = Team()
    >>> table = Table()
    >>> table.host(lambda operands, begin, end: None)
    0
    >>> table.seal()
    >>> team.run(table, threads=2)
    0
    >>> team.close()
    """

    def __init__(self) -> None:
        self._found()
        _TEAMS.add(self)

    def _found(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._wakes: list[Any] = []
        self._most = MOST_THREADS
        self._words = words(MAIL_WORDS * (MOST_THREADS + 1))
        self._pointer = ctypes.c_void_p(self._words.ctypes.data)
        self._reached = self._spins = self._cores = 0
        self._close = weakref.finalize(self, _dissolve, self._words, self._wakes, self._threads)

    @property
    def size(self) -> int:
        """Threads there are now, with the one that calls."""
        return len(self._threads) + 1

    def run(self, table: Table, repetitions: int = 1, threads: int | None = None) -> int:
        """Run a sealed table `repetitions` times on `threads` threads.

        Parameters
        ----------
        table : Table
        repetitions : int, at least 1
        threads : int, 1 to 256, optional
            By default `get_num_threads()`. Where the system gives no more threads, the program
            runs on those there are, and a RuntimeWarning says so once.

        Returns
        -------
        int
            As `Table.run`.

        Raises
        ------
        ArgumentError
            If the number of threads is not one.
        KeyboardInterrupt
            As `Table.run`; the team is ready for the next program.
        """
        wanted = get_num_threads() if threads is None else checked(threads, "threads")
        if wanted == 1 or not self._lock.acquire(blocking=False):
            return table.run(repetitions)
        lock = self._lock  # a fork gives the new process another one
        try:
            if wanted > self._reached:
                wanted = self._raise_to(wanted)
            if wanted == 1:
                return table.run(repetitions)
            spins = _PATIENT if wanted <= self._cores else _CROWDED
            if spins != self._spins:
                self._words[TEAM["IDLE_SPINS"]] = self._spins = spins
            return table.run_with(
                self._start,
                self._resume,
                (self._pointer, table.pointer, wanted),
                repetitions,
                spins,
                lambda: self._wake(wanted),
            )
        except BaseException:
            self._words[TEAM["HOLD"]] = 0  # interrupted while threads were being woken
            raise
        finally:
            lock.release()

    def close(self) -> None:
        """Send the threads home. The next run starts new ones."""
        with self._lock:
            self._close()
        self._found()

    def _wake(self, threads: int) -> None:
        for worker in range(1, threads):
            if not self._threads[worker - 1].is_alive():
                self._threads[worker - 1].start()  # an interrupt came before it could
            asleep = self._words[MAIL_WORDS * worker + MAIL["STATUS"]] == STATUS["PARKED"]
            wake = self._wakes[worker - 1]
            if asleep and wake.locked():
                wake.release()

    def _raise_to(self, wanted: int) -> int:
        """Start threads until there are `wanted`, or the system refuses; the number there is."""
        native = loop()
        self._start, self._resume = native.start_team, native.resume_team
        self._words[TEAM["IDLE"]] = int(_IDLE * native.ticks_per_nanosecond())
        self._cores = cores()
        wanted = min(wanted, self._most)
        while self.size < wanted:
            try:
                self._add()
            except (RuntimeError, MemoryError, OSError) as problem:
                self._most = wanted = self.size
                warnings.warn(
                    f"The system gives no more than {self.size} threads to this process "
                    f"({problem}); programs run on those.",
                    RuntimeWarning,
                    stacklevel=4,
                )
        self._reached = wanted
        return wanted

    def _add(self) -> None:
        number = self.size
        self._words[MAIL_WORDS * number + MAIL["THREAD"]] = number
        wake = threading.Lock()
        wake.acquire()
        thread = threading.Thread(
            target=_serve,
            args=(loop().worker, self._words, number, wake),
            name=f"backlight-{number}",
            daemon=True,
        )
        # Listed first: a thread that started while an interrupt came must not get a double.
        self._threads.append(thread)
        self._wakes.append(wake)
        try:
            thread.start()
        except Exception:
            del self._threads[-1], self._wakes[-1]
            raise

    def forked(self) -> None:
        """In a new process, which has none of the threads."""
        self._close.detach()
        self._found()


def _serve(worker: Any, memory: Any, number: int, wake: Any) -> None:
    """What a thread of the team does: run programs, sleep, run programs, until sent home."""
    team = memory.ctypes.data
    mailbox = team + 8 * MAIL_WORDS * number
    while not worker(team, mailbox):
        wake.acquire()


def _dissolve(memory: Any, wakes: list[Any], threads: list[threading.Thread]) -> None:
    memory[TEAM["QUIT"]] = 1
    for wake in wakes:
        if wake.locked():
            wake.release()
    deadline = time.monotonic() + 1
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))


@functools.cache
def team() -> Team:
    """The team that all compiled functions share."""
    return Team()


def _after_fork() -> None:
    for one in list(_TEAMS):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
