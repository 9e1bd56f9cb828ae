"""Receptive field: which part of the image one number of a layer's output was computed from.

It is followed gate by gate beside the shapes (see `outline`), through branches and functions as
through layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backlight.gates import window
from backlight.gates.average_pooling import AveragePooling
from backlight.gates.convolution import Convolution
from backlight.gates.gate import Gate
from backlight.gates.joining import Concatenate
from backlight.gates.pooling import MaxPooling
from backlight.gates.window import Window
from backlight.shapes import Shape


@dataclass(frozen=True)
class ReceptiveField:
    """A rectangle of the input, and how far apart those of neighbouring outputs are.

    Parameters
    ----------
    size : tuple of int
        Numbers along each spatial axis, padding included: near the border part of it is zeros.
    stride : tuple of int
        Steps on the input from one output to the next. Both empty: the whole input is seen.

    Examples
    --------
    Three 3×3 filters upon one another see as much as one of 7×7:

    >>> field = point(2)
    >>> for _ in range(3):
    ...     field = field.through(window.read("conv2d", 3, rank=2))
    >>> str(field)
    '7×7'
    """

    size: Shape
    stride: Shape

    def through(self, slid: Window) -> ReceptiveField:
        """The field of a window of such numbers."""
        if not self.size:
            return self
        size = tuple(
            one + (extent - 1) * step
            for one, extent, step in zip(self.size, slid.extent, self.stride, strict=True)
        )
        return ReceptiveField(
            size, tuple(step * more for step, more in zip(self.stride, slid.stride, strict=True))
        )

    def __str__(self) -> str:
        """212×212 every 32, or all."""
        if not self.size:
            return "all"
        apart = "×".join(map(str, dict.fromkeys(self.stride)))
        return "×".join(map(str, self.size)) + (f" every {apart}" if apart != "1" else "")


WHOLE = ReceptiveField((), ())
"""The whole input."""


def point(rank: int) -> ReceptiveField:
    """What a number of the input sees: itself."""
    return ReceptiveField((1,) * rank, (1,) * rank)


def seen(
    gate: Gate,
    inputs: Sequence[ReceptiveField | None],
    shapes: Sequence[Any],
    attributes: dict[str, Any],
) -> ReceptiveField | None:
    """The field behind a gate's output, from those behind its inputs.

    What is computed over a whole image (a fully connected layer, a mean, the statistics of a group
    norm) sees all of it.

    Parameters
    ----------
    inputs : sequence
        A field each; None for weights and constants, which see nothing of the input.
    shapes : sequence
        Shapes of the inputs.
    attributes : dict
        The gate's settings.
    """
    known = [field for field in inputs if field is not None]
    if not known:
        return None
    if inputs[0] is not None and isinstance(gate, Convolution):
        return inputs[0].through(
            window.read(
                gate.name,
                shapes[1][2:],
                rank=len(shapes[1]) - 2,
                stride=attributes["stride"],
                padding=attributes["padding"],
                dilation=attributes["dilation"],
            )
        )
    if isinstance(gate, (MaxPooling, AveragePooling)):
        kernel = attributes["kernel_size"]
        stride = attributes["stride"]
        return known[0].through(
            window.read(
                gate.name,
                kernel,
                rank=len(shapes[0]) - 2,
                stride=kernel if stride is None else stride,
            )
        )
    channels = isinstance(gate, Concatenate) and attributes["axis"] == 1
    if channels or gate.placewise:
        return _around(known)
    return WHOLE


def _around(fields: Sequence[ReceptiveField]) -> ReceptiveField:
    """The field that holds all of these."""
    if not all(field.size for field in fields):
        return WHOLE
    return ReceptiveField(
        tuple(map(max, zip(*(field.size for field in fields), strict=True))),
        tuple(map(max, zip(*(field.stride for field in fields), strict=True))),
    )
