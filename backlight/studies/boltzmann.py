"""Layers learned one by one, without labels: restricted Boltzmann machines.

A machine has visible units v and hidden units h. Each side answers the other: p(h = 1 | v) =
σ(v·W + b) and p(v = 1 | h) = σ(h·Wᵀ + a). Contrastive divergence asks what the machine makes of an
example and of its own reconstruction of it, and moves W by ⟨v·h⟩ of the first less that of the
second. What the hidden units answer are the examples of the next layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import DataError
from backlight.gates.activation import sigmoid

Array = np.ndarray[Any, Any]

RATE = 0.1
BATCH = 64
DECAY = 2e-4
START = 0.01
"""Spread of the first weights."""

SLOW, FAST = 0.5, 0.9
"""Momentum in the first epochs, and after them."""

WARM = 5
"""Epochs with the slow momentum."""


@dataclass(frozen=True)
class Learned:
    """A layer learned from examples alone.

    Attributes
    ----------
    weight : array (visible, hidden)
    bias : array (hidden,)
    errors : list of float
        Mean squared error of the reconstructions, epoch by epoch.
    """

    weight: Array
    bias: Array
    errors: list[float]

    def answer(self, rows: Array) -> Array:
        """p(h = 1 | v) of each row."""
        return np.asarray(sigmoid(rows @ self.weight + self.bias))


def pretrain(
    rows: Array, widths: Sequence[int], epochs: int = 15, seed: int = 0
) -> tuple[Learned, ...]:
    """A stack of machines, each learned from the answers of the one below.

    Parameters
    ----------
    rows : array (count, features)
        Numbers in [0, 1], read as probabilities.
    widths : sequence of int
        Hidden units of each layer.
    epochs : int
        Of each layer.
    seed : int

    Returns
    -------
    tuple of Learned
        From the first layer up.

    Examples
    --------
    >>> rows = np.repeat([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]], 64, axis=0)
    >>> (layer,) = pretrain(rows, [3], epochs=60)
    >>> bool(layer.errors[-1] < 0.2 * layer.errors[0])
    True

    Raises
    ------
    DataError
        If a number is outside [0, 1].

    Notes
    -----
    Source: Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", 2006.
    """
    found: list[Learned] = []
    flowing = np.asarray(rows, np.float32)
    if flowing.size and not (flowing.min() >= 0 and flowing.max() <= 1):
        raise DataError(
            "pretrain",
            got=f"numbers from {flowing.min():.3g} to {flowing.max():.3g}",
            needs="numbers in [0, 1], which are read as probabilities",
            remedy="Use pictures, such as --data digits or mnist, or scale the features",
        )
    for place, width in enumerate(widths):
        layer = machine(
            flowing,
            width,
            epochs,
            seed,
            first_stream=1000 * place,
        )
        flowing = layer.answer(flowing)
        found.append(layer)
    return tuple(found)


def machine(
    rows: Array, width: int, epochs: int = 15, seed: int = 0, first_stream: int = 0
) -> Learned:
    """One machine, by contrastive divergence with one step (CD-1)."""
    visible = rows.shape[1]
    weight = START * philox.normal(seed, first_stream, (visible, width))
    likely = np.clip(rows.mean(axis=0), 0.01, 0.99)
    state = [
        weight,
        np.zeros(width, np.float32),
        np.log(likely / (1 - likely)).astype(np.float32),
    ]
    speed = [np.zeros_like(one) for one in state]
    errors = []
    for epoch in range(epochs):
        stream = first_stream + 2 * epoch + 1
        order = philox.permutation(seed, stream, len(rows))
        chances = philox.uniform(seed, stream + 1, (len(rows), width))
        momentum = SLOW if epoch < WARM else FAST
        lost = 0.0
        for start in range(0, len(rows), BATCH):
            some = rows[order[start : start + BATCH]]
            change, error = divergence(state, some, chances[start : start + BATCH])
            lost += error
            for part, moving, towards in zip(state, speed, change, strict=True):
                moving *= momentum
                moving += RATE * towards
                part += moving
        errors.append(lost / rows.size)
    return Learned(state[0], state[1], errors)


def divergence(state: Sequence[Array], rows: Array, chances: Array) -> tuple[list[Array], float]:
    """Where contrastive divergence pulls weight and biases, and the squared error it had."""
    weight, hidden_bias, visible_bias = state
    answer = np.asarray(sigmoid(rows @ weight + hidden_bias))
    fired = (chances < answer).astype(rows.dtype)
    dreamt = np.asarray(sigmoid(fired @ weight.T + visible_bias))
    again = np.asarray(sigmoid(dreamt @ weight + hidden_bias))
    apart = (rows.T @ answer - dreamt.T @ again) / len(rows)
    change = [
        apart - DECAY * weight,
        (answer - again).mean(axis=0),
        (rows - dreamt).mean(axis=0),
    ]
    return change, float(((rows - dreamt) ** 2).sum())
