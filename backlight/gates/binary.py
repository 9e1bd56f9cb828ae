"""Cross-entropy of yes-or-no answers: from scores, and from probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight.errors import RangeError
from backlight.gates.activation import sigmoid, softplus
from backlight.gates.arithmetic import subtract
from backlight.gates.choice import equal, where
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.reduction import mean
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import as_float, fold, folded_shape, same_shape, share
from backlight.gates.transcendental import log, log1p
from backlight.shapes import Shape


class BinaryCrossEntropyWithLogits(Structural):
    """−t·ln σ(x) − (1 − t)·ln(1 − σ(x)) for a score x and a target t, number by number.

    Several yes-or-no answers about one example are several numbers. The loss is exact for scores
    of any size. A score receives (σ(x) − t)·upstream, divided by how many numbers there are for
    the mean.

    Parameters
    ----------
    logits : array
        Scores before the sigmoid.
    target : array of the same shape
        Probabilities of yes, 0 … 1; whole numbers and truth values are taken as they are.
    reduction : str
        "mean" over all numbers, "sum", or "none".

    Raises
    ------
    ShapeError
        If the shapes differ, or there is nothing to take the mean of.
    RangeError
        If a target is not between 0 and 1.
    """

    role = Role.MIXER
    formula = "-t * log(sigmoid(x)) - (1 - t) * log(1 - sigmoid(x))"
    domain = {"target": "0 <= t <= 1"}
    result = "first"
    source = "CS231n, neural networks part 2 (attribute classification)"
    aliases = ("bce_with_logits",)

    def forward(self, np: Any, logits: Any, target: Any, *, reduction: str = "mean") -> Any:
        x, target = as_float(np, logits), np.asarray(target)
        self.shape(x.shape, target.shape, reduction=reduction)
        target = _checked(np, self.name, "target", target).astype(x.dtype, copy=False)
        # How much of the answer is missed, times how far the score is on the wrong side.
        missed = np.where(x >= 0, 1.0 - target, -target)
        costs = np.where(missed == 0, 0.0, missed * x) + np.log1p(np.exp(-np.abs(x)))
        return fold(np, self.name, costs, reduction, x.dtype)

    def backward(
        self, upstream: Any, logits: Any, target: Any, output: Any, *, reduction: str
    ) -> Any:
        each = share(upstream, reduction, logits.shape, logits.shape)
        # σ(x) − t as two terms: each keeps its digits where the answer is nearly right.

        def by_logits() -> Any:
            return each * (subtract(1.0, target) * sigmoid(logits) - target * sigmoid(-logits))

        return by_logits, lambda: each * -logits

    def parts(self, logits: Any, target: Any, *, reduction: str = "mean") -> Any:
        """The softplus of the score and of its negative, weighed by the target."""
        return _folded((1.0 - target) * softplus(logits) + target * softplus(-logits), reduction)

    def shape(self, logits: Shape, target: Shape, *, reduction: str = "mean") -> Shape:
        """One number, or the shape of the scores."""
        return folded_shape(self.name, same_shape(self.name, logits, target), reduction)

    def samples(self) -> Iterator[Sample]:
        """Every reduction, soft and hard targets, one number, none."""
        yield from _samples(lambda size, stream: draw(size, stream))


class BinaryCrossEntropy(Structural):
    """−t·ln p − (1 − t)·ln(1 − p) for a probability p and a target t, number by number.

    A wanted answer of probability 0 costs ∞; PyTorch answers 100 there. What is not wanted counts
    for nothing (0·ln 0 = 0). From scores, use binary_cross_entropy_with_logits: it keeps the
    digits that a probability close to 1 has lost.

    Parameters
    ----------
    probability : array
        Probabilities of yes, 0 … 1.
    target : array of the same shape
        Probabilities of yes, 0 … 1.
    reduction : str
        "mean" over all numbers, "sum", or "none".

    Raises
    ------
    ShapeError
        If the shapes differ, or there is nothing to take the mean of.
    RangeError
        If a probability or a target is not between 0 and 1.
    """

    role = Role.MIXER
    formula = "-t * log(p) - (1 - t) * log(1 - p)"
    domain = {"probability": "0 <= p <= 1", "target": "0 <= t <= 1"}
    result = "first"

    def forward(self, np: Any, probability: Any, target: Any, *, reduction: str = "mean") -> Any:
        p, target = as_float(np, probability), np.asarray(target)
        self.shape(p.shape, target.shape, reduction=reduction)
        p = _checked(np, self.name, "probability", p)
        target = _checked(np, self.name, "target", target).astype(p.dtype, copy=False)
        yes = np.where(target == 0, 0.0, target * np.log(p))
        no = np.where(target == 1, 0.0, (1.0 - target) * np.log1p(-p))
        return fold(np, self.name, -yes - no, reduction, p.dtype)

    def backward(
        self, upstream: Any, probability: Any, target: Any, output: Any, *, reduction: str
    ) -> Any:
        p = probability
        each = share(upstream, reduction, p.shape, p.shape)

        def by_probability() -> Any:
            # 0/0 is kept out of both terms before the division, for second derivatives too.
            yes = target / where(equal(target, 0), 1.0, p)
            no = subtract(1.0, target) / where(equal(target, 1), 1.0, 1.0 - p)
            return each * (no - yes)

        return by_probability, lambda: each * (log1p(subtract(0.0, p)) - log(p))

    def parts(self, probability: Any, target: Any, *, reduction: str = "mean") -> Any:
        """Two logarithms, weighed by the target."""
        p = probability
        return _folded(
            subtract(0.0, target * log(p)) - (1.0 - target) * log1p(subtract(0.0, p)), reduction
        )

    def shape(self, probability: Shape, target: Shape, *, reduction: str = "mean") -> Shape:
        """One number, or the shape of the probabilities."""
        return folded_shape(self.name, same_shape(self.name, probability, target), reduction)

    def samples(self) -> Iterator[Sample]:
        """Every reduction, soft targets, one number, none."""
        yield from _samples(lambda size, stream: draw(size, stream, "0 < x < 1"))


def _folded(costs: Any, reduction: str) -> Any:
    if reduction == "none":
        return costs
    return mean(costs) if reduction == "mean" else total(costs)


def _checked(np: Any, subject: str, name: str, values: Any) -> Any:
    """The values, if all lie between 0 and 1 or are NaN, which the loss then is too."""
    if not computed(np):
        right = ~((values < 0) | (values > 1))
        return np.check(values, right, refuse_share, (subject, name, ...))
    refuse_share(subject, name, values)
    return values


def refuse_share(subject: str, name: str, values: Any) -> None:
    """Raise RangeError for the first number that is not between 0 and 1."""
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        place = tuple(map(int, numpy.argwhere(wrong)[0]))
        at = f" at {list(place)}" if place else ""
        raise RangeError(
            subject,
            got=f"a {name} of {values[place]}{at}",
            needs="numbers from 0 to 1",
            remedy="Turn labels −1 and 1 into 0 and 1."
            if name == "target"
            else "Pass scores to binary_cross_entropy_with_logits instead.",
        )


def _samples(inputs: Any) -> Iterator[Sample]:
    for stream, reduction in enumerate(("mean", "sum", "none")):
        target = draw((2, 3), 520 + stream, "0 < x < 1")
        yield Sample((inputs((2, 3), 530 + stream), target), {"reduction": reduction})
    yield Sample((inputs((3,), 533), numpy.array([1, 0, 1])), {"reduction": "mean"})
    yield Sample((inputs((), 534), draw((), 535, "0 < x < 1")), {"reduction": "mean"})
    yield Sample((inputs((0, 3), 536), numpy.zeros((0, 3))), {"reduction": "sum"})


binary_cross_entropy_with_logits = BinaryCrossEntropyWithLogits()
binary_cross_entropy = BinaryCrossEntropy()
