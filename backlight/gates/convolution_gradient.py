"""The gradients of a convolution by its data and by its weights, as gates of their own.

Sum the products of a convolution's output with some y, and a number T(x, w, y) comes out that is
linear in each of three arrays. The convolution is its derivative by y; the two gates here are its
derivatives by x and by w. So each of the three has the other two as its backward rule, and
derivatives of any order stay within the three.
"""

from __future__ import annotations

from typing import Any

from backlight import shapes
from backlight.errors import ShapeError
from backlight.gates.convolution import Correlation, fit, geometry
from backlight.gates.family import draw
from backlight.gates.gate import Sample
from backlight.gates.unfolding import gather_weights, spread
from backlight.gates.window import read, several, spatial
from backlight.shapes import Shape


class ByData(Correlation, abstract=True):
    """The gradient of a convolution by its data: every y spread over its window by the weights."""

    def forward(
        self,
        np: Any,
        y: Any,
        weight: Any,
        *,
        size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        data = self.shape(
            y.shape,
            weight.shape,
            size=size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
        window = read(
            self.subject,
            weight.shape[2:],
            rank=self.rank,
            stride=stride,
            padding=padding,
            dilation=dilation,
        )
        return spread(np, y, weight, window, groups, data, self.dtype(y.dtype, weight.dtype))

    def lower(self, np: Any, y: Any, weight: Any, **settings: Any) -> Any:
        """One operation."""
        shape = self.shape(y.shape, weight.shape, **settings)
        window = geometry(self.subject, weight.shape[2:], settings) | {"size": shape[2:]}
        return np.images("_by_data", y, weight, shape, self.dtype(y.dtype, weight.dtype), window)

    def backward(
        self,
        upstream: Any,
        y: Any,
        weight: Any,
        output: Any,
        *,
        size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Any:
        window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return (
            lambda: self.sibling()(upstream, weight, rounding="floor", **window),
            lambda: self.sibling("_by_weight")(y, upstream, kernel_size=weight.shape[2:], **window),
        )

    def shape(
        self,
        y: Any,
        weight: Any,
        *,
        size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Shape:
        given = spatial(self.name, y, self.rank)
        data = (y[0], weight[1] * groups, *several(self.name, "size", size, self.rank, 0))
        _, count = fit(self, data, weight, stride, padding, dilation, groups, "floor")
        _check_output(self.name, (y[1], *given), (weight[0], *count))
        return data

    def sample(self, x: Shape, weight: Shape, stream: int, settings: dict[str, Any]) -> Sample:
        y = self.sibling().shape(x, weight, rounding="floor", **settings)
        return Sample((draw(y, stream), draw(weight, stream + 1)), settings | {"size": x[2:]})


class ByWeight(Correlation, abstract=True):
    """The gradient of a convolution by its weights: each tap's sum of y times what it saw."""

    def forward(
        self,
        np: Any,
        y: Any,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        weight = self.shape(
            y.shape,
            x.shape,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
        window = read(
            self.subject,
            weight[2:],
            rank=self.rank,
            stride=stride,
            padding=padding,
            dilation=dilation,
        )
        return gather_weights(np, y, x, window, groups, weight, self.dtype(y.dtype, x.dtype))

    def lower(self, np: Any, y: Any, x: Any, **settings: Any) -> Any:
        """One operation."""
        shape = self.shape(y.shape, x.shape, **settings)
        window = geometry(self.subject, shape[2:], settings) | {"kernel_size": shape[2:]}
        return np.images("_by_weight", y, x, shape, self.dtype(y.dtype, x.dtype), window)

    def backward(
        self,
        upstream: Any,
        y: Any,
        x: Any,
        output: Any,
        *,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> Any:
        window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return (
            lambda: self.sibling()(x, upstream, rounding="floor", **window),
            lambda: self.sibling("_by_data")(y, upstream, size=x.shape[2:], **window),
        )

    def shape(
        self,
        y: Any,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Shape:
        given = spatial(self.name, y, self.rank)
        kernel = several(self.name, "kernel_size", kernel_size, self.rank, 1)
        groups = shapes.whole(self.name, "groups", groups, 1)
        spatial(self.name, x, self.rank)
        weight = (y[1], x[1] // groups, *kernel)
        _, count = fit(self, x, weight, stride, padding, dilation, groups, "floor")
        _check_output(self.name, (x[0], *given), (y[0], *count))
        return weight

    def sample(self, x: Shape, weight: Shape, stream: int, settings: dict[str, Any]) -> Sample:
        y = self.sibling().shape(x, weight, rounding="floor", **settings)
        return Sample(
            (draw(y, stream), draw(x, stream + 1)), settings | {"kernel_size": weight[2:]}
        )


def _check_output(subject: str, got: Shape, needed: Shape) -> None:
    if tuple(got) != tuple(needed):
        raise ShapeError(
            subject,
            got=f"y with channels (or images) and windows {tuple(got)}",
            needs=f"{tuple(needed)}, what the convolution gives there",
            remedy="Give it the gradient of that convolution's output.",
        )


class Conv2dByData(ByData):
    """The gradient of conv2d by its images: y (N, O, …) and weights → (N, C, *size).

    For stride 1 it is a convolution of y with the filters flipped.
    """

    rank = 2
    formula = "x'[n,c,p,q] = sum of w[o,c,a,b] * y[n,o,i,j] where iS+aD-P=p, jS+bD-P=q"


class Conv2dByWeight(ByWeight):
    """The gradient of conv2d by its weights: y (N, O, …) and images → (O, C/groups, *kernel)."""

    rank = 2
    formula = "w'[o,c,a,b] = sum of y[n,o,i,j] * x[n,c,iS+aD-P,jS+bD-P] over n,i,j"


class Conv1dByData(ByData):
    """The gradient of conv1d by its sequences: y (N, O, …) and weights → (N, C, *size)."""

    rank = 1
    formula = "x'[n,c,p] = sum of w[o,c,a] * y[n,o,i] where iS+aD-P=p"


class Conv1dByWeight(ByWeight):
    """The gradient of conv1d by its weights: y (N, O, …), sequences → (O, C/groups, *kernel)."""

    rank = 1
    formula = "w'[o,c,a] = sum of y[n,o,i] * x[n,c,iS+aD-P] over n,i"


conv2d_by_data = Conv2dByData()
conv2d_by_weight = Conv2dByWeight()
conv1d_by_data = Conv1dByData()
conv1d_by_weight = Conv1dByWeight()
