"""Long folds in two steps, so that there are rows to share among threads.

Floating-point sums depend on their order. The order made here follows from the shape alone: one
thread and eight give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backlight.native.kernels.folds import identity
from backlight.native.lowering.loops import Node, rebuilt

LONG = 1 << 14
"""Elements below which a fold is left as it is."""
ROWS = 32
PARTS = 64


def divided(outputs: Sequence[Node]) -> list[Node]:
    """The same values, where no long fold has fewer rows than threads could share."""
    return rebuilt(outputs, _rule)


def _rule(node: Node, inputs: tuple[Node, ...]) -> Node:
    new = node if inputs == node.inputs else node.with_inputs(inputs)
    if node.op != "fold" or node.attributes["by"] in ("argmax", "argmin"):
        return new
    return _fold(new, inputs[0], node.attributes["axes"], as_it_is=new)


def _fold(node: Node, x: Node, axes: tuple[int, ...], as_it_is: Node | None = None) -> Node:
    last = x.ndim - 1
    if x.size < LONG or last not in axes:
        return as_it_is or _made(node, x, axes)
    first = last
    while first - 1 in axes:
        first -= 1
    if len(axes) > last - first + 1:
        # Axes are kept in between: the run at the end first, then the others.
        inner = _made(node, x, tuple(range(first, last + 1)))
        return _fold(node, inner, axes[: len(axes) - (last - first + 1)])
    if math.prod(x.shape[:first]) >= ROWS:
        return as_it_is or _made(node, x, axes)
    for split in range(first + 1, last + 1):
        if math.prod(x.shape[:split]) >= ROWS:
            inner = _made(node, x, tuple(range(split, last + 1)))
            return _fold(node, inner, tuple(range(first, split)))
    return _in_parts(node, x, axes)


def _in_parts(node: Node, x: Node, axes: tuple[int, ...]) -> Node:
    """The last axis cut into equal parts, filled up with what changes nothing."""
    size = x.shape[-1]
    if size < PARTS:
        return _made(node, x, axes)
    each = -(-size // PARTS)
    lead = x.shape[:-1]
    if each * PARTS != size:
        value = identity(node.attributes["by"], x.dtype)
        settings = {"before": (0,) * x.ndim, "value": value}
        x = Node("pad", (x,), (*lead, each * PARTS), x.dtype, settings, node.origin)
    cut = Node("reshape", (x,), (*lead, PARTS, each), x.dtype, {}, node.origin)
    inner = _made(node, cut, (cut.ndim - 1,))
    return _made(node, inner, axes)


def _made(node: Node, x: Node, axes: tuple[int, ...]) -> Node:
    shape = [size for axis, size in enumerate(x.shape) if axis not in axes]
    settings = {"by": node.attributes["by"], "axes": axes}
    return Node("fold", (x,), shape, node.dtype, settings, node.origin)
