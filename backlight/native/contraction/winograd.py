"""Winograd's convolution F(2×2, 3×3): four outputs of a 3×3 filter for 16 products instead of 36.

A tile of 4 × 4 inputs d and a filter g give 2 × 2 outputs

    Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A

where the transforms G, B and A only add, subtract and halve. Summed over input channels, the
elementwise product ⊙ is 16 products of matrices, [tiles × channels] by [channels × filters], for
the register tile. Some tiles at a time are transformed into the stack, multiplied, transformed back
and stored, so that nothing but images and filters passes through memory.

It rounds more than a direct convolution (its floor is 16 u instead of 4), so it is a choice. With
`pairs`, transformed inputs and filters are rounded to bfloat16, two neighbouring channels in a
word, and their products summed in float32.
Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.contraction.convolution import Epilogue
from backlight.native.contraction.geometry import Pair, Strides
from backlight.native.contraction.packed_filters import divided, smaller
from backlight.native.contraction.pairs import add_pair, rounded
from backlight.native.contraction.tile import tile, zeros
from backlight.native.contraction.winograd_filters import both
from backlight.native.machine_code.emit import (
    I64,
    POINTER,
    Code,
    Number,
    element_type,
    kernel,
    operand,
)
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]

_CHUNKS = 64
ROWS = 12
"""Tiles whose products are held in registers together, at most."""
_STACK = 2**16
"""Bytes of transformed inputs at most, where one register tile of them is no more."""
_LINE = 64


@dataclass(frozen=True)
class Winograd:
    """The kernel: `size` outputs of padded images, channels last.

    Parameters
    ----------
    word : str
    images, channels, filters : int
    size : pair of int
        Height and width of the output.
    x_strides, y_strides : (image, row, pixel)
    dtype : dtype
    target : Target
    epilogue, epilogue_key, extra : see `convolution.Correlation`
    pairs : bool
        Whether the products are of pairs of channels in bfloat16.
    """

    word: str
    images: int
    channels: int
    filters: int
    size: Pair
    x_strides: Strides
    y_strides: Strides
    dtype: DType
    target: Target
    epilogue: Epilogue | None = None
    epilogue_key: Any = None
    extra: tuple[str, ...] = ()
    pairs: bool = False

    @property
    def operands(self) -> tuple[str, ...]:
        """Names: images, transformed filters, output, and the epilogue's."""
        return ("x", "panels", "y", *self.extra)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        sizes = (self.images, self.channels, self.filters, self.size)
        arrays = (self.x_strides, self.y_strides, self.dtype.str, self.target.key)
        return ("winograd", *sizes, *arrays, self.epilogue_key, self.extra, self.pairs)

    @property
    def multiply_adds(self) -> int:
        """Those of the direct convolution, so that rates compare."""
        return self.images * self.size[0] * self.size[1] * 9 * self.channels * self.filters

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        images = self.images * self.size[0] * self.size[1] * (self.channels + self.filters)
        return (images + 16 * self.channels * self.filters) * self.dtype.itemsize

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.target.lanes(self.dtype.itemsize)

    @property
    def vectors(self) -> int:
        """Width of a panel in vectors."""
        return min(2, -(-self.filters // self.lanes))

    @property
    def width(self) -> int:
        """Filters of a panel."""
        return self.vectors * self.lanes

    @property
    def rows(self) -> int:
        """Tiles whose products are held in registers together."""
        spare = self.target.registers - self.vectors - 1 - (not self.target.fma)
        return min(ROWS, spare // self.vectors)

    @property
    def held(self) -> DType:
        """Type of the elements of transformed tiles and filters."""
        return np.dtype(np.int32) if self.pairs else self.dtype

    @property
    def depth(self) -> int:
        """Elements that a product sums over: channels, or pairs of them."""
        return -(-self.channels // 2) if self.pairs else self.channels

    @property
    def room(self) -> int:
        """Elements of a transformed tile, of channels in whole vectors."""
        whole = -(-self.channels // self.lanes) * self.lanes
        return whole // 2 if self.pairs else whole

    @property
    def together(self) -> int:
        """Tiles that are transformed together: one register tile of them or several."""
        one = 16 * self.room * self.rows * self.dtype.itemsize
        return self.rows * max(1, _STACK // one)

    @property
    def tiles(self) -> Pair:
        """Rows and columns of tiles of an image."""
        return -(-self.size[0] // 2), -(-self.size[1] // 2)

    @property
    def blocks(self) -> int:
        """Groups of tiles that are transformed together."""
        return -(-self.images * self.tiles[0] * self.tiles[1] // self.together)

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return min(self.blocks, _CHUNKS)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        bases = [operand(code, operands, place) for place in range(len(self.operands))]
        block = _Block(self, code, bases)
        chunks = I64(max(1, self.chunks))
        first = code.builder.udiv(code.builder.mul(begin, I64(self.blocks)), chunks)
        last = code.builder.udiv(code.builder.mul(end, I64(self.blocks)), chunks)
        code.loop(first, last, 1, block.write)
        code.finish()


class _Block:
    """Writes the code for some tiles."""

    def __init__(self, made: Winograd, code: Code, bases: list[Any]) -> None:
        self.made, self.code = made, code
        self.x, self.panels, self.y, *self.extra = bases
        self.seen = self._reserved(16 * made.together * made.room)
        self.products = self._reserved(16 * made.together * made.width)

    def _reserved(self, count: int) -> Any:
        kind = ir.ArrayType(element_type(self.made.dtype), count)
        place = self.code.builder.alloca(kind)
        place.align = 64
        place.type = POINTER
        return place

    def write(self, block: Any) -> None:
        made, code, built = self.made, self.code, self.code.builder
        total = made.images * made.tiles[0] * made.tiles[1]
        first = built.mul(block, I64(made.together))
        count = smaller(code, built.sub(I64(total), first), I64(made.together))
        code.loop(0, count, 1, lambda t: self._enter(built.add(first, t), t))
        panels = -(-made.filters // made.width)

        def panel(nth: Any) -> None:
            self._multiply(nth, built.add(first, I64(made.together)))
            code.loop(0, count, 1, lambda t: self._leave(built.add(first, t), t, nth))

        code.loop(0, panels, 1, panel)

    def _corner(self, nth: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Image of a tile, its first row and column, and how many of each another tile stores.

        The last tile of an odd size lies one further in, so that it stays on the image.
        """
        code, built, made = self.code, self.code.builder, self.made
        nth, column = divided(code, nth, made.tiles[1])
        image, row = divided(code, nth, made.tiles[0])
        row, column = built.mul(row, I64(2)), built.mul(column, I64(2))
        top = smaller(code, row, I64(made.size[0] - 2))
        left = smaller(code, column, I64(made.size[1] - 2))
        return image, top, left, built.sub(row, top), built.sub(column, left)

    def _enter(self, nth: Any, t: Any) -> None:
        """Bᵀ d B of a tile, all channels."""
        made, code, built = self.made, self.code, self.code.builder
        image, top, left, _, _ = self._corner(nth)
        image_step, row_step, pixel_step = made.x_strides
        place = built.add(built.mul(image, I64(image_step)), built.mul(top, I64(row_step)))
        corner = code.address(
            self.x, built.add(place, built.mul(left, I64(pixel_step))), made.dtype
        )
        to = code.address(self.seen, built.mul(t, I64(made.room)), made.held)

        def vector(c: Any, mask: Number | None = None) -> None:
            d = [
                code.load(
                    corner,
                    built.add(c, I64(i * row_step + j * pixel_step)),
                    made.dtype,
                    made.lanes,
                    mask,
                )
                for i in range(4)
                for j in range(4)
            ]
            for place, number in enumerate(both(d, 4, transformed_input)):
                there = place * made.together * made.room
                if made.pairs:  # neighbouring channels, to neighbouring halves of words
                    half = rounded(number).astype(np.dtype(np.uint16))
                    code.store(half, to, built.add(c, I64(2 * there)))
                else:
                    code.store(number, to, built.add(c, I64(there)))

        whole = made.channels // made.lanes * made.lanes
        code.loop(0, whole, made.lanes, vector)
        if whole < made.channels:
            vector(I64(whole), code.mask(I64(made.channels - whole), made.lanes))

    def _expect(self, nth: Any) -> None:
        """Ask memory for what a tile sees and neither the one above nor the one before it did."""
        made, code, built = self.made, self.code, self.code.builder
        image, top, left, _, _ = self._corner(nth)
        image_step, row_step, pixel_step = made.x_strides
        place = built.add(built.mul(image, I64(image_step)), built.mul(top, I64(row_step)))
        place = built.add(place, built.mul(left, I64(pixel_step)))
        line = _LINE // made.dtype.itemsize
        for i, j in ((2, 2), (2, 3), (3, 2), (3, 3)):
            for c in range(0, made.channels, line):
                there = built.add(place, I64(i * row_step + j * pixel_step + c))
                code.prefetch(self.x, there, made.dtype)

    def _multiply(self, panel: Any, later: Any) -> None:
        """The 16 products of transformed tiles with one panel of filters.

        Meanwhile the inputs of the tiles from `later` on come from memory.
        """
        made, code, built = self.made, self.code, self.code.builder
        size = made.depth * made.width
        shape = (made.rows, made.vectors, made.lanes)
        term = add_pair if made.pairs else None

        def expect(nth: Any) -> None:
            share = I64(made.together)
            start = built.udiv(built.mul(nth, share), I64(16))
            stop = built.udiv(built.mul(built.add(nth, I64(1)), share), I64(16))
            code.loop(start, stop, 1, lambda t: self._expect(built.add(later, t)))

        def product(nth: Any) -> None:
            code.when(built.icmp_signed("==", panel, I64(0)), lambda: expect(nth))
            place = built.add(built.mul(panel, I64(16)), nth)
            filters = code.address(self.panels, built.mul(place, I64(size)), made.held)

            def rows(row: Any) -> None:
                tiles = built.add(built.mul(nth, I64(made.together)), row)
                seen = code.address(self.seen, built.mul(tiles, I64(made.room)), made.held)
                loops = [(made.depth, 1, made.width)]
                sums = zeros(code, made.dtype, *shape)
                sums = tile(
                    code, seen, made.room, filters, loops, *shape, sums, None, made.held, term
                )
                to = built.mul(tiles, I64(made.width))
                for at, total in enumerate(sums):
                    code.store(total, self.products, built.add(to, I64(at * made.lanes)))

            code.loop(0, made.together, made.rows, rows)

        code.loop(0, 16, 1, product)

    def _leave(self, nth: Any, t: Any, panel: Any) -> None:
        """Aᵀ m A of a tile, one panel of filters, stored."""
        made, code, built = self.made, self.code, self.code.builder
        image, top, left, above, before = self._corner(nth)
        image_step, row_step, pixel_step = made.y_strides
        filters = built.mul(panel, I64(made.width))
        goal = built.add(built.mul(image, I64(image_step)), built.mul(top, I64(row_step)))
        goal = built.add(goal, built.add(built.mul(left, I64(pixel_step)), filters))
        start = built.mul(t, I64(made.width))
        for v in range(made.vectors):
            mask = None
            if made.filters % made.width:
                rest = built.sub(I64(made.filters - v * made.lanes), filters)
                mask = code.mask(rest, made.lanes)
            m = [
                code.load(
                    self.products,
                    built.add(start, I64(place * made.together * made.width + v * made.lanes)),
                    made.dtype,
                    made.lanes,
                )
                for place in range(16)
            ]
            o = built.add(filters, I64(v * made.lanes))
            for place, number in enumerate(both(m, 4, _output)):
                i, j = divmod(place, 2)
                at = (image, built.add(top, I64(i)), built.add(left, I64(j)), o)
                there = built.add(goal, I64(i * row_step + j * pixel_step + v * made.lanes))
                self._store(number, there, at, mask, ((above, i), (before, j)))

    def _store(
        self,
        number: Number,
        there: Any,
        place: tuple[Any, Any, Any, Any],
        mask: Number | None,
        sides: Sequence[tuple[Any, int]],
    ) -> None:
        made, code, built = self.made, self.code, self.code.builder

        def put() -> None:
            ended = number
            if made.epilogue is not None:
                ended = made.epilogue(code, number, place, mask, self.extra)
            code.store(ended, self.y, there, mask)

        ours = [
            built.icmp_signed("<=", skipped, I64(at))
            for (skipped, at), size in zip(sides, made.size, strict=True)
            if size % 2 and at == 0
        ]
        if not ours:
            put()
            return
        code.when(built.and_(*ours) if len(ours) == 2 else ours[0], put)


def transformed_input(d0: Number, d1: Number, d2: Number, d3: Number) -> list[Number]:
    """Bᵀ."""
    return [d0 - d2, d1 + d2, d2 - d1, d1 - d3]


def _output(m0: Number, m1: Number, m2: Number, m3: Number) -> list[Number]:
    """Aᵀ."""
    return [m0 + m1 + m2, m1 - m2 - m3]
