"""The kernel that looks at what checks found, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.kernels.fuse import FINE
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)


@dataclass(frozen=True)
class Guard:
    """Notes the number, from 1, of the first of `count` checks that failed; the run then ends.

    Operands: what each check found, `FINE` or the place of the first failure; the error word.
    """

    count: int

    multiply_adds = 0
    chunks = 1

    @property
    def key(self) -> Any:
        """Equal keys make equal code."""
        return "guard", self.count

    @property
    def bytes(self) -> int:
        """Memory read."""
        return 4 * self.count

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write the kernel into a module."""
        code, operands, _, _ = kernel(name, module, target)
        failed: Number = code.constant(INT64, 0)
        for number in reversed(range(self.count)):
            found = code.load(operand(code, operands, number), I64(0), INT32)
            failed = code.select(found == FINE, failed, code.constant(INT64, number + 1))
        code.when(failed != 0, lambda: self._note(code, operands, failed))
        code.finish()

    def _note(self, code: Code, operands: Any, failed: Number) -> None:
        code.store(failed, operand(code, operands, self.count), I64(0))
