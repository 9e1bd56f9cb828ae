"""The gradient by the weights of 3×3 filters in 16 products instead of 36.

The derivative of Winograd's convolution F(2×2, 3×3) by the filters g: with tiles d of the images
and tiles y of the upstream gradient,

    dg = Gᵀ [ Σ over tiles (Bᵀ d B) ⊙ (A y Aᵀ) ] G

All tiles are transformed into memory, [16][tiles][channels]; the sum over tiles is 16 products of
matrices, [channels × tiles] by [tiles × filters]; 9 numbers are made of each 16. That moves more
memory than a direct sum and pays where there are many channels.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.geometry import Geometry, Pair, Strides
from backlight.native.contraction.packed_filters import divided, smaller
from backlight.native.contraction.product import Product
from backlight.native.contraction.winograd import transformed_input
from backlight.native.contraction.winograd_filters import both
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]
MANY = 128
"""Channels and filters from which on the products outweigh what is moved."""
_TILES = 2**27
"""Bytes of transformed tiles at most."""


def suits(geometry: Geometry, dtype: Any) -> bool:
    """Whether this way can compute the gradient, and is likely to be the faster."""
    plain = geometry.stride == geometry.dilation == (1, 1) and geometry.groups == 1
    tiles = _tiles(geometry.windows)
    moved = 16 * geometry.images * tiles[0] * tiles[1] * (geometry.channels + geometry.filters)
    return (
        plain
        and geometry.kernel == (3, 3)
        and min(geometry.windows) >= 2
        and min(geometry.channels, geometry.filters) >= MANY
        and geometry.images > 0
        and moved * np.dtype(dtype).itemsize <= _TILES
    )


def _tiles(size: Pair) -> Pair:
    return -(-size[0] // 2), -(-size[1] // 2)


@dataclass(frozen=True)
class ByWeight:
    """The kernels, in order: tiles of the images, of the gradient, their product, the filters'.

    The first two have the operands (array, tiles), the product (tiles of images, tiles of the
    gradient, sums), the last (sums, gradient), which is (1, 3, 3, channels, filters).
    """

    images: TransformTiles
    upstream: TransformTiles
    product: Product
    gather: GatherFilters


def by_weight(
    geometry: Geometry, dtype: Any, target: Target, x_strides: Strides, y_strides: Strides
) -> ByWeight:
    """The kernels for padded images and an upstream gradient of these strides."""
    kind = np.dtype(dtype)
    count, c, o = geometry.images, geometry.channels, geometry.filters
    size = geometry.windows
    images = TransformTiles(count, size, c, x_strides, False, kind, target)
    upstream = TransformTiles(count, size, o, y_strides, True, kind, target)
    tiles = images.tiles
    product = Product(16, c, o, tiles, kind, (tiles * c, 1, c), (tiles * o, o, 1), target)
    return ByWeight(images, upstream, product, GatherFilters(c * o, kind, target))


@dataclass(frozen=True)
class TransformTiles:
    """The kernel: images, or the gradient from above, as transformed tiles [16][tile][channel].

    The last tile of an odd size lies one further in; of the gradient, what the tile before has
    counted is zero there.
    """

    images: int
    size: Pair
    channels: int
    strides: Strides
    upstream: bool
    dtype: DType
    target: Target

    operands = ("array", "tiles")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        sizes = (self.images, self.size, self.channels, self.strides, self.upstream)
        return ("transform tiles", *sizes, self.dtype.str, self.target.key)

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        rows, columns = _tiles(self.size)
        return self.images * rows * columns

    @property
    def elements(self) -> int:
        """Elements of the result."""
        return 16 * self.tiles * self.channels

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        read = self.images * self.size[0] * self.size[1] * self.channels
        return (read + self.elements) * self.dtype.itemsize

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads: a row of tiles each."""
        return self.images * _tiles(self.size)[0]

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        array, tiles = operand(code, operands, 0), operand(code, operands, 1)
        rows, columns = _tiles(self.size)

        def row(index: Any) -> None:
            image, nth = divided(code, index, rows)
            first = code.builder.mul(index, I64(columns))

            def tile(column: Any) -> None:
                place = code.builder.add(first, column)
                self._tile(code, array, tiles, (image, nth, column), place)

            code.loop(0, columns, 1, tile)

        code.loop(begin, end, 1, row)
        code.finish()

    def _tile(
        self, code: Code, array: Any, tiles: Any, where: tuple[Any, Any, Any], place: Any
    ) -> None:
        built = code.builder
        image, *nths = where
        at, again = built.mul(image, I64(self.strides[0])), []
        for nth, size, step in zip(nths, self.size, self.strides[1:], strict=True):
            start = built.mul(nth, I64(2))
            inside = smaller(code, start, I64(size - 2))
            again.append(built.icmp_signed("!=", start, inside))
            at = built.add(at, built.mul(inside, I64(step)))
        source = code.address(array, at, self.dtype)
        goal = code.address(tiles, built.mul(place, I64(self.channels)), self.dtype)
        lanes, side = self.target.lanes(self.dtype.itemsize), 2 if self.upstream else 4

        def vector(c: Any, mask: Number | None = None) -> None:
            found = []
            for i in range(side):
                for j in range(side):
                    there = built.add(c, I64(i * self.strides[1] + j * self.strides[2]))
                    one = code.load(source, there, self.dtype, lanes, mask)
                    for seen, axis in zip(again, (i, j), strict=True):
                        if self.upstream and axis == 0:
                            counted = Number(code, seen, np.dtype(bool), 1)
                            one = code.select(counted, 0.0, one)
                    found.append(one)
            transform: Callable[..., list[Number]] = _spread if self.upstream else transformed_input
            for number, one in enumerate(both(found, side, transform)):
                step = number * self.tiles * self.channels
                code.store(one, goal, built.add(c, I64(step)), mask)

        whole = self.channels // lanes * lanes
        code.loop(0, whole, lanes, vector)
        if whole < self.channels:
            vector(I64(whole), code.mask(I64(self.channels - whole), lanes))


@dataclass(frozen=True)
class GatherFilters:
    """The kernel: sums [16][channel][filter] to the gradient [3 × 3][channel][filter]."""

    size: int
    dtype: DType
    target: Target

    operands = ("sums", "gradient")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        return "gather filters", self.size, self.dtype.str, self.target.key

    @property
    def bytes(self) -> int:
        """Memory read and written."""
        return 25 * self.size * self.dtype.itemsize

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return max(1, min(32, self.size // 1024))

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        sums, gradient = operand(code, operands, 0), operand(code, operands, 1)
        built, lanes = code.builder, self.target.lanes(self.dtype.itemsize)
        whole = self.size // lanes

        def some(at: Any, lanes: int) -> None:
            m = [
                code.load(sums, built.add(at, I64(n * self.size)), self.dtype, lanes)
                for n in range(16)
            ]
            for n, number in enumerate(both(m, 4, _gathered)):
                code.store(number, gradient, built.add(at, I64(n * self.size)))

        def share(chunk: Any) -> Any:
            return built.udiv(built.mul(chunk, I64(whole)), I64(self.chunks))

        def vector(number: Any) -> None:
            some(built.mul(number, I64(lanes)), lanes)

        code.loop(share(begin), share(end), 1, vector)
        if whole * lanes < self.size:
            last = built.icmp_signed("==", end, I64(self.chunks))
            code.when(last, lambda: _each(code, whole * lanes, self.size, some))
        code.finish()


def _each(code: Code, first: int, last: int, some: Callable[[Any, int], None]) -> None:
    code.loop(first, last, 1, lambda at: some(at, 1))


def _spread(y0: Number, y1: Number) -> list[Number]:
    """A."""
    return [y0, y0 + y1, y0 - y1, -y1]


def _gathered(m0: Number, m1: Number, m2: Number, m3: Number) -> list[Number]:
    """Gᵀ."""
    ends = (m1 + m2) * 0.5
    return [m0 + ends, (m1 - m2) * 0.5, ends + m3]
