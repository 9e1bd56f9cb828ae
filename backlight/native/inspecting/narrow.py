"""What a program with bfloat16 products computes, gate by gate, in NumPy.

The inputs of products of float32 are rounded to 8 bits; the third input, a bias, is only added. A
3×3 convolution that the compiler takes by Winograd's algorithm multiplies transformed tiles by
transformed filters, and it is those that are rounded: the same is done here, so that a program and
its check decide alike where a maximum or a relu is nearly a tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.gates.convolution import geometry as settings_of
from backlight.native.contraction import winograd_passes
from backlight.native.contraction.geometry import Geometry
from backlight.native.inspecting.truth import rounded
from backlight.native.machine_code.machine import Target
from backlight.native.tracing.graph import Node, compute

Array = np.ndarray[Any, Any]
_WINOGRAD = {"conv2d": "forward", "conv2d_by_data": "by_data"}


@dataclass(frozen=True)
class Narrow:
    """Contracting gates in bfloat16.

    Parameters
    ----------
    target : Target
        The processor that the program is for, which decides what Winograd's algorithm suits.
    winograd : bool
        Whether the program may use it.
    """

    target: Target
    winograd: bool

    def __call__(self, node: Node, given: Sequence[Any]) -> Any:
        """What a contracting gate gives for these inputs."""
        gate: Any = node.gate
        if self.winograd and gate.name in _WINOGRAD and given[0].dtype == np.float32:
            found = self._by_tiles(node, *given)
            if found is not None:
                return found
        return compute(node, [*map(rounded, given[:2]), *given[2:]])

    def _by_tiles(self, node: Node, x: Array, weight: Array, bias: Any = None) -> Array | None:
        gate: Any = node.gate
        settings = settings_of(gate.subject, weight.shape[2:], node.attributes)
        stride, dilation = tuple(settings["stride"]), tuple(settings["dilation"])
        (rows, columns), groups = settings["padding"], settings["groups"]
        back = gate.name == "conv2d_by_data"
        size = (x.shape[2] + 2 * rows, x.shape[3] + 2 * columns)
        if back:
            size = (node.shape[2], node.shape[3])
        padding = (rows, columns) if back else (0, 0)
        channels = weight.shape[1] * groups
        filters, kernel = weight.shape[0], weight.shape[2:]
        shape = Geometry(
            x.shape[0], channels, filters, size, kernel, stride, padding, dilation, groups
        )
        if not winograd_passes.suits(shape, np.float32, self.target):
            return None
        if back:
            weight, rows, columns = weight[:, :, ::-1, ::-1].swapaxes(0, 1), 2 - rows, 2 - columns
        wide = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
        made = convolved(wide, weight)
        return made if bias is None else made + bias.reshape(-1, 1, 1)


def convolved(x: Array, weight: Array) -> Array:
    """F(2×2, 3×3) of padded images N, C, H, W with filters O, C, 3, 3; products in bfloat16.

    Examples
    --------
    >>> convolved(np.ones((1, 2, 5, 4), np.float32), np.ones((1, 2, 3, 3), np.float32))[0, 0]
    array([[18., 18.],
           [18., 18.],
           [18., 18.]], dtype=float32)
    """
    height, width = x.shape[2] - 2, x.shape[3] - 2
    tops, lefts = _corners(height), _corners(width)
    four = np.arange(4)
    tiles = x[:, :, (tops[:, None] + four)[:, :, None, None], lefts[:, None] + four]
    # N, C, rows of tiles, 4, columns of tiles, 4
    seen = rounded(_along(_along(tiles, 3, _input), 5, _input))
    filters = rounded(_along(_along(weight, 2, _filter), 3, _filter))
    sums = np.einsum("nciajb,ocab->noiajb", seen, filters, optimize=True)
    out = _along(_along(sums, 3, _output), 5, _output)
    made = np.empty((x.shape[0], weight.shape[0], height, width), np.float32)
    for i in range(len(tops))[::-1]:  # where tiles overlap, the earlier one stores
        for j in range(len(lefts))[::-1]:
            top, left = tops[i], lefts[j]
            made[:, :, top : top + 2, left : left + 2] = out[:, :, i, :, j]
    return made


def _corners(size: int) -> Array:
    """Where tiles begin; the last one of an odd size lies one further in."""
    return np.minimum(2 * np.arange(-(-size // 2)), size - 2)


def _along(numbers: Array, axis: int, transform: Any) -> Array:
    return np.stack(transform(*np.moveaxis(numbers, axis, 0)), axis)


def _input(d0: Array, d1: Array, d2: Array, d3: Array) -> list[Array]:
    return [d0 - d2, d1 + d2, d2 - d1, d1 - d3]


def _filter(g0: Array, g1: Array, g2: Array) -> list[Array]:
    ends, half = g0 + g2, np.float32(0.5)
    return [g0, (ends + g1) * half, (ends - g1) * half, g2]


def _output(m0: Array, m1: Array, m2: Array, m3: Array) -> list[Array]:
    return [m0 + m1 + m2, m1 - m2 - m3]
