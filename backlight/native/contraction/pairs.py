"""Products of bfloat16 pairs, summed in float32.

A bfloat16 is the upper half of a float32: its range with 8 bits of precision. Processors that have
them multiply neighbours in k two at a time: one instruction adds a₁·b₁ and then a₀·b₀ to a float32
sum, each rounded once, so that a register holds twice the numbers. Here both matrices are rounded
(to nearest, ties to even) while they are packed. Elsewhere the same two multiply-adds are written
out, in the same order: the same bits, unless numbers are so small (below 2⁻¹²⁶) that the
instruction takes them for zero.

Source: "bfloat16: hardware numerics definition", Intel, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.contraction.offsets import offset
from backlight.native.contraction.packing import (
    pieces,
    power_of_two,
    shuffled,
    store_first,
    transposed,
)
from backlight.native.machine_code.emit import F32, I64, Code, Number, vector_type

_UPPER = -0x10000
I16 = ir.IntType(16)
_SINGLE, _WORD = np.dtype(np.float32), np.dtype(np.int32)


class _Bfloat16(ir.Type):  # type: ignore[misc]
    """LLVM's type, which llvmlite has no word for."""

    def _to_string(self) -> str:
        return "bfloat"


_BF16 = _Bfloat16()


def rounded(number: Number) -> Number:
    """The bits of float32s rounded to bfloat16, as words; upper halves 0."""
    code = number.code
    if code.target.bf16:
        built, lanes = code.builder, number.lanes
        narrow, half = _BF16, I16
        if lanes > 1:
            narrow, half = ir.VectorType(_BF16, lanes), ir.VectorType(I16, lanes)
        value = built.bitcast(built.fptrunc(number.value, narrow), half)
        return Number(code, built.zext(value, vector_type(_WORD, lanes)), _WORD, lanes)
    bits = number.bits(np.uint32)
    up = (bits + ((bits >> 16) & 1) + 0x7FFF) >> 16
    # A NaN stays one: rounding its bits could carry them into an infinity.
    return code.select(number != number, (bits >> 16) | 0x40, up).bits(np.int32)


def paired(even: Number, odd: Number) -> Number:
    """Words with the rounded `even` below and the rounded `odd` above."""
    return rounded(even) | (rounded(odd) << 16)


def add_pair(code: Code, a: Number, b: Number, total: Number) -> Number:
    """The step of a tile: total + a₁·b₁ + a₀·b₀, in this order."""
    if code.target.bf16 and total.lanes * 32 == code.target.bits:
        lanes = total.lanes
        vector, pairs = ir.VectorType(F32, lanes), ir.VectorType(_BF16, 2 * lanes)
        name = f"llvm.x86.avx512bf16.dpbf16ps.{code.target.bits}"
        function = code.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(vector, [vector, pairs, pairs])
            function = ir.Function(code.module, kind, name)
        given = [total.value, *(code.builder.bitcast(x.value, pairs) for x in (a, b))]
        return total.like(code.builder.call(function, given))
    above = code.fma((a & _UPPER).bits(np.float32), (b & _UPPER).bits(np.float32), total)
    return code.fma((a << 16).bits(np.float32), (b << 16).bits(np.float32), above)


def pack_pairs(
    code: Code,
    source: Any,
    strides: tuple[int, int],
    count: Any,
    width: int,
    valid: int,
    panel: Any,
) -> None:
    """As `packing.pack_panel`, rounded, pairs of k in one word: `panel[(k // 2)·width + c]`.

    An odd last k is paired with zero.
    """
    built = code.builder
    count = I64(count) if isinstance(count, int) else count
    whole = built.ashr(count, I64(1))

    if strides[0] == 1 and valid:
        _transposed_pairs(code, source, strides[1], whole, width, valid, panel)
    else:
        code.loop(0, whole, 1, lambda k: _row(code, source, strides, k, width, valid, panel, True))
    with built.if_then(built.icmp_signed("!=", built.and_(count, I64(1)), I64(0))):
        _row(code, source, strides, whole, width, valid, panel, False)


def pack_pair_rows(
    code: Code, source: Any, row_stride: int, count: Any, rows: int, pitch: int, to: Any
) -> None:
    """Rows that are neighbours in k, rounded, row after row: `to[r·pitch + k // 2]`."""
    built, lanes = code.builder, code.target.lanes(4)
    count = I64(count) if isinstance(count, int) else count
    whole = built.ashr(count, I64(1))
    blocks = built.and_(whole, I64(-lanes))

    def row(r: Any) -> None:
        read, write = offset(code, (r, row_stride)), offset(code, (r, pitch))

        def move(size: int) -> Callable[[Any], None]:
            def step(pair: Any) -> None:
                there = offset(code, read, (pair, 2))
                word = paired(*_apart(code, source, there, size))
                code.store(word, to, offset(code, write, pair))

            return step

        code.loop(0, blocks, lanes, move(lanes))
        code.loop(blocks, whole, 1, move(1))
        with built.if_then(built.icmp_signed("!=", built.and_(count, I64(1)), I64(0))):
            last = code.load(source, offset(code, read, (whole, 2)), _SINGLE)
            word = paired(last, code.constant(_SINGLE, 0))
            code.store(word, to, offset(code, write, whole))

    code.loop(0, rows, 1, row)


def _row(
    code: Code,
    source: Any,
    strides: tuple[int, int],
    pair: Any,
    width: int,
    valid: int,
    panel: Any,
    full: bool,
) -> None:
    """All columns of one pair of k; only its first k exists if not `full`."""
    along, across = strides
    read = offset(code, (pair, 2 * along))
    write = offset(code, (pair, width))

    def some(column: Any, size: int) -> None:
        there = offset(code, read, (column, across))
        even = code.load(source, there, _SINGLE, size)
        odd = code.constant(_SINGLE, 0, size)
        if full:
            odd = code.load(source, offset(code, there, along), _SINGLE, size)
        code.store(paired(even, odd), panel, offset(code, write, column))

    lanes = min(code.target.lanes(4), power_of_two(width)) if across == 1 else 1
    whole = valid // lanes * lanes
    code.loop(0, whole, lanes, lambda column: some(column, lanes))
    for first, size in pieces(valid - whole):
        some(I64(whole + first), size)
    zero = code.constant(_WORD, 0)
    code.loop(valid, width, 1, lambda c: code.store(zero, panel, offset(code, write, c)))


def _transposed_pairs(
    code: Code, source: Any, across: int, whole: Any, width: int, valid: int, panel: Any
) -> None:
    """Panels of columns whose numbers are neighbours: squares of pairs are transposed."""
    lanes = min(code.target.lanes(4), power_of_two(width))
    built = code.builder
    blocks = built.and_(whole, I64(-lanes))

    def square(pair: Any, column: Any, present: int, size: int) -> None:
        rows = []
        for c in range(lanes):
            if c >= present:
                rows.append(code.constant(_WORD, 0, lanes))
                continue
            there = offset(code, (column, across), c * across)
            there = offset(code, there, (pair, 2))
            rows.append(paired(*_apart(code, source, there, lanes)))
        for j, row in enumerate(transposed(code, rows)):
            place = offset(code, offset(code, (offset(code, pair, j), width)), column)
            store_first(code, row, panel, place, size)

    def columns(pair: Any) -> None:
        full = valid // lanes * lanes
        code.loop(0, full, lanes, lambda c: square(pair, c, lanes, lanes))
        for start in range(full, width, lanes):
            square(pair, I64(start), max(0, valid - start), min(lanes, width - start))

    code.loop(0, blocks, lanes, columns)
    code.loop(
        blocks,
        whole,
        1,
        lambda pair: _row(code, source, (1, across), pair, width, valid, panel, True),
    )


def _apart(code: Code, source: Any, there: Any, lanes: int) -> tuple[Number, Number]:
    """The numbers at even and at odd places of so many pairs."""
    low = code.load(source, there, _SINGLE, lanes)
    high = code.load(source, offset(code, there, lanes), _SINGLE, lanes)
    if lanes == 1:
        return low, high
    evens, odds = range(0, 2 * lanes, 2), range(1, 2 * lanes, 2)
    return shuffled(code, low, high, evens), shuffled(code, low, high, odds)
