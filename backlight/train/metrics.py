"""What a split says of a model: loss, accuracy, confusion matrix, probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor

Array = np.ndarray[Any, Any]
TOP = 5


@dataclass(frozen=True)
class Evaluation:
    """One look at a split.

    Attributes
    ----------
    loss : float
        Mean loss an example.
    scores : ndarray, shape (n, classes)
        What the model answered, in the order of the split.
    labels : ndarray, shape (n,)
        The right classes.
    """

    loss: float
    scores: Array
    labels: Array

    @property
    def predicted(self) -> Array:
        """The class with the highest score; a NaN counts as wrong, never as class 0."""
        winners = self.scores.argmax(axis=1)
        return np.where(np.isnan(self.scores).any(axis=1), -1, winners)

    @property
    def accuracy(self) -> float:
        """Fraction of right answers, 0–1."""
        return float((self.predicted == self.labels).mean())

    def top(self, k: int) -> float:
        """Fraction of examples whose right class is among the k highest scores, 0–1.

        Of equal scores the class with the smaller number counts as higher, as in `predicted`.

        Examples
        --------
        >>> found = Evaluation(0.0, np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 1.0]]), np.array([1, 2]))
        >>> found.top(1), found.top(2), found.top(3)
        (0.0, 0.5, 1.0)
        """
        own = np.take_along_axis(self.scores, self.labels[:, None], axis=1)
        before = np.arange(self.scores.shape[1]) < self.labels[:, None]
        ahead = (self.scores > own) | ((self.scores == own) & before)
        sound = ~np.isnan(self.scores).any(axis=1)
        return float(((ahead.sum(axis=1) < k) & sound).mean())

    @property
    def top5_accuracy(self) -> float | None:
        """Fraction of examples whose class is among the five likeliest; None of five or fewer."""
        return self.top(TOP) if self.scores.shape[1] > TOP else None

    @property
    def standard_error(self) -> float:
        """Standard error of the accuracy, √(p(1−p)/n)."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / len(self.labels))

    def confusion(self) -> Array:
        """How often class i (row) was answered as class j (column)."""
        classes = self.scores.shape[1]
        counts = np.zeros((classes, classes), np.int64)
        answered = self.predicted
        sound = answered >= 0
        np.add.at(counts, (self.labels[sound], answered[sound]), 1)
        return counts

    def probabilities(self) -> Array:
        """The scores as probabilities, by softmax in float64."""
        shifted = self.scores.astype(np.float64)
        shifted -= shifted.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def scoring(module: Any, loss: Any) -> Callable[[Tensor, Tensor], tuple[Any, Any]]:
    """The function of inputs and labels that gives a model's scores and their mean loss."""

    def forward(inputs: Tensor, labels: Tensor) -> tuple[Any, Any]:
        scores = module(inputs)
        return scores, loss(scores, labels)

    return forward


def evaluate(
    module: Any,
    loss: Any,
    batches: Iterable[tuple[Array, Array]],
    forward: Callable[[Tensor, Tensor], tuple[Any, Any]] | None = None,
) -> Evaluation:
    """Run a model over a split: evaluation mode, no gradients, batches in their order.

    `forward` answers with the scores and the loss of a batch; it is there for a compiled function
    (see `train.step.forward`), and makes no other difference.
    """
    answer = forward or scoring(module, loss)
    was_training = module.training
    module.eval()
    total = 0.0
    scores, labels = [], []
    try:
        with no_grad():
            for inputs, right in batches:
                found, mean = answer(Tensor.share(inputs), Tensor.share(right))
                total += float(mean.item()) * len(right)
                scores.append(found.numpy())
                labels.append(right)
    finally:
        module.train(was_training)
    every = np.concatenate(labels)
    return Evaluation(total / len(every), np.concatenate(scores), every)
