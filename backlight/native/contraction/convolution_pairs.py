"""Arrays rounded to bfloat16 in pairs, as convolutions that multiply pairs read them.

A convolution and its gradient by the data sum over channels: two neighbouring channels share a
word. The gradient by the weights sums over pixels: the two pixels that neighbouring windows see
through the same tap share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.geometry import Geometry, Pair, Strides, dense
from backlight.native.contraction.packed_filters import divided
from backlight.native.contraction.pairs import paired, rounded
from backlight.native.machine_code.emit import I64, Code, kernel, operand
from backlight.native.machine_code.machine import Target

SINGLE = np.dtype(np.float32)


@dataclass(frozen=True)
class PairChannels:
    """The kernel: images (N, H, W, C) of float32 to words (N, H, W, ⌈C/2⌉).

    An odd last channel is paired with zero. `strides` are those of the images.
    """

    images: int
    size: Pair
    channels: int
    strides: Strides
    target: Target

    operands = ("x", "pairs")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        sizes = (self.images, self.size, self.channels, self.strides)
        return ("pair channels", *sizes, self.target.key)

    @property
    def words(self) -> int:
        """Words of a pixel."""
        return -(-self.channels // 2)

    @property
    def size_in_words(self) -> int:
        """Words of all images."""
        return self.images * self.size[0] * self.size[1] * self.words

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        return 4 * (self.images * self.size[0] * self.size[1] * self.channels + self.size_in_words)

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads: a row of pixels each."""
        return self.images * self.size[0]

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        x, pairs = operand(code, operands, 0), operand(code, operands, 1)
        built, width = code.builder, self.size[1]
        even = self.channels % 2 == 0
        joined = even and self.strides[2] == self.channels
        half = np.dtype(np.uint16)

        def run(source: Any, goal: Any, length: int) -> None:
            """Neighbouring channels, to neighbouring halves of words."""

            def some(place: Any, lanes: int) -> None:
                number = code.load(x, built.add(source, place), SINGLE, lanes)
                code.store(rounded(number).astype(half), pairs, built.add(goal, place))

            _in_vectors(code, length, self.target.lanes(4), some)

        def row(index: Any) -> None:
            image, nth = divided(code, index, self.size[0])
            source = built.mul(image, I64(self.strides[0]))
            source = built.add(source, built.mul(nth, I64(self.strides[1])))
            goal = built.mul(index, I64(2 * width * self.words))
            if joined:
                run(source, goal, width * self.channels)
                return

            def pixel(place: Any) -> None:
                there = built.add(source, built.mul(place, I64(self.strides[2])))
                to = built.add(goal, built.mul(place, I64(2 * self.words)))
                run(there, to, self.channels)
                if not even:
                    zero = code.constant(half, 0)
                    code.store(zero, pairs, built.add(to, I64(self.channels)))

            code.loop(0, width, 1, pixel)

        code.loop(begin, end, 1, row)
        code.finish()


@dataclass(frozen=True)
class PairPixels:
    """The kernel: pixel p of (N, H, W, C) and the one `apart` after it, in words.

    Writes one word for every `advance`-th pixel of a row, row-major without gaps: (N, H,
    ⌈W/advance⌉, C). Pixels beyond the row count as zero. `strides` are those of the images.
    """

    images: int
    size: Pair
    channels: int
    strides: Strides
    advance: int
    apart: int
    target: Target

    operands = ("x", "pairs")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        sizes = (self.images, self.size, self.channels, self.strides)
        return ("pair pixels", *sizes, self.advance, self.apart, self.target.key)

    @property
    def columns(self) -> int:
        """Words of a row of a channel."""
        return -(-self.size[1] // self.advance)

    @property
    def size_in_words(self) -> int:
        """Words of all images."""
        return self.images * self.size[0] * self.columns * self.channels

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        return 4 * (self.images * self.size[0] * self.size[1] * self.channels + self.size_in_words)

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads: a row of pixels each."""
        return self.images * self.size[0]

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        x, pairs = operand(code, operands, 0), operand(code, operands, 1)
        built, pixel_step = code.builder, self.strides[2]
        # Columns whose partner is on the row.
        whole = max(0, -(-(self.size[1] - self.apart) // self.advance))

        def run(source: Any, goal: Any, length: int, second: bool) -> None:
            def some(place: Any, lanes: int) -> None:
                at = built.add(source, place)
                first = code.load(x, at, SINGLE, lanes)
                other = code.constant(SINGLE, 0, lanes)
                if second:
                    other = code.load(x, built.add(at, I64(self.apart * pixel_step)), SINGLE, lanes)
                code.store(paired(first, other), pairs, built.add(goal, place))

            _in_vectors(code, length, self.target.lanes(4), some)

        def row(index: Any) -> None:
            image, nth = divided(code, index, self.size[0])
            source = built.mul(image, I64(self.strides[0]))
            source = built.add(source, built.mul(nth, I64(self.strides[1])))
            goal = built.mul(index, I64(self.columns * self.channels))
            for first, last, second in ((0, whole, True), (whole, self.columns, False)):
                if self.advance == 1 and pixel_step == self.channels:
                    shift = I64(first * self.channels)
                    run(
                        built.add(source, shift),
                        built.add(goal, shift),
                        (last - first) * self.channels,
                        second,
                    )
                    continue

                def column(place: Any, second: bool = second) -> None:
                    there = built.mul(place, I64(self.advance * pixel_step))
                    to = built.mul(place, I64(self.channels))
                    run(built.add(source, there), built.add(goal, to), self.channels, second)

                code.loop(first, last, 1, column)

        code.loop(begin, end, 1, row)
        code.finish()


def pixel_pairs(
    geometry: Geometry,
    target: Target,
    x_strides: Strides | None = None,
    y_strides: Strides | None = None,
) -> tuple[PairPixels, PairPixels]:
    """The kernels that pair the padded images, and the upstream gradient, for `by_weight`."""
    x_strides = x_strides or dense(*geometry.padded, geometry.channels)
    y_strides = y_strides or dense(*geometry.windows, geometry.filters)
    images, along = geometry.images, geometry.stride[1]
    return (
        PairPixels(images, geometry.padded, geometry.channels, x_strides, 1, along, target),
        PairPixels(images, geometry.windows, geometry.filters, y_strides, 2, 1, target),
    )


def _in_vectors(code: Code, length: int, lanes: int, some: Any) -> None:
    """`some(place, lanes)` for whole vectors of a run, then for single numbers."""
    whole = length // lanes * lanes
    code.loop(0, whole, lanes, lambda place: some(place, lanes))
    code.loop(whole, length, 1, lambda place: some(place, 1))
