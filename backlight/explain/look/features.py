"""Feature maps: what every layer makes of one picture, with the dead maps outlined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import Style, style

Array = np.ndarray[Any, Any]

MOST_MAPS = 16
"""Maps of a layer that a figure shows."""
MOST_LAYERS = 12


@dataclass(frozen=True)
class LayerMaps:
    """The output of one layer for one picture.

    Attributes
    ----------
    path, kind : str
        Where the layer is, and what it is.
    values : ndarray (C, h, w) or (D,)
        What it made.
    dead : ndarray (C,) or (D,) of bool
        Maps, or numbers, that are zero everywhere.
    """

    path: str
    kind: str
    values: Array
    dead: Array

    @property
    def spatial(self) -> bool:
        """Whether it has maps."""
        return self.values.ndim == 3


def features(classifier: Classifier, picture: Any) -> list[LayerMaps]:
    """The output of every layer for a picture, in the order in which they ran.

    Layers that only change the shape are left out.

    Parameters
    ----------
    classifier : Classifier
    picture : array_like
        Numbers in [0, 1], of the network's shape.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    >>> [one.path for one in features(classifier(net, 2, (1, 4, 4)), np.ones((1, 4, 4)))]
    ['0', '1', '3']
    """
    found = []
    for path, values in classifier.outputs(classifier.checked(picture)[None]).items():
        if type(classifier.layer(path)).__name__ in ("Flatten", "Dropout", "Identity"):
            continue
        one = values[0]
        zero = (one == 0).reshape(one.shape[0], -1).all(axis=1) if one.ndim else one == 0
        found.append(LayerMaps(path, classifier.layer(path).describe(), one, zero))
    return found


def draw(
    classifier: Classifier,
    picture: Any,
    found: list[LayerMaps],
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """Strips of maps, a layer each, the picture first; a dead map has a dashed outline and a ×.

    Raises
    ------
    ArgumentError
        If no layer has maps.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look, seen = style(theme, language), classifier.checked(picture)
    strips = [one for one in found if one.spatial and one.values.shape[1] * one.values.shape[2] > 1]
    if not strips:
        raise ArgumentError(
            "features",
            got="a network without maps",
            needs="a convolutional network",
            remedy="Use `weights` or `embedding` for this one.",
        )
    strips = strips[:MOST_LAYERS]
    columns = max(min(MOST_MAPS, len(one.values)) for one in strips)
    dead = sum(int(one.dead.sum()) for one in strips)
    total = sum(len(one.dead) for one in strips)
    caption = look.say("features.caption", dead=dead, total=total, most=columns)
    size = (1.9 + 0.68 * columns, 2.0 + 0.83 * len(strips))
    with look.page(*size, look.say("features.title"), caption) as figure:
        grid = figure.add_gridspec(
            len(strips) + 1, columns + 2, height_ratios=[1.6] + [1.0] * len(strips)
        )
        axes = figure.add_subplot(grid[0, 2:4])
        look.picture(axes, seen)
        axes.set_anchor("W")
        _name(figure.add_subplot(grid[0, :2]), look.say("picture"))
        for row, one in enumerate(strips):
            _name(figure.add_subplot(grid[row + 1, :2]), _told(look, one))
            _strip(look, figure, grid, row + 1, one, columns)
    return figure


def _strip(look: Style, figure: Any, grid: Any, row: int, one: LayerMaps, columns: int) -> None:
    negative = bool((one.values < 0).any())
    most = float(abs(one.values).max()) or 1.0
    for column, values in enumerate(one.values[:columns]):
        axes = figure.add_subplot(grid[row, column + 2])
        if negative:
            look.signed_map(axes, values, most=most)
        else:
            look.amount_map(axes, values, most=most)
        if one.dead[column]:
            look.outline(axes)
            axes.text(
                0.5,
                0.5,
                "×",
                transform=axes.transAxes,
                ha="center",
                va="center",
                size=15,
                color=look.theme.gradient,
            )


def _name(axes: Any, told: str) -> None:
    axes.set_axis_off()
    axes.text(0.0, 0.5, told, transform=axes.transAxes, va="center", ha="left", size=7.5)


def _told(look: Style, one: LayerMaps) -> str:
    count, height, width = one.values.shape
    extent = f"{float(one.values.min()):.2g} … {float(one.values.max()):.2g}".replace("-", "−")
    kind = one.kind.split(",")[0]
    dead = int(one.dead.sum())
    lines = [f"{one.path} {kind}", f"{count} × {height}×{width}", extent]
    if dead:
        lines.append(look.say("features.dead", dead=dead))
    return "\n".join(lines)
