"""NumPy's arrays as pickles write them, rebuilt by classes of our own; nothing is imported.

A pickle names the functions that are to make an array. The few names that NumPy writes stand
here for marks without any power; an array is a view of the bytes in the file, once shape times
item size is equal to their number.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_MOST_DIMENSIONS = 8
_ELEMENT = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248])")


def text_of(value: Any) -> str:
    """A text, from what Python 2 or 3 wrote."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError(f"a text was expected, not {type(value).__name__}")
    return value


class Name:
    """A name that NumPy's pickles use; stands for the thing that is never imported."""

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning


NAMES = {
    **{
        (f"numpy{core}.{module}", name): Name(name)
        for core in (".core", "._core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    },
    ("numpy", "ndarray"): Name("ndarray"),
    ("numpy", "dtype"): Name("dtype"),
    ("_codecs", "encode"): Name("encode"),
    ("__builtin__", "bytes"): Name("bytes"),  # what protocol 2 writes for no bytes at all
}


class SavedType:
    """A dtype on its way: its letters from the call, its byte order from the state."""

    def __init__(self, letters: str) -> None:
        if not _ELEMENT.fullmatch(letters):
            raise ValueError(f"element type {letters[:20]!r} is not a plain number")
        self.dtype = np.dtype(letters)

    def set_state(self, state: Any) -> None:
        """Take the byte order from the state; refuse fields and sub-arrays."""
        if (
            not isinstance(state, tuple)
            or len(state) < 5
            or any(part is not None for part in state[2:5])
        ):
            raise ValueError("a dtype with fields or sub-arrays")
        order = text_of(state[1])
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"byte order {order[:5]!r}")
        if order != "|":
            self.dtype = self.dtype.newbyteorder(order)  # type: ignore[arg-type]


class SavedArray:
    """An array on its way: empty from the call, filled by the state."""

    def __init__(self) -> None:
        self.array: Array | None = None

    def set_state(self, state: Any) -> None:
        """Take version, shape, type, order and content, as NumPy writes them."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array's state is not five values")
        _, shape, saved, fortran, content = state
        self.fill(shape, saved, "F" if fortran else "C", content)

    def fill(self, shape: Any, saved: Any, order: str, content: Any) -> None:
        """Make the array, once its shape and type account for every byte."""
        if not isinstance(saved, SavedType) or not isinstance(content, bytes):
            raise ValueError("an array without plain element type and bytes")
        if (
            not isinstance(shape, tuple)
            or len(shape) > _MOST_DIMENSIONS
            or not all(type(length) is int and 0 <= length < 2**48 for length in shape)
        ):
            raise ValueError("an array's shape is not up to eight lengths")
        if math.prod(shape) * saved.dtype.itemsize != len(content):
            raise ValueError(
                f"an array of shape {shape} and type {saved.dtype} with {len(content)} bytes"
            )
        if order not in ("C", "F"):
            raise ValueError("an array's order is not C or F")
        flat = np.frombuffer(content, saved.dtype)
        self.array = flat.reshape(shape, order="F" if order == "F" else "C")
