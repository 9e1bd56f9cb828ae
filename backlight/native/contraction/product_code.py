"""The loops of a matrix product around its register tile.

A chunk of the output is computed block of K by block of K. Within a block every panel of B meets
every tile of rows of A; the block's sums are added to those of the blocks before, on the stack,
and after the last block the epilogue makes outputs of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from llvmlite import ir

from backlight.native.contraction.blocking import PAGE, Blocks
from backlight.native.contraction.offsets import divided, least, offset
from backlight.native.contraction.packing import pack_panel
from backlight.native.contraction.pairs import add_pair, pack_pair_rows, pack_pairs
from backlight.native.contraction.tile import Term, tile, zeros
from backlight.native.machine_code.emit import I64, POINTER, Code, Number, element_type

DType = np.dtype[Any]
LINE = 64
"""Bytes of a line of the cache."""

Epilogue = Callable[[Code, Number, tuple[Any, Any, Any], Any, list[Any]], Number]


class Planned(Protocol):
    """What is known of a product whose code is written: see `product.Product`."""

    batch: int
    m: int
    n: int
    k: int
    dtype: DType
    a_strides: tuple[int, int, int]
    b_strides: tuple[int, int, int]
    out_strides: tuple[int, int]
    packed: bool
    bfloat16: bool
    splits: int
    split: int
    epilogue: Epilogue | None
    blocks: Blocks


class ProductCode:
    """Writes one product's kernel: call `chunk` with the number of the chunk to compute.

    Parameters
    ----------
    product : Planned
    code : Code
    operands : list of address
        Of A, B, the output, and what the epilogue reads.
    """

    def __init__(self, product: Planned, code: Code, operands: list[Any]) -> None:
        self.product, self.code, self.cut = product, code, product.blocks
        self.a, self.b, self.out, *self.extra = operands
        cut, self.dtype = self.cut, product.dtype
        self.pairs = product.bfloat16
        # What a tile reads: numbers, or words that hold a pair of them.
        self.kind: DType = np.dtype(np.int32) if self.pairs else self.dtype
        self.term = add_pair if self.pairs else _term(self.dtype)
        depth = self.steps(cut.depth)
        # Without blocks of K and without an epilogue sums go from registers to the output.
        self.k_blocks = max(1, -(-product.split // cut.depth)) if product.split else 1
        self.direct = self.k_blocks == 1 and product.epilogue is None
        tile_size, width = cut.rows * cut.width, cut.width
        if not self.direct:
            tiles = cut.m * cut.n if self.k_blocks > 1 else 1
            self.sums = scratch(code, self.dtype, tiles * tile_size)
        if cut.pack_b:
            self.panel = scratch(code, self.kind, depth * width)
        if cut.pack_a:
            # Words along k fill their cache lines without being transposed; a little more than a
            # block apart, rows do not fall on one another in the cache.
            self.in_rows = self.pairs and product.a_strides[2] == 1
            self.pitch = depth + 16 if self.in_rows else depth
            self.rows = scratch(code, self.kind, cut.m * cut.rows * self.pitch)

    def steps(self, count: Any) -> Any:
        """Steps of a tile over so many k."""
        if not self.pairs:
            return count
        if isinstance(count, int):
            return (count + 1) // 2
        return self.code.builder.ashr(self.code.builder.add(count, I64(1)), I64(1))

    # ── a chunk: its rows, columns and piece of K ──────────────────────────────────────────

    def chunk(self, chunk: Any) -> None:
        """Decode the chunk's number and do all blocks of K."""
        code, built, cut, product = self.code, self.code.builder, self.cut, self.product
        rest, n_block = divided(code, chunk, cut.n_blocks)
        rest, m_block = divided(code, rest, cut.m_blocks)
        self.split, self.item = divided(code, rest, product.batch)
        self.m_first = offset(code, (m_block, cut.m))
        self.n_first = offset(code, (n_block, cut.n))
        if self.k_blocks == 1 and product.splits == 1:
            self.k_first, self.count = I64(0), product.split
            self.block(I64(0), True)
            return
        start = offset(code, (self.split, product.split))
        total = least(code, built.sub(I64(product.k), start), product.split)
        total = built.select(built.icmp_signed("<", total, I64(0)), I64(0), total)
        blocks = built.sdiv(offset(code, total, cut.depth - 1), I64(cut.depth))
        # A split without any k still writes its zeros.
        blocks = built.select(built.icmp_signed("<", blocks, I64(1)), I64(1), blocks)

        def body(place: Any) -> None:
            done = offset(code, (place, cut.depth))
            self.k_first = offset(code, start, done)
            self.count = least(code, built.sub(total, done), cut.depth)
            self.block(place, built.icmp_signed("==", offset(code, place, 1), blocks))

        code.loop(0, blocks, 1, body)

    # ── a block of K ───────────────────────────────────────────────────────────────────────

    def block(self, place: Any, last: Any) -> None:
        """All panels and tiles of one block of K; `place` is the block's number."""
        self.place, self.last = place, last
        if self.cut.pack_a:
            self.each(self.product.m, self.cut.rows, self.m_first, self.cut.m, self.copy_rows)
        width = self.cut.width
        self.each(self.product.n, width, self.n_first, self.cut.n, self.one_panel)

    def each(
        self, size: int, step: int, first: Any, count: int, body: Callable[[Any, Any, int], None]
    ) -> None:
        """`body(index in chunk, first element, length)` for the chunk's tiles along an axis."""
        built, code = self.code.builder, self.code
        whole, rest = divmod(size, step)
        if whole:
            full = least(code, built.sub(I64(whole), first), count)
            if whole == 1 and not rest:
                body(I64(0), I64(0), step)
            else:
                start = offset(code, (first, step))
                code.loop(0, full, 1, lambda t: body(t, offset(code, start, (t, step)), step))
        if not rest:
            return
        # The edge belongs to the chunk whose tiles reach it.
        index = built.sub(I64(whole), first)
        if not whole:
            body(I64(0), I64(0), rest)
            return
        code.when(
            built.icmp_signed("<", index, I64(count)),
            lambda: body(index, I64(whole * step), rest),
        )

    def copy_rows(self, index: Any, first: Any, rows: int) -> None:
        """Copy one tile's rows of A."""
        code, cut = self.code, self.cut
        _, row, along = self.product.a_strides
        to = code.address(self.rows, offset(code, (index, cut.rows * self.pitch)), self.kind)
        source = self.a_at(first)
        if self.in_rows:
            pack_pair_rows(code, source, row, self.count, rows, self.pitch, to)
        else:
            self.pack(source, (along, row), cut.rows, rows, to)

    def pack(
        self, source: Any, strides: tuple[int, int], width: int, valid: int, panel: Any
    ) -> None:
        """Copy a panel of the block's k."""
        if self.pairs:
            pack_pairs(self.code, source, strides, self.count, width, valid, panel)
        else:
            pack_panel(self.code, source, strides, self.dtype, self.count, width, valid, panel)

    def a_at(self, row: Any) -> Any:
        """Address of A at a row, at the block's first k."""
        batch, i, k = self.product.a_strides
        place = offset(self.code, (self.item, batch), (row, i), (self.k_first, k))
        return self.code.address(self.a, place, self.dtype)

    # ── a panel of B, against every tile of rows ───────────────────────────────────────────

    def one_panel(self, index: Any, first: Any, columns: int) -> None:
        """Find or make the panel; then all tiles of rows."""
        code, built, cut, product = self.code, self.code.builder, self.cut, self.product
        batch, along, across = product.b_strides
        if product.packed:
            panels = -(-product.n // cut.width)
            number = built.udiv(first, I64(cut.width))
            if batch:
                number = offset(code, (self.item, panels), number)
            step = built.ashr(self.k_first, I64(1)) if self.pairs else self.k_first
            row = offset(code, (number, self.steps(product.k)), step)
            panel = code.address(self.b, offset(code, (row, cut.width)), self.kind)
        else:
            place = offset(code, (self.item, batch), (first, across), (self.k_first, along))
            panel = code.address(self.b, place, self.dtype)
        stride, masked = (cut.width, False) if product.packed else (along, True)
        if cut.pack_b:
            self.pack(panel, (along, across), cut.width, columns, self.panel)
            panel, stride, masked = self.panel, cut.width, False

        later = self.next_panel(index, first) if cut.pack_b and cut.m > 1 else None

        # Rows that begin at whole pages are too short in a block for the processor to foresee.
        _, row_step, one = product.a_strides
        paged = one == 1 and row_step * self.dtype.itemsize % PAGE == 0
        ahead = paged and not cut.pack_a and cut.m > 8

        def rows(tile_index: Any, row: Any, count: int) -> None:
            if later is not None:
                self.expect(later, tile_index)
            if ahead:
                code.when(built.icmp_signed("==", index, I64(0)), lambda: self.expect_rows(row))
            self.one_tile(panel, stride, masked, (index, tile_index), (row, first), count, columns)

        self.each(product.m, cut.rows, self.m_first, cut.m, rows)

    def expect_rows(self, row: Any) -> None:
        """Ask memory for the rows of A of the tile after this one."""
        code, cut = self.code, self.cut
        place = self.a_at(offset(code, row, cut.rows))
        for i in range(cut.rows):
            for k in range(0, min(cut.depth, self.product.split), LINE // self.dtype.itemsize):
                there = I64(i * self.product.a_strides[1] + k)
                code.prefetch(place, there, self.dtype, near=False)

    def next_panel(self, index: Any, first: Any) -> Any:
        """Address of the first number of B that will be copied after this panel."""
        code, built, cut = self.code, self.code.builder, self.cut
        batch, along, across = self.product.b_strides
        here = offset(code, (self.item, batch), (self.k_first, along), (first, across))
        if cut.n == 1:
            return code.address(self.b, offset(code, here, cut.depth * along), self.dtype)
        more = built.icmp_signed("<", offset(code, index, 1), I64(cut.n))
        deeper = offset(code, (self.item, batch), (self.k_first, along), cut.depth * along)
        deeper = offset(code, deeper, (self.n_first, across * cut.width))
        there = built.select(more, offset(code, here, cut.width * across), deeper)
        return code.address(self.b, there, self.dtype)

    def expect(self, later: Any, tile_index: Any) -> None:
        """Ask memory for a tile's share of what is copied next, so that the copy need not wait."""
        code, cut = self.code, self.cut
        _, along, across = self.product.b_strides
        runs, length, step = cut.width, min(cut.depth, self.product.split), across
        if across == 1:
            runs, length, step = length, cut.width, along
        share = -(-runs // cut.m)
        line = LINE // self.dtype.itemsize
        begin = offset(code, (tile_index, share))

        def run(number: Any) -> None:
            for place in range(0, length, line):
                code.prefetch(later, offset(code, (number, step), place), self.dtype, near=False)

        code.loop(begin, least(code, offset(code, begin, share), runs), 1, run)

    # ── a tile ─────────────────────────────────────────────────────────────────────────────

    def one_tile(
        self,
        panel: Any,
        stride: int,
        masked: bool,
        index: tuple[Any, Any],
        corner: tuple[Any, Any],
        rows: int,
        columns: int,
    ) -> None:
        """Sums of one tile over the block of K, and what becomes of them."""
        code, cut = self.code, self.cut
        vectors = -(-columns // cut.lanes)
        edge = None
        if columns % cut.lanes:
            edge = code.mask(I64(columns % cut.lanes), cut.lanes)
        _, row_stride, along = self.product.a_strides
        if cut.pack_a:
            row_stride, along = (self.pitch, 1) if self.in_rows else (1, cut.rows)
            place = offset(code, (index[1], cut.rows * self.pitch))
            a = code.address(self.rows, place, self.kind)
        else:
            a = self.a_at(corner[0])
        sums = tile(
            code,
            a,
            row_stride,
            panel,
            [(self.steps(self.count), along, stride)],
            rows,
            vectors,
            cut.lanes,
            zeros(code, self.dtype, rows, vectors, cut.lanes),
            edge if masked else None,
            self.kind,
            self.term,
        )
        if self.direct:
            for position, number in enumerate(sums):
                r, v = divmod(position, vectors)
                self.write(number, corner, I64(r), v, edge if v == vectors - 1 else None)
            return
        self.keep(sums, index, corner, rows, vectors, edge)

    def keep(
        self,
        sums: list[Number],
        index: tuple[Any, Any],
        corner: tuple[Any, Any],
        rows: int,
        vectors: int,
        edge: Number | None,
    ) -> None:
        """Add the block's sums to those before; after the last block, write the outputs."""
        code, built, cut = self.code, self.code.builder, self.cut
        base = I64(0)
        if self.k_blocks > 1:
            size = cut.rows * cut.width
            base = offset(code, (index[0], cut.m * size), (index[1], size))

        def at(r: Any, v: int) -> Any:
            return offset(code, base, (r, cut.width), v * cut.lanes)

        def save(add: bool) -> None:
            for place, number in enumerate(sums):
                r, v = divmod(place, vectors)
                if add:
                    before = code.load(self.sums, at(r, v), self.dtype, cut.lanes)
                    number = before | number if number.kind == "b" else before + number
                code.store(number, self.sums, at(r, v))

        def finish() -> None:
            def row(r: Any) -> None:
                for v in range(vectors):
                    number = code.load(self.sums, at(r, v), self.dtype, cut.lanes)
                    self.write(number, corner, r, v, edge if v == vectors - 1 else None)

            code.loop(0, rows, 1, row)

        if self.k_blocks == 1:
            save(False)
            finish()
            return
        with built.if_else(built.icmp_signed("==", self.place, I64(0))) as (begin, later):
            with begin:
                save(False)
            with later:
                save(True)
        code.when(self.last, finish)

    def write(
        self, number: Number, corner: tuple[Any, Any], r: Any, v: int, mask: Number | None
    ) -> None:
        """Store a vector of outputs of row r of the tile, through the epilogue."""
        code, product = self.code, self.product
        i = offset(code, corner[0], r)
        n = offset(code, corner[1], v * self.cut.lanes)
        if product.epilogue is not None:
            where = (self.item, i, n)
            number = product.epilogue(code, number, where, mask, self.extra)
        batch, row = product.out_strides
        whole = product.batch * product.m * product.n if product.splits > 1 else 0
        place = offset(code, (self.split, whole), (self.item, batch), (i, row), n)
        code.store(number, self.out, place, mask)


def _term(dtype: DType) -> Term | None:
    """What a step adds to the sums; None for a multiply-add of floats."""
    return {"f": None, "b": _either}.get(dtype.kind, _multiply_and_add)


def _either(_: Code, a: Number, b: Number, total: Number) -> Number:
    return total | (a & b)


def _multiply_and_add(_: Code, a: Number, b: Number, total: Number) -> Number:
    return total + a * b


def scratch(code: Code, dtype: DType, count: int) -> Any:
    """Memory of the kernel's own, on the stack."""
    element = ir.IntType(8) if dtype.kind == "b" else element_type(dtype)
    place = code.builder.alloca(ir.ArrayType(element, max(1, count)))
    place.align = 64
    place.type = POINTER
    return place
