"""The step size on data of one's own: too small, right, too large, and beyond the bound.

The least-squares loss of a linear classifier, mean ½·|W·x − y|² with a one in y for the right
class, is a bowl whose steepest direction bends by L, the largest eigenvalue of XᵀX/n. Gradient
descent comes down if and only if its step is below 2/L.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.derivative import value_and_grad
from backlight.gates.linear import linear
from backlight.studies.board import Board
from backlight.studies.material import Material, centred
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

TIMES = (0.02, 0.2, 1.0, 1.9, 2.1)
"""Steps that are tried, in units of 1/L."""

STEPS = 80
NEAR = 1.05
"""A step is right if its last loss is at most this times the lowest of all."""


@dataclass(frozen=True)
class Walk:
    """Gradient descent with one step size.

    Attributes
    ----------
    times, rate : float
        The step in units of 1/L, and itself.
    losses : ndarray (steps + 1,)
    """

    times: float
    rate: float
    losses: Array


def step_sizes(
    given: Material, times: Sequence[float] = TIMES, steps: int = STEPS
) -> tuple[float, list[Walk]]:
    """The largest curvature, and a descent from zero weights for each step size.

    Parameters
    ----------
    given : Material
        Its rows are centred, with a constant 1 behind them for the bias.
    times : sequence of float
        Steps in units of 1/L.
    steps : int

    Returns
    -------
    curvature : float
        L.
    walks : list of Walk
    """
    rows = centred(given.train)[0]
    curvature = float(np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1])
    truth = np.eye(len(given.classes))[given.labels]

    def loss(weights: Any) -> Any:
        apart = linear(rows, weights) - truth
        return 0.5 * (apart * apart).sum() / len(rows)

    slope = value_and_grad(loss)
    walks = []
    for one in times:
        rate = one / curvature
        weights = np.zeros((len(given.classes), rows.shape[1]))
        losses = []
        for _ in range(steps + 1):
            value, gradient = slope(weights)
            losses.append(float(value))
            weights = weights - rate * np.asarray(gradient)
        walks.append(Walk(one, rate, np.array(losses)))
    return curvature, walks


def verdict_of(walk: Walk, walks: Sequence[Walk]) -> str:
    """One of diverges (the loss grows), right (it ends near the lowest), small."""
    if walk.losses[-1] > walk.losses[-2]:
        return "diverges"
    lowest = min(float(one.losses[-1]) for one in walks)
    return "right" if walk.losses[-1] <= NEAR * lowest else "small"


def draw(board: Board, curvature: float, walks: list[Walk], name: str) -> Any:
    """The loss after each step, a curve a step size."""
    values = {"curvature": f"{curvature:.3g}", "data": name}
    with board.titled("step-size", 8.8, 4.8, **values) as page:
        axes = page.subplots()
        for place, walk in enumerate(walks):
            verdict = board.say(f"step-size.{verdict_of(walk, walks)}")
            label = f"η = {walk.times:g}/L: {verdict}"
            axes.semilogy(
                walk.losses,
                label=label,
                **board.curve(place),
            )
        axes.set(xlabel=board.say("step-size.step"), ylabel=board.say("step-size.loss"))
        start = walks[0].losses[0]
        lowest = min(float(walk.losses.min()) for walk in walks)
        axes.set_ylim(0.8 * lowest, 8 * start)
        ticks = [
            tick
            for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
            if 0.8 * lowest <= tick <= 8 * start
        ]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            fontsize=9,
        )
        axes.grid()
    return page


@study("step-size", examples=1000)
def _step_size(asked: Asked) -> Told:
    given = asked.material
    curvature, walks = step_sizes(given)
    table = [
        {
            "times_1/L": walk.times,
            "step": walk.rate,
            "last_loss": float(walk.losses[-1]),
            "verdict": verdict_of(walk, walks),
        }
        for walk in walks
    ]
    facts = {"curvature": curvature, "table": table}
    return draw(
        asked.board,
        curvature,
        walks,
        given.name,
    ), facts
