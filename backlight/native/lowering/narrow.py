"""Whole numbers in half as many bits, where their range is known to fit.

Positions, winners and the arithmetic between them are 64-bit as NumPy has them. Almost all are
small, and known to be so before anything runs; 32 bits move and compute twice as fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from backlight.native.kernels.folds import folded_shape
from backlight.native.lowering.loops import VIEWS, Node, ordered

WIDE, SLIM = np.dtype(np.int64), np.dtype(np.int32)
_LIMIT = 2**31 - 1
_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
Range = tuple[int, int]


def narrowed(outputs: Sequence[Node]) -> list[Node]:
    """The same values; whole numbers in between in 32 bits where they fit."""
    ranges: dict[Node, Range] = {}
    new: dict[Node, Node] = {}
    wide: dict[Node, Node] = {}

    def widened(node: Node) -> Node:
        made = new[node]
        if node in ranges and made.dtype != node.dtype:
            if node not in wide:
                wide[node] = Node("cast", (made,), node.shape, node.dtype, {}, node.origin)
            return wide[node]
        return made

    for node in ordered(outputs):
        found = _range(node, ranges) if node.dtype == WIDE else None
        if found is not None and max(map(abs, found)) <= _LIMIT:
            ranges[node] = found
            given = [new[x] for x in node.inputs]
            new[node] = Node(node.op, given, node.shape, SLIM, dict(node.attributes), node.origin)
        else:
            given = [new[x] if _takes(node, x, ranges) else widened(x) for x in node.inputs]
            same = all(x is y for x, y in zip(given, node.inputs, strict=True))
            new[node] = node if same else node.with_inputs(given)
    return [widened(node) for node in outputs]


def _takes(node: Node, x: Node, ranges: dict[Node, Range]) -> bool:
    """Whether a node that stays as it is can read a narrowed input."""
    if node.op in _COMPARISONS:
        return all(one in ranges for one in node.inputs)
    if node.op == "cast":
        return True
    return node.op in ("gather", "scatter") and x.dtype == WIDE and node.dtype != WIDE


def _range(node: Node, known: dict[Node, Range]) -> Range | None:
    """The least and the greatest value of a node of whole numbers, if they are known."""
    if node.op == "place":
        return 0, max(node.shape[node.attributes["axis"]] - 1, 0)
    if node.op == "constant":
        value = int(node.attributes["value"])
        return value, value
    if node.op == "fold":
        return _of_fold(node, known)
    if node.op == "cast":
        return _of_cast(node.inputs[0], known)
    given = node.inputs[1:] if node.op == "where" else node.inputs
    if node.op in VIEWS:
        given = node.inputs[:1]
    if not given or any(x not in known for x in given):
        return None
    ends = [known[x] for x in given]
    if node.op in VIEWS or node.op == "where":
        if node.op == "pad":
            filler = int(node.attributes["value"])
            ends.append((filler, filler))
        return min(low for low, _ in ends), max(high for _, high in ends)
    return _of_arithmetic(node.op, ends)


def _of_fold(node: Node, known: dict[Node, Range]) -> Range | None:
    by, count = node.attributes["by"], math.prod(folded_shape(node))
    if by in ("argmax", "argmin"):
        return 0, max(count - 1, 0)
    x = node.inputs[0]
    if x not in known or by not in ("sum", "max", "min") or not count:
        return None
    low, high = known[x]
    return (low, high) if by != "sum" else (min(0, low * count), max(0, high * count))


def _of_cast(x: Node, known: dict[Node, Range]) -> Range | None:
    if x in known:
        return known[x]
    if x.dtype.kind == "b":
        return 0, 1
    if x.dtype.kind in "iu" and x.dtype.itemsize < 4:
        limits = np.iinfo(x.dtype)
        return int(limits.min), int(limits.max)
    return None


def _of_arithmetic(op: str, ends: Sequence[Range]) -> Range | None:
    if op == "negative":
        return -ends[0][1], -ends[0][0]
    if len(ends) != 2:
        return None
    (a, b), (c, d) = ends
    if op == "add":
        return a + c, b + d
    if op == "subtract":
        return a - d, b - c
    if op == "multiply":
        corners = (a * c, a * d, b * c, b * d)
        return min(corners), max(corners)
    if op in ("maximum", "minimum"):
        choose = max if op == "maximum" else min
        return choose(a, c), choose(b, d)
    if op == "right_shift" and c == d and 0 <= c < 31:
        return a >> c, b >> c
    if op == "left_shift" and c == d and 0 <= c < 31 and a >= 0:
        return a << c, b << c
    if op == "floor_divide" and c > 0:
        corners = (a // c, a // d, b // c, b // d)
        return min(corners), max(corners)
    if op == "remainder" and c > 0:
        return 0, d - 1
    return None
