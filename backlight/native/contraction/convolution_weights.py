"""The gradient of a convolution by its weights: what every tap saw, times the upstream gradient.

    dW[g, r, s, c, o] = Σ x[n, i·S + r·D, j·S + s·D, c] · dy[n, i, j, o]   over n, i, j

The taps and input channels are the rows of the register tile, the filters its columns, and it sums
over pixels. A few rows of pixels at a time, so that both arrays stay in the nearest cache and the
sum is one of short sums, which keeps its rounding small. Where the filters are too few to share
out, the images are divided into groups that do not depend on the number of threads; each has a
partial gradient of its own, and `SumPartials` adds them in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.geometry import Geometry, Pair, Strides
from backlight.native.contraction.packed_filters import divided, smaller
from backlight.native.contraction.pairs import add_pair
from backlight.native.contraction.patches import Patch, choose, cover, widest
from backlight.native.contraction.tile import tile, zeros
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]

_CHUNKS = 32
_PIXELS = 256
"""Pixels summed in registers before they are added to the gradient in memory."""
_CHANNELS = 64
"""Input channels a chunk at most, so that its part of the gradient stays in the cache."""
_FEW = 5
"""Input channels of a tap that leave room for those of others in the tile of every target."""
_SCRATCH = 2**22
"""Elements of partial gradients at most."""


@dataclass(frozen=True)
class ByWeight:
    """The kernel: the gradient by the weights (groups, kh, kw, C/groups, O/groups).

    Parameters
    ----------
    geometry : Geometry
    dtype : float32 or float64
    target : Target
    x_strides, y_strides : (image, row, pixel)
        Elements. `x` is the corner of the padded images, `dy` the first upstream gradient.
    pairs : bool
        Whether both are words, each of two pixels in bfloat16 that are windows side by side.

    The operand `partials` is the gradient itself if `parts` is 1, else an array of `parts`
    gradients for `SumPartials`.
    """

    geometry: Geometry
    dtype: DType
    target: Target
    x_strides: Strides
    y_strides: Strides
    pairs: bool = False

    operands = ("x", "dy", "partials")
    word = "convolution by weights"

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        arrays = (self.dtype.str, self.target.key, self.x_strides, self.y_strides, self.pairs)
        return (self.word, self.geometry, *arrays)

    @property
    def multiply_adds(self) -> int:
        """Products that are asked for."""
        return self.geometry.multiply_adds

    @property
    def size(self) -> int:
        """Elements of one gradient."""
        geometry = self.geometry
        return geometry.filters * geometry.inside * math.prod(geometry.kernel)

    @property
    def scratch(self) -> int:
        """Elements of partial gradients; 0 where the gradient is written at once."""
        return self.parts * self.size if self.parts > 1 else 0

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        geometry = self.geometry
        images = math.prod(geometry.padded) * geometry.channels
        upstream = math.prod(geometry.windows) * geometry.filters
        return (geometry.images * (images + upstream) + self.size) * self.dtype.itemsize

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.target.lanes(self.dtype.itemsize)

    @property
    def parts(self) -> int:
        """Groups of images with a gradient each."""
        room = max(1, _SCRATCH // max(1, self.size))
        return max(1, min(self.geometry.images, -(-_CHUNKS // self.alone), room))

    @property
    def alone(self) -> int:
        """Chunks of one group of images."""
        return self.geometry.groups * self.channel_blocks * self.blocks

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return self.parts * self.alone

    @property
    def shape(self) -> tuple[int, ...]:
        """The gradient's: groups, taps, channels, filters."""
        geometry = self.geometry
        return (geometry.groups, *geometry.kernel, geometry.inside, geometry.outside)

    @property
    def piece(self) -> int:
        """Rows of pixels that are summed in registers."""
        rows, columns = self.geometry.windows
        most = max(1, min(rows, _PIXELS // max(1, columns)))
        return -(-rows // -(-rows // most)) if rows else 1

    @property
    def vectors(self) -> int:
        """Width of the tile."""
        steps = math.prod(self.geometry.windows)
        grids = [(self._grid, steps)]
        return widest(self.target, self.lanes, grids, self.geometry.outside)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        bases = [operand(code, operands, place) for place in range(3)]
        code.loop(begin, end, 1, lambda chunk: _Chunk(self, code, bases).write(chunk))
        code.finish()

    @property
    def blocks(self) -> int:
        """Panels of filters a group."""
        return -(-self.geometry.outside // (self.vectors * self.lanes))

    @property
    def channels(self) -> int:
        """Input channels of a chunk."""
        inside = self.geometry.inside
        return -(-inside // -(-inside // _CHANNELS))

    @property
    def channel_blocks(self) -> int:
        """Blocks of input channels a group."""
        return -(-self.geometry.inside // self.channels)

    @property
    def joined(self) -> bool:
        """Whether a row of taps sees one contiguous run of numbers."""
        geometry = self.geometry
        neighbours = geometry.dilation[1] * self.x_strides[2] == geometry.inside
        return neighbours and self.channels == geometry.inside

    @property
    def by_row(self) -> bool:
        """Whether a tile spans several taps of a row: they are a run, or have few channels."""
        return self.joined or self.geometry.inside <= _FEW

    @property
    def _grid(self) -> Pair:
        rows, columns = self.geometry.kernel
        if self.by_row:
            return rows, columns * self.channels
        return rows * columns, self.channels

    @property
    def patch(self) -> Patch:
        """The tile of taps and channels."""
        rows, run = self._grid
        steps = math.prod(self.geometry.windows)
        if self.joined:
            return choose(self.target, (rows, run), self.vectors, steps)
        found = choose(self.target, (1, run), self.vectors, steps)
        if not self.by_row:
            return found
        # All channels of a tap, of several taps where there is room.
        inside = self.geometry.inside
        return Patch(1, inside * max(1, found.columns // inside))


class _Chunk:
    """Writes the code of one chunk: a group of images, a block of channels, one of filters."""

    def __init__(self, made: ByWeight, code: Code, bases: list[Any]) -> None:
        self.made, self.code = made, code
        self.x, self.dy, self.partials = bases

    def write(self, chunk: Any) -> None:
        made, code, built = self.made, self.code, self.code.builder
        geometry = made.geometry
        chunk, block = divided(code, chunk, made.blocks)
        chunk, channels = divided(code, chunk, made.channel_blocks)
        part, group = divided(code, chunk, geometry.groups)
        images = geometry.images
        first = built.udiv(built.mul(part, I64(images)), I64(made.parts))
        last = built.udiv(built.mul(built.add(part, I64(1)), I64(images)), I64(made.parts))
        self.filter = built.mul(block, I64(made.vectors * made.lanes))
        self.channel = built.mul(channels, I64(made.channels))
        kept = built.mul(part, I64(made.size))
        share = made.size // geometry.groups
        kept = built.add(kept, built.mul(group, I64(share)))
        kept = built.add(kept, built.mul(self.channel, I64(geometry.outside)))
        self.kept = built.add(kept, self.filter)
        self.seen = built.add(built.mul(group, I64(geometry.inside)), self.channel)
        self.given = built.add(built.mul(group, I64(geometry.outside)), self.filter)
        left = geometry.inside % made.channels
        if not left:
            self._sum(first, last, made.channels)
            return
        whole = built.icmp_signed("<", channels, I64(made.channel_blocks - 1))
        code.when(whole, lambda: self._sum(first, last, made.channels))
        code.when(built.not_(whole), lambda: self._sum(first, last, left))

    def _sum(self, first: Any, last: Any, channels: int) -> None:
        """All pieces of all images in order; the first of them clears what stood there."""
        built, code = self.code.builder, self.code
        self._clear(channels)
        rows, piece = self.made.geometry.windows[0], self.made.piece

        def image(n: Any) -> None:
            def some(top: Any) -> None:
                stop = smaller(code, built.add(top, I64(piece)), I64(rows))
                self._piece(n, top, built.sub(stop, top), channels)

            code.loop(0, rows, piece, some)

        code.loop(first, last, 1, image)

    def _clear(self, channels: int) -> None:
        """Zeros where the sums will be."""

        def clear(row: Any, tall: int, column: Any, wide: int) -> None:
            nothing = zeros(
                self.code, self.made.dtype, tall * wide, self.made.vectors, self.made.lanes
            )
            self._keep(row, tall, column, wide, nothing, add=False)

        self._tiles(channels, clear)

    def _tiles(self, channels: int, body: Any) -> None:
        """`body(tap row, rows, run, length)` for tiles that cover all taps and channels."""
        made, code = self.made, self.code
        rows, columns = made.geometry.kernel
        patch = made.patch
        if made.by_row:
            cover(
                code,
                rows,
                patch.rows,
                lambda row, tall: cover(
                    code,
                    columns * channels,
                    patch.columns,
                    lambda column, wide: body(row, tall, column, wide),
                ),
            )
            return
        code.loop(
            0,
            rows * columns,
            1,
            lambda tap: cover(
                code, channels, patch.columns, lambda place, wide: body(tap, 1, place, wide)
            ),
        )

    def _piece(self, image: Any, top: Any, rows: Any, channels: int) -> None:
        """Some rows of pixels of one image, all taps and channels."""
        made, code, built = self.made, self.code, self.code.builder
        geometry, (x_image, x_row, x_pixel) = made.geometry, made.x_strides
        y_image, y_row, y_pixel = made.y_strides
        down, along = geometry.stride
        seen = built.add(self.seen, built.mul(image, I64(x_image)))
        seen = built.add(seen, built.mul(top, I64(down * x_row)))
        given = built.add(self.given, built.mul(image, I64(y_image)))
        given = built.add(given, built.mul(top, I64(y_row)))
        upstream = code.address(self.dy, given, made.dtype)
        pixels = [
            (rows, down * x_row, y_row),
            (geometry.windows[1], along * x_pixel, y_pixel),
        ]
        kind, term = made.dtype, None
        if made.pairs:
            kind, term = np.dtype(np.int32), add_pair
            pixels[1] = (-(-geometry.windows[1] // 2), 2 * along * x_pixel, y_pixel)
        inside = geometry.inside
        tap_row, tap_column = geometry.dilation[0] * x_row, geometry.dilation[1] * x_pixel

        def one(row: Any, tall: int, column: Any, wide: int) -> None:
            r, s, c = row, I64(0), column
            if not made.by_row:
                r, s = divided(code, row, geometry.kernel[1])
            elif not made.joined:
                s, c = divided(code, column, inside)
            place = built.add(built.mul(r, I64(tap_row)), built.mul(s, I64(tap_column)))
            place = built.add(place, c)
            if made.by_row and not made.joined:
                offsets = [c // inside * tap_column + c % inside for c in range(wide)]
            else:
                offsets = [*range(wide)]
            rows_of_x = tuple(r * tap_row + c for r in range(tall) for c in offsets)
            corner = code.address(self.x, built.add(seen, place), made.dtype)
            shape = (tall * wide, made.vectors, made.lanes)
            masks = tuple(self._mask(v) for v in range(made.vectors))
            sums = zeros(code, made.dtype, *shape)
            sums = tile(code, corner, rows_of_x, upstream, pixels, *shape, sums, masks, kind, term)
            self._keep(row, tall, column, wide, sums, add=True)

        self._tiles(channels, one)

    def _mask(self, v: int) -> Number | None:
        """The lanes of vector v that are filters."""
        made = self.made
        if made.geometry.outside % (made.vectors * made.lanes) == 0:
            return None
        left = I64(made.geometry.outside - v * made.lanes)
        left = self.code.builder.sub(left, self.filter)
        return self.code.mask(left, made.lanes)

    def _keep(
        self, row: Any, tall: int, column: Any, wide: int, sums: list[Number], *, add: bool
    ) -> None:
        """Store a tile of sums, or add it to what is there."""
        made, code, built = self.made, self.code, self.code.builder
        geometry = made.geometry
        filters, step = geometry.outside, geometry.inside * geometry.outside
        tap = step * geometry.kernel[1] if made.by_row else step
        place = built.add(self.kept, built.mul(row, I64(tap)))
        place = built.add(place, built.mul(column, I64(filters)))
        for r in range(tall):
            for c in range(wide):
                for v in range(made.vectors):
                    there = built.add(place, I64(r * tap + c * filters + v * made.lanes))
                    number = sums[(r * wide + c) * made.vectors + v]
                    mask = self._mask(v)
                    if add:
                        held = code.load(self.partials, there, made.dtype, made.lanes, mask)
                        number = held + number
                    code.store(number, self.partials, there, mask)


@dataclass(frozen=True)
class SumPartials:
    """The kernel that adds partial gradients, first to last, whatever the number of threads."""

    parts: int
    size: int
    dtype: DType
    target: Target

    operands = ("partials", "gradient")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        return ("sum partials", self.parts, self.size, self.dtype.str, self.target.key)

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        return (self.parts + 1) * self.size * self.dtype.itemsize

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return -(-self.size // self._span)

    @property
    def _span(self) -> int:
        return 8 * self.target.lanes(self.dtype.itemsize)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        partials, gradient = operand(code, operands, 0), operand(code, operands, 1)
        lanes, built = self.target.lanes(self.dtype.itemsize), code.builder
        whole = self.size // lanes * lanes

        def add(place: Any, lanes: int) -> None:
            total = code.load(partials, place, self.dtype, lanes)

            def another(part: Any, total: Number) -> list[Number]:
                there = built.add(place, built.mul(part, I64(self.size)))
                return [total + code.load(partials, there, self.dtype, lanes)]

            (total,) = code.loop(1, self.parts, 1, another, [total])
            code.store(total, gradient, place)

        first = built.mul(begin, I64(self._span))
        last = smaller(code, built.mul(end, I64(self._span)), I64(self.size))
        code.loop(first, smaller(code, last, I64(whole)), lanes, lambda i: add(i, lanes))
        if whole < self.size:
            rest = built.icmp_signed("==", last, I64(self.size))
            some = built.icmp_signed("<", first, last)

            def singly() -> None:
                code.loop(whole, self.size, 1, lambda i: add(i, 1))

            code.when(built.and_(rest, some), singly)
        code.finish()
