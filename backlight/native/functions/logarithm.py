"""Logarithms: log, log1p, log2, log10.

x = 2ᵏ·(1 + f) with √½ ≤ 1 + f < √2, so that ln x = k·ln 2 + ln(1 + f), and the last is f plus a
small correction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backlight.native.functions.exponential import LN2_PARTS
from backlight.native.functions.polynomial import (
    exact_product,
    fast_sum,
    format_of,
    in_double,
    polynomial,
    single_or_double,
)
from backlight.native.machine_code.emit import Code, Number

# (ln(1 + f) − f + f²/2)/f³ for √½ ≤ 1 + f < √2: relative error of the logarithm 2^−30.
_LOG32 = (
    0.333333105,
    -0.249999866,
    0.200022399,
    -0.166692615,
    0.142183647,
    -0.123839512,
    0.118749514,
    -0.117932335,
    0.0691489577,
)
# (ln((1 + s)/(1 − s)) − 2s)/s³ as a polynomial of s², s = f/(2 + f): relative error 2^−59.
_LOG64 = (
    0.6666666666666735,
    0.3999999999940729,
    0.2857142874418331,
    0.2222219837446988,
    0.18183575360377363,
    0.15313751068425294,
    0.14799110500269433,
)
_ROOT_HALF_BITS = {4: 0x3F3504F3, 8: 0x3FE6A09E667F3BCD}
_LOG2_E = (1.4426950408889634, 2.0355273740931033e-17)
_LOG10_E = 0.4342944819032518
_LOG10_2 = (0.30102999560767785, 5.630334806675098e-11)
_SMALLEST_NORMAL = {4: 2.0**-126, 8: 2.0**-1022}


class Parts(NamedTuple):
    """x = 2ᵏ · (1 + f)."""

    k: Number
    """A whole number, in x's type."""
    f: Number
    scale: Number
    """2^−k, where that is a normal number."""


def parts(x: Number) -> Parts:
    """A positive normal number taken apart; of other numbers, nonsense."""
    form = format_of(x)
    size = x.dtype.itemsize
    bits = x.bits(form.integer)
    unsigned = np.dtype(f"u{size}")
    offset = bits + (form.one - _ROOT_HALF_BITS[size])
    stored = (offset.bits(unsigned) >> form.mantissa).bits(form.integer)
    shifted = stored << form.mantissa
    mantissa = (bits - shifted + form.one).bits(x.dtype)
    k = (stored + form.magic_bits).bits(x.dtype) - (form.magic + form.bias)
    scale = (2 * form.one - shifted).bits(x.dtype)
    return Parts(k, mantissa - 1.0, scale)


def _correction(code: Code, f: Number) -> Number:
    """ln(1 + f) − f."""
    if f.dtype.itemsize == 4:
        return f * f * code.fma(polynomial(code, _LOG32, f), f, -0.5)
    half_square = 0.5 * f * f
    s = f / (f + 2.0)
    square = s * s
    rest = square * polynomial(code, _LOG64, square)
    return code.fma(s, half_square + rest, -half_square)


def _joined(code: Code, k: Number, f: Number, missing: Number | None = None) -> Number:
    """k·ln 2 + ln(1 + f + missing)."""
    high, low = LN2_PARTS[f.dtype.itemsize]
    total, lost = fast_sum(k * high, f)
    if missing is not None:
        lost = lost + missing
    return total + (_correction(code, f) + code.fma(k, low, lost))


def _at_the_edge(code: Code, x: Number, value: Number) -> Number:
    """The logarithm's value at 0, below 0, at infinity and of NaN."""
    outside = code.select(x == 0.0, -np.inf, code.constant(x.dtype, np.nan, x.lanes))
    value = code.select(x > 0.0, value, outside)
    return code.select(x == np.inf, x, value)


def normal(code: Code, x: Number) -> tuple[Number, Number]:
    """Number made normal by a power of two, and that power."""
    size = x.dtype.itemsize
    bits = format_of(x).mantissa + 2
    small = x < _SMALLEST_NORMAL[size]
    lanes = x.lanes
    shift = code.select(
        small, code.constant(x.dtype, -float(bits), lanes), code.constant(x.dtype, 0.0, lanes)
    )
    return code.select(small, x * 2.0**bits, x), shift


@single_or_double
def log(code: Code, x: Number) -> Number:
    """The natural logarithm."""
    usual, shift = normal(code, x)
    k, f, _ = parts(usual)
    return _at_the_edge(code, x, _joined(code, k + shift, f))


@single_or_double
def log1p(code: Code, x: Number) -> Number:
    """ln(1 + x), with all its digits near 0: f is found from x, never from a rounded 1 + x."""
    whole = x + 1.0
    k, f, scale = parts(whole)
    exact, lost = fast_sum(scale - 1.0, scale * x)
    ordinary = x < 2.0**60
    f, lost = code.select(ordinary, exact, f), code.select(ordinary, lost, 0.0)
    value = _joined(code, k, f, lost)
    return code.select(x == 0.0, x, _at_the_edge(code, whole, value))


@in_double
def log2(code: Code, x: Number) -> Number:
    """Logarithm to base 2; exact for powers of two."""
    usual, shift = normal(code, x)
    k, f, _ = parts(usual)
    total, lost = fast_sum(f, _correction(code, f))
    high, rest = _LOG2_E
    scaled, error = exact_product(code, total, code.constant(x.dtype, high, x.lanes))
    value = (k + shift) + (scaled + (code.fma(total, rest, lost * high) + error))
    return _at_the_edge(code, x, value)


@in_double
def log10(code: Code, x: Number) -> Number:
    """Logarithm to base 10."""
    usual, shift = normal(code, x)
    k, f, _ = parts(usual)
    exponent = k + shift
    natural = f + _correction(code, f)
    high, low = _LOG10_2
    total, lost = fast_sum(exponent * high, natural * _LOG10_E)
    return _at_the_edge(code, x, total + code.fma(exponent, low, lost))


FUNCTIONS = {"log": log, "log1p": log1p, "log2": log2, "log10": log10}
