"""Packing: a matrix copied into panels, in the order in which a register tile reads it.

A tile reads `width` neighbouring columns of B for k = 0, 1, 2, …. Where these lie far apart in
memory (another page, or another line of the cache for every number), they are copied first into a
*panel*: k after k, `width` numbers each, columns beyond the matrix as zeros. A panel is read once
for each tile of rows, so that the copy costs little; a matrix that several products share is packed
once, by the kernel `pack.Pack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.contraction.offsets import offset
from backlight.native.machine_code.emit import I32, I64, Code, Number

DType = np.dtype[Any]


def pack_panel(
    code: Code,
    source: Any,
    strides: tuple[int, int],
    dtype: DType,
    count: Any,
    width: int,
    valid: int,
    panel: Any,
) -> None:
    """Write the copy of one panel: `panel[k·width + c] = source[k·sk + c·sc]`, 0 from `valid` on.

    Parameters
    ----------
    code : Code
    source, panel : address
    strides : (int, int)
        sk and sc, in elements.
    dtype : dtype
    count : int or 64-bit value
        How many k.
    width, valid : int
        Columns of the panel, and how many of them the matrix has.
    """
    along, across = strides
    count = I64(count) if isinstance(count, int) else count
    if valid and across == 1:
        _copy_rows(code, source, along, dtype, count, width, valid, panel)
    elif valid and along == 1 and dtype.itemsize >= 4:
        _copy_transposed(code, source, across, dtype, count, width, valid, panel)
    else:
        _copy_singly(code, source, strides, dtype, (I64(0), count), width, valid, panel)


def _copy_rows(
    code: Code, source: Any, along: int, dtype: DType, count: Any, width: int, valid: int, to: Any
) -> None:
    """Panels of rows whose numbers are neighbours already."""
    lanes = min(code.target.lanes(dtype.itemsize), power_of_two(width))

    def row(k: Any) -> None:
        read, write = code.builder.mul(k, I64(along)), code.builder.mul(k, I64(width))
        for start in range(0, width, lanes):
            here = min(lanes, width - start)
            present = max(0, min(here, valid - start))
            for first, size in pieces(present):
                there = offset(code, read, start + first)
                place = code.builder.add(write, I64(start + first))
                code.store(code.load(source, there, dtype, size), to, place)
            for place_in in range(start + present, start + here):
                place = code.builder.add(write, I64(place_in))
                code.store(code.constant(dtype, 0), to, place)

    code.loop(0, count, 1, row)


def _copy_transposed(
    code: Code, source: Any, across: int, dtype: DType, count: Any, width: int, valid: int, to: Any
) -> None:
    """Panels of columns whose numbers are neighbours: squares of them are transposed."""
    lanes = min(code.target.lanes(dtype.itemsize), power_of_two(width))
    built = code.builder
    whole = built.and_(count, I64(-lanes))

    def square(k: Any, column: Any, present: int, size: int) -> None:
        """Transpose `size` columns, `present` of them in the matrix."""
        rows = []
        for c in range(lanes):
            if c < present:
                there = offset(code, (column, across), c * across, k)
                rows.append(code.load(source, there, dtype, lanes))
            else:
                rows.append(code.constant(dtype, 0, lanes))
        for j, row in enumerate(transposed(code, rows)):
            place = offset(code, offset(code, (offset(code, k, j), width)), column)
            store_first(code, row, to, place, size)

    def columns(k: Any) -> None:
        full = valid // lanes * lanes
        code.loop(0, full, lanes, lambda c: square(k, c, lanes, lanes))
        for start in range(full, width, lanes):
            square(k, I64(start), max(0, valid - start), min(lanes, width - start))

    code.loop(0, whole, lanes, columns)
    _copy_singly(code, source, (1, across), dtype, (whole, count), width, valid, to)


def _copy_singly(
    code: Code,
    source: Any,
    strides: tuple[int, int],
    dtype: DType,
    span: tuple[Any, Any],
    width: int,
    valid: int,
    to: Any,
) -> None:
    """Number by number, from one k to another."""
    along, across = strides

    def row(k: Any) -> None:
        read, write = offset(code, (k, along)), offset(code, (k, width))

        def column(c: Any) -> None:
            there = offset(code, read, (c, across))
            code.store(code.load(source, there, dtype), to, offset(code, write, c))

        zero = code.constant(dtype, 0)
        code.loop(0, valid, 1, column)
        code.loop(valid, width, 1, lambda c: code.store(zero, to, offset(code, write, c)))

    code.loop(*span, 1, row)


def transposed(code: Code, rows: Sequence[Number]) -> list[Number]:
    """A square of numbers, as many rows as lanes, with rows and columns exchanged."""
    lanes = len(rows)
    held = list(rows)
    step = 1
    while step < lanes:
        low = [j if not j & step else lanes + j - step for j in range(lanes)]
        high = [j + step if not j & step else lanes + j for j in range(lanes)]
        for i in range(lanes):
            if not i & step:
                x, y = held[i], held[i + step]
                held[i], held[i + step] = shuffled(code, x, y, low), shuffled(code, x, y, high)
        step *= 2
    return held


def shuffled(code: Code, x: Number, y: Number, places: Sequence[int]) -> Number:
    """The elements at `places` of x followed by y."""
    picked = ir.Constant(ir.VectorType(I32, len(places)), list(places))
    value = code.builder.shuffle_vector(x.value, y.value, picked)
    return Number(code, value, x.dtype, len(places))


def store_first(code: Code, row: Number, to: Any, place: Any, size: int) -> None:
    """Store the first `size` lanes."""
    for first, some in pieces(size):
        part = row if some == row.lanes else shuffled(code, row, row, range(first, first + some))
        if some == 1:
            part = row.lane(first)
        code.store(part, to, code.builder.add(place, I64(first)))


def pieces(size: int) -> list[tuple[int, int]]:
    """(start, length) of the powers of two that `size` elements fall into, largest first."""
    found, start = [], 0
    while start < size:
        length = power_of_two(size - start)
        found.append((start, length))
        start += length
    return found


def power_of_two(size: int) -> int:
    """The largest power of two up to size."""
    return 1 << (max(size, 1).bit_length() - 1)
