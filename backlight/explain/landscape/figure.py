"""A landscape as a line, a map of contours or a surface, with the way that training took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, nearest
from backlight.explain.landscape.chords import Chords
from backlight.explain.landscape.slice import Slice
from backlight.explain.landscape.way import between_points, on_line, on_map, on_surface
from backlight.explain.look.style import Style, signed_number, style

Array = np.ndarray[Any, Any]

KINDS = ("contour", "surface", "both")
"""How a plane may be drawn; a line is drawn as a line."""
_STEEP = 30.0
"""From this ratio of largest to smallest loss on, levels are spaced by ratios."""
_LEVELS = 25


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
        Where training went, oldest first; of a line the first column counts.
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
    if told.path is None:
        on_line(look, axes, found, np.zeros((1, 2)), ("",))
    else:
        on_line(look, axes, found, told.path, told.epochs)
    axes.set_xlabel(told.first)
    axes.set_ylabel(_say(look, "loss"))
    axes.grid()


def _contour(look: Style, figure: Any, axes: Any, found: Slice, told: Told) -> None:
    from matplotlib.colors import LogNorm

    losses = np.ma.masked_invalid(found.losses)
    levels, norm = _levels(losses)
    filled = axes.contourf(
        found.across, found.up, losses, levels=levels, norm=norm, cmap=look.amount()
    )
    lines = levels[2::2]
    axes.contour(
        found.across,
        found.up,
        losses,
        levels=lines,
        colors=[look.theme.ink if norm(one) < 0.5 else look.theme.paper for one in lines],
        linewidths=0.45,
        alpha=0.6,
    )
    bar = look.bar(figure, filled, axes, _say(look, "loss"))
    ticks = _ticks(levels[0], levels[-1], isinstance(norm, LogNorm))
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.minorticks_off()
    axes.plot(0, 0, "*", color=look.theme.gradient, markersize=14, markeredgecolor=look.theme.paper)
    if told.path is not None:
        on_map(look, axes, told.path, told.epochs)
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
    _trained(look, axes, found, heights)
    if told.path is not None:
        on_surface(look, axes, found, heights, told.path, told.epochs)
    axes.set_xlabel(told.short[0], size=9)
    axes.set_ylabel(told.short[1], size=9)
    axes.set_zlabel(_say(look, "loss"), size=8.5)
    if steep:
        low, high = np.floor(np.nanmin(heights)), np.ceil(np.nanmax(heights))
        ticks = _ticks(10.0**low, 10.0**high, steep)
        axes.set_zticks(np.log10(list(ticks)), list(ticks.values()))
    axes.tick_params(labelsize=7)
    axes.view_init(elev=32, azim=-58)
    axes.set_box_aspect((1, 1, 0.72), zoom=0.96)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(look.theme.paper)
        axis._axinfo["grid"].update(color=look.theme.faint, linewidth=0.3)


def _trained(look: Style, axes: Any, found: Slice, heights: Array) -> None:
    """A star where a and b are 0, in front of the surface."""
    axes.computed_zorder = False
    height = between_points(found.across, found.up, heights, [(0.0, 0.0)])
    axes.plot(
        [0],
        [0],
        height,
        "*",
        color=look.theme.gradient,
        markersize=12,
        markeredgecolor=look.theme.paper,
        zorder=9,
    )


def _ticks(low: float, high: float, steep: bool) -> dict[float, str]:
    """Round numbers from low to high with their labels; powers of ten where the loss is steep."""
    from matplotlib.ticker import MaxNLocator

    slack = 1e-9
    if steep:
        powers = range(int(np.ceil(np.log10(low) - slack)), int(np.log10(high) + 1 + slack))
        kept = [one for one in powers if 10.0**one <= high * (1 + slack)]
        return {10.0**one: power_of_ten(one) for one in kept[:: 1 + len(kept) // 10]}
    found = MaxNLocator(7).tick_values(low, high)
    return {float(one): signed_number(float(one)) for one in found if low <= one <= high}


def power_of_ten(power: int) -> str:
    """A power of ten in few characters.

    Examples
    --------
    >>> power_of_ten(-2), power_of_ten(3), power_of_ten(-6)
    ('0.01', '1000', '10⁻⁶')
    """
    if -4 < power < 4:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


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
        return np.geomspace(low, high, _LEVELS), LogNorm(low, high, clip=True)
    return np.linspace(low, high, _LEVELS), Normalize(low, high, clip=True)


def _say(look: Style, meaning: str, **values: Any) -> str:
    from backlight.words import say

    return say(f"landscape.{meaning}", look.language, **values)
