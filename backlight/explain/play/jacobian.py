"""A Jacobian to click: an output shows the inputs it depends on, an input the outputs it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.engine.derivative import jacobian as jacobian_of
from backlight.explain.figures.sheet import number
from backlight.explain.play.drawn import drawing
from backlight.explain.play.page import Page, play
from backlight.gates.convolution import conv1d
from backlight.gates.rectifier import relu
from backlight.gates.softmax import softmax
from backlight.words import say, template

Array = np.ndarray[Any, Any]

POINT = np.array([1.0, -1.0, 0.5, 2.0, -0.5, 1.5])
WEIGHTS = np.array(
    [
        [1.0, 0.0, -1.0, 2.0, 0.0, 1.0],
        [0.0, 1.0, 0.5, 0.0, -1.0, 0.0],
        [2.0, -1.0, 0.0, 1.0, 1.0, -2.0],
    ]
)
BEND = np.array([[[1.0, 2.0, -1.0]]])


def row_convolved(x: Any) -> Any:
    """A row of numbers convolved with three weights, without padding."""
    return conv1d(x.reshape(1, 1, -1), BEND).reshape(-1)


LAYERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "relu": ("max(0, x)", relu),
    "softmax": ("softmax(x)", softmax),
    "product": ("W·x", lambda x: (WEIGHTS * x).sum(axis=1)),
    "convolution": ("x ∗ (1, 2, −1)", row_convolved),
    "sum": ("Σ x²", lambda x: (x * x).sum().reshape(1)),
}
"""How each is written, and what it computes."""


@play("jacobian")
def jacobian(language: str) -> Page:
    """Five layers with their Jacobians at one point."""
    layers = []
    for name, (written, function) in LAYERS.items():
        output = np.asarray(function(POINT.copy()))
        entries = entries_of(function)
        layers.append(
            {
                "name": name,
                "label": written,
                "told": say(f"play.jacobian.{name}", language),
                "x": [_short(one) for one in POINT],
                "y": [_short(one) for one in output],
                "entries": [[_short(one) for one in row] for row in entries],
                "size": (np.abs(entries) / np.abs(entries).max()).round(4).tolist(),
            }
        )
    words = ("row", "column", "begin", "nothing")
    data: dict[str, Any] = {
        "layers": layers,
        "words": {word: template(f"play.jacobian.{word}", language) for word in words},
    }
    return Page(
        drawing(
            430,
            400,
            say("play.jacobian.title", language),
            [],
        ),
        "jacobian.js",
        data,
    )


def entries_of(function: Callable[[Any], Any]) -> Array:
    """The Jacobian at POINT, by the engine: a row for each output, a column for each input.

    Examples
    --------
    >>> entries_of(relu).diagonal().tolist()
    [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    """
    return np.asarray(jacobian_of(function)(POINT.copy()))


def _short(value: float) -> str:
    return number(round(float(value), 3) + 0.0)
