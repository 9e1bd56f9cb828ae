"""Memory for large results: written by the program itself, handed out, and used again when free.

A result that is copied out of a program's memory passes through memory once more, and a new array
is given page by page by the system. So a program writes large results where the caller will find
them, and an array that nobody holds any more is written again by a later call.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from backlight.native.lowering.loops import Shape

LARGE = 2**16
"""Bytes from which a result is written to memory of its own."""
_MOST = 4
_OURS = 3
"""References to an array that only this list, a loop and the question itself hold."""


class Returned:
    """The arrays of one result of a program.

    Parameters
    ----------
    shape, dtype
        Of the result.
    """

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._arrays: list[np.ndarray[Any, Any]] = []
        self._next: np.ndarray[Any, Any] | None = None

    def fresh(self) -> np.ndarray[Any, Any]:
        """An array that nobody else holds, for the next run to write."""
        for array in self._arrays:
            if sys.getrefcount(array) <= _OURS:
                self._next = array
                return array
        made: np.ndarray[Any, Any] = np.empty(self.shape, self.dtype)
        if len(self._arrays) < _MOST:
            self._arrays.append(made)
        self._next = made
        return made

    def take(self) -> Any:
        """What the last run has written; it is the caller's from now on."""
        found, self._next = self._next, None
        return found
