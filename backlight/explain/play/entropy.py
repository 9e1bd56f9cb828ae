"""Entropy, cross-entropy and divergence of two distributions whose bars are dragged."""

from __future__ import annotations

from typing import Any

from backlight.explain.play.drawn import drawing, text
from backlight.explain.play.page import Page, play
from backlight.words import say, template

P = (0.5, 0.25, 0.125, 0.125)
Q = (0.25, 0.25, 0.25, 0.25)
HIGH, WIDE, APART = 150.0, 38.0, 46.0
BOTTOM = 200.0
LEFT = {"p": 8.0, "q": 224.0}
LONGEST = 262.0
"""Of the bar of the largest number."""
FIRST = 76.0
"""Where these bars begin."""
LENGTHS = ("entropy", "cross", "divergence")


@play("entropy")
def entropy(language: str) -> Page:
    """Two sets of four bars, and three lengths that follow."""
    pieces = []
    for name, left in LEFT.items():
        told = say(f"play.entropy.{name}", language)
        pieces.append(text(left + 2 * APART, 26, told, kind="head"))
        pieces.append(_line(left - 4, BOTTOM, left + 4 * APART - 4, BOTTOM, "axis"))
        pieces += [_bar(name, k, left + APART * k, language) for k in range(4)]
    for row, name in enumerate(LENGTHS):
        y = 266 + 44 * row
        told = say(f"play.entropy.{name}", language)
        pieces.append(text(FIRST - 12, y + 17, told, anchor="end"))
        kind = "extra" if name == "divergence" else "entropy"
        pieces.append(_block(f"{name}-own", y, kind))
        if name == "cross":
            pieces.append(_block("cross-extra", y, "extra"))
        pieces.append(text(FIRST, y + 17, "", name=f"{name}-told", anchor="start"))
    pieces.append(_line(FIRST, 258, FIRST, 384, "mark", "least"))
    pieces.append(text(FIRST, 404, "", name="least-told", kind="quiet"))
    words = ("same", "even", "start", "nats", "bits", "least", "say", "infinite")
    data: dict[str, Any] = {
        "p": P,
        "q": Q,
        "geometry": {
            "high": HIGH,
            "bottom": BOTTOM,
            "longest": LONGEST,
            "first": FIRST,
            "wide": 416,
        },
        "words": {word: template(f"play.entropy.{word}", language) for word in words},
    }
    title = say("play.entropy.title", language)
    return Page(drawing(416, 416, title, pieces), "entropy.js", data)


def _bar(name: str, k: int, left: float, language: str) -> str:
    """A bar that is dragged up and down, or moved by the arrow keys."""
    label = say("play.entropy.bar", language, name=name, k=k + 1)
    return (
        f'<g class="bar {name}" role="slider" tabindex="0" data-name="{name}{k}" '
        f'aria-label="{label}" aria-valuemin="0" aria-valuemax="1">'
        f'<rect class="fill" x="{left:g}" y="{BOTTOM:g}" width="{WIDE:g}" height="0"/>'
        f'<rect class="grip" x="{left:g}" y="{BOTTOM - HIGH:g}" width="{WIDE:g}" '
        f'height="{HIGH:g}"/>'
        f'<text x="{left + WIDE / 2:g}" y="{BOTTOM + 18:g}" text-anchor="middle"></text></g>'
    )


def _block(name: str, y: float, kind: str) -> str:
    return (
        f'<rect class="length {kind}" data-name="{name}" x="{FIRST:g}" y="{y:g}" width="0" '
        'height="26"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str, name: str = "") -> str:
    named = f' data-name="{name}"' if name else ""
    return f'<line class="{kind}"{named} x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
