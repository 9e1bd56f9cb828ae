"""The operators of an array that is not computed yet: each is an operation by NumPy's name."""

from __future__ import annotations

from typing import Any


class Operators:
    """Python's operators, by `apply`."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def apply(self, op: str, *given: Any) -> Any:
        """An operation place by place."""
        raise NotImplementedError

    def raised(self, exponent: Any) -> Any:
        """The array to a power."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return self.apply("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self.apply("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.apply("divide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self.apply("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self.apply("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return self.apply("remainder", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self.apply("remainder", other, self)

    def __pow__(self, other: Any) -> Any:
        return self.raised(other)

    def __rpow__(self, other: Any) -> Any:
        return self.apply("power", other, self)

    def __neg__(self) -> Any:
        return self.apply("negative", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.apply("absolute", self)

    def __invert__(self) -> Any:
        return self.apply("invert", self)

    def __and__(self, other: Any) -> Any:
        return self.apply("bitwise_and", self, other)

    def __or__(self, other: Any) -> Any:
        return self.apply("bitwise_or", self, other)

    def __xor__(self, other: Any) -> Any:
        return self.apply("bitwise_xor", self, other)

    def __lshift__(self, other: Any) -> Any:
        return self.apply("left_shift", self, other)

    def __rshift__(self, other: Any) -> Any:
        return self.apply("right_shift", self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __lt__(self, other: Any) -> Any:
        return self.apply("less", self, other)

    def __le__(self, other: Any) -> Any:
        return self.apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return self.apply("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return self.apply("greater_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return self.apply("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return self.apply("not_equal", self, other)
