"""Convolution layers: the same small filters applied at every place."""

from __future__ import annotations

from typing import Any, ClassVar

from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.gates.convolution import conv1d, conv2d
from backlight.gates.gate import Gate
from backlight.gates.transposed_convolution import conv_transpose1d, conv_transpose2d
from backlight.nn import initialise
from backlight.nn.module import Module
from backlight.nn.origin import origin_of
from backlight.nn.parameter import Parameter
from backlight.shapes import whole


class _Convolution(Module):
    """What the convolutions share: sizes, checks, initialisation and how they are printed."""

    sets_width = True
    rank: ClassVar[int]
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        self.in_channels = whole(kind, "in_channels", in_channels, 1)
        self.out_channels = whole(kind, "out_channels", out_channels, 1)
        self.groups = whole(kind, "groups", groups, 1)
        self.kernel_size = self._sizes("kernel_size", kernel_size, 1)
        self.stride = self._sizes("stride", stride, 1)
        self.dilation = self._sizes("dilation", dilation, 1)
        self.padding = (
            self._same()
            if isinstance(padding, str) and self._keeps_size(padding)
            else self._sizes("padding", 0 if padding == "valid" else padding, 0)
        )
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                kind,
                got=f"groups={groups} for {in_channels}→{out_channels} channels",
                needs="groups that divide both",
                remedy="Change groups or the channels.",
            )
        self.weight = initialise.blank(*self._weight_shape())
        self.bias = initialise.blank(self.out_channels) if bias else None
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        initialise.default_(self.weight, self.bias)

    def _sizes(self, name: str, value: Any, least: int) -> tuple[int, ...]:
        """One whole number an axis."""
        kind = type(self).__name__
        given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.rank
        if len(given) != self.rank:
            raise ArgumentError(
                kind,
                got=f"{name}={value!r}",
                needs=f"one whole number or {self.rank}",
                remedy=f"Pass {name}=n, or one number an axis.",
            )
        return tuple(whole(kind, name, one, least) for one in given)

    def _keeps_size(self, padding: str) -> bool:
        """Whether a padding given by name is "same"; refuses names that are none."""
        if padding not in ("same", "valid"):
            raise ArgumentError(
                type(self).__name__,
                got=f"padding={padding!r}",
                needs="a whole number, 'same' or 'valid'",
                remedy="Pass padding='same' to keep the size.",
            )
        return padding == "same"

    def _same(self) -> tuple[int, ...]:
        """The padding that keeps the size, where one padding on both sides can."""
        extents = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        if any(step != 1 for step in self.stride) or any(extent % 2 for extent in extents):
            raise ArgumentError(
                type(self).__name__,
                got=f"padding='same' with kernel_size={self.kernel_size}, stride={self.stride}",
                needs="stride 1 and odd kernels: the same zeros on both sides",
                remedy="Pass the padding as a number.",
            )
        return tuple(extent // 2 for extent in extents)

    def _check(self, x: Any) -> None:
        shape = x.shape
        if len(shape) == self.rank + 2 and shape[1] == self.in_channels:
            return
        axes = "(N, C, H, W)" if self.rank == 2 else "(N, C, L)"
        if len(shape) != self.rank + 2:
            hint = (
                "Add the axis of examples: x.reshape(1, *x.shape)"
                if len(shape) == self.rank + 1
                else f"Give it the axes {axes}"
            )
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {shape}",
                needs=f"{self.rank + 2} axes {axes}",
                remedy=hint,
            )
        if shape[-1] == self.in_channels and origin_of(x) is None:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input with {shape[1]} channels, shape {shape}",
                needs=f"{self.in_channels} channels along axis 1, and the last axis has as many",
                remedy=f"Move the channels to axis 1: x.transpose(0, {self.rank + 1}, "
                f"{', '.join(str(axis) for axis in range(1, self.rank + 1))})",
            )
        self.check_width(x, 1, self.in_channels, "channels", "in_channels")

    def describe(self) -> str:
        """Conv2d 3→16, 3×3, and what differs from the usual."""
        text = (
            f"{type(self).__name__} {self.in_channels}→{self.out_channels}, "
            f"{'×'.join(map(str, self.kernel_size))}"
        )
        if set(self.stride) != {1}:
            text += f", stride {self.stride[0]}"
        return text

    def extra_repr(self) -> str:
        """The sizes; what is at its default is left out, as PyTorch does."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        for name, usual in (("padding", 0), ("dilation", 1)):
            if set(getattr(self, name)) != {usual}:
                text += f", {name}={getattr(self, name)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2d(_Convolution):
    """Each of `out_channels` filters slides over the image; a filter spans all its channels.

    y[n,o,i,j] = b[o] + Σ w[o,c,u,v] · x[n, c, i·S+u·D−P, j·S+v·D−P]. The kernel is not flipped.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or (vertical, horizontal)
        Size F of the filters, at least 1.
    stride, padding, dilation : int or pair
        Steps S between windows, rows and columns P of zeros on each side, distance D of taps.
        padding="same" keeps the size (stride 1, odd kernels), "valid" is 0.
    groups : int
        The channels are split into so many groups that do not see one another.
    bias : bool
    rounding : {"exact", "floor"}
        What to do when (W − D(F−1) − 1 + 2P)/S leaves a remainder: refuse, or drop it.

    Shapes
    ------
    x (N, C, H, W) → (N, K, (H−D(F−1)−1+2P)/S + 1, …); weight (K, C/groups, F, F), bias (K).

    Raises
    ------
    ShapeError
        If the channels differ or the windows do not fit; it names the layer before, and what would.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Conv2d(3, 10, 5, padding=2)
    >>> layer(np.zeros((1, 3, 32, 32), np.float32)).shape, sum(p.size for p in layer.parameters())
    ((1, 10, 32, 32), 760)

    Unlike PyTorch: a remainder is refused, not dropped; pass rounding="floor" for its behaviour.
    """

    rank = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rounding: str = "exact",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.rounding = _rounding(type(self).__name__, rounding)

    def forward(self, x: Any) -> Any:
        """The filters' answers at every place."""
        self._check(x)
        return conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            rounding=self.rounding,
        )


class Conv1d(_Convolution):
    """Filters that slide along a sequence; arguments as for `Conv2d`, one number each.

    Shapes
    ------
    x (N, C, L) → (N, K, (L−D(F−1)−1+2P)/S + 1); weight (K, C/groups, F), bias (K).

    Examples
    --------
    >>> import numpy as np
    >>> Conv1d(2, 4, 3, padding=1)(np.zeros((1, 2, 7), np.float32)).shape
    (1, 4, 7)
    """

    rank = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rounding: str = "exact",
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.rounding = _rounding(type(self).__name__, rounding)

    def forward(self, x: Any) -> Any:
        """The filters' answers at every place."""
        self._check(x)
        return conv1d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            rounding=self.rounding,
        )


class _Transposed(_Convolution):
    """What the transposed convolutions share: the output's padding and the weight's order."""

    gate: ClassVar[Gate]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.output_padding = self._sizes("output_padding", output_padding, 0)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def forward(self, x: Any) -> Any:
        """The numbers spread over their windows, and added where windows overlap."""
        self._check(x)
        return self.gate(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class ConvTranspose2d(_Transposed):
    """The gradient of a convolution by its data, as a layer: each number is spread over a window.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation
        As of the Conv2d that it turns around; `padding` takes away from the output.
    output_padding : int or pair
        Rows and columns added below and to the right, less than the stride: several sizes lead to
        the same size in a strided convolution, and this says which is meant.

    Shapes
    ------
    x (N, C, H, W) → (N, K, (H−1)·S − 2P + D(F−1) + output_padding + 1, …);
    weight (C, K/groups, F, F), bias (K).

    Examples
    --------
    >>> import numpy as np
    >>> ConvTranspose2d(4, 2, 2, stride=2)(np.zeros((1, 4, 5, 5), np.float32)).shape
    (1, 2, 10, 10)
    """

    rank = 2
    gate = conv_transpose2d


class ConvTranspose1d(_Transposed):
    """The gradient of a convolution of sequences; arguments as for `ConvTranspose2d`.

    Shapes
    ------
    x (N, C, L) → (N, K, (L−1)·S − 2P + D(F−1) + output_padding + 1); weight (C, K/groups, F).

    Examples
    --------
    >>> import numpy as np
    >>> ConvTranspose1d(4, 2, 2, stride=2)(np.zeros((1, 4, 5), np.float32)).shape
    (1, 2, 10)
    """

    rank = 1
    gate = conv_transpose1d


def _rounding(kind: str, rounding: str) -> str:
    """A rounding that a convolution has: only pooling hangs windows over the edge."""
    if rounding not in ("exact", "floor"):
        raise ArgumentError(
            kind,
            got=f"rounding={rounding!r}",
            needs="exact or floor",
            remedy=nearest(rounding, ("exact", "floor")),
        )
    return rounding


def caffe(layer: Conv2d) -> str:
    """The layer in Caffe's words, for reading old model files.

    Examples
    --------
    >>> caffe(Conv2d(3, 96, 11, stride=4))
    'num_output: 96 kernel_size: 11 stride: 4 pad: 0 group: 1'
    """
    words = [
        f"num_output: {layer.out_channels}",
        _caffe_pair("kernel_size", "kernel", layer.kernel_size),
        _caffe_pair("stride", "stride", layer.stride),
        _caffe_pair("pad", "pad", layer.padding),
        f"group: {layer.groups}",
    ]
    if set(layer.dilation) != {1}:
        words.append(f"dilation: {layer.dilation[0]}")
    return " ".join(words)


def _caffe_pair(both: str, side: str, sizes: tuple[int, ...]) -> str:
    """One word where height and width are equal, else one for each."""
    if len(set(sizes)) == 1:
        return f"{both}: {sizes[0]}"
    return f"{side}_h: {sizes[0]} {side}_w: {sizes[1]}"


def torch7(layer: Conv2d) -> str:
    """The layer in Torch7's words: nInputPlane, nOutputPlane, kW, kH, dW, dH, padW, padH.

    Examples
    --------
    >>> torch7(Conv2d(3, 96, 11, stride=4))
    'SpatialConvolution(3, 96, 11, 11, 4, 4, 0, 0)'
    """
    numbers = (
        layer.in_channels,
        layer.out_channels,
        *layer.kernel_size[::-1],
        *layer.stride[::-1],
        *layer.padding[::-1],
    )
    return f"SpatialConvolution({', '.join(map(str, numbers))})"
