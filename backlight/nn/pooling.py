"""Pooling layers: a window of numbers becomes one, channel by channel; nothing to learn."""

from __future__ import annotations

from typing import Any, ClassVar

from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.gates.adaptive_pooling import (
    adaptive_average_pool1d,
    adaptive_average_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from backlight.gates.average_pooling import average_pool1d, average_pool2d
from backlight.gates.gate import Gate
from backlight.gates.pooling import max_pool1d, max_pool2d
from backlight.gates.reduction import mean
from backlight.nn.module import Module
from backlight.shapes import ROUNDINGS


class _Pool(Module):
    """Windows of a size and stride, and the gate that makes one number of each.

    Parameters
    ----------
    kernel_size : int or (vertical, horizontal)
        Size F of a window.
    stride : int or pair, optional
        Steps S between windows; the kernel's size unless given, so that windows do not overlap.
    padding : int or pair
        Rows and columns on each side; 0, since pooling pads nothing unless asked to.
    ceil_mode : bool
        True is rounding="ceil", as Caffe pools.
    rounding : {"exact", "floor", "ceil"}
        What to do when (W − F + 2P)/S leaves a remainder: refuse, drop it, or let the last window
        hang over.
    """

    gate: ClassVar[Gate]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        *,
        rounding: str = "exact",
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        if not isinstance(ceil_mode, bool):
            raise ArgumentError(
                kind,
                got=f"ceil_mode={ceil_mode!r}",
                needs="True or False",
                remedy="Pass by name: PyTorch has dilation at this place.",
            )
        if ceil_mode and rounding == "floor":
            raise ArgumentError(
                kind,
                got="ceil_mode=True with rounding='floor'",
                needs="one of them",
                remedy="Leave ceil_mode out.",
            )
        if rounding not in ROUNDINGS:
            raise ArgumentError(
                kind,
                got=f"rounding={rounding!r}",
                needs=", ".join(ROUNDINGS),
                remedy=nearest(rounding, ROUNDINGS),
            )
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.rounding = "ceil" if ceil_mode else rounding

    def forward(self, x: Any) -> Any:
        """One number for each window."""
        return self.gate(x, **self._settings())

    def _settings(self) -> dict[str, Any]:
        return {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "rounding": self.rounding,
        }

    def describe(self) -> str:
        """MaxPool2d 2, and the stride if windows overlap."""
        text = f"{type(self).__name__} {_times(self.kernel_size)}"
        return text if self.stride == self.kernel_size else f"{text}, stride {_times(self.stride)}"

    def extra_repr(self) -> str:
        """The window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"rounding={self.rounding!r}"
        )


class MaxPool2d(_Pool):
    """The largest number of each window; its gradient goes to the first that is the largest.

    Shapes
    ------
    x (N, C, H, W) → (N, C, (H−F+2P)/S + 1, (W−F+2P)/S + 1). See `_Pool` for the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], np.float32)
    >>> MaxPool2d(2)(x.reshape(1, 1, 4, 4)).tolist()
    [[[[6.0, 8.0], [3.0, 4.0]]]]

    Unlike PyTorch: a remainder is refused, not dropped; pass rounding="floor" for its behaviour.
    """

    gate = max_pool2d


class MaxPool1d(_Pool):
    """The largest number of each window of a sequence: x (N, C, L) → (N, C, (L−F+2P)/S + 1)."""

    gate = max_pool1d


class _AveragePool(_Pool):
    """Average pooling also says whether zeros of the padding count."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *,
        rounding: str = "exact",
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, rounding=rounding)
        self.count_include_pad = count_include_pad

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "count_include_pad": self.count_include_pad}


class AvgPool2d(_AveragePool):
    """The mean of each window; each of its numbers receives an equal share of the gradient.

    Shapes
    ------
    x (N, C, H, W) → (N, C, (H−F+2P)/S + 1, (W−F+2P)/S + 1).

    Examples
    --------
    >>> import numpy as np
    >>> AvgPool2d(2)(np.array([[[[1.0, 2.0], [3.0, 6.0]]]])).tolist()
    [[[[3.0]]]]
    """

    gate = average_pool2d


class AvgPool1d(_AveragePool):
    """The mean of each window of a sequence: x (N, C, L) → (N, C, (L−F+2P)/S + 1)."""

    gate = average_pool1d


class _Adaptive(Module):
    """Windows chosen so that the output has `output_size`, whatever the input's size."""

    gate: ClassVar[Gate]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """An output of the wanted size."""
        return self.gate(x, output_size=self.output_size)

    def describe(self) -> str:
        """AdaptiveAvgPool2d 7×7."""
        return f"{type(self).__name__} {_times(self.output_size)}"

    def extra_repr(self) -> str:
        """The wanted size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_Adaptive):
    """Means of windows chosen for the output's size: x (N, C, H, W) → (N, C, *output_size)."""

    gate = adaptive_average_pool2d


class AdaptiveAvgPool1d(_Adaptive):
    """Means of windows chosen for the output's size: x (N, C, L) → (N, C, output_size)."""

    gate = adaptive_average_pool1d


class AdaptiveMaxPool2d(_Adaptive):
    """Maxima of windows chosen for the output's size: x (N, C, H, W) → (N, C, *output_size)."""

    gate = adaptive_max_pool2d


class AdaptiveMaxPool1d(_Adaptive):
    """Maxima of windows chosen for the output's size: x (N, C, L) → (N, C, output_size)."""

    gate = adaptive_max_pool1d


class GlobalAveragePool(Module):
    """The mean of each channel over the whole image: x (N, C, H, W) → (N, C).

    Examples
    --------
    >>> import numpy as np
    >>> GlobalAveragePool()(np.ones((2, 5, 4, 4))).shape
    (2, 5)

    Source: Lin, Chen and Yan, "Network in network", 2013.
    """

    def forward(self, x: Any) -> Any:
        """One number for each channel."""
        if len(x.shape) < 3:
            raise self.refuse(
                ShapeError,
                x,
                got=f"an input of shape {x.shape}",
                needs="images (N, C, H, W) or sequences (N, C, L)",
                remedy="Leave it out: there is nothing to average over",
            )
        return mean(x, axis=tuple(range(2, len(x.shape))))


def _times(size: Any) -> str:
    return "×".join(map(str, size)) if isinstance(size, (tuple, list)) else str(size)
