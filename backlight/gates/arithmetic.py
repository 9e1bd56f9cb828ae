"""Sums, products, powers and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import dtypes
from backlight.errors import ArgumentError
from backlight.gates.choice import where
from backlight.gates.family import Elementwise, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.transcendental import log


class Counting(Elementwise, abstract=True):
    """Arithmetic that takes truth values for the whole numbers 0 and 1."""

    def dtype(self, *given: Any, **attributes: Any) -> Any:
        """int64 for truth values; else as usual."""
        mixed = super().dtype(*given, **attributes)
        return dtypes.int64 if mixed == dtypes.boolean else mixed


class Identity(Elementwise):
    """The input itself, as a new wire: a handle on a value inside a circuit."""

    role = Role.DISTRIBUTOR
    formula = "x"
    views = True

    def forward(self, np: Any, x: Any) -> Any:
        return x

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream,)


class Add(Elementwise):
    """Sum. Both inputs receive upstream unchanged, whatever they are."""

    role = Role.DISTRIBUTOR
    formula = "x + y"
    symbol = "+"
    source = "CS231n, lecture 4"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return x + y

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        return upstream, upstream


class Subtract(Elementwise):
    """Difference. x receives upstream, y its negative."""

    role = Role.DISTRIBUTOR
    formula = "x - y"
    symbol = "−"
    aliases = ("sub",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.subtract(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        return upstream, lambda: -upstream


class Multiply(Elementwise):
    """Product. Each input receives upstream times the *other* input."""

    role = Role.SWITCHER
    formula = "x * y"
    symbol = "×"
    source = "CS231n, lecture 4"
    aliases = ("mul",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return x * y

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        return lambda: upstream * y, lambda: upstream * x


class Divide(Elementwise):
    """Quotient. x receives upstream / y; y receives −upstream · (x/y) / y.

    1/0 is infinite and 0/0 is NaN, as IEEE 754 says. The gradient by y divides twice by y rather
    than once by y², which would overflow or underflow where the result does not.
    """

    role = Role.MIXER
    formula = "x / y"
    symbol = "/"
    domain = {"y": "y != 0"}
    result = "float"
    aliases = ("div", "true_divide")

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.true_divide(x, y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        return lambda: upstream / y, lambda: -upstream * (output / y)


class FloorDivide(Counting):
    """The whole number at or below x / y. Flat almost everywhere, so no gradient passes."""

    role = Role.WALL
    formula = "floor(x / y)"
    domain = {"y": "y != 0"}
    kinks = "x / y whole"

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.floor_divide(*_numbers(x, y))

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.floor_divide(x, y)


class Remainder(Counting):
    """What whole multiples of y leave of x, with the sign of y: x − y·⌊x/y⌋.

    x receives upstream, y receives −⌊x/y⌋ · upstream; at the jumps the right-hand piece counts.
    """

    role = Role.MIXER
    formula = "x - y * floor(x / y)"
    domain = {"y": "y != 0"}
    kinks = "x / y whole: the gradient of the piece to the right"
    aliases = ("mod",)

    def forward(self, np: Any, x: Any, y: Any) -> Any:
        return np.remainder(*_numbers(x, y))

    def backward(self, upstream: Any, x: Any, y: Any, output: Any) -> Any:
        return upstream, lambda: -upstream * floor_divide(x, y)

    def branch(self, np: Any, x: Any, y: Any) -> Any:
        return np.floor_divide(x, y)


class Negative(Elementwise):
    """The number with its sign turned; so is the gradient."""

    role = Role.DISTRIBUTOR
    formula = "-x"
    symbol = "×−1"
    aliases = ("neg",)

    def forward(self, np: Any, x: Any) -> Any:
        return np.negative(x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (-upstream,)


class Reciprocal(Elementwise):
    """1/x. The gradient is −upstream/x²."""

    role = Role.SCALER
    formula = "1 / x"
    symbol = "1/x"
    domain = {"x": "x != 0"}
    result = "float"

    def forward(self, np: Any, x: Any) -> Any:
        return np.true_divide(1.0, x)

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (-upstream * output / x,)


class Square(Elementwise):
    """x². The gradient is 2x · upstream."""

    role = Role.SCALER
    formula = "x**2"
    symbol = "x²"

    def forward(self, np: Any, x: Any) -> Any:
        return x * x

    def backward(self, upstream: Any, x: Any, output: Any) -> Any:
        return (upstream * (2 * x),)


class Power(Counting):
    """x to the power p.

    x receives p·x^(p−1)·upstream, and 0 where p is 0, since x⁰ is 1 everywhere. p receives
    ln(x)·x^p·upstream where x > 0, and 0 at x = 0 with p > 0, where x^p stays 0. A negative x has a
    real power only for whole p; there p has no neighbours and its gradient is NaN.
    """

    role = Role.MIXER
    formula = "x ** p"
    symbol = "**"
    domain = {"x": "x > 0"}
    aliases = ("pow",)

    def forward(self, np: Any, x: Any, p: Any) -> Any:
        x, p = _numbers(x, p)
        if isinstance(p, int) and p < 0 and getattr(x, "dtype", dtypes.float32).kind in "iu":
            raise ArgumentError(
                "power",
                got=f"whole numbers to the power {p}",
                needs="a power ≥ 0: the result would be a fraction",
                remedy="Convert the base first, for example with .float().",
            )
        return np.power(x, p)

    def backward(self, upstream: Any, x: Any, p: Any, output: Any) -> Any:
        def by_base() -> Any:
            if isinstance(p, (int, float)):  # a constant exponent: the common case, kept cheap
                return upstream * 0 if p == 0 else upstream * (p * x ** (p - 1))
            return upstream * where(p == 0, 0.0, p * x ** where(p == 0, 1.0, p - 1))

        def by_exponent() -> Any:
            still = where(x == 0, p >= 0, False)
            return upstream * where(still, 0.0, output * log(where(still, 1.0, x)))

        return by_base, by_exponent

    def samples(self) -> Iterator[Sample]:
        yield from super().samples()
        for exponent in (2, 3, -1, 0.5, 0):
            yield Sample((draw((3,), exponent_stream(exponent), "x > 0"), exponent))


def _numbers(x: Any, y: Any) -> tuple[Any, Any]:
    """Two truth values as int64, for which NumPy has no smaller whole numbers; others as is."""
    return (x * 1, y * 1) if _is_truth(x) and _is_truth(y) else (x, y)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"


def exponent_stream(exponent: float) -> int:
    """A stream of random numbers for each exponent that is tried."""
    return 200 + math.floor(10 * exponent)


identity = Identity()
add = Add()
subtract = Subtract()
multiply = Multiply()
divide = Divide()
floor_divide = FloorDivide()
remainder = Remainder()
negative = Negative()
reciprocal = Reciprocal()
square = Square()
power = Power()
