"""A trained model looked at: what its units do, and what it answers on two splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.doctor.left_alone import left_as_it_was
from backlight.doctor.looking import look_at
from backlight.doctor.session import Look, Session
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError

Array = np.ndarray[Any, Any]

LOOKED_AT = 256
"""Held-out examples whose pass is recorded gate by gate."""
_TOGETHER = 256


@dataclass(frozen=True)
class Answers:
    """What a model answers to examples whose classes are known.

    Attributes
    ----------
    labels, predicted : arrays of int
        Of the same length; −1 where the answer is no number.
    """

    labels: Array
    predicted: Array

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(np.mean(self.labels == self.predicted))

    @property
    def commonest(self) -> float:
        """The share of the commonest class: what is right without looking."""
        return float(np.bincount(self.labels).max() / len(self.labels))


@dataclass(frozen=True)
class Trained:
    """A trained model as the probes see it.

    Attributes
    ----------
    look : Look
        One pass over held-out examples in evaluation mode.
    train, held_out : Answers
    classes : tuple of str
        Names of the classes; may be empty.
    """

    look: Look
    train: Answers
    held_out: Answers
    classes: tuple[str, ...] = ()

    def called(self, label: int) -> str:
        """The name of a class."""
        return self.classes[label] if label < len(self.classes) else str(label)


def look_back(
    model: Any,
    train: tuple[Array, Array],
    held_out: tuple[Array, Array],
    loss: Callable[[Any, Any], Any],
    classes: Sequence[str] = (),
) -> Trained:
    """Look at a trained classifier, in evaluation mode. It is left as it was.

    Parameters
    ----------
    model : Module
        With its trained parameters.
    train, held_out : (inputs, labels)
        Examples that it was trained on, and others.
    loss : callable
        loss(scores, labels) → one number.
    classes : sequence of str
        Names of the classes.

    Returns
    -------
    Trained
        For `examine(…, trained=…)`.

    Raises
    ------
    ArgumentError
        If there are no examples, or the model's answer is not one score a class.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.data import load
    >>> moons = load("moons").train
    >>> pairs = [(moons.inputs[k::2], moons.labels[k::2]) for k in (0, 1)]
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> 0.0 <= look_back(model, *pairs, nn.CrossEntropyLoss()).held_out.accuracy <= 1.0
    True
    """
    with left_as_it_was(model):
        model.eval()
        session = Session(models=[model], parameters=dict(model.named_parameters()))
        inputs, labels = (one[:LOOKED_AT] for one in held_out)
        scores = model(Tensor(inputs))
        look = look_at(loss(scores, Tensor(labels)), session, scores)
        told = [_answers(model, *pair) for pair in (train, held_out)]
    return Trained(look, told[0], told[1], tuple(str(one) for one in classes))


def _answers(model: Any, inputs: Array, labels: Array) -> Answers:
    predicted = []
    with no_grad():
        for start in range(0, len(inputs), _TOGETHER):
            scores = np.asarray(model(Tensor(inputs[start : start + _TOGETHER]))._value)
            if scores.ndim != 2:
                raise ArgumentError(
                    "doctor",
                    got=f"answers of shape {scores.shape}",
                    needs="one score a class, (examples, classes)",
                    remedy="Leave trained=… out for a model that does not classify.",
                )
            sound = np.isfinite(scores).all(axis=1)
            predicted.append(np.where(sound, scores.argmax(axis=1), -1))
    if not predicted:
        raise ArgumentError(
            "doctor",
            got="no examples",
            needs="at least one",
            remedy="Pass examples of both splits.",
        )
    return Answers(np.asarray(labels).astype(np.int64), np.concatenate(predicted))
