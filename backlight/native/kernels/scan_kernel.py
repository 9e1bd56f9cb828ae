"""Running folds along an axis and scattered additions: kernels whose order has a meaning."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

from backlight.native.kernels import places
from backlight.native.kernels.expression import FREE, Expressions, Guard
from backlight.native.kernels.folds import INT64, Partial, nest, reducer
from backlight.native.kernels.footprint import Footprint, Memory, indices, symbols_for
from backlight.native.kernels.loop_kernel import SMALL, structure
from backlight.native.kernels.places import ZERO, Coordinates, Index, Space, Symbol
from backlight.native.kernels.row_code import function, share
from backlight.native.kernels.vector_loop import VectorLoop
from backlight.native.lowering.loops import Node, Shape
from backlight.native.machine_code.emit import Number
from backlight.native.machine_code.machine import Target

CHUNKS = 16


class OrderedKernel:
    """What the two kernels share: operands, cost, key.

    Attributes
    ----------
    inputs, outputs, key, chunks, bytes, operations, may_alias
        See `LoopKernel`.
    """

    multiply_adds = 0

    def __init__(self, node: Node, memory: Container[Node]) -> None:
        self.node, self.outputs = node, [node]
        footprint = Footprint(Memory(memory, less={node}), Space())
        for x in node.inputs:
            footprint.walk(x, indices(symbols_for(x.shape), x.shape))
        self.inputs = list(dict.fromkeys(read for read, _ in footprint.reads))
        self.bytes = sum(one.nbytes for one in (*self.inputs, node))
        self.operations = sum(x.size for x in node.inputs)
        self.may_alias: list[tuple[int, int]] = []
        self.key = (type(self).__name__, structure([(node,)], self.inputs))

    def expressions(self, module: Any, name: str, target: Target) -> tuple[Expressions, Any, Any]:
        """The function begun: what computes in it, and its first and last chunk."""
        operands = [*self.inputs, self.node]
        code, addresses, begin, end = function(module, name, target, len(operands), set())
        bases = dict(zip(operands, addresses, strict=True))
        lanes = target.lanes(self.node.dtype.itemsize if self.node.dtype.itemsize > 1 else 4)
        return Expressions(code, bases, Space(), lanes), begin, end


class ScanKernel(OrderedKernel):
    """A running fold: a vector of neighbours at a time, unless it runs along the last axis."""

    def __init__(self, node: Node, memory: Container[Node]) -> None:
        super().__init__(node, memory)
        self.axis = node.attributes["axis"]
        self.last = self.axis == node.ndim - 1 or node.shape[-1] == 1
        self.rows: Shape = tuple(
            size
            for axis, size in enumerate(node.shape)
            if axis != self.axis and (axis != node.ndim - 1 or self.axis == node.ndim - 1)
        )
        self.count = math.prod(self.rows)
        self.chunks = 1 if self.operations < SMALL else max(1, min(self.count, CHUNKS))

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel."""
        expressions, begin, end = self.expressions(module, name, target)
        code, node = expressions.code, self.node

        def row(index: Any) -> None:
            symbol = Symbol(0, max(self.count - 1, 0), Number(code, index, INT64, 1))
            at = list(expressions.space.apart(places.of(symbol), self.rows))
            with expressions.scope():
                if self.last:
                    expressions.lanes = 1
                    width = node.ndim - 1
                    self._along(expressions, [*at, ZERO][:width], FREE)
                    return
                loop = VectorLoop(expressions, node.shape[-1], None, [], 1)

                def body(place: Index, guard: Guard, partials: list[Partial]) -> list[Partial]:
                    self._along(expressions, [*at, place], guard)
                    return partials

                loop.run(loop.start(), body)

        first, last = (share(code, self.count, self.chunks, one) for one in (begin, end))
        code.loop(first, last, 1, row)
        code.finish()

    def _along(self, expressions: Expressions, others: list[Index], guard: Guard) -> None:
        code, node = expressions.code, self.node
        rule = reducer(code, node)
        size = node.shape[self.axis]

        def turn(index: Any, *held: Number) -> list[Number]:
            symbol = Symbol(0, max(size - 1, 0), Number(code, index, INT64, 1))
            at = [*others]
            at.insert(self.axis, places.of(symbol))
            where = tuple(i if n > 1 else ZERO for i, n in zip(at, node.shape, strict=True))
            with expressions.scope():
                value = expressions.at(node.inputs[0], where, guard)
                partial = rule.taken(list(held), value, None, None)
                offset = places.flat(where, node.shape)
                now = rule.value(partial).astype(node.dtype)
                expressions.store(now, expressions.bases[node], offset, guard)
            return partial

        code.loop(0, size, 1, turn, rule.start(expressions.lanes))


class ScatterKernel(OrderedKernel):
    """Values added to, or put into, an array at places that are data: one after the other.

    The axes that the indices do not choose are divided among the chunks; each chunk sees all
    indices in their order, so that sums have the same bits however many threads there are.
    """

    def __init__(self, node: Node, memory: Container[Node]) -> None:
        super().__init__(node, memory)
        chosen = len(node.inputs) - 2
        self.lead, self.rest = node.shape[:chosen], node.shape[chosen:]
        self.width = math.prod(self.rest)
        self.among: Shape = node.inputs[1].shape[: node.inputs[1].ndim - len(self.rest)]
        small = self.operations < SMALL
        self.chunks = 1 if small else max(1, min(self.width // 32, CHUNKS))
        if node.inputs[0] in self.inputs and self._apart(node):
            self.may_alias = [(self.inputs.index(node.inputs[0]), 0)]

    def _apart(self, node: Node) -> bool:
        """Whether the array is read nowhere but as what is added to."""
        footprint = Footprint(set(self.inputs), Space())
        for x in node.inputs[1:]:
            footprint.walk(x, indices(symbols_for(x.shape), x.shape))
        return all(read is not node.inputs[0] for read, _ in footprint.reads)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel."""
        expressions, begin, end = self.expressions(module, name, target)
        code = expressions.code
        first, last = (share(code, self.width, self.chunks, one) for one in (begin, end))
        self._box(expressions, self.lead, lambda at: self._copy(expressions, at, first, last))
        self._box(expressions, self.among, lambda at: self._update(expressions, at, first, last))
        code.finish()

    def _box(self, expressions: Expressions, sizes: Shape, body: Any) -> None:
        def turn(carried: Partial, inner: Any) -> Partial:
            with expressions.scope():
                body(tuple(i if n > 1 else ZERO for i, n in zip(inner, sizes, strict=True)))
            return carried

        nest(expressions, sizes, turn, [])

    def _columns(self, expressions: Expressions, first: Any, last: Any, body: Any) -> None:
        """Run `body(coordinates of the rest, guard)` on this chunk's part of the rest."""
        if not self.rest:
            body((), FREE)
            return
        code, space = expressions.code, expressions.space
        count = code.builder.sub(last, first)
        start = places.of(Symbol(0, self.width, Number(code, first, INT64, 1)))

        def turn(place: Index, guard: Guard, partials: list[Partial]) -> list[Partial]:
            at = space.note(start + place, 0, max(self.width - 1, 0))
            body(space.apart(at, self.rest), guard)
            return partials

        loop = VectorLoop(expressions, self.width, count, [], 1)
        loop.run(loop.start(), turn)

    def _copy(self, expressions: Expressions, lead: Coordinates, first: Any, last: Any) -> None:
        node = self.node

        def body(rest: Coordinates, guard: Guard) -> None:
            at = (*lead, *rest)
            value = expressions.at(node.inputs[0], at, guard)
            offset = places.flat(at, node.shape)
            expressions.store(value, expressions.bases[node], offset, guard)

        self._columns(expressions, first, last, body)

    def _update(self, expressions: Expressions, among: Coordinates, first: Any, last: Any) -> None:
        code, node = expressions.code, self.node
        found, legal = [], None
        for array, size in zip(node.inputs[2:], self.lead, strict=True):
            place = expressions.at(array, places.broadcast(among, array.shape)).astype(INT64)
            place = code.select(place < 0, place + size, place)
            inside = (place >= 0) & (place < size)
            legal = inside if legal is None else legal & inside
            found.append(places.of(Symbol(0, max(size - 1, 0), place)))

        def body(rest: Coordinates, guard: Guard) -> None:
            values = node.inputs[1]
            value = expressions.at(values, places.broadcast((*among, *rest), values.shape), guard)
            value = value.astype(node.dtype)
            offset = places.flat((*found, *rest), node.shape)
            base = expressions.bases[node]
            if node.attributes["by"] == "add":
                old = expressions.load(base, offset, node.dtype, guard)
                value = (old | value) if node.dtype.kind == "b" else old + value
            expressions.store(value, base, offset, guard)

        def update() -> None:
            with expressions.scope():
                self._columns(expressions, first, last, body)

        if legal is None:
            update()
        else:
            code.when(legal, update)
