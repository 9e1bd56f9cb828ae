"""Powers and lengths: power, hypot."""

from __future__ import annotations

import numpy as np

from backlight.native.functions.exponential import LN2_PARTS, exp, exp_of_sum
from backlight.native.functions.logarithm import log, normal, parts
from backlight.native.functions.polynomial import (
    FLOAT32,
    FLOAT64,
    exact_product,
    fast_sum,
    floating,
    is_nan,
    magnitude,
    polynomial,
)
from backlight.native.machine_code.emit import Code, Number

# (ln((1 + s)/(1 − s)) − 2s − ⅔s³)/s⁵ as a polynomial of s², √½ ≤ (1 + s)/(1 − s) ≤ √2: relative
# error of the logarithm 2^−73.
_LOG = (
    0.39999999999999974,
    0.28571428571445334,
    0.2222222221748218,
    0.18181818876993658,
    0.15384556414279346,
    0.1333633502535751,
    0.11674460477513636,
    0.1199199974231421,
)
_TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def power(code: Code, x: Number, y: Number) -> Number:
    """The first to the power of the second, with IEEE's answers for 0, 1, ∞ and negative bases.

    Of integers, repeated products without what leaves the type; the exponent is not negative.
    """
    x, y = code.together(x, y)
    if x.kind != "f":
        return _whole_power(code, x, y)
    if x.dtype == FLOAT32:
        x, y = x.astype(FLOAT64), y.astype(FLOAT64)
        # A logarithm of 53 bits, times at most 104, leaves more than float32's 24.
        size = exp(code, y * log(code, magnitude(code, x)))
        return _with_edges(code, x, y, size).astype(FLOAT32)
    high, low = _double_log(code, magnitude(code, x))
    product, lost = exact_product(code, y, high)
    return _with_edges(code, x, y, exp_of_sum(code, product, code.fma(y, low, lost)))


def _with_edges(code: Code, x: Number, y: Number, size: Number) -> Number:
    """x^y from |x|^y."""
    whole = code.intrinsic("trunc", y) == y
    half = 0.5 * y
    odd = whole & (code.intrinsic("trunc", half) != half)
    value = code.select(odd & (x.bits(np.int64) < 0), -size, size)
    value = code.select((x < 0.0) & (x > -np.inf) & ~whole, np.nan, value)
    value = code.select(is_nan(x) | is_nan(y), x + y, value)
    infinite = magnitude(code, y) == np.inf
    return code.select((y == 0.0) | (x == 1.0) | ((x == -1.0) & infinite), 1.0, value)


def _double_log(code: Code, x: Number) -> tuple[Number, Number]:
    """Natural logarithm of x ≥ 0 as two numbers, right to 2^−66."""
    usual, shift = normal(code, x)
    k, f, _ = parts(usual)
    k = k + shift
    below, below_lost = fast_sum(code.constant(FLOAT64, 2.0, x.lanes), f)
    s = f / below
    back, back_lost = exact_product(code, s, below)
    s_lost = (((f - back) - back_lost) - s * below_lost) / below
    square, square_lost = exact_product(code, s, s)
    square_lost = square_lost + 2.0 * (s * s_lost)
    first = code.constant(FLOAT64, _TWO_THIRDS[0], x.lanes)
    factor, factor_lost = fast_sum(first, square * polynomial(code, _LOG, square))
    factor_lost = factor_lost + _TWO_THIRDS[1]
    curved, lost = exact_product(code, factor, square)
    lost = lost + (factor * square_lost + factor_lost * square)
    cubic, cubic_lost = exact_product(code, s, curved)
    cubic_lost = cubic_lost + (s * lost + s_lost * curved)
    short, short_lost = fast_sum(s + s, cubic)
    short_lost = short_lost + ((s_lost + s_lost) + cubic_lost)
    high, low = LN2_PARTS[8]
    total, total_lost = fast_sum(k * high, short)
    value, rest = fast_sum(total, total_lost + (short_lost + k * low))
    edge = code.select(x == 0.0, -np.inf, x)
    usual_number = (x > 0.0) & (x < np.inf)
    return code.select(usual_number, value, edge), code.select(usual_number, rest, 0.0)


def _whole_power(code: Code, x: Number, y: Number) -> Number:
    """Squares of x multiplied together, one for each bit of y."""
    if x.kind == "b":
        return x | ~y
    one = code.constant(x.dtype, 1, x.lanes)

    def turn(_: object, result: Number, base: Number, left: Number) -> list[Number]:
        taken = code.select((left & 1) != 0, result * base, result)
        return [taken, base * base, left >> 1]

    bits = 8 * x.dtype.itemsize
    result, _, _ = code.loop(0, bits - (x.kind == "i"), 1, turn, [one, x, y])
    return Number(code, result.value, x.dtype, x.lanes)


def hypot(code: Code, x: Number, y: Number) -> Number:
    """√(x² + y²), without overflow or underflow of the squares."""
    x, y = code.together(floating(x), floating(y))
    if x.dtype == FLOAT32:
        a, b = magnitude(code, x.astype(FLOAT64)), magnitude(code, y.astype(FLOAT64))
        length = code.intrinsic("sqrt", a * a + b * b)
    else:
        a, b = magnitude(code, x), magnitude(code, y)
        large, small = (a > 2.0**500) | (b > 2.0**500), (a < 2.0**-400) & (b < 2.0**-400)
        one = code.constant(FLOAT64, 1.0, x.lanes)
        down = code.select(large, 2.0**-600, code.select(small, 2.0**600, one))
        back = code.select(large, 2.0**600, code.select(small, 2.0**-600, one))
        c, d = a * down, b * down
        length = code.intrinsic("sqrt", c * c + d * d) * back
    infinite = (a == np.inf) | (b == np.inf)
    return code.select(infinite, np.inf, length).astype(x.dtype)


FUNCTIONS = {"power": power, "hypot": hypot}
