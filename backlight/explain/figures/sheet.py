"""The sheet that figures are drawn on: a style with its words, and axes measured in inches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from backlight.explain.look.style import PLAIN_FONT, Style, style
from backlight.words import say

Array = np.ndarray[Any, Any]
Point = tuple[float, float]

HANGUL = re.compile("[가-힣]")
LETTERS = 10.5
"""Size of what is written on a canvas, in points."""


class Sheet(Style):
    """A style that speaks from the catalogue `figures`, and draws boxes, arrows and numbers."""

    def say(self, meaning: str, **values: Any) -> str:
        """The sentence of this meaning, from the catalogue `figures`."""
        return say(f"figures.{meaning}", self.language, **values)

    def titled(
        self,
        name: str,
        width: float,
        height: float,
        **values: Any,
    ) -> AbstractContextManager[Any]:
        """A page with the title and the caption of a figure."""
        return self.page(
            width,
            height,
            self.say(f"{name}.title"),
            self.say(f"{name}.caption", **values),
        )

    # ── canvas ─────────────────────────────────────────────────────────────────────────────

    def canvas(self, axes: Any, width: float, height: float) -> Any:
        """Axes without a frame whose units are as long across as up."""
        axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        axes.axis("off")
        return axes

    def write(self, axes: Any, x: float, y: float, text: str, **how: Any) -> Any:
        """Text, centred unless said otherwise."""
        given = {"ha": "center", "va": "center", "size": LETTERS, "color": self.theme.ink}
        if not HANGUL.search(text):  # fonts with Hangul have no italics, and wide signs
            given["family"] = PLAIN_FONT
        return axes.text(x, y, text, **(given | how))

    def node(
        self,
        axes: Any,
        x: float,
        y: float,
        text: str,
        radius: float = 0.3,
        **how: Any,
    ) -> None:
        """A round gate with its symbol."""
        from matplotlib.patches import Circle

        given = {"facecolor": self.theme.paper, "edgecolor": self.theme.ink, "linewidth": 1.3}
        size = how.pop("size", LETTERS + 2)
        axes.add_patch(Circle((x, y), radius, zorder=3, **(given | how)))
        self.write(axes, x, y - 0.01, text, size=size, zorder=4)

    def box(
        self,
        axes: Any,
        x: float,
        y: float,
        width: float,
        height: float,
        text: str,
        **how: Any,
    ) -> None:
        """A box with rounded corners around a middle, with a text in it."""
        from matplotlib.patches import FancyBboxPatch

        given: dict[str, Any] = {
            "facecolor": self.theme.paper,
            "edgecolor": self.theme.faint,
            "linewidth": 1.2,
        }
        size = how.pop("size", LETTERS)
        corner = (x - width / 2 + 0.08, y - height / 2 + 0.08)
        style = "round,pad=0.08,rounding_size=0.1"
        axes.add_patch(
            FancyBboxPatch(
                corner,
                width - 0.16,
                height - 0.16,
                boxstyle=style,
                zorder=3,
                **(given | how),
            ),
        )
        self.write(axes, x, y, text, size=size, zorder=4)

    def arrow(
        self,
        axes: Any,
        start: Point,
        end: Point,
        colour: str | None = None,
        **how: Any,
    ) -> None:
        """An arrow from one point to another."""
        given = {
            "arrowstyle": "-|>",
            "color": colour or self.theme.ink,
            "linewidth": 1.2,
            "mutation_scale": 11,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        axes.annotate("", xy=end, xytext=start, arrowprops=given | how, zorder=2)

    def wire(self, axes: Any, start: Point, end: Point, value: str = "", slope: str = "") -> None:
        """An arrow with its value above in green, and its gradient below in red italics."""
        self.arrow(axes, start, end, colour=self.theme.faint)
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        steep = abs(end[1] - start[1]) > 0.02
        behind = {"facecolor": self.theme.paper, "edgecolor": "none", "pad": 0.8}
        over: dict[str, Any] = {"bbox": behind} if steep else {}
        if value:
            self.write(
                axes,
                x,
                y + 0.05,
                value,
                color=self.theme.value,
                va="bottom",
                **over,
            )
        if slope:
            self.write(
                axes,
                x,
                y - 0.06,
                slope,
                color=self.theme.gradient,
                va="top",
                style="italic",
                **over,
            )

    def grid(
        self,
        axes: Any,
        values: Any,
        left: float,
        top: float,
        cell: float = 0.5,
        *,
        fill: Any = None,
        colour: str | None = None,
        size: float = LETTERS,
        italic: bool = False,
    ) -> Point:
        """Numbers in squares, from the top left corner down; returns the middle of the right side.

        `fill` is a colour for all squares, or one for each.
        """
        from matplotlib.patches import Rectangle

        table = np.atleast_2d(np.asarray(values, dtype=object))
        for (row, column), value in np.ndenumerate(table):
            x, y = left + column * cell, top - (row + 1) * cell
            face = fill if fill is None or isinstance(fill, str) else fill[row][column]
            axes.add_patch(
                Rectangle(
                    (x, y),
                    cell,
                    cell,
                    facecolor=face or "none",
                    edgecolor=self.theme.faint,
                    linewidth=0.8,
                    zorder=2,
                ),
            )
            self.write(
                axes,
                x + cell / 2,
                y + cell / 2 - 0.01,
                number(value),
                size=size,
                zorder=3,
                color=colour or self.theme.ink,
                style="italic" if italic else "normal",
            )
        rows, columns = table.shape
        return left + columns * cell, top - rows * cell / 2

    def bar_of(self, axes: Any, corner: Point, width: float, height: float, colour: str) -> None:
        """A plain block that stands for many numbers."""
        from matplotlib.patches import Rectangle

        axes.add_patch(
            Rectangle(
                corner,
                width,
                height,
                facecolor=colour,
                edgecolor=self.theme.faint,
                zorder=2,
            ),
        )

    # ── plots ──────────────────────────────────────────────────────────────────────────────

    def cross(self, axes: Any) -> None:
        """Thin lines where x and y are zero."""
        axes.axhline(0, color=self.theme.faint, linewidth=0.6, zorder=0)
        axes.axvline(0, color=self.theme.faint, linewidth=0.6, zorder=0)

    def mix(self, colour: str, share: float) -> Any:
        """A colour thinned with that of the paper."""
        from matplotlib.colors import to_hex, to_rgb

        strong, paper = np.array(to_rgb(colour)), np.array(to_rgb(self.theme.paper))
        red, green, blue = share * strong + (1 - share) * paper
        return to_hex((float(red), float(green), float(blue)))

    def points(self, axes: Any, points: Array, labels: Sequence[int] | Array, size: float) -> None:
        """Points of the plane, with a colour and a marker a class."""
        from backlight.explain.look.style import MARKERS

        for k in np.unique(labels):
            here = points[np.asarray(labels) == k]
            axes.scatter(
                here[:, 0],
                here[:, 1],
                s=size,
                marker=MARKERS[k],
                color=self.class_colour(k),
                edgecolors=self.theme.paper,
                linewidths=0.5,
                zorder=3,
            )


def sheet(theme: str = "light", language: str | None = None) -> Sheet:
    """The sheet of a theme and a language; see `style`."""
    look = style(theme, language)
    return Sheet(look.theme, look.language, look.fonts, look.note)


def number(value: Any) -> str:
    """A number in few characters with a real minus sign; text as it is.

    Examples
    --------
    >>> number(-12.0), number(0.088), number(60.75), number("x")
    ('−12', '0.088', '60.75', 'x')
    """
    if isinstance(value, str):
        return value
    digits = ".4g" if abs(float(value)) < 9999.5 else ",.0f"
    return f"{float(value):{digits}}".replace("-", "−")
