"""Ways down one loss, side by side, each paid in evaluations of the loss.

Source: CS231n, optimization notes; the loss is Weston and Watkins' hinge of a linear classifier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight import philox
from backlight.check.numerical import evaluations_needed
from backlight.engine.derivative import grad
from backlight.explain.strategies import (
    BACKWARD_COST,
    Search,
    analytic_descent,
    numerical_descent,
    random_local_search,
    random_search,
)
from backlight.gates.hinge import multiclass_hinge
from backlight.gates.linear import linear
from backlight.studies.board import Board, percent
from backlight.studies.material import Material, centred
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

TRIES = 1000
STEPS = 200
BATCH, LARGE_BATCH, MANY = 64, 256, 10_000
"""Examples of a mini-batch: the second where there are many."""
EPOCHS = 20
"""Of the descent by mini-batches, at least."""
FASTER = 4
"""Its first step, in steps of the others: its rate goes to 0 along a cosine, theirs stays."""
LOOKED_AT = 1_000
"""Examples on which the loss of its curve is measured; it needs no loss to go on."""
START = 1e-3
"""Standard deviation of the weights that local search and the descents begin with."""

MEASURED_LESS = 40
MOST_MEASURED = 2_000
"""Weights up to which the gradient is also measured number by number."""


@dataclass(frozen=True)
class Way:
    """A strategy, and what it came to.

    Attributes
    ----------
    name : str
    search : Search or None
        None where the strategy was too dear: its price is told all the same.
    price : float
        Evaluations of the loss that a step costs.
    accuracy : float
        On held-out examples; NaN where it was not run.
    """

    name: str
    search: Search | None
    price: float
    accuracy: float


class Ground:
    """The loss that all ways go down, and its gradients.

    Parameters
    ----------
    rows : array (count, features)
        Centred, with a constant 1 behind them.
    labels : array (count,)
    seed : int
        Of the mini-batches.
    steps : int
        Of the descent by mini-batches, at least.
    """

    def __init__(self, rows: Array, labels: Array, seed: int, steps: int = 0) -> None:
        self.rows, self.labels, self.seed = rows.astype(np.float32), labels, seed
        self.turn = 0
        self.size = min(len(rows), LARGE_BATCH if len(rows) >= MANY else BATCH)
        self.steps = max(steps, EPOCHS * len(rows) // self.size)
        self._exact = rows.astype(np.float64)
        self._slope = grad(lambda w, some, right: multiclass_hinge(linear(some, w), right))

    def loss(self, weights: Array) -> float:
        """The mean loss of all examples."""
        scores = linear(self.rows, weights.astype(np.float32))
        return float(multiclass_hinge(scores, self.labels))

    def exact_loss(self, weights: Array) -> float:
        """The same in float64: a difference of two losses needs the digits."""
        return float(multiclass_hinge(linear(self._exact, weights), self.labels))

    def gradient(self, weights: Array) -> Array:
        """The gradient of all examples."""
        found = self._slope(weights.astype(np.float32), self.rows, self.labels)
        return np.asarray(found)

    def loss_of_some(self, weights: Array) -> float:
        """The mean loss of the first examples."""
        scores = linear(self.rows[:LOOKED_AT], weights.astype(np.float32))
        return float(multiclass_hinge(scores, self.labels[:LOOKED_AT]))

    def of_batch(self, weights: Array) -> Array:
        """The gradient of a few examples, others at each call, less and less of it."""
        share = 0.5 + 0.5 * np.cos(np.pi * self.turn / self.steps)
        self.turn += 1
        drawn = philox.integers(self.seed, (1 << 20) + self.turn, self.size)
        chosen = drawn % len(self.rows)
        some = self.rows[chosen], self.labels[chosen]
        return np.asarray(share * self._slope(weights.astype(np.float32), *some))


def strategies(given: Material, tries: int = TRIES, steps: int = STEPS, seed: int = 0) -> list[Way]:
    """Random search, local search, and descents by measured, exact and mini-batch gradients.

    Rows are centred, with a constant 1 behind them for the bias.

    Parameters
    ----------
    given : Material
    tries : int
        Of each random search.
    steps : int
        Of the descent by exact gradients; one by measured gradients takes a fortieth, mini-batches
        at least twice as many, and 20 epochs.
    seed : int

    Returns
    -------
    list of Way
        Named random, local, numerical, analytic, batch.
    """
    rows, held = centred(given.train, given.held)
    ground = Ground(rows, given.labels, seed, 2 * steps)
    shape = (len(given.classes), rows.shape[1])
    start = START * philox.normal(seed, 0, shape, np.float64)
    rate = 1 / (2 * float((rows * rows).sum(axis=1).mean()))
    share = ground.size / len(rows)
    found: dict[str, Search | None] = {
        "random": random_search(ground.loss, shape, tries=tries, seed=seed),
        "local": random_local_search(
            ground.loss,
            start,
            tries=tries,
            step=START / 10,
            seed=seed + 1,
        ),
        "numerical": _measured(ground, start, steps, rate),
        "analytic": analytic_descent(
            ground.loss,
            ground.gradient,
            start,
            steps=steps,
            learning_rate=rate,
        ),
        "batch": _by_batches(ground, start, rate, share),
    }
    exact = 1 + BACKWARD_COST
    prices = (1, 1, evaluations_needed(start.size), exact, exact * share)
    return [
        Way(name, search, price, _accuracy(search, held, given.held_labels))
        for (name, search), price in zip(found.items(), prices, strict=True)
    ]


def _by_batches(ground: Ground, start: Array, rate: float, share: float) -> Search:
    found = analytic_descent(
        ground.loss_of_some,
        ground.of_batch,
        start,
        steps=ground.steps,
        learning_rate=FASTER * rate,
        share=share,
    )
    return replace(found, loss=ground.loss(found.best))


def _measured(ground: Ground, start: Array, steps: int, rate: float) -> Search | None:
    if start.size > MOST_MEASURED:
        return None
    few = max(1, steps // MEASURED_LESS)
    return numerical_descent(ground.exact_loss, start, steps=few, learning_rate=rate)


def _accuracy(search: Search | None, held: Array, labels: Array) -> float:
    if search is None:
        return float("nan")
    return float(((held @ search.best.T).argmax(axis=1) == labels).mean())


def draw(board: Board, ways: list[Way], given: Material) -> Any:
    """The loss against what was paid, and the accuracy that each way reached."""
    values = {"count": f"{len(given.train):,}", "data": given.name, "weights": _size(ways)}
    with board.titled(
        "strategies",
        11.0,
        4.8,
        **values,
    ) as page:
        left, right = page.subplots(1, 2, width_ratios=[1.25, 1])
        for place, way in enumerate(ways):
            if way.search is None:
                continue
            label = board.say(f"strategies.{way.name}")
            tries = np.arange(len(way.search.losses))
            paid = 1 + tries * way.price
            left.plot(
                paid,
                way.search.losses,
                label=label,
                **board.curve(place),
            )
        left.set_xscale("log")
        left.set(xlabel=board.say("strategies.paid"), ylabel=board.say("strategies.loss"))
        left.set_ylim(0, None)
        left.legend(fontsize=8.5)
        left.grid()
        names = [board.say(f"strategies.{way.name}") for way in ways]
        shares = [0.0 if way.search is None else 100 * way.accuracy for way in ways]
        told = [_told(board, way) for way in ways]
        bars = board.bars(right, names, shares, told)
        for place, bar in enumerate(bars):
            bar.set_color(board.curve(place)["color"])
        right.set(xlim=(0, 1.75 * max(shares)), xticks=[0, 25, 50, 75, 100])
        right.set_xlabel(board.say("accuracy"))
        right.set_title(board.say("strategies.reached"))
    return page


def _size(ways: list[Way]) -> str:
    found = next(way.search for way in ways if way.search is not None)
    return f"{found.best.size:,}"


def _told(board: Board, way: Way) -> str:
    price = f"{way.price:,.0f}" if way.price >= 1 else f"{way.price:.2g}"
    cost = board.say("strategies.price", price=price)
    return cost if way.search is None else f"{percent(way.accuracy)}, {cost}"


@study("strategies", examples=1000)
def _strategies(asked: Asked) -> Told:
    given = asked.material
    ways = strategies(given, seed=asked.seed)
    table = [
        {
            "strategy": way.name,
            "evaluations_a_step": way.price,
            "paid": way.search.evaluations[-1] if way.search else None,
            "loss": way.search.loss if way.search else None,
            "accuracy": way.accuracy if way.search else None,
        }
        for way in ways
    ]
    return draw(asked.board, ways, given), {"table": table}
