"""Placing a drawing: where every box, frame and wire goes, in time and always.

A small drawing is placed by the engine in this process. A larger one is placed by a program of its
own that is stopped after a deadline, since the engine has none; then, or if the engine refuses,
boxes are put in columns by their depth, which is plain but never fails. What was placed once is
remembered by its structure, so that new numbers in the same circuit cost nothing.
"""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backlight.explain.circuit import layout_worker
from backlight.explain.circuit.boxes import Drawn
from backlight.explain.circuit.columns import Ends, Sizes, in_columns

Point = tuple[float, float]

SMALL = 80
"""Boxes up to which the engine runs in this process."""
FANNED = 24
"""Most wires at one box up to which it does: its time grows with the third power of them."""
ENTRY = 10.0
"""How far from the middle of a gate's left side a wire enters, at most, in a picture."""
DEADLINE = 2.0
"""Seconds after which a layout is given up for a plain one."""
NEARLY = 1e-6
"""How far from a whole cell a place still is one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a box or frame is: its upper left corner and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Height at which its wire leaves."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a frame, where a wide picture is cut into rows; a whole frame is one piece.

    Attributes
    ----------
    frame : int
        Which frame, in `Drawn.frames`.
    place : Place
        Where this part of it is.
    begins, ends : bool
        Whether its left and its right border are the frame's own, and not a cut.
    """

    frame: int
    place: Place
    begins: bool = True
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing with places.

    Attributes
    ----------
    drawn : Drawn
        What was placed.
    boxes, frames : tuple of Place
        As in `drawn`.
    wires : tuple of tuple of (x, y)
        The corners of every wire, from the right border of its source, in the middle of its height,
        to the left border of its target. All parts are upright or level.
    width, height : float
        Of everything, from (0, 0).
    plain : bool
        Whether the engine had to be given up and boxes stand in columns.
    cut : tuple of Piece
        The parts of all frames, if the picture was cut into rows; then `frames` has the first ones.
    """

    drawn: Drawn
    boxes: tuple[Place, ...]
    frames: tuple[Place, ...]
    wires: tuple[tuple[Point, ...], ...]
    width: float
    height: float
    plain: bool = False
    cut: tuple[Piece, ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The parts of all frames; a frame's first part stands before its others."""
        return self.cut or tuple(Piece(number, one) for number, one in enumerate(self.frames))


_STRAIGHT = {"leaf": 1, "tag": 1, "gate": 4, "layer": 4, "share": 2}
"""How much a wire from such a box wants to be straight: what flows through, most."""

_Frames = tuple[tuple[float, int], ...]
_Found = dict[str, Any]


def laid_out(drawn: Drawn, *, deadline: float = DEADLINE) -> Layout:
    """Place the boxes, frames and wires of a drawing.

    Parameters
    ----------
    drawn : Drawn
        What `draw` made, with the pen of its choice; its sizes decide the unit.
    deadline : float
        Seconds after which a plain layout is taken instead.

    Returns
    -------
    Layout
        Boxes do not overlap. With a pen of character cells all places are whole numbers.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> from backlight.explain.circuit.boxes import CELLS
    >>> from backlight.explain.circuit.draw import draw
    >>> placed = laid_out(draw(circuit("x*y", x=2, y=3), pen=CELLS))
    >>> [(box.symbol, place.x) for box, place in zip(placed.drawn.boxes, placed.boxes)]
    [('x', 0), ('y', 0), ('×', 14)]
    """
    pen = drawn.pen
    boxes = tuple((box.width, box.height, box.frame) for box in drawn.boxes)
    frames = tuple((frame.width, frame.frame) for frame in drawn.frames)
    wires = tuple(
        (wire.source, wire.target, _STRAIGHT[drawn.boxes[wire.source].kind]) for wire in drawn.wires
    )
    gaps = (pen.across, pen.down, pen.lane, *pen.frame)
    plain = False
    try:
        found = _placed(boxes, frames, wires, gaps, deadline)
    except (ImportError, ValueError, OSError, subprocess.SubprocessError):
        found = in_columns(boxes, wires, gaps)  # not remembered: the machine may only be busy
        plain = True
    return _settled(drawn, _upright(drawn, found), plain)


@functools.lru_cache(maxsize=128)
def _placed(
    boxes: Sizes, frames: _Frames, wires: Ends, gaps: tuple[float, ...], deadline: float
) -> _Found:
    request = {"boxes": boxes, "frames": frames, "wires": wires, "gaps": gaps}
    fan = [0] * len(boxes)
    for source, target, _ in wires:
        fan[source] += 1
        fan[target] += 1
    if len(boxes) <= SMALL and max(fan, default=0) <= FANNED:
        return layout_worker.place(request)
    return _placed_elsewhere(request, deadline)


def _placed_elsewhere(request: dict[str, Any], deadline: float) -> dict[str, Any]:
    """The engine in a program of its own. It holds the interpreter's lock and cannot be stopped."""
    finished = subprocess.run(  # noqa: S603 - our own file, by this interpreter
        [sys.executable, "-P", str(Path(layout_worker.__file__))],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=deadline,
        check=True,
    )
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer


def _upright(drawn: Drawn, found: dict[str, Any]) -> dict[str, Any]:
    """Turned upside down if that puts more first inputs above second ones, as they are read."""
    boxes = [(x, y) for x, y in found["boxes"]]
    wires = [[(x, y) for x, y in wire] for wire in found["wires"]]
    entering: dict[int, list[int]] = {}
    for number, wire in enumerate(drawn.wires):
        entering.setdefault(wire.target, []).append(number)
    pairs = [numbers[:2] for numbers in entering.values() if len(numbers) > 1]
    alike = [pair for pair in pairs if _exchangeable(drawn, pair)]
    turned = 0
    for first, second in (pair for pair in pairs if pair not in alike):
        above = boxes[drawn.wires[first].source][1]
        below = boxes[drawn.wires[second].source][1]
        matters = 3 if drawn.wires[first].position else 1
        turned += matters * (int(above > below) - int(above < below))
    if turned > 0 and not drawn.frames:  # the titles of frames are above
        boxes = [(x, -y) for x, y in boxes]
        wires = [[(x, -y) for x, y in wire] for wire in wires]
    for first, second in alike:
        one, other = drawn.wires[first].source, drawn.wires[second].source
        if boxes[one][0] == boxes[other][0] and boxes[one][1] > boxes[other][1]:
            boxes[one], boxes[other] = boxes[other], boxes[one]
            wires[first], wires[second] = wires[second], wires[first]
    return {"boxes": boxes, "frames": found["frames"], "wires": wires}


def _exchangeable(drawn: Drawn, pair: list[int]) -> bool:
    """Whether two wires start at leaves of one size, so that the leaves may change places."""
    one, other = (drawn.boxes[drawn.wires[number].source] for number in pair)
    size = (one.width, one.height, one.frame) == (other.width, other.height, other.frame)
    return size and one.kind == other.kind == "leaf"


def _settled(drawn: Drawn, found: dict[str, Any], plain: bool) -> Layout:
    """Moved to (0, 0), rounded where the pen says so, every wire from middle to border."""
    whole = drawn.pen.whole
    corners = [
        (x - box.width / 2, y - box.height / 2)
        for box, (x, y) in zip(drawn.boxes, found["boxes"], strict=True)
    ]
    outer = [(x, y) for x, y, _, _ in found["frames"]]
    points = [(x, y) for wire in found["wires"] for x, y in wire]
    left = min((x for x, _ in (*corners, *outer, *points)), default=0.0)
    top = min((y for _, y in (*corners, *outer, *points)), default=0.0)

    def settle(number: float) -> float:
        return round(number) if whole else round(number, 1)

    boxes = tuple(
        Place(settle(x - left), settle(y - top), box.width, box.height)
        for box, (x, y) in zip(drawn.boxes, corners, strict=True)
    )

    def framed(start: float, size: float) -> tuple[float, float]:
        """Outwards to whole cells, so that a border never meets what is inside."""
        if not whole:
            return settle(start), settle(size)
        first = math.floor(start + NEARLY)
        return first, math.ceil(start + size - NEARLY) - first

    frames = []
    for x, y, width, height in found["frames"]:
        (x, width), (y, height) = framed(x - left, width), framed(y - top, height)
        frames.append(Place(x, y, width, height))
    wires = tuple(
        _joined(
            [(settle(x - left), settle(y - top)) for x, y in wire],
            boxes[ends.source],
            boxes[ends.target],
            ENTRY if drawn.boxes[ends.target].kind == "gate" else 2 * ENTRY,
            whole,
        )
        for ends, wire in zip(drawn.wires, found["wires"], strict=True)
    )
    every = [(place.x + place.width, place.y + place.height) for place in (*boxes, *frames)]
    every += [point for wire in wires for point in wire]
    width = max((x for x, _ in every), default=0.0)
    height = max((y for _, y in every), default=0.0)
    return Layout(drawn, boxes, tuple(frames), wires, width, height, plain)


def _joined(
    wire: list[Point], source: Place, target: Place, entry: float, whole: bool
) -> tuple[Point, ...]:
    """The wire from the middle of its source to the border of its target, without idle corners."""
    start = (source.x + source.width, _level(source, whole))
    middle = _level(target, whole)
    reach = 0.0 if whole else entry
    end = (target.x, middle + max(-reach, min(reach, wire[-1][1] - middle)))
    inner = wire[1:-1]
    if not inner and start[1] != end[1]:
        bend = start[0] + max(1.0, (end[0] - start[0]) / 2)
        bend = float(round(bend)) if whole else bend
        inner = [(bend, start[1]), (bend, end[1])]
    elif inner:
        inner[0] = (inner[0][0], start[1])
        inner[-1] = (inner[-1][0], end[1])
        if len(inner) == 1:
            inner.append((inner[0][0], end[1]))
    return tuple(_straight([start, *inner, end]))


def _level(place: Place, whole: bool) -> float:
    return place.y + (place.height - 1) // 2 if whole else round(place.middle, 1)


def _straight(points: Iterable[Point]) -> list[Point]:
    """Level and upright parts only, without corners that are none."""
    kept: list[Point] = []
    square: list[Point] = []
    for point in points:
        if square and square[-1][0] != point[0] and square[-1][1] != point[1]:
            square.append((square[-1][0], point[1]))
        square.append(point)
    for point in square:
        if kept and kept[-1] == point:
            continue
        if len(kept) >= 2:
            (ax, ay), (bx, by) = kept[-2:]
            if ax == bx == point[0] or ay == by == point[1]:
                kept.pop()
        kept.append(point)
    return kept
