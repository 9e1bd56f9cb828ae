"""Gates that measure size and spread: variance, standard deviation, length.

Computed in float64 from deviations that are not rounded first, and scaled, so that neither large
nor nearly equal numbers spoil them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError
from backlight.gates.along import center
from backlight.gates.arithmetic import square
from backlight.gates.choice import where
from backlight.gates.family import Reduction, draw
from backlight.gates.folding import folded_count, rounded, spread
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import mean, sum
from backlight.gates.transcendental import sqrt
from backlight.shapes import Axis, Shape, reduce


class Deviation(Reduction, abstract=True):
    """How far numbers lie from their mean, with a corrected count."""

    spellings = {"ddof": "correction"}

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """PyTorch's `unbiased` is a correction of 1 if true, of 0 if false."""
        if "unbiased" in attributes and "correction" not in attributes:
            attributes = dict(attributes)
            attributes["correction"] = int(bool(attributes.pop("unbiased")))
        return super().bind(inputs, attributes)


class Var(Deviation):
    """Variance along the axes: Σ(x − mean)² / (n − correction).

    Each number receives upstream · 2 (x − mean) / (n − correction). `correction` is 0, as in NumPy
    and in the course's formulas: the variance of these numbers. Unlike PyTorch, whose default of 1
    estimates the variance of the population that the numbers were drawn from. `ddof=1` and
    `unbiased=True` say correction=1.

    Raises
    ------
    ShapeError
        If n is not larger than `correction`.
    """

    role = Role.SCALER
    formula = "sum((x - mean(x))**2) / (n - correction)"
    result = "float"

    def forward(
        self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False, correction: int = 0
    ) -> Any:
        count = folded_count(self.name, np.shape(x), axis, correction)
        apart = center.wide(np, x, axis)
        return rounded(np.sum(apart * apart, axis=axis, keepdims=keepdims) / count, x)

    def backward(
        self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool, correction: int
    ) -> Any:
        def scaled() -> Any:
            factor = 2.0 / folded_count("var", x.shape, axis, correction)
            return spread(upstream * factor, x, axis, keepdims) * center(x, axis=axis)

        return (scaled,)

    def shape(
        self, x: Any, *, axis: Axis = None, keepdims: bool = False, correction: int = 0, **_: Any
    ) -> Shape:
        folded_count(self.name, x, axis, correction)
        return super().shape(x, axis=axis, keepdims=keepdims)

    def parts(self, x: Any, *, axis: Axis, keepdims: bool, correction: int) -> Any:
        apart = x - mean(x, axis=axis, keepdims=True)
        total = sum(square(apart), axis=axis, keepdims=keepdims)
        return total / folded_count("var", x.shape, axis, correction)

    def samples(self) -> Iterator[Sample]:
        yield from _corrected(super().samples())


class Std(Deviation):
    """Standard deviation along the axes: the root of the variance.

    Each number receives upstream · (x − mean) / ((n − correction) · std).

    For numbers that are all the same it is 0, and so is the gradient: the numbers lie at the tip
    of a cone. `correction` is 0, as in NumPy; unlike PyTorch, whose default is 1.

    Raises
    ------
    ShapeError
        If n is not larger than `correction`.
    """

    role = Role.SCALER
    formula = "sqrt(sum((x - mean(x))**2) / (n - correction))"
    result = "float"
    kinks = "all x equal: gradient 0"

    def forward(
        self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False, correction: int = 0
    ) -> Any:
        count = folded_count(self.name, np.shape(x), axis, correction)
        length = _length(np, center.wide(np, x, axis), axis, keepdims, x)
        return rounded(length / math.sqrt(count), x)

    def backward(
        self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool, correction: int
    ) -> Any:
        def scaled() -> Any:
            count = folded_count("std", x.shape, axis, correction)
            direction = _direction(center(x, axis=axis), output, axis, keepdims)
            return spread(upstream / count, x, axis, keepdims) * direction

        return (scaled,)

    def branch(self, np: Any, x: Any, *, axis: Axis, keepdims: bool, correction: int) -> Any:
        apart = center.wide(np, x, axis)
        return np.sign(apart) * (_length(np, apart, axis, True) < _NEAR)

    def shape(
        self, x: Any, *, axis: Axis = None, keepdims: bool = False, correction: int = 0, **_: Any
    ) -> Shape:
        folded_count(self.name, x, axis, correction)
        return super().shape(x, axis=axis, keepdims=keepdims)

    def parts(self, x: Any, *, axis: Axis, keepdims: bool, correction: int) -> Any:
        return sqrt(var(x, axis=axis, keepdims=keepdims, correction=correction))

    def samples(self) -> Iterator[Sample]:
        for sample in _corrected(super().samples()):
            if sample.inputs[0].size > 1:  # the deviation of one number is a kink
                yield sample


class Norm(Reduction):
    """Length of the vectors along the axes: √Σx². Each number receives upstream · x / norm.

    Neither the squares nor their sum overflow or vanish where the length does not. The length of a
    zero vector is 0, and so is its gradient.

    Unlike PyTorch: what follows x is the axis, not the p of a p-norm; the norm is always Euclid's.
    """

    role = Role.SCALER
    formula = "sqrt(sum(x**2))"
    symbol = "‖x‖"
    result = "float"
    kinks = "all x = 0: gradient 0"

    def bind(
        self, inputs: tuple[Any, ...], attributes: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """PyTorch's `p` and NumPy's `ord` may say 2; other lengths are other formulas."""
        for name in ("p", "ord"):
            if name in attributes:
                attributes = dict(attributes)
                order = attributes.pop(name)
                if order not in (2, None, "fro"):
                    raise ArgumentError(
                        self.name,
                        got=f"{name}={order!r}",
                        needs=f"{name}=2: it measures √Σx² alone",
                        remedy="Write sum(abs(x)) for order 1, max(abs(x)) for infinity.",
                    )
        return super().bind(inputs, attributes)

    def forward(self, np: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
        return rounded(_length(np, np.asarray(x, np.float64), axis, keepdims, x), x)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: Axis, keepdims: bool) -> Any:
        def scaled() -> Any:
            return spread(upstream, x, axis, keepdims) * _direction(x, output, axis, keepdims)

        return (scaled,)

    def branch(self, np: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        return np.sign(x) * (_length(np, np.asarray(x), axis, True) < _NEAR)

    def parts(self, x: Any, *, axis: Axis, keepdims: bool) -> Any:
        return sqrt(sum(square(x), axis=axis, keepdims=keepdims))

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        yield Sample((draw((0, 3), 640),), {"axis": 1, "keepdims": False})


_NEAR = 1e-3
"""A vector no longer than this may have the kink at 0 inside a difference's step."""


def _direction(x: Any, length: Any, axis: Axis, keepdims: bool) -> Any:
    """Each number divided by the length, and 0 where that is 0."""
    return x / spread(where(length == 0, math.inf, length), x, axis, keepdims)


def _length(np: Any, x: Any, axis: Axis, keepdims: bool, source: Any = None) -> Any:
    """√Σx² of float64 numbers, scaled by the largest so that no square over- or underflows.

    Squares of what came from float32 do neither, and need no scale.
    """
    if getattr(source, "dtype", None) == np.float32:
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    top = np.max(np.abs(x), axis=axis, keepdims=True, initial=0.0)
    scale = np.where((top > 0) & (top < np.inf), top, 1.0)
    parts = x / scale
    length = scale * np.sqrt(np.sum(parts * parts, axis=axis, keepdims=True))
    return np.reshape(length, reduce("norm", x.shape, axis, keepdims))


def _corrected(samples: Iterator[Sample]) -> Iterator[Sample]:
    """Every sample with correction 0, and where there are enough numbers also with 1."""
    for sample in samples:
        yield Sample(sample.inputs, {**sample.attributes, "correction": 0})
        if sample.inputs[0].size > 1:
            yield Sample(sample.inputs, {**sample.attributes, "correction": 1})


var = Var()
std = Std()
norm = Norm()
