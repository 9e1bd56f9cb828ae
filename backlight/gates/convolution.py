"""Convolution in one and two dimensions.

The windows become the columns of a matrix (im2col), and one matrix product per group does the
rest. As everywhere in deep learning the kernel is not flipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample, find
from backlight.gates.reduction import sum as total
from backlight.gates.unfolding import correlate
from backlight.gates.window import Window, read, spatial
from backlight.shapes import Shape


class Correlation(Structural, abstract=True):
    """What a convolution and its two gradients share."""

    role = Role.SWITCHER
    source = "CS231n, convolutional-networks; Chellapilla, Puri and Simard 2006 (unfolding)"
    rank: ClassVar[int]

    @property
    def subject(self) -> str:
        """The convolution's name, which is also the one its gradients complain under."""
        return f"conv{self.rank}d"

    def sibling(self, suffix: str = "") -> Any:
        """The gate of the same dimension: "" for the convolution, "_by_data", "_by_weight"."""
        return find(self.subject + suffix)

    def samples(self) -> Iterator[Sample]:
        """Plain, strided, padded, dilated, grouped, depthwise, pointwise, and an empty batch."""
        for stream, (x, weight, settings) in enumerate(geometries(self.rank)):
            yield self.sample(x, weight, 600 + 4 * stream, settings)

    def sample(self, x: Shape, weight: Shape, stream: int, settings: dict[str, Any]) -> Sample:
        """One sample of this gate for data and weights of these shapes."""
        raise NotImplementedError


class Convolution(Correlation, abstract=True):
    """Each filter's sum of products with every window of the input."""

    def forward(
        self,
        np: Any,
        x: Any,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        rounding: str = "exact",
    ) -> Any:
        window, count = fit(
            self, x.shape, weight.shape, stride, padding, dilation, groups, rounding
        )
        given = (x.dtype, weight.dtype) if bias is None else (x.dtype, weight.dtype, bias.dtype)
        output = correlate(np, x, weight, window, groups, count, self.dtype(*given))
        if bias is not None:
            _check_bias(self.subject, bias.shape, weight.shape[0])
            output += bias.reshape(-1, *(1,) * self.rank)
        return output

    def lower(self, np: Any, x: Any, weight: Any, bias: Any = None, **settings: Any) -> Any:
        """A convolution, and the bias added to it."""
        given = [one for one in (x, weight, bias) if one is not None]
        shape = self.shape(*[one.shape for one in given], **settings)
        kind = self.dtype(*[one.dtype for one in given])
        window = geometry(self.subject, weight.shape[2:], settings)
        output = np.images("", x, weight, shape, kind, window)
        return output if bias is None else output + bias.reshape(-1, *(1,) * self.rank)

    def backward(
        self,
        upstream: Any,
        x: Any,
        weight: Any,
        bias: Any,
        output: Any,
        *,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        rounding: str,
    ) -> Any:
        window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        others = (0, *range(2, self.rank + 2))
        return (
            lambda: self.sibling("_by_data")(upstream, weight, size=x.shape[2:], **window),
            lambda: self.sibling("_by_weight")(upstream, x, kernel_size=weight.shape[2:], **window),
            None if bias is None else lambda: total(upstream, axis=others),
        )

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        return math.prod(output) * int(math.prod(shapes[1][1:]))

    def shape(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        rounding: str = "exact",
    ) -> Shape:
        _, count = fit(self, x, weight, stride, padding, dilation, groups, rounding)
        if bias is not None:
            _check_bias(self.subject, bias, weight[0])
        return (x[0], weight[0], *count)

    def sample(self, x: Shape, weight: Shape, stream: int, settings: dict[str, Any]) -> Sample:
        bias = draw(weight[:1], stream + 2) if stream % 8 else None
        return Sample(
            (draw(x, stream), draw(weight, stream + 1), bias), settings | {"rounding": "floor"}
        )


def fit(
    gate: Correlation,
    x: Shape,
    weight: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    rounding: str,
) -> tuple[Window, Shape]:
    """The window and how many fit, after checking that data, weights and groups belong together."""
    subject = gate.subject
    sizes = spatial(subject, x, gate.rank)
    if len(weight) != gate.rank + 2:
        raise ShapeError(
            subject,
            got=f"weights of shape {tuple(weight)}",
            needs=f"{gate.rank + 2} axes: filters, channels per group, and the kernel's size",
            remedy="Reshape the weights.",
        )
    groups = check_groups(subject, groups, x[1], weight[0])
    if weight[1] * groups != x[1]:
        per_group = f" in each of {groups} groups" if groups > 1 else ""
        raise ShapeError(
            subject,
            got=f"an input with {x[1]} channels, shape {tuple(x)}",
            needs=f"{weight[1] * groups} channels: its weights {tuple(weight)} take "
            f"{weight[1]}{per_group}",
            remedy=f"Make what comes before produce {weight[1] * groups} channels, or build it "
            f"for {x[1]}.",
        )
    if rounding == "ceil":
        raise ArgumentError(
            subject,
            got="rounding='ceil'",
            needs="exact or floor",
            remedy="Pad the input; only pooling hangs windows over the edge.",
        )
    window = read(
        subject,
        tuple(weight[2:]),
        rank=gate.rank,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    return window, window.count(sizes, rounding)


def geometry(subject: str, kernel: Shape, settings: dict[str, Any]) -> dict[str, Any]:
    """Stride, padding and dilation written out for every axis, and the groups."""
    written = {name: settings.get(name, least) for name, least in _WINDOW.items()}
    window = read(subject, tuple(kernel), rank=len(kernel), **written)
    return {
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "groups": settings.get("groups", 1),
    }


_WINDOW = {"stride": 1, "padding": 0, "dilation": 1}


def check_groups(subject: str, groups: Any, channels: int, filters: int) -> int:
    """The number of groups, which must divide the channels on both sides."""
    number = shapes.whole(subject, "groups", groups, 1)
    if channels % number or filters % number:
        raise ShapeError(
            subject,
            got=f"{number} groups for {channels} channels in and {filters} out",
            needs="groups that divide both",
            remedy=f"Use groups={math.gcd(channels, filters)} or a divisor of it.",
        )
    return number


def _check_bias(subject: str, bias: Shape, filters: int) -> None:
    if tuple(bias) != (filters,):
        raise ShapeError(
            subject,
            got=f"a bias of shape {tuple(bias)}",
            needs=f"shape ({filters},), one number a filter",
            remedy="Make the bias as long as the weights' first axis.",
        )


def geometries(rank: int) -> Iterator[tuple[Shape, Shape, dict[str, Any]]]:
    """Shapes of data and weights with settings, for samples; two-dimensional ones first."""
    plain: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    cases: list[tuple[Shape, Shape, dict[str, Any]]] = [
        ((2, 3, 5, 5), (4, 3, 3, 3), {}),
        ((1, 2, 6, 5), (3, 2, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
        ((1, 2, 7, 7), (2, 2, 3, 3), {"dilation": 2, "padding": 2}),
        ((2, 4, 4, 4), (6, 2, 3, 3), {"groups": 2, "padding": 1, "stride": 2}),
        ((1, 3, 4, 4), (3, 1, 3, 3), {"groups": 3, "padding": "same"}),
        ((2, 3, 3, 3), (2, 3, 1, 1), {}),
        ((1, 1, 3, 3), (1, 1, 2, 2), {"padding": 3}),
        ((0, 2, 4, 4), (3, 2, 3, 3), {}),
        ((1, 2, 3, 3), (2, 2, 3, 3), {}),
    ]
    for x, weight, settings in cases:
        if rank == 1:
            settings = {
                name: value[0] if isinstance(value, tuple) else value
                for name, value in settings.items()
            }
            x, weight = x[:3], weight[:3]
        yield x, weight, plain | settings


class Conv2d(Convolution):
    """Each filter's sum of products with every window of an image.

    Parameters
    ----------
    x : array, (N, C, H, W)
        Images.
    weight : array, (O, C/groups, F, F)
        Filters, not flipped; (height, width) may differ.
    bias : array, (O,), optional
        Added to each filter's map.
    stride, padding, dilation : int or pair
        Steps S ≥ 1 between windows, zeros P ≥ 0 on every side, steps D ≥ 1 between taps. Padding
        may be "valid" (0) or "same" (keeps the size; stride 1, odd extent).
    groups : int
        Filters of group g see only the channels of group g; groups=C is a depthwise convolution.
    rounding : {"exact", "floor"}
        What to do when windows do not fit: refuse, or leave the remainder unread as PyTorch does.

    Returns
    -------
    array, (N, O, (H − D·(F−1) − 1 + 2P)/S + 1, the same of W)

    Raises
    ------
    ShapeError
        If channels or groups do not agree, the kernel exceeds the padded input, or windows do not
        fit exactly.
    ArgumentError
        If a stride or dilation is below 1, or a padding below 0.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((1, 3, 227, 227), np.float32)
    >>> conv2d(x, np.ones((96, 3, 11, 11), np.float32), stride=4).shape
    (1, 96, 55, 55)
    """

    rank = 2
    formula = "y[n,o,i,j] = sum of w[o,c,a,b] * x[n,c,iS+aD-P,jS+bD-P] over c,a,b, + b[o]"


class Conv1d(Convolution):
    """Each filter's sum of products with every window of a sequence.

    x (N, C, W), weight (O, C/groups, F), bias (O,) → (N, O, (W − D·(F−1) − 1 + 2P)/S + 1). The
    settings are those of conv2d.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[1, 2, -1, 1, -3]]]), np.array([[[1, 0, -1]]])
    >>> conv1d(x, w, padding=1)[0, 0], conv1d(x, w, padding=1, stride=2)[0, 0]
    (array([-2,  2,  1,  2,  1]), array([-2,  1,  1]))
    """

    rank = 1
    formula = "y[n,o,i] = sum of w[o,c,a] * x[n,c,iS+aD-P] over c,a, + b[o]"


conv2d = Conv2d()
conv1d = Conv1d()
