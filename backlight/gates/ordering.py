"""The k largest or smallest numbers along an axis, and where they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.scattering import scatter
from backlight.gates.slicing import axis_of
from backlight.shapes import Shape, whole

PASSES = 16
"""Up to so many winners are found one after the other in compiled programs."""


class Winners(Structural, abstract=True):
    """The first k of an order along one axis."""

    spellings = {"dim": "axis"}

    def shape(self, x: Shape, *, k: int, axis: int = -1, largest: bool = True) -> Shape:
        """The shape of x, with k along the axis."""
        place = axis_of(self.name, axis, len(x))
        if not 0 <= whole(self.name, "k", k) <= x[place]:
            raise ArgumentError(
                self.name,
                got=f"k={k}",
                needs=f"0 to {x[place]}, the numbers along axis {axis} of shape {x}",
                remedy="Ask for fewer, or use min(k, x.shape[axis]).",
            )
        return (*x[:place], k, *x[place + 1 :])

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, all, one, none; the largest and the smallest."""
        for stream, (size, k, axis, largest) in enumerate(
            [
                ((3, 5), 2, -1, True),
                ((3, 5), 2, -1, False),
                ((4, 3), 4, 0, True),
                ((2, 4, 2), 3, 1, False),
                ((6,), 1, 0, True),
                ((2, 3), 0, 1, True),
                ((0, 3), 2, 1, True),
            ]
        ):
            settings = {"k": k, "axis": axis, "largest": largest}
            yield Sample((draw(size, 720 + stream),), settings)


class Argtopk(Winners):
    """Where the k largest (or smallest) numbers along the axis are, in order.

    Of equal numbers the one with the lower index comes first. NaN counts as larger than every
    number, as when sorting.

    Raises
    ------
    ArgumentError
        If k is negative or larger than the axis.

    Examples
    --------
    >>> import numpy as np
    >>> argtopk(np.array([3.0, 9.0, 3.0, 5.0]), 3).tolist()
    [1, 3, 0]
    """

    role = Role.WALL
    formula = "argsort(x)[:k]"
    result = "index"

    def forward(self, np: Any, x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Any:
        x = np.asarray(x)
        self.shape(x.shape, k=k, axis=axis, largest=largest)
        lines = np.moveaxis(x, axis, -1)
        return np.moveaxis(_first(np, lines, k, largest), -1, axis)

    def lower(self, np: Any, x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Any:
        """One winner after the other; many are left to NumPy."""
        shape = self.shape(x.shape, k=k, axis=axis, largest=largest)
        if 0 in shape:
            return np.zeros(shape, np.int64)
        if k > PASSES:
            return self.forward(np, x, k=k, axis=axis, largest=largest)
        place = axis_of(self.name, axis, x.ndim)
        if x.dtype.kind not in "f":
            x = x.astype(np.int64)
        own = np.flat_place(x.shape, (place,))
        free, found = np.ones(x.shape, np.bool_), []
        for _ in range(k):
            found.append(_next(np, x, free, place, largest))
            free = free & (own != found[-1])
        return np.concatenate(found, place)


class TopkValues(Winners):
    """The k largest (or smallest) numbers along the axis, in order; see `argtopk`.

    The gradient of each goes whole to where it came from.

    Raises
    ------
    ArgumentError
        If k is negative or larger than the axis.

    Examples
    --------
    >>> import numpy as np
    >>> topk_values(np.array([3.0, 9.0, 3.0, 5.0]), 3).tolist()
    [9.0, 5.0, 3.0]
    """

    role = Role.ROUTER
    formula = "sort(x)[:k]"
    kinks = "equal numbers: the gradient goes to the lower index"

    def forward(self, np: Any, x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Any:
        x = np.asarray(x)
        places = argtopk.forward(np, x, k=k, axis=axis, largest=largest)
        return np.take_along_axis(x, places, axis)

    def lower(self, np: Any, x: Any, *, k: int, axis: int = -1, largest: bool = True) -> Any:
        """Numbers collected from where they are."""
        if 0 in self.shape(x.shape, k=k, axis=axis, largest=largest):
            return np.zeros(self.shape(x.shape, k=k, axis=axis, largest=largest), x.dtype)
        places = argtopk.lower(np, x, k=k, axis=axis, largest=largest)
        return np.take_along_axis(x, places, axis)

    def backward(
        self, upstream: Any, x: Any, output: Any, *, k: int, axis: int, largest: bool
    ) -> Any:
        def routed() -> Any:
            places = argtopk(x, k=k, axis=axis, largest=largest)
            return scatter(upstream, places, axis=axis, size=x.shape[axis])

        return (routed,)

    def branch(self, np: Any, x: Any, *, k: int, axis: int, largest: bool) -> Any:
        """Who has won."""
        return argtopk.forward(np, x, k=k, axis=axis, largest=largest)


def _first(np: Any, x: Any, k: int, largest: bool) -> Any:
    """Places of the first k along the last axis."""
    size = x.shape[-1]
    floats = x.dtype.kind == "f"
    if floats and 8 * k < size and k and x.size and not np.isnan(x).any():
        return _selected(np, -x if largest else x, k)
    if not largest:
        return np.argsort(x, axis=-1, kind="stable")[..., :k]
    # Backwards twice: descending, and of equals still the first.
    order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    return size - 1 - order[..., :k]


def _selected(np: Any, x: Any, k: int) -> Any:
    """Places of the k smallest of many, which are found before they are sorted."""
    edge = np.partition(x, k - 1, axis=-1)[..., k - 1 : k]
    below, level = x < edge, x == edge
    missing = k - np.sum(below, axis=-1, keepdims=True)
    chosen = below | (level & (np.cumsum(level, axis=-1) <= missing))
    places = np.nonzero(chosen)[-1].reshape(*x.shape[:-1], k)
    order = np.argsort(np.take_along_axis(x, places, -1), axis=-1, kind="stable")
    return np.take_along_axis(places, order, -1)


def _next(np: Any, x: Any, free: Any, axis: int, largest: bool) -> Any:
    """The place of the next winner among those that are free, for a compiler."""
    floats = x.dtype.kind == "f"
    limits = (-math.inf, math.inf) if floats else (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    worst = limits[0] if largest else limits[1]
    some = {"axis": axis, "keepdims": True}
    numbers = free & ~np.isnan(x) if floats and not largest else free
    rated = np.where(numbers, x, worst)
    if largest:
        best, place = np.max(rated, **some), np.argmax(rated, **some)
    else:
        best, place = np.min(rated, **some), np.argmin(rated, **some)
    # If the best is as bad as what is taken already: the first that is free, NaN after all others.
    left = np.argmax(free.astype(np.int64), **some)
    if numbers is not free:
        first = np.argmax(numbers.astype(np.int64), **some)
        left = np.where(np.any(numbers, **some), first, left)
    return np.where(best == worst, left, place)


argtopk = Argtopk()
topk_values = TopkValues()
