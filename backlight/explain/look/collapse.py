"""The picture of why a nonlinearity matters: the matrices of linear layers, and the one they are.

What is drawn is computed by `backlight.explain.collapse`.
"""

from __future__ import annotations

from typing import Any

from backlight.explain.collapse import Collapsed
from backlight.explain.look.style import style

_SMALL_NUMBERS = "₁₂₃₄₅₆₇₈₉"


def draw(found: Collapsed, *, theme: str = "light", language: str | None = None) -> Any:
    """The factors and their product as signed maps with one scale.

    Parameters
    ----------
    found : Collapsed
        Of at most nine layers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    count = len(found.layers)
    caption = look.say("collapse.caption", error=f"{found.error:.1e}".replace("-", "−"))
    maps = [*reversed(found.layers), found.matrix]
    most = max(float(abs(one).max()) for one in maps)
    widths = [one.shape[1] for one in maps]
    size = (0.34 * sum(widths) + 2.2, 0.3 * max(len(one) for one in maps) + 1.6)
    with look.page(*size, look.say("collapse.title", count=count), caption) as figure:
        grid = figure.subplots(1, count + 1, squeeze=False, width_ratios=widths).ravel()
        for place, (axes, values) in enumerate(zip(grid, maps, strict=True)):
            name = "W" if place == count else f"W{_SMALL_NUMBERS[min(count - place - 1, 8)]}"
            told = f"{name}  {values.shape[0]}×{values.shape[1]}"
            shown = look.signed_map(axes, values, told, most)
            if place < count:
                axes.text(
                    1.0 + 0.55 / values.shape[1],
                    0.5,
                    "=" if place == count - 1 else "·",
                    transform=axes.transAxes,
                    size=15,
                    ha="center",
                    va="center",
                )
        look.bar(figure, shown, list(grid), look.say("weights.unit"))
    return figure
