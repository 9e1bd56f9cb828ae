"""The same deep stack begun in three ways, and what of the gradient arrives at each layer.

A weight's gradient in layer l holds one factor σ′ ≤ ¼ for every sigmoid above it. Small random
weights make the rest no larger, so it falls by more than ¼ a layer. Weights that were learned
layer by layer begin where signals pass; relu′ is 1 wherever a unit answers at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import backlight
from backlight import nn, optim, philox
from backlight.errors import NonFiniteError
from backlight.studies.boltzmann import Learned
from backlight.studies.material import Material

Array = np.ndarray[Any, Any]

HIDDEN = (64,) * 6
RATES = (0.03, 0.3)
EPOCHS = 20
BATCH = 64
SMALL = 0.1
"""Spread of small random weights."""

STARTS = ("small", "pretrained", "relu")


@dataclass(frozen=True)
class Descent:
    """A deep network and how its training went, with the better of the rates.

    Attributes
    ----------
    start : str
        One of STARTS.
    rate : float
    arriving : list of float
        Length of the gradient of each layer's weight before the first step, from the first layer.
    losses : list of float
        Mean training loss of each epoch.
    accuracy : float
        On held-out examples.
    """

    start: str
    rate: float
    arriving: list[float]
    losses: list[float]
    accuracy: float


def stack(
    start: str,
    features: int,
    classes: int,
    hidden: Sequence[int] = HIDDEN,
    learned: Sequence[Learned] = (),
    seed: int = 0,
) -> Any:
    """A deep network, begun with small weights, with learned layers, or as He et al. begin ReLUs.

    Examples
    --------
    >>> [layer.describe() for layer in stack("relu", 4, 2, (3,))]
    ['Linear 4→3', 'ReLU', 'Linear 3→2']
    """
    layers: list[Any] = []
    widths = (features, *hidden)
    kind = nn.ReLU if start == "relu" else nn.Sigmoid
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), kind()]
    layers.append(nn.Linear(widths[-1], classes))
    module = nn.Sequential(*layers)
    for place, layer in enumerate(linears(module)):
        wide = layer.weight.shape[1]
        spread = np.sqrt(2 / wide) if start == "relu" else SMALL
        weight = spread * philox.normal(seed, place, layer.weight.shape)
        bias = np.zeros(layer.bias.shape, np.float32)
        if start == "pretrained" and place < len(learned):
            weight, bias = learned[place].weight.T, learned[place].bias
        layer.weight.data = backlight.tensor(np.array(weight, np.float32))
        layer.bias.data = backlight.tensor(np.array(bias))
    return module


def linears(module: Any) -> list[Any]:
    """The layers with weights."""
    return [layer for layer in module if isinstance(layer, nn.Linear)]


def arriving(module: Any, rows: Array, labels: Array) -> list[float]:
    """Length of the gradient of each layer's weight."""
    nn.CrossEntropyLoss()(module(rows), labels).backward()
    found = [float(np.linalg.norm(layer.weight.grad.numpy())) for layer in linears(module)]
    module.zero_grad()
    return found


def descent(
    given: Material,
    start: str,
    learned: Sequence[Learned] = (),
    hidden: Sequence[int] = HIDDEN,
    rates: Sequence[float] = RATES,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> Descent:
    """Train a deep stack with each rate, and keep the training with the lowest last loss.

    A rate with which it runs to infinity is passed over.

    Parameters
    ----------
    given : Material
    start : {"small", "pretrained", "relu"}
    learned : sequence of Learned
        The layers to begin with, for "pretrained".
    hidden : sequence of int
    rates : sequence of float
        Of stochastic gradient descent with momentum 0.9.
    epochs : int
    seed : int
    """
    best: Descent | None = None
    for rate in rates:
        module = stack(
            start,
            given.train.shape[1],
            len(given.classes),
            hidden,
            learned,
            seed,
        )
        gradients = arriving(module, given.train[:500], given.labels[:500])
        try:
            losses = _trained(module, given, rate, epochs, seed)
        except NonFiniteError:
            continue
        with backlight.no_grad():
            scores = module(given.held).numpy()
        accuracy = float((scores.argmax(axis=1) == given.held_labels).mean())
        if best is None or losses[-1] < best.losses[-1]:
            best = Descent(start, rate, gradients, losses, accuracy)
    if best is None:
        raise NonFiniteError(
            f"the deep stack {start}",
            got=f"losses without bound with every rate of {list(rates)}",
            needs="a rate small enough",
            remedy="Pass smaller rates.",
        )
    return best


def _trained(module: Any, given: Material, rate: float, epochs: int, seed: int) -> list[float]:
    rule = optim.SGD(module.parameters(), lr=rate, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    @backlight.compile  # type: ignore[untyped-decorator]
    def learn(rows: Any, labels: Any) -> Any:
        loss = criterion(module(rows), labels)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    batch = min(BATCH, len(given.train))
    losses = []
    for epoch in range(epochs):
        order = philox.permutation(seed, 100 + epoch, len(given.train))
        whole = order[: len(order) // batch * batch].reshape(-1, batch)
        seen = [learn(given.train[some], given.labels[some]).item() for some in whole]
        losses.append(float(np.mean(seen)))
    return losses
