"""The k nearest points of every query: pairwise distances that are never stored.

Distances come from the register tile of matrix products, with points as rows and queries along the
lanes. Squared L2 distances are |p|² + |q|² − 2·p·q, never below 0; L1 distances add |p − q| up.
Each query keeps its k nearest so far; a vector of distances is compared with the k-th distances of
its queries at once, and almost always none is smaller, so that selecting costs next to nothing and
memory does not grow with the data.

Points fall into segments, each with lists of its own, which `MergeNearest` joins: the same result
for any number of threads. Of equal distances the lower index is nearer. A distance that is not a
number, or infinite, is never among the nearest: a list with too few ends in index −1.

Source: Johnson, Douze and Jégou, "Billion-scale similarity search with GPUs", 2017.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from backlight.native.contraction.blocking import depth_of
from backlight.native.contraction.nearest_lists import insert
from backlight.native.contraction.offsets import least, offset
from backlight.native.contraction.product_code import DType, scratch
from backlight.native.contraction.tile import shape_for, tile, zeros
from backlight.native.machine_code.emit import I1, I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

ROWS = 132
QUERIES = 256
"""Points and queries of a block, about: their sums stay in the second cache."""

INDEX = np.dtype(np.int64)


class Nearest:
    """The kernel that finds each segment's k nearest points of every query.

    Parameters
    ----------
    queries, points, size : int
        How many of each, and how many numbers each is.
    k : int, at least 1
    metric : str
        "l2" (squared Euclidean) or "l1".
    dtype : dtype
        float32 or float64.
    target : Target

    Notes
    -----
    Operands: `points` (points × size, row-major), `panels` (the queries, by `Pack(1, size, queries,
    dtype, (0, 1, size), width)`), `point_norms` and `query_norms` (squared; by `SquaredNorms`; not
    read for L1), `distances` and `indices` (segments × queries × k; int64).
    """

    operands = ("points", "panels", "point_norms", "query_norms", "distances", "indices")

    def __init__(
        self,
        queries: int,
        points: int,
        size: int,
        k: int,
        metric: str,
        dtype: Any,
        target: Target,
    ) -> None:
        self.queries, self.points, self.size, self.k = queries, points, size, k
        self.metric = metric
        self.dtype: DType = np.dtype(dtype)
        item: int = self.dtype.itemsize
        self.lanes = target.lanes(self.dtype.itemsize)
        self.rows, self.vectors = shape_for(target, dtype, max(points, 1), max(queries, 1))
        if metric == "l1":
            # One register more is needed for the difference.
            self.rows = min(self.rows, (target.registers - 3) // self.vectors - 1)
        self.width = self.vectors * self.lanes
        self.panels = -(-queries // self.width)
        self.depth = depth_of(size)
        # Of a block: tiles of points, panels of queries.
        self.m = max(1, ROWS // self.rows)
        self.n = max(1, min(self.panels, QUERIES * 4 // (item * self.width)))
        self.groups = -(-self.panels // self.n)
        block = self.m * self.rows
        blocks = max(1, -(-points // block))
        wanted = min(blocks, -(-16 // max(1, self.groups)))
        self.segment = -(-blocks // wanted) * block
        self.segments = max(1, -(-points // self.segment))

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        sizes = self.queries, self.points, self.size, self.k
        return "nearest", sizes, self.metric, self.dtype.str

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        return self.groups * self.segments

    @property
    def multiply_adds(self) -> int:
        """Terms of all distances."""
        return self.queries * self.points * self.size

    @property
    def bytes(self) -> int:
        """Memory read and written, each number once."""
        item: int = self.dtype.itemsize
        read = (self.queries + self.points) * (self.size + 1) * item
        return read + self.segments * self.queries * self.k * (item + 8)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        if self.chunks:
            places = [operand(code, operands, i) for i in range(len(self.operands))]
            code.loop(begin, end, 1, _NearestCode(self, code, places).chunk)
        code.finish()


class _NearestCode:
    """Writes one chunk: a group of queries against a segment of points."""

    def __init__(self, plan: Nearest, code: Code, operands: list[Any]) -> None:
        self.plan, self.code, self.dtype = plan, code, plan.dtype
        self.points, self.panels, self.point_norms, self.query_norms = operands[:4]
        self.distances, self.indices = operands[4:]
        self.sums = scratch(code, self.dtype, plan.m * plan.rows * plan.n * plan.width)
        self.limits = scratch(code, self.dtype, plan.n * plan.width)
        self.norms = scratch(code, self.dtype, plan.n * plan.width)
        self.found = scratch(code, self.dtype, plan.lanes)

    def chunk(self, number: Any) -> None:
        """Empty lists; then block after block of points."""
        plan, built, code = self.plan, self.code.builder, self.code
        segment = built.udiv(number, I64(plan.groups))
        group = built.urem(number, I64(plan.groups))
        self.first_panel = offset(code, (group, plan.n))
        self.first_query = offset(code, (self.first_panel, plan.width))
        self.list = offset(code, (segment, plan.queries), self.first_query)
        self.panel_count = least(code, built.sub(I64(plan.panels), self.first_panel), plan.n)
        self.query_count = built.sub(I64(plan.queries), self.first_query)
        self.query_count = least(code, self.query_count, plan.n * plan.width)
        self.empty_lists()
        start = offset(code, (segment, plan.segment))
        stop = least(code, offset(code, start, plan.segment), plan.points)
        code.loop(start, stop, plan.m * plan.rows, lambda first: self.block(first, stop))

    def empty_lists(self) -> None:
        """Lists of infinities; queries that fill up a panel accept nothing."""
        plan, code = self.plan, self.code
        never = code.constant(self.dtype, -math.inf)
        zero, nobody = code.constant(self.dtype, 0), code.constant(INDEX, -1)
        far = code.constant(self.dtype, math.inf)

        def lane(place: Any) -> None:
            code.store(never, self.limits, place)
            code.store(zero, self.norms, place)

        def query(place: Any) -> None:
            code.store(far, self.limits, place)
            if plan.metric == "l2":
                where = offset(code, self.first_query, place)
                code.store(code.load(self.query_norms, where, self.dtype), self.norms, place)
            base = offset(code, (offset(code, self.list, place), plan.k))

            def entry(j: Any) -> None:
                code.store(far, self.distances, offset(code, base, j))
                code.store(nobody, self.indices, offset(code, base, j))

            code.loop(0, plan.k, 1, entry)

        code.loop(0, plan.n * plan.width, 1, lane)
        code.loop(0, self.query_count, 1, query)

    # ── distances of a block ───────────────────────────────────────────────────────────────

    def block(self, first: Any, stop: Any) -> None:
        """Sums of one block of points, then those that are near enough."""
        plan, built, code = self.plan, self.code.builder, self.code
        left = least(code, built.sub(stop, first), plan.m * plan.rows)

        def depth(start: Any) -> None:
            count = least(code, built.sub(I64(plan.size), start), plan.depth)

            def panel(index: Any) -> None:
                self.panel(first, left, start, count, index)

            code.loop(0, self.panel_count, 1, panel)

        if plan.size:
            code.loop(0, plan.size, plan.depth, depth)
        else:
            nothing = code.constant(self.dtype, 0)
            count = plan.m * plan.rows * plan.n * plan.width
            code.loop(0, count, 1, lambda place: code.store(nothing, self.sums, place))
        code.loop(0, self.panel_count, 1, lambda index: self.select(first, left, index))

    def panel(self, first: Any, left: Any, start: Any, count: Any, index: Any) -> None:
        """All tiles of one panel of queries over one block of their numbers."""
        plan, built, code = self.plan, self.code.builder, self.code
        where = offset(code, (offset(code, self.first_panel, index), plan.size))
        where = offset(code, (offset(code, where, start), plan.width))
        panel = code.address(self.panels, where, self.dtype)

        def rows(row: Any, some: int) -> None:
            there = offset(code, (first, plan.size), (row, plan.size))
            a = code.address(self.points, offset(code, there, start), self.dtype)
            sums = tile(
                code,
                a,
                plan.size,
                panel,
                [(count, 1, plan.width)],
                some,
                plan.vectors,
                plan.lanes,
                zeros(code, self.dtype, some, plan.vectors, plan.lanes),
                term=_absolute_difference if plan.metric == "l1" else None,
            )
            self.keep(sums, start, index, row)

        whole = built.sdiv(left, I64(plan.rows))
        code.loop(0, whole, 1, lambda t: rows(offset(code, (t, plan.rows)), plan.rows))
        rest = plan.points % plan.rows
        if rest:
            done = offset(code, (whole, plan.rows))
            code.when(built.icmp_signed("<", done, left), lambda: rows(done, rest))

    def keep(self, sums: list[Number], start: Any, index: Any, row: Any) -> None:
        """Add a tile's sums to those of the blocks before."""
        plan, built, code = self.plan, self.code.builder, self.code
        base = self.place(index, row)
        first = built.icmp_signed("==", start, I64(0))

        def save(add: bool) -> None:
            for number, total in enumerate(sums):
                place = offset(code, base, number * plan.lanes)
                if add:
                    total = code.load(self.sums, place, self.dtype, plan.lanes) + total
                code.store(total, self.sums, place)

        if plan.size <= plan.depth:
            save(False)
            return
        with built.if_else(first) as (begin, later):
            with begin:
                save(False)
            with later:
                save(True)

    def place(self, index: Any, row: Any) -> Any:
        """Where the sums of a row of the block and a panel are."""
        plan, code = self.plan, self.code
        base = offset(code, (index, plan.m * plan.rows), row)
        return offset(code, (base, plan.width))

    # ── selection ──────────────────────────────────────────────────────────────────────────

    def select(self, first: Any, left: Any, index: Any) -> None:
        """Put what is nearer than a query's k-th into its list, points in order."""
        plan, code = self.plan, self.code

        def row(r: Any) -> None:
            point = offset(code, first, r)
            norm = code.constant(self.dtype, 0)
            if plan.metric == "l2":
                norm = code.load(self.point_norms, point, self.dtype)
            for v in range(plan.vectors):
                lane = offset(code, (index, plan.width), v * plan.lanes)
                where = offset(code, self.place(index, r), v * plan.lanes)
                distance = code.load(self.sums, where, self.dtype, plan.lanes)
                if plan.metric == "l2":
                    norms = code.load(self.norms, lane, self.dtype, plan.lanes)
                    distance = norms + norm - distance * 2.0
                    distance = code.select(distance < 0.0, 0.0, distance)
                limit = code.load(self.limits, lane, self.dtype, plan.lanes)
                near = distance < limit
                code.when(_any(code, near), partial(self.enter, distance, lane, point))

        code.loop(0, left, 1, row)

    def enter(self, distance: Number, lane: Any, point: Any) -> None:
        """Look at the lanes of one vector one by one."""
        plan, code = self.plan, self.code
        code.store(distance, self.found, I64(0))

        def one(place: Any) -> None:
            here = code.load(self.found, place, self.dtype)
            query = offset(code, lane, place)
            limit = code.load(self.limits, query, self.dtype)

            def put() -> None:
                base = offset(code, (offset(code, self.list, query), plan.k))
                index = Number(code, point, INDEX, 1)
                insert(code, self.distances, self.indices, base, plan.k, here, index)
                last = offset(code, base, plan.k - 1)
                code.store(code.load(self.distances, last, self.dtype), self.limits, query)

            code.when(here < limit, put)

        code.loop(0, plan.lanes, 1, one)


def _absolute_difference(code: Code, a: Number, b: Number, total: Number) -> Number:
    return total + code.intrinsic("fabs", a - b)


def _any(code: Code, truth: Number) -> Any:
    """Whether any lane is true."""
    if truth.lanes == 1:
        return truth.value
    name = f"llvm.vector.reduce.or.v{truth.lanes}i1"
    return code.call(name, I1, [truth])
