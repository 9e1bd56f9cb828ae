"""A circuit as a picture: SVG text, the same bytes for the same circuit.

Values stand above their wires, upright; gradients below, in italics: the colours only repeat it.
Every box is a labelled group that can be walked to by keyboard; wires are decoration, their numbers
are in the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from backlight.explain.circuit.boxes import PIXELS, Box
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.layout import Layout, Piece, Place, Point
from backlight.explain.circuit.number import label
from backlight.explain.circuit.statistics import (
    BROKEN,
    LEVELS,
    NO_GRADIENT,
    ZERO,
    Figure,
    Figures,
)
from backlight.explain.circuit.style import TALLEST, Theme, style
from backlight.explain.circuit.told import names
from backlight.words import say

MARGIN = 16.0
LEGEND = 30.0
CORNER = 5.0
TALL = 34.0
"""Height of a gate's symbol, whatever stands above and below its wire."""
STRIP = 8.0
"""Room beside the bars at a folded layer's foot."""
_CLASSES = {NO_GRADIENT: "none", ZERO: "zero", BROKEN: "broken"}


def svg(
    circuit: Circuit,
    layout: Layout,
    figures: Figures,
    *,
    theme: Theme = "auto",
    language: str | None = None,
) -> str:
    """A placed drawing with its numbers as SVG.

    Parameters
    ----------
    circuit : Circuit
        What is drawn.
    layout : Layout
        Made with the pen PIXELS.
    figures : Figures
        The numbers.
    theme : {"auto", "light", "dark"}
        "auto" follows the reader's system and page.
    language : str, optional
        Of labels and legend.

    Returns
    -------
    str
        One <svg> element: it has no ids, fetches nothing, and can stand in a page as often as
        wanted.
    """
    drawn = layout.drawn
    words = _legend(figures, drawn.pen.letter, language)
    room = max([layout.width, *(end for _, end in words)]) + 2 * MARGIN
    height = layout.height + 2 * MARGIN + LEGEND
    called = names(circuit)[circuit.output]
    title = say("drawing.title", language, name=circuit.text or called)
    described = say(
        "drawing.described", language, gates=len(circuit.gates), leaves=len(circuit.leaves)
    )
    if drawn.hidden:
        described += " " + say("drawing.folded", language, count=drawn.hidden)
    wires = [
        _path(_touching(points, drawn.boxes[wire.target]), level)
        for wire, points, level in zip(drawn.wires, layout.wires, figures.wires, strict=True)
    ]
    wires += [
        _stub(box, place, figure)
        for box, place, figure in zip(drawn.boxes, layout.boxes, figures.boxes, strict=True)
        if box.body < box.width
    ]
    frames = [
        _frame(drawn.frames[piece.frame].key, drawn.frames[piece.frame].title, piece, language)
        for piece in layout.pieces
    ]
    boxes = [
        _box(box, place, figure, circuit.nodes[box.node].kind)
        for box, place, figure in zip(drawn.boxes, layout.boxes, figures.boxes, strict=True)
    ]
    places = _places(layout)
    inside = (
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN)})">{"".join(frames)}'
        f'<g aria-hidden="true">{"".join(wires)}{"".join(places)}</g>{"".join(boxes)}</g>'
    )
    bottom = _n(layout.height + MARGIN + LEGEND)
    legend = "".join(text for text, _ in words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="blc" viewBox="0 0 {_n(room)} {_n(height)}"'
        f' width="{_n(room)}" height="{_n(height)}" role="group" aria-label="{_e(title)}"'
        + (f' data-theme="{theme}"' if theme != "auto" else "")
        + f"><title>{_e(title)}</title><desc>{_e(described)}</desc><style>{style(theme)}</style>"
        f'<rect class="ground" width="100%" height="100%" rx="6"/>{inside}'
        f'<g class="legend" transform="translate({_n(MARGIN)} {bottom})">{legend}</g></svg>'
    )


def level_class(level: int) -> str:
    """The class of a wire's thickness."""
    return _CLASSES.get(level, f"l{level}")


# ── boxes ──────────────────────────────────────────────────────────────────────────────────────


def _box(box: Box, place: Place, figure: Figure, kind: str) -> str:
    """A box with everything written at it, as one labelled group."""
    middle = place.height / 2
    kinds = f"{box.kind} {kind}" if box.kind == "leaf" else box.kind
    state = ' role="button" aria-expanded="false"' if box.kind == "layer" else ' role="group"'
    group = f' data-group="{_e(box.group)}"' if box.group else ""
    parts = [f"<title>{_e(figure.label)}</title>"]
    if box.kind == "layer":
        parts += _layer(box, place)
        parts += _strip(box, place, figure)
    elif box.body:
        parts += _symbol(box, figure, middle)
    parts += _numbers(box, place, figure, middle)
    return (
        f'<g class="{kinds}" data-box="{_e(box.key)}"{group} tabindex="0"{state}'
        f' aria-label="{_e(figure.label)}"'
        f' transform="translate({_n(place.x)} {_n(place.y)})">{"".join(parts)}</g>'
    )


def _symbol(box: Box, figure: Figure, middle: float) -> list[str]:
    tall = TALL if box.kind == "gate" else TALL - 8
    round_ = tall / 2 if box.kind == "gate" else 4
    if box.kind == "leaf" and box.node >= 0 and box.uses > 1:
        round_ = 8
    found = [
        f'<rect class="body" x="0" y="{_n(middle - tall / 2)}" width="{_n(box.body)}"'
        f' height="{_n(tall)}" rx="{_n(round_)}"/>',
        _text("symbol", box.body / 2, middle + 4.5, box.symbol),
    ]
    if box.note:
        found.append(_text("note", box.body / 2, middle + tall / 2 + 11, box.note))
    if figure.total:
        found.append(_text("total", box.body / 2, middle + tall / 2 + 11, f"Σ {figure.total}"))
    return found


def _layer(box: Box, place: Place) -> list[str]:
    height = place.height - 4
    found = []
    if box.times > 1:
        found.append(_rect("behind", 4, -2, box.body, height))
    found.append(_rect("body", 0, 2, box.body, height))
    middle = place.height / 2 - (PIXELS.strip / 2 if box.strip else 0)
    if box.note:
        found.append(_text("symbol", box.body / 2, middle - 3, box.symbol))
        found.append(_text("note", box.body / 2, middle + 13, box.note))
    else:
        found.append(_text("symbol", box.body / 2, middle + 5, box.symbol))
    return found


def _strip(box: Box, place: Place, figure: Figure) -> list[str]:
    """Bars at a folded layer's foot, as high as the gradient is large at every step inside."""
    if not figure.strip:
        return []
    step = (box.body - 2 * STRIP) / len(figure.strip)
    bars = [
        _bar(STRIP + step * (number + 0.5), place.height - 8, level)
        for number, level in enumerate(figure.strip)
    ]
    return [f'<g class="strip" aria-hidden="true">{"".join(bars)}</g>']


def _bar(x: float, y: float, level: int) -> str:
    """Upright and as high as any bar; the style of its level shows as much of it as it should."""
    return f'<path class="wire {level_class(level)}" d="M{_n(x)} {_n(y)}v{_n(-TALLEST)}"/>'


def _numbers(box: Box, place: Place, figure: Figure, middle: float) -> list[str]:
    """Value above the wire, gradient below, the shape of an array above its value."""
    centre = (box.body + place.width) / 2
    if box.kind == "leaf" and not figure.gradient and not figure.shape and "|" not in figure.value:
        return []  # a constant number is written in its box
    found = []
    if figure.shape and box.kind != "share":
        lift = 20 if figure.value else 6
        found.append(_text("number shape", centre, middle - lift, figure.shape))
    found.append(_text("number value", centre, middle - 6, figure.value))
    found.append(_text("number gradient", centre, middle + 15, figure.gradient))
    return found


def _frame(key: str, title: str, piece: Piece, language: str | None) -> str:
    """A frame, or one part of it: only the first is a button that can be walked to."""
    place = piece.place
    said = _e(say("drawing.label.frame", language, name=title))
    state = 'aria-hidden="true"'
    if piece.begins:
        state = f'tabindex="0" role="button" aria-expanded="true" aria-label="{said}"'
    return (
        f'<g class="frame" data-group="{_e(key)}" {state}'
        f' transform="translate({_n(place.x)} {_n(place.y)})">'
        f"<title>{said}</title>{_border(piece)}"
        f"{_text('name', 9, 15, title if piece.begins else f'… {title}')}</g>"
    )


def _border(piece: Piece) -> str:
    """Round where it begins and ends, open where the picture is cut."""
    width, height = piece.place.width, piece.place.height
    if piece.begins and piece.ends:
        return _rect("body", 0, 0, width, height)
    if piece.begins:
        ways = (
            f"M{_n(width)} 0H8Q0 0 0 8V{_n(height - 8)}Q0 {_n(height)} 8 {_n(height)}H{_n(width)}"
        )
    elif piece.ends:
        right, low = _n(width - 8), _n(height - 8)
        ways = f"M0 0H{right}q8 0 8 8V{low}q0 8 -8 8H0"
    else:
        ways = f"M0 0H{_n(width)}M0 {_n(height)}H{_n(width)}"
    return f'<path class="body" d="{ways}"/>'


# ── wires ──────────────────────────────────────────────────────────────────────────────────────


def _stub(box: Box, place: Place, figure: Figure) -> str:
    """The part of a wire that runs under the numbers, inside the box's room."""
    y = place.y + place.height / 2
    start = place.x + box.body
    return _path(((start, y), (place.x + place.width, y)), figure.level)


def _path(points: Sequence[Point], level: int) -> str:
    """A wire with rounded corners."""
    steps = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        short = min(CORNER, _far(before, corner) / 2, _far(corner, after) / 2)
        steps.append("L" + _pair(_toward(corner, before, short)))
        steps.append("Q" + _pair(corner) + " " + _pair(_toward(corner, after, short)))
    steps.append("L" + _pair(points[-1]))
    return f'<path class="wire {level_class(level)}" d="{"".join(steps)}"/>'


def _touching(points: Sequence[Point], target: Box) -> Sequence[Point]:
    """The wire from under its box's own part of it to under the border of a round gate."""
    (start, level), *inner, (end, y) = points
    end += TALL / 4 if target.kind == "gate" else 0
    return ((start - 1, level), *inner, (end, y))


def _places(layout: Layout) -> list[str]:
    """First or second, beside the ends of two wires that must not be exchanged."""
    ends: dict[int, list[tuple[float, float, int]]] = {}
    for wire, points in zip(layout.drawn.wires, layout.wires, strict=True):
        if wire.position:
            x, y = points[-1]
            ends.setdefault(wire.target, []).append((y, x, wire.position))
    return [
        _text("place", x - 1, y + lift, str(position))
        for pair in ends.values()
        for (y, x, position), lift in zip(sorted(pair), (-4.0, 12.0), strict=False)
    ]


def _far(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _toward(start: Point, end: Point, distance: float) -> Point:
    whole = _far(start, end) or 1.0
    share = distance / whole
    return (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))


# ── legend ─────────────────────────────────────────────────────────────────────────────────────


def _legend(figures: Figures, letter: float, language: str | None) -> list[tuple[str, float]]:
    """What the signs mean, each with where it ends."""
    found: list[tuple[str, float]] = []
    x = 0.0

    def write(kind: str, text: str, lines: Iterable[int] = ()) -> None:
        nonlocal x
        for level in lines:
            found.append((_path(((x, -4), (x + 22, -4)), level), x + 22))
            x += 26
        end = x + PIXELS.width(text) * 0.84
        found.append((f'<text class="{kind}" x="{_n(x)}" y="0">{_e(text)}</text>', end))
        x = end + 2 * letter

    write("value", say("drawing.legend.value", language))
    write("gradient", "∇ " + say("drawing.legend.gradient", language))
    if any(figure.shape for figure in figures.boxes):
        write("quiet", say("drawing.legend.arrays", language))
    if figures.scale is not None:
        low, high = map(label, figures.scale)
        text = say("drawing.legend.thickness", language, low=low, high=high)
        write("quiet", text, (0, LEVELS // 2, LEVELS - 1))
    if any(figure.strip for figure in figures.boxes):
        bars = "".join(_bar(x + 5 * level, 0, 2 * level) for level in range(4))
        found.append((f'<g class="strip">{bars}</g>', x + 20))
        x += 24
        write("quiet", say("drawing.legend.strip", language))
    if ZERO in figures.wires:
        write("quiet", say("drawing.legend.zero", language), (ZERO,))
    return found


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}"'
        f' height="{_n(height)}" rx="8"/>'
    )


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}">{_e(text)}</text>'


def _pair(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _e(text: str) -> str:
    """Safe between tags and quotes; control characters, which XML forbids, become a box."""
    printable = "".join(
        letter if letter.isprintable() or letter == "\u200d" else "▯" for letter in text
    )
    return escape(printable)
