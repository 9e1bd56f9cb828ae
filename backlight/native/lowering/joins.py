"""Joins that are not one array after the other in memory, written as choices by place.

Along the first axis (of those that are longer than 1) the parts of a join follow each other, and
each is computed where it belongs. Along another axis they alternate: few parts become a choice for
each place, and many are joined along a first axis and transposed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backlight.native.lowering.loops import Node, ordered, rebuilt

MOST_CHOICES = 8
"""Parts from which joining along a first axis and transposing is less work."""


def in_runs(outputs: Sequence[Node]) -> list[Node]:
    """The same values, with every join one of runs of memory."""
    if not any(node.op == "join" for node in ordered(outputs)):
        return list(outputs)
    return rebuilt(outputs, _rule)


def _rule(node: Node, inputs: tuple[Node, ...]) -> Node:
    made = node if inputs == node.inputs else node.with_inputs(inputs)
    if node.op != "join":
        return made
    axis = node.attributes["axis"]
    if all(size == 1 for size in node.shape[:axis]):
        return made
    return _chosen(made, axis) if len(inputs) <= MOST_CHOICES else _turned(made, axis)


def _chosen(node: Node, axis: int) -> Node:
    place = Node("place", [], node.shape, np.int64, {"axis": axis}, node.origin)
    start = node.shape[axis]
    value = None
    for part in reversed(node.inputs):
        start -= part.shape[axis]
        before = tuple(start if one == axis else 0 for one in range(node.ndim))
        empty = node.dtype.type(0).item()
        settings = {"before": before, "value": empty}
        wide = Node("pad", [part], node.shape, node.dtype, settings, node.origin)
        if value is None:
            value = wide
            continue
        end = Node("constant", [], (), np.int64, {"value": start + part.shape[axis]})
        here = Node("less", [place, end], node.shape, bool, {}, node.origin)
        value = Node("where", [here, wide, value], node.shape, node.dtype, {}, node.origin)
    return node if value is None else value


def _turned(node: Node, axis: int) -> Node:
    first = (axis, *(one for one in range(node.ndim) if one != axis))
    back = tuple(first.index(one) for one in range(node.ndim))

    def turned(x: Node, axes: tuple[int, ...]) -> Node:
        shape = tuple(x.shape[one] for one in axes)
        return Node("transpose", [x], shape, x.dtype, {"axes": axes}, node.origin)

    parts = [turned(part, first) for part in node.inputs]
    shape = tuple(node.shape[one] for one in first)
    joined = Node("join", parts, shape, node.dtype, {"axis": 0}, node.origin)
    return turned(joined, back)
