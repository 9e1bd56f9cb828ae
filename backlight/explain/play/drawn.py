"""Pieces of SVG: texts and cells that a script finds by their names."""

from __future__ import annotations

from html import escape


def text(
    x: float, y: float, content: str, *, name: str = "", kind: str = "", anchor: str = "middle"
) -> str:
    """A text around a place; `name` lets the script change it, `kind` is its class.

    Examples
    --------
    >>> text(3, 4, "a<b")
    '<text x="3" y="4" text-anchor="middle">a&lt;b</text>'
    """
    named = f' data-name="{name}"' if name else ""
    classed = f' class="{kind}"' if kind else ""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{classed}{named}>{escape(content)}</text>'
    )


def cell(x: float, y: float, side: float, content: str, *, name: str, kind: str = "") -> str:
    """A square with a number in it; both are one group that can be lit."""
    middle = x + side / 2
    written = text(middle, y + side / 2 + 4.5, content, name=f"{name}-text")
    return (
        f'<g class="cell {kind}" data-name="{name}">'
        f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"/>{written}</g>'
    )


def drawing(width: float, height: float, title: str, pieces: list[str]) -> str:
    """The SVG of all pieces; on a narrow screen it is pushed sideways before it gets too small."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="group" aria-label="{escape(title)}" '
        f'style="--least: {0.74 * width:.0f}px">' + "".join(pieces) + "</svg>"
    )
