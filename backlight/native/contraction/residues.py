"""Which windows see a place of the input: the gradient by the data, an axis at a time.

Place p of the input, P further in the padded one, is seen by window i through tap a where
p + P = i·S + a·D. Places a stride apart are seen through the same taps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.geometry import Geometry
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]


@dataclass(frozen=True)
class Residue:
    """Places a constant step apart along one axis, all of which are seen through the same taps.

    Attributes
    ----------
    place, step, count : int
        The first place, how far the next one is, and how many there are.
    first, advance : int
        The window that the first tap of the first place stands for; how much further that of the
        next place is.
    taps, apart : int
        How many taps, and how many windows further each is than the one before.
    tap, tap_step, shifts
        Which taps of the filter: as in `Panel`.
    """

    place: int
    step: int
    count: int
    first: int
    advance: int
    taps: int
    apart: int
    tap: int
    tap_step: int
    shifts: tuple[int, ...] = (0,)

    @property
    def last(self) -> int:
        """The last window that is looked at."""
        return self.first + (self.count - 1) * self.advance + (self.taps - 1) * self.apart


def residues(geometry: Geometry, axis: int) -> list[Residue]:
    """The residues of the stride along an axis.

    Of the taps that fit a residue every S/g-th does, g = gcd(S, D), and each one further stands
    for a window D/g earlier: they are taken backwards.
    """
    stride, dilation = geometry.stride[axis], geometry.dilation[axis]
    padding, size = geometry.padding[axis], geometry.size[axis]
    common = math.gcd(stride, dilation)
    found = []
    for place in range(min(stride, size)):
        seen = place + padding
        fitting = [a for a in range(geometry.kernel[axis]) if (seen - a * dilation) % stride == 0]
        last = fitting[-1] if fitting else 0
        found.append(
            Residue(
                place,
                stride,
                -(-(size - place) // stride),
                (seen - last * dilation) // stride,
                1,
                len(fitting),
                dilation // common,
                last,
                -(stride // common),
            )
        )
    return found


def side_by_side(geometry: Geometry, dtype: DType, target: Target) -> list[Residue]:
    """All residues of the columns in one: few channels leave lanes empty, neighbours fill them.

    A vector then holds the channels of several neighbouring places, and the panel zeros where a
    place is not seen through a tap. Empty where that gains nothing.
    """
    lanes, wide = target.lanes(dtype.itemsize), geometry.size[1]
    stride, padding = geometry.stride[1], geometry.padding[1]
    if geometry.dilation[1] != 1 or geometry.groups != 1 or not wide:
        return []
    first = -((geometry.kernel[1] - 1 - padding) // stride)

    def taps(places: int) -> int:
        return (places - 1 + padding) // stride - first + 1

    def cost(places: int) -> float:
        return -(-places * geometry.channels // lanes) * taps(places) / places

    most = min(2 * lanes // geometry.channels, wide + stride - 1)
    best = min(range(stride, most + 1, stride), key=cost, default=0)
    plain = sum(-(-geometry.channels // lanes) * one.taps for one in residues(geometry, 1)) / stride
    if best <= 1 or cost(best) >= plain:
        return []
    count = -(-wide // best)
    tap = padding - stride * first
    shifts = tuple(range(best))
    return [Residue(0, best, count, first, best // stride, taps(best), 1, tap, -stride, shifts)]
