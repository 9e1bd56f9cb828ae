"""Weights as pictures: the templates of a linear classifier, the filters of a first layer.

A linear classifier's score is the product of the picture with a template, so that its weights
show what it looks for: a horse with two heads, where horses look left and right. Source: CS231n,
"Linear classification", "Interpretation of linear classifiers as template matching".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import Style, style

Array = np.ndarray[Any, Any]

MOST = 64


@dataclass(frozen=True)
class Templates:
    """The weights of a layer as pictures.

    Attributes
    ----------
    name : str
        Path of the parameter.
    weights : ndarray (n, C, h, w)
    of_classes : bool
        Whether there is one for each class, because nothing comes behind the layer.
    """

    name: str
    weights: Array
    of_classes: bool


def templates(classifier: Classifier) -> Templates:
    """The first layer's weights: filters of a convolution, or templates of the whole picture.

    Raises
    ------
    ArgumentError
        If its first weights are neither.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> found = templates(classifier(net, 2, (1, 2, 2)))
    >>> found.name, found.weights.shape, found.of_classes
    ('1.weight', (2, 1, 2, 2), True)
    """
    classifier.need_pictures("weights")
    matrices = [
        (name, np.asarray(parameter._value))
        for name, parameter in classifier.module.named_parameters()
        if parameter.ndim in (2, 4)
    ]
    for name, values in matrices[:1]:
        if values.ndim == 4:
            return Templates(name, values, False)
        if values.shape[1] == math.prod(classifier.shape):
            alone = len(matrices) == 1 and len(values) == len(classifier.classes)
            return Templates(name, values.reshape(-1, *classifier.shape), alone)
    raise ArgumentError(
        "weights",
        got="a network whose first weights do not meet the picture",
        needs="a first layer that is a convolution or fully connected",
        remedy="Use `layers` or `features` for this network.",
    )


def draw(
    classifier: Classifier,
    found: Templates,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """All templates or filters in a grid.

    In colour each is scaled to its own range, grey being zero; with one channel zero is the colour
    of the paper and all share one colour bar.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    shown = found.weights[:MOST]
    coloured = shown.shape[1] == 3
    if shown.shape[1] not in (1, 3):
        shown = shown.mean(axis=1, keepdims=True)
    columns = min(5 if found.of_classes else 8, len(shown))
    rows = -(-len(shown) // columns)
    some = "filters" if len(shown) == len(found.weights) else "some"
    key = "classes" if found.of_classes else some
    title = look.say(
        f"weights.title_{key}",
        name=found.name,
        count=len(found.weights),
        shown=len(shown),
        size="×".join(map(str, found.weights.shape[2:])),
    )
    caption = look.say("weights.colour" if coloured else "weights.signed")
    cell = 1.55 if found.of_classes else 0.95
    size = (max(4.6, cell * columns + 0.9), cell * rows * 1.12 + 1.15)
    with look.page(*size, title, caption) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        most = float(np.abs(shown).max()) or 1.0
        for place, (axes, weights) in enumerate(zip(grid, shown, strict=False)):
            told = str(classifier.classes[place]) if found.of_classes else ""
            last = _template(look, axes, weights, told, most)
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        if not coloured:
            look.bar(figure, last, list(grid), look.say("weights.unit"))
    return figure


def _template(look: Style, axes: Any, weights: Array, told: str, most: float) -> Any:
    if weights.shape[0] == 3:
        own = float(np.abs(weights).max()) or 1.0
        return look.picture(axes, 0.5 + 0.5 * weights / own, told)
    return look.signed_map(axes, weights[0], told, most)
