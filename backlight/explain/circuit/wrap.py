"""A wide drawing in rows: cut where few wires cross, which then run to the next row's start."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backlight.explain.circuit.layout import Layout, Place, Point

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
    """A place where a row may end: from left to right, and the wires that cross it."""

    x: float
    wires: int


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
        Boxes and frames whole, every wire still upright and level.
    """
    cuts = _chosen(layout, width)
    if not cuts:
        return layout
    rows = _rows(layout, cuts)
    starts = [row.start for row in rows]

    def moved(place: Place) -> Place:
        row = rows[bisect_right(starts, place.x) - 1]
        return replace(place, x=place.x + row.across, y=place.y + row.down)

    boxes = tuple(map(moved, layout.boxes))
    frames = tuple(map(moved, layout.frames))
    lanes = [0] * len(rows)
    wires = tuple(tuple(_led(wire, rows, starts, lanes)) for wire in layout.wires)
    ends = [(place.x + place.width, place.y + place.height) for place in (*boxes, *frames)]
    ends += [point for wire in wires for point in wire]
    wide, high = (max(one) for one in zip(*ends, strict=True))
    return replace(layout, boxes=boxes, frames=frames, wires=wires, width=wide, height=high)


def _chosen(layout: Layout, width: float) -> list[_Cut]:
    """Where rows end: at the fewest wires, then as late as fits; else as soon as possible."""
    last = layout.width - width * SHORTEST / 2
    possible = [cut for cut in _possible(layout) if cut.wires <= MOST_WIRES and cut.x < last]
    chosen: list[_Cut] = []
    start = 0.0
    while layout.width - start > width * LONGEST:
        behind = [cut for cut in possible if cut.x > start + width * SHORTEST]
        fits = [cut for cut in behind if cut.x <= start + width]
        if not behind:
            break
        chosen.append(min(fits, key=lambda cut: (cut.wires, -cut.x)) if fits else behind[0])
        start = chosen[-1].x
    return chosen


def _possible(layout: Layout) -> Iterator[_Cut]:
    """One cut in every gap between boxes: where the fewest wires cross it."""
    spans = sorted((place.x, place.x + place.width) for place in (*layout.boxes, *layout.frames))
    uprights = sorted({x for wire in layout.wires for x, _ in wire})
    reached = spans[0][1]
    for start, end in spans[1:]:
        if start > reached + 2:
            inside = uprights[bisect_right(uprights, reached) : bisect_right(uprights, start - 1)]
            edges = [reached, *inside, start]
            middles = [(a + b) / 2 for a, b in itertools.pairwise(edges) if b > a + 1]
            cuts = [_Cut(x, len(_levels(layout, x))) for x in middles]
            if cuts:
                yield min(cuts, key=lambda cut: cut.wires)
        reached = max(reached, end)


def _levels(layout: Layout, x: float) -> list[float]:
    """Heights at which wires cross an upright line."""
    return [
        y
        for wire in layout.wires
        for (before, y), (after, _) in itertools.pairwise(wire)
        if before < x < after
    ]


def _rows(layout: Layout, cuts: Sequence[_Cut]) -> list[_Row]:
    borders = [0.0, *(cut.x for cut in cuts), layout.width + 1]
    crossing = [0, *(cut.wires for cut in cuts), 0]
    rows = []
    top = 0.0
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        heights = [
            y
            for place in (*layout.boxes, *layout.frames)
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
