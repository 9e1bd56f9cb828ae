"""The course's ladder of optimisation, on one loss: guess, stumble, measure the slope, follow it.

Each strategy is paid in evaluations of the loss, so that they can be compared on one axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.check.numerical import evaluations_needed, numerical_gradient
from backlight.errors import ArgumentError

Array = np.ndarray[Any, Any]
Loss = Callable[[Array], float]

BACKWARD_COST = 2
"""Evaluations that a backward pass is worth: it does about twice the work of a forward pass."""


@dataclass(frozen=True)
class Search:
    """What a strategy found, and what it paid.

    Attributes
    ----------
    name : str
    best : array
        The weights with the lowest loss seen.
    loss : float
        That loss.
    evaluations : list of int
        Evaluations of the loss paid until each entry of `losses`.
    losses : list of float
        The lowest loss seen so far (searches), or the current one (descents).
    """

    name: str
    best: Array
    loss: float
    evaluations: list[int]
    losses: list[float]

    def __str__(self) -> str:
        return f"{self.name}: loss {self.loss:.4g} after {self.evaluations[-1]:,} evaluations"


def random_search(
    loss: Loss, shape: tuple[int, ...], *, tries: int, scale: float = 1e-4, seed: int = 0
) -> Search:
    """Draw weights at random, `tries` times, and keep the best: a bad idea, as a start.

    Examples
    --------
    >>> found = random_search(lambda w: float((w - 1) @ (w - 1)), (2,), tries=200, scale=1.0)
    >>> found.loss < 0.1, found.evaluations[-1]
    (True, 200)
    """
    _positive("random_search", tries=tries, scale=scale)
    best, lowest, losses = np.zeros(shape), np.inf, []
    for turn in range(tries):
        weights = scale * philox.normal(seed, turn, shape, np.float64)
        value = loss(weights)
        if value < lowest:
            best, lowest = weights, value
        losses.append(lowest)
    return Search("random search", best, lowest, list(range(1, tries + 1)), losses)


def random_local_search(
    loss: Loss, start: Array, *, tries: int, step: float = 1e-4, seed: int = 0
) -> Search:
    """Take a random step, and stay there if the loss is lower: a blindfolded hiker's way down.

    Examples
    --------
    >>> bowl = lambda w: float(w @ w)
    >>> random_local_search(bowl, np.array([3.0, 4.0]), tries=500, step=0.3).loss < 0.05
    True
    """
    _positive("random_local_search", tries=tries, step=step)
    best = np.array(start, np.float64)
    lowest = loss(best)
    losses = [lowest]
    for turn in range(tries):
        weights = best + step * philox.normal(seed, turn, best.shape, np.float64)
        value = loss(weights)
        if value < lowest:
            best, lowest = weights, value
        losses.append(lowest)
    return Search("random local search", best, lowest, list(range(1, tries + 2)), losses)


def numerical_descent(loss: Loss, start: Array, *, steps: int, learning_rate: float) -> Search:
    """Follow the slope measured by centred differences: two evaluations a weight and step.

    Examples
    --------
    >>> bowl = lambda w: float(w @ w)
    >>> found = numerical_descent(bowl, np.array([3.0, 4.0]), steps=20, learning_rate=0.1)
    >>> round(found.loss, 4), found.evaluations[-1]
    (0.0033, 101)
    """
    _positive("numerical_descent", steps=steps, learning_rate=learning_rate)
    weights = np.array(start, np.float64)
    price = evaluations_needed(weights.size) + 1
    return _descent(
        "numerical gradient descent",
        loss,
        lambda w: np.asarray(numerical_gradient(loss, w)),
        weights,
        steps,
        learning_rate,
        price,
    )


def analytic_descent(
    loss: Loss,
    gradient: Callable[[Array], Array],
    start: Array,
    *,
    steps: int,
    learning_rate: float,
    name: str = "analytic gradient descent",
    share: float = 1.0,
) -> Search:
    """Follow the gradient of backpropagation: worth about three evaluations a step.

    Parameters
    ----------
    loss : callable
        The loss on all examples.
    gradient : callable
        Its gradient; of a random part of the examples for mini-batches.
    start : array
    steps : int
    learning_rate : float
    name : str
    share : float
        Part of the examples that a gradient looks at: a mini-batch is that much cheaper. The loss
        of every step, which is only looked at for the curve, is not counted then.

    Examples
    --------
    >>> found = analytic_descent(
    ...     lambda w: float(w @ w), lambda w: 2 * w, np.array([3.0, 4.0]), steps=20,
    ...     learning_rate=0.1)
    >>> round(found.loss, 4), found.evaluations[-1]
    (0.0033, 61)
    """
    _positive("analytic_descent", steps=steps, learning_rate=learning_rate)
    weights = np.array(start, np.float64)
    price = (1 + BACKWARD_COST) * share
    return _descent(name, loss, gradient, weights, steps, learning_rate, price)


def _descent(
    name: str,
    loss: Loss,
    gradient: Callable[[Array], Array],
    weights: Array,
    steps: int,
    rate: float,
    price: float,
) -> Search:
    losses, paid = [loss(weights)], [1]
    best, lowest = weights.copy(), losses[0]
    for turn in range(steps):
        weights = weights - rate * gradient(weights)
        value = loss(weights)
        losses.append(value)
        paid.append(1 + round((turn + 1) * price))
        if value < lowest:
            best, lowest = weights, value
    return Search(name, best, lowest, paid, losses)


def _positive(who: str, **settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ArgumentError(
                who, got=f"{name}={value!r}", needs="a number above 0", remedy=f"Pass {name}=100."
            )
