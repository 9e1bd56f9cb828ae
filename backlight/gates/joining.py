"""Joining arrays along an axis, and cutting them apart again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Mover, draw
from backlight.gates.gate import Sample
from backlight.gates.slicing import along, axis_of, slice
from backlight.shapes import Shape, whole


class Concatenate(Mover):
    """Arrays one after the other along an axis; each receives its part of the upstream gradient."""

    formula = "[x | y | …]"
    aliases = ("cat", "concat")

    def forward(self, np: Any, *xs: Any, axis: int = 0) -> Any:
        return np.concatenate(xs, axis)

    def backward(self, upstream: Any, *xs: Any, axis: int) -> Any:
        xs = xs[:-1]  # the last is the output
        place = axis_of(self.name, axis, upstream.ndim)
        shares = []
        start = 0
        for x in xs:
            stop = start + x.shape[place]
            shares.append(_part(upstream, along(upstream.shape, place, start, stop)))
            start = stop
        return tuple(shares)

    def shape(self, *xs: Any, axis: int = 0) -> Shape:
        first = _some(self.name, xs)
        place = axis_of(self.name, axis, len(first))
        for number, x in enumerate(xs):
            if len(x) != len(first) or any(
                a != b for here, (a, b) in enumerate(zip(x, first, strict=True)) if here != place
            ):
                raise ShapeError(
                    self.name,
                    got=f"shape {tuple(x)} as input {number}, shape {first} as input 0",
                    needs=f"inputs that differ along axis {axis} only",
                    remedy="Reshape or transpose one of them, or name another axis.",
                )
        return (*first[:place], sum(x[place] for x in xs), *first[place + 1 :])

    def samples(self) -> Iterator[Sample]:
        cases: list[tuple[list[Shape], int]] = [
            ([(2, 3), (1, 3)], 0),
            ([(2, 1), (2, 3), (2, 0)], -1),
            ([(4,)], 0),
            ([(0,), (2,)], 0),
        ]
        for stream, (sizes, axis) in enumerate(cases):
            xs = tuple([draw(size, 900 + 8 * stream + k) for k, size in enumerate(sizes)])
            yield Sample(xs, {"axis": axis})


class Stack(Mover):
    """Arrays of one shape side by side along a new axis; each receives its part of upstream."""

    formula = "[x, y, …]"

    def forward(self, np: Any, *xs: Any, axis: int = 0) -> Any:
        return np.stack(xs, axis)

    def backward(self, upstream: Any, *xs: Any, axis: int) -> Any:
        place = axis_of(self.name, axis, upstream.ndim)
        shares = []
        for number in range(len(xs) - 1):  # the last is the output
            key = list(along(upstream.shape, place, 0, 0))
            key[place] = number
            shares.append(_part(upstream, tuple(key)))
        return tuple(shares)

    def shape(self, *xs: Any, axis: int = 0) -> Shape:
        first = _some(self.name, xs)
        for number, x in enumerate(xs):
            if tuple(x) != first:
                raise ShapeError(
                    self.name,
                    got=f"shape {tuple(x)} as input {number}, shape {first} as input 0",
                    needs="inputs of one shape",
                    remedy="Reshape one of them, or concatenate.",
                )
        place = axis_of(self.name, axis, len(first) + 1)
        return (*first[:place], len(xs), *first[place:])

    def samples(self) -> Iterator[Sample]:
        cases: list[tuple[Shape, int, int]] = [
            ((2, 3), 2, 0),
            ((2, 3), 3, -1),
            ((2, 3), 2, 1),
            ((), 3, 0),
            ((0,), 2, 1),
        ]
        for stream, (size, count, axis) in enumerate(cases):
            xs = tuple([draw(size, 940 + 4 * stream + k) for k in range(count)])
            yield Sample(xs, {"axis": axis})


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> tuple[Any, ...]:
    """The parts of x along an axis: that many equal ones, or ones of the given sizes.

    A whole number is the *number* of parts, as in NumPy; PyTorch's split takes their size. A
    sequence holds the sizes, as in PyTorch; NumPy's split takes the places to cut at.

    Raises
    ------
    ShapeError
        If the axis does not divide into that many, or the sizes do not add up to it.

    Examples
    --------
    >>> import numpy
    >>> [part.tolist() for part in split(numpy.arange(6), 3)]
    [[0, 1], [2, 3], [4, 5]]
    >>> [part.tolist() for part in split(numpy.arange(6), (1, 5))]
    [[0], [1, 2, 3, 4, 5]]
    """
    size = x.shape[axis_of("split", axis, len(x.shape))]
    if isinstance(sections, (list, tuple)):
        sizes = [whole("split", "a size", one, 0) for one in sections]
        if sum(sizes) != size:
            raise ShapeError(
                "split",
                got=f"sizes {sizes}, which add up to {sum(sizes)}",
                needs=f"sizes that add up to {size}, the length of axis {axis}",
                remedy="Correct the sizes.",
            )
        return _cut(x, sizes, axis)
    count = whole("split", "sections", sections, 1)
    if size % count:
        raise ShapeError(
            "split",
            got=f"{count} sections for axis {axis} of size {size}",
            needs="a number of sections that divides the size",
            remedy="Name the sizes, or use chunk, whose last part may be smaller.",
        )
    return _cut(x, [size // count] * count, axis)


def chunk(x: Any, chunks: int, axis: int = 0) -> tuple[Any, ...]:
    """At most that many parts of x along an axis, all of one size but the last, as PyTorch makes.

    Examples
    --------
    >>> import numpy
    >>> [part.tolist() for part in chunk(numpy.arange(5), 3)]
    [[0, 1], [2, 3], [4]]
    """
    size = x.shape[axis_of("chunk", axis, len(x.shape))]
    each = max(1, math.ceil(size / whole("chunk", "chunks", chunks, 1)))
    return _cut(x, [min(each, size - start) for start in range(0, size, each)] or [0], axis)


def _cut(x: Any, sizes: Sequence[int], axis: int) -> tuple[Any, ...]:
    parts = []
    start = 0
    for size in sizes:
        parts.append(slice(x, key=along(x.shape, axis, start, start + size)))
        start += size
    return tuple(parts)


def _part(upstream: Any, key: Any) -> Any:
    """A function that takes a part of upstream once it is known to be wanted."""
    return lambda: slice(upstream, key=key)


def _some(subject: str, xs: Sequence[Any]) -> Shape:
    """The shape of the first input; refuses to have none."""
    if not xs:
        raise ArgumentError(
            subject, got="no arrays", needs="at least one", remedy="Check the list that is joined."
        )
    return tuple(xs[0])


concatenate = Concatenate()
stack = Stack()
