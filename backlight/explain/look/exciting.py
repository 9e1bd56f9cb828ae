"""What excites a unit: the pictures it answers most strongly to, and the patch it sees of each.

Layer by layer this is the hierarchy of a network: edges and colours, then textures, then parts,
then whole things seen from several sides. Source: Zeiler and Fergus 2014; Girshick et al. 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.apply import watch
from backlight.engine.mode import no_grad
from backlight.engine.tensor import as_tensor
from backlight.errors import RangeError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import Style, signed_number, style
from backlight.gates.reduction import argmax
from backlight.gates.reduction import max as largest
from backlight.gates.view import reshape
from backlight.nn.outline import Outline, claim
from backlight.nn.receptive_field import WHOLE, ReceptiveField, point

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Exciting:
    """The pictures that excite one unit most.

    Attributes
    ----------
    layer : str
    unit : int
        The map, or the number, of the layer.
    places : ndarray (n,)
        Which pictures, the strongest first.
    values : ndarray (n,)
        Their largest activation.
    boxes : list of (top, bottom, left, right)
        What the unit sees of each picture at the place of that activation, in pixels.
    field : ReceptiveField
        Its size without the border of the picture.
    active : float
        Part of all pictures that excite it at all: answers above 0.
    """

    layer: str
    unit: int
    places: Array
    values: Array
    boxes: list[tuple[int, int, int, int]]
    field: ReceptiveField
    active: float


def exciting(
    classifier: Classifier,
    pictures: Any,
    layer: str,
    units: Sequence[int] | None = None,
    count: int = 9,
) -> list[Exciting]:
    """The pictures and patches that excite units of a layer most.

    Parameters
    ----------
    classifier : Classifier
    pictures : ndarray (n, C, H, W)
        Where to look, such as the training split; numbers in [0, 1].
    layer : str
        Path of a layer.
    units : sequence of int, optional
        Which maps or numbers; by default six, see `selective`.
    count : int
        Pictures for each.

    Raises
    ------
    ArgumentError
        Unknown layer.
    RangeError
        A unit that the layer does not have, or no pictures.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    >>> pictures = np.random.default_rng(0).random((5, 1, 4, 4))
    >>> found = exciting(classifier(net, 2, (1, 4, 4)), pictures, "0", [1], count=2)
    >>> found[0].places.shape, str(found[0].field)
    ((2,), '3×3')
    """
    classifier.layer(layer)
    images = np.asarray(pictures, np.float32)
    if not len(images):
        raise RangeError(
            "exciting", got="no pictures", needs="at least one", remedy="Pass some pictures."
        )

    def strongest(p: Any) -> Any:
        out = classifier.reach(layer, p)
        flat = reshape(out, (*out.shape[:2], -1))
        return largest(flat, axis=2), argmax(flat, axis=2)

    peaks, corners = classifier.in_batches(("strongest", layer), strongest, images)
    chosen = selective(peaks) if units is None else [int(one) for one in units]
    for unit in chosen:
        if not 0 <= unit < peaks.shape[1]:
            raise RangeError(
                f"layer {layer}",
                got=f"unit {unit}",
                needs=f"a unit from 0 to {peaks.shape[1] - 1}",
                remedy="Choose one of those.",
            )
    field = receptive_field(classifier, layer)
    sight = Sight(classifier, layer)
    found = []
    for unit in chosen:
        order = np.argsort(-peaks[:, unit], kind="stable")[:count]
        boxes = [sight.box(int(corners[place, unit])) for place in order]
        active = float((peaks[:, unit] > 0).mean())
        found.append(Exciting(layer, unit, order, peaks[order, unit], boxes, field, active))
    return found


def selective(peaks: Array, count: int = 6, top: int = 9) -> list[int]:
    """The most selective units of those whose strongest answers are not below the median.

    Selective is who answers to a few pictures far more than to the rest: the largest distance of
    the top answers from the mean, in standard deviations. Sorted by number.

    Examples
    --------
    >>> peaks = np.array([[1.0, 9.0, 0.0], [1.1, 0.0, 0.0], [0.9, 0.0, 0.0]])
    >>> selective(peaks, count=1, top=1)
    [1]
    """
    best = np.sort(peaks, axis=0)[-top:].mean(axis=0)
    ratio = (best - peaks.mean(axis=0)) / (peaks.std(axis=0) + 1e-12)
    weak = (best < np.median(best)) | (best <= 0)
    order = np.argsort(-np.where(weak, ratio - 1e6, ratio), kind="stable")[:count]
    return sorted(int(one) for one in order)


def extent(field: ReceptiveField, look: Style) -> str:
    """The size of a field in words: 14×14, or the whole picture."""
    return "×".join(map(str, field.size)) or look.say("exciting.whole")


def receptive_field(classifier: Classifier, layer: str) -> ReceptiveField:
    """How large a part of the picture a number of the layer's output is computed from."""
    if len(classifier.shape) != 3:
        return WHOLE
    start = Outline.of((1, *classifier.shape), np.float32)
    start.note("field", point(2))
    with no_grad(), watch(claim):
        out = classifier.reach(layer, start)
    found = out.field if isinstance(out, Outline) else None
    return WHOLE if found is None else found


class Sight:
    """Which pixels a place of a layer sees, the border of the picture counted.

    A row or column of the picture is made NaN. What comes out as NaN saw it: no layer needs to
    be known, and padding, strides and branches are all in the answer.
    """

    def __init__(self, classifier: Classifier, layer: str) -> None:
        self._shape = classifier.shape
        self._rows = self._columns = None
        if len(self._shape) != 3:
            return
        _, height, width = self._shape
        spoiled = np.zeros((height + width, *self._shape), np.float32)
        for row in range(height):
            spoiled[row, :, row] = np.nan
        for column in range(width):
            spoiled[height + column, :, :, column] = np.nan
        with no_grad():
            out = np.asarray(classifier.reach(layer, as_tensor(spoiled))._value)
        if out.ndim != 4:
            return
        reached = np.isnan(out).any(axis=1)
        self._width = out.shape[3]
        self._rows = reached[:height].any(axis=2)
        self._columns = reached[height:].any(axis=1)

    def box(self, place: int) -> tuple[int, int, int, int]:
        """Top, bottom, left and right (the ends excluded) of what a flat place of a map sees."""
        if self._rows is None or self._columns is None:
            _, height, width = self._shape if len(self._shape) == 3 else (1, 1, self._shape[0])
            return 0, height, 0, width
        row, column = divmod(place, self._width)
        top, bottom = _ends(self._rows[:, row])
        left, right = _ends(self._columns[:, column])
        return top, bottom, left, right


def draw_unit(
    classifier: Classifier,
    pictures: Any,
    found: Exciting,
    *,
    theme: str = "light",
    language: str | None = None,
    labels: Any = None,
) -> Any:
    """The top pictures of a unit with the field it sees in them, and the patches alone below.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    kind = classifier.layer(found.layer).describe().split(",")[0]
    title = look.say("exciting.unit_title", unit=found.unit, layer=found.layer, kind=kind)
    caption = look.say(
        "exciting.caption",
        field=extent(found.field, look),
        active=f"{found.active:.0%}",
        count=f"{len(pictures):,}",
    )
    columns = len(found.places)
    outside = classifier.blank().mean(axis=(1, 2), keepdims=True)
    with look.page(1.15 * columns + 0.4, 3.6, title, caption) as figure:
        grid = figure.subplots(2, columns, squeeze=False)
        for column, place in enumerate(found.places):
            picture, box = np.asarray(pictures[place]), found.boxes[column]
            name = "" if labels is None else str(classifier.classes[int(labels[place])])
            look.picture(grid[0, column], picture)
            grid[0, column].set_title(name, size=8)
            _frame(look, grid[0, column], box)
            look.picture(grid[1, column], _square(picture, found, box, outside))
            grid[1, column].set_xlabel(signed_number(float(found.values[column])), size=8)
    return figure


def draw_layers(
    classifier: Classifier,
    pictures: Any,
    found: list[list[Exciting]],
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The hierarchy: a row a layer, six units of each, the nine patches that excite a unit most.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    columns = max(len(row) for row in found)
    caption = look.say("exciting.layers_caption", count=f"{len(pictures):,}")
    size = (1.75 * columns + 1.5, 1.85 * len(found) + 1.0)
    with look.page(*size, look.say("exciting.layers_title"), caption) as figure:
        grid = figure.subplots(
            len(found), columns + 1, squeeze=False, width_ratios=[0.75] + [1] * columns
        )
        for row, units in enumerate(found):
            kind = classifier.layer(units[0].layer).describe().split(",")[0]
            grid[row, 0].set_axis_off()
            seen = look.say("exciting.sees", field=extent(units[0].field, look))
            grid[row, 0].text(
                0.0,
                0.5,
                f"{units[0].layer} {kind}\n{seen}",
                va="center",
                ha="left",
                size=8.5,
                transform=grid[row, 0].transAxes,
            )
            for column in range(columns):
                axes = grid[row, column + 1]
                if column >= len(units):
                    axes.set_axis_off()
                    continue
                one = units[column]
                look.bare(axes, look.say("exciting.unit", unit=one.unit))
                axes.imshow(_mosaic(classifier, pictures, one, look))
    return figure


def _mosaic(classifier: Classifier, pictures: Any, one: Exciting, look: Style) -> Array:
    """Nine patches in a square, scaled to one size, with lines of the paper's colour between."""
    from backlight.explain.look.resize import resize

    side, gap = 48, 3
    paper = 1.0 if look.theme.name == "light" else 0.07
    total = 3 * side + 2 * gap
    field = np.full((total, total, 3), paper, np.float32)
    outside = classifier.blank().mean(axis=(1, 2), keepdims=True)
    for k, (place, box) in enumerate(zip(one.places[:9], one.boxes, strict=False)):
        patch = _square(np.asarray(pictures[place]), one, box, outside)
        large = np.clip(resize(patch, (side, side), smooth=False), 0, 1)
        row, column = divmod(k, 3)
        top, left = row * (side + gap), column * (side + gap)
        coloured = np.broadcast_to(large, (3, side, side)).transpose(1, 2, 0)
        field[top : top + side, left : left + side] = coloured
    return field


def _square(picture: Array, one: Exciting, box: tuple[int, int, int, int], outside: Array) -> Array:
    """A patch cut by the border in its whole field; outside is what padding is, the mean."""
    patch = _patch(picture, box)
    if not one.field.size:
        return patch
    inside = patch.shape[1:]
    size = [max(pair) for pair in zip(inside, one.field.size, strict=True)]
    whole = np.broadcast_to(outside, (patch.shape[0], *size)).astype(np.float32)
    corner = []
    for axis, (first, last) in enumerate((box[:2], box[2:])):
        missing = size[axis] - inside[axis]
        both = first == 0 and last == picture.shape[axis + 1]
        corner.append(missing // 2 if both else missing if first == 0 else 0)
    top, left = corner
    whole[:, top : top + inside[0], left : left + inside[1]] = patch
    return whole


def _patch(picture: Array, box: tuple[int, int, int, int]) -> Array:
    top, bottom, left, right = box
    return picture[:, top:bottom, left:right]


def _frame(look: Style, axes: Any, box: tuple[int, int, int, int]) -> None:
    from matplotlib.patches import Rectangle

    top, bottom, left, right = box
    for width, colour in ((3.0, "#ffffff"), (1.4, look.theme.classes[1])):
        axes.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5),
                right - left,
                bottom - top,
                fill=False,
                linewidth=width,
                edgecolor=colour,
                clip_on=False,
            )
        )


def _ends(seen: Array) -> tuple[int, int]:
    places = np.nonzero(seen)[0]
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, len(seen))
