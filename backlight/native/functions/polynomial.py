"""What every approximation is made of: polynomials, exact sums and products, powers of two.

A function of the mathematics is computed in three steps: the argument is *reduced* to a short
interval, a *minimax* polynomial (the one whose largest error on the interval is smallest) is
evaluated there, and the result is put together again. Coefficients in these files were computed
with Remez's exchange algorithm at 200 bits; beside each stands its interval and its error.

Where the last digit matters, a number is held as the sum of two: `high`, rounded, and `low`, what
rounding lost. Source: T. J. Dekker, "A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.machine_code.emit import Code, Number

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_AS_SET = 4
"""LLVM's word for rounding as the processor is set: to nearest."""


@dataclass(frozen=True)
class Format:
    """How a floating-point type lays out its bits.

    Attributes
    ----------
    integer : numpy.dtype
        The signed integer of the same size.
    mantissa : int
        Bits after the binary point.
    bias : int
        What is added to an exponent to store it.
    magic : float
        1.5 · 2^mantissa: adding it rounds a small number to an integer, which then stands in the
        lowest bits.
    """

    integer: Any
    mantissa: int
    bias: int
    magic: float

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.mantissa

    @property
    def magic_bits(self) -> int:
        """The bits of `magic`."""
        return ((self.bias + self.mantissa) << self.mantissa) + (1 << (self.mantissa - 1))


_FORMATS = {
    FLOAT32: Format(np.dtype(np.int32), 23, 127, 1.5 * 2.0**23),
    FLOAT64: Format(np.dtype(np.int64), 52, 1023, 1.5 * 2.0**52),
}

Rule = Callable[..., Number]


def format_of(x: Number) -> Format:
    """The layout of a floating-point Number."""
    return _FORMATS[x.dtype]


def floating(x: Number) -> Number:
    """The number itself if it has a point, else as float64, as NumPy does."""
    return x if x.kind == "f" else x.astype(np.float64)


def single_or_double(rule: Rule) -> Rule:
    """A formula in the numbers' own type; float32 in float64 where a target has no fma.

    Without fused products float32 formulas would lose digits that float64 has in plenty.
    """
    doubled = in_double(rule)

    def function(code: Code, *given: Number) -> Number:
        numbers = code.together(*map(floating, given))
        if numbers[0].dtype == FLOAT32 and not code.target.fma:
            return doubled(code, *numbers)
        return rule(code, *numbers)

    function.__doc__ = rule.__doc__
    return function


def in_double(rule: Rule) -> Rule:
    """A formula that is always computed in float64; a float32 result is rounded once."""

    def function(code: Code, *given: Number) -> Number:
        numbers = code.together(*map(floating, given))
        if numbers[0].dtype == FLOAT64:
            return rule(code, *numbers)
        return rule(code, *(one.astype(np.float64) for one in numbers)).astype(np.float32)

    function.__doc__ = rule.__doc__
    return function


def polynomial(code: Code, coefficients: Sequence[float], x: Number) -> Number:
    """c₀ + c₁x + c₂x² + … by Horner's rule."""
    value = code.constant(x.dtype, coefficients[-1], x.lanes)
    for coefficient in reversed(coefficients[:-1]):
        value = code.fma(value, x, coefficient)
    return value


def magnitude(code: Code, x: Number) -> Number:
    """|x|: the sign bit cleared."""
    return code.intrinsic("fabs", x)


def with_sign_of(code: Code, size: Number, x: Number) -> Number:
    """`size` with the sign bit of x."""
    return code.intrinsic("copysign", size, x)


def is_nan(x: Number) -> Number:
    """Whether x is not a number."""
    return x != x


def rounded(code: Code, x: Number, factor: float) -> tuple[Number, Number]:
    """The integer nearest to x · factor, as a number and in the low bits of an integer.

    The integer is offset by `magic_bits`, which has no effect on its lowest bits.
    """
    form = format_of(x)
    shifted = code.fma(x, factor, form.magic)
    return shifted - form.magic, shifted.bits(form.integer)


def power_of_two(exponent: Number, dtype: Any) -> Number:
    """2^exponent, for exponents of normal numbers."""
    form = _FORMATS[np.dtype(dtype)]
    return ((exponent << form.mantissa) + form.one).bits(dtype)


def times_power_of_two(x: Number, exponent: Number) -> Number:
    """Scale x near 1 by 2^exponent, rounded once, with exponents up to twice the format's range.

    In two steps, neither of which leaves the range before it must. The exponent may be offset by
    `magic_bits`, as `rounded` returns it: the offset leaves the integer's top when it is shifted.
    """
    half = exponent >> 1
    return x * power_of_two(half, x.dtype) * power_of_two(exponent - half, x.dtype)


def scaled(code: Code, x: Number, exponent: Number) -> Number:
    """As `times_power_of_two`, of an exponent as `rounded` returns it: by one instruction if any.

    Both round once, so that the bits are the same.
    """
    if code.target.name != "avx512" or x.lanes * x.dtype.itemsize != 64:
        return times_power_of_two(x, exponent)
    power = exponent.bits(x.dtype) - format_of(x).magic
    letter, mask = ("s", ir.IntType(16)) if x.dtype == FLOAT32 else ("d", ir.IntType(8))
    name = f"llvm.x86.avx512.mask.scalef.p{letter}.512"
    given = [x.value, power.value, x.value, mask(-1), ir.IntType(32)(_AS_SET)]
    function = code.module.globals.get(name)
    if function is None:
        kinds = [one.type for one in given]
        function = ir.Function(code.module, ir.FunctionType(x.value.type, kinds), name)
    return x.like(code.builder.call(function, given))


def fast_sum(large: Number, small: Number) -> tuple[Number, Number]:
    """Rounded sum and what rounding lost, where |large| ≥ |small| or large = 0."""
    total = large + small
    return total, small - (total - large)


def exact_sum(x: Number, y: Number) -> tuple[Number, Number]:
    """Rounded sum and what rounding lost."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def exact_product(code: Code, x: Number, y: Number) -> tuple[Number, Number]:
    """Rounded product and what rounding lost; without fma for float64 below 2^996."""
    product = x * y
    if code.target.fma:
        return product, code.fma(x, y, -product)
    (a, b), (c, d) = _halves(x), _halves(y)
    return product, ((a * c - product) + a * d + b * c) + b * d


def _halves(x: Number) -> tuple[Number, Number]:
    """A float64 as two numbers of at most 26 bits, whose products are exact."""
    wide = x * (2.0**27 + 1.0)
    high = wide - (wide - x)
    return high, x - high
