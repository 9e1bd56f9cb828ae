"""Windows slid over the spatial axes: how large, how far apart, and which numbers they see.

Convolution and pooling share this geometry. A window has a kernel size F, a stride S, a padding P
and a dilation D along every spatial axis; one place inside it is a *tap*.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError, nearest
from backlight.shapes import Shape

Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Window:
    """A window's size, stride, padding and dilation, a number for every spatial axis."""

    subject: str
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    @property
    def extent(self) -> Shape:
        """How many numbers the window spans along each axis: D·(F−1)+1."""
        return tuple(d * (f - 1) + 1 for f, d in zip(self.kernel, self.dilation, strict=True))

    def count(self, sizes: Shape, rounding: str = "exact") -> Shape:
        """How many windows fit along each axis: (W − extent + 2P)/S + 1."""
        return tuple(
            shapes.window(self.subject, size, kernel, stride, padding, dilation, rounding)
            for size, kernel, stride, padding, dilation in zip(
                sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )

    def taps(self, sizes: Shape, count: Shape) -> Iterator[tuple[Shape, Slices, Slices]]:
        """Every tap in row-major order, with the windows whose tap lies on the input.

        Yields the tap's offsets, the slices of the windows that see a number through it, and the
        slices of the input where they see it. Nothing has to be padded: taps that fall outside
        are left out.
        """
        along = [
            [
                _clipped(offset * dilation - padding, stride, size, windows)
                for offset in range(kernel)
            ]
            for kernel, stride, padding, dilation, size, windows in zip(
                self.kernel, self.stride, self.padding, self.dilation, sizes, count, strict=True
            )
        ]
        for places in itertools.product(*map(range, self.kernel)):
            here = [axis[place] for axis, place in zip(along, places, strict=True)]
            yield places, tuple(windows for windows, _ in here), tuple(seen for _, seen in here)

    def view(self, np: Any, padded: Any, count: Shape) -> Any:
        """All windows of a padded (N, C, *sizes) array, as a view (N, C, *count, *kernel)."""
        spatial = tuple(range(2, padded.ndim))
        every = np.lib.stride_tricks.sliding_window_view(padded, self.extent, axis=spatial)
        steps = tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(count, self.stride, strict=True))
        return every[(..., *steps, *(slice(None, None, d) for d in self.dilation))]


def looked_through(np: Any, x: Any, window: Window, count: Shape, filler: Any) -> Any:
    """For a compiler, all windows of an image bordered by `filler`: (N, C, *count, *kernel)."""
    needed = [
        (number - 1) * step + extent
        for number, step, extent in zip(count, window.stride, window.extent, strict=True)
    ]
    after = [
        max(0, need - size - pad)
        for need, size, pad in zip(needed, x.shape[2:], window.padding, strict=True)
    ]
    around = [(0, 0), (0, 0), *zip(window.padding, after, strict=True)]
    bordered = np.pad(x, around, filler)
    return np.windows(bordered, window.kernel, window.stride, window.dilation, count)


def looking_at(
    np: Any, sizes: Shape, window: Window, *ys: tuple[Any, Any]
) -> Iterator[tuple[Shape, list[Any]]]:
    """For every place of an image, the windows that may see it, for a compiler.

    Each y is (N, C, *windows) with a filler for where there is no window. Yields how many windows
    back from the last that begins before the place, along every axis, and the ys of those windows,
    (N, C, *sizes). There are ⌈F/S⌉ along an axis: one where windows do not overlap.
    """
    wide = [(_repeated(np, y, window.stride), filler) for y, filler in ys]
    back = [-(-kernel // step) for kernel, step in zip(window.kernel, window.stride, strict=True)]
    for taps in itertools.product(*map(range, back)):
        first = [p - t * s for p, t, s in zip(window.padding, taps, window.stride, strict=True)]
        yield taps, [_moved(np, y, first, sizes, filler) for y, filler in wide]


def _repeated(np: Any, y: Any, times: Shape) -> Any:
    """Every number repeated along the spatial axes."""
    ones = [size for count in y.shape[2:] for size in (count, 1)]
    full = [size for pair in zip(y.shape[2:], times, strict=True) for size in pair]
    spread_out = np.broadcast_to(np.reshape(y, (*y.shape[:2], *ones)), (*y.shape[:2], *full))
    merged = [count * step for count, step in zip(y.shape[2:], times, strict=True)]
    return np.reshape(spread_out, (*y.shape[:2], *merged))


def _moved(np: Any, y: Any, first: Sequence[int], sizes: Shape, filler: Any) -> Any:
    """As many places of y as `sizes` says, from `first` on; the filler where there are none."""
    around, cut = [(0, 0), (0, 0)], [slice(None), slice(None)]
    for start, size, have in zip(first, sizes, y.shape[2:], strict=True):
        before, after = max(0, -start), max(0, start + size - have)
        around.append((before, after))
        cut.append(slice(start + before, start + before + size))
    return np.pad(y, around, filler)[tuple(cut)]


def _clipped(first: int, stride: int, size: int, windows: int) -> tuple[slice, slice]:
    """Windows whose tap, at first + window·stride, is one of `size` numbers; those numbers."""
    start = max(0, -(first // stride))
    stop = min(windows, (size - 1 - first) // stride + 1)
    if stop <= start:
        return slice(0, 0), slice(0, 0)
    begin = first + start * stride
    return slice(start, stop), slice(begin, begin + (stop - 1 - start) * stride + 1, stride)


def read(
    subject: str, kernel: Any, *, rank: int, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Window:
    """A window from settings as they are written: one number for all axes, or one for each.

    `padding` may be "valid" (none) or "same" (as much as keeps the size, for stride 1 and a kernel
    of odd extent, so that both sides get equally much).

    Raises
    ------
    ArgumentError
        If a size, stride or dilation is below 1 or a padding below 0.

    Examples
    --------
    >>> read("conv2d", (3, 5), rank=2, padding="same").padding
    (1, 2)
    """
    kernel = several(subject, "kernel_size", kernel, rank, 1)
    stride = several(subject, "stride", stride, rank, 1)
    dilation = several(subject, "dilation", dilation, rank, 1)
    if isinstance(padding, str):
        padding = _named_padding(subject, padding, kernel, stride, dilation)
    return Window(subject, kernel, stride, several(subject, "padding", padding, rank, 0), dilation)


def _named_padding(
    subject: str, padding: str, kernel: Shape, stride: Shape, dilation: Shape
) -> Shape:
    if padding not in ("same", "valid"):
        raise ArgumentError(
            subject,
            got=f"padding={padding!r}",
            needs="numbers, same or valid",
            remedy=nearest(padding, ("same", "valid")),
        )
    if padding == "valid":
        return (0,) * len(kernel)
    if any(step != 1 for step in stride):
        raise ArgumentError(
            subject,
            got=f"padding='same' with stride {stride}",
            needs="stride 1",
            remedy="Give the padding as a number.",
        )
    spare = [d * (f - 1) for f, d in zip(kernel, dilation, strict=True)]
    if any(one % 2 for one in spare):
        raise ArgumentError(
            subject,
            got=f"padding='same' for a kernel {kernel} with dilation {dilation}",
            needs="kernels of odd extent, so that both sides are padded alike",
            remedy="Use a kernel of odd size, or pad the input first.",
        )
    return tuple(one // 2 for one in spare)


def several(subject: str, name: str, value: Any, rank: int, least: int) -> Shape:
    """A setting for `rank` axes, written once for all of them or once for each.

    Examples
    --------
    >>> several("conv2d", "stride", 2, 2, 1), several("conv2d", "stride", (1, 2), 2, 1)
    ((2, 2), (1, 2))
    """
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) != rank:
        raise ArgumentError(
            subject,
            got=f"{name}={value!r}",
            needs=f"one whole number or {rank}, one an axis",
            remedy=f"Pass {name}=n or {name} with {rank} numbers.",
        )
    return tuple(shapes.whole(subject, name, one, least) for one in given)


def spatial(subject: str, shape: Shape, rank: int) -> Shape:
    """The spatial sizes of an input (N, C, *sizes) with `rank` spatial axes.

    Raises
    ------
    ShapeError
        If the input has another number of axes.
    """
    if len(shape) != rank + 2:
        axes = "N, C, W" if rank == 1 else "N, C, H, W"
        raise ShapeError(
            subject,
            got=f"an input of shape {tuple(shape)}",
            needs=f"{rank + 2} axes: {axes}",
            remedy="Add a batch axis of size 1 in front."
            if len(shape) == rank + 1
            else "Reshape the input.",
        )
    return tuple(shape[2:])
