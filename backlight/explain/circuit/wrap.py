"""A wide drawing in rows: cut where few wires cross, which then run to the next row's start.

The frame of a layer that is wider than a row is cut with it, and open where it goes on.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backlight.explain.circuit.layout import Layout, Piece, Place, Point

WIDE = 1500.0
"""Width from which a picture is cut into rows, in pixels."""
MOST_WIRES = 3
"""Wires that a cut may cross, at most: what is tangled is better scrolled."""
SHORTEST, LONGEST = 0.55, 1.25
"""How short a row may be to cross fewer wires, and how long the last, as shares of the width."""
LANE = 9.0
GAP = 12.0
"""Room beside a row's end, and above and below the wires between rows."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """A place where a row may end: from left to right, and the wires and frames that cross it."""

    x: float
    wires: int
    frames: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """What lies between two cuts: where it starts, how far it is moved, where it then is."""

    start: float
    across: float
    down: float
    right: float
    top: float


def wrapped(layout: Layout, width: float = WIDE) -> Layout:
    """The layout in rows of about a width; as it is, if it fits or cannot be cut.

    Parameters
    ----------
    layout : Layout
        Made with the pen PIXELS.
    width : float
        Of a row, in pixels. A row is wider where no cut crosses few enough wires.

    Returns
    -------
    Layout
        Boxes whole, and frames that are not too wide; every wire still upright and level.
    """
    cuts = _chosen(layout, width)
    if not cuts:
        return layout
    pieces = _pieces(layout, [cut.x for cut in cuts])
    rows = _rows(layout, cuts, pieces)
    starts = [row.start for row in rows]

    def moved(place: Place) -> Place:
        row = rows[bisect_right(starts, place.x) - 1]
        return replace(place, x=place.x + row.across, y=place.y + row.down)

    boxes = tuple(map(moved, layout.boxes))
    cut = tuple(replace(piece, place=moved(piece.place)) for piece in pieces)
    frames = tuple(piece.place for piece in cut if piece.begins)
    lanes = [0] * len(rows)
    wires = tuple(tuple(_led(wire, rows, starts, lanes)) for wire in layout.wires)
    places = [*boxes, *(piece.place for piece in cut)]
    ends = [(place.x + place.width, place.y + place.height) for place in places]
    ends += [point for wire in wires for point in wire]
    wide, high = (max(one) for one in zip(*ends, strict=True))
    return Layout(layout.drawn, boxes, frames, wires, wide, high, layout.plain, cut)


def _chosen(layout: Layout, width: float) -> list[_Cut]:
    """Where rows end: at the fewest wires, then as late as fits; else as soon as possible."""
    last = layout.width - width * SHORTEST / 2
    possible = [cut for cut in _possible(layout, width) if cut.wires <= MOST_WIRES and cut.x < last]
    chosen: list[_Cut] = []
    start = 0.0
    while layout.width - start > width * LONGEST:
        behind = [cut for cut in possible if cut.x > start + width * SHORTEST]
        fits = [cut for cut in behind if cut.x <= start + width]
        if not behind:
            break
        chosen.append(min(fits, key=_price) if fits else behind[0])
        start = chosen[-1].x
    return chosen


def _price(cut: _Cut) -> tuple[int, float]:
    """What speaks against a cut: what it cuts through, then how short its row is."""
    return cut.wires + cut.frames, -cut.x


def _possible(layout: Layout, width: float) -> Iterator[_Cut]:
    """One cut in every gap between boxes and narrow frames: where the fewest wires cross it."""
    narrow = [place for place in layout.frames if place.width <= width * SHORTEST]
    wide = [place for place in layout.frames if place.width > width * SHORTEST]
    spans = sorted((place.x, place.x + place.width) for place in (*layout.boxes, *narrow))
    uprights = sorted({x for wire in layout.wires for x, _ in wire})
    reached = spans[0][1]
    for start, end in spans[1:]:
        if start > reached + 2:
            inside = uprights[bisect_right(uprights, reached) : bisect_right(uprights, start - 1)]
            edges = [reached, *inside, start]
            middles = [(a + b) / 2 for a, b in itertools.pairwise(edges) if b > a + 1]
            cuts = [_Cut(x, len(_levels(layout, x)), _around(wide, x)) for x in middles]
            if cuts:
                yield min(cuts, key=lambda cut: cut.wires + cut.frames)
        reached = max(reached, end)


def _around(frames: Sequence[Place], x: float) -> int:
    """How many frames an upright line goes through."""
    return sum(place.x < x < place.x + place.width for place in frames)


def _levels(layout: Layout, x: float) -> list[float]:
    """Heights at which wires cross an upright line."""
    return [
        y
        for wire in layout.wires
        for (before, y), (after, _) in itertools.pairwise(wire)
        if before < x < after
    ]


# ── frames that are cut ────────────────────────────────────────────────────────────────────────


def _pieces(layout: Layout, cuts: Sequence[float]) -> list[Piece]:
    """Every frame's parts between the cuts, each as high as what is in it."""
    borders = [-1.0, *cuts, layout.width + 1]
    found: list[list[Piece]] = [[] for _ in layout.frames]
    for number in reversed(range(len(layout.frames))):  # those inside stand behind
        whole = layout.frames[number]
        right = whole.x + whole.width
        for start, end in itertools.pairwise(borders):
            if right <= start or whole.x >= end:
                continue
            left = max(start, whole.x)
            place = replace(whole, x=left, width=min(end, right) - left)
            if place.width < whole.width:
                place = _lowered(layout, number, place, found)
            if place.height > 0:
                found[number].append(Piece(number, place, left == whole.x, right <= end))
    return [piece for pieces in found for piece in pieces]


def _lowered(layout: Layout, number: int, place: Place, found: Sequence[Sequence[Piece]]) -> Place:
    """A part of a frame, no higher than what it holds; of height 0 if that is nothing."""
    drawn = layout.drawn
    padding = drawn.pen.frame[0]
    inside = [
        one
        for box, one in zip(drawn.boxes, layout.boxes, strict=True)
        if box.frame == number and _between(one.x, place)
    ]
    for inner, frame in enumerate(drawn.frames):
        if frame.frame == number:
            inside += [piece.place for piece in found[inner] if _between(piece.place.x, place)]
    heights = [y for one in inside for y in (one.y - padding, one.y + one.height + padding)]
    heights += [
        y
        for wire in layout.wires
        for (before, y), (after, other) in itertools.pairwise(wire)
        if y == other
        and min(before, after) < place.x + place.width
        and max(before, after) > place.x
        for y in (y - padding / 2, y + padding / 2)
    ]
    if not inside:
        return replace(place, height=0.0)
    top = max(place.y, min(heights))
    bottom = min(place.y + place.height, max(heights))
    return replace(place, y=top, height=bottom - top)


def _between(x: float, place: Place) -> bool:
    return place.x <= x < place.x + place.width


# ── rows ───────────────────────────────────────────────────────────────────────────────────────


def _rows(layout: Layout, cuts: Sequence[_Cut], pieces: Sequence[Piece]) -> list[_Row]:
    borders = [0.0, *(cut.x for cut in cuts), layout.width + 1]
    crossing = [0, *(cut.wires for cut in cuts), 0]
    rows = []
    top = 0.0
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        heights = [
            y
            for place in (*layout.boxes, *(piece.place for piece in pieces))
            if start <= place.x < end
            for y in (place.y, place.y + place.height)
        ]
        heights += [y for wire in layout.wires for x, y in wire if start <= x < end]
        heights += _levels(layout, start) + _levels(layout, end)
        indent = LANE * crossing[number] + GAP if number else 0.0
        across = indent - start
        rows.append(_Row(start, across, top - min(heights), end + across, top))
        top += max(heights) - min(heights) + 2 * GAP + LANE * crossing[number + 1]
    return rows


def _led(
    wire: Sequence[Point], rows: Sequence[_Row], starts: Sequence[float], lanes: list[int]
) -> Iterator[Point]:
    """A wire's corners where its rows are now; `lanes` counts the wires that came to each row."""
    at = bisect_right(starts, wire[0][0]) - 1
    for x, y in wire:
        while at < bisect_right(starts, x) - 1:
            before, row = rows[at], rows[at + 1]
            at += 1
            aside = LANE * (lanes[at] + 1)
            lanes[at] += 1
            right, left = before.right + aside, row.start + row.across - aside
            between = row.top - GAP - aside + LANE
            yield right, y + before.down
            yield right, between
            yield left, between
            yield left, y + row.down
        yield x + rows[at].across, y + rows[at].down
