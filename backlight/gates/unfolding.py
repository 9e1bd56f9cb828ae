"""The arithmetic of convolutions: windows unfolded into columns, then matrix products (im2col).

Windows overlap, so unfolding multiplies the data by up to the number of taps. It is therefore done
a piece of the batch at a time, each small enough to stay in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight.dtypes import float64
from backlight.gates.window import Window
from backlight.shapes import Shape

_BUFFER = 2**19
"""Numbers in an unfolded piece: 2 MiB of float32."""
_FEWEST_WINDOWS = 512
"""Enough windows to keep a matrix product efficient, however large the kernel."""


def correlate(
    np: Any, x: Any, weight: Any, window: Window, groups: int, count: Shape, dtype: Any
) -> Any:
    """The convolution, a piece of the batch at a time: weights times unfolded windows."""
    filters = weight.shape[0]
    rows = np.ascontiguousarray(weight, dtype).reshape(groups, filters // groups, -1)
    windows = _windows(np, x, window, groups, count, dtype)
    output = np.empty((x.shape[0], groups, filters // groups, *count), dtype)
    for images, top in pieces(x.shape[0], count, x.shape[1] * math.prod(window.kernel)):
        columns = _unfold(np, windows, images, top, window)
        target = output[images, :, :, top]
        product = np.matmul(rows, columns)
        target[...] = _batch_first(np, product, target.shape)
    return output.reshape(x.shape[0], filters, *count)


def spread(
    np: Any, y: Any, weight: Any, window: Window, groups: int, data: Shape, dtype: Any
) -> Any:
    """The gradient by data: weights transposed times y, every tap added to where it looked."""
    margin = tuple(e - 1 - p for e, p in zip(window.extent, window.padding, strict=True))
    filters, inside = weight.shape[0] // groups, weight.shape[1]
    if set(window.stride) == {1} and min(margin) >= 0 and filters <= 2 * inside:
        # Windows one apart: the gradient is itself a convolution, with the filters flipped. It
        # unfolds y rather than folding data, and so is the faster way where y is the thinner.
        once = Window(window.subject, window.kernel, window.stride, margin, window.dilation)
        return correlate(np, y, _flipped(np, weight, groups), once, groups, data[2:], dtype)
    count = y.shape[2:]
    rows = weight.astype(dtype, copy=False).reshape(groups, filters, -1).swapaxes(1, 2)
    grouped = y.astype(dtype, copy=False).reshape(y.shape[0], groups, filters, *count)
    gradient = np.zeros((data[0], groups, inside, *data[2:]), dtype)
    for images in batches(data[0], math.prod(count), data[1] * math.prod(window.kernel)):
        columns = np.moveaxis(grouped[images], 0, 2).reshape(groups, filters, -1)
        taps = np.matmul(rows, columns).reshape(groups, inside, *window.kernel, -1, *count)
        target = np.moveaxis(gradient[images], 0, 2)
        for place, seen, where in window.taps(data[2:], count):
            target[(..., *where)] += taps[(slice(None), slice(None), *place, slice(None), *seen)]
    return gradient.reshape(data)


def gather_weights(
    np: Any, y: Any, x: Any, window: Window, groups: int, weight: Shape, dtype: Any
) -> Any:
    """The gradient by weights: y times the unfolded windows transposed, summed over the pieces."""
    count = y.shape[2:]
    filters = weight[0] // groups
    windows = _windows(np, x, window, groups, count, dtype)
    grouped = y.astype(dtype, copy=False).reshape(y.shape[0], groups, filters, *count)
    # Pieces are summed in float64: a batch of any size loses no more than one piece does.
    exact = float64 if dtype.kind == "f" else dtype
    gradient = np.zeros((groups, filters, math.prod(weight[1:])), exact)
    for images, top in pieces(x.shape[0], count, x.shape[1] * math.prod(window.kernel)):
        columns = _unfold(np, windows, images, top, window)
        rows = np.moveaxis(grouped[images, :, :, top], 0, 2).reshape(groups, filters, -1)
        gradient += np.matmul(rows, columns.swapaxes(1, 2))
    return gradient.astype(dtype, copy=False).reshape(weight)


def _windows(np: Any, x: Any, window: Window, groups: int, count: Shape, dtype: Any) -> Any:
    """A view (N, groups, C/groups, *count, *kernel) of the padded input."""
    batch, channels = x.shape[:2]
    if any(window.padding):
        sizes = [s + 2 * p for s, p in zip(x.shape[2:], window.padding, strict=True)]
        padded = np.zeros((batch, channels, *sizes), dtype)
        inner = tuple(slice(p, p + s) for s, p in zip(x.shape[2:], window.padding, strict=True))
        padded[(..., *inner)] = x
    else:
        padded = x.astype(dtype, copy=False)
    view = window.view(np, padded, count)
    return view.reshape(batch, groups, channels // groups, *view.shape[2:])


def _unfold(np: Any, windows: Any, images: slice, top: slice, window: Window) -> Any:
    """The windows of a piece as the columns of one matrix a group: (groups, C·taps, windows)."""
    part = windows[images, :, :, top]
    rank = len(window.kernel)
    order = (1, 2, *range(3 + rank, 3 + 2 * rank), 0, *range(3, 3 + rank))
    groups, channels = part.shape[1:3]
    area = part.shape[0] * math.prod(part.shape[3 : 3 + rank])
    return np.ascontiguousarray(part.transpose(order)).reshape(
        groups, channels * math.prod(window.kernel), area
    )


def _batch_first(np: Any, product: Any, shape: Shape) -> Any:
    """(groups, filters, windows of all images) as (images, groups, filters, *windows)."""
    images, groups, filters = shape[:3]
    return np.moveaxis(product.reshape(groups, filters, images, *shape[3:]), 2, 0)


def _flipped(np: Any, weight: Any, groups: int) -> Any:
    """Filters turned around, with input and output channels exchanged within each group."""
    filters, inside, *kernel = weight.shape
    grouped = weight.reshape(groups, filters // groups, inside, *kernel).swapaxes(1, 2)
    turned = np.flip(grouped, tuple(range(3, grouped.ndim)))
    return turned.reshape(groups * inside, filters // groups, *kernel)


def batches(images: int, area: int, numbers: int) -> Iterator[slice]:
    """Cuts of a batch whose windows, `area` an image and `numbers` each, fit into the buffer."""
    size = max(1, _room(numbers) // max(1, area))
    return (slice(first, first + size) for first in range(0, images, size))


def pieces(images: int, count: Shape, numbers: int) -> Iterator[tuple[slice, slice]]:
    """Cuts of a batch, and of the first spatial axis where one image alone exceeds the buffer.

    They depend on shapes alone, so that sums come out the same however many threads there are.
    """
    rows = max(1, _room(numbers) // max(1, math.prod(count[1:])))
    for some in batches(images, math.prod(count), numbers):
        for top in range(0, count[0], rows):
            yield some, slice(top, min(top + rows, count[0]))


def _room(numbers: int) -> int:
    return max(_FEWEST_WINDOWS, _BUFFER // max(1, numbers))
