"""Where the letters of a drawn circuit are, measured in a wide font, and which of them collide."""

import itertools
import re
from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import pytest

SIZES = {
    "symbol": 13,
    "note": 11,
    "name": 11,
    "total": 11,
    "shape": 10.5,
    "place": 10.5,
    "quiet": 10.5,
    "number": 12,
    "value": 12,
    "gradient": 12,
}
CENTRED = {"symbol", "note", "total", "number"}
ROOM = 0.5
"""Pixels that letters may share before it counts."""


@dataclass(frozen=True)
class Label:
    """A text, or the body of a box: from (left, top) to (right, bottom)."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other):
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > ROOM and down > ROOM

    def inside(self, other):
        return (
            self.left >= other.left - ROOM
            and self.right <= other.right + ROOM
            and self.top >= other.top - ROOM
            and self.bottom <= other.bottom + ROOM
        )


@cache
def font(bold):
    """DejaVu Sans, among the widest of those a drawing may be shown in."""
    manager = pytest.importorskip("matplotlib.font_manager")
    images = pytest.importorskip("PIL.ImageFont")
    return images.truetype(manager.findfont("DejaVu Sans" + (":bold" if bold else "")), 100)


def letters(classes, around, element, left, top, larger):
    size = next(SIZES[one] for one in classes if one in SIZES)
    if "symbol" in classes and "gate" in around:
        size = 14
    if "legend" in around:
        size = 10.5
    bold = "symbol" in classes and "layer" in around
    width = larger * size * font(bold).getlength(element.text) / 100
    x, y = left + float(element.get("x")), top + float(element.get("y"))
    if "place" in classes:
        x -= width
    elif CENTRED & set(classes):
        x -= width / 2
    return Label(element.text, x, y - 0.72 * size, x + width, y + 0.02 * size)


def measured(svg, larger=1.0):
    """(texts, bodies of boxes, the page) of a drawing."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own drawing
    texts, bodies = [], []
    waiting = [(root, 0.0, 0.0, ())]
    while waiting:
        element, left, top, around = waiting.pop()
        moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
        if moved:
            left, top = left + float(moved[1]), top + float(moved[2])
        classes = tuple((element.get("class") or "").split())
        kind = element.tag.rpartition("}")[2]
        if kind == "text" and element.text:
            texts.append(letters(classes, around, element, left, top, larger))
        if kind == "rect" and "body" in classes and "frame" not in around:
            x, y = left + float(element.get("x")), top + float(element.get("y"))
            right, bottom = x + float(element.get("width")), y + float(element.get("height"))
            bodies.append(Label("", x, y, right, bottom))
        waiting += [(child, left, top, around + classes) for child in element]
    page = Label("", 0, 0, *(float(one) for one in root.get("viewBox").split()[2:]))
    return texts, bodies, page


def collisions(svg, larger=1.0):
    """What cannot be read: texts on one another, across a box's border, or beyond the page."""
    texts, bodies, page = measured(svg, larger)
    found = [(a.text, b.text) for a, b in itertools.combinations(texts, 2) if a.meets(b)]
    found += [
        (text.text, "a border")
        for text in texts
        for body in bodies
        if text.meets(body) and not text.inside(body)
    ]
    return found + [(text.text, "the page") for text in texts if not text.inside(page)]
