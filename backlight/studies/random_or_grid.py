"""Search at random or on a grid? Nine trials of two settings of which one matters.

A grid of 3 × 3 tries three values of the setting that matters; nine random trials try nine. Away
from the borders random search comes nearer to the best value with probability
1 − 6·∫₀^⅙ (1 − 2d)⁹ dd = 1 − 0.3·(1 − (2/3)¹⁰) ≈ 0.705.

Source: Bergstra and Bengio, "Random search for hyper-parameter optimization", 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

SIDE = 3
REPEATS = 1000
EXPECTED = 1 - 0.3 * (1 - (2 / 3) ** 10)


@dataclass(frozen=True)
class Contest:
    """Grid against random search, many times.

    Attributes
    ----------
    best : ndarray (repeats,)
        Where the setting that matters is best.
    grid, random : ndarray (repeats,)
        How far the nearest trial is from it.
    trials : ndarray (repeats, 9, 2)
        The random trials.
    """

    best: Array
    grid: Array
    random: Array
    trials: Array

    @property
    def share(self) -> float:
        """How often random search came nearer."""
        return float((self.random < self.grid).mean())


def contest(repeats: int = REPEATS, seed: int = 0) -> Contest:
    """Nine trials of each, for a best value planted by chance away from the borders.

    Examples
    --------
    >>> 0.65 < contest(1000).share < 0.76
    True
    """
    values = (np.arange(SIDE) + 0.5) / SIDE
    best = 1 / 6 + 2 / 3 * philox.uniform(seed, 0, (repeats,), np.float64)
    trials = philox.uniform(seed, 1, (repeats, SIDE * SIDE, 2), np.float64)
    grid = np.abs(best[:, None] - values).min(axis=1)
    random = np.abs(best[:, None] - trials[:, :, 0]).min(axis=1)
    return Contest(best, grid, random, trials)


def draw(board: Board, found: Contest) -> Any:
    """One contest: the trials over both settings, and what each saw of the one that matters."""
    values = (np.arange(SIDE) + 0.5) / SIDE
    grid = np.stack(np.meshgrid(values, values), axis=-1).reshape(-1, 2)
    kept = int(np.argmax(found.grid - found.random))
    told = {"share": percent(found.share), "repeats": f"{len(found.best):,}"}
    told["expected"] = percent(EXPECTED)
    with board.titled("random-or-grid", 8.8, 5.2, **told) as page:
        panels = page.subplots(2, 2, sharex=True, height_ratios=[1, 2.4])
        contests = (("grid", grid, "s"), ("random", found.trials[kept], "o"))
        for column, (name, trials, marker) in enumerate(contests):
            above, below = panels[:, column]
            _hill(board, above, trials[:, 0], float(found.best[kept]))
            above.set_title(board.say(f"random-or-grid.{name}"))
            below.scatter(
                *trials.T,
                s=46,
                marker=marker,
                color=board.class_colour(column),
                zorder=3,
            )
            below.axvline(found.best[kept], color=board.theme.gradient, linestyle="--")
            below.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
            below.set_xlabel(board.say("random-or-grid.matters"))
            below.set_ylabel(board.say("random-or-grid.other"))
    return page


def _hill(board: Board, axes: Any, tried: Array, best: float) -> None:
    """How good each value is, and the values that were tried."""

    def height(x: Array) -> Array:
        return np.asarray(np.exp(-(((x - best) / 0.11) ** 2)))

    across = np.linspace(0, 1, 301)
    axes.fill_between(across, height(across), color=board.theme.value, alpha=0.2, linewidth=0)
    axes.vlines(tried, 0, height(tried), color=board.theme.ink, linewidth=1)
    axes.plot(tried, height(tried), "o", color=board.theme.ink, markersize=4)
    axes.set(ylim=(0, 1.1), yticks=[])
    axes.set_ylabel(board.say("random-or-grid.good"))


@study("random-or-grid", data="")
def _random_or_grid(asked: Asked) -> Told:
    found = contest(seed=asked.seed)
    return draw(asked.board, found), {"random_is_nearer": found.share, "expected": EXPECTED}
