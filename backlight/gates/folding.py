"""What every reduction needs: how many numbers fold into one, in which type, and the way back."""

from __future__ import annotations

import math
from typing import Any

from backlight import dtypes
from backlight.errors import ShapeError
from backlight.gates.view import broadcast_to, reshape
from backlight.shapes import Axis, Shape, axes, reduce


def spread(y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction's result, or its gradient, repeated over all places of x that it came from."""
    if not keepdims and y.ndim != x.ndim:
        y = reshape(y, shape=reduce("spread", x.shape, axis, True))
    return y if y.shape == x.shape else broadcast_to(y, shape=x.shape)


def folded_count(subject: str, shape: Shape, axis: Axis, correction: int = 0) -> int:
    """How many numbers are folded into one, less the correction; refuses to leave none."""
    folded = axes(subject, axis, len(shape))
    count = math.prod([shape[place] for place in folded])
    left = count - correction
    # An output without elements asks for nothing, whatever the folded axes hold.
    if left > 0 or 0 in [size for place, size in enumerate(shape) if place not in folded]:
        return max(left, 1)
    less = f" with correction={correction}" if correction else ""
    raise ShapeError(
        subject,
        got=f"{count} number{'s' * (count != 1)} along axis {axis} of shape {shape}{less}",
        needs=f"at least {correction + 1} along the axis",
        remedy="Check for an empty batch, or name another axis"
        + (", or set correction=0." if correction else "."),
    )


def summing_type(x: Any) -> Any:
    """The type to sum in: float64, or int64 for whole numbers and truth values."""
    kind = getattr(x, "dtype", None)
    return dtypes.float64 if kind is None or kind.kind == "f" else summed(kind)


def summed(kind: dtypes.DType) -> dtypes.DType:
    """The type of a sum: whole numbers and truth values are added as int64."""
    return kind if kind.kind == "f" else dtypes.int64


def rounded(wide: Any, x: Any) -> Any:
    """A float64 result in the floating type that goes with x; whole numbers stay."""
    kind = getattr(x, "dtype", None)
    if kind is None or wide.dtype.kind != "f":
        return wide
    target = dtypes.floating(kind)
    return wide if target == wide.dtype else wide.astype(target)
