"""The register of figures: each is declared where it is drawn, with the places it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.explain.figures.sheet import Sheet, sheet
from backlight.words import say

Draw = Callable[[Sheet], Any]
PLACE = re.compile(r"S[0-4]:[1-9]\d*")

FIGURES: dict[str, Figure] = {}
"""Every figure by name, in the order of their declarations."""


@dataclass(frozen=True)
class Figure:
    """A figure of the notes, drawn by code.

    Attributes
    ----------
    name : str
    linked : tuple of str
        Places (note:line) of the pictures that it is drawn instead of.
    near : tuple of str
        Places without a picture whose sentence it shows.
    draw : callable
        Takes a Sheet; returns a matplotlib Figure, or the text of an SVG drawing.
    """

    name: str
    linked: tuple[str, ...]
    near: tuple[str, ...]
    draw: Draw

    @property
    def places(self) -> tuple[str, ...]:
        """All of its places in the notes."""
        return self.linked + self.near

    def title(self, language: str | None = None) -> str:
        """What it shows, in one sentence."""
        return say(f"figures.{self.name}.title", language)


def figure(name: str, *, linked: str = "", near: str = "") -> Callable[[Draw], Draw]:
    """Declare the function below as the drawing of a figure.

    Parameters
    ----------
    name : str
    linked, near : str
        Places such as "S1:70", with spaces between.

    Examples
    --------
    >>> FIGURES["svm-slice"].linked
    ('S1:70',)
    """
    places = _places(name, linked), _places(name, near)

    def declared(draw: Draw) -> Draw:
        FIGURES[name] = Figure(name, *places, draw)
        return draw

    return declared


def find(what: str) -> Figure:
    """The figure of a name, or of a place in the notes.

    Raises
    ------
    ArgumentError
        If there is none.

    Examples
    --------
    >>> find("svm-slice").name, find("S1:70").name
    ('svm-slice', 'svm-slice')
    """
    if what in FIGURES:
        return FIGURES[what]
    for kind in ("linked", "near"):
        for one in FIGURES.values():
            if what in getattr(one, kind):
                return one
    raise ArgumentError(
        "show note",
        got=repr(what),
        needs="the name of a figure, or a place in the notes such as S1:70",
        remedy=nearest(what, FIGURES).partition(" Known:")[0] + " All: backlight show note list",
    )


def ordered() -> list[Figure]:
    """Every figure, in the order of the notes.

    Examples
    --------
    >>> ordered()[0].name
    'partial-derivatives'
    """

    def first(one: Figure) -> tuple[int, int]:
        note, line = one.places[0][1:].split(":")
        return int(note), int(line)

    return sorted(FIGURES.values(), key=first)


def draw(what: str, *, theme: str = "light", language: str | None = None) -> Any:
    """Draw a figure of the notes.

    Parameters
    ----------
    what : str
        Its name, or a place in the notes.
    theme : {"light", "dark"}
    language : str, optional
        "en" or "ko".

    Returns
    -------
    matplotlib.figure.Figure or str
        A string is an SVG drawing.

    Examples
    --------
    >>> draw("distribute-and-switch", language="en").startswith("<svg")
    True
    """
    return find(what).draw(sheet(theme, language))


def _places(name: str, told: str) -> tuple[str, ...]:
    found = tuple(told.split())
    for one in found:
        if not PLACE.fullmatch(one):
            raise ArgumentError(
                f"the figure {name!r}",
                got=f"the place {one!r}",
                needs="a note and a line",
                remedy="Write it as S1:70.",
            )
    return found
