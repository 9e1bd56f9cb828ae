"""Python's operators that are gates of the table: remainders, products, comparisons, logic.

The four of arithmetic are written on the tensor itself, where they cost less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backlight.gates.gate import TABLE

if TYPE_CHECKING:
    from backlight.engine.tensor import Tensor


class Operators:
    """x % y is remainder(x, y), x @ y is matmul(x, y), x < y is less(x, y), …"""

    __slots__ = ()

    __hash__ = object.__hash__

    def __mod__(self, other: Any) -> Tensor:
        return TABLE["remainder"](self, other)  # type: ignore[no-any-return]

    def __rmod__(self, other: Any) -> Tensor:
        return TABLE["remainder"](other, self)  # type: ignore[no-any-return]

    def __floordiv__(self, other: Any) -> Tensor:
        return TABLE["floor_divide"](self, other)  # type: ignore[no-any-return]

    def __rfloordiv__(self, other: Any) -> Tensor:
        return TABLE["floor_divide"](other, self)  # type: ignore[no-any-return]

    def __abs__(self) -> Tensor:
        return TABLE["absolute"](self)  # type: ignore[no-any-return]

    def __matmul__(self, other: Any) -> Tensor:
        return TABLE["matmul"](self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return TABLE["matmul"](other, self)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> Any:
        return TABLE["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        return TABLE["not_equal"](self, other)

    def __lt__(self, other: Any) -> Any:
        return TABLE["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return TABLE["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return TABLE["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return TABLE["greater_equal"](self, other)

    def __and__(self, other: Any) -> Any:
        return TABLE["logical_and"](self, other)

    def __rand__(self, other: Any) -> Any:
        return TABLE["logical_and"](other, self)

    def __or__(self, other: Any) -> Any:
        return TABLE["logical_or"](self, other)

    def __ror__(self, other: Any) -> Any:
        return TABLE["logical_or"](other, self)

    def __invert__(self) -> Any:
        return TABLE["logical_not"](self)
