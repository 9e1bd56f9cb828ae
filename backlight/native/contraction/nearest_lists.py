"""Sorted lists of nearest neighbours: inserting, joining, and distances made exact.

A list is k distances in ascending order and the points' indices; of equal distances the lower index
comes first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.native.contraction.offsets import least, offset
from backlight.native.contraction.product_code import DType, scratch
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

INDEX = np.dtype(np.int64)
GROUP = 16
"""Queries, or rows, of one chunk."""


def insert(
    code: Code, distances: Any, indices: Any, base: Any, k: int, distance: Number, index: Number
) -> None:
    """Put a point into the list at `base`, if it is nearer than the last."""
    built, dtype = code.builder, distance.dtype

    def nearer(place: Any) -> tuple[Number, Number, Number]:
        other = code.load(distances, place, dtype)
        who = code.load(indices, place, INDEX)
        return (distance < other) | ((distance == other) & (index < who)), other, who

    def step(j: Any) -> None:
        # From the last place forward: what lies behind the new entry moves one place on.
        place = offset(code, base, built.sub(I64(k - 1), j))
        here, old, old_index = nearer(place)
        before, other, other_index = nearer(built.sub(place, I64(1)))
        value = code.select(before, other, code.select(here, distance, old))
        who = code.select(before, other_index, code.select(here, index, old_index))
        code.store(value, distances, place)
        code.store(who, indices, place)

    code.loop(0, k - 1, 1, step)
    here, old, old_index = nearer(base)
    code.store(code.select(here, distance, old), distances, base)
    code.store(code.select(here, index, old_index), indices, base)


class MergeNearest:
    """The kernel that joins the lists of segments and computes their distances anew.

    Squared L2 distances from products of vectors lose digits where a query is close to a point;
    here those of the k nearest are summed again from differences, and sorted by them.

    Parameters
    ----------
    segments, queries, points, size, k, metric, dtype
        As of the `Nearest` whose lists these are.

    Notes
    -----
    Operands: `points`, `queries` (row-major), `distances` and `indices` of the segments, and of the
    result (queries × k).
    """

    operands = ("points", "queries", "part_distances", "part_indices", "distances", "indices")

    def __init__(
        self, segments: int, queries: int, size: int, k: int, metric: str, dtype: Any
    ) -> None:
        self.segments, self.queries, self.size, self.k = segments, queries, size, k
        self.metric = metric
        self.dtype: DType = np.dtype(dtype)

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        sizes = self.segments, self.queries, self.size, self.k
        return "merge nearest", sizes, self.metric, self.dtype.str

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        return -(-self.queries // GROUP)

    @property
    def multiply_adds(self) -> int:
        """Terms of the distances computed anew."""
        return self.queries * self.k * self.size

    @property
    def bytes(self) -> int:
        """Memory read and written."""
        entries = (self.segments + 1) * self.queries * self.k
        return entries * (8 + self.dtype.itemsize) + self.multiply_adds * self.dtype.itemsize

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        places = [operand(code, operands, i) for i in range(len(self.operands))]
        kept = scratch(code, self.dtype, self.k), scratch(code, INDEX, self.k)
        self.lane_sums = scratch(code, self.dtype, target.lanes(self.dtype.itemsize))

        def chunk(number: Any) -> None:
            first = offset(code, (number, GROUP))
            last = least(code, offset(code, first, GROUP), self.queries)
            code.loop(first, last, 1, lambda query: self._query(code, places, kept, query))

        code.loop(begin, end, 1, chunk)
        code.finish()

    def _query(self, code: Code, places: list[Any], kept: tuple[Any, Any], query: Any) -> None:
        k = self.k
        points, queries, part_distances, part_indices, distances, indices = places
        base = offset(code, (query, k))
        far, nobody = code.constant(self.dtype, np.inf), code.constant(INDEX, -1)

        def empty(j: Any) -> None:
            for lists, start in ((kept, I64(0)), ((distances, indices), base)):
                code.store(far, lists[0], offset(code, start, j))
                code.store(nobody, lists[1], offset(code, start, j))

        code.loop(0, k, 1, empty)

        def segment(s: Any) -> None:
            start = offset(code, (s, self.queries), query)
            start = offset(code, (start, k))

            def entry(j: Any) -> None:
                place = offset(code, start, j)
                distance = code.load(part_distances, place, self.dtype)
                index = code.load(part_indices, place, INDEX)
                worst = code.load(kept[0], I64(k - 1), self.dtype)
                code.when(
                    distance < worst,
                    lambda: insert(code, *kept, I64(0), k, distance, index),
                )

            code.loop(0, k, 1, entry)

        code.loop(0, self.segments, 1, segment)

        def exact(j: Any) -> None:
            index = code.load(kept[1], j, INDEX)
            distance = code.load(kept[0], j, self.dtype)

            def put() -> None:
                value = distance
                if self.metric == "l2":
                    value = self._distance(code, points, queries, index.value, query)
                insert(code, distances, indices, base, k, value, index)

            code.when(distance < np.inf, put)

        code.loop(0, k, 1, exact)

    def _distance(self, code: Code, points: Any, queries: Any, point: Any, query: Any) -> Number:
        """Σ (p − q)²."""
        p, q = offset(code, (point, self.size)), offset(code, (query, self.size))

        def term(place: Any, total: Number) -> Number:
            here, there = offset(code, p, place), offset(code, q, place)
            x = code.load(points, here, self.dtype, total.lanes)
            difference = x - code.load(queries, there, self.dtype, total.lanes)
            return code.fma(difference, difference, total)

        return summed(code, self.dtype, self.size, self.lane_sums, term)


def summed(code: Code, dtype: DType, size: int, memory: Any, term: Any) -> Number:
    """Add `term(place, total)` up over vectors of places; then the lanes, then what is left."""
    lanes = code.target.lanes(dtype.itemsize)
    whole = size // lanes * lanes
    start = code.constant(dtype, 0, lanes)
    (total,) = code.loop(0, whole, lanes, lambda i, sums: [term(i, sums)], [start])
    code.store(total, memory, I64(0))
    (one,) = code.loop(
        0,
        lanes,
        1,
        lambda lane, sums: [sums + code.load(memory, lane, dtype)],
        [code.constant(dtype, 0)],
    )
    (one,) = code.loop(whole, size, 1, lambda i, sums: [term(i, sums)], [one])
    result: Number = one
    return result


class SquaredNorms:
    """The kernel of Σ x² of every row of a matrix: operands `x` (rows × size) and `norms`."""

    operands = ("x", "norms")

    def __init__(self, rows: int, size: int, dtype: Any) -> None:
        self.rows, self.size = rows, size
        self.dtype: DType = np.dtype(dtype)

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        return "squared norms", self.rows, self.size, self.dtype.str

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        return -(-self.rows // GROUP)

    @property
    def multiply_adds(self) -> int:
        """How many squares are added."""
        return self.rows * self.size

    @property
    def bytes(self) -> int:
        """Memory read and written."""
        return self.rows * (self.size + 1) * self.dtype.itemsize

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        x, norms = operand(code, operands, 0), operand(code, operands, 1)
        memory = scratch(code, self.dtype, target.lanes(self.dtype.itemsize))

        def row(i: Any) -> None:
            base = offset(code, (i, self.size))

            def term(place: Any, total: Number) -> Number:
                value = code.load(x, offset(code, base, place), self.dtype, total.lanes)
                return code.fma(value, value, total)

            code.store(summed(code, self.dtype, self.size, memory, term), norms, i)

        def chunk(number: Any) -> None:
            first = offset(code, (number, GROUP))
            last = least(code, offset(code, first, GROUP), self.rows)
            code.loop(first, last, 1, row)

        code.loop(begin, end, 1, chunk)
        code.finish()
