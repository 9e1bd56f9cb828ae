"""In many dimensions everything is equally far away: the nearest hardly nearer than the farthest.

Source: Beyer, Goldstein, Ramakrishnan and Shaft, "When is nearest neighbor meaningful?", 1999.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.gates.distance import cdist
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

DIMENSIONS = tuple(2**k for k in range(13))
POINTS = 500
QUERIES = 20


@dataclass(frozen=True)
class Concentration:
    """How much farther the farthest point is than the nearest.

    Attributes
    ----------
    dimensions : tuple of int
    ratios : dict of int to ndarray
        For each order of the distance: the median over the queries of farthest / nearest, for each
        dimension.
    """

    dimensions: tuple[int, ...]
    ratios: dict[int, Array]


def concentration(
    dimensions: Sequence[int] = DIMENSIONS,
    points: int = POINTS,
    queries: int = QUERIES,
    seed: int = 0,
) -> Concentration:
    """Farthest over nearest among points drawn evenly from a cube, as its dimension grows.

    Examples
    --------
    >>> found = concentration((2, 1000), points=200)
    >>> bool(found.ratios[2][0] > 10), bool(found.ratios[2][1] < 1.3)
    (True, True)
    """
    found: dict[int, list[float]] = {1: [], 2: []}
    for size in dimensions:
        cloud = philox.uniform(
            seed,
            size,
            (points + queries, size),
        ).astype(np.float64)
        for p, ratios in found.items():
            ratios.append(_ratio(cloud[:queries], cloud[queries:], p))
    return Concentration(tuple(dimensions), {p: np.array(one) for p, one in found.items()})


def ratio_of(rows: Array, queries: Array, p: float = 2) -> float:
    """The same ratio among given examples; those at distance zero are left out."""
    return _ratio(
        queries.astype(np.float64),
        rows.astype(np.float64),
        p,
    )


def _ratio(queries: Array, points: Array, p: float) -> float:
    far = np.asarray(cdist(queries, points, p=p))
    nearest = np.where(far > 0, far, np.inf).min(axis=1)
    return float(np.median(far.max(axis=1) / nearest))


def draw(board: Board, found: Concentration, own: dict[int, float], size: int, name: str) -> Any:
    """The ratio against the dimension, down to 1, and where the data lies."""
    with board.titled(
        "concentration",
        7.8,
        4.8,
        points=POINTS,
        data=name,
    ) as page:
        axes = page.subplots()
        for place, (p, ratios) in enumerate(found.ratios.items()):
            how = board.curve(place)
            axes.loglog(
                found.dimensions,
                ratios,
                label=f"L{p}",
                **how,
            )
            label = f"{name}, L{p}: {own[p]:.3g}"
            axes.plot(
                size,
                own[p],
                "sD"[place],
                color=how["color"],
                markersize=8,
                label=label,
            )
        axes.axhline(
            1,
            color=board.theme.ink,
            linewidth=0.9,
        )
        axes.set(
            xlabel=board.say("concentration.dimension"), ylabel=board.say("concentration.ratio")
        )
        ticks = [2**k for k in range(0, 13, 2)]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        heights = [1, 2, 5, 10, 100, 1000]
        axes.set_yticks(heights, [f"{height:,}" for height in heights])
        axes.minorticks_off()
        axes.set_ylim(0.85, None)
        axes.legend()
        axes.grid()
    return page


@study("concentration", examples=500)
def _concentration(asked: Asked) -> Told:
    given = asked.material
    found = concentration(seed=asked.seed)
    own = {
        p: ratio_of(
            given.train,
            given.held[:QUERIES],
            p,
        )
        for p in (1, 2)
    }
    table = [
        {"dimension": size, "L1": float(one), "L2": float(two)}
        for size, one, two in zip(
            found.dimensions,
            *found.ratios.values(),
            strict=True,
        )
    ]
    facts = {"data_L1": own[1], "data_L2": own[2], "table": table}
    return draw(
        asked.board,
        found,
        own,
        given.train.shape[1],
        given.name,
    ), facts
