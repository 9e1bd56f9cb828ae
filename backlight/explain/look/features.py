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
MOST_LAYERS = 14
_LIKELIEST = 5
_ROOM = 6
"""Columns that leave room for the verdict beside the picture."""
_FLAT = 0.45
"""Height of a strip of numbers, beside that of a strip of maps."""


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


def zero_maps(found: list[LayerMaps]) -> tuple[int, int]:
    """How many maps are zero everywhere, and how many there are; numbers are no maps."""
    maps = [one.dead for one in found if one.spatial]
    return sum(int(dead.sum()) for dead in maps), sum(len(dead) for dead in maps)


def draw(
    classifier: Classifier,
    picture: Any,
    found: list[LayerMaps],
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The picture and what it is taken for, then a strip for each layer.

    Of maps the first are shown; a dead map has a dashed outline and a ×. Of a fully connected
    layer every number is shown.

    Raises
    ------
    ArgumentError
        If no layer has maps.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look, seen = style(theme, language), classifier.checked(picture)
    strips = _some([one for one in found if one.values.ndim in (1, 3)])
    maps = [one for one in strips if one.spatial]
    if not maps:
        raise ArgumentError(
            "features",
            got="a network without maps",
            needs="a convolutional network",
            remedy="Use `weights` or `embedding` for this one.",
        )
    columns = max(min(MOST_MAPS, len(one.values)) for one in maps)
    dead, total = zero_maps(maps)
    caption = look.say("features.caption", dead=dead, total=total, most=columns)
    heights = [1.7] + [1.0 if one.spatial else _FLAT for one in strips]
    size = (1.9 + 0.68 * columns, 1.1 + 0.83 * sum(heights))
    with look.page(*size, look.say("features.title"), caption) as figure:
        grid = figure.add_gridspec(len(strips) + 1, columns + 2, height_ratios=heights)
        _name(figure.add_subplot(grid[0, :2]), look.say("picture"))
        axes = figure.add_subplot(grid[0, 2:4])
        look.picture(axes, seen)
        axes.set_anchor("W")
        if columns > _ROOM:
            _verdict(look, figure.add_subplot(grid[0, _ROOM:]), classifier, seen)
        for row, one in enumerate(strips, start=1):
            _name(figure.add_subplot(grid[row, :2]), _told(look, one))
            if one.spatial:
                _strip(look, figure, grid, row, one, columns)
            else:
                _numbers(look, figure.add_subplot(grid[row, 2:]), one)
    return figure


def _some(found: list[LayerMaps]) -> list[LayerMaps]:
    """All layers, or as many as fit, evenly chosen from the first to the last."""
    chosen = np.linspace(0, len(found) - 1, min(len(found), MOST_LAYERS)).round().astype(int)
    return [found[place] for place in chosen]


def _verdict(look: Style, room: Any, classifier: Classifier, picture: Array) -> None:
    """The likeliest classes with their probabilities, as bars."""
    room.set_axis_off()
    axes = room.inset_axes([0, 0.06, 0.6, 0.8])
    axes.set_in_layout(False)  # its labels must not push the strips apart
    shares = classifier.probabilities(picture[None])[0]
    order = np.argsort(-shares, kind="stable")[:_LIKELIEST][::-1]
    names = [str(classifier.classes[k]) for k in order]
    bars = axes.barh(range(len(order)), shares[order], 0.62, color=look.theme.value)
    axes.set_yticks(range(len(order)), names)
    axes.bar_label(bars, [f"{shares[k]:.1%}" for k in order], size=7, padding=3)
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=7.5, colors=look.theme.ink)
    axes.set_title(look.say("probability"), size=7.5)


def _numbers(look: Style, axes: Any, one: LayerMaps) -> None:
    """Every number of a fully connected layer as a cell of one strip."""
    _map(look, axes, one.values[None], bool((one.values < 0).any()), _most(one))
    axes.set_aspect("auto")


def _strip(look: Style, figure: Any, grid: Any, row: int, one: LayerMaps, columns: int) -> None:
    negative = bool((one.values < 0).any())
    for column, values in enumerate(one.values[:columns]):
        axes = figure.add_subplot(grid[row, column + 2])
        _map(look, axes, values, negative, _most(one))
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


def _map(look: Style, axes: Any, values: Array, negative: bool, most: float) -> None:
    if negative:
        look.signed_map(axes, values, most=most)
    else:
        look.amount_map(axes, values, most=most)


def _most(one: LayerMaps) -> float:
    return float(abs(one.values).max()) or 1.0


def _name(axes: Any, told: str) -> None:
    axes.set_axis_off()
    axes.text(0.0, 0.5, told, transform=axes.transAxes, va="center", ha="left", size=7.5)


def _told(look: Style, one: LayerMaps) -> str:
    size = " × ".join([str(len(one.values)), "×".join(map(str, one.values.shape[1:]))])
    extent = f"{float(one.values.min()):.2g} … {float(one.values.max()):.2g}".replace("-", "−")
    kind = one.kind.split(",")[0]
    if not one.spatial:
        return f"{one.path} {kind}\n{extent}"
    dead = int(one.dead.sum())
    lines = [f"{one.path} {kind}", size, extent]
    if dead:
        lines.append(look.say("features.dead", dead=dead))
    return "\n".join(lines)
