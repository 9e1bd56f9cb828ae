"""How far one distribution is from another, in nats (divide by ln 2 for bits).

What has probability 0 counts for nothing: 0·ln 0 = 0. What happens although the other
distribution calls it impossible costs ∞.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight import shapes
from backlight.errors import RangeError, ShapeError
from backlight.gates.choice import where
from backlight.gates.family import Elementwise, Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import as_float, same_shape
from backlight.gates.transcendental import log
from backlight.gates.view import expand_dims
from backlight.shapes import Shape


class Xlogy(Elementwise):
    """x·ln y, and 0 where x is 0, whatever y is.

    x receives ln y, y receives x/y; where x and y are both 0, both receive 0.
    """

    role = Role.MIXER
    formula = "x * log(y)"
    domain = {"y": "y > 0"}
    kinks = "x == 0 and y == 0: gradient 0"
    result = "float"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.where(x == 0, 0.0 * y, x * np.log(np.where(x == 0, 1.0, y)))

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        nothing = (x == 0) & (y == 0)
        return (
            lambda: upstream * where(nothing, 0.0, log(where(nothing, 1.0, y))),
            lambda: upstream * where(x == 0, 0.0, x / where(x == 0, 1.0, y)),
        )

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.where((x == 0) & (y == 0), 1, 0)


class Distributions(Structural, abstract=True):
    """What the gates of two distributions share: equal shapes, one sum along an axis, samples."""

    role = Role.MIXER
    result = "float"

    def shape(self, p: Shape, q: Shape, *, axis: int = -1) -> Shape:
        """The shape of the inputs without the axis of the classes."""
        return _without_axis(self.name, same_shape(self.name, p, q), axis)

    def taken(self, np: Any, p: Any, q: Any, axis: int) -> tuple[Any, Any]:
        """Both as numbers with fractions, checked."""
        p, q = as_float(np, p), as_float(np, q)
        self.shape(p.shape, q.shape, axis=axis)
        return _not_negative(np, self.name, "p", p), _not_negative(np, self.name, "q", q)

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, one distribution, a batch of none."""
        for stream, (size, axis) in enumerate(
            [((2, 3), -1), ((3, 2), 0), ((4,), -1), ((0, 3), 1), ((2, 3, 2), 1)]
        ):
            yield Sample(
                (_distribution(size, axis, 580 + stream), _distribution(size, axis, 590 + stream)),
                {"axis": axis},
            )


class Entropy(Structural):
    """−Σ p·ln p: how surprising draws from p are on average. ln n at most, 0 for a certainty.

    p receives −(ln p + 1)·upstream; 0 where p is 0, where the slope has no bound.

    Parameters
    ----------
    p : array
        Probabilities; they are taken as they are, not made to sum to 1.
    axis : int
        The axis of the classes; the last unless named.

    Raises
    ------
    RangeError
        If a probability is negative.
    """

    role = Role.MIXER
    formula = "-sum(p * log(p))"
    domain = {"p": "p > 0"}
    kinks = "p == 0: gradient 0"
    result = "float"
    source = "C. E. Shannon, A mathematical theory of communication, 1948"

    def forward(self, np: Any, p: Any, *, axis: int = -1) -> Any:
        p = _not_negative(np, self.name, "p", as_float(np, p))
        self.shape(p.shape, axis=axis)
        return _summed(np, -p * np.log(np.where(p == 0, 1.0, p)), axis)

    def backward(self, upstream: Any, p: Any, output: Any, *, axis: int) -> Any:
        slope = where(p == 0, 0.0, -1.0 - log(where(p == 0, 1.0, p)))
        return (expand_dims(upstream, axis=axis) * slope,)

    def branch(self, np: Any, p: Any, *, axis: int = -1) -> Any:
        return np.sign(p)

    def parts(self, p: Any, *, axis: int = -1) -> Any:
        """p·ln p, sum, times −1."""
        return -total(xlogy(p, p), axis=axis)

    def shape(self, p: Shape, *, axis: int = -1) -> Shape:
        """The shape of the input without the axis of the classes."""
        return _without_axis(self.name, p, axis)

    def samples(self) -> Iterator[Sample]:
        """Rows, columns, one distribution, a batch of none."""
        for stream, (size, axis) in enumerate([((2, 3), -1), ((3, 2), 0), ((4,), -1), ((0, 3), 1)]):
            yield Sample((_distribution(size, axis, 575 + stream),), {"axis": axis})


class CrossEntropyOf(Distributions):
    """−Σ p·ln q: the average surprise of draws from p for who believes q.

    It is the entropy of p plus the divergence of q from p, hence smallest, the entropy, where
    q = p; and ∞ where q calls impossible what p does not. This is no cross-correlation.

    p receives −ln q·upstream, q receives −p/q·upstream.

    Parameters
    ----------
    p, q : arrays of equal shape
        Probabilities; taken as they are, not made to sum to 1. For scores use cross_entropy.
    axis : int
        The axis of the classes; the last unless named.

    Raises
    ------
    ShapeError
        If the shapes differ.
    RangeError
        If a probability is negative.
    """

    formula = "-sum(p * log(q))"
    domain = {"p": "p >= 0", "q": "q > 0"}
    kinks = "p == 0 and q == 0: gradient 0"

    def forward(self, np: Any, p: Any, q: Any, *, axis: int = -1) -> Any:
        p, q = self.taken(np, p, q, axis)
        return _summed(np, -xlogy.forward(np, p, q), axis)

    def backward(self, upstream: Any, p: Any, q: Any, output: Any, *, axis: int) -> Any:
        each = -expand_dims(upstream, axis=axis)
        return xlogy.backward(each, p, q, output)

    def branch(self, np: Any, p: Any, q: Any, *, axis: int = -1) -> Any:
        return xlogy.branch(np, p, q)

    def parts(self, p: Any, q: Any, *, axis: int = -1) -> Any:
        """p·ln q, sum, times −1."""
        return -total(xlogy(p, q), axis=axis)


class KlDivergence(Distributions):
    """Σ p·ln(p/q): what believing q costs beyond the entropy of p. Never negative, 0 for q = p.

    p receives (ln(p/q) + 1)·upstream, and 0 where p is 0; q receives −p/q·upstream. PyTorch's
    kl_div takes ln q and p; this takes p and q, as the formula is written.

    Parameters
    ----------
    p, q : arrays of equal shape
        Probabilities; taken as they are, not made to sum to 1.
    axis : int
        The axis of the classes; the last unless named.

    Raises
    ------
    ShapeError
        If the shapes differ.
    RangeError
        If a probability is negative.

    Examples
    --------
    >>> from backlight import tensor
    >>> round(kl_divergence(tensor([0.5, 0.25, 0.25]), tensor([0.25, 0.5, 0.25])).item(), 5)
    0.17329
    """

    formula = "sum(p * log(p / q))"
    domain = {"p": "p > 0", "q": "q > 0"}
    kinks = "p == 0: gradient 0"
    source = "Kullback and Leibler, On information and sufficiency, 1951"

    def forward(self, np: Any, p: Any, q: Any, *, axis: int = -1) -> Any:
        p, q = self.taken(np, p, q, axis)
        happens = p > 0
        logs = np.log(np.where(happens, p, 1.0)) - np.log(np.where(happens, q, 1.0))
        return _summed(np, p * logs, axis)

    def backward(self, upstream: Any, p: Any, q: Any, output: Any, *, axis: int) -> Any:
        each = expand_dims(upstream, axis=axis)
        never = p == 0
        believed = where(never, 1.0, q)
        return (
            lambda: each * where(never, 0.0, log(where(never, 1.0, p)) - log(believed) + 1.0),
            lambda: each * where(never, 0.0, -p / believed),
        )

    def branch(self, np: Any, p: Any, q: Any, *, axis: int = -1) -> Any:
        return np.sign(p)

    def parts(self, p: Any, q: Any, *, axis: int = -1) -> Any:
        """Cross-entropy less entropy."""
        return total(xlogy(p, p) - xlogy(p, q), axis=axis)


def _summed(np: Any, terms: Any, axis: int) -> Any:
    return np.asarray(np.sum(terms, axis=axis, dtype=np.float64), terms.dtype)


def _not_negative(np: Any, subject: str, name: str, values: Any) -> Any:
    if not computed(np):  # NaN is not negative
        return np.check(values, ~(values < 0), refuse_negative, (subject, name, ...))
    refuse_negative(subject, name, values)
    return values


def refuse_negative(subject: str, name: str, values: Any) -> None:
    """Raise RangeError for the first negative number."""
    if (values < 0).any():
        place = tuple(map(int, numpy.argwhere(values < 0)[0]))
        at = f" at {list(place)}" if place else ""
        raise RangeError(
            subject,
            got=f"{name} with {values[place]}{at}",
            needs="probabilities of at least 0",
            remedy="Make scores into probabilities with softmax first.",
        )


def _without_axis(subject: str, shape: Shape, axis: int) -> Shape:
    if not shape:
        raise ShapeError(
            subject,
            got="a single number",
            needs="an axis of classes",
            remedy="Pass the probabilities of all classes.",
        )
    return shapes.reduce(subject, shape, axis, keepdims=False)


def _distribution(shape: Shape, axis: int, stream: int) -> Any:
    powers = numpy.exp(draw(shape, stream))
    return powers / powers.sum(axis=axis, keepdims=True)


xlogy = Xlogy()
entropy = Entropy()
cross_entropy_of = CrossEntropyOf()
kl_divergence = KlDivergence()
