"""What a drawing of a circuit is made of, before anything has a place: boxes, frames and wires.

One drawing serves a terminal, a picture and a page. They differ in the `Pen`: how wide a letter is
and how much room a gate needs. Every box keeps room, right of its symbol, for the numbers on the
wire that leaves it; so labels cannot overlap, whatever places the boxes.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Literal

BoxKind = Literal["leaf", "tag", "gate", "layer", "share"]


@dataclass(frozen=True, slots=True)
class Pen:
    """How big things are: in pixels for pictures, in character cells for a terminal.

    Attributes
    ----------
    letter, line : float
        Width of a letter and height of a line.
    padding : float
        Added to the width of the text in a box.
    gate : float
        Least width of a gate's symbol.
    heights : (float, float, float)
        Of a box whose wire carries a single number; of one whose wire carries an array; of a layer.
    across, down, lane : float
        Gaps between layers of the drawing, between boxes, and between parallel wires.
    frame : (float, float)
        Room between an open layer's border and its boxes, and for its title.
    strip : float
        Height of the bars at a folded layer's foot.
    whole : bool
        Whether every place must be a whole number.
    """

    letter: float
    line: float
    padding: float
    gate: float
    heights: tuple[float, float, float]
    across: float
    down: float
    lane: float
    frame: tuple[float, float]
    strip: float = 0.0
    whole: bool = False

    def width(self, text: str) -> float:
        """Room that a text needs: letters of East Asian scripts are twice as wide."""
        return self.letter * cells(text)


PIXELS = Pen(7.2, 15.0, 16.0, 34.0, (36.0, 56.0, 56.0), 22.0, 14.0, 9.0, (20.0, 2.0), 22.0)
CELLS = Pen(1.0, 1.0, 2.0, 3.0, (3.0, 3.0, 3.0), 3.0, 1.0, 1.0, (1.0, 1.0), whole=True)

NUMBER = 7
"""Longest number on a wire, in letters."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that is drawn: a leaf, a gate, a folded layer, or a value's share on one wire.

    Attributes
    ----------
    key : str
        Its name in pages, the same for the same circuit.
    kind : str
        "leaf" (drawn at each use), "tag" (a gate's value, written instead of a long wire), "gate",
        "layer" (folded: it stands for everything in `nodes`), or "share" (the part of a value's
        gradient that comes along one of several wires; it has no symbol).
    node : int
        The circuit's node whose value leaves the box.
    symbol, note : str
        What stands in it, and the smaller line below.
    width, height : float
        Room it takes, numbers on its wire included; the wire leaves in the middle of its height.
    body : float
        Width of the symbol alone; what is left is room for the numbers.
    frame : int
        The open layer that it is in; −1 outside of all.
    nodes : tuple of int
        The circuit's nodes that it stands for.
    use : (int, int)
        For a leaf, tag or share: the gate that reads it there, and on which wire. (−1, −1) else.
    uses : int
        For the first tag of a leaf: how many there are. 0 for the others.
    path : str
        Dotted path of a layer.
    group : str
        Key of the group that a folded box unfolds into; "" if it cannot be unfolded.
    times : int
        How many equal blocks in a row it stands for.
    strip : tuple of int
        Nodes inside a folded layer, in order, whose gradients are bars at its foot.
    """

    key: str
    kind: BoxKind
    node: int
    symbol: str
    width: float
    height: float
    body: float
    note: str = ""
    frame: int = -1
    nodes: tuple[int, ...] = ()
    use: tuple[int, int] = (-1, -1)
    uses: int = 0
    path: str = ""
    group: str = ""
    times: int = 1
    strip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection from box to box; positions in `Drawn.boxes`.

    Attributes
    ----------
    source, target : int
        The boxes.
    node : int
        The circuit's node whose value it carries.
    uses : tuple of (int, int)
        Where it ends: (gate, which of its wires). Several where it enters a folded box.
    position : int
        1 or 2, … if the target's inputs must not be exchanged; 0 otherwise.
    """

    source: int
    target: int
    node: int
    uses: tuple[tuple[int, int], ...]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """An open layer, drawn as a frame around its boxes.

    Attributes
    ----------
    key : str
        Key of the group, as in `Box.group`.
    title : str
        Path and description.
    frame : int
        The frame around it; −1 if there is none.
    width : float
        Room that the title needs.
    """

    key: str
    title: str
    frame: int = -1
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing whose boxes have sizes and no places yet.

    Attributes
    ----------
    boxes : tuple of Box
    wires : tuple of Wire
    frames : tuple of Frame
        A frame stands before those inside it.
    pen : Pen
    hidden : int
        How many nodes of the circuit are inside folded boxes.
    """

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    frames: tuple[Frame, ...] = ()
    pen: Pen = field(default=PIXELS)
    hidden: int = 0


def cells(text: str) -> int:
    """Width of a text in letters; East Asian letters count two.

    Examples
    --------
    >>> cells("W1"), cells("가중치")
    (2, 6)
    """
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )
