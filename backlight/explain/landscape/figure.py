"""A landscape as a line, a map of contours or a surface, with the way that training took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, nearest
from backlight.explain.landscape.chords import Chords
from backlight.explain.landscape.slice import Slice
from backlight.explain.look.style import Style, signed_number, style

Array = np.ndarray[Any, Any]

KINDS = ("contour", "surface", "both")
"""How a plane may be drawn; a line is drawn as a line."""
_STEEP = 30.0
"""From this ratio of largest to smallest loss on, levels are spaced by ratios."""


@dataclass(frozen=True)
class Told:
    """What the labels of a landscape say.

    Attributes
    ----------
    title : str
    first, second : str
        The axes with their units.
    caption : str
    path : ndarray (n, 2), optional
        Where training went, oldest first.
    epochs : tuple of str
        What to write beside the first and last of them.
    short : tuple of str
        Names of the axes of a surface, which has no room for units.
    """

    title: str
    first: str
    second: str = ""
    caption: str = ""
    path: Array | None = None
    epochs: tuple[str, ...] = ()
    short: tuple[str, str] = ("d₁", "d₂")


def draw(
    found: Slice,
    told: Told,
    *,
    kind: str = "both",
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The figure of a slice.

    Parameters
    ----------
    found : Slice
    told : Told
    kind : {"both", "contour", "surface"}
        Of a plane.
    theme, language
        See `look.style.style`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        Unknown kind.
    """
    if kind not in KINDS:
        raise ArgumentError(
            "landscape", got=f"kind={kind!r}", needs="a known kind", remedy=nearest(kind, KINDS)
        )
    look = style(theme, language)
    if not found.plane:
        with look.page(7.4, 4.6, told.title, told.caption) as figure:
            _line(look, figure.subplots(), found, told)
        return figure
    both = kind == "both"
    caption = told.caption
    if kind == "surface":
        caption += f" {told.short[0]}: {told.first}. {told.short[1]}: {told.second}."
    with look.page(12.6 if both else 6.9, 6.0, told.title, caption) as figure:
        if kind != "surface":
            _contour(look, figure, figure.add_subplot(1, 2 if both else 1, 1), found, told)
        if kind != "contour":
            place = 2 if both else 1
            axes = figure.add_subplot(1, place, place, projection="3d")
            _surface(look, axes, found, told)
    return figure


def draw_chords(found: Chords, *, theme: str = "light", language: str | None = None) -> Any:
    """The loss along the worst chord, and the chord.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    key = "convex" if found.found.convex else "not_convex"
    counts = {"violations": f"{found.found.violations:,}", "count": f"{found.found.chords:,}"}
    title = _say(look, f"chords_{key}", **counts)
    caption = _say(look, f"chords_caption_{key}", rise=signed_number(found.rise))
    with look.page(7.4, 4.6, title, caption) as figure:
        axes = figure.subplots()
        axes.plot(
            found.along, found.losses, color=look.theme.value, linewidth=2, label=_say(look, "loss")
        )
        axes.plot(
            [0, 1],
            found.losses[[0, -1]],
            "--",
            color=look.theme.gradient,
            label=_say(look, "chord"),
        )
        axes.set_xlabel(_say(look, "along_chord"))
        axes.set_ylabel(_say(look, "loss"))
        axes.legend()
        axes.grid()
    return figure


def _line(look: Style, axes: Any, found: Slice, told: Told) -> None:
    losses = np.where(np.isfinite(found.losses), found.losses, np.nan)
    axes.plot(found.across, losses, color=look.theme.value, linewidth=2)
    axes.axvline(0, color=look.theme.faint, linewidth=0.7, linestyle=":")
    middle = int(abs(found.across).argmin())
    if np.isfinite(losses[middle]):
        axes.plot(
            found.across[middle], losses[middle], "o", color=look.theme.gradient, markersize=7
        )
        axes.annotate(
            signed_number(float(losses[middle])),
            (found.across[middle], losses[middle]),
            xytext=(8, 8),
            textcoords="offset points",
            size=8.5,
        )
    axes.set_xlabel(told.first)
    axes.set_ylabel(_say(look, "loss"))
    axes.grid()


def _contour(look: Style, figure: Any, axes: Any, found: Slice, told: Told) -> None:
    losses = np.ma.masked_invalid(found.losses)
    levels, norm = _levels(losses)
    filled = axes.contourf(
        found.across, found.up, losses, levels=levels, norm=norm, cmap=look.amount()
    )
    axes.contour(
        found.across,
        found.up,
        losses,
        levels=levels[2::2],
        colors=look.theme.ink,
        linewidths=0.45,
        alpha=0.6,
    )
    bar = look.bar(figure, filled, axes, _say(look, "loss"))
    ticks = levels[:: max(1, len(levels) // 7)]
    bar.set_ticks(ticks, labels=[signed_number(float(one), 2) for one in ticks])
    bar.ax.minorticks_off()
    axes.plot(0, 0, "*", color=look.theme.gradient, markersize=14, markeredgecolor=look.theme.paper)
    if told.path is not None:
        axes.plot(
            *told.path.T,
            "o-",
            color=look.theme.gradient,
            markersize=4.5,
            linewidth=1.2,
            markeredgecolor=look.theme.paper,
            markeredgewidth=0.6,
        )
        for place, name in zip((0, -1), told.epochs[:: len(told.epochs) - 1], strict=False):
            axes.annotate(
                name,
                told.path[place],
                xytext=(7, 7),
                textcoords="offset points",
                size=8.5,
                bbox={"facecolor": look.theme.paper, "edgecolor": "none", "alpha": 0.75},
            )
    axes.set_xlim(found.across[0], found.across[-1])
    axes.set_ylim(found.up[0], found.up[-1])
    axes.set_xlabel(told.first)
    axes.set_ylabel(told.second)
    axes.set_aspect("equal", adjustable="box")


def _surface(look: Style, axes: Any, found: Slice, told: Told) -> None:
    losses = np.where(np.isfinite(found.losses), found.losses, np.nan)
    norm = _levels(np.ma.masked_invalid(found.losses))[1]
    steep = _is_steep(losses)
    heights = np.log10(np.maximum(losses, 1e-12)) if steep else losses
    columns, rows = np.meshgrid(found.across, found.up)
    axes.plot_surface(
        columns,
        rows,
        heights,
        facecolors=look.amount()(0.12 + 0.8 * norm(losses).filled(1.0)),
        rstride=1,
        cstride=1,
        linewidth=0.15,
        edgecolor=look.theme.faint,
        antialiased=True,
        shade=False,
    )
    axes.set_xlabel(told.short[0], size=9)
    axes.set_ylabel(told.short[1], size=9)
    axes.set_zlabel(_say(look, "loss"), size=8.5)
    if steep:
        low, high = np.floor(np.nanmin(heights)), np.ceil(np.nanmax(heights))
        ticks = np.arange(low, high + 1)
        axes.set_zticks(ticks, [f"{10.0**one:g}" for one in ticks])
    axes.tick_params(labelsize=7)
    axes.view_init(elev=32, azim=-58)
    axes.set_box_aspect((1, 1, 0.72), zoom=0.96)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(look.theme.paper)
        axis._axinfo["grid"].update(color=look.theme.faint, linewidth=0.3)


def _is_steep(losses: Array) -> bool:
    seen = losses[np.isfinite(losses)]
    return bool(len(seen) and seen.min() > 0 and seen.max() > _STEEP * seen.min())


def _levels(losses: Any) -> tuple[Array, Any]:
    """Contour levels and the scale of the colours: even, or by ratios where the loss is steep."""
    from matplotlib.colors import LogNorm, Normalize

    seen = losses.compressed()
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    high = high if high > low else low + 1.0
    if _is_steep(seen):
        return np.geomspace(low, high, 25), LogNorm(low, high, clip=True)
    return np.linspace(low, high, 25), Normalize(low, high, clip=True)


def _say(look: Style, meaning: str, **values: Any) -> str:
    from backlight.words import say

    return say(f"landscape.{meaning}", look.language, **values)
