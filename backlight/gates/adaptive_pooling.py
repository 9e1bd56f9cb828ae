"""Adaptive pooling: windows chosen so that the output has a given size, whatever the input's.

Along an axis of W numbers, window i of O goes from ⌊i·W/O⌋ up to, but not including,
⌈(i+1)·W/O⌉. If O divides W these are ordinary windows; else neighbours overlap by a number. Size 1
is global pooling.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar

from backlight.dtypes import float64
from backlight.errors import ShapeError
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample, find
from backlight.gates.pooling import lowest, placed
from backlight.gates.routing import route_back
from backlight.gates.window import several, spatial
from backlight.shapes import Shape


class AdaptivePooling(Structural, abstract=True):
    """What adaptive poolings share: the output's size, and the windows that follow from it."""

    rank: ClassVar[int]
    source = "He, Zhang, Ren and Sun 2014; Lin, Chen and Yan 2013 (global average)"

    def fit(self, x: Shape, output_size: Any) -> tuple[Shape, Shape]:
        """The sizes of the input and of the output."""
        sizes = spatial(self.name, x, self.rank)
        count = several(self.name, "output_size", output_size, self.rank, 1)
        if min(sizes) < 1:
            raise ShapeError(
                self.name,
                got=f"an input of shape {tuple(x)} for output {count}",
                needs="at least one number to see",
                remedy="Pool an input whose sizes are not 0.",
            )
        return sizes, count


class ToSize(AdaptivePooling, abstract=True):
    """A pooling of an input to `output_size`."""

    def shape(self, x: Any, *, output_size: Any) -> Shape:
        return (*x[:2], *self.fit(x, output_size)[1])

    def samples(self) -> Iterator[Sample]:
        for stream, (x, size) in enumerate(_cases(self.rank)):
            yield Sample((draw(x, 980 + stream),), {"output_size": size})


class AdaptiveMax(ToSize, abstract=True):
    """The largest number of each window."""

    role = Role.ROUTER
    formula = "y[i] = max of x[p], i*W/O <= p < (i+1)*W/O (rounded outwards)"
    kinks = "a tie in a window: the gradient goes to the first in row-major order; NaN wins"

    def forward(self, np: Any, x: Any, *, output_size: Any) -> Any:
        sizes, count = self.fit(x.shape, output_size)
        largest = np.empty((*x.shape[:2], *count), x.dtype)
        for place, seen in _windows(sizes, count):
            np.max(x[(..., *seen)], axis=_spatial(self.rank), out=largest[(..., *place)])
        return largest

    def lower(self, np: Any, x: Any, *, output_size: Any) -> Any:
        """The largest of each window."""
        _, count = self.fit(x.shape, output_size)
        if not x.size:
            return np.zeros((*x.shape[:2], *count), x.dtype)
        return np.max(_seen(np, x, count, lowest(np, x.dtype)), axis=_tap_axes(self.rank))

    def backward(self, upstream: Any, x: Any, output: Any, *, output_size: Any) -> Any:
        return (
            lambda: route_back(
                upstream, find(f"{self.name}_winner")(x, output_size=output_size), size=x.shape[2:]
            ),
        )

    def branch(self, np: Any, x: Any, *, output_size: Any) -> Any:
        return find(f"{self.name}_winner").forward(np, x, output_size=output_size)


class AdaptiveWinner(ToSize, abstract=True):
    """Where in its image (row · W + column) each window's largest number stands."""

    role = Role.WALL
    result = "index"
    formula = "the first place p in the window with x[p] = max, or NaN"

    def forward(self, np: Any, x: Any, *, output_size: Any) -> Any:
        sizes, count = self.fit(x.shape, output_size)
        winner = np.empty((*x.shape[:2], *count), np.int64)
        numbering = np.arange(math.prod(sizes)).reshape(sizes)
        for place, seen in _windows(sizes, count):
            part = x[(..., *seen)]
            first = part.reshape(*x.shape[:2], math.prod(part.shape[2:])).argmax(axis=-1)
            winner[(..., *place)] = numbering[seen].ravel()[first]
        return winner

    def lower(self, np: Any, x: Any, *, output_size: Any) -> Any:
        """Which tap is the largest, and where the window's corner and that tap stand."""
        sizes, count = self.fit(x.shape, output_size)
        shape = (*x.shape[:2], *count)
        if not x.size:
            return np.zeros(shape, np.int64)
        seen = _seen(np, x, count, lowest(np, x.dtype))
        starts = [
            np.along(shape, 2 + axis) * size // windows
            for axis, (size, windows) in enumerate(zip(sizes, count, strict=True))
        ]
        kernel = tuple([seen.shape[axis] for axis in _tap_axes(self.rank)])
        return placed(starts, np.argmax(seen, axis=_tap_axes(self.rank)), kernel, sizes)


class AdaptiveAverage(ToSize, abstract=True):
    """The mean of each window, summed in float64."""

    role = Role.MIXER
    result = "float"
    formula = "y[i] = mean of x[p], i*W/O <= p < (i+1)*W/O (rounded outwards)"

    def forward(self, np: Any, x: Any, *, output_size: Any) -> Any:
        sizes, count = self.fit(x.shape, output_size)
        mean = np.empty((*x.shape[:2], *count), self.dtype(x.dtype))
        for place, seen in _windows(sizes, count):
            mean[(..., *place)] = np.mean(x[(..., *seen)], axis=_spatial(self.rank), dtype=float64)
        return mean

    def lower(self, np: Any, x: Any, *, output_size: Any) -> Any:
        """The sum of each window, divided."""
        sizes, count = self.fit(x.shape, output_size)
        total = _totals(np, x, count) / _members(np, sizes, count)
        return total.astype(self.dtype(x.dtype))

    def backward(self, upstream: Any, x: Any, output: Any, *, output_size: Any) -> Any:
        return (lambda: find(f"{self.name}_by_data")(upstream, size=x.shape[2:]),)


class AdaptiveAverageByData(AdaptivePooling, abstract=True):
    """The gradient of an adaptive average: each y shared out equally over its window."""

    role = Role.MIXER
    result = "float"
    formula = "x'[p] = sum of y[i] / members over the windows that see p"

    def forward(self, np: Any, y: Any, *, size: Any) -> Any:
        data = self.shape(y.shape, size=size)
        gradient = np.zeros(data, self.dtype(y.dtype))
        ones = (None,) * self.rank
        for place, seen in _windows(data[2:], y.shape[2:]):
            members = math.prod(part.stop - part.start for part in seen)
            gradient[(..., *seen)] += y[(..., *place)][(..., *ones)] / members
        return gradient

    def lower(self, np: Any, y: Any, *, size: Any) -> Any:
        """Place p is seen by the windows that would be its own were y the larger image."""
        data = self.shape(y.shape, size=size)
        share = y / _members(np, data[2:], y.shape[2:])
        return _totals(np, share, data[2:]).astype(self.dtype(y.dtype))

    def backward(self, upstream: Any, y: Any, output: Any, *, size: Any) -> Any:
        return (
            lambda: find(self.name.removesuffix("_by_data"))(upstream, output_size=y.shape[2:]),
        )

    def shape(self, y: Any, *, size: Any) -> Shape:
        spatial(self.name, y, self.rank)
        data = (*y[:2], *several(self.name, "size", size, self.rank, 1))
        self.fit(data, tuple(y[2:]))
        return data

    def samples(self) -> Iterator[Sample]:
        for stream, (x, size) in enumerate(_cases(self.rank)):
            count = several(self.name, "output_size", size, self.rank, 1)
            yield Sample((draw((*x[:2], *count), 990 + stream),), {"size": x[2:]})


def _windows(sizes: Shape, count: Shape) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
    """Every place of the output with the slices of the input that it sees."""
    along = [
        [slice(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]
        for size, windows in zip(sizes, count, strict=True)
    ]
    for place in itertools.product(*map(range, count)):
        yield place, tuple(axis[i] for axis, i in zip(along, place, strict=True))


def _seen(np: Any, x: Any, count: Shape, filler: Any) -> Any:
    """Each window's numbers, for a compiler: (N, C, O, taps) or (N, C, O, taps, O, taps).

    Where windows differ in length, the filler follows the shorter ones.
    """
    for axis, windows in zip(range(2, 2 * len(count) + 2, 2), count, strict=True):
        size = x.shape[axis]
        if size % windows == 0:
            x = np.reshape(x, (*x.shape[:axis], windows, size // windows, *x.shape[axis + 1 :]))
            continue
        along = [(i * size // windows, -(-(i + 1) * size // windows)) for i in range(windows)]
        shape = (windows, max(stop - start for start, stop in along))
        place = np.along(shape, 0) * size // windows + np.along(shape, 1)
        stop = ((np.along(shape, 0) + 1) * size + (windows - 1)) // windows
        x = np.take(x, np.minimum(place, size - 1), axis)
        inside = np.reshape(place < stop, (*shape, *(1,) * (x.ndim - axis - 2)))
        x = np.where(inside, x, filler)
    return x


def _totals(np: Any, x: Any, count: Shape) -> Any:
    """The sum of each window, in float64."""
    if not x.size:
        return np.zeros((*x.shape[:2], *count), float64)
    return np.sum(_seen(np, x, count, 0), axis=_tap_axes(len(count)), dtype=float64)


def _members(np: Any, sizes: Shape, count: Shape) -> Any:
    """How many numbers each window has."""
    members: Any = 1.0
    for axis, (size, windows) in enumerate(zip(sizes, count, strict=True)):
        if size % windows == 0:
            members = members * float(size // windows)
            continue
        place = np.along(count, axis)
        length = ((place + 1) * size + (windows - 1)) // windows - place * size // windows
        members = members * length
    return members


def _tap_axes(rank: int) -> Shape:
    return tuple(range(3, 2 * rank + 2, 2))


def _spatial(rank: int) -> Shape:
    return tuple(range(2, rank + 2))


def _cases(rank: int) -> Iterator[tuple[Shape, Any]]:
    cases: list[tuple[Shape, Any]] = [
        ((2, 3, 4, 4), 1),
        ((1, 2, 4, 6), 2),
        ((1, 2, 5, 7), (2, 3)),
        ((1, 1, 2, 3), (3, 4)),
        ((0, 2, 4, 4), 2),
    ]
    for x, size in cases:
        yield x[: rank + 2], size[0] if rank == 1 and isinstance(size, tuple) else size


class AdaptiveAveragePool2d(AdaptiveAverage):
    """The mean of each window, windows chosen to give an output of `output_size`.

    x (N, C, H, W) → (N, C, *output_size), an int or a pair. Size 1 is global average pooling.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> adaptive_average_pool2d(x, output_size=2)[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """

    rank = 2
    aliases = ("adaptive_avg_pool2d",)


class AdaptiveAveragePool1d(AdaptiveAverage):
    """The mean of each window of a sequence: (N, C, W) → (N, C, output_size)."""

    rank = 1
    aliases = ("adaptive_avg_pool1d",)


class AdaptiveAveragePool2dByData(AdaptiveAverageByData):
    """The gradient of adaptive_average_pool2d: y (N, C, …) → (N, C, *size)."""

    rank = 2


class AdaptiveAveragePool1dByData(AdaptiveAverageByData):
    """The gradient of adaptive_average_pool1d: y (N, C, …) → (N, C, *size)."""

    rank = 1


class AdaptiveMaxPool2d(AdaptiveMax):
    """The largest number of each window, windows chosen to give an output of `output_size`.

    x (N, C, H, W) → (N, C, *output_size), an int or a pair. Size 1 is global max pooling.
    """

    rank = 2


class AdaptiveMaxPool1d(AdaptiveMax):
    """The largest number of each window of a sequence: (N, C, W) → (N, C, output_size)."""

    rank = 1


class AdaptiveMaxPool2dWinner(AdaptiveWinner):
    """The place (row · W + column) where each window of adaptive_max_pool2d has its maximum."""

    rank = 2


class AdaptiveMaxPool1dWinner(AdaptiveWinner):
    """The place where each window of adaptive_max_pool1d has its maximum."""

    rank = 1


adaptive_average_pool2d = AdaptiveAveragePool2d()
adaptive_average_pool1d = AdaptiveAveragePool1d()
adaptive_average_pool2d_by_data = AdaptiveAveragePool2dByData()
adaptive_average_pool1d_by_data = AdaptiveAveragePool1dByData()
adaptive_max_pool2d = AdaptiveMaxPool2d()
adaptive_max_pool1d = AdaptiveMaxPool1d()
adaptive_max_pool2d_winner = AdaptiveMaxPool2dWinner()
adaptive_max_pool1d_winner = AdaptiveMaxPool1dWinner()
