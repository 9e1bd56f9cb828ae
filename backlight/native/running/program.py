"""A program: calls of kernels over planned memory, as one table that runs without Python.

A `Call` names a kernel and the arrays it works on. An `Array` lies either in the program's block of
memory, where the planner puts it, or in a slot: memory from outside, whose address is given before
a run. The table of calls is data for the loop in `native.run_loop`; the machine code of the
kernels comes from the cache on disk or is made, each structure once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import psutil

from backlight.errors import ArgumentError
from backlight.native.machine_code import codebook
from backlight.native.machine_code.machine import Target
from backlight.native.running import memory, run_loop
from backlight.native.running.table import Table
from backlight.native.running.team import team


class Kernel(Protocol):
    """What a call needs of a kernel: its work, and how its code is written."""

    @property
    def key(self) -> Any:
        """Equal keys make equal code."""

    @property
    def chunks(self) -> int:
        """Into how many parts the work falls, whatever the number of threads."""

    @property
    def multiply_adds(self) -> int:
        """Products summed."""

    @property
    def bytes(self) -> int:
        """Memory read and written at least."""

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the function `name` into a module."""


@dataclass(eq=False)
class Array:
    """Memory of a program: in its block, or in a slot that is filled from outside."""

    nbytes: int
    label: str = ""
    slot: int | None = None
    buffer: memory.Buffer | None = None


_SMALL = 15_000
"""Nanoseconds below which a second thread costs more than it helps."""

_DIVIDED = 4_000
"""Nanoseconds from which the work of a call is divided among threads."""

_BRIEF = 2_000
"""Nanoseconds below which a call is not worth a look at the clock."""

Place = tuple[Array, int]
"""An array and how many bytes behind its start."""


@dataclass(eq=False)
class Call:
    """One step of a program.

    Attributes
    ----------
    kernel : Kernel, optional
        None for a call of Python.
    operands : list of (Array, int)
        The arrays in the kernel's order, with offsets in bytes.
    label : str
        What it computes, for reports.
    python : callable, optional
        Called with the operands' addresses; for gates without native form.
    free : bool
        Whether the next call needs nothing of this one, so that threads need not meet.
    stops : bool
        Whether it may end the run: everyone looks before going on.
    """

    kernel: Kernel | None
    operands: list[Place]
    label: str = ""
    python: Callable[[Sequence[int]], None] | None = None
    free: bool = False
    stops: bool = False


@dataclass
class Program:
    """Calls with their memory and machine code, ready to run.

    Parameters
    ----------
    calls : list of Call
    slots : int
        Number of arrays that come from outside.
    target : Target
    kept : sequence of Array
        Arrays that are read after a run: they share memory with nothing that comes later.
    label : str
        Its name in errors and reports.

    Raises
    ------
    ArgumentError
        If its memory would exceed the machine's; the largest arrays are named.
    """

    calls: list[Call]
    slots: int
    target: Target
    kept: Sequence[Array] = ()
    label: str = "compiled function"
    nbytes: int = field(init=False, default=0)
    small: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.small = sum(map(_weight, self.calls)) < _SMALL
        self._plan()
        kernels = [call.kernel for call in self.calls if call.kernel]
        self.kernels = codebook.gather(kernels, self.target, soon=[run_loop.text()])
        self._make_table()

    # ── memory ─────────────────────────────────────────────────────────────────────────────

    def _plan(self) -> None:
        buffers: dict[Array, memory.Buffer] = {}
        for step, call in enumerate(self.calls):
            for array, _ in call.operands:
                if array.slot is not None:
                    continue
                if array not in buffers:
                    array.buffer = memory.Buffer(array.nbytes, step, step, array.label)
                    buffers[array] = array.buffer
                buffers[array].last = step
        for array in self.kept:
            if array.slot is None:
                if array not in buffers:
                    array.buffer = memory.Buffer(array.nbytes, 0, 0, array.label)
                    buffers[array] = array.buffer
                buffers[array].last = len(self.calls)
        self.buffers = list(buffers.values())
        self.nbytes = memory.plan(self.buffers)
        there = psutil.virtual_memory().total
        if self.nbytes > there:
            raise ArgumentError(
                self.label,
                got=f"a program whose arrays need {memory.readable(self.nbytes)}, the largest: "
                f"{memory.largest(self.buffers)}",
                needs=f"what fits the {memory.readable(there)} of this machine",
                remedy="Use smaller batches or layers.",
            )
        self._block = np.empty(self.nbytes + memory.ALIGNMENT, np.uint8)
        start = _address(self._block)
        self._base = -(-start // memory.ALIGNMENT) * memory.ALIGNMENT

    def address(self, array: Array) -> int:
        """Where an array of the block lies."""
        return self._base + (array.buffer.offset if array.buffer else 0)

    def view(
        self, array: Array, shape: Sequence[int], dtype: Any, offset: int = 0
    ) -> np.ndarray[Any, Any]:
        """An array of the block, as NumPy sees it; the numbers change with the next run."""
        kind = np.dtype(dtype)
        start = self.address(array) - _address(self._block) + offset
        count = int(np.prod(shape, dtype=np.int64))
        flat = self._block[start : start + count * kind.itemsize]
        seen: np.ndarray[Any, Any] = flat.view(kind).reshape(shape)
        return seen

    # ── the table ──────────────────────────────────────────────────────────────────────────

    def _make_table(self) -> None:
        table = Table()
        table.keep(self.kernels, self._block)
        patches: list[list[tuple[int, int]]] = [[] for _ in range(self.slots)]
        start = 0
        for call, follower in itertools.zip_longest(self.calls, self.calls[1:]):
            addresses = []
            for place, (array, offset) in enumerate(call.operands, start):
                if array.slot is None:
                    addresses.append(self.address(array) + offset)
                else:
                    patches[array.slot].append((place, offset))
                    addresses.append(0)
            alone = _alone(call) and follower is not None and _alone(follower)
            self._record(table, call, addresses, start, alone and not call.stops)
            start += len(addresses)
        table.seal()
        self.table = table
        self._places = [
            (
                np.array([place for place, _ in one], np.intp),
                np.array([n for _, n in one], np.int64),
            )
            for one in patches
        ]
        self._bound = [0] * self.slots

    def _record(
        self, table: Table, call: Call, addresses: list[int], start: int, followed: bool
    ) -> None:
        """`followed` says that the same thread goes on with the next call: no need to meet."""
        if call.kernel is not None:
            table.add(
                self.kernels.address(call.kernel),
                addresses,
                call.kernel.chunks,
                barrier=not (call.free or followed),
                narrow=_alone(call),
                brief=_weight(call) < _BRIEF,
            )
            return
        python, stop = call.python or _nothing, start + len(addresses)

        def answer(_operands: int, _begin: int, _end: int) -> None:
            python([int(one) for one in table.operands[start:stop]])

        table.host(answer, addresses)

    def bind(self, slot: int, address: int) -> None:
        """Say where the memory of a slot is."""
        if self._bound[slot] == address:
            return
        self._bound[slot] = address
        places, offsets = self._places[slot]
        self.table.operands[places] = offsets + address

    def run(self, threads: int | None = None, repetitions: int = 1) -> int:
        """Run it; every slot must have been bound.

        Returns
        -------
        int
            0, or the number of the check that failed, counted from 1.

        Raises
        ------
        Exception
            Whatever a gate that was run by Python raised.
        """
        if not self.calls:
            return 0  # views of what is there already
        if threads == 1 or self.small:
            return self.table.run(repetitions)
        return team().run(self.table, repetitions, threads)


def _nothing(_addresses: Sequence[int]) -> None:
    """What a call without kernel and function does."""


def _alone(call: Call) -> bool:
    """Whether a call is too little work to be divided: one thread does all of it."""
    return call.kernel is not None and _weight(call) < _DIVIDED


def _weight(call: Call) -> float:
    """Roughly how many nanoseconds one thread takes for a call."""
    if call.kernel is None:
        return 0.0
    return 20 + call.kernel.bytes / 20 + call.kernel.multiply_adds / 50


def _address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])
