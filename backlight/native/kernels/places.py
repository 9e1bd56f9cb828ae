"""Where in an array: whole-number expressions of loop indices, known before any code is written.

An `Index` is a constant plus multiples of `Symbol`s (a loop's index, the number of a vector's lane,
a quotient). Views only rewrite indices, so that a slice of a transpose of a reshape is one address.
A quotient stays a symbol until code needs its value, and a remainder is written
`whole − divisor·quotient`: taking a flat place apart and putting it together again gives the flat
place back, and no division is ever made for it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backlight.native.lowering.loops import VIEWS, Node, Shape

_serial = itertools.count()


class Symbol:
    """A whole number that code will know.

    Attributes
    ----------
    low, high : int
        Its range, both ends included.
    number : Any
        The Number that holds it, one lane or several; None for quotients and while only looking.
    whole, divisor : Index, int
        Of a quotient: what is divided by what.
    lane : bool
        Whether it is the number of the lane: 0, 1, 2, … within one vector.
    """

    __slots__ = ("divisor", "high", "lane", "low", "number", "serial", "whole")

    def __init__(
        self,
        low: int,
        high: int,
        number: Any = None,
        *,
        whole: Index | None = None,
        divisor: int = 1,
        lane: bool = False,
    ) -> None:
        self.low, self.high, self.number, self.lane = low, high, number, lane
        self.whole, self.divisor = whole, divisor
        self.serial = next(_serial)

    @property
    def varies(self) -> bool:
        """Whether it differs from lane to lane."""
        if self.whole is not None:
            return self.whole.varies
        return self.lane or (self.number is not None and self.number.lanes > 1)


class Index:
    """constant + Σ factor · symbol; equal if written alike, hashable."""

    __slots__ = ("_hash", "constant", "terms")

    def __init__(self, constant: int = 0, terms: tuple[tuple[Symbol, int], ...] = ()) -> None:
        self.constant, self.terms = constant, terms
        self._hash = hash((constant, terms))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Index)
            and self.constant == other.constant
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.constant + other, self.terms) if other else self
        if not other.terms:
            return self + other.constant
        factors = dict(self.terms)
        for symbol, factor in other.terms:
            factors[symbol] = factors.get(symbol, 0) + factor
        kept = [term for term in factors.items() if term[1]]
        kept.sort(key=lambda term: term[0].serial)
        return Index(self.constant + other.constant, tuple(kept))

    def __mul__(self, factor: int) -> Index:
        if factor == 1:
            return self
        if factor == 0:
            return ZERO
        terms = tuple((symbol, factor * times) for symbol, times in self.terms)
        return Index(factor * self.constant, terms)

    def __sub__(self, other: Index) -> Index:
        return self + other * -1

    @property
    def varies(self) -> bool:
        """Whether it differs from lane to lane."""
        return any(symbol.varies for symbol, _ in self.terms)

    def factor(self, symbol: Symbol) -> int:
        """How much it grows when the symbol grows by 1; quotients are not looked into."""
        return dict(self.terms).get(symbol, 0)

    def symbols(self) -> set[Symbol]:
        """Every symbol in it, those inside quotients included."""
        found: set[Symbol] = set()
        for symbol, _ in self.terms:
            found.add(symbol)
            if symbol.whole is not None:
                found |= symbol.whole.symbols()
        return found


ZERO = Index()
Coordinates = tuple[Index, ...]


def of(symbol: Symbol, factor: int = 1) -> Index:
    """A symbol, times a factor, as an Index."""
    return Index(0, ((symbol, factor),)) if factor else ZERO


class Space:
    """The symbols of one kernel: equal quotients are one symbol, and ranges are remembered."""

    def __init__(self) -> None:
        self._quotients: dict[tuple[Index, int, int, int], Symbol] = {}
        self._ranges: dict[tuple[tuple[Symbol, int], ...], tuple[int, int]] = {}

    def note(self, index: Index, low: int, high: int) -> Index:
        """Remember that an index lies in low … high."""
        self._ranges[index.terms] = (low - index.constant, high - index.constant)
        return index

    @contextmanager
    def limited(self, index: Index, low: int, high: int) -> Iterator[None]:
        """Within this block an index lies in low … high; afterwards it is what it was."""
        before = self._ranges.get(index.terms)
        self.note(index, low, high)
        try:
            yield
        finally:
            if before is None:
                del self._ranges[index.terms]
            else:
                self._ranges[index.terms] = before

    def range(self, index: Index) -> tuple[int, int]:
        """Bounds of an index, both ends included."""
        known = self._ranges.get(index.terms)
        if known is not None:
            return known[0] + index.constant, known[1] + index.constant
        low = high = index.constant
        for symbol, factor in index.terms:
            ends = (factor * symbol.low, factor * symbol.high)
            low, high = low + min(ends), high + max(ends)
        return low, high

    def inside(self, index: Index, size: int) -> bool:
        """Whether an index is sure to lie in 0 … size − 1."""
        low, high = self.range(index)
        return low >= 0 and high < size

    def divided(self, index: Index, divisor: int) -> tuple[Index, Index]:
        """Quotient and remainder of an index that is not negative."""
        if divisor == 1:
            return index, ZERO
        if self.inside(index, divisor):
            return ZERO, index
        outside, rest = _split(index, divisor)
        if self.inside(rest, divisor):
            return outside, rest
        for common in sorted({math.gcd(divisor, factor) for _, factor in rest.terms}, reverse=True):
            if common == 1:
                continue
            coarse, fine = _split(index, common)  # of the whole: of the rest it may be negative
            if self.inside(fine, common):
                quotient, remainder = self.divided(coarse, divisor // common)
                return quotient, remainder * common + fine
        if self.range(rest)[0] < 0:
            # A part counts backwards: only the whole is known not to be negative.
            outside, rest = ZERO, index
        quotient = of(self._quotient(rest, divisor))
        remainder = self.note(rest - quotient * divisor, 0, divisor - 1)
        return outside + quotient, remainder

    def _quotient(self, index: Index, divisor: int) -> Symbol:
        low, high = self.range(index)
        found = self._quotients.get((index, divisor, low, high))
        if found is None:
            found = Symbol(max(0, low) // divisor, high // divisor, whole=index, divisor=divisor)
            self._quotients[index, divisor, low, high] = found
        return found

    def apart(self, flat: Index, shape: Shape) -> Coordinates:
        """The coordinates of an element from its number in row-major order."""
        found = []
        for size in reversed(shape[1:]):
            flat, place = self.divided(flat, max(size, 1))
            found.append(place if size > 1 else ZERO)
        if shape:
            found.append(flat if shape[0] > 1 else ZERO)
        return tuple(reversed(found))


def _split(index: Index, divisor: int) -> tuple[Index, Index]:
    """The part of an index that a divisor divides, divided, and the rest."""
    whole = tuple((s, f // divisor) for s, f in index.terms if f % divisor == 0)
    rest = tuple((s, f) for s, f in index.terms if f % divisor)
    return Index(index.constant // divisor, whole), Index(index.constant % divisor, rest)


def strides(shape: Shape) -> tuple[int, ...]:
    """Elements from one place to the next along each axis, in row-major order."""
    found = [1]
    for size in reversed(shape[1:]):
        found.append(found[-1] * size)
    return tuple(reversed(found)) if shape else ()


def flat(coordinates: Sequence[Index], shape: Shape) -> Index:
    """The number of an element in row-major order."""
    place = ZERO
    for index, stride in zip(coordinates, strides(shape), strict=True):
        place = place + index * stride
    return place


def broadcast(coordinates: Coordinates, shape: Shape) -> Coordinates:
    """Where an operand of `shape` is read for a result at `coordinates`, as NumPy broadcasts."""
    last = coordinates[len(coordinates) - len(shape) :]
    return tuple(ZERO if size == 1 else index for index, size in zip(last, shape, strict=True))


def through(node: Node, at: Coordinates, space: Space) -> Coordinates:
    """Where a view reads its input, for its own element `at`; of `pad`, if it is inside."""
    x, settings = node.inputs[0], node.attributes
    if node.op == "transpose":
        found = [ZERO] * x.ndim
        for axis, index in zip(settings["axes"], at, strict=True):
            found[axis] = index
        return tuple(found)
    if node.op == "slice":
        moves = zip(settings["start"], settings["step"], at, strict=True)
        return tuple(index * step + start for start, step, index in moves)
    if node.op == "pad":
        pairs = zip(at, settings["before"], strict=True)
        inner = [index + -before for index, before in pairs]
        return broadcast(tuple(inner), x.shape)
    if node.op == "expand":
        return broadcast(at, x.shape)
    if node.op == "window":
        return _through_window(node, at)
    return space.apart(flat(at, node.shape), x.shape)


def _through_window(node: Node, at: Coordinates) -> Coordinates:
    settings = node.attributes
    rank = len(settings["kernel"])
    lead = node.ndim - 2 * rank
    inner = zip(
        at[lead : lead + rank],
        at[lead + rank :],
        settings["stride"],
        settings["dilation"],
        strict=True,
    )
    return at[:lead] + tuple(i * stride + t * dilation for i, t, stride, dilation in inner)


def known(node: Node, at: Coordinates, space: Space) -> Index | None:
    """A node of whole numbers at some coordinates as an index, if it is one: own positions."""
    if node.op == "place":
        axis: int = node.attributes["axis"]
        return at[axis]
    if node.op == "constant":
        return Index(int(node.attributes["value"]))
    if node.op in VIEWS and node.op != "pad":
        return known(node.inputs[0], through(node, at, space), space)
    if node.op == "cast" and node.inputs[0].dtype.kind == "i":
        return known(node.inputs[0], at, space)
    if node.op not in ("add", "subtract", "multiply"):
        return None
    left, right = (known(x, broadcast(at, x.shape), space) for x in node.inputs)
    if left is None or right is None:
        return None
    if node.op == "multiply":
        if left.terms and right.terms:
            return None
        return left * right.constant if left.terms else right * left.constant
    return left + right if node.op == "add" else left - right
