"""The register tile: a block of sums of products, held in registers for all of K.

Every contraction of the compiler (matrix products, the three passes of a convolution, pairwise
distances) is `out[i, n] += Σ_k A[α(i, k)] · B[β(k, n)]` with n along the lanes of vectors. The
innermost work of all of them is this tile: `rows` × `vectors` accumulators that stay in registers,
into which each step over k adds the products of `rows` single numbers of A, each repeated in every
lane, and `vectors` vectors of B. So rows + vectors loads feed rows · vectors multiply-adds.

Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.native.machine_code.emit import I64, Code, Number
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]
Nest = Sequence[tuple[Any, int, int]]
Term = Callable[[Code, Number, Number, Number], Number]

SMALL = 8


def tile(
    code: Code,
    a: Any,
    row_stride: Any,
    b: Any,
    loops: Nest,
    rows: int,
    vectors: int,
    lanes: int,
    accumulators: Sequence[Number],
    tail_mask: Number | tuple[Number | None, ...] | None = None,
    dtype: Any = None,
    term: Term | None = None,
) -> list[Number]:
    """Add a nest of loops' products to a tile of accumulators.

    Computes `out[r, v·lanes + l] += Σ A[r·row_stride + Σ_j k_j·a_stride_j] ·
    B[v·lanes + l + Σ_j k_j·b_stride_j]`, the loops in order, so that every accumulator sums its
    products in the same order whatever the tile's size.

    Parameters
    ----------
    code : Code
    a, b : address
        Of the tile's first number of A and first vector of B.
    row_stride : int or 64-bit value, or tuple of int
        Elements between the numbers of A of neighbouring rows; a tuple says where each row is.
    loops : sequence of (count, a_stride, b_stride)
        The nest over k, outermost first; strides in elements. The outermost count may be a 64-bit
        value; the innermost loop is unrolled. Counts may be 0, and the nest may be empty (one
        step).
    rows, vectors : int
        Size of the tile: `rows` numbers of A, `vectors` vectors of B.
    lanes : int
        Elements of one vector.
    accumulators : sequence of Number
        rows · vectors vectors, row after row.
    tail_mask : Number, optional
        The lanes of the last vector of B that may be read; the others count as 0. A tuple has one
        mask, or None, for every vector.
    dtype : dtype, optional
        Of the elements of A and B; that of the accumulators if not given.
    term : callable, optional
        `term(code, a, b, accumulator)`, what one step adds; the multiply-add if not given.

    Returns
    -------
    list of Number
        The accumulators afterwards.
    """
    kind = np.dtype(dtype) if dtype is not None else accumulators[0].dtype
    add = term if term is not None else _multiply_add
    # A small tile needs more of its own turns in flight than the loop's own work leaves room for.
    unroll = 4 if rows * vectors <= SMALL else 2

    def step(a: Any, b: Any, sums: list[Number]) -> list[Number]:
        columns = []
        for v in range(vectors):
            if isinstance(tail_mask, tuple):
                mask = tail_mask[v]
            else:
                mask = tail_mask if v == vectors - 1 else None
            columns.append(code.load(b, I64(v * lanes), kind, lanes, mask))
        for r in range(rows):
            offset = _times(code, row_stride, r)
            row = code.splat(code.load(a, offset, kind), lanes)
            for v in range(vectors):
                place = r * vectors + v
                sums[place] = add(code, row, columns[v], sums[place])
        return sums

    def nest(depth: int, a: Any, b: Any, sums: list[Number]) -> list[Number]:
        if depth == len(loops):
            return step(a, b, list(sums))
        count, a_stride, b_stride = loops[depth]

        def turn(a: Any, b: Any, sums: list[Number]) -> tuple[Any, Any, list[Number]]:
            sums = nest(depth + 1, a, b, sums)
            return code.address(a, I64(a_stride), kind), code.address(b, I64(b_stride), kind), sums

        innermost = depth == len(loops) - 1
        return _repeated(code, count, unroll if innermost else 1, turn, a, b, sums)

    return nest(0, a, b, list(accumulators))


def zeros(code: Code, dtype: Any, rows: int, vectors: int, lanes: int) -> list[Number]:
    """The accumulators of a tile before the first product."""
    return [code.constant(dtype, 0, lanes) for _ in range(rows * vectors)]


def shape_for(target: Target, dtype: Any, m: int, n: int) -> tuple[int, int]:
    """The best tile for an m × n output: (rows, vectors).

    Counts, for every tile that fits into the registers, the cycles of one step over k for the
    whole output, remainders included: two multiply-adds, two loads a cycle, and no fewer than
    the latency of one multiply-add.
    """
    lanes = target.lanes(np.dtype(dtype).itemsize)
    wide = max(1, -(-n // lanes))
    best = (math.inf, 1, 1)
    for vectors in range(1, min(4, wide) + 1):
        spare = target.registers - 1 - vectors - (not target.fma)
        for rows in range(1, min(max(1, m), spare // vectors, 28) + 1):
            cost = 0.0
            for some_rows, times in _parts(m, rows):
                for some_vectors, again in _parts(wide, vectors):
                    cost += times * again * _cycles(some_rows, some_vectors)
            # Of equals the squarer tile, which loads less.
            cost *= 1 + 1e-9 * (rows + vectors) / (rows * vectors)
            best = min(best, (cost, rows, vectors))
    return best[1:]


def _multiply_add(code: Code, a: Number, b: Number, total: Number) -> Number:
    return code.fma(a, b, total)


def _times(code: Code, stride: Any, rows: int) -> Any:
    if isinstance(stride, tuple):
        return I64(stride[rows])
    if isinstance(stride, int):
        return I64(stride * rows)
    return code.builder.mul(stride, I64(rows))


def _repeated(
    code: Code,
    count: Any,
    unroll: int,
    turn: Callable[[Any, Any, list[Number]], tuple[Any, Any, list[Number]]],
    a: Any,
    b: Any,
    sums: list[Number],
) -> list[Number]:
    """`turn` written `unroll` times in a loop, and the remainder behind it."""

    def several(times: int) -> Callable[..., list[Any]]:
        def body(_: Any, a: Any, b: Any, *sums: Number) -> list[Any]:
            held = list(sums)
            for _again in range(times):
                a, b, held = turn(a, b, held)
            return [a, b, *held]

        return body

    if isinstance(count, int):
        times, left = divmod(count, unroll)
        if times == 1 or count <= unroll:
            a, b, *sums = several(count)(None, a, b, *sums)
            return sums
        a, b, *sums = code.loop(0, times, 1, several(unroll), [a, b, *sums])
        a, b, *sums = several(left)(None, a, b, *sums)
        return sums
    if unroll > 1:
        whole = code.builder.ashr(count, I64(unroll.bit_length() - 1))
        a, b, *sums = code.loop(0, whole, 1, several(unroll), [a, b, *sums])
        count = code.builder.and_(count, I64(unroll - 1))
    a, b, *sums = code.loop(0, count, 1, several(1), [a, b, *sums])
    return sums


def _parts(size: int, step: int) -> list[tuple[int, int]]:
    """Sizes of the blocks that `size` falls into, and how often each."""
    whole, left = divmod(size, step)
    return [(step, whole)] * bool(whole) + [(left, 1)] * bool(left)


def _cycles(rows: int, vectors: int) -> float:
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0)
