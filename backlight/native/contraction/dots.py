"""A few rows times a matrix whose columns lie along memory: dot products, k along the lanes.

One to four rows of x in x·Wᵀ meet every number of W once, so that packing W would cost more than
the product. Here both are read as they lie, vectors of k at a time, and the lanes of each sum are
added up at the end, halves onto halves.
"""

from __future__ import annotations

from typing import Any

from backlight.native.contraction.offsets import divided, least, offset
from backlight.native.contraction.packing import shuffled
from backlight.native.contraction.product_code import Planned
from backlight.native.machine_code.emit import I64, Code, Number

ROWS, COLUMNS = 4, 4
MOST_ROWS, LARGE = 16, 1 << 22
"""Rows up to which dot products pay where W has so many numbers that memory is the limit."""

OUTPUTS = 64
"""Columns of one chunk."""


class DotsCode:
    """Writes one product's kernel as dot products; see `product_code.ProductCode`."""

    def __init__(self, product: Planned, code: Code, operands: list[Any]) -> None:
        self.product, self.code, self.dtype = product, code, product.dtype
        self.a, self.b, self.out, *self.extra = operands
        self.lanes = code.target.lanes(self.dtype.itemsize)

    def chunk(self, number: Any) -> None:
        """All rows of one block of columns."""
        built, code, product = self.code.builder, self.code, self.product
        item, block = divided(code, number, dot_blocks(product.n))
        first = offset(code, (block, OUTPUTS))
        last = least(code, offset(code, first, OUTPUTS), product.n)
        whole = offset(code, first, built.and_(built.sub(last, first), I64(-COLUMNS)))
        code.loop(first, whole, COLUMNS, lambda n: self.all_rows(item, n, COLUMNS))
        code.loop(whole, last, 1, lambda n: self.all_rows(item, n, 1))

    def all_rows(self, item: Any, n: Any, count: int) -> None:
        """The outputs of a few columns, which stay in the second cache from row to row."""
        m = self.product.m
        for i in range(0, m, ROWS):
            self.columns(item, n, count, range(i, min(i + ROWS, m)))

    def columns(self, item: Any, n: Any, count: int, present: range) -> None:
        """The outputs of a few columns in a few rows."""
        code, product = self.code, self.product
        batch_a, row_a, _ = product.a_strides
        batch_b, _, column_b = product.b_strides
        a = offset(code, (item, batch_a))
        b = offset(code, (item, batch_b), (n, column_b))
        rows = [offset(code, a, row_a * i) for i in present]
        columns = [offset(code, b, column_b * c) for c in range(count)]
        whole = product.k // self.lanes * self.lanes

        def step(k: Any, *sums: Number) -> list[Number]:
            lanes = sums[0].lanes
            xs = [code.load(self.a, offset(code, x, k), self.dtype, lanes) for x in rows]
            ys = [code.load(self.b, offset(code, y, k), self.dtype, lanes) for y in columns]
            pairs = [(x, y) for x in xs for y in ys]
            return [code.fma(x, y, total) for (x, y), total in zip(pairs, sums, strict=True)]

        zero = code.constant(self.dtype, 0, self.lanes)
        sums = code.loop(0, whole, self.lanes, step, [zero] * (len(present) * count))
        singles = code.loop(whole, product.k, 1, step, [lanes_sum(code, one) for one in sums])
        for place, total in enumerate(singles):
            i, c = divmod(place, count)
            self.write(total, item, I64(present[i]), offset(code, n, c))

    def write(self, total: Number, item: Any, i: Any, n: Any) -> None:
        """Store one output, through the epilogue."""
        code, product = self.code, self.product
        if product.epilogue is not None:
            total = product.epilogue(code, total, (item, i, n), None, self.extra)
        batch, row = product.out_strides
        code.store(total, self.out, offset(code, (item, batch), (i, row), n))


def lanes_sum(code: Code, number: Number) -> Number:
    """The sum of a vector's lanes: halves onto halves."""
    while number.lanes > 1:
        half = number.lanes // 2
        low = shuffled(code, number, number, range(half))
        high = shuffled(code, number, number, range(half, number.lanes))
        if half == 1:
            return number.lane(0) + number.lane(1)
        number = low + high
    return number


def dot_blocks(n: int) -> int:
    """How many chunks one matrix falls into."""
    return -(-n // OUTPUTS)


def suits_dots(product: Planned) -> bool:
    """Whether a product is better computed as dot products."""
    along = product.a_strides[2] == product.b_strides[1] == 1
    plain = not product.packed and not product.bfloat16 and product.splits == 1
    most = MOST_ROWS if product.n * product.k >= LARGE else ROWS
    few = product.m <= most and product.k >= 2 * product.blocks.lanes
    return along and plain and few and product.b_strides[2] != 1 and product.dtype.kind == "f"
