"""Views as addresses: which array in memory a view looks at, from where and in what steps.

Contractions read their inputs at any strides. So a transpose, a slice or a broadcast in front of a
product costs nothing, and only views that are no regular steps through memory have to be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backlight.native.lowering.loops import Node, Shape


@dataclass(frozen=True)
class Strided:
    """Elements of `base` at `offset` + Σ place·stride, in elements."""

    base: Node
    offset: int
    strides: tuple[int, ...]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of an array that lies row after row, in elements.

    Examples
    --------
    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    steps = []
    step = 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return tuple(reversed(steps))


def strided(node: Node, stored: Callable[[Node], bool]) -> Strided | None:
    """The node as regular steps through a stored one; None if it is not that.

    Parameters
    ----------
    node : Node
    stored : callable
        Whether a node is in memory, row-major.
    """
    if stored(node):
        return Strided(node, 0, row_major(node.shape))
    if node.op not in ("transpose", "expand", "slice", "reshape"):
        return None
    below = strided(node.inputs[0], stored)
    if below is None:
        return None
    source = node.inputs[0].shape
    if node.op == "transpose":
        steps = tuple(below.strides[axis] for axis in node.attributes["axes"])
        return Strided(below.base, below.offset, steps)
    if node.op == "slice":
        start, step = node.attributes["start"], node.attributes["step"]
        offset = sum(s * first for s, first in zip(below.strides, start, strict=True))
        steps = tuple(s * by for s, by in zip(below.strides, step, strict=True))
        return Strided(below.base, below.offset + offset, steps)
    if node.op == "expand":
        extra = node.ndim - len(source)
        steps = (0,) * extra + tuple(
            0 if size == 1 and wide != 1 else s
            for s, size, wide in zip(below.strides, source, node.shape[extra:], strict=True)
        )
        return Strided(below.base, below.offset, steps)
    found = reshaped(source, below.strides, node.shape)
    return None if found is None else Strided(below.base, below.offset, found)


def reshaped(shape: Shape, strides: Sequence[int], new: Shape) -> tuple[int, ...] | None:
    """Strides of the same elements in another shape; None where no strides give them.

    Examples
    --------
    >>> reshaped((4, 6), (6, 1), (2, 2, 6)), reshaped((4, 6), (1, 4), (24,))
    ((12, 6, 1), None)
    """
    if 0 in shape:
        return row_major(new)
    old = [(size, step) for size, step in zip(shape, strides, strict=True) if size != 1]
    made: list[int] = []
    place = 0
    taken = 0
    while taken < len(new):
        if new[taken] == 1:
            made.append(0)
            taken += 1
            continue
        # The shortest run of old axes and of new ones that hold equally many elements.
        sizes, steps = [old[place][0]], [old[place][1]]
        last = taken + 1
        have, want = sizes[0], new[taken]
        while have != want:
            if have < want:
                place += 1
                sizes.append(old[place][0])
                steps.append(old[place][1])
                have *= sizes[-1]
            else:
                want *= new[last]
                last += 1
        for left, right, size in zip(steps, steps[1:], sizes[1:], strict=False):
            if left != right * size:
                return None
        inner = row_major(new[taken:last])
        made.extend(step * steps[-1] for step in inner)
        place += 1
        taken = last
    return tuple(made)
