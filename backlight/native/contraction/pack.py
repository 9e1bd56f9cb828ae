"""The kernel that packs a matrix once, for all the products that read it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlight.native.contraction.offsets import divided, least, offset
from backlight.native.contraction.packing import DType, pack_panel
from backlight.native.contraction.pairs import pack_pairs
from backlight.native.machine_code.emit import I64, Code, kernel, operand
from backlight.native.machine_code.machine import Target

DEPTH = 128
"""Numbers along k that one chunk copies of a panel."""


class Pack:
    """The kernel that packs a batch of matrices into panels.

    `panels[b, n // width, k, n % width] = source[b·sb + k·sk + n·sn]`, zeros beyond the last n.

    Parameters
    ----------
    batch, k, n : int
        How many matrices, and the size of each.
    dtype : dtype
    strides : (int, int, int)
        sb, sk and sn of the source, in elements.
    width : int
        Columns of a panel: `Product.width` of the products that read it.
    pairs : bool
        Whether to round to bfloat16 and put pairs of k into words, for products with `bfloat16`.
    """

    operands = ("source", "panels")

    def __init__(
        self,
        batch: int,
        k: int,
        n: int,
        dtype: Any,
        strides: tuple[int, int, int],
        width: int,
        pairs: bool = False,
    ) -> None:
        self.batch, self.k, self.n, self.width = batch, k, n, width
        self.dtype: DType = np.dtype(dtype)
        self.strides, self.pairs = strides, pairs
        self.kind: DType = np.dtype(np.int32) if pairs else self.dtype

    @property
    def panels(self) -> int:
        """How many panels one matrix has."""
        return -(-self.n // self.width)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the result."""
        steps = (self.k + 1) // 2 if self.pairs else self.k
        return self.batch, self.panels, steps, self.width

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        return "pack", *self.shape, self.k, self.n, self.dtype.str, self.strides, self.pairs

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        return self.batch * self.panels * -(-self.k // DEPTH)

    @property
    def multiply_adds(self) -> int:
        """None."""
        return 0

    @property
    def bytes(self) -> int:
        """Memory read and written."""
        written = math.prod(self.shape) * self.kind.itemsize
        return self.batch * self.k * self.n * self.dtype.itemsize + written

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        source, panels = operand(code, operands, 0), operand(code, operands, 1)
        if self.chunks:
            code.loop(begin, end, 1, lambda chunk: self._chunk(code, source, panels, chunk))
        code.finish()

    def _chunk(self, code: Code, source: Any, panels: Any, chunk: Any) -> None:
        built = code.builder
        place, block = divided(code, chunk, -(-self.k // DEPTH))
        item, panel = divided(code, place, self.panels)
        first = offset(code, (block, DEPTH))
        count = least(code, built.sub(I64(self.k), first), DEPTH)
        sb, sk, sn = self.strides
        start = offset(code, (item, sb), (first, sk), (panel, sn * self.width))
        here = code.address(source, start, self.dtype)
        step = built.ashr(first, I64(1)) if self.pairs else first
        row = offset(code, (place, self.shape[2]), step)
        there = code.address(panels, offset(code, (row, self.width)), self.kind)

        def write(valid: int) -> None:
            if self.pairs:
                pack_pairs(code, here, (sk, sn), count, self.width, valid, there)
            else:
                pack_panel(code, here, (sk, sn), self.dtype, count, self.width, valid, there)

        full, rest = divmod(self.n, self.width)
        if full and rest:
            with built.if_else(built.icmp_signed("<", panel, I64(full))) as (whole, edge):
                with whole:
                    write(self.width)
                with edge:
                    write(rest)
        else:
            write(rest or self.width)
