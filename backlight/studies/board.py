"""The board that studies are drawn on: a sheet that speaks from the catalogue `study`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from backlight.explain.figures.sheet import Sheet
from backlight.explain.look.style import style
from backlight.words import say

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 3)))
"""One for each curve, so that a curve is known without its colour."""


class Board(Sheet):
    """A style with the words of the studies."""

    def say(self, meaning: str, **values: Any) -> str:
        """The sentence of this meaning, from the catalogue `study`."""
        return say(
            f"study.{meaning}",
            self.language,
            **values,
        )

    def titled(
        self, name: str, width: float, height: float, **values: Any
    ) -> AbstractContextManager[Any]:
        """A page with the title and the caption of a study; both may hold the values."""
        title, caption = (self.say(f"{name}.{part}", **values) for part in ("title", "caption"))
        return self.page(width, height, title, caption)

    def curve(self, place: int) -> dict[str, Any]:
        """Colour and line of the curve at this place."""
        colours = self.theme.classes
        return {
            "color": colours[place % len(colours)],
            "linestyle": LINES[place % len(LINES)],
            "linewidth": 1.9,
        }

    def bars(self, axes: Any, names: list[str], values: Any, told: list[str], **how: Any) -> Any:
        """Bars to the right, the first on top, each with what is told of it at its end."""
        places = range(len(names))
        given = {"color": self.theme.value, "height": 0.62}
        drawn = axes.barh(places, values, **(given | how))
        room = max(float(max(values)), 1e-12)
        for place, value, text in zip(places, values, told, strict=True):
            self.write(
                axes,
                value + 0.015 * room,
                place,
                text,
                ha="left",
                size=9,
            )
        axes.set_yticks(places, names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.16 * room)
        axes.tick_params(
            axis="y",
            length=0,
            colors=self.theme.ink,
        )
        return drawn


def board(theme: str = "light", language: str | None = None) -> Board:
    """The board of a theme and a language; see `style`.

    Examples
    --------
    >>> board("dark", "en").theme.zero
    '#000000'
    """
    look = style(theme, language)
    return Board(
        look.theme,
        look.language,
        look.fonts,
        look.note,
    )


def percent(share: float, digits: int = 1) -> str:
    """A share of one hundred.

    Examples
    --------
    >>> percent(0.1234)
    '12.3%'
    """
    return f"{100 * share:.{digits}f}%"
