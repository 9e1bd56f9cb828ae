"""One kernel of loops: rows of work, and in each row loops over its elements, stage after stage.

A kernel's *roots* are the nodes that it leaves in memory, and the folds along a row that later
stages of the same row use. The rows are the leading axes that all roots share. A root is one of

- a map: its shape begins with the rows; every element is computed and stored;
- a fold of a row: the last axes of its input are folded, and its shape is the rows;
- a fold of columns: the rows of its input are folded into one. Each chunk folds its own rows into
  a partial result in memory; `combining` makes the kernel that folds the partial results.

Roots that need a fold of the row stand in a later stage than the fold; what an earlier stage has
stored for this row may be read again. Chunks are runs of rows, and their number follows from the
kernel alone, never from the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from backlight.native.kernels import places
from backlight.native.kernels.folds import folded_coordinates, folded_shape, partial_type
from backlight.native.kernels.footprint import Footprint, Memory, indices, symbols_for
from backlight.native.kernels.places import Coordinates, Index, Space
from backlight.native.kernels.row_code import write
from backlight.native.lowering.loops import ELEMENTWISE, Node, Shape
from backlight.native.machine_code.machine import Target

BLOCK = 4096
"""Elements in one row of a kernel whose data have no rows of their own."""
SHORT = 1024
"""Elements of a row below which it takes another axis in."""
SMALL = 20_000.0
"""Nanoseconds of work that are not worth dividing among threads."""
CHUNKS = 32
_COSTS = {"divide": 4, "sqrt": 4, "exp": 10, "log": 14, "tanh": 16, "power": 40, "expm1": 16}


class Stage:
    """Roots that are computed in one loop over a row.

    Attributes
    ----------
    roots : tuple of Node
    shape : tuple of int
        The axes of a row that the loop walks over.
    """

    def __init__(self, roots: Sequence[Node], rows: int) -> None:
        self.roots = tuple(roots)
        self.rows = rows
        first = self.roots[0]
        self.cost = 0.0
        self.shape: Shape = first.shape[rows:]
        if self.columns(first):
            self.shape = first.inputs[0].shape[rows:]
        elif self.folds(first):
            self.shape = folded_shape(first)

    def folds(self, root: Node) -> bool:
        """Whether a root is a fold of the row."""
        return is_row_fold(root, self.rows)

    def columns(self, root: Node) -> bool:
        """Whether a root is a fold of all rows into one."""
        return is_column_fold(root, self.rows)

    def where(self, root: Node, row: Coordinates, inner: Coordinates) -> Coordinates:
        """The coordinates of what is computed for a root at a place of the row."""
        if self.folds(root):
            return folded_coordinates(root, row, inner)
        return (*row, *inner)


def is_row_fold(node: Node, rows: int) -> bool:
    """Whether a root folds each of the rows that its shape counts."""
    if node.op != "fold" or node.ndim != rows:
        return False
    return node.inputs[0].ndim - 1 in node.attributes["axes"]


def is_column_fold(node: Node, rows: int) -> bool:
    """Whether a root folds the rows themselves, element by element."""
    if node.op != "fold" or not rows:
        return False
    return bool(node.attributes["axes"] == tuple(range(rows)) and node.ndim)


class LoopKernel:
    """A kernel of loops.

    Parameters
    ----------
    stages : sequence of sequence of Node
        The roots of each stage.
    rows : int
        How many leading axes count the rows.
    outputs : sequence of Node
        The roots that are stored.
    memory : collection of Node
        The nodes that are in memory when the kernel runs.

    Attributes
    ----------
    inputs, outputs : list of Node
        The kernel's operands: inputs first, outputs last.
    stored : list of Node
        The roots that become the outputs, in the same order.
    scratch : list of Node
        Maps of which only the current row exists, on the stack.
    key : hashable
        Kernels with the same key have the same code.
    chunks : int
    bytes, operations : int
        What one run moves and computes.
    may_alias : list of (int, int)
        Which input may be in the same memory as which output: element for element, an input is
        read before that place of the output is written.
    """

    multiply_adds = 0

    def __init__(
        self, stages: Sequence[Sequence[Node]], rows: int, outputs: Sequence[Node], memory: Any
    ) -> None:
        self.rows, self.stored = rows, list(outputs)
        self.outputs = list(outputs)
        self.stages = [Stage(roots, rows) for roots in stages]
        self.space = Space()
        roots = [root for stage in self.stages for root in stage.roots]
        self.row_shape = self._rows_of(roots)
        self.footprints = self._walked(roots, memory)
        reads = [node for footprint in self.footprints for node, _ in footprint.reads]
        self.inputs = [node for node in dict.fromkeys(reads) if node not in set(roots)]
        self.computed = dict.fromkeys(node for one in self.footprints for node in one.computed)
        self.scratch = [
            root
            for stage in self.stages
            for root in stage.roots
            if root not in self.stored and not stage.folds(root)
        ]
        self.partial: dict[Node, Node] = {}
        self.groups = self._grouped()
        self._plan()
        self._divide_columns()
        self.may_alias = self._aliases()
        shape = structure([stage.roots for stage in self.stages], self.inputs)
        self.key = ("loops", rows, self.outputs_at(roots), shape)

    def _rows_of(self, roots: Sequence[Node]) -> Shape:
        first = roots[0]
        return (first.inputs[0] if is_column_fold(first, self.rows) else first).shape[: self.rows]

    # ── planning ───────────────────────────────────────────────────────────────────────────

    def _walked(self, roots: Sequence[Node], memory: Container[Node]) -> list[Footprint]:
        """What each stage reads."""
        rows = self.row_shape
        self._row_symbols = symbols_for(rows)
        row = indices(self._row_symbols, rows)
        self._inner_symbols = [symbols_for(stage.shape) for stage in self.stages]
        found = []
        for stage, symbols in zip(self.stages, self._inner_symbols, strict=True):
            footprint = Footprint(Memory(memory, set(roots)), self.space)
            inner = indices(symbols, stage.shape)
            for root in stage.roots:
                at = stage.where(root, row, inner)
                fold = stage.folds(root) or stage.columns(root)
                node = root.inputs[0] if fold else root
                footprint.walk(node, at, inside=not fold)
            found.append(footprint)
        return found

    def _grouped(self) -> list[list[tuple[int, ...]]]:
        found = []
        for stage, symbols, footprint in zip(
            self.stages, self._inner_symbols, self.footprints, strict=True
        ):
            found.append(footprint.merged(symbols, stage.shape))
        return found

    def _plan(self) -> None:
        """How many rows there are, and how a kernel that has none is cut into some."""
        sizes = self.row_shape
        self.row_groups = [(axis,) for axis, size in enumerate(sizes) if size > 1]
        self.block = 0
        stage, groups = self.stages[0], self.groups[0]
        if self.plain and groups:
            lengths = [math.prod(stage.shape[axis] for axis in one) for one in groups]
            self.lead = len(lengths) - 1
            while self.lead and math.prod(lengths[self.lead :]) < SHORT:
                if math.prod(lengths[: self.lead - 1]) < CHUNKS:
                    break
                self.lead -= 1
            last, lead = lengths[-1], math.prod(lengths[: self.lead])
            if last > 2 * BLOCK and lead < CHUNKS:
                self.block = BLOCK
            self.blocks = -(-last // self.block) if self.block else 1
            self.count = lead * self.blocks
        else:
            self.blocks = 1
            self.count = math.prod(sizes)
        self.lanes_size = self._width()
        self.bytes = sum(node.nbytes for node in (*self.inputs, *self.stored))
        self.operations = self._operations()
        self._costs()
        time = max(0.1 * self.operations, 0.03 * self.bytes)
        self.chunks = 1 if time < SMALL else max(1, min(self.count, CHUNKS))

    @property
    def plain(self) -> bool:
        """Whether it is a map without rows of its own."""
        return (
            self.rows == 0
            and len(self.stages) == 1
            and not any(is_row_fold(root, 0) for root in self.stages[0].roots)
        )

    def _width(self) -> int:
        """Bytes of the elements that fill one vector."""
        sizes = {node.dtype.itemsize for node in self.computed if node.dtype != bool}
        sizes |= {node.dtype.itemsize for node in self.inputs if node.dtype != bool}
        floats = {size for size in sizes if size >= 4}
        return min(floats) if floats else 4

    def _operations(self) -> int:
        total = 0
        for node in self.computed:
            if node.op in ELEMENTWISE:
                total += node.size * _COSTS.get(node.op, 1)
            elif node.op == "fold":
                total += node.inputs[0].size
        for stage in self.stages:
            total += sum(r.inputs[0].size if r.op == "fold" else r.size for r in stage.roots)
        return total

    def _costs(self) -> None:
        for stage in self.stages:
            memory = {*self.inputs, *self.stored} - set(stage.roots)
            names = [node.op for node in computed(stage.roots, memory)]
            stage.cost = sum(_COSTS.get(name, 1) for name in names if name in ELEMENTWISE)

    def _divide_columns(self) -> None:
        """Partial results take the places of folds of columns among the outputs."""
        for place, node in enumerate(self.stored):
            if is_column_fold(node, self.rows):
                x, by = node.inputs[0], node.attributes["by"]
                kind = partial_type(by, node.dtype, x.dtype)
                self.partial[node] = node
                if self.chunks > 1 or kind != node.dtype:
                    shape = (self.chunks, *node.shape)
                    self.partial[node] = Node("partial", (), shape, kind)
                    self.outputs[place] = self.partial[node]

    def combining(self) -> list[LoopKernel]:
        """The kernels that fold the partial results of folds of columns, to be run next."""
        shapes: dict[Shape, list[Node]] = {}
        for node, partial in self.partial.items():
            if partial is not node:
                shapes.setdefault(node.shape, []).append(node)
        found = []
        for nodes in shapes.values():
            given = [self.partial[node] for node in nodes]
            folds = [
                Node("fold", (x,), n.shape, n.dtype, {"by": n.attributes["by"], "axes": (0,)})
                for x, n in zip(given, nodes, strict=True)
            ]
            kernel = LoopKernel([folds], 0, folds, given)
            kernel.outputs = list(nodes)
            found.append(kernel)
        return found

    def outputs_at(self, roots: Sequence[Node]) -> tuple[int, ...]:
        """Which of the roots are stored."""
        return tuple(roots.index(node) for node in self.stored)

    def _aliases(self) -> list[tuple[int, int]]:
        """Pairs of which every read is at the place that the same turn writes."""
        read: dict[Node, list[tuple[int, Index]]] = {node: [] for node in self.inputs}
        for number, footprint in enumerate(self.footprints):
            for node, at in footprint.reads:
                where = (number, places.flat(at, node.shape))
                if node in read and where not in read[node]:
                    read[node].append(where)
        written = [self._written_at(output) for output in self.stored]
        return [
            (place, number)
            for place, node in enumerate(self.inputs)
            for number, output in enumerate(self.stored)
            if written[number] is not None
            and (node.size, node.dtype.itemsize) == (output.size, output.dtype.itemsize)
            and read[node] in ([], [written[number]])
        ]

    def _written_at(self, output: Node) -> tuple[int, Index] | None:
        """In which stage an output is written, and where, by the turn that computes it."""
        place = next((n for n, stage in enumerate(self.stages) if output in stage.roots), None)
        if place is None or output in self.partial or self.stages[place].folds(output):
            return None
        row = indices(self._row_symbols, self.row_shape)
        inner = indices(self._inner_symbols[place], self.stages[place].shape)
        return place, places.flat((*row, *inner), output.shape)

    # ── code ───────────────────────────────────────────────────────────────────────────────

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(ptr operands, i64 begin, i64 end)` into a module."""
        write(self, module, name, target)


def structure(stages: Sequence[Sequence[Node]], inputs: Sequence[Node]) -> Any:
    """What the code of some roots depends on, whichever buffers they read."""
    numbers: dict[Node, int] = {}
    lines: list[Any] = []
    for node in inputs:
        numbers[node] = len(numbers)
        lines.append((node.shape, node.dtype.str))
    roots = [root for stage in stages for root in stage]
    for node in computed(roots, set(inputs)):
        numbers[node] = len(numbers)
        given = tuple(numbers[x] for x in node.inputs)
        lines.append((node.op, given, node.shape, node.dtype.str, settings(node)))
    chosen = tuple(tuple(numbers[root] for root in stage) for stage in stages)
    return chosen, tuple(lines)


def computed(roots: Sequence[Node], memory: set[Node]) -> list[Node]:
    """The nodes that roots need besides those in memory, inputs before what uses them."""
    found: dict[Node, None] = {}
    waiting = [(root, False) for root in reversed(roots)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            found[node] = None
        elif node not in found and node not in memory:
            waiting.append((node, True))
            waiting.extend((x, False) for x in reversed(node.inputs))
    return list(found)


def settings(node: Node) -> Any:
    """A node's attributes, numbers told apart by their bits (−0 is not 0, NaN is NaN)."""
    found = []
    for name, value in sorted(node.attributes.items()):
        exact = name == "value"
        found.append((name, np.asarray(value, node.dtype).tobytes() if exact else value))
    return tuple(found)
