"""A linear classifier in the plane: points to drag, a line a class, the loss of each point."""

from __future__ import annotations

from typing import Any

from backlight.explain.play.drawn import drawing
from backlight.explain.play.page import Page, play
from backlight.words import say, template

POINTS = (
    ((-0.5, 0.4), 0),
    ((-0.7, 0.7), 0),
    ((-0.2, 0.75), 0),
    ((0.55, 0.5), 1),
    ((0.75, 0.15), 1),
    ((0.35, 0.2), 1),
    ((-0.4, -0.5), 2),
    ((0.1, -0.7), 2),
    ((-0.1, -0.35), 2),
)
"""Three of each class, as the lecture's demonstration has them."""
WEIGHTS = ((1.0, 0.5, 0.1), (-0.6, 0.9, 0.2), (0.4, -0.8, -0.1))
"""A row for each class: by x, by y, and the bias. They are far from right."""
RATE = 0.2
WIDE, HIGH = 460.0, 430.0


@play("linear")
def linear(language: str) -> Page:
    """Nine points, three lines, two losses."""
    words = ("step", "play", "pause", "hinge", "softmax", "start", "say", "point")
    data: dict[str, Any] = {
        "points": [{"at": at, "label": label} for at, label in POINTS],
        "weights": WEIGHTS,
        "rate": RATE,
        "words": {word: template(f"play.linear.{word}", language) for word in words},
    }
    return Page(
        drawing(
            WIDE,
            HIGH,
            say("play.linear.title", language),
            [],
        ),
        "linear.js",
        data,
    )
