"""Softmax and its logarithm, by taking the largest number out first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight import shapes
from backlight.errors import ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import max as largest
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import as_float
from backlight.gates.transcendental import exp, log
from backlight.shapes import Shape


class Softmax(Structural):
    """e^xᵢ / Σ e^xⱼ along an axis: scores made into probabilities that sum to 1.

    The largest number is subtracted first, so that nothing overflows. −∞ has probability 0. Where
    numbers are +∞ they share the probability, which is the limit. A row of −∞ only has none: it is
    NaN.

    Each input receives p·(upstream − Σ p·upstream). With two classes it is the sigmoid of the
    difference of the scores.

    Parameters
    ----------
    x : array, at least one axis
    axis : int
        The axis of the classes; the last unless named.

    Raises
    ------
    ShapeError
        If there is no such axis.

    Examples
    --------
    >>> from backlight import tensor
    >>> softmax(tensor([1.0, -2.0, 0.0]))
    tensor([0.7054, 0.0351, 0.2595])
    """

    role = Role.MIXER
    formula = "exp(x) / sum(exp(x))"
    result = "float"
    source = "CS231n, linear classification"

    def forward(self, np: Any, x: Any, *, axis: int = -1) -> Any:
        x = as_float(np, x)
        self.shape(x.shape, axis=axis)
        if x.size == 0:
            return x
        if not computed(np):  # as log_softmax and cross_entropy, which then share all of it
            shifted, rest = shifted_and_rest(np, x, axis)
            return np.exp(shifted) / (rest + 1.0).astype(x.dtype, copy=False)
        shifted, _ = shifted_by_largest(np, x, axis)
        powers = np.exp(shifted)
        whole = np.sum(powers, axis=axis, keepdims=True, dtype=np.float64)
        return powers / whole.astype(x.dtype, copy=False)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: int) -> Any:
        weighted = upstream * output
        return (weighted - output * total(weighted, axis=axis, keepdims=True),)

    def parts(self, x: Any, *, axis: int = -1) -> Any:
        """Subtract the largest, exponential, divide by the sum."""
        powers = exp(x - largest(x, axis=axis, keepdims=True))
        return powers / total(powers, axis=axis, keepdims=True)

    def shape(self, x: Shape, *, axis: int = -1) -> Shape:
        """The input's shape."""
        return along(self.name, x, axis)

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, images, larger scores, one class, no example."""
        return samples_along(460)


class LogSoftmax(Structural):
    """xᵢ − ln Σ e^xⱼ along an axis, with all digits also where a probability is close to 1.

    The largest number is subtracted first, and its own e⁰ = 1 is left out of the sum and put back
    by log1p: for scores (20, 0) the first answer is −2.06e−9 and not 0.

    Each input receives upstream − p·Σ upstream.

    Parameters
    ----------
    x : array, at least one axis
    axis : int
        The axis of the classes; the last unless named.

    Raises
    ------
    ShapeError
        If there is no such axis.
    """

    role = Role.MIXER
    formula = "x - log(sum(exp(x)))"
    result = "float"

    def forward(self, np: Any, x: Any, *, axis: int = -1) -> Any:
        x = as_float(np, x)
        self.shape(x.shape, axis=axis)
        if x.size == 0:
            return x
        shifted, rest = shifted_and_rest(np, x, axis)
        return shifted - np.log1p(rest).astype(x.dtype, copy=False)

    def backward(self, upstream: Any, x: Any, output: Any, *, axis: int) -> Any:
        return (upstream - exp(output) * total(upstream, axis=axis, keepdims=True),)

    def parts(self, x: Any, *, axis: int = -1) -> Any:
        """Subtract the largest, then the logarithm of the sum of the exponentials."""
        shifted = x - largest(x, axis=axis, keepdims=True)
        return shifted - log(total(exp(shifted), axis=axis, keepdims=True))

    def shape(self, x: Shape, *, axis: int = -1) -> Shape:
        """The input's shape."""
        return along(self.name, x, axis)

    def samples(self) -> Iterator[Sample]:
        """As of softmax."""
        return samples_along(470)


def shifted_by_largest(np: Any, x: Any, axis: int) -> tuple[Any, Any]:
    """X minus the largest along the axis, and the place of the first that is the largest.

    Before anything is computed: in place of the place, where numbers are as large as the largest.
    """
    if not computed(np):
        peak = np.max(x, axis=axis, keepdims=True)
        return np.where(x == np.inf, 0.0, x - peak), x == peak
    winner = np.expand_dims(np.argmax(x, axis=axis), axis)
    peak = np.take_along_axis(x, winner, axis)
    shifted = x - peak
    if (peak == np.inf).any():
        shifted = np.where((x == peak) & (peak > 0), 0.0, shifted)
    return shifted, winner


def shifted_and_rest(np: Any, x: Any, axis: int) -> tuple[Any, Any]:
    """X minus the largest, and the sum of the exponentials of all others, in float64."""
    shifted, winner = shifted_by_largest(np, x, axis)
    powers = np.exp(shifted)
    if not computed(np):  # the ties with the winner are counted: one pass, and no place is needed
        others = np.sum(np.where(winner, 0.0, powers), axis=axis, keepdims=True, dtype=np.float64)
        return shifted, others + (np.sum(winner, axis=axis, keepdims=True, dtype=np.float64) - 1.0)
    # A NaN at the winner, of a row of −∞ or with NaN in it, must not be written over.
    np.put_along_axis(powers, winner, np.take_along_axis(shifted, winner, axis), axis)
    return shifted, np.sum(powers, axis=axis, keepdims=True, dtype=np.float64)


def along(subject: str, shape: Shape, axis: Any) -> Shape:
    """The shape itself, if it has the axis."""
    if not shape or isinstance(axis, tuple) or axis is None:
        raise ShapeError(
            subject,
            got=f"shape {shape} and axis={axis}",
            needs="at least one axis, and the one of the classes named",
            remedy="Pass axis=-1, or reshape the input.",
        )
    shapes.axes(subject, axis, len(shape))
    return shape


def samples_along(stream: int) -> Iterator[Sample]:
    """Samples for gates that mix the numbers along one axis."""
    for place, (size, axis, times) in enumerate(
        [
            ((2, 3), -1, 1.0),
            ((2, 3), 0, 1.0),
            ((2, 3, 4), 1, 1.0),
            ((4,), 0, 3.0),
            ((2, 1), 1, 1.0),
            ((0, 3), -1, 1.0),
        ]
    ):
        yield Sample((times * draw(size, stream + place),), {"axis": axis})


softmax = Softmax()
log_softmax = LogSoftmax()
