"""The way that training took, drawn on a line, on a map and on a surface.

Checkpoints do not lie in the plane that is drawn. What is drawn is where they fall on it (their
projection), at the height that the loss has there.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from backlight.explain.landscape.slice import Slice
from backlight.explain.look.style import Style, signed_number

Array = np.ndarray[Any, Any]

_PIECES = 24
"""Straight pieces of the way between two checkpoints, so that it follows the surface."""
_LIFT = 0.012
"""How far above the surface the way is drawn, as a part of the surface's height."""


def between_points(across: Array, up: Array, heights: Array, places: Any) -> Array:
    """Heights at any places, from the four points of a grid around each (bilinear).

    Parameters
    ----------
    across, up : ndarray (n,) and (m,)
        Rising.
    heights : ndarray (m, n)
    places : array_like (k, 2)
        Outside the grid the height at its edge is given.

    Returns
    -------
    ndarray (k,)

    Examples
    --------
    >>> grid = np.array([[0.0, 1.0], [2.0, 5.0]])
    >>> between_points(np.array([0, 1]), np.array([0, 1]), grid, [(0.5, 0), (1, 0.5)]).tolist()
    [0.5, 3.0]
    """
    points = np.asarray(places, np.float64)
    corners, parts = [], []
    for axis, ticks in enumerate((across, up)):
        at = np.clip(points[:, axis], ticks[0], ticks[-1])
        low = np.clip(np.searchsorted(ticks, at, side="right") - 1, 0, len(ticks) - 2)
        corners.append(low)
        parts.append((at - ticks[low]) / (ticks[low + 1] - ticks[low]))
    (column, row), (right, over) = corners, parts
    below = heights[row, column] * (1 - right) + heights[row, column + 1] * right
    above = heights[row + 1, column] * (1 - right) + heights[row + 1, column + 1] * right
    found: Array = below * (1 - over) + above * over
    return found


def pieces(way: Any) -> Array:
    """The corners of a way, and points on the straight lines between them.

    Examples
    --------
    >>> pieces([(0.0, 0.0), (1.0, 2.0)])[[0, 12, 24]].tolist()
    [[0.0, 0.0], [0.5, 1.0], [1.0, 2.0]]
    """
    corners = np.asarray(way, np.float64)
    parts = np.linspace(0, 1, _PIECES + 1)[1:, None]
    found = [corners[:1]]
    found += [first + parts * (last - first) for first, last in itertools.pairwise(corners)]
    return np.concatenate(found)


def on_line(look: Style, axes: Any, found: Slice, way: Array, names: tuple[str, ...]) -> None:
    """Dots on the curve where the checkpoints fall, the ends named with their loss."""
    losses = np.where(np.isfinite(found.losses), found.losses, np.nan)
    places = way[:, 0]
    heights = np.interp(places, found.across, losses)
    axes.plot(places, heights, "o", color=look.theme.gradient, markersize=6, zorder=4)
    for name, end in zip(names, (0, -1), strict=False):
        place, height = float(places[end]), float(heights[end])
        if not np.isfinite(height):
            continue
        left = _rises(found.across, losses, place)  # beside the curve, not on it
        axes.annotate(
            ": ".join([*([name] if name else []), signed_number(height)]),
            (place, height),
            xytext=(-8 if left else 8, 8),
            textcoords="offset points",
            size=8.5,
            ha="right" if left else "left",
        )


def on_map(look: Style, axes: Any, way: Array, names: tuple[str, ...]) -> None:
    """Dots joined by lines, the ends named."""
    axes.plot(
        *way.T,
        "o-",
        color=look.theme.gradient,
        markersize=4.5,
        linewidth=1.2,
        markeredgecolor=look.theme.paper,
        markeredgewidth=0.6,
    )
    for name, place in zip(names, way[[0, -1]], strict=True):
        axes.annotate(
            name,
            tuple(place),
            xytext=(7, 7),
            textcoords="offset points",
            size=8.5,
            bbox={"facecolor": look.theme.paper, "edgecolor": "none", "alpha": 0.75},
        )


def on_surface(
    look: Style, axes: Any, found: Slice, heights: Array, way: Array, names: tuple[str, ...]
) -> None:
    """The way laid over the surface, in front of it even where a hill would hide it."""
    lift = _LIFT * float(np.nanmax(heights) - np.nanmin(heights))

    def over(places: Array) -> tuple[Array, Array, Array]:
        height = between_points(found.across, found.up, heights, places) + lift
        return places[:, 0], places[:, 1], height

    line = over(pieces(way))
    for width, colour in ((3.4, look.theme.paper), (1.6, look.theme.gradient)):
        axes.plot(*line, color=colour, linewidth=width, zorder=10)
    axes.plot(
        *over(way),
        "o",
        color=look.theme.gradient,
        markersize=4.5,
        markeredgecolor=look.theme.paper,
        markeredgewidth=0.6,
        zorder=11,
    )
    across, up, height = over(way[[0, -1]])
    for place, name in enumerate(names):
        axes.text(
            across[place],
            up[place],
            height[place] + 4 * lift,
            name,
            size=8.5,
            ha="center",
            va="bottom",
            zorder=12,
            bbox={"facecolor": look.theme.paper, "edgecolor": "none", "alpha": 0.75, "pad": 1.2},
        )


def _rises(across: Array, losses: Array, place: float) -> bool:
    """Whether the curve goes up to the right of a place, steeply enough to be seen."""
    reach = 0.1 * (across[-1] - across[0])
    here, there = np.interp([place, place + reach], across, losses)
    return bool(there - here > 0.05 * (np.nanmax(losses) - np.nanmin(losses)))
