"""What a stop took for what: a square for each pair of classes, rows the true ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.train.page.markup import Markup, element
from backlight.train.page.number import cut

Array = np.ndarray[Any, Any]

MOST_CLASSES = 30
"""With more classes the squares would be too small to see."""
_CELL = 26.0
_LONGEST = 14
_LETTER = 7.2
_STRONG = 0.55


def matrix(counts: Array, classes: Sequence[str]) -> Markup | None:
    """The drawing, or None where there are too many classes.

    Parameters
    ----------
    counts : array (classes, classes)
        How often each true class was taken for each class.
    classes : sequence of str
    """
    count = len(classes)
    if count > MOST_CLASSES:
        return None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [cut(name, _LONGEST) for name in classes]
    widest = _LETTER * max(map(len, names))
    left, top = widest + 12, 0.8 * widest + 14  # names of columns are turned
    cells: list[Any] = []
    for row in range(count):
        for column in range(count):
            if counts[row, column]:
                corner = left + column * _CELL, top + row * _CELL
                number = int(counts[row, column])
                cells += _cell(corner, number, shares[row, column], right=row == column)
    side = count * _CELL
    lines = [line for place, name in enumerate(names) for line in _names(place, name, left, top)]
    drawing = element(
        "svg",
        element("rect", x=left, y=top, width=side, height=side, class_="ground"),
        cells,
        lines,
        viewBox=f"0 0 {left + side + 0.7 * widest:.0f} {top + side + 4:.0f}",
        role="img",
        aria_label="How often each true class, a row, was taken for each class, a column.",
        class_="taken",
    )
    caption = "Rows are true classes, columns its answers; right ones lie on the diagonal."
    return element("figure", drawing, element("figcaption", caption), class_="pictures")


def _cell(corner: tuple[float, float], count: int, share: float, *, right: bool) -> list[Markup]:
    """A square as strong as its share of the row, by the root, and its count."""
    strength = math.sqrt(share)
    square = element(
        "rect",
        x=f"{corner[0]:.1f}",
        y=f"{corner[1]:.1f}",
        width=_CELL,
        height=_CELL,
        fill_opacity=f"{strength:.2f}",
        class_="hit" if right else "miss",
    )
    number = element(
        "text",
        count,
        x=f"{corner[0] + _CELL / 2:.1f}",
        y=f"{corner[1] + _CELL / 2 + 3.5:.1f}",
        class_="count strong" if strength > _STRONG else "count",
    )
    return [square, number]


def _names(place: int, name: str, left: float, top: float) -> list[Markup]:
    middle = (place + 0.5) * _CELL
    turned = f"translate({left + middle:.1f} {top - 7:.1f}) rotate(-50)"
    return [
        element("text", name, x=f"{left - 7:.1f}", y=f"{top + middle + 4:.1f}", class_="row"),
        element("text", name, transform=turned),
    ]
