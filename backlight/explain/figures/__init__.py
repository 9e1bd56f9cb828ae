"""The figures of the lecture notes, drawn again by the functions that they are about."""

from backlight.explain.figures import (
    curves,
    distance,
    flow,
    gradient,
    layers,
    scores,
    squash,
    surface,
    surprise,
    volumes,
    wiring,
)
from backlight.explain.figures.registry import FIGURES, Figure, draw, find, ordered

PAGES = (
    curves,
    distance,
    flow,
    gradient,
    layers,
    scores,
    squash,
    surface,
    surprise,
    volumes,
    wiring,
)
"""The files that declare the figures."""

__all__ = ["FIGURES", "PAGES", "Figure", "draw", "find", "ordered"]
