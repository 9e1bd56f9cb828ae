"""Transposed convolution: what a convolution's backward pass does to its data, as a layer.

Every input number is spread over a window of the output by the filters, and what overlaps adds up.
It enlarges an image as a strided convolution shrinks it, with the same connections. It does not
undo the convolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.convolution import check_groups, geometry
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample, find
from backlight.gates.reduction import sum as total
from backlight.gates.unfolding import spread
from backlight.gates.window import Window, read, several, spatial
from backlight.shapes import Shape


class TransposedConvolution(Structural, abstract=True):
    """Each number of the input times the filters, laid over the output at its window."""

    role = Role.SWITCHER
    source = "Zeiler, Krishnan, Taylor and Fergus 2010; Long, Shelhamer and Darrell 2015"
    rank: ClassVar[int]

    def forward(
        self,
        np: Any,
        x: Any,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        shape, window = self._fit(
            x.shape,
            weight.shape,
            None if bias is None else bias.shape,
            stride,
            padding,
            output_padding,
            dilation,
            groups,
        )
        given = (x.dtype, weight.dtype) if bias is None else (x.dtype, weight.dtype, bias.dtype)
        output = spread(np, x, weight, window, groups, shape, self.dtype(*given))
        if bias is not None:
            output += bias.reshape(-1, *(1,) * self.rank)
        return output

    def lower(self, np: Any, x: Any, weight: Any, bias: Any = None, **settings: Any) -> Any:
        """The gradient of a convolution by its data, and the bias added to it."""
        given = [one for one in (x, weight, bias) if one is not None]
        shape = self.shape(*[one.shape for one in given], **settings)
        kind = self.dtype(*[one.dtype for one in given])
        window = geometry(self.name, weight.shape[2:], settings) | {"size": shape[2:]}
        output = np.images("_by_data", x, weight, shape, kind, window)
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
        output_padding: Any,
        dilation: Any,
        groups: int,
    ) -> Any:
        window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        convolution = f"conv{self.rank}d"
        others = (0, *range(2, self.rank + 2))
        return (
            lambda: find(convolution)(upstream, weight, rounding="floor", **window),
            lambda: find(f"{convolution}_by_weight")(
                x, upstream, kernel_size=weight.shape[2:], **window
            ),
            None if bias is None else lambda: total(upstream, axis=others),
        )

    def multiply_adds(self, shapes: Any, output: Shape, **attributes: Any) -> int:
        return int(math.prod(shapes[0]) * math.prod(shapes[1][1:]))

    def shape(
        self,
        x: Any,
        weight: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Shape:
        return self._fit(x, weight, bias, stride, padding, output_padding, dilation, groups)[0]

    def _fit(
        self,
        x: Shape,
        weight: Shape,
        bias: Shape | None,
        stride: Any,
        padding: Any,
        output_padding: Any,
        dilation: Any,
        groups: Any,
    ) -> tuple[Shape, Window]:
        sizes = spatial(self.name, x, self.rank)
        if len(weight) != self.rank + 2 or weight[0] != x[1]:
            raise ShapeError(
                self.name,
                got=f"an input of shape {tuple(x)} and weights {tuple(weight)}",
                needs=f"weights (channels in, channels out per group, kernel) with {x[1]} channels "
                "in",
                remedy="Exchange the weights' first two axes, or correct the channels.",
            )
        filters = weight[1] * shapes.whole(self.name, "groups", groups, 1)
        check_groups(self.name, groups, x[1], filters)
        if bias is not None and tuple(bias) != (filters,):
            raise ShapeError(
                self.name,
                got=f"a bias of shape {tuple(bias)}",
                needs=f"shape ({filters},), one number a channel out",
                remedy="Make the bias as long as there are channels out.",
            )
        window = read(
            self.name,
            tuple(weight[2:]),
            rank=self.rank,
            stride=stride,
            padding=padding,
            dilation=dilation,
        )
        extra = several(self.name, "output_padding", output_padding, self.rank, 0)
        if any(more >= step for more, step in zip(extra, window.stride, strict=True)):
            raise ArgumentError(
                self.name,
                got=f"output_padding={extra} with stride {window.stride}",
                needs="an output padding below the stride",
                remedy="Leave it 0, or choose 1 … stride−1.",
            )
        result = tuple(
            (size - 1) * step - 2 * pad + extent + more
            for size, step, pad, extent, more in zip(
                sizes, window.stride, window.padding, window.extent, extra, strict=True
            )
        )
        if min(result) < 1 or min(sizes) < 1:
            raise ShapeError(
                self.name,
                got=f"an input of size {sizes} with padding {window.padding}, which "
                f"leaves an output of size {result}",
                needs="an output of at least 1 in every direction",
                remedy="Use less padding or a larger kernel.",
            )
        return (x[0], filters, *result), window

    def samples(self) -> Iterator[Sample]:
        """Plain, strided, padded, enlarged at the edge, dilated, grouped, and an empty batch."""
        plain = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        cases: list[tuple[Shape, Shape, dict[str, Any]]] = [
            ((2, 3, 3, 3), (3, 2, 3, 3), {}),
            ((1, 2, 3, 2), (2, 1, 2, 3), {"stride": 2, "padding": 1}),
            ((1, 2, 2, 2), (2, 3, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
            ((1, 1, 3, 3), (1, 2, 2, 2), {"dilation": 2}),
            ((2, 4, 2, 2), (4, 1, 2, 2), {"groups": 2, "stride": 3}),
            ((0, 2, 3, 3), (2, 3, 3, 3), {}),
        ]
        for stream, (x, weight, settings) in enumerate(cases):
            size, kernel = x[: self.rank + 2], weight[: self.rank + 2]
            filters = weight[1] * settings.get("groups", 1)
            bias = draw((filters,), 830 + stream) if stream % 2 else None
            yield Sample(
                (draw(size, 810 + stream), draw(kernel, 820 + stream), bias), plain | settings
            )


class ConvTranspose2d(TransposedConvolution):
    """The gradient of conv2d by its data, as a gate that enlarges images.

    Parameters
    ----------
    x : array, (N, C, H, W)
        Images.
    weight : array, (C, O/groups, F, F)
        The filters of the convolution whose gradient this is: it makes C channels of O.
    bias : array, (O,), optional
        Added to each channel out.
    stride, padding, dilation : int or pair
        Those of that convolution.
    output_padding : int or pair
        Rows and columns that its windows would have left unread, 0 … stride−1, added at the end.
    groups : int
        Its groups.

    Returns
    -------
    array, (N, O, (H − 1)·S − 2P + D·(F−1) + 1 + output_padding, the same of W)

    Raises
    ------
    ShapeError
        If channels do not agree or nothing is left of the output.
    ArgumentError
        If the output padding is not below the stride.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([[[[1.0, 2.0]]]]), np.ones((1, 1, 1, 3))
    >>> conv_transpose2d(x, w, stride=2)[0, 0].tolist()
    [[1.0, 1.0, 3.0, 2.0, 2.0]]
    """

    rank = 2
    formula = "y[n,o,iS+aD-P,jS+bD-P] += w[c,o,a,b] * x[n,c,i,j], + b[o]"


class ConvTranspose1d(TransposedConvolution):
    """The gradient of conv1d by its data, as a gate that lengthens sequences.

    x (N, C, W), weight (C, O/groups, F) → (N, O, (W − 1)·S − 2P + D·(F−1) + 1 + output_padding).
    The settings are those of conv_transpose2d.
    """

    rank = 1
    formula = "y[n,o,iS+aD-P] += w[c,o,a] * x[n,c,i], + b[o]"


conv_transpose2d = ConvTranspose2d()
conv_transpose1d = ConvTranspose1d()
