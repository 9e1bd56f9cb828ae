"""The sum of a product's splits: `out[b, i, n] = epilogue(Σ_s parts[s, b, i, n])`, s in order.

A product with long K and a small output, such as a gradient by a bias or by the weights of a narrow
layer, falls into splits of K so that every thread has work; each split has an output of its own,
and this kernel adds them up, always in the same order.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from backlight.native.contraction.offsets import divided, least, offset
from backlight.native.contraction.product_code import DType, Epilogue
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

CHUNK = 16_384
"""Outputs of one chunk, about."""


class SumOfSplits:
    """The kernel that adds the splits of a `Product` up.

    Parameters
    ----------
    splits, batch, m, n : int
        As the product's.
    dtype : dtype
    out_strides, epilogue, epilogue_key, extra, out_dtype
        As the product's.
    """

    def __init__(
        self,
        splits: int,
        batch: int,
        m: int,
        n: int,
        dtype: Any,
        *,
        out_strides: tuple[int, int] | None = None,
        epilogue: Epilogue | None = None,
        epilogue_key: Hashable = None,
        extra: Sequence[str] = (),
        out_dtype: Any = None,
    ) -> None:
        self.splits, self.batch, self.m, self.n = splits, batch, m, n
        self.dtype: DType = np.dtype(dtype)
        self.out_dtype: DType = np.dtype(out_dtype) if out_dtype is not None else self.dtype
        self.out_strides = out_strides if out_strides is not None else (m * n, n)
        self.epilogue, self.epilogue_key, self.extra = epilogue, epilogue_key, tuple(extra)
        self.rows = max(1, min(m, CHUNK // max(1, n)))

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the operands, in the kernel's order."""
        return "parts", "out", *self.extra

    @property
    def key(self) -> Any:
        """What the machine code depends on, besides the target."""
        sizes = self.splits, self.batch, self.m, self.n, self.dtype.str, self.out_dtype.str
        return "sum of splits", sizes, self.out_strides, self.epilogue_key, self.extra

    @property
    def chunks(self) -> int:
        """How many pieces the work falls into."""
        return self.batch * -(-self.m // self.rows) if self.n else 0

    @property
    def multiply_adds(self) -> int:
        """None: it only adds."""
        return 0

    @property
    def bytes(self) -> int:
        """Memory read and written."""
        outputs = self.batch * self.m * self.n
        return outputs * (self.splits * self.dtype.itemsize + self.out_dtype.itemsize)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, begin, end = kernel(name, module, target)
        parts, out, *extra = (operand(code, operands, i) for i in range(len(self.operands)))
        blocks = max(1, -(-self.m // self.rows))
        lanes = target.lanes(self.dtype.itemsize)
        whole = self.n // lanes * lanes

        def chunk(number: Any) -> None:
            item, block = divided(code, number, blocks)
            first = offset(code, (block, self.rows))
            last = least(code, offset(code, first, self.rows), self.m)

            def row(i: Any) -> None:
                def column(n: Any, mask: Number | None) -> None:
                    total = self._total(code, parts, (item, i, n), lanes, mask)
                    self._write(code, total, out, (item, i, n), mask, extra)

                code.loop(0, whole, lanes, lambda n: column(n, None))
                if self.n % lanes:
                    column(I64(whole), code.mask(I64(self.n - whole), lanes))

            code.loop(first, last, 1, row)

        if self.chunks:
            code.loop(begin, end, 1, chunk)
        code.finish()

    def _total(
        self, code: Code, parts: Any, where: tuple[Any, Any, Any], lanes: int, mask: Number | None
    ) -> Number:
        item, i, n = where
        place = offset(code, (item, self.m * self.n), (i, self.n), n)
        total = code.load(parts, place, self.dtype, lanes, mask)
        for split in range(1, self.splits):
            there = offset(code, place, split * self.batch * self.m * self.n)
            part = code.load(parts, there, self.dtype, lanes, mask)
            total = total | part if self.dtype.kind == "b" else total + part
        return total

    def _write(
        self,
        code: Code,
        total: Number,
        out: Any,
        where: tuple[Any, Any, Any],
        mask: Number | None,
        extra: list[Any],
    ) -> None:
        item, i, n = where
        if self.epilogue is not None:
            total = self.epilogue(code, total, where, mask, extra)
        batch, row = self.out_strides
        code.store(total, out, offset(code, (item, batch), (i, row), n), mask)
