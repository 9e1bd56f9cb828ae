"""The sizes of a convolution: its images, filters and windows, and how arrays of them lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

Pair = tuple[int, int]
Strides = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """A convolution of images (N, H, W, C) with filters (O, C/groups, kh, kw).

    One in one dimension has images of height 1.

    Attributes
    ----------
    images, channels, filters : int
    size, kernel, stride, padding, dilation : pairs of int
        Height and width; the size is that of the images without their padding.
    groups : int

    Examples
    --------
    >>> first = Geometry(16, 3, 96, (227, 227), (11, 11), (4, 4))
    >>> first.windows, first.multiply_adds
    ((55, 55), 1686643200)
    """

    images: int
    channels: int
    filters: int
    size: Pair
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def padded(self) -> Pair:
        """Height and width of the stored images, with their padding."""
        return tuple(s + 2 * p for s, p in zip(self.size, self.padding, strict=True))  # type: ignore[return-value]

    @property
    def extent(self) -> Pair:
        """Numbers a window spans: D·(F−1)+1."""
        return tuple(d * (f - 1) + 1 for f, d in zip(self.kernel, self.dilation, strict=True))  # type: ignore[return-value]

    @property
    def windows(self) -> Pair:
        """Height and width of the output."""
        return tuple(
            max(0, (s - e) // step + 1)
            for s, e, step in zip(self.padded, self.extent, self.stride, strict=True)
        )  # type: ignore[return-value]

    @property
    def inside(self) -> int:
        """Input channels a group."""
        return self.channels // self.groups

    @property
    def outside(self) -> int:
        """Filters a group."""
        return self.filters // self.groups

    @property
    def multiply_adds(self) -> int:
        """Products of each of the three passes."""
        taps = math.prod(self.kernel) * self.inside
        return self.images * math.prod(self.windows) * self.filters * taps


def dense(height: int, width: int, channels: int) -> Strides:
    """Elements between images, rows and pixels of a row-major array (N, H, W, C)."""
    return height * width * channels, width * channels, channels
