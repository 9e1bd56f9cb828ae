"""A circuit drawn with letters: symbols in brackets, values above the wires, gradients below."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from backlight.explain.circuit.boxes import CELLS, Box, cells
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.layout import Layout, Place, Point, laid_out
from backlight.explain.circuit.number import label, shape
from backlight.explain.circuit.statistics import BROKEN, ZERO, figures, written
from backlight.words import say

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_PIECES = {
    _UP | _DOWN: "│",
    _LEFT | _RIGHT: "─",
    _DOWN | _RIGHT: "┌",
    _DOWN | _LEFT: "┐",
    _UP | _RIGHT: "└",
    _UP | _LEFT: "┘",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _LEFT | _RIGHT | _DOWN: "┬",
    _LEFT | _RIGHT | _UP: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
    _UP: "│",
    _DOWN: "│",
    _LEFT: "─",
    _RIGHT: "─",
}


_BARS = "▁▂▃▄▅▆▇"
_NO_BAR = {ZERO: "·", BROKEN: "!"}
_VALUE, _GRADIENT, _PLAIN = "\x1b[32m", "\x1b[3;31m", "\x1b[0m"
"""Green above the wire; red and in italics below, for those who see both colours as one."""


def text(
    circuit: Circuit,
    width: int | None = None,
    language: str | None = None,
    *,
    colour: bool = False,
) -> str:
    """The drawing, as lines of text.

    Parameters
    ----------
    circuit : Circuit
        What is drawn.
    width : int, optional
        Columns of the terminal; a wider drawing is cut into bands, one below the other.
    language : str, optional
        Of the words between bands.
    colour : bool
        Whether values are green and gradients red and in italics, as terminals are told to.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(text(circuit("x*y", x=4, y=-3)))
       4.00          −12.00
    x ──────────┬─(×) ────────
       −3.00    │    1.00
                │
       −3.00    │
    y ──────────┘
       4.00
    """
    placed = laid_out(draw(circuit, pen=CELLS))
    page = _Page(placed, colour)
    for number, frame in enumerate(placed.frames):
        page.frame(frame, placed.drawn.frames[number].title)
    for ends, corners in zip(placed.drawn.wires, placed.wires, strict=True):
        page.wire(ends.node, corners)
    made = figures(circuit, placed.drawn, language).boxes
    for box, place, figure in zip(placed.drawn.boxes, placed.boxes, made, strict=True):
        page.box(circuit, box, place)
        page.bars(box, place, figure.strip)
    if width is None or page.edge() <= width:
        return "\n".join(page.lines())
    between = f"\n\n{say('circuit.drawing.continued', language)}\n\n"
    return between.join("\n".join(band) for band in page.bands(width))


class _Page:
    """A grid of characters, with the directions in which wires leave each of its cells."""

    def __init__(self, placed: Layout, colour: bool) -> None:
        self.placed = placed
        self.colour = colour
        self.rows = int(placed.height) + 1
        self.columns = int(placed.width) + 1
        self.written: dict[tuple[int, int], str] = {}
        self.wires: dict[tuple[int, int], tuple[int, set[int]]] = {}
        self.borders: dict[tuple[int, int], int] = {}

    def frame(self, place: Place, title: str) -> None:
        """The border of an open layer, its title on the upper edge."""
        left, top = int(place.x), int(place.y)
        right, bottom = left + int(place.width) - 1, top + int(place.height) - 1
        for x in range(left, right + 1):
            for y in (top, bottom):
                self.borders[y, x] = _LEFT | _RIGHT
        for y in range(top, bottom + 1):
            for x in (left, right):
                self.borders[y, x] = _UP | _DOWN
        self.borders[top, left] = _DOWN | _RIGHT
        self.borders[top, right] = _DOWN | _LEFT
        self.borders[bottom, left] = _UP | _RIGHT
        self.borders[bottom, right] = _UP | _LEFT
        self.write(left + 2, top, f" {title} ")

    def wire(self, node: int, corners: tuple[Point, ...]) -> None:
        """A wire along its corners, upright and level."""
        points = [(int(x), int(y)) for x, y in corners]
        for (x0, y0), (x1, y1) in pairwise(points):
            self._line(node, x0, y0, x0, y1)
            self._line(node, x0, y1, x1, y1)

    def box(self, circuit: Circuit, box: Box, place: Place) -> None:
        """Its symbol, and the numbers on the wire that leaves it."""
        left, body = int(place.x), int(box.body)
        row = int(place.y) + (int(place.height) - 1) // 2
        if box.kind != "share":
            shown = f"({box.symbol})" if box.kind in ("gate", "layer") else box.symbol
            self.write(left, row, shown)
            left += cells(shown)
        end = int(place.x + place.width)
        start = int(place.x) + body
        if any(self.placed.drawn.boxes[w.source] is box for w in self.placed.drawn.wires) or (
            box.node == circuit.output
        ):
            self._line(box.node, left + 1, row, end, row)
        above, below = labels(circuit, box)
        self.write(start, row - 1, above, _VALUE)
        self.write(start, row + 1, below, _GRADIENT)

    def bars(self, box: Box, place: Place, levels: Sequence[int]) -> None:
        """Below a folded layer, how large the gradient is at every step inside."""
        count = min(len(levels), int(box.body) - 2)
        shown = [levels[(number + 1) * len(levels) // count - 1] for number in range(count)]
        row = int(place.y) + (int(place.height) - 1) // 2 + 1
        told = "".join(_BARS[level] if level >= 0 else _NO_BAR.get(level, " ") for level in shown)
        self.write(int(place.x) + 1, row, told, _GRADIENT)

    def write(self, x: int, y: int, words: str, colour: str = "") -> None:
        """Letters from a cell on; a wide one takes two."""
        for place, letter in enumerate(words):
            shown = letter
            if self.colour and colour:
                shown = (colour if place == 0 else "") + letter
                shown += _PLAIN if place == len(words) - 1 else ""
            self.written[y, x] = shown
            x += cells(letter)
            if cells(letter) == 2:
                self.written[y, x - 1] = ""

    def edge(self) -> int:
        """The first column with nothing in it."""
        return max((x for _, x in (*self.written, *self.wires, *self.borders)), default=-1) + 1

    def lines(self) -> list[str]:
        """Every row as text."""
        last = max((y for y, _ in (*self.written, *self.wires, *self.borders)), default=-1)
        found = [self._row(y, 0, None).rstrip() for y in range(last + 1)]
        while found and not found[0]:
            found.pop(0)
        return found

    def bands(self, width: int) -> list[list[str]]:
        """Groups of columns that fit the width, cut in front of a box where possible."""
        starts = sorted({int(place.x) for place in self.placed.boxes})
        edge = self.edge()
        found, left = [], 0
        while left < edge:
            right = max((x for x in starts if left < x <= left + width), default=left + width)
            right = edge if edge <= left + width else right
            rows = [self._row(y, left, right).rstrip() for y in range(self.rows + 1)]
            found.append([row for row in rows if row])
            left = right
        return found

    def _row(self, y: int, left: int, right: int | None) -> str:
        edge = max(
            (x for row, x in (*self.written, *self.wires, *self.borders) if row == y), default=-1
        )
        edge = edge + 1 if right is None else min(right, edge + 1)
        return "".join(self._cell(y, x) for x in range(left, edge))

    def _cell(self, y: int, x: int) -> str:
        if (y, x) in self.written:
            return self.written[y, x]
        ways, sources = self.wires.get((y, x), (0, set()))
        if ways:
            crossing = ways == _UP | _DOWN | _LEFT | _RIGHT and len(sources) > 1
            return "│" if crossing else _PIECES[ways]
        return _PIECES.get(self.borders.get((y, x), 0), " ")

    def _line(self, node: int, x0: int, y0: int, x1: int, y1: int) -> None:
        across, down = np.sign(x1 - x0), np.sign(y1 - y0)
        forward = _RIGHT if across > 0 else _LEFT if across < 0 else _DOWN if down > 0 else _UP
        back = {_RIGHT: _LEFT, _LEFT: _RIGHT, _DOWN: _UP, _UP: _DOWN}[forward]
        x, y = x0, y0
        while (x, y) != (x1, y1):
            self._leave(node, x, y, forward)
            x, y = int(x + across), int(y + down)
            self._leave(node, x, y, back)

    def _leave(self, node: int, x: int, y: int, way: int) -> None:
        ways, sources = self.wires.get((y, x), (0, set()))
        self.wires[y, x] = ways | way, sources | {node}


def labels(circuit: Circuit, box: Box) -> tuple[str, str]:
    """What is written above the wire that leaves a box, and below it.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> drawn = circuit("W@x", W=[[1, 2]], x=[3, -4])
    >>> [labels(drawn, box) for box in draw(drawn, pen=CELLS).boxes]
    [('1×2', '|∇| 3.50'), ('(2)', '|∇| 1.50'), ('(1)', '|∇| 1.00')]
    """
    node = circuit.nodes[box.node]
    gradient = circuit.gradients[node.index]
    if box.use[0] >= 0:
        gradient = circuit.shares(box.use[0])[box.use[1]]
    below = written(gradient, "∇")
    plain = node.kind == "constant" and not node.name and node.value.ndim == 0
    if box.kind == "share" or plain:
        return "", below
    return (shape(node.shape) if node.value.ndim else label(node.value)), below
