"""The loss landscape: what the loss does around a point of weight space."""

from backlight.explain.landscape.chords import Chords, chords
from backlight.explain.landscape.direction import (
    Path,
    between,
    downhill,
    path,
    random_direction,
    weights_of,
)
from backlight.explain.landscape.figure import Told, draw, draw_chords
from backlight.explain.landscape.slice import Slice, line, plane

__all__ = [
    "Chords",
    "Path",
    "Slice",
    "Told",
    "between",
    "chords",
    "downhill",
    "draw",
    "draw_chords",
    "line",
    "path",
    "plane",
    "random_direction",
    "weights_of",
]
