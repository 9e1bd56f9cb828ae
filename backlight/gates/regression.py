"""Losses between numbers: mean squared error, Huber's, absolute difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError
from backlight.gates.choice import absolute, clip, sign, where
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import mean
from backlight.gates.reduction import sum as total
from backlight.gates.target import as_float, fold, folded_shape, same_shape, share
from backlight.shapes import Shape


class Comparative(Structural, abstract=True):
    """What losses of a difference share: equal shapes, and samples."""

    role = Role.MIXER
    result = "float"

    def shape(
        self, prediction: Shape, target: Shape, *, reduction: str = "mean", **_: Any
    ) -> Shape:
        """One number, or the shape of the prediction."""
        return folded_shape(self.name, same_shape(self.name, prediction, target), reduction)

    def samples(self) -> Iterator[Sample]:
        """Every reduction, one number, none."""
        for stream, (size, reduction) in enumerate(
            [
                ((2, 3), "mean"),
                ((2, 3), "sum"),
                ((2, 3), "none"),
                ((), "mean"),
                ((0, 3), "sum"),
            ]
        ):
            yield Sample(
                (draw(size, 550 + stream), 2.0 * draw(size, 560 + stream)), {"reduction": reduction}
            )

    def gap(self, np: Any, prediction: Any, target: Any, reduction: str) -> Any:
        """Prediction minus target in a floating type, so that whole numbers never wrap."""
        prediction, target = as_float(np, prediction), as_float(np, target)
        self.shape(prediction.shape, target.shape, reduction=reduction)
        return prediction - target


class MeanSquaredError(Comparative):
    """(x − t)², averaged over all numbers. The prediction receives 2·(x − t)·upstream / n.

    Parameters
    ----------
    prediction, target : arrays of equal shape
    reduction : str
        "mean" over all numbers, "sum", or "none".

    Raises
    ------
    ShapeError
        If the shapes differ: neither is stretched. If there is nothing to take the mean of.
    """

    formula = "mean((x - t)**2)"
    aliases = ("mse_loss",)

    def forward(self, np: Any, prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
        gap = self.gap(np, prediction, target, reduction)
        return fold(np, self.name, gap * gap, reduction, gap.dtype)

    def backward(
        self, upstream: Any, prediction: Any, target: Any, output: Any, *, reduction: str
    ) -> Any:
        return _both(upstream, prediction, target, reduction, lambda gap: 2.0 * gap)

    def parts(self, prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
        """Subtract, square, mean."""
        gap = prediction - target
        return _folded(gap * gap, reduction)


class L1Loss(Comparative):
    """|x − t|, averaged over all numbers. The prediction receives ±upstream / n, and 0 at a tie.

    Parameters
    ----------
    prediction, target : arrays of equal shape
    reduction : str
        "mean" over all numbers, "sum", or "none".

    Raises
    ------
    ShapeError
        If the shapes differ: neither is stretched. If there is nothing to take the mean of.
    """

    formula = "mean(abs(x - t))"
    kinks = "prediction == target: gradient 0"

    def forward(self, np: Any, prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
        gap = self.gap(np, prediction, target, reduction)
        return fold(np, self.name, np.abs(gap), reduction, gap.dtype)

    def backward(
        self, upstream: Any, prediction: Any, target: Any, output: Any, *, reduction: str
    ) -> Any:
        return _both(upstream, prediction, target, reduction, sign)

    def branch(self, np: Any, prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
        """The sign of the difference."""
        return np.sign(self.gap(np, prediction, target, "none"))

    def parts(self, prediction: Any, target: Any, *, reduction: str = "mean") -> Any:
        """Subtract, absolute value, mean."""
        return _folded(absolute(prediction - target), reduction)


class Huber(Comparative):
    """½·d² for a difference |d| ≤ δ, else δ·(|d| − ½·δ): a square that does not run away.

    There is no kink: both pieces have slope δ where they meet. The prediction receives d held
    within ±δ, times upstream / n; only the second derivative jumps.

    Parameters
    ----------
    prediction, target : arrays of equal shape
    delta : float, above 0
        Where the square turns into a line.
    reduction : str
        "mean" over all numbers, "sum", or "none".

    Raises
    ------
    ShapeError
        If the shapes differ: neither is stretched. If there is nothing to take the mean of.
    ArgumentError
        If delta is not above 0.
    """

    formula = "d**2 / 2 if abs(d) <= delta else delta * (abs(d) - delta / 2)"
    source = "P. J. Huber, Robust estimation of a location parameter, 1964"
    aliases = ("huber_loss",)

    def forward(
        self, np: Any, prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean"
    ) -> Any:
        if not delta > 0:
            raise ArgumentError(
                "huber",
                got=f"delta={delta}",
                needs="a number above 0",
                remedy="Use 1, or l1_loss for the limit 0.",
            )
        size = np.abs(self.gap(np, prediction, target, reduction))
        costs = np.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))
        return fold(np, self.name, costs, reduction, size.dtype)

    def backward(
        self,
        upstream: Any,
        prediction: Any,
        target: Any,
        output: Any,
        *,
        delta: float,
        reduction: str,
    ) -> Any:
        return _both(upstream, prediction, target, reduction, lambda gap: clip(gap, -delta, delta))

    def branch(
        self, np: Any, prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean"
    ) -> Any:
        """Which piece: the second derivative changes between them."""
        return np.sign(np.abs(self.gap(np, prediction, target, "none")) - delta)

    def parts(
        self, prediction: Any, target: Any, *, delta: float = 1.0, reduction: str = "mean"
    ) -> Any:
        """Subtract, the square or the line, mean."""
        size = absolute(prediction - target)
        costs = where(size <= delta, 0.5 * (size * size), delta * (size - 0.5 * delta))
        return _folded(costs, reduction)

    def samples(self) -> Iterator[Sample]:
        """Every reduction, one number, none, another delta."""
        yield from super().samples()
        yield Sample((draw((2, 3), 570), draw((2, 3), 571)), {"delta": 0.5})


def _both(upstream: Any, prediction: Any, target: Any, reduction: str, slope: Any) -> Any:
    """What prediction and target receive, from the derivative by their difference."""

    def by_prediction() -> Any:
        gap = prediction - target
        return slope(gap) * share(upstream, reduction, gap.shape, gap.shape)

    return by_prediction, lambda: -by_prediction()


def _folded(costs: Any, reduction: str) -> Any:
    if reduction == "none":
        return costs
    return mean(costs) if reduction == "mean" else total(costs)


mean_squared_error = MeanSquaredError()
l1_loss = L1Loss()
huber = Huber()
