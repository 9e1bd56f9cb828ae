"""Average pooling: each window of every channel becomes its mean.

Sums are taken in float64. Nothing is padded unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from backlight.dtypes import float64
from backlight.errors import ShapeError
from backlight.gates.family import draw
from backlight.gates.gate import Role, Sample, find
from backlight.gates.pooling import Pooling, taps_of
from backlight.gates.window import Window, looked_through, looking_at, several, spatial
from backlight.shapes import Shape


class AveragePooling(Pooling, abstract=True):
    """The mean of each window."""

    role = Role.MIXER
    result = "float"

    def forward(
        self,
        np: Any,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        count_include_pad: bool = True,
        rounding: str = "exact",
    ) -> Any:
        window, count = self.fit(x.shape, kernel_size, stride, padding, rounding)
        mean = np.zeros((*x.shape[:2], *count), float64)
        for _, seen, where in window.taps(x.shape[2:], count):
            mean[(..., *seen)] += x[(..., *where)]
        mean /= _members(np, window, x.shape[2:], count, count_include_pad)
        return mean.astype(self.dtype(x.dtype), copy=False)

    def lower(self, np: Any, x: Any, *, count_include_pad: bool = True, **settings: Any) -> Any:
        """The sum of each window of a bordered image, divided."""
        window, count = self.settled(x.shape, **settings)
        kind = self.dtype(x.dtype)
        if not x.size:
            return np.zeros((*x.shape[:2], *count), kind)
        seen = looked_through(np, x, window, count, 0)
        total = np.sum(seen, axis=taps_of(self.rank), dtype=float64)
        return (total / _shared_members(np, window, x.shape[2:], count, count_include_pad)).astype(
            kind
        )

    def backward(
        self,
        upstream: Any,
        x: Any,
        output: Any,
        *,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        count_include_pad: bool,
        rounding: str,
    ) -> Any:
        return (
            lambda: find(f"{self.name}_by_data")(
                upstream,
                size=x.shape[2:],
                kernel_size=kernel_size,
                stride=stride,
                padding=padding,
                count_include_pad=count_include_pad,
                rounding=rounding,
            ),
        )

    def shape(
        self,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        count_include_pad: bool = True,
        rounding: str = "exact",
    ) -> Shape:
        return (*x[:2], *self.fit(x, kernel_size, stride, padding, rounding)[1])

    def samples(self) -> Iterator[Sample]:
        for stream, (x, settings) in enumerate(self.cases()):
            yield Sample(
                (draw(x, 920 + stream),), settings | {"count_include_pad": bool(stream % 2)}
            )


class AverageByData(Pooling, abstract=True):
    """The gradient of an average pooling: each y shared out equally over its window."""

    role = Role.MIXER
    result = "float"

    def forward(
        self,
        np: Any,
        y: Any,
        *,
        size: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        count_include_pad: bool = True,
        rounding: str = "exact",
    ) -> Any:
        data = self.shape(
            y.shape,
            size=size,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            rounding=rounding,
        )
        window, count = self.fit(data, kernel_size, stride, padding, rounding)
        kind = self.dtype(y.dtype)
        share = y / _members(np, window, data[2:], count, count_include_pad).astype(kind)
        gradient = np.zeros(data, kind)
        for _, seen, where in window.taps(data[2:], count):
            gradient[(..., *where)] += share[(..., *seen)]
        return gradient

    def lower(
        self, np: Any, y: Any, *, size: Any, count_include_pad: bool = True, **settings: Any
    ) -> Any:
        """Every place looks at the windows that see it."""
        data = self.shape(y.shape, size=size, **settings)
        kind = self.dtype(y.dtype)
        if not y.size:
            return np.zeros(data, kind)
        window, count = self.settled(data, **settings)
        members = _shared_members(np, window, data[2:], count, count_include_pad)
        share = y / (members if isinstance(members, float) else members.astype(kind))
        shares = [
            self._where_seen(np, part, window, taps)
            for taps, (part,) in looking_at(np, data[2:], window, (share, 0))
        ]
        return sum(shares[1:], start=shares[0]).astype(kind)

    def _where_seen(self, np: Any, share: Any, window: Window, taps: Shape) -> Any:
        """The shares at places that the window reaches, so many windows back; 0 elsewhere."""
        for axis, (tap, kernel, stride, padding) in enumerate(
            zip(taps, window.kernel, window.stride, window.padding, strict=True), start=2
        ):
            reach = kernel - tap * stride
            if reach < stride:
                within = (np.along(share.shape, axis) + padding) % stride < reach
                share = np.where(within, share, 0)
        return share

    def backward(
        self,
        upstream: Any,
        y: Any,
        output: Any,
        *,
        size: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        count_include_pad: bool,
        rounding: str,
    ) -> Any:
        return (
            lambda: find(self.subject)(
                upstream,
                kernel_size=kernel_size,
                stride=stride,
                padding=padding,
                count_include_pad=count_include_pad,
                rounding=rounding,
            ),
        )

    def shape(
        self,
        y: Any,
        *,
        size: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        count_include_pad: bool = True,
        rounding: str = "exact",
    ) -> Shape:
        given = spatial(self.name, y, self.rank)
        data = (*y[:2], *several(self.name, "size", size, self.rank, 1))
        _, count = self.fit(data, kernel_size, stride, padding, rounding)
        if given != count:
            raise ShapeError(
                self.name,
                got=f"y with windows {given}",
                needs=f"{count}, what the pooling gives for inputs of size {size}",
                remedy="Give it the gradient of that pooling's output.",
            )
        return data

    def samples(self) -> Iterator[Sample]:
        for stream, (x, settings) in enumerate(self.cases()):
            y = find(self.subject).shape(x, **settings)
            yield Sample(
                (draw(y, 940 + stream),),
                settings | {"size": x[2:], "count_include_pad": bool(stream % 2)},
            )


def _shared_members(np: Any, window: Window, sizes: Shape, count: Shape, include_pad: bool) -> Any:
    """How many numbers each window averages: one number if it is the same for all."""
    every = numpy.unique(_members(numpy, window, sizes, count, include_pad))
    if len(every) == 1:
        return float(every[0])
    return _members(np, window, sizes, count, include_pad)


def _members(np: Any, window: Window, sizes: Shape, count: Shape, include_pad: bool) -> Any:
    """How many numbers each window averages; what hangs over the padding never counts."""
    members = np.ones(count, float64)
    for axis, (kernel, stride, padding, size, windows) in enumerate(
        zip(window.kernel, window.stride, window.padding, sizes, count, strict=True)
    ):
        start = np.arange(windows) * stride - padding
        edge = padding if include_pad else 0
        seen = np.minimum(start + kernel, size + edge) - np.maximum(start, -edge)
        members = members * seen.reshape(-1, *(1,) * (len(count) - 1 - axis))
    return members


class AveragePool2d(AveragePooling):
    """The mean of each window of every channel.

    Settings are those of max_pool2d; the border is of zeros. `count_include_pad` says whether they
    count as members of the mean (PyTorch's default). What hangs over the border (rounding="ceil")
    never does. x (N, C, H, W) → (N, C, (H − F + 2P)/S + 1, the same of W), summed in float64.

    Examples
    --------
    >>> import numpy as np
    >>> average_pool2d(np.array([[[[1.0, 3.0], [5.0, 7.0]]]]), kernel_size=2).item()
    4.0
    """

    rank = 2
    formula = "y[n,c,i,j] = mean of x[n,c,iS+a-P,jS+b-P] over a,b"
    aliases = ("avg_pool2d",)


class AveragePool1d(AveragePooling):
    """The mean of each window of a sequence: (N, C, W) → (N, C, (W − F + 2P)/S + 1)."""

    rank = 1
    formula = "y[n,c,i] = mean of x[n,c,iS+a-P] over a"
    aliases = ("avg_pool1d",)


class AveragePool2dByData(AverageByData):
    """The gradient of average_pool2d: y (N, C, …) → (N, C, *size)."""

    rank = 2
    formula = "x'[n,c,p,q] = sum of y[n,c,i,j] / members over the windows that see (p,q)"


class AveragePool1dByData(AverageByData):
    """The gradient of average_pool1d: y (N, C, …) → (N, C, *size)."""

    rank = 1
    formula = "x'[n,c,p] = sum of y[n,c,i] / members over the windows that see p"


average_pool2d = AveragePool2d()
average_pool1d = AveragePool1d()
average_pool2d_by_data = AveragePool2dByData()
average_pool1d_by_data = AveragePool1dByData()
