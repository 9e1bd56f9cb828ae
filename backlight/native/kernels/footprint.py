"""What an expression touches, found by walking it without writing any code.

From the places at which it reads each array in memory follows whether two neighbouring axes can be
walked as one, and whether what one loop writes is read only by the same turn of another.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from backlight.native.kernels import places
from backlight.native.kernels.folds import folded_coordinates, folded_shape
from backlight.native.kernels.places import ZERO, Coordinates, Index, Space, Symbol
from backlight.native.lowering.loops import VIEWS, Node, Shape


class Memory:
    """Nodes that are in memory, some more, and some not: asked about, never copied."""

    def __init__(
        self, kept: Container[Node], more: Container[Node] = (), less: Container[Node] = ()
    ) -> None:
        self.kept, self.more, self.less = kept, more, less

    def __contains__(self, node: object) -> bool:
        return node in self.more or (node in self.kept and node not in self.less)


class Footprint:
    """The reads of some expressions.

    Parameters
    ----------
    memory : container of Node
        What is not computed here.

    Attributes
    ----------
    reads : dict from (Node, Coordinates) to None
        Every place read, in the order found.
    bound : set of Symbol
        Those whose values matter: in conditions, in computed numbers, under divisions.
    computed : dict from Node to None
        Every node that is computed here, in the order found.
    """

    def __init__(self, memory: Container[Node], space: Space) -> None:
        self.memory, self.space = memory, space
        self.reads: dict[tuple[Node, Coordinates], None] = {}
        self.bound: set[Symbol] = set()
        self.computed: dict[Node, None] = {}
        self._seen: set[tuple[Node, Coordinates]] = set()

    def walk(self, node: Node, at: Coordinates, *, inside: bool = False) -> None:
        """Follow a node at some coordinates; `inside`, even if the node itself is in memory."""
        waiting = [(node, at, inside)]
        while waiting:
            node, at, inside = waiting.pop()
            if (node, at) in self._seen and not inside:
                continue
            self._seen.add((node, at))
            if node in self.memory and not inside:
                self.reads[node, at] = None
                continue
            self.computed[node] = None
            waiting.extend((x, where, False) for x, where in reversed(self._inputs(node, at)))

    def _inputs(self, node: Node, at: Coordinates) -> list[tuple[Node, Coordinates]]:
        if node.op == "pad":
            for index, before, size in zip(
                at, node.attributes["before"], node.inputs[0].shape, strict=True
            ):
                if not self.space.inside(index + -before, size):
                    self.bound |= index.symbols()
        if node.op in VIEWS:
            return [(node.inputs[0], places.through(node, at, self.space))]
        if node.op == "place":
            self.bound |= at[node.attributes["axis"]].symbols()
        if node.op == "gather":
            return self._gathered(node, at)
        if node.op == "fold":
            inner = [places.of(Symbol(0, max(n - 1, 0))) for n in folded_shape(node)]
            return [(node.inputs[0], folded_coordinates(node, at, inner))]
        return [(x, places.broadcast(at, x.shape)) for x in node.inputs]

    def _gathered(self, node: Node, at: Coordinates) -> list[tuple[Node, Coordinates]]:
        x, arrays = node.inputs[0], node.inputs[1:]
        rank = node.ndim - (x.ndim - len(arrays))
        found, chosen = [], []
        for array, size in zip(arrays, x.shape, strict=False):
            where = places.broadcast(at[:rank], array.shape)
            index = places.known(array, where, self.space)
            if index is None or not self.space.inside(index, size):
                index = places.of(Symbol(0, max(size - 1, 0)))
                found.append((array, where))
            chosen.append(index)
        found.append((x, (*chosen, *at[rank:])))
        return found

    def merged(self, symbols: Sequence[Symbol], sizes: Shape) -> list[tuple[int, ...]]:
        """Groups of neighbouring axes, each counted by its symbol, that can be walked as one."""
        groups: list[tuple[int, ...]] = []
        offsets = {places.flat(at, node.shape) for node, at in self.reads}
        fixed = set(self.bound)
        for offset in offsets:
            for symbol, _ in offset.terms:
                if symbol.whole is not None:
                    fixed |= symbol.whole.symbols()
        for axis, (symbol, size) in enumerate(zip(symbols, sizes, strict=True)):
            if size == 1:
                continue
            last = groups[-1][-1] if groups else None
            if (
                last is not None
                and not {symbol, symbols[last]} & fixed
                and all(
                    offset.factor(symbols[last]) == size * offset.factor(symbol)
                    for offset in offsets
                )
            ):
                groups[-1] = (*groups[-1], axis)
            else:
                groups.append((axis,))
        return groups


def symbols_for(sizes: Iterable[int]) -> list[Symbol]:
    """One symbol an axis."""
    return [Symbol(0, max(size - 1, 0)) for size in sizes]


def indices(symbols: Sequence[Symbol], sizes: Shape) -> Coordinates:
    """The coordinates that the symbols count; axes of one element stay at 0."""
    pairs = zip(symbols, sizes, strict=True)
    return tuple(places.of(symbol) if size > 1 else ZERO for symbol, size in pairs)


def spread(
    groups: Sequence[tuple[int, ...]], at: Sequence[Index], sizes: Shape, space: Space
) -> Coordinates:
    """Coordinates of all axes from one flat index for each group of axes."""
    found = [ZERO] * len(sizes)
    for axes, index in zip(groups, at, strict=True):
        parts = space.apart(index, tuple(sizes[axis] for axis in axes))
        for axis, part in zip(axes, parts, strict=True):
            found[axis] = part
    return tuple(found)
