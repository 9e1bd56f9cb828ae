"""An array whose axes lie in another order: tiles turned around in registers.

What runs along memory in the source does not in the result. Element by element, one side would be
read or written in single numbers. Here a tile of as many rows as a vector has lanes is read in
whole vectors, turned by shuffles (in log₂ steps, each of which exchanges half of every pair of
rows), and written in whole vectors. Where the result is images with zeros around, for a
convolution, they are written too.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.kernels import places
from backlight.native.kernels.border import Border
from backlight.native.kernels.footprint import Footprint, indices, symbols_for
from backlight.native.kernels.loop_kernel import CHUNKS, SMALL
from backlight.native.kernels.places import Space
from backlight.native.lowering.loops import VIEWS, Node
from backlight.native.lowering.strides import row_major
from backlight.native.machine_code.emit import I32, I64, Code, kernel, operand
from backlight.native.machine_code.machine import Target

LARGEST = 16
"""Rows of a tile, at most: so many vectors stay in registers."""
BLOCK = 64
"""Elements along each of the two axes that one turn takes: whole lines of memory on both sides."""
FEW = 4
"""Numbers side by side, like the colours of a pixel, that are dealt out without a square tile."""
LEAST = 256


@dataclass(frozen=True)
class Axis:
    """An axis: how many, and the steps of the source and of the result, in elements."""

    size: int
    read: int
    write: int


class Transposition:
    """The kernel that stores a view of an array, axes turned around, in order.

    Made by `transposition`.

    Attributes
    ----------
    inputs, outputs : list of Node
        One of each: what is turned, and the result.
    along, across : Axis
        Where the source runs along memory, and where the result does.
    outer : tuple of Axis
        All others.
    """

    multiply_adds = 0
    may_alias: tuple[tuple[int, int], ...] = ()

    def __init__(
        self,
        source: Node,
        node: Node,
        axes: Sequence[Axis],
        starts: tuple[int, int],
        border: Border | None,
    ) -> None:
        self.inputs, self.outputs = [source], [node]
        self.along = next(axis for axis in axes if axis.read == 1)
        self.across = next(axis for axis in axes if axis.write == 1)
        self.outer = tuple(axis for axis in axes if 1 not in (axis.read, axis.write))
        self.starts, self.border = starts, border
        self.size = node.dtype.itemsize
        self.bytes = 2 * math.prod(axis.size for axis in axes) * self.size
        whole = math.prod(axis.size for axis in self.outer)
        self.units = whole * self._blocks(self.along) * self._blocks(self.across)
        self.chunks = 1 if 0.03 * self.bytes < SMALL else min(self.units, CHUNKS)

    @property
    def key(self) -> Any:
        """Equal keys make equal code."""
        axes = self.along, self.across, self.outer
        return "transposition", self.size, axes, self.starts, self.border

    def _blocks(self, axis: Axis) -> int:
        """In how many blocks an axis is walked; the last takes in what is less than a tile."""
        return max(1, (axis.size + BLOCK - LARGEST) // BLOCK)

    # ── code ───────────────────────────────────────────────────────────────────────────────

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        source, result = operand(code, operands, 0), operand(code, operands, 1)
        built = code.builder

        def share(count: int, chunk: Any) -> Any:
            return built.udiv(built.mul(chunk, I64(count)), I64(self.chunks))

        if self.border is not None:
            around, images = self.border, self.border.shape[0]
            first, last = share(images, begin), share(images, end)
            code.loop(first, last, 1, lambda image: around.around(code, result, image))
        first, last = share(self.units, begin), share(self.units, end)
        lanes = min(LARGEST, target.lanes(self.size))
        writer = _Tiles(code, self, source, result, lanes)
        code.loop(first, last, 1, writer.unit)
        code.finish()


class _Tiles:
    """Writes the code of one block, tile by tile."""

    def __init__(
        self, code: Code, plan: Transposition, source: Any, result: Any, lanes: int
    ) -> None:
        self.code, self.plan, self.lanes = code, plan, lanes
        self.source, self.result = source, result
        self.element = ir.IntType(8 * plan.size)
        self.high = min(lanes, plan.along.size)
        self.wide = min(lanes, plan.across.size)

    def unit(self, index: Any) -> None:
        """All tiles of one block."""
        built, plan = self.code.builder, self.plan
        read, write = I64(plan.starts[0]), I64(plan.starts[1])
        spans = []
        for axis, tile in ((plan.across, self.wide), (plan.along, self.high)):
            blocks = plan._blocks(axis)
            block, index = built.urem(index, I64(blocks)), built.udiv(index, I64(blocks))
            last = axis.size - BLOCK * (blocks - 1)
            ends = built.icmp_signed("==", block, I64(blocks - 1))
            size = built.select(ends, I64(last), I64(BLOCK)) if blocks > 1 else I64(last)
            first = built.mul(block, I64(BLOCK))
            read = built.add(read, built.mul(first, I64(axis.read)))
            write = built.add(write, built.mul(first, I64(axis.write)))
            count = built.udiv(built.add(size, I64(tile - 1)), I64(tile))
            spans.append((count, built.sub(size, I64(tile))))
        for axis in reversed(plan.outer):
            place, index = built.urem(index, I64(axis.size)), built.udiv(index, I64(axis.size))
            read = built.add(read, built.mul(place, I64(axis.read)))
            write = built.add(write, built.mul(place, I64(axis.write)))
        (columns, last_column), (rows, last_row) = spans

        def start(number: Any, tile: int, last: Any) -> Any:
            """Where a tile begins: the last one ends with its block, over what is there already."""
            place = built.mul(number, I64(tile))
            return built.select(built.icmp_signed("<", place, last), place, last)

        def row(number: Any) -> None:
            along = start(number, self.high, last_row)
            read_row = built.add(read, along)
            write_row = built.add(write, built.mul(along, I64(plan.along.write)))

            def column(number: Any) -> None:
                across = start(number, self.wide, last_column)
                read_at = built.add(read_row, built.mul(across, I64(plan.across.read)))
                self._tile(read_at, built.add(write_row, across))

            self.code.loop(0, columns, 1, column)

        self.code.loop(0, rows, 1, row)

    # ── one tile ───────────────────────────────────────────────────────────────────────────

    def _tile(self, read: Any, write: Any) -> None:
        plan, high, wide, lanes = self.plan, self.high, self.wide, self.lanes
        if wide == plan.across.size <= FEW and plan.along.write == wide and high == lanes:
            rows = [self._load(read, b * plan.across.read, lanes) for b in range(wide)]
            for number in range(wide):
                taken = [divmod(lanes * number + lane, wide) for lane in range(lanes)]
                made = self._chosen(rows, [(b, a) for a, b in taken])
                self._store(made, write, lanes * number)
            return
        if high == plan.along.size <= FEW and plan.across.read == high and wide == lanes:
            rows = [self._load(read, lanes * number, lanes) for number in range(high)]
            for a in range(high):
                places_of = [divmod(high * lane + a, lanes) for lane in range(lanes)]
                self._store(self._chosen(rows, places_of), write, a * plan.along.write)
            return
        rows = [self._load(read, b * plan.across.read, high) for b in range(wide)]
        for a, made in enumerate(self._turned(rows)[:high]):
            self._store(self._first(made, wide), write, a * plan.along.write)

    def _turned(self, rows: list[Any]) -> list[Any]:
        """The transpose of a square of `lanes` rows; rows that are not given hold anything."""
        lanes, built = self.lanes, self.code.builder
        nothing = ir.Constant(ir.VectorType(self.element, lanes), ir.Undefined)
        rows = [self._widened(row) for row in rows] + [nothing] * (lanes - len(rows))
        step = 1
        while step < lanes:
            upper = [j if not j & step else lanes + j - step for j in range(lanes)]
            lower = [j + step if not j & step else lanes + j for j in range(lanes)]
            made = list(rows)
            for i in range(lanes):
                if not i & step:
                    pair = rows[i], rows[i + step]
                    made[i] = built.shuffle_vector(*pair, _mask(upper))
                    made[i + step] = built.shuffle_vector(*pair, _mask(lower))
            rows, step = made, 2 * step
        return rows

    def _chosen(self, rows: Sequence[Any], places_of: Sequence[tuple[int, int]]) -> Any:
        """A vector whose lanes are each some row's lane."""
        lanes, built = self.lanes, self.code.builder
        made = rows[0]
        mask = [lane if row == 0 else 0 for row, lane in places_of]
        if len(rows) == 1:
            return built.shuffle_vector(made, made, _mask(mask))
        for number in range(1, len(rows)):
            for to, (row, lane) in enumerate(places_of):
                if row == number:
                    mask[to] = lanes + lane
            made = built.shuffle_vector(made, rows[number], _mask(mask))
            mask = list(range(lanes))
        return made

    def _widened(self, row: Any) -> Any:
        count = self.high
        if count == self.lanes:
            return row
        mask = [lane if lane < count else 0 for lane in range(self.lanes)]
        return self.code.builder.shuffle_vector(row, row, _mask(mask))

    def _first(self, row: Any, count: int) -> Any:
        if count == self.lanes:
            return row
        return self.code.builder.shuffle_vector(row, row, _mask(list(range(count))))

    # ── memory ─────────────────────────────────────────────────────────────────────────────

    def _load(self, start: Any, step: int, count: int) -> Any:
        built = self.code.builder
        at = built.add(start, I64(step))
        place = built.gep(self.source, [at], source_etype=self.element)
        found = built.load(place, typ=ir.VectorType(self.element, count))
        found.align = self.plan.size
        return found

    def _store(self, value: Any, start: Any, step: int) -> None:
        built = self.code.builder
        at = built.add(start, I64(step))
        place = built.gep(self.result, [at], source_etype=self.element)
        built.store(value, place).align = self.plan.size


def _mask(lanes: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes))


def transposition(node: Node, memory: Container[Node]) -> Transposition | None:
    """The kernel for a node that is another's numbers with the axes turned; None for others."""
    inner, border = node, None
    start = 0
    if node.op == "pad":
        border = _border(node)
        if border is None or node.inputs[0] in memory:
            return None
        inner = node.inputs[0]
        steps = row_major(node.shape)
        start = sum(a * b for a, b in zip(node.attributes["before"], steps, strict=True))
    if inner.op not in VIEWS or inner.size < LEAST or node.dtype.itemsize not in (1, 2, 4, 8):
        return None
    found = _walked(inner, memory)
    if found is None:
        return None
    source, reads, first = found
    steps = row_major(node.shape)
    axes = _merged(
        [Axis(*one) for one in zip(inner.shape, reads, steps, strict=True) if one[0] > 1]
    )
    along = [axis for axis in axes if axis.read == 1]
    across = [axis for axis in axes if axis.write == 1]
    if len(along) != 1 or len(across) != 1 or along == across:
        return None
    return Transposition(source, node, axes, (first, start), border)


def _walked(node: Node, memory: Container[Node]) -> tuple[Node, list[int], int] | None:
    """The one array that a view shows, its steps along each axis, and where it begins."""
    symbols = symbols_for(node.shape)
    footprint = Footprint(memory, Space())
    footprint.walk(node, indices(symbols, node.shape), inside=True)
    views = all(one.op in VIEWS and one.op != "pad" for one in footprint.computed)
    if not views or len(footprint.reads) != 1 or footprint.bound:
        return None
    ((source, where),) = footprint.reads
    flat = places.flat(where, source.shape)
    if not {symbol for symbol, _ in flat.terms} <= set(symbols):
        return None
    return source, [flat.factor(symbol) for symbol in symbols], flat.constant


def _merged(axes: Sequence[Axis]) -> list[Axis]:
    """Neighbouring axes that both sides walk as one, as one."""
    found: list[Axis] = []
    for axis in axes:
        last = found[-1] if found else None
        if (
            last is not None
            and last.read == axis.size * axis.read
            and last.write == axis.size * axis.write
        ):
            found[-1] = Axis(last.size * axis.size, axis.read, axis.write)
        else:
            found.append(axis)
    return found


def _border(node: Node) -> Border | None:
    """The zeros around images N, H, W, C that a node adds; None if it adds anything else."""
    x, before = node.inputs[0], node.attributes["before"]
    value = node.attributes["value"]
    if node.ndim != 4 or value != 0 or np.signbit(float(value)):
        return None
    top, left = before[1:3]
    bottom = node.shape[1] - x.shape[1] - top
    right = node.shape[2] - x.shape[2] - left
    if (node.shape[0], node.shape[3]) != (x.shape[0], x.shape[3]):
        return None
    n, h, w, c = node.shape
    return Border((n, h, w, c), (top, bottom, left, right), node.dtype)
