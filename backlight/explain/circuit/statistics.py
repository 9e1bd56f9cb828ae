"""What is written at the boxes of a drawing: numbers, sizes of gradients, statistics, labels.

For a single number that is the number. For an array it is the mean size of its numbers, and behind
it, for whoever asks, its statistics. Wires are as thick as their gradient is large, on a
logarithmic scale, so that a gradient that vanishes or explodes on its way is seen at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.explain.circuit.boxes import Box, Drawn, Wire
from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import exact, label, length, numbers, shape
from backlight.explain.circuit.told import names, symbol, told_role
from backlight.words import say

LEVELS = 7
"""Thicknesses of wires."""
DECADES = (4.0, 8.0)
"""Powers of ten from the thickest wire to the thinnest: at least, so that little looks like little,
and at most."""
FEW = 6
"""Numbers of an array that are said one by one."""
SAMPLED = 1_000_000
"""Numbers beyond which an array's statistics are taken from a part of them, evenly spread."""
NO_GRADIENT, ZERO, BROKEN = -1, -2, -3


@dataclass(frozen=True, slots=True)
class Figure:
    """What is written at one box.

    Attributes
    ----------
    shape : str
        Shape of an array; "" for a single number.
    value, gradient : str
        At most 7 letters for a number; |x| 0.81 for an array.
    total : str
        For the first tag of a leaf that is used several times: the sum of the shares.
    level : int
        Thickness of the wire, 0–6; −1 without a gradient, −2 for zero, −3 if it is not finite.
    label : str
        All of it in words, for a screen reader and for the mouse.
    detail : tuple of tuple of (str, str)
        Statistics by name: of the value, and of the gradient if there is one.
    strip : tuple of int
        Levels of the gradients inside a folded layer, from its beginning to its end.
    """

    shape: str
    value: str
    gradient: str
    total: str
    level: int
    label: str
    detail: tuple[tuple[tuple[str, str], ...], ...]
    strip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What is written at all boxes, how thick every wire is, and what the thickness means.

    Attributes
    ----------
    boxes : tuple of Figure
    wires : tuple of int
        Level of each wire.
    scale : (float, float) or None
        Mean size of a gradient on the thinnest and the thickest wire.
    """

    boxes: tuple[Figure, ...]
    wires: tuple[int, ...]
    scale: tuple[float, float] | None


def figures(
    circuit: Circuit, drawn: Drawn, language: str | None = None, *, detail: bool = False
) -> Figures:
    """The numbers for a drawing of a circuit.

    Parameters
    ----------
    circuit : Circuit
        With the structure that was drawn; its numbers may be others.
    drawn : Drawn
        What `draw` made.
    language : str, optional
        Of labels and names of statistics.
    detail : bool
        With statistics: for pages that show them.

    Returns
    -------
    Figures

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> from backlight.explain.circuit.draw import draw
    >>> square = circuit("x*x", x=3)
    >>> [(one.value, one.gradient, one.total) for one in figures(square, draw(square)).boxes]
    [('3.00', '3.00', '6.00'), ('3.00', '3.00', ''), ('9.00', '1.00', '')]
    """
    called = names(circuit)
    gradients = [_gradient(circuit, box) for box in drawn.boxes]
    sizes = [_size(gradient) for gradient in gradients]
    along = [_along(circuit, drawn, wire, sizes) for wire in drawn.wires]
    strips = [[_size(circuit.gradients[node]) for node in box.strip] for box in drawn.boxes]
    scale = _scale([*sizes, *along, *itertools.chain(*strips)])
    boxes = []
    for box, gradient, size, inside in zip(drawn.boxes, gradients, sizes, strips, strict=True):
        node = circuit.nodes[box.node]
        total = ""
        if box.uses > 1 and gradient is not None:
            total = written(circuit.gradients[box.node], "∇")
        boxes.append(
            Figure(
                shape(node.shape) if shape(node.shape) != box.symbol else "",
                "" if box.kind == "share" else written(node.value, "x"),
                written(gradient, "∇"),
                total,
                _level(size, scale),
                _label(circuit, box, called, gradient, total, language) + _inside(inside, language),
                _detail(node.value, gradient, language) if detail else (),
                tuple(_level(one, scale) for one in inside),
            )
        )
    return Figures(tuple(boxes), tuple(_level(size, scale) for size in along), scale)


def written(value: Array | None, letter: str) -> str:
    """A number, or the mean size of an array's numbers: |x| 0.81; "" for whole numbers in arrays.

    Examples
    --------
    >>> written(np.float64(-3), "x"), written(np.array([1.0, -2.0]), "∇"), written(None, "∇")
    ('−3.00', '|∇| 1.50', '')
    """
    if value is None:
        return ""
    if not value.ndim:
        return label(value)
    if value.dtype.kind != "f" or not value.size:
        return ""
    return f"|{letter}| {label(_size(value))}"


def _size(value: Array | None) -> float | None:
    """The mean size of the numbers; None if there are none."""
    if value is None or not value.size:
        return None
    return float(np.mean(np.abs(value), dtype=np.float64))


def _gradient(circuit: Circuit, box: Box) -> Array | None:
    """The share that arrives along one use, or the whole gradient of the value that leaves."""
    gate, wire = box.use
    return circuit.gradients[box.node] if gate < 0 else circuit.shares(gate)[wire]


def _along(
    circuit: Circuit, drawn: Drawn, wire: Wire, sizes: Sequence[float | None]
) -> float | None:
    if len(wire.uses) == 1 and drawn.boxes[wire.source].use[0] < 0:
        gate, place = wire.uses[0]
        return _size(circuit.shares(gate)[place])
    return sizes[wire.source]


def _scale(sizes: Sequence[float | None]) -> tuple[float, float] | None:
    found = [size for size in sizes if size is not None and size > 0 and math.isfinite(size)]
    if not found:
        return None
    largest = max(found)
    fewest, most = DECADES
    return largest / min(max(largest / min(found), 10**fewest), 10**most), largest


def _level(size: float | None, scale: tuple[float, float] | None) -> int:
    if size is None:
        return NO_GRADIENT
    if not math.isfinite(size):
        return BROKEN
    if size == 0 or scale is None:
        return ZERO
    low, high = scale
    share = math.log(max(size, low) / low) / math.log(high / low)
    return min(LEVELS - 1, round(share * (LEVELS - 1)))


def _label(
    circuit: Circuit,
    box: Box,
    called: Sequence[str],
    gradient: Array | None,
    total: str,
    language: str | None,
) -> str:
    node = circuit.nodes[box.node]
    said: dict[str, Any] = {
        "name": called[node.index],
        "value": _spoken(node.value, "x"),
        "gradient": say("drawing.none", language) if gradient is None else _spoken(gradient, "∇"),
    }
    if box.kind == "layer":
        said |= {"name": f"{box.symbol} {box.note}".strip(), "count": len(box.nodes)}
        return say("drawing.label.layer", language, **said)
    if box.kind == "share" or box.kind == "tag":
        return say("drawing.label.share", language, **said, gate=called[box.use[0]])
    if box.kind == "leaf":
        text = say(f"drawing.label.{node.kind}", language, **said)
        return f"{text} {say('drawing.label.total', language, total=total)}" if total else text
    said["symbol"] = symbol(circuit, node.index)
    said["inputs"] = ", ".join(called[i] for i in node.inputs if i >= 0)
    said["role"] = say(f"circuit.role.{told_role(circuit, node.index).name.lower()}", language)
    return say("drawing.label.gate", language, **said)


def _inside(sizes: Sequence[float | None], language: str | None) -> str:
    """How the gradient fares inside a folded layer, from the end, where it enters, to the start."""
    known = [size for size in sizes if size is not None]
    if not known:
        return ""
    last, first = label(known[-1]), label(known[0])
    return " " + say("drawing.label.inside", language, last=last, first=first)


def _spoken(value: Array, letter: str) -> str:
    """A few numbers in full; of more, shape and mean size."""
    if value.size <= FEW:
        return numbers(value, label)
    return " ".join(filter(None, (shape(value.shape), written(value, letter))))


def _detail(
    value: Array, gradient: Array | None, language: str | None
) -> tuple[tuple[tuple[str, str], ...], ...]:
    of_value = tuple(_statistics(value, "value", language))
    if gradient is None:
        return (of_value,)
    return (of_value, tuple(_statistics(gradient, "gradient", language)))


def _statistics(value: Array, of: str, language: str | None) -> list[tuple[str, str]]:
    """Of a number, the number; of an array, what tells whether it is sound."""
    head = say(f"circuit.heading.{of}", language)
    if not value.ndim:
        return [(head, exact(value))]
    rows = [(head, shape(value.shape))]
    if not value.size or value.dtype.kind not in "fiu":
        return rows
    step = -(-value.size // SAMPLED)
    if step > 1:
        value = value.reshape(-1)[::step]
        rows.append((say("drawing.statistic.sampled", language), f"1/{step}"))
    with np.errstate(all="ignore"):
        wide = value.astype(np.float64)
        spread = (float(wide.mean()), float(wide.std()), float(wide.min()), float(wide.max()))
        zeros = float(np.mean(value == 0))
        broken = value.size - int(np.isfinite(wide).sum())
    parts = zip(("mean", "deviation", "least", "most"), spread, strict=True)
    rows += [(say(f"drawing.statistic.{name}", language), exact(x)) for name, x in parts]
    rows.append((say("drawing.statistic.length", language), exact(length(value))))
    rows.append((say("drawing.statistic.zeros", language), f"{100 * zeros:.3g}%"))
    if broken:
        rows.append((say("drawing.statistic.broken", language), str(broken)))
    return rows
