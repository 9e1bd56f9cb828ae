"""Matrix products: `out[b, i, n] = epilogue(Σ_k A[b, i, k] · B[b, k, n])`.

`blocking` decides the sizes, `packing` copies what lies badly in memory, `tile` does the work and
`product_code` writes the loops around it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from backlight.native.contraction.blocking import Blocks, blocks_for
from backlight.native.contraction.dots import DotsCode, dot_blocks, suits_dots
from backlight.native.contraction.product_code import Epilogue, ProductCode
from backlight.native.machine_code.emit import kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]


class Product:
    """The kernel of a batch of matrix products.

    Parameters
    ----------
    batch, m, n, k : int, 0 or more
        How many products, of m × k by k × n matrices.
    dtype : dtype
        Of A, B and the sums: floats sum in their own type, integers wrap, truth values are
        combined by `and` and `or`.
    a_strides : (int, int, int)
        Elements between batches, rows i and k of A. A stride of 0 shares one matrix.
    b_strides : (int, int, int)
        Elements between batches, k and n of B; of what was packed, if `packed`: then only the
        first counts (0, or not).
    target : Target
        What it will be compiled for; the cut depends on its tile.
    packed : bool
        Whether B comes from a `Pack` of this product's `width`.
    out_strides : (int, int), optional
        Elements between batches and rows of the output; contiguous if not given.
    epilogue : callable, optional
        `epilogue(code, sums, (b, i, n), mask, extra)` makes the numbers stored of a vector of
        sums that stand at columns n, n + 1, … of row i; only the lanes of `mask` (None: all)
        are stored. It may return another type; `extra` are base addresses.
    epilogue_key : hashable
        What the epilogue's code depends on.
    extra : sequence of str
        Names of the operands that the epilogue reads.
    out_dtype : dtype, optional
        What the epilogue returns, if not `dtype`.
    bfloat16 : bool
        Whether A and B, float32, are rounded to bfloat16; sums are float32. A packed B is a
        `Pack` of pairs.
    splits : int
        Into how many pieces K falls, each with an output of its own: out[split, b, i, n], to be
        summed in order by the caller. No epilogue then.

    Examples
    --------
    >>> from backlight.native.machine_code.machine import host
    >>> Product(1, 64, 64, 64, "float32", (0, 64, 1), (0, 64, 1), host()).multiply_adds
    262144
    """

    def __init__(
        self,
        batch: int,
        m: int,
        n: int,
        k: int,
        dtype: Any,
        a_strides: tuple[int, int, int],
        b_strides: tuple[int, int, int],
        target: Target,
        *,
        packed: bool = False,
        out_strides: tuple[int, int] | None = None,
        epilogue: Epilogue | None = None,
        epilogue_key: Hashable = None,
        extra: Sequence[str] = (),
        out_dtype: Any = None,
        bfloat16: bool = False,
        splits: int = 1,
    ) -> None:
        self.batch, self.m, self.n, self.k = batch, m, n, k
        self.dtype: DType = np.dtype(dtype)
        self.out_dtype: DType = np.dtype(out_dtype) if out_dtype is not None else self.dtype
        self.a_strides, self.b_strides, self.packed = a_strides, b_strides, packed
        self.out_strides = out_strides if out_strides is not None else (m * n, n)
        self.epilogue, self.epilogue_key, self.extra = epilogue, epilogue_key, tuple(extra)
        self.bfloat16, self.splits = bfloat16, splits
        # Pairs of neighbours in k stay together.
        self.split = k if splits == 1 else (-(-k // splits) + 1) // 2 * 2
        self.blocks: Blocks = blocks_for(
            target,
            dtype,
            batch * splits,
            (m, n, self.split),
            a_strides[1:],
            b_strides[1:],
            packed,
            bfloat16,
        )

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the operands, in the kernel's order."""
        return "a", "b", "out", *self.extra

    @property
    def width(self) -> int:
        """Columns of the panels that it reads: see `Pack`."""
        return self.blocks.width

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        sizes = self.batch, self.m, self.n, self.k, self.splits, self.blocks
        strides = self.a_strides, self.b_strides, self.packed, self.out_strides, self.bfloat16
        kinds = self.dtype.str, self.out_dtype.str, self.epilogue_key, self.extra
        return "product", sizes, strides, kinds

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        if not self.m or not self.n:
            return 0
        if suits_dots(self):
            return self.batch * dot_blocks(self.n)
        return self.batch * self.splits * self.blocks.m_blocks * self.blocks.n_blocks

    @property
    def multiply_adds(self) -> int:
        """How many products are added up."""
        return self.batch * self.m * self.n * self.k

    @property
    def bytes(self) -> int:
        """Memory read and written, each number once."""
        a = self.m * self.k * (self.batch if self.a_strides[0] else 1)
        b = self.k * self.n * (self.batch if self.b_strides[0] else 1)
        out = self.batch * self.m * self.n * self.splits
        return (a + b) * self.dtype.itemsize + out * self.out_dtype.itemsize

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        if self.chunks:
            places = [operand(code, operands, i) for i in range(len(self.operands))]
            form = DotsCode if suits_dots(self) else ProductCode
            code.loop(begin, end, 1, form(self, code, places).chunk)
        code.finish()
