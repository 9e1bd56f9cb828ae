"""Numbers while code is written: one element or a vector of them, whose operators write code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

if TYPE_CHECKING:
    from backlight.native.machine_code.emit import Code

POINTER = ir.PointerType()
I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
DType = np.dtype[Any]


def element_type(dtype: DType) -> Any:
    """LLVM's type of one element in a register."""
    if dtype.kind == "f":
        return {4: F32, 8: F64}[dtype.itemsize]
    return I1 if dtype.kind == "b" else ir.IntType(8 * dtype.itemsize)


def vector_type(dtype: DType, lanes: int) -> Any:
    """LLVM's type of `lanes` elements in a register."""
    one = element_type(dtype)
    return one if lanes == 1 else ir.VectorType(one, lanes)


class Number:
    """One element, or a vector of `lanes` elements, of a type.

    Operators take Numbers of the same type and lanes; one lane stretches to several, and Python's
    numbers take the other's type.
    """

    __slots__ = ("code", "dtype", "lanes", "value")

    def __init__(self, code: Code, value: Any, dtype: DType, lanes: int) -> None:
        self.code, self.value, self.dtype, self.lanes = code, value, dtype, lanes

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of number: f, i, u or b."""
        return self.dtype.kind

    def __add__(self, other: Any) -> Number:
        return self.code.arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Number:
        return self.code.arithmetic("add", other, self)

    def __sub__(self, other: Any) -> Number:
        return self.code.arithmetic("sub", self, other)

    def __rsub__(self, other: Any) -> Number:
        return self.code.arithmetic("sub", other, self)

    def __mul__(self, other: Any) -> Number:
        return self.code.arithmetic("mul", self, other)

    def __rmul__(self, other: Any) -> Number:
        return self.code.arithmetic("mul", other, self)

    def __truediv__(self, other: Any) -> Number:
        return self.code.arithmetic("div", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self.code.arithmetic("div", other, self)

    def __neg__(self) -> Number:
        built = self.code.builder
        value = built.fneg(self.value) if self.kind == "f" else built.neg(self.value)
        return self.like(value)

    def __and__(self, other: Any) -> Number:
        return self.code.bitwise("and_", self, other)

    def __or__(self, other: Any) -> Number:
        return self.code.bitwise("or_", self, other)

    def __xor__(self, other: Any) -> Number:
        return self.code.bitwise("xor", self, other)

    def __lshift__(self, other: Any) -> Number:
        return self.code.bitwise("shl", self, other)

    def __rshift__(self, other: Any) -> Number:
        """Bits moved down; of signed numbers the sign is repeated."""
        return self.code.bitwise("lshr" if self.kind in "ub" else "ashr", self, other)

    def __invert__(self) -> Number:
        return self.like(self.code.builder.not_(self.value))

    def __lt__(self, other: Any) -> Number:
        return self.code.compare("<", self, other)

    def __le__(self, other: Any) -> Number:
        return self.code.compare("<=", self, other)

    def __gt__(self, other: Any) -> Number:
        return self.code.compare(">", self, other)

    def __ge__(self, other: Any) -> Number:
        return self.code.compare(">=", self, other)

    def __eq__(self, other: Any) -> Number:  # type: ignore[override]
        return self.code.compare("==", self, other)

    def __ne__(self, other: Any) -> Number:  # type: ignore[override]
        return self.code.compare("!=", self, other)

    __hash__ = object.__hash__

    def like(self, value: Any) -> Number:
        """A Number of this type and these lanes with another value."""
        return Number(self.code, value, self.dtype, self.lanes)

    def astype(self, dtype: Any) -> Number:
        """Converted as NumPy converts: towards zero, wrapping, 0 is false."""
        return self.code.convert(self, np.dtype(dtype))

    def bits(self, dtype: Any) -> Number:
        """The same bits read as another type of the same size."""
        kind = np.dtype(dtype)
        value = self.code.builder.bitcast(self.value, vector_type(kind, self.lanes))
        return Number(self.code, value, kind, self.lanes)

    def lane(self, place: int) -> Number:
        """One element of a vector."""
        if self.lanes == 1:
            return self
        value = self.code.builder.extract_element(self.value, I32(place))
        return Number(self.code, value, self.dtype, 1)
