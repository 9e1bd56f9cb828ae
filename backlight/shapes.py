"""Arithmetic of shapes on plain tuples: broadcasting, reduction, products and windows.

Every function takes a `subject`, the name of the gate or layer that asks, and answers shapes that
do not fit with a ShapeError that holds both shapes and the nearest that would fit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from backlight.errors import ArgumentError, ShapeError, nearest

Shape = tuple[int, ...]
Axis = int | Sequence[int] | None


def broadcast(subject: str, *shapes: Shape) -> Shape:
    """The shape that all `shapes` stretch to: sizes agree from the right, or are 1.

    Examples
    --------
    >>> broadcast("add", (5, 1), (3,))
    (5, 3)
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for place, size in enumerate(shape, start=rank - len(shape)):
            if size == 1:
                continue
            if result[place] not in (1, size):
                raise ShapeError(
                    subject,
                    got="shapes " + " and ".join(map(str, shapes)),
                    needs="shapes that broadcast: from the right, sizes equal or 1",
                    remedy=f"Sizes {result[place]} and {size} meet at axis {place - rank}; "
                    "reshape or transpose one input.",
                )
            result[place] = size
    return tuple(result)


def axes(subject: str, axis: Axis, rank: int) -> Shape:
    """`axis` as a sorted tuple of places 0 … rank−1; None is all of them.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.
    ArgumentError
        If an axis is not a whole number.

    Examples
    --------
    >>> axes("sum", -1, 3), axes("sum", None, 2)
    ((2,), (0, 1))
    """
    if axis is None:
        return tuple(range(rank))
    given = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    places = []
    for one in given:
        place = whole(subject, "axis", one)
        if not -max(rank, 1) <= place < max(rank, 1):
            raise ShapeError(
                subject,
                got=f"axis {place} for an input of {rank} axes",
                needs=f"an axis from {-rank} to {rank - 1}",
                remedy="Name an axis the input has.",
            )
        if rank:
            places.append(place % rank)
    if len(set(places)) < len(places):
        raise ShapeError(
            subject,
            got=f"axis {axis}, which names an axis twice",
            needs="each axis once",
            remedy="Leave the repeated axis out.",
        )
    return tuple(sorted(places))


def whole(subject: str, name: str, value: Any, least: int | None = None) -> int:
    """`value` as a Python int; refuses fractions, truth values and numbers under `least`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        at_least = "" if least is None else f" of at least {least}"
        raise ArgumentError(
            subject,
            got=f"{name}={value!r}",
            needs=f"a whole number{at_least}",
            remedy=f"Pass {name} as an int.",
        )
    return number


def pair(subject: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """A size for both spatial axes, or one for each, as (vertical, horizontal)."""
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2:
        raise ArgumentError(
            subject,
            got=f"{name}={value!r}",
            needs="one whole number or two",
            remedy=f"Pass {name}=n or {name}=(vertical, horizontal).",
        )
    return whole(subject, name, both[0], least), whole(subject, name, both[1], least)


def reduce(subject: str, shape: Shape, axis: Axis, keepdims: bool) -> Shape:
    """The shape after the sizes along `axis` are folded into one value.

    Examples
    --------
    >>> reduce("sum", (2, 3, 4), 1, False), reduce("sum", (2, 3), None, True)
    ((2, 4), (1, 1))
    """
    gone = axes(subject, axis, len(shape))
    if keepdims:
        return tuple(1 if place in gone else size for place, size in enumerate(shape))
    return tuple(size for place, size in enumerate(shape) if place not in gone)


def matmul(subject: str, left: Shape, right: Shape) -> Shape:
    """The shape of a product of matrices, of vectors, or of stacks of matrices that broadcast.

    Examples
    --------
    >>> matmul("matmul", (5, 10), (10, 3)), matmul("matmul", (7, 2, 3), (3,))
    ((5, 3), (7, 2))
    """
    if not left or not right:
        raise ShapeError(
            subject,
            got=f"shapes {left} and {right}",
            needs="at least one axis each",
            remedy="Multiply by a number with *.",
        )
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ShapeError(
            subject,
            got=f"shapes {left} and {right}",
            needs=f"the inner sizes to agree, and they are {left[-1]} and {inner}",
            remedy="Transpose an input, or change the layer that made it.",
        )
    stack = broadcast(subject, left[:-2], right[:-2])
    rows = left[-2:-1] if len(left) > 1 else ()
    columns = right[-1:] if len(right) > 1 else ()
    return stack + rows + columns


ROUNDINGS = ("exact", "floor", "ceil")


def window(
    subject: str,
    size: int,
    kernel: int,
    stride: int,
    padding: int = 0,
    dilation: int = 1,
    rounding: str = "exact",
) -> int:
    """How many windows fit along an axis: (W − D·(F−1) − 1 + 2P) / S + 1.

    A division with a remainder means that the last columns would be read by no window. The course
    calls that a mistake of the design and so do we (`rounding="exact"`). "floor" drops the
    remainder, as PyTorch does; "ceil" adds a last window that hangs over the edge, as Caffe's
    pooling does.

    Examples
    --------
    >>> window("conv", 227, 11, 4), window("conv", 7, 3, 1, padding=1)
    (55, 7)
    >>> window("pool", 112, 3, 2, rounding="ceil"), window("pool", 112, 3, 2, rounding="floor")
    (56, 55)
    """
    if rounding not in ROUNDINGS:
        raise ArgumentError(
            subject,
            got=f"rounding={rounding!r}",
            needs="exact, floor or ceil",
            remedy=nearest(rounding, ROUNDINGS),
        )
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * padding - extent
    if room < 0:
        raise ShapeError(
            subject,
            got=f"an input of size {size} with padding {padding}",
            needs=f"at least {extent}, the extent of its kernel",
            remedy=f"Use a kernel of extent {size + 2 * padding} at most, or padding of at least "
            f"{math.ceil((extent - size) / 2)}.",
        )
    if room % stride == 0 or rounding == "floor":
        return room // stride + 1
    if rounding == "ceil":
        count = -(-room // stride) + 1
        # The last window must begin on the input or its left padding, or it would see nothing.
        return count if (count - 1) * stride < size + padding else count - 1
    # Only near ones are looked at: a user who mistyped a padding of 10⁹ is not to wait.
    fits = [step for step in range(1, min(room, 2 * stride + 64) + 1) if room % step == 0]
    near = min(fits, key=lambda step: abs(step - stride))
    pads = [
        pad
        for pad in range(max(0, padding - min(stride, 64)), padding + min(stride, 64) + 1)
        if size + 2 * pad >= extent and (size + 2 * pad - extent) % stride == 0
    ]
    other = f" or padding {min(pads, key=lambda pad: abs(pad - padding))}" if pads else ""
    raise ShapeError(
        subject,
        got=f"size {size}, kernel {extent}, stride {stride} and padding {padding}, which give "
        f"({size}−{extent}+2·{padding})/{stride}+1 = {room / stride + 1:.2f} windows",
        needs="a whole number of windows",
        remedy=f"Use stride {near}{other}; or drop the remainder with rounding='floor'.",
    )
