"""The style of every figure: two themes, colours that colour-blind people tell apart, a font.

Value is green and gradient is red, as in the lecture's circuits, and neither is the only carrier:
signs stand on the colour bar, classes have markers, dead maps have an outline. Zero is always the
colour of the paper: white in the light theme, black in the dark one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, MissingExtraError, nearest
from backlight.words import language as spoken
from backlight.words import say

Array = np.ndarray[Any, Any]

FONTS_WITH_HANGUL = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans CJK JP",
)
"""Fonts that hold Hangul, the first installed one is used."""

PLAIN_FONT = "DejaVu Sans"
"""Comes with matplotlib, and holds every sign that the figures use."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
"""One for each class, so that a class is known without its colour."""

_INCH = 16.0
"""Characters of a caption that fit one inch."""


@dataclass(frozen=True)
class Theme:
    """The colours of one theme."""

    name: str
    paper: str
    ink: str
    faint: str
    value: str
    gradient: str
    zero: str
    full: str
    classes: tuple[str, ...]


LIGHT = Theme(
    "light",
    paper="#ffffff",
    ink="#1c2126",
    faint="#5d6770",
    value="#00735c",
    gradient="#b3261e",
    zero="#ffffff",
    full="#00251d",
    classes=(
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#aa3377",
        "#b08900",
        "#56a4d8",
        "#7a4a1e",
        "#5d6770",
        "#6a51a3",
        "#1c2126",
    ),
)
DARK = Theme(
    "dark",
    paper="#111417",
    ink="#e8ebed",
    faint="#9aa4ac",
    value="#4fd1b0",
    gradient="#ff9e8a",
    zero="#000000",
    full="#f2fffb",
    classes=(
        "#56b4e9",
        "#ff8f4a",
        "#3ddbab",
        "#e58fc5",
        "#f0d34f",
        "#a9d3f2",
        "#c99a6b",
        "#9aa4ac",
        "#b9a5f0",
        "#ffffff",
    ),
)
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def plots() -> Any:
    """matplotlib, which the extra `plots` installs.

    Raises
    ------
    MissingExtraError
        If it is not installed; the message holds the command that installs it.
    """
    try:
        import matplotlib
        import matplotlib.figure
        import matplotlib.font_manager
    except ImportError as problem:
        raise MissingExtraError(
            "a figure",
            got="no matplotlib",
            needs="the extra `plots`",
            remedy="Install it: pip install 'backlight[plots]'",
        ) from problem
    return matplotlib


@dataclass(frozen=True)
class Style:
    """A theme, a language and its font, ready to draw with.

    Attributes
    ----------
    note : str
        Why labels are in another language than the one asked for; empty if they are not.
    """

    theme: Theme
    language: str
    fonts: tuple[str, ...]
    note: str = ""

    def say(self, meaning: str, **values: Any) -> str:
        """The sentence of this meaning, from the catalogue `show`."""
        return say(f"show.{meaning}", self.language, **values)

    @contextmanager
    def page(self, width: float, height: float, title: str, caption: str = "") -> Iterator[Any]:
        """A figure of this size in inches, titled; what is drawn in the block is laid out after.

        matplotlib makes some labels only when a figure is drawn. It is drawn once while the
        theme holds, so that all have its colours.
        """
        matplotlib = plots()
        with matplotlib.rc_context(self._settings()):
            figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
            figure.get_layout_engine().set(w_pad=0.07, h_pad=0.07, wspace=0.03, hspace=0.03)
            lines = textwrap.wrap(title, max(20, int(width * _INCH * 0.56)))
            figure.suptitle("\n".join(lines), x=0.012, ha="left", size=13, color=self.theme.ink)
            if caption:
                most = max(24, int(width * _INCH))
                if self.language == "ko":  # Hangul is twice as wide as a letter
                    most = max(16, int(width * _INCH * 0.62))
                told = wrapped(caption, most)
                figure.supxlabel(
                    "\n".join(told), x=0.012, ha="left", size=8.5, color=self.theme.faint
                )
            yield figure
            figure.draw_without_rendering()

    def _settings(self) -> dict[str, Any]:
        theme = self.theme
        return {
            "font.family": list(self.fonts),
            "font.size": 9,
            "text.color": theme.ink,
            "axes.facecolor": theme.paper,
            "figure.facecolor": theme.paper,
            "savefig.facecolor": theme.paper,
            "axes.edgecolor": theme.faint,
            "axes.labelcolor": theme.ink,
            "axes.titlecolor": theme.ink,
            "axes.titlesize": 9.5,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "xtick.color": theme.faint,
            "ytick.color": theme.faint,
            "grid.color": theme.faint,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "svg.fonttype": "path",
            "svg.hashsalt": "backlight",
            "image.interpolation": "nearest",
        }

    # ── colours ────────────────────────────────────────────────────────────────────────────

    def signed(self) -> Any:
        """Colours from negative (gradient's red) over zero (the paper) to positive (green)."""
        theme = self.theme
        return _colours("signed", [theme.gradient, theme.zero, theme.value])

    def amount(self, of: str = "value") -> Any:
        """Colours from zero (white or black) to much, of a "value" or a "gradient".

        They darken (in the dark theme brighten) evenly: half as much looks half as dark.
        """
        theme = self.theme
        if of == "gradient":
            return _even("amount", [theme.zero, theme.gradient, _far(theme)])
        return _even("amount", [theme.zero, theme.value, theme.full])

    def class_colour(self, place: int) -> str:
        """The colour of the class at this place."""
        return self.theme.classes[place % len(self.theme.classes)]

    # ── what every figure is made of ───────────────────────────────────────────────────────

    def picture(self, axes: Any, picture: Array, title: str = "") -> Any:
        """A picture (C, H, W) with numbers in [0, 1], without ticks."""
        self.bare(axes, title)
        if picture.shape[0] == 3:
            return axes.imshow(np.clip(picture.transpose(1, 2, 0), 0, 1))
        return axes.imshow(picture.mean(axis=0), cmap="gray", vmin=0, vmax=1)

    def signed_map(self, axes: Any, values: Array, title: str = "", most: float = 0.0) -> Any:
        """A map (H, W) of signed numbers, zero in the colour of the paper."""
        self.bare(axes, title)
        most = most or float(np.abs(values).max()) or 1.0
        return axes.imshow(values, cmap=self.signed(), vmin=-most, vmax=most)

    def amount_map(
        self, axes: Any, values: Array, title: str = "", most: float = 0.0, of: str = "value"
    ) -> Any:
        """A map (H, W) of numbers from 0 on."""
        self.bare(axes, title)
        most = most or float(values.max()) or 1.0
        return axes.imshow(values, cmap=self.amount(of), vmin=0, vmax=most)

    def bare(self, axes: Any, title: str = "") -> None:
        """Axes without ticks, in a thin frame."""
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_visible(True)
            side.set_linewidth(0.5)
            side.set_color(self.theme.faint)
        if title:
            axes.set_title(title)

    def bar(self, figure: Any, image: Any, axes: Any, label: str) -> Any:
        """A colour bar with its unit beside these axes, as high as they are."""
        if hasattr(axes, "inset_axes"):
            bar = figure.colorbar(image, cax=axes.inset_axes([1.03, 0, 0.04, 1]))
        else:  # several axes share it
            long = max(28.0, 0.85 * 8 * figure.get_figheight())
            bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02, aspect=long)
        bar.set_label(label, size=8.5)
        bar.outline.set_edgecolor(self.theme.faint)
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(labelsize=7.5)
        return bar

    def outline(self, axes: Any, colour: str | None = None, width: float = 2.0) -> None:
        """A thick dashed frame, for what is to be noticed."""
        for side in axes.spines.values():
            side.set_linewidth(width)
            side.set_linestyle((0, (2, 1.5)))
            side.set_color(colour or self.theme.gradient)


def style(theme: str = "light", language: str | None = None) -> Style:
    """The style of a theme and a language.

    Where no font with Hangul is installed, Korean labels would be empty boxes: they are English
    then, and the style's `note` says so.

    Parameters
    ----------
    theme : {"light", "dark"}
    language : str, optional
        "en" or "ko"; by default the one that is spoken.

    Raises
    ------
    ArgumentError
        If there is no such theme.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> style("dark", "en").theme.zero
    '#000000'
    """
    if theme not in THEMES:
        raise ArgumentError(
            "theme",
            got=repr(theme),
            needs="light or dark",
            remedy=nearest(theme, THEMES),
        )
    wanted = spoken() if language is None else language
    if wanted != "ko":
        plots()
        return Style(THEMES[theme], wanted, (PLAIN_FONT,))
    installed = {font.name for font in plots().font_manager.fontManager.ttflist}
    found = [name for name in FONTS_WITH_HANGUL if name in installed]
    if found:
        return Style(THEMES[theme], "ko", (found[0], PLAIN_FONT))
    return Style(
        THEMES[theme],
        "en",
        (PLAIN_FONT,),
        say("show.no_hangul", "ko", fonts=", ".join(FONTS_WITH_HANGUL[:5])),
    )


def signed_number(value: float, digits: int = 3) -> str:
    """A number in few characters, with a real minus sign.

    Examples
    --------
    >>> signed_number(-0.12345), signed_number(12345.0)
    ('−0.123', '1.23e+04')
    """
    return f"{value:.{digits}g}".replace("-", "−")


def _far(theme: Theme) -> str:
    return "#3d0b07" if theme.name == "light" else "#fff3f0"


def wrapped(text: str, most: int) -> list[str]:
    """Lines of at most so many characters, the last of which is no word on its own.

    Examples
    --------
    >>> wrapped("one two three four five", 19), wrapped("one two", 19)
    (['one two three', 'four five'], ['one two'])
    """
    lines = textwrap.wrap(text, most)
    for width in range(most - 1, most // 2, -1):
        if len(lines) < 2 or len(lines[-1]) >= most // 3:
            break
        narrower = textwrap.wrap(text, width)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def lightness(colour: str) -> float:
    """CIE L* of a colour, from 0 (black) to 100 (white); equal steps look equal.

    Examples
    --------
    >>> lightness("#000000"), round(lightness("#ffffff")), round(lightness("#777777"))
    (0.0, 100, 50)
    """
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    if luminance <= (6 / 29) ** 3:
        return luminance * (29 / 3) ** 3
    return 116 * float(luminance ** (1 / 3)) - 16


def _even(name: str, steps: list[str]) -> Any:
    """Colours whose lightness grows or falls evenly: each step has the place of its own."""
    heights = [lightness(one) for one in steps]
    places = [(one - heights[0]) / (heights[-1] - heights[0]) for one in heights]
    return _colours(name, list(zip(places, steps, strict=True)))


def _colours(name: str, steps: list[Any]) -> Any:
    plots()
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(name, steps, N=511)
