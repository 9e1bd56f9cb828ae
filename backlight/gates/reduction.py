"""Gates that fold the numbers along some axes into one: sums, means, winners.

Sums of float32 are taken in float64 and rounded once, so that they are right to the last digit
however many numbers there are and however they are split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import dtypes
from backlight.errors import ShapeError
from backlight.gates.along import first_winner, others_product, peak
from backlight.gates.choice import where
from backlight.gates.family import Reduction, Structural, draw
from backlight.gates.folding import folded_count, rounded, spread, summed, summing_type
from backlight.gates.gate import Role, Sample
from backlight.gates.transcendental import exp, log
from backlight.shapes import Axis, Shape, reduce


class Sum(Reduction):
    """Sum along the axes. Every number receives the upstream gradient of its sum, unchanged.

    Whole numbers and truth values are summed as int64. The sum of nothing is 0.
    """

    role = Role.DISTRIBUTOR
    formula = "sum(x)"
    symbol = "Σ"

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return rounded(np.sum(x, axis=axis, keepdims=keepdims, dtype=summing_type(x)), x)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        return (lambda: spread(upstream, x, axis, keepdims),)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        return summed(super().dtype(*given))

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield from _empty(600)


class Mean(Reduction):
    """Average along the axes. Every number receives upstream divided by how many there are.

    It never overflows where the numbers themselves do not.

    Raises
    ------
    ShapeError
        If there is nothing to average.
    """

    role = Role.SCALER
    formula = "sum(x) / n"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        shape = np.shape(x)
        count = folded_count(self.name, shape, axis)
        total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float64) / count
        # The sum of float64 numbers can overflow where their average does not.
        if getattr(x, "dtype", None) == np.float64 and not np.isfinite(total).all():
            total = np.sum(np.true_divide(x, count), axis=axis, keepdims=keepdims, dtype=np.float64)
        return rounded(total, x)

    def lower(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        """Both ways in one pass, where the first can overflow."""
        count = folded_count(self.name, np.shape(x), axis)
        settings = {"axis": axis, "keepdims": keepdims, "dtype": np.float64}
        total = np.sum(x, **settings) / float(count)
        if getattr(x, "dtype", None) == np.float64:
            shares = np.sum(np.true_divide(x, float(count)), **settings)
            total = np.where(np.isfinite(total), total, shares)
        return rounded(total, x)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        return (lambda: spread(upstream / folded_count("mean", x.shape, axis), x, axis, keepdims),)

    def shape(self, x: Any, *, axis: Axis = None, keepdims: bool = False, **_: Any) -> Shape:
        folded_count(self.name, x, axis)
        return super().shape(x, axis=axis, keepdims=keepdims)

    def parts(self, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        return sum(x, axis=axis, keepdims=keepdims) / folded_count("mean", x.shape, axis)

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield Sample((draw((0, 3), 610),), {"axis": -1, "keepdims": False})


class Extreme(Reduction, abstract=True):
    """The largest or smallest number along the axes; the first of equals takes the gradient."""

    role = Role.ROUTER
    kinks = "equal winners: the gradient goes to the first in order of the axes"
    largest = True

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        folded_count(self.name, np.shape(x), axis)
        if not np.size(x):  # then so is the output
            return np.zeros(self.shape(x.shape, axis=axis, keepdims=keepdims), x.dtype)
        fold = np.max if self.largest else np.min
        return fold(x, axis=axis, keepdims=keepdims)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        def routed() -> Any:
            won = first_winner(x, axis=axis, largest=self.largest)
            return where(won, spread(upstream, x, axis, keepdims), 0.0)

        return (routed,)

    def branch(self, np: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        return np.equal(x, self.forward(np, x, axis=axis, keepdims=True))

    def shape(self, x: Any, *, axis: Axis = None, keepdims: bool = False, **_: Any) -> Shape:
        folded_count(self.name, x, axis)
        return super().shape(x, axis=axis, keepdims=keepdims)

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield Sample((draw((0, 3), 620),), {"axis": 1, "keepdims": False})


class Max(Extreme):
    """The largest number along the axes. Upstream goes whole to the first that is the largest.

    NaN beats every number, so that it is never hidden. (PyTorch and JAX share the gradient among
    equals.)

    Unlike PyTorch: with an axis too only the values are given; argmax gives the places.

    Raises
    ------
    ShapeError
        If there is nothing to choose from.
    """

    formula = "max(x)"
    source = "CS231n, lecture 4"
    aliases = ("amax",)


class Min(Extreme):
    """The smallest number along the axes. Upstream goes whole to the first that is the smallest.

    NaN beats every number, as for max.

    Unlike PyTorch: with an axis too only the values are given; argmin gives the places.

    Raises
    ------
    ShapeError
        If there is nothing to choose from.
    """

    formula = "min(x)"
    largest = False
    aliases = ("amin",)


class Prod(Reduction):
    """Product along the axes. Each number receives upstream times the product of the others.

    The others are multiplied without dividing by the number itself, so zeros are no trouble. The
    product of nothing is 1.
    """

    role = Role.SWITCHER
    formula = "prod(x)"
    symbol = "Π"

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return rounded(np.prod(x, axis=axis, keepdims=keepdims, dtype=summing_type(x)), x)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        return (lambda: spread(upstream, x, axis, keepdims) * others_product(x, axis),)

    def dtype(self, *given: Any, **attributes: Any) -> dtypes.DType:
        return summed(super().dtype(*given))

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield from _empty(630)
        zeros = draw((3, 5), 632)
        zeros[0, 1] = zeros[1, 2] = zeros[1, 4] = 0
        yield Sample((zeros,), {"axis": 1, "keepdims": False})


class Logsumexp(Reduction):
    """ln Σ eˣ along the axes, a smooth maximum. Each number receives upstream times its softmax.

    The largest number is taken out before the exponential, which can therefore not overflow. The
    gradient is computed from the inputs, not from the rounded output. Of nothing, or of −∞ only,
    it is −∞ with gradient 0.
    """

    role = Role.SCALER
    formula = "log(sum(exp(x)))"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        wide = np.asarray(x, np.float64)
        top = np.max(wide, axis=axis, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(top), top, 0.0)
        total = np.log(np.sum(np.exp(wide - shift), axis=axis, keepdims=True)) + shift
        return rounded(np.reshape(total, reduce(self.name, wide.shape, axis, keepdims)), x)

    def lower(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        """The exponentials in the type of x, their sum in float64."""
        x = np.asarray(x)
        x = x.astype(dtypes.floating(x.dtype))
        top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        shift = np.where(np.isfinite(top), top, 0.0)
        total = np.sum(np.exp(x - shift), axis=axis, keepdims=True, dtype=np.float64)
        return rounded(np.reshape(np.log(total) + shift, reduce("", x.shape, axis, keepdims)), x)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        def weighted() -> Any:
            # Infinity minus infinity is NaN, but an infinite x has all of the weight.
            weights = exp(where(x == math.inf, 0.0, x - peak(x, axis=axis)))
            total = sum(weights, axis=axis, keepdims=True)
            share = weights / where(total == 0, 1.0, total)
            return spread(upstream, x, axis, keepdims) * share

        return (weighted,)

    def parts(self, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        return log(sum(exp(x), axis=axis, keepdims=keepdims))

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield Sample((draw((2, 3), 650) + 10.0,), {"axis": 1, "keepdims": False})


class Place(Structural, abstract=True):
    """The place of a winner along an axis, or in the flattened array; no gradient passes."""

    role = Role.WALL
    result = "index"

    def shape(self, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Shape:
        if isinstance(axis, tuple):
            raise ShapeError(
                self.name,
                got=f"axis={axis}",
                needs="one axis, or None for all",
                remedy="Reshape the axes into one first.",
            )
        folded_count(self.name, x, axis)
        return reduce(self.name, x, axis, keepdims)

    def samples(self) -> Iterator[Sample]:
        for place, (size, axis, keepdims) in enumerate(
            [
                ((2, 3), None, False),
                ((2, 3), 0, False),
                ((2, 3), -1, True),
                ((), None, False),
                ((0, 3), 1, False),
            ]
        ):
            yield Sample((draw(size, 660 + place),), {"axis": axis, "keepdims": keepdims})


class Argmax(Place):
    """Where the largest number along the axis is: the first place of equals, or of NaN."""

    formula = "argmax(x)"

    def forward(self, np: Any, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        shape = self.shape(np.shape(x), axis=axis, keepdims=keepdims)
        if not np.size(x):  # then so is the output
            return np.zeros(shape, np.int64)
        return np.argmax(x, axis=axis, keepdims=keepdims)


class Argmin(Place):
    """Where the smallest number along the axis is: the first place of equals, or of NaN."""

    formula = "argmin(x)"

    def forward(self, np: Any, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        shape = self.shape(np.shape(x), axis=axis, keepdims=keepdims)
        if not np.size(x):  # then so is the output
            return np.zeros(shape, np.int64)
        return np.argmin(x, axis=axis, keepdims=keepdims)


def _empty(stream: int) -> Iterator[Sample]:
    yield Sample((draw((0, 3), stream),), {"axis": 0, "keepdims": False})
    yield Sample((draw((0,), stream + 1),), {"axis": None, "keepdims": True})


sum = Sum()
mean = Mean()
max = Max()
min = Min()
prod = Prod()
logsumexp = Logsumexp()
argmax = Argmax()
argmin = Argmin()
