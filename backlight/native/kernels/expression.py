"""The code of an expression: what a node's element is, at given places, in terms of loads.

`Expressions.at(node, coordinates)` writes the instructions that compute elements of a node from the
arrays in memory. Views only change the places; elementwise operations are computed where they are
needed; nothing in between is stored. Along a vector one coordinate counts with the lanes: then
consecutive elements are one load, equal ones a scalar, and all others are gathered.

A guard says which lanes are real: the tail of an array has fewer, and what lies outside of an array
that is being padded must be computed from no memory at all.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from backlight.native.functions.mathematics import FUNCTIONS
from backlight.native.kernels import places
from backlight.native.kernels.folds import BOOL, INT64, folded
from backlight.native.kernels.places import Coordinates, Index, Space, Symbol
from backlight.native.lowering.loops import ELEMENTWISE, VIEWS, Node
from backlight.native.machine_code.emit import I1, I32, Code, Number, vector_type

_COMPARISONS = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"))
_COMPARISONS |= {"isnan", "isfinite", "isinf"}
_COMPARISONS |= {"logical_and", "logical_or", "logical_xor", "logical_not"}

_DEEP = 24
"""Operations within each other after which the rest is computed from the innermost outwards."""


class Guard(NamedTuple):
    """Which lanes are real: one truth value for all of them, and one for each."""

    every: Number | None = None
    lanes: Number | None = None


FREE = Guard()


def common_type(node: Node) -> np.dtype[Any]:
    """The type in which NumPy computes an elementwise operation of these inputs."""
    given = node.inputs[1:] if node.op == "where" else node.inputs
    return np.result_type(*[x.dtype for x in given])


def joint(node: Node) -> int | None:
    """Where the first part of a choice by place along the last axis ends; None of other nodes."""
    if node.op != "where" or node.inputs[0].op != "less":
        return None
    place, end = node.inputs[0].inputs
    if place.op != "place" or place.shape != node.shape or end.op != "constant":
        return None
    return int(end.attributes["value"]) if place.attributes["axis"] == node.ndim - 1 else None


class Expressions:
    """Writes expressions of nodes into a kernel.

    Parameters
    ----------
    code : Code
    bases : dict from Node to LLVM value
        The nodes that are in memory, and where; everything else is computed.
    space : Space
    lanes : int
        Elements in a vector here.

    Attributes
    ----------
    held : dict
        Values by (node, coordinates) that are in registers already: folds over this row.
    making : set of Node
        What this turn of a loop stores at its end: it is never read back from memory before.
    lane : Symbol
        Add it to a coordinate to make that coordinate count with the lanes.
    """

    def __init__(self, code: Code, bases: dict[Node, Any], space: Space, lanes: int) -> None:
        self.code, self.bases, self.space, self.lanes = code, bases, space, lanes
        self.lane = Symbol(0, lanes - 1, lane=True)
        self.held: dict[Any, Number] = {}
        self.making: set[Node] = set()
        self._rows: dict[Node, int] = {}
        self._scopes: list[dict[Any, Any]] = [{}]
        self._depth = 0
        self._given: dict[str, Callable[..., Number]] = {
            "constant": self._constant,
            "place": self._place,
            "pad": self._pad,
            "gather": self._gather,
            "fold": lambda node, at, guard: folded(self, node, at, guard),
            "cast": self._cast,
            "check": lambda node, at, guard: self.at(node.inputs[0], at, guard),
        }

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is computed inside is not known outside: the body of a loop or a branch."""
        self._scopes.append({})
        yield
        self._scopes.pop()

    def _remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        for known in reversed(self._scopes):
            if key in known:
                return known[key]
        value = make()
        self._scopes[-1][key] = value
        return value

    def _number_of(self, key: Any, make: Callable[[], Number]) -> Number:
        found: Number = self._remembered(key, make)
        return found

    # ── nodes ──────────────────────────────────────────────────────────────────────────────

    def at(self, node: Node, coordinates: Coordinates, guard: Guard = FREE) -> Number:
        """The elements of `node` at `coordinates`, one for each lane, or one for all."""
        held = self.held.get((node, coordinates))
        if held is not None:
            return held
        # Guards are compared by identity: `Number` writes code when compared.
        key = (node, coordinates, id(guard.every), id(guard.lanes))
        return self._number_of((*key, "value"), lambda: self._made(node, coordinates, guard))

    def computed(self, node: Node, coordinates: Coordinates, guard: Guard = FREE) -> Number:
        """As `at`, of a node that this code is about to put into memory."""
        key = (node, coordinates, id(guard.every), id(guard.lanes), "value")
        return self._number_of(key, lambda: self._from_inputs(node, coordinates, guard))

    def _made(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        if node in self.bases and node not in self.making:
            if node.size == 0:
                return self.code.constant(node.dtype, 0)
            offset = self.offset(node, at)
            if not offset.varies and guard.lanes is not None:
                guard = self._met(guard, offset, math.prod(node.shape[self._rows.get(node, 0) :]))
            return self.load(self.bases[node], offset, node.dtype, guard)
        return self._from_inputs(node, at, guard)

    def _from_inputs(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        given = self._given.get(node.op)
        if given is not None:
            return given(node, at, guard)
        if node.op in VIEWS:
            return self.at(node.inputs[0], places.through(node, at, self.space), guard)
        if node.op not in ELEMENTWISE:
            raise NotImplementedError(f"{node} is not in memory")
        return self._elementwise(node, at, guard)

    def _elementwise(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        part = self._part(node, at)
        if part is not None:
            return self.at(part, places.broadcast(at, part.shape), guard).astype(node.dtype)
        kind = common_type(node)
        self._depth += 1
        if self._depth % _DEEP == 0:
            self._from_below(node, at, guard)
        numbers = [self.at(x, places.broadcast(at, x.shape), guard) for x in node.inputs]
        self._depth -= 1
        if node.op == "where":
            condition = numbers[0].astype(BOOL)
            return self.code.select(condition, *[x.astype(node.dtype) for x in numbers[1:]])
        if node.op not in _COMPARISONS and node.dtype.kind == "f":
            kind = node.dtype
        value = FUNCTIONS[node.op](self.code, *[number.astype(kind) for number in numbers])
        return value.astype(node.dtype)

    def _from_below(self, node: Node, at: Coordinates, guard: Guard) -> None:
        """Compute what a node is made of, the innermost first: long chains need no deep stack."""
        order: dict[tuple[Node, Coordinates], None] = {}
        waiting = [(node, at, False)]
        while waiting:
            one, place, seen = waiting.pop()
            if seen:
                order[one, place] = None
            elif (one, place) not in order:
                waiting.append((one, place, True))
                waiting.extend((x, where, False) for x, where in self._below(one, place))
        for one, place in list(order)[:-1]:
            self.at(one, place, guard)

    def _below(self, node: Node, at: Coordinates) -> list[tuple[Node, Coordinates]]:
        """From which elements of which nodes those of a node are computed, if by one formula."""
        if (node in self.bases and node not in self.making) or (node, at) in self.held:
            return []
        if node.op in ("cast", "check"):
            return [(node.inputs[0], at)]
        if node.op in self._given:
            return []
        if node.op in VIEWS:
            return [(node.inputs[0], places.through(node, at, self.space))]
        part = self._part(node, at)
        inputs = node.inputs if part is None else (part,)
        return [(x, places.broadcast(at, x.shape)) for x in inputs]

    def _part(self, node: Node, at: Coordinates) -> Node | None:
        """The side of a choice between the parts of a join, where it is known beforehand."""
        end = joint(node)
        if end is None:
            return None
        low, high = self.space.range(at[-1])
        return node.inputs[1] if high < end else node.inputs[2] if low >= end else None

    def _cast(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        return self.at(node.inputs[0], at, guard).astype(node.dtype)

    def _constant(self, node: Node, *_: Any) -> Number:
        return self.code.constant(node.dtype, node.attributes["value"])

    def _place(self, node: Node, at: Coordinates, _: Guard) -> Number:
        return self.number(at[node.attributes["axis"]]).astype(node.dtype)

    def _pad(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        x = node.inputs[0]
        inside = self.within(node, at)
        if inside is None:
            return self.at(x, places.through(node, at, self.space), guard)
        filler = self.code.constant(node.dtype, node.attributes["value"])
        if x.size == 0:
            return filler
        value = self.at(x, places.through(node, at, self.space), self.narrowed(guard, inside))
        return self.code.select(inside, value, filler)

    def within(self, node: Node, at: Coordinates) -> Number | None:
        """Which lanes of a padded array lie inside of what was padded; None: all."""
        tests = self.tests(node, at, range(node.ndim))
        if not tests:
            return None
        # Remembered, and so kept: guards are told apart by the identity of what they are made of.
        return self._remembered((*tests, "together"), lambda: self.together(tests))  # type: ignore[no-any-return]

    def tests(self, node: Node, at: Coordinates, axes: Iterable[int]) -> list[tuple[Index, int]]:
        """Indices and the lengths they must be below, so that a place is inside of the padding."""
        found = []
        for axis in axes:
            size = node.inputs[0].shape[axis]
            moved = at[axis] + -node.attributes["before"][axis]
            sure = any((moved, size, "sure") in known for known in self._scopes)
            if not sure and not self.space.inside(moved, size):
                found.append((moved, size))
        return found

    def assume(self, tests: Iterable[tuple[Index, int]]) -> None:
        """Within this scope the tests hold: a branch has been taken for it."""
        for index, size in tests:
            self._scopes[-1][index, size, "sure"] = True

    def together(self, tests: Iterable[tuple[Index, int]]) -> Number:
        """Whether all tests hold."""
        each = [self._test(index, size) for index, size in tests]
        return functools.reduce(operator.and_, each)

    def _test(self, index: Index, size: int) -> Number:
        return self._number_of((index, size, "inside"), lambda: self._inside(index, size))

    def _inside(self, index: Index, size: int) -> Number:
        place = self.number(index)
        low, high = self.space.range(index)
        if low >= 0:
            return place < size
        if high < size:
            return place >= 0
        return (place >= 0) & (place < size)

    def narrowed(self, guard: Guard, inside: Number) -> Guard:
        """A guard and one more condition."""
        key = (id(guard.every), id(guard.lanes), id(inside), "guard")
        return self._remembered(key, lambda: self._narrowed(guard, inside))  # type: ignore[no-any-return]

    def _narrowed(self, guard: Guard, inside: Number) -> Guard:
        if inside.lanes == 1:
            every = inside if guard.every is None else guard.every & inside
            return Guard(every, guard.lanes)
        lanes = inside if guard.lanes is None else guard.lanes & inside
        return Guard(guard.every, lanes)

    def _gather(self, node: Node, at: Coordinates, guard: Guard) -> Number:
        x, arrays = node.inputs[0], node.inputs[1:]
        rank = node.ndim - (x.ndim - len(arrays))
        found: list[Index] = []
        for array, size in zip(arrays, x.shape, strict=False):
            where = places.broadcast(at[:rank], array.shape)
            index = places.known(array, where, self.space)
            if index is None or not self.space.inside(index, size):
                place = self._legal(self.at(array, where, guard).astype(INT64), size)
                index = places.of(Symbol(0, max(size - 1, 0), place))
            found.append(index)
        return self.at(x, (*found, *at[rank:]), guard)

    def _legal(self, place: Number, size: int) -> Number:
        """An index counted from the front, and never outside, whatever it was."""
        code = self.code
        place = code.select(place < 0, place + size, place)
        place = code.select(place < 0, 0, place)
        return code.select(place < size, place, max(size - 1, 0))

    def own_rows(self, node: Node, base: Any, rows: int) -> None:
        """A node of which only one row at a time is in memory: the first `rows` axes count none."""
        self.bases[node] = base
        self._rows[node] = rows

    def offset(self, node: Node, at: Coordinates) -> Index:
        """Where in its memory an element of a node is."""
        rows = self._rows.get(node, 0)
        return places.flat(at[rows:], node.shape[rows:])

    # ── places and memory ──────────────────────────────────────────────────────────────────

    def scalar(self, index: Index) -> Any:
        """The LLVM value of an index that is the same in every lane."""
        return self._remembered((index, "scalar"), lambda: self._scalar(index))

    def _scalar(self, index: Index) -> Any:
        built, total = self.code.builder, None
        for symbol, factor in index.terms:
            value = self._symbol(symbol).value
            if factor != 1:
                value = built.mul(value, self.code.index(factor))
            total = value if total is None else built.add(total, value)
        if total is None:
            return self.code.index(index.constant)
        return built.add(total, self.code.index(index.constant)) if index.constant else total

    def number(self, index: Index) -> Number:
        """The value of an index as 64-bit numbers."""
        if not index.varies:
            return Number(self.code, self.scalar(index), INT64, 1)
        return self._number_of((index, "number"), lambda: self._number(index))

    def _number(self, index: Index) -> Number:
        steady = tuple(term for term in index.terms if not term[0].varies)
        total = Number(self.code, self.scalar(Index(index.constant, steady)), INT64, 1)
        for symbol, factor in index.terms:
            if symbol.varies:
                value = self._symbol(symbol)
                total = total + (value * factor if factor != 1 else value)
        return total

    def _symbol(self, symbol: Symbol) -> Number:
        if symbol.number is not None:
            number: Number = symbol.number
            return number
        if symbol.lane:
            return self.code.lane_numbers(INT64, self.lanes)
        whole = symbol.whole or places.ZERO
        make = functools.partial(self._quotient, whole, symbol.divisor)
        return self._number_of((symbol, "quotient"), make)

    def _quotient(self, index: Index, divisor: int) -> Number:
        whole = self.number(index)
        # Vectors have no 64-bit division; half as wide there is a multiplication for it.
        narrow = whole.lanes > 1 and self.space.range(index)[1] < 2**31
        kind = np.dtype(np.uint32) if narrow else np.dtype(np.uint64)
        return (whole.astype(kind) / divisor).astype(INT64)

    def load(self, base: Any, offset: Index, dtype: Any, guard: Guard = FREE) -> Number:
        """The element at a flat place: one, a run of them, or one from each of several places."""
        code = self.code
        step = offset.factor(self.lane)
        others = Index(offset.constant, tuple(t for t in offset.terms if t[0] is not self.lane))
        if others.varies or step not in (0, 1):
            return self._scattered_load(base, offset, others, step, dtype, guard)
        if step == 0:
            place = self.scalar(offset)
            if guard.every is not None:
                place = code.builder.select(guard.every.value, place, code.index(0))
            return code.load(base, place, dtype)
        mask = self.mask(guard)
        return code.load(base, self.scalar(others), dtype, self.lanes, mask)

    def _met(self, guard: Guard, offset: Index, size: int) -> Guard:
        """A guard of one element that all lanes share: whether any of them is real.

        Where all lanes lie in the margins of a padded array, there may be no such element.
        """
        lanes = guard.lanes
        if lanes is None or lanes.lanes == 1 or self.space.inside(offset, size):
            return guard
        key = (id(lanes), id(guard.every), "met")
        return self._remembered(key, lambda: self._any(guard, lanes))  # type: ignore[no-any-return]

    def _any(self, guard: Guard, lanes: Number) -> Guard:
        name = f"llvm.vector.reduce.or.v{lanes.lanes}i1"
        real = Number(self.code, self.code.call(name, I1, [lanes]), BOOL, 1)
        return Guard(real if guard.every is None else guard.every & real, lanes)

    def mask(self, guard: Guard) -> Number | None:
        """A guard as one truth value a lane; None if all lanes are real."""
        if guard.every is None:
            return guard.lanes
        every = self.code.splat(guard.every, self.lanes)
        return every if guard.lanes is None else every & guard.lanes

    def _scattered_load(
        self, base: Any, offset: Index, others: Index, step: int, dtype: Any, guard: Guard
    ) -> Number:
        code, mask = self.code, self.mask(guard)
        if mask is None and not others.varies:
            first = code.address(base, self.scalar(others), dtype)
            lanes = [code.load(first, code.index(step * lane), dtype) for lane in range(self.lanes)]
            return packed(code, lanes)
        offsets = code.splat(self.number(offset), self.lanes)
        if mask is not None:
            offsets = code.select(mask, offsets, 0)
        elements = [code.load(base, offsets.lane(i).value, dtype) for i in range(self.lanes)]
        return packed(code, elements)

    def store(self, value: Number, base: Any, offset: Index, guard: Guard = FREE) -> None:
        """Write elements to consecutive places, or one element."""
        if offset.varies:
            others = Index(offset.constant, tuple(t for t in offset.terms if t[0] is not self.lane))
            wide = self.code.splat(value, self.lanes)
            self.code.store(wide, base, self.scalar(others), guard.lanes)
        else:
            self.code.store(value.lane(0), base, self.scalar(offset))


def packed(code: Code, elements: list[Number]) -> Number:
    """Single elements as one vector."""
    kind = vector_type(elements[0].dtype, len(elements))
    value = ir.Constant(kind, ir.Undefined)
    for place, one in enumerate(elements):
        value = code.builder.insert_element(value, one.value, I32(place))
    return Number(code, value, elements[0].dtype, len(elements))
