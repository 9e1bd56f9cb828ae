"""Frames that are stepped through: what is lit, what is written, what is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backlight.explain.play.page import Page
from backlight.words import say

PAUSE = 1400
"""Milliseconds of a frame while it plays."""


@dataclass(frozen=True)
class Frame:
    """One step.

    Attributes
    ----------
    said : str
        The sentence below the drawing.
    lit : tuple of str
        Names of pieces that are lit.
    texts : dict of str to str
        What is written from this frame on, by the name of the text.
    """

    said: str
    lit: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)


def stepped(drawing: str, frames: list[Frame], language: str, pause: int = PAUSE) -> Page:
    """A page that steps through frames."""
    words = ("first", "back", "play", "pause", "next", "step")
    data: dict[str, Any] = {
        "frames": [{"said": one.said, "lit": list(one.lit), "texts": one.texts} for one in frames],
        "pause": pause,
        "words": {word: say(f"play.button.{word}", language) for word in words},
    }
    return Page(drawing, "player.js", data)
