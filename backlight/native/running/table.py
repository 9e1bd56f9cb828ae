"""A program as data: a table of records, each a kernel with its operands, and its runs."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, BacklightError
from backlight.native.running.run_loop import (
    ASLEEP,
    BRIEF,
    BUSY,
    FINISHED,
    HOST,
    NARROW,
    NO_BARRIER,
    RECORD_WORDS,
    STATE,
    STATE_WORDS,
    UNFINISHED,
    loop,
    words,
)

STOPPED_EARLY = -1
"""What a run returns when `Table.stop` ended it."""

_RAISED = -2  # the error word where a host call raised; the exception itself is kept beside
_SLICE = 100e6  # nanoseconds until the interpreter may look at signals again
_HOST_CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_TABLES: weakref.WeakSet[Table] = weakref.WeakSet()


class Table:
    """Records that run one after the other, as often as wished, without Python in between.

    Add the records, then `seal` the table, then run it: here on this thread alone, by
    `Team.run` on several. Several Python threads may run a table: one after the other.

    Examples
    --------
    >>> said = []
    >>> table = Table()
    >>> table.host(lambda operands, begin, end: said.append((begin, end)), chunks=3)
    0
    >>> table.seal()
    >>> table.run(repetitions=2)
    0
    >>> said
    [(0, 3), (0, 3)]
    """

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._operands: list[int] = []
        self._kept: list[Any] = []
        self._raised: BaseException | None = None
        self._sealed = False
        self.prepared: int | None = None  # for how many repetitions
        self._spins = 0
        self._lock = threading.RLock()
        self._state = words(STATE_WORDS)
        self._pointer = ctypes.c_void_p(self._state.ctypes.data)
        native = loop()
        self._start, self._resume = native.start_alone, native.resume_alone
        self._state[STATE["SLICE"]] = int(_SLICE * native.ticks_per_nanosecond())
        _TABLES.add(self)

    def add(
        self,
        function: int,
        operands: Sequence[int] = (),
        chunks: int = 1,
        *,
        barrier: bool = True,
        narrow: bool = False,
        brief: bool = False,
        pieces: int = 1,
    ) -> int:
        """Append a kernel, `void kernel(void **operands, int64 begin, int64 end)`.

        Parameters
        ----------
        function : int
            Its address. Keep what it belongs to: see `keep`.
        operands : sequence of int
            Addresses, which the kernel finds in an array.
        chunks : int, at least 0
            How many parts its work has, whatever the number of threads.
        barrier : bool
            Whether the records after it need what it wrote. The last record always has one.
        narrow : bool
            Whether one thread does all of it.
        brief : bool
            Whether it takes microseconds, so that it is not worth to look at the clock after it.
        pieces : int, at least 1
            In how many steps each thread goes through its chunks; between them the program can
            be interrupted. More than one only for kernels that take a tenth of a second or more.

        Returns
        -------
        int
            The number of the record.
        """
        flags = (0 if barrier else NO_BARRIER) | (NARROW if narrow else 0) | (brief and BRIEF)
        return self._append(function, operands, chunks, flags, pieces)

    def host(
        self,
        function: Callable[[int, int, int], object],
        operands: Sequence[int] = (),
        chunks: int = 1,
    ) -> int:
        """Append a call of Python: `function(address of the operands, 0, chunks)`, on one thread.

        An exception ends the run at once, and `run` raises it.
        """

        def call(address: int | None, begin: int, end: int) -> None:
            try:
                function(address or 0, begin, end)
            except BaseException as problem:  # even an interrupt: it must not be lost in C
                self._raised = problem
                self._state[STATE["ERROR"]] = _RAISED

        native = _HOST_CALL(call)
        self.keep(native)
        address = ctypes.cast(native, ctypes.c_void_p).value or 0
        return self._append(address, operands, chunks, HOST, 1)

    def _append(
        self, function: int, operands: Sequence[int], chunks: int, flags: int, pieces: int
    ) -> int:
        single = flags & (HOST | NARROW)
        if self._sealed or not function or chunks < 0 or pieces < 1 or (single and pieces > 1):
            raise ArgumentError(
                f"record {len(self._rows)} of a table",
                got=f"function {function:#x}, {chunks} chunks, {pieces} pieces, sealed: "
                f"{self._sealed}",
                needs="an address, chunks ≥ 0, pieces ≥ 1 (1 for one thread), an unsealed table",
                remedy="This is a mistake in the compiler, not in your program: please report it",
            )
        self._rows.append((function, len(self._operands), chunks, flags, pieces))
        self._operands.extend(operands)
        return len(self._rows) - 1

    def keep(self, *things: Any) -> None:
        """Keep arrays, libraries and callables alive for as long as this table."""
        self._kept.extend(things)

    def scalars(self, rows: Any, destination: int = 0) -> None:
        """Numbers that change from repetition to repetition.

        Parameters
        ----------
        rows : ndarray, contiguous, or None
            Before repetition r the bytes of rows[r] are copied to `destination`. There must be a
            row for each repetition that is asked for; the array is kept, and may be rewritten.
            None if there are no such numbers any more.
        destination : int
            Where kernels read them.
        """
        if rows is None:
            with self._lock:
                self._scalar_rows = None
                self._state[STATE["STRIDE"]] = 0
            return
        contiguous = isinstance(rows, np.ndarray) and rows.ndim >= 1 and rows.flags.c_contiguous
        if not contiguous:
            raise ArgumentError(
                "the scalars of a table",
                got=type(rows).__name__ if not isinstance(rows, np.ndarray) else "strided rows",
                needs="a contiguous array with a row a repetition",
                remedy="Pass numpy.ascontiguousarray(rows)",
            )
        with self._lock:
            self._scalar_rows = rows
            self._state[STATE["ROWS"]] = rows.ctypes.data
            self._state[STATE["STRIDE"]] = rows[:1].nbytes
            self._state[STATE["SCALARS"]] = destination

    _scalar_rows: Any = None

    def seal(self) -> None:
        """Write the records down; none can be added after that."""
        if self._sealed:
            return
        self.operands = np.array(self._operands or [0], np.int64)
        self.records = words(RECORD_WORDS * len(self._rows)).reshape(-1, RECORD_WORDS)
        if self._rows:
            self.records[:, [0, 1, 2, 3, 5]] = np.array(self._rows, np.int64)
            self.records[:, 1] = self.operands.ctypes.data + 8 * self.records[:, 1]
        self._state[STATE["TABLE"]] = self.records.ctypes.data
        self._state[STATE["RECORDS"]] = len(self._rows)
        self._sealed = True

    def bind(self, record: int, operand: int, address: int) -> None:
        """Give a record another array for one of its operands."""
        with self._lock:
            self.operands[self._rows[record][1] + operand] = address

    @property
    def error_address(self) -> int:
        """Where a kernel writes a positive number to end the run; `run` returns it."""
        return int(self._state.ctypes.data) + 8 * STATE["ERROR"]

    @property
    def pointer(self) -> ctypes.c_void_p:
        """Where the loop's words are."""
        return self._pointer

    def run(self, repetitions: int = 1) -> int:
        """Run all records in order, `repetitions` times, on this thread.

        Returns
        -------
        int
            0; or the positive number that a kernel wrote to the error word; or −1 if `stop`
            ended the run. Arrays are then as the records run so far left them.

        Raises
        ------
        KeyboardInterrupt
            Within about a tenth of a second of the signal, or when a longer record ends.
        BaseException
            What a host call raised.
        """
        return self.run_with(self._start, self._resume, (self._pointer,), repetitions)

    def run_with(
        self,
        start: Callable[..., int],
        resume: Callable[..., int],
        arguments: tuple[Any, ...],
        repetitions: int,
        spins: int = 0,
        wake: Callable[[], object] = int,
    ) -> int:
        """Run by other functions than for one thread: for `Team`."""
        with self._lock:
            if repetitions != self.prepared or spins != self._spins:
                self._prepare(repetitions, spins)
            code = UNFINISHED
            try:
                code = start(*arguments)
                if code == FINISHED:
                    return 0
                while code in (UNFINISHED, ASLEEP):
                    if code == ASLEEP:
                        wake()
                    code = resume(*arguments)
            finally:
                if code in (UNFINISHED, ASLEEP):
                    self._state[STATE["RUNNING"]] = 0  # interrupted between two slices
            return self._outcome(code)

    def _prepare(self, repetitions: int, spins: int) -> None:
        rows = self._scalar_rows
        enough = rows is None or len(rows) >= repetitions
        if not self._sealed or not self._rows or repetitions < 1 or not enough:
            raise ArgumentError(
                "running a table",
                got=f"{repetitions} repetitions of {len(self._rows)} records, sealed: "
                f"{self._sealed}" + ("" if rows is None else f", {len(rows)} rows of scalars"),
                needs="a sealed table that is not empty, at least one repetition, a row for each",
                remedy="Seal the table; ask for at least one repetition",
            )
        self._state[STATE["REPETITIONS"]] = self.prepared = int(repetitions)
        self._state[STATE["SPINS"]] = self._spins = spins

    def _outcome(self, code: int) -> int:
        if code == BUSY:
            raise ArgumentError(
                "running a table",
                got="a call from inside a run of the same table",
                needs="the run to be over",
                remedy="Do not call a compiled function from inside itself",
            )
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if self._state[STATE["ABANDONED"]]:
            raise BacklightError(
                "running a table",
                got="a fork from inside one of its calls of Python",
                needs="the threads that the new process does not have",
                remedy="In the new process, leave the call by os._exit or an exception",
            )
        error = int(self._state[STATE["ERROR"]])
        return 0 if code == FINISHED else error or STOPPED_EARLY

    @property
    def completed(self) -> int:
        """How many repetitions were complete when the last run ended early."""
        word = "REACHED" if self._state[STATE["ERROR"]] else "REPETITION"
        return int(self._state[STATE[word]])

    @property
    def brief_start(self) -> tuple[Callable[[int], int], int]:
        """A native function and its argument: `run()` for tables of microseconds.

        The interpreter's lock is kept meanwhile. The table must be `prepared` for 1 repetition;
        what the function answers with, if not 0, goes to `end_of_brief`.
        """
        return loop().start_briefly, int(self._state.ctypes.data)

    def end_of_brief(self, code: int) -> int:
        """What `run` answers where `brief_start` answered with this."""
        if code == BUSY:
            return self.run()
        return self.run_with(lambda _: code, self._resume, (self._pointer,), 1, self._spins)

    def stop(self) -> None:
        """End the run that is going on, at the next barrier; from any Python thread."""
        self._state[STATE["STOP"]] = 1

    @property
    def profile(self) -> bool:
        """Whether time is taken of every record."""
        return bool(self._state[STATE["PROFILE"]])

    @profile.setter
    def profile(self, on: bool) -> None:
        self._state[STATE["PROFILE"]] = int(on)

    def nanoseconds(self) -> Any:
        """The time each record took with its barrier, all repetitions together; sets it to 0."""
        with self._lock:
            ticks = self.records[:, 4].copy()
            self.records[:, 4] = 0
        return ticks / loop().ticks_per_nanosecond()

    def forked(self) -> None:
        """In a new process: the threads that may have been running this table are not there."""
        self._lock = threading.RLock()
        if self._state[STATE["RUNNING"]]:
            for word in ("ARRIVED", "LEFT", "RUNNING"):
                self._state[STATE[word]] = 0
            self._state[STATE["ABANDONED"]] = 1


def _after_fork() -> None:
    for table in list(_TABLES):
        table.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
