"""Programs whose arrays stand alone between pages that nobody may touch, and arguments likewise.

A kernel that reads or writes one byte outside of an array ends the process: run it in a child.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from backlight.native import bound
from backlight.native.running import memory, program

PAGE = mmap.PAGESIZE
_kept: list[Any] = []


def closed(address: int, pages: int = 1) -> None:
    """Forbid all access to some pages."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")


def fenced(given: Any, *, front: bool = False) -> Any:
    """A copy of an array that ends (or begins) where a page begins that nobody may touch."""
    array = np.ascontiguousarray(given)
    pages = -(-max(array.nbytes, 1) // PAGE)
    region = mmap.mmap(-1, (pages + 2) * PAGE)
    raw = np.frombuffer(region, np.uint8)
    start = PAGE if front else (pages + 1) * PAGE - array.nbytes
    made = raw[start : start + array.nbytes].view(array.dtype).reshape(np.shape(given))
    made[...] = given
    _kept.append(region)
    base = raw.ctypes.data
    closed(base)
    closed(base + (pages + 1) * PAGE)
    return made


@contextmanager
def fences(*, front: bool = False) -> Iterator[None]:
    """Programs made inside keep every array apart, at the end (or the front) of its pages."""

    def plan(buffers: Any) -> int:
        at = PAGE
        for one in buffers:
            pages = -(-max(one.nbytes, 1) // PAGE)
            # Kernels may rely on the alignment that the planner promises.
            size = -(-max(one.nbytes, 1) // memory.ALIGNMENT) * memory.ALIGNMENT
            one.offset = at if front else at + pages * PAGE - size
            at += (pages + 1) * PAGE
        return at

    original = program.Program._plan

    def planned(self: Any) -> None:
        original(self)
        region = mmap.mmap(-1, self.nbytes + PAGE)
        _kept.append(region)
        self._block = np.frombuffer(region, np.uint8)
        self._block[:] = 0xFF  # NaN in every type of fraction: what was never written shows
        self._base = self._block.ctypes.data
        for one in self.buffers:
            first = one.offset // PAGE * PAGE
            pages = -(-max(one.nbytes, 1) // PAGE)
            closed(self._base + first - PAGE)
            closed(self._base + first + pages * PAGE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "plan", plan)
        patch.setattr(program.Program, "_plan", planned)
        patch.setattr(bound, "_SMALL", 8)
        yield


def poison(made: Any) -> None:
    """Fill a program's block with NaN, as if it had never run."""
    made._block[:] = 0xFF
