"""Folding many numbers into one: sums, extremes, their places, truth of any and of all.

A `Reducer` says how: what to start from, how one more number is taken in, how two partial results
become one. The order is fixed by the array's shape alone, so that a result has the same bits
wherever it stands and however the work is divided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

from backlight.native.functions.mathematics import FUNCTIONS
from backlight.native.kernels import places
from backlight.native.kernels.places import Coordinates, Index, Symbol
from backlight.native.lowering.loops import Node
from backlight.native.machine_code.emit import I32, Code, Number

if TYPE_CHECKING:
    from backlight.native.kernels.expression import Expressions, Guard

INT64 = np.dtype(np.int64)
BOOL = np.dtype(bool)

UNROLLED = 32
"""Folds of at most this many numbers are written out without a loop."""
_WORDS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}
Partial = list[Number]


def partial_type(by: str, dtype: np.dtype[Any], given: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which a fold of `given` into `dtype` is carried."""
    if by in ("any", "all"):
        return BOOL
    if by in ("max", "min", "argmax", "argmin"):
        return np.dtype(np.uint8) if given == BOOL else given
    if by == "sum" and given == BOOL and dtype.itemsize >= 4:
        return np.dtype(np.int32)  # a count
    return dtype


def identity(by: str, kind: np.dtype[Any]) -> Any:
    """The number of a type that changes nothing when a fold takes it in."""
    if by == "sum":
        # x + (−0) is x for every x, −0 included.
        return -0.0 if kind.kind == "f" else 0
    if by in ("prod", "any", "all"):
        return int(by != "any")
    lowest = by in ("max", "argmax")
    if kind.kind == "f":
        return -math.inf if lowest else math.inf
    if kind == BOOL:
        return int(not lowest)
    limits = np.iinfo(kind)
    return limits.min if lowest else limits.max


class Reducer:
    """How one kind of fold is computed.

    Parameters
    ----------
    code : Code
    by : str
        One of `loops.FOLDS`.
    dtype : numpy.dtype
        Of the result.
    given : numpy.dtype
        Of what is folded.
    """

    def __init__(self, code: Code, by: str, dtype: np.dtype[Any], given: np.dtype[Any]) -> None:
        self.code, self.by, self.dtype = code, by, dtype
        self.places = by in ("argmax", "argmin")
        self.kind = partial_type(by, dtype, given)
        # An extreme of floats carries beside it whether there was a NaN.
        self.flagged = by in ("max", "min") and self.kind.kind == "f"
        self.number = np.dtype(np.int32) if dtype.itemsize == 4 else INT64
        self.far = np.iinfo(self.number).max

    @property
    def identity(self) -> Any:
        """What changes nothing when taken in."""
        return identity(self.by, self.kind)

    def start(self, lanes: int) -> Partial:
        """Nothing taken in yet."""
        first = self.code.constant(self.kind, self.identity, lanes)
        if self.flagged:
            return [first, self.code.constant(BOOL, 0, lanes)]
        return [first, self.code.constant(self.number, self.far, lanes)] if self.places else [first]

    def start_in_order(self, lanes: int) -> Partial:
        """Nothing taken in yet, for `taken_in_order`."""
        first = self.code.constant(self.kind, self.identity, lanes)
        if self.places:
            return [first, self.code.constant(self.number, 0, lanes)]
        return self.start(lanes)

    def taken_in_order(self, partial: Partial, value: Number, place: Number | None) -> Partial:
        """One more number, which stands behind all that were taken in: a tie is no gain."""
        if place is None:
            return self.taken(partial, value, None, None)
        value = self.code.splat(value.astype(self.kind), partial[0].lanes)
        place = self.code.splat(place.astype(self.number), value.lanes)
        best = partial[0]
        better = (value > best) if self.by == "argmax" else (value < best)
        if self.kind.kind == "f":
            better = better | ((value != value) & (best == best))
        pairs = zip((value, place), partial, strict=True)
        return [self.code.select(better, new, old) for new, old in pairs]

    def taken(self, partial: Partial, value: Number, place: Number | None, mask: Any) -> Partial:
        """One more number, from a place in the order; lanes outside the mask stay."""
        value = value.astype(self.kind)
        if mask is not None:
            value = self.code.select(mask, value, self.identity)
        new = [value]
        if self.flagged:
            new.append(value != value)
        if place is not None:
            place = place.astype(self.number)
            new.append(self.code.select(mask, place, self.far) if mask is not None else place)
        lanes = partial[0].lanes
        return self.merged(partial, [self.code.splat(one, lanes) for one in new])

    def merged(self, left: Partial, right: Partial) -> Partial:
        """Two partial results as one; the left comes first."""
        x, y = left[0], right[0]
        if self.by == "any":
            return [x | y]
        if self.by == "all":
            return [x & y]
        if self.flagged and len(left) > 1:
            better = (y > x) if self.by == "max" else (y < x)
            return [self.code.select(better, y, x), left[1] | right[1]]
        if not self.places:
            return [FUNCTIONS[_WORDS[self.by]](self.code, x, y)]
        earlier = right[1] < left[1]
        better = (y > x) if self.by == "argmax" else (y < x)
        better = better | ((y == x) & earlier)
        if self.kind.kind == "f":
            left_nan, right_nan = x != x, y != y
            better = better | (right_nan & (~left_nan | earlier))
        return [self.code.select(better, b, a) for a, b in zip(left, right, strict=True)]

    def across(self, partial: Partial) -> Partial:
        """The lanes of a partial result folded into one, halving."""
        while partial[0].lanes > 1:
            half = partial[0].lanes // 2
            low = [_part(self.code, one, 0, half) for one in partial]
            high = [_part(self.code, one, half, half) for one in partial]
            partial = self.merged(low, high)
        return partial

    def result(self, partial: Partial, count: int) -> Number:
        """The fold's value, `count` numbers having been taken in."""
        if count == 0:
            zero = int(self.by in ("prod", "all"))
            return self.code.constant(self.dtype, zero, partial[0].lanes)
        return self.value(partial).astype(self.dtype)

    def value(self, partial: Partial) -> Number:
        """What a partial result stands for."""
        if self.flagged:
            return self.code.select(partial[1], math.nan, partial[0])
        return partial[-1]


def reducer(code: Code, node: Node) -> Reducer:
    """How a fold or scan is computed."""
    return Reducer(code, node.attributes["by"], node.dtype, node.inputs[0].dtype)


def _part(code: Code, number: Number, start: int, count: int) -> Number:
    kept = ir.Constant(ir.VectorType(I32, count), list(range(start, start + count)))
    nothing = ir.Constant(number.value.type, ir.Undefined)
    if count == 1:
        return number.lane(start)
    value = code.builder.shuffle_vector(number.value, nothing, kept)
    return Number(code, value, number.dtype, count)


def folded_coordinates(node: Node, at: Sequence[Index], inner: Sequence[Index]) -> Coordinates:
    """Where a fold reads: its own coordinates, and those along the folded axes."""
    kept, along = iter(at), iter(inner)
    axes = node.attributes["axes"]
    return tuple(next(along if axis in axes else kept) for axis in range(node.inputs[0].ndim))


def folded_shape(node: Node) -> tuple[int, ...]:
    """The lengths of the axes that a fold removes."""
    return tuple(node.inputs[0].shape[axis] for axis in node.attributes["axes"])


def folded(expressions: Expressions, node: Node, at: Coordinates, guard: Guard) -> Number:
    """A fold where it is needed: one number a lane, each folded in order."""
    rule, sizes = reducer(expressions.code, node), folded_shape(node)
    lanes = expressions.lanes if any(index.varies for index in at) else 1
    steps = places.strides(sizes)

    def take(partial: Partial, inner: Sequence[Index]) -> Partial:
        where = folded_coordinates(node, at, inner)
        value = expressions.at(node.inputs[0], where, guard)
        number = None
        if rule.places:
            flat = places.ZERO
            for index, step in zip(inner, steps, strict=True):
                flat = flat + index * step
            number = expressions.number(flat)
        return rule.taken_in_order(partial, value, number)

    partial = nest(expressions, sizes, take, rule.start_in_order(lanes))
    return rule.result(partial, math.prod(sizes))


def nest(
    expressions: Expressions,
    sizes: Sequence[int],
    body: Callable[[Partial, Sequence[Index]], Partial],
    carried: Partial,
    before: tuple[Index, ...] = (),
) -> Partial:
    """Loops over all coordinates of a box in order, carrying numbers; small ones are unrolled."""
    if not sizes:
        return body(carried, before)
    size, rest = sizes[0], sizes[1:]
    if math.prod(sizes) <= UNROLLED:
        for place in range(size):
            carried = nest(expressions, rest, body, carried, (*before, Index(place)))
        return carried

    def turn(index: Any, *held: Number) -> list[Number]:
        number = Number(expressions.code, index, INT64, 1)
        symbol = Symbol(0, max(size - 1, 0), number)
        with expressions.scope():
            return nest(expressions, rest, body, list(held), (*before, places.of(symbol)))

    return expressions.code.loop(0, size, 1, turn, carried)
