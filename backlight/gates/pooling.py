"""Max pooling: each window of every channel becomes its largest number.

Nothing is padded unless asked for. A max pool pads with −∞, so that padding never wins. The winner
of a window is a place of the input, counted row by row; the gradient goes back to it alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

from backlight.errors import ArgumentError, ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample, find
from backlight.gates.routing import route_back
from backlight.gates.window import Window, looked_through, read, spatial
from backlight.shapes import Shape


class Pooling(Structural, abstract=True):
    """What max and average pooling share: windows on the spatial axes, channels untouched."""

    rank: ClassVar[int]
    source = "CS231n, convolutional-networks"

    @property
    def subject(self) -> str:
        """The pooling's name, which is also the one its gradient complains under."""
        return self.name.removesuffix("_by_data").removesuffix("_winner")

    def fit(
        self, x: Shape, kernel_size: Any, stride: Any, padding: Any, rounding: str
    ) -> tuple[Window, Shape]:
        """The window and how many fit into an input of shape `x`."""
        sizes = spatial(self.subject, x, self.rank)
        window = read(
            self.subject,
            kernel_size,
            rank=self.rank,
            padding=padding,
            stride=kernel_size if stride is None else stride,
        )
        if any(2 * p > f for p, f in zip(window.padding, window.kernel, strict=True)):
            raise ArgumentError(
                self.subject,
                got=f"padding {window.padding} for a kernel {window.kernel}",
                needs="padding of at most half the kernel: a window must see some of its input",
                remedy="Use less padding or a larger kernel.",
            )
        if min(sizes) < 1:
            raise ShapeError(
                self.subject,
                got=f"an input of shape {tuple(x)}",
                needs=f"at least one number to see; its kernel is {window.kernel}",
                remedy="Pool an input whose sizes are not 0.",
            )
        return window, window.count(sizes, rounding)

    def settled(
        self,
        x: Shape,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        rounding: str = "exact",
        **_: Any,
    ) -> tuple[Window, Shape]:
        """As `fit`, from the gate's attributes."""
        return self.fit(x, kernel_size, stride, padding, rounding)

    def geometry(self, x: Shape, *settings: Any) -> tuple[Shape, Shape, Shape]:
        """Kernel, stride and padding written out for every axis."""
        window, _ = self.fit(x, *settings)
        return window.kernel, window.stride, window.padding

    def cases(self) -> Iterator[tuple[Shape, dict[str, Any]]]:
        """Shapes and settings worth testing."""
        plain = {"kernel_size": 2, "stride": None, "padding": 0, "rounding": "exact"}
        every: list[tuple[Shape, dict[str, Any]]] = [
            ((2, 2, 4, 4), {}),
            ((1, 2, 5, 7), {"kernel_size": 3, "stride": 2}),
            ((1, 2, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
            ((1, 1, 5, 6), {"kernel_size": 2, "rounding": "floor"}),
            ((1, 1, 6, 6), {"kernel_size": 3, "stride": 2, "rounding": "ceil"}),
            ((1, 2, 4, 3), {"kernel_size": (2, 1), "stride": (1, 2)}),
            ((1, 2, 3, 3), {"kernel_size": 3}),
            ((0, 2, 4, 4), {}),
        ]
        for x, settings in every:
            if self.rank == 1:
                settings = {
                    name: value[0] if isinstance(value, tuple) else value
                    for name, value in settings.items()
                }
            yield x[: self.rank + 2], plain | settings


class MaxPooling(Pooling, abstract=True):
    """The largest number of each window."""

    role = Role.ROUTER
    kinks = "a tie in a window: the gradient goes to the first in row-major order; NaN wins"

    def forward(
        self,
        np: Any,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        rounding: str = "exact",
    ) -> Any:
        window, count = self.fit(x.shape, kernel_size, stride, padding, rounding)
        return _largest(np, x, window, count)

    def lower(self, np: Any, x: Any, **settings: Any) -> Any:
        """The largest of each window of a bordered image."""
        window, count = self.settled(x.shape, **settings)
        if not x.size:
            return np.zeros((*x.shape[:2], *count), x.dtype)
        seen = looked_through(np, x, window, count, lowest(np, x.dtype))
        return np.max(seen, axis=taps_of(self.rank))

    def backward(
        self,
        upstream: Any,
        x: Any,
        output: Any,
        *,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        rounding: str,
    ) -> Any:
        return (
            lambda: route_back(
                upstream,
                find(f"{self.name}_winner")(
                    x, kernel_size=kernel_size, stride=stride, padding=padding, rounding=rounding
                ),
                size=x.shape[2:],
                window=self.geometry(x.shape, kernel_size, stride, padding, rounding),
            ),
        )

    def shape(
        self,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        rounding: str = "exact",
    ) -> Shape:
        return (*x[:2], *self.fit(x, kernel_size, stride, padding, rounding)[1])

    def branch(self, np: Any, x: Any, **settings: Any) -> Any:
        return find(f"{self.name}_winner").forward(np, x, **settings)

    def samples(self) -> Iterator[Sample]:
        for stream, (x, settings) in enumerate(self.cases()):
            yield Sample((draw(x, 900 + stream),), settings)


class Winner(Pooling, abstract=True):
    """Where in its image (row · W + column) each window's largest number stands."""

    role = Role.WALL
    result = "index"
    formula = "the first place p in the window with x[p] = max, or NaN"

    def forward(
        self,
        np: Any,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        rounding: str = "exact",
    ) -> Any:
        window, count = self.fit(x.shape, kernel_size, stride, padding, rounding)
        largest = _largest(np, x, window, count)
        undefined = bool(np.isnan(largest).any())
        sizes = x.shape[2:]
        taps = list(window.taps(sizes, count))
        # Taps are ranked from last to first, so that the highest rank is the first of equals.
        # Taking maxima of small numbers is much faster than masked assignment.
        best = np.zeros(largest.shape, np.min_scalar_type(len(taps)))
        for rank, (_, seen, where) in zip(range(len(taps), 0, -1), taps, strict=True):
            number = x[(..., *where)]
            won = number == largest[(..., *seen)]
            if undefined:
                won |= number != number
            part = best[(..., *seen)]
            np.maximum(part, won * best.dtype.type(rank), out=part)
        offsets = np.array([_flat(place, sizes) for place, _, _ in reversed(taps)], np.int64)
        winner = offsets[best - 1]
        winner += _corners(np, window, sizes, count)
        return winner

    def lower(self, np: Any, x: Any, **settings: Any) -> Any:
        """Which tap is the largest, and where the window's corner and that tap stand."""
        window, count = self.settled(x.shape, **settings)
        shape = (*x.shape[:2], *count)
        if not x.size:
            return np.zeros(shape, np.int64)
        seen = looked_through(np, x, window, count, lowest(np, x.dtype))
        tap = np.argmax(seen, axis=taps_of(self.rank))
        starts = [
            np.along(shape, axis) * step - pad
            for axis, step, pad in zip(
                range(2, self.rank + 2), window.stride, window.padding, strict=True
            )
        ]
        winner = placed(starts, tap, window.kernel, x.shape[2:])
        if not any(window.padding):
            return winner
        # A window of nothing but the lowest number is won by its border: its first number wins.
        first = placed([np.maximum(start, 0) for start in starts], None, (), x.shape[2:])
        low = np.max(seen, axis=taps_of(self.rank)) == lowest(np, x.dtype)
        return np.where(low, first, winner)

    def shape(
        self,
        x: Any,
        *,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        rounding: str = "exact",
    ) -> Shape:
        return (*x[:2], *self.fit(x, kernel_size, stride, padding, rounding)[1])

    def samples(self) -> Iterator[Sample]:
        for stream, (x, settings) in enumerate(self.cases()):
            yield Sample((draw(x, 900 + stream),), settings)


def _largest(np: Any, x: Any, window: Window, count: Shape) -> Any:
    """The maximum over the taps that lie on the input; NaN beats everything."""
    largest = np.full((*x.shape[:2], *count), lowest(np, x.dtype), x.dtype)
    for _, seen, where in window.taps(x.shape[2:], count):
        part = largest[(..., *seen)]
        np.maximum(part, x[(..., *where)], out=part)
    return largest


def lowest(np: Any, dtype: Any) -> Any:
    """The number of a type that every other beats."""
    known = {"f": -math.inf, "b": False}.get(dtype.kind)
    return int(np.iinfo(dtype).min) if known is None else known


def taps_of(rank: int) -> Shape:
    """The axes of the taps of an image's windows."""
    return tuple(range(rank + 2, 2 * rank + 2))


def placed(starts: Any, tap: Any, kernel: Shape, sizes: Shape) -> Any:
    """The place (row · W + column) of a tap of windows that start at rows and columns."""
    corner = starts[0]
    for start, size in zip(starts[1:], sizes[1:], strict=True):
        corner = corner * size + start
    if tap is None:
        return corner
    if len(kernel) == 1:
        return corner + tap
    wide = kernel[1]
    row = tap >> (wide.bit_length() - 1) if wide & (wide - 1) == 0 else tap // wide
    return corner + tap + row * (sizes[1] - wide)


def _corners(np: Any, window: Window, sizes: Shape, count: Shape) -> Any:
    """The place (row · W + column) of each window's first tap, which may lie in the padding."""
    corners = np.zeros(count, np.int64)
    for axis, (stride, padding, windows) in enumerate(
        zip(window.stride, window.padding, count, strict=True)
    ):
        start = (np.arange(windows) * stride - padding) * math.prod(sizes[axis + 1 :])
        corners += start.reshape(-1, *(1,) * (len(count) - 1 - axis))
    return corners


def _flat(place: Shape, sizes: Shape) -> int:
    """A place's offsets as one number, row by row."""
    return sum(offset * math.prod(sizes[axis + 1 :]) for axis, offset in enumerate(place))


class MaxPool2d(MaxPooling):
    """The largest number of each window of every channel.

    Parameters
    ----------
    x : array, (N, C, H, W)
        Images.
    kernel_size, stride : int or pair
        Size F of the window and steps S between windows; the stride is the size unless given.
    padding : int or pair
        Borders P of −∞, at most F/2; 0 unless given, as pooling pads nothing by custom.
    rounding : {"exact", "floor", "ceil"}
        What to do with a remainder: refuse, leave unread (PyTorch), or hang over the edge (Caffe).

    Returns
    -------
    array, (N, C, (H − F + 2P)/S + 1, the same of W)

    Raises
    ------
    ShapeError
        If the kernel exceeds the input or windows do not fit exactly.
    ArgumentError
        If the stride is below 1, or the padding negative or over half the kernel.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    >>> max_pool2d(x[None, None], kernel_size=2)[0, 0].tolist()
    [[6, 8], [3, 4]]
    """

    rank = 2
    formula = "y[n,c,i,j] = max of x[n,c,iS+a-P,jS+b-P] over a,b"


class MaxPool1d(MaxPooling):
    """The largest number of each window of a sequence: (N, C, W) → (N, C, (W − F + 2P)/S + 1)."""

    rank = 1
    formula = "y[n,c,i] = max of x[n,c,iS+a-P] over a"


class MaxPool2dWinner(Winner):
    """The place (row · W + column) that each window of max_pool2d takes its number from."""

    rank = 2


class MaxPool1dWinner(Winner):
    """The place that each window of max_pool1d takes its number from."""

    rank = 1


max_pool2d = MaxPool2d()
max_pool1d = MaxPool1d()
max_pool2d_winner = MaxPool2dWinner()
max_pool1d_winner = MaxPool1dWinner()
