"""Which changes of the data leave the nearest neighbour where it is?

The question of CS231n's first assignment about Manhattan's distance, answered by experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.estimators.search import ExactSearch
from backlight.gates.distance import cdist
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

SAME = 1e-5
"""Neighbours whose distances differ by less, as a share, are equally near."""


@dataclass(frozen=True)
class Invariance:
    """What a change of the data does to the nearest neighbour.

    Attributes
    ----------
    change : str
    order : int
        1 for Manhattan's distance, 2 for Euclid's.
    same : float
        Share of queries with the same neighbour, or one that was equally near before.
    """

    change: str
    order: int
    same: float


def invariances(rows: Array, queries: Array, seed: int = 0) -> list[Invariance]:
    """For five changes of all examples and both distances: how many keep their neighbour.

    Parameters
    ----------
    rows, queries : array (count, features)
        Mean, deviation and the like are those of `rows`.

    Examples
    --------
    >>> from backlight import philox
    >>> cloud = philox.normal(0, 0, (220, 5)) * [1, 2, 3, 4, 50]
    >>> found = {(f.change, f.order): f.same for f in invariances(cloud[20:], cloud[:20])}
    >>> found["mean", 1], found["rotation", 2], bool(found["deviations", 1] < 1)
    (1.0, 1.0, True)
    """
    known, asked = (np.asarray(one, np.float64) for one in (rows, queries))
    mean, deviations = known.mean(axis=0), known.std(axis=0)
    spread = known.std()
    turn = _rotation(known.shape[1], seed)
    changes: dict[str, Callable[[Array], Array]] = {
        "mean": lambda x: x - known.mean(),
        "mean-image": lambda x: x - mean,
        "deviation": lambda x: x / spread,
        "deviations": lambda x: x / np.where(deviations > 0, deviations, 1),
        "rotation": lambda x: x @ turn,
    }
    found = []
    for order in (1, 2):
        before = _nearest(known, asked, order)
        nearest = _distances(known[before], asked, order)
        for name, change in changes.items():
            after = _nearest(change(known), change(asked), order)
            now = _distances(known[after], asked, order)
            same = (before == after) | (now - nearest <= SAME * nearest)
            found.append(Invariance(name, order, float(same.mean())))
    return found


def _nearest(rows: Array, queries: Array, p: int) -> Array:
    search = ExactSearch(p=p)
    search.add(rows)
    return np.asarray(search.find(queries, 1)[1][:, 0])


def _distances(chosen: Array, queries: Array, p: int) -> Array:
    pairs = zip(chosen, queries, strict=True)
    return np.array([float(cdist(one[None], other[None], p=p)[0, 0]) for one, other in pairs])


def _rotation(size: int, seed: int) -> Array:
    """A random rotation of the axes: an orthogonal matrix."""
    drawn = philox.normal(seed, 0, (size, size)).astype(np.float64)
    return np.asarray(np.linalg.qr(drawn)[0])


def draw(board: Board, found: list[Invariance], count: int, name: str) -> Any:
    """For each change the share of queries that keep their neighbour, for both distances."""
    with board.titled(
        "invariance",
        9.4,
        4.2,
        count=count,
        data=name,
    ) as page:
        for axes, order in zip(
            page.subplots(1, 2, sharey=True),
            (1, 2),
            strict=True,
        ):
            rows = [one for one in found if one.order == order]
            names = [board.say(f"invariance.{one.change}") for one in rows]
            shares = [100 * one.same for one in rows]
            bars = board.bars(
                axes,
                names,
                shares,
                [percent(one.same) for one in rows],
            )
            for bar, one in zip(bars, rows, strict=True):
                if one.same < 1:
                    bar.set(
                        facecolor=board.theme.gradient,
                        hatch="//",
                        edgecolor=board.theme.paper,
                    )
            axes.set(
                xlim=(0, 122),
                xticks=[0, 50, 100],
                title=f"L{order}",
            )
            axes.set_xlabel(board.say("invariance.kept"))
    return page


@study("invariance", examples=1000)
def _invariance(asked: Asked) -> Told:
    given = asked.material
    queries = given.held[:200]
    found = invariances(given.train, queries, asked.seed)
    table = [{"change": f.change, "distance": f"L{f.order}", "same": f.same} for f in found]
    return draw(
        asked.board,
        found,
        len(queries),
        given.name,
    ), {"table": table}
