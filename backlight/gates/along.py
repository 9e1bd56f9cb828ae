"""Gates that set each number against the others along its axes and keep the shape.

Running sums, deviations from the mean, the first winner: what reductions and normalisations, and
their gradients, are made of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import dtypes
from backlight.gates.cast import cast
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.slicing import axis_of, slice
from backlight.gates.view import flip, pad, reshape, transpose
from backlight.shapes import Axis, Shape, axes, reduce


class Along(Structural, abstract=True):
    """An output of the input's shape, computed along some of its axes."""

    def shape(self, x: Any, *, axis: Axis = None, **_: Any) -> Shape:
        """The input's shape."""
        axes(self.name, axis, len(x))
        return tuple(x)

    def samples(self) -> Iterator[Sample]:
        """All axes, one, two, the last; a scalar; nothing."""
        for place, (size, axis) in enumerate(
            [
                ((2, 3), None),
                ((2, 3), 0),
                ((2, 3), -1),
                ((2, 3, 4), (0, 2)),
                ((), None),
                ((0, 3), 1),
            ]
        ):
            yield Sample((draw(size, 700 + place),), {"axis": axis})


class Center(Along):
    """x minus its mean along the axes. So is the gradient: upstream minus its mean.

    The mean is not rounded before it is subtracted: deviations are right to the last digit, also
    where the numbers are large and close together.
    """

    role = Role.MIXER
    formula = "x - mean(x)"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = None) -> Any:
        apart = self.wide(np, x, axis)
        kind = getattr(x, "dtype", None)
        return apart if kind is None else apart.astype(dtypes.floating(kind), copy=False)

    def wide(self, np: Any, x: Any, axis: Axis) -> Any:
        """The deviations in float64."""
        x = np.asarray(x, np.float64)
        count = math.prod([x.shape[place] for place in axes(self.name, axis, x.ndim)])
        return x - np.sum(x, axis=axis, keepdims=True) / count

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis) -> Any:
        return (lambda: center(upstream, axis=axis),)


class Peak(Along):
    """The largest number along the axes as a constant, kept as axes of size 1; 0 instead of −∞.

    What is subtracted before an exponential. The result does not depend on it, so no gradient
    passes.
    """

    role = Role.WALL
    formula = "max(x)"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = None) -> Any:
        x = np.asarray(x)
        top = np.max(
            x.astype(dtypes.floating(x.dtype), copy=False),
            axis=axis,
            keepdims=True,
            initial=-np.inf,
        )
        return np.where(top == -np.inf, 0.0, top)

    def shape(self, x: Any, *, axis: Axis = None, **_: Any) -> Shape:
        return reduce(self.name, x, axis, True)


class FirstWinner(Along):
    """True at the first place of the largest (or smallest) number along the axes, or of NaN.

    First in order of the axes, the last running fastest. This is where the gradient of max and min
    goes.
    """

    role = Role.WALL
    formula = "place == argmax(x)"
    result = "bool"

    def forward(self, np: Any, x: Any, *, axis: Axis = None, largest: bool = True) -> Any:
        x = np.asarray(x)
        order = _last(axes(self.name, axis, x.ndim), x.ndim)
        turned = np.transpose(x, order)
        count = math.prod([x.shape[place] for place in axes(self.name, axis, x.ndim)])
        won = np.zeros((x.size // count if count else 0, count), np.bool_)
        if x.size:
            first = np.argmax if largest else np.argmin
            won[np.arange(len(won)), first(np.reshape(turned, won.shape), axis=1)] = True
        return np.transpose(np.reshape(won, turned.shape), np.argsort(order))

    def lower(self, np: Any, x: Any, *, axis: Axis = None, largest: bool = True) -> Any:
        """Compare every place with the winner's."""
        x = np.asarray(x)
        over = axes(self.name, axis, x.ndim)
        if not x.size:
            return np.zeros(x.shape, np.bool_)
        first = np.argmax if largest else np.argmin
        return np.flat_place(x.shape, over) == first(x, axis=over, keepdims=True)


class Cumsum(Along):
    """Running sum along an axis, or through the flattened array.

    A number is part of every sum from its place on; it receives the sum of their upstream
    gradients, which is a running sum from the other end. Sums are taken in float64.
    """

    role = Role.MIXER
    formula = "y[i] = x[0] + … + x[i]"

    def forward(self, np: Any, x: Any, *, axis: int | None = None) -> Any:
        kind = getattr(x, "dtype", dtypes.float64)
        if kind.kind != "f":
            return np.cumsum(x, axis=axis, dtype=np.int64)
        return np.cumsum(x, axis=axis, dtype=np.float64).astype(kind, copy=False)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: int | None) -> Any:
        def reversed_sum() -> Any:
            end = 0 if axis is None else axis
            total = flip(cumsum(flip(upstream, axis=end), axis=end), axis=end)
            return reshape(total, shape=x.shape)

        return (reversed_sum,)

    def shape(self, x: Any, *, axis: Axis = None, **_: Any) -> Shape:
        if axis is None:
            return (math.prod(x),)
        axis_of(self.name, axis, len(x))
        return tuple(x)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        """Whole numbers and truth values are summed as int64."""
        kind = super().dtype(*given)
        return kind if kind.kind == "f" else dtypes.int64

    def samples(self) -> Iterator[Sample]:
        for place, (size, axis) in enumerate(
            [
                ((4,), 0),
                ((2, 3), -1),
                ((2, 3), 0),
                ((2, 3), None),
                ((), None),
                ((0, 3), 0),
            ]
        ):
            yield Sample((draw(size, 710 + place),), {"axis": axis})


def others_product(x: Any, axis: Axis) -> Any:
    """At each place the product of all the *other* numbers along the axes, in float64.

    Made of products of everything before and everything after, each found in log₂ n steps. No
    division, so that zeros are no trouble, and differentiable to any order.
    """
    gone = axes("prod", axis, x.ndim)
    order = _last(gone, x.ndim)
    turned = transpose(cast(x, dtype="float64"), axes=order)
    count = math.prod([x.shape[place] for place in gone])
    line = reshape(turned, shape=(*turned.shape[: x.ndim - len(gone)], count))
    others = _before(line) * flip(_before(flip(line, axis=-1)), axis=-1)
    back = tuple([order.index(place) for place in range(x.ndim)])
    return transpose(reshape(others, shape=turned.shape), axes=back)


def _before(x: Any) -> Any:
    """At each place of the last axis the product of the numbers before it."""
    count = x.shape[-1]
    product, step = _moved(x, 1), 1
    while step < count:
        product = product * _moved(product, step)
        step *= 2
    return product


def _moved(x: Any, step: int) -> Any:
    """The numbers moved up along the last axis, with 1 where nothing is left."""
    *kept, count = x.shape
    step = min(step, count)
    key = (*[(0, size, 1) for size in kept], (0, count - step, 1))
    return pad(slice(x, key=key), widths=(*[(0, 0)] * len(kept), (step, 0)), value=1.0)


def _last(gone: Shape, rank: int) -> Shape:
    """An order of axes with those that are `gone` at the end."""
    return (*[place for place in range(rank) if place not in gone], *gone)


center = Center()
peak = Peak()
first_winner = FirstWinner()
cumsum = Cumsum()
