"""Exponentials: exp, exp2, expm1 and the hyperbolic functions.

x = n·ln 2 + r with a whole n and |r| ≤ ½ ln 2, so that eˣ = 2ⁿ·eʳ; and eʳ is a polynomial.
"""

from __future__ import annotations

from backlight.native.functions.polynomial import (
    fast_sum,
    format_of,
    in_double,
    magnitude,
    polynomial,
    power_of_two,
    rounded,
    scaled,
    single_or_double,
    times_power_of_two,
    with_sign_of,
)
from backlight.native.machine_code.emit import Code, Number

LOG2_E = 1.4426950408889634

# ln 2 in two parts, the first so short that its product with n is exact.
LN2_PARTS = {
    4: (0.693145751953125, 1.4286068203094172e-06),
    8: (0.6931471803691238, 1.9082149292705877e-10),
}

# (eʳ − 1 − r)/r² for |r| ≤ ½ ln 2, weighted for the error of eʳ: 2^−34 and 2^−64.
_EXP = {
    4: (0.5, 0.166666672, 0.0416662656, 0.00833326299, 0.00139462878, 0.000199189177),
    8: (
        0.5,
        0.16666666666666685,
        0.04166666666666673,
        0.008333333333316487,
        0.0013888888888858313,
        0.00019841269897692516,
        2.4801587374129822e-05,
        2.755723359266284e-06,
        2.7557232963043307e-07,
        2.5112467846526865e-08,
        2.092707753184411e-09,
    ),
}

# (tanh x / x − 1)/x² as a polynomial of x²: up to x = 1, relative error 2^−31; up to √½, 2^−61.
_TANH = {
    4: (
        -0.333333284,
        0.133331999,
        -0.0539531,
        0.0217847433,
        -0.00859513879,
        0.00307862228,
        -0.000841154193,
        0.000121474914,
    ),
    8: (
        -0.33333333333333315,
        0.13333333333330738,
        -0.053968253966809626,
        0.02186948849559578,
        -0.008863234856262617,
        0.003592120822290315,
        -0.0014557819554318367,
        0.0005897609541595034,
        -0.0002381674255840257,
        9.444404988570533e-05,
        -3.479581345165535e-05,
        1.0299427907580999e-05,
        -1.7297936598278999e-06,
    ),
}
_TANH_LIMIT = {4: 1.0, 8: 0.7}

# Beyond these exp is 0 or infinite, and far enough that rounding makes it so.
_EXP_RANGE = {4: (-104.0, 89.0), 8: (-746.0, 710.0)}
_EXPM1_RANGE = {4: (-20.0, 89.0), 8: (-40.0, 710.0)}
_TANH_SATURATED = {4: 20.0, 8: 44.0}


def _clamped(code: Code, x: Number, low: float, high: float) -> Number:
    """The number between two limits; NaN stays."""
    x = code.select(x < low, low, x)
    return code.select(x > high, high, x)


def _reduced(code: Code, x: Number) -> tuple[Number, Number, Number]:
    """Take x apart as n·ln 2 + r: n offset by magic_bits, r, and what rounding r lost."""
    size = x.dtype.itemsize
    high, low = LN2_PARTS[size]
    n, bits = rounded(code, x, LOG2_E)
    first = code.fma(n, -high, x)
    r = code.fma(n, -low, first)
    lost = code.fma(n, -low, first - r)
    return bits, r, lost


def _exp_of_rest(code: Code, r: Number) -> Number:
    """eʳ for a reduced r."""
    return code.fma(polynomial(code, _EXP[r.dtype.itemsize], r), r * r, r) + 1.0


def exp_within(code: Code, x: Number) -> Number:
    """eˣ where it is a normal number below half of the largest: no other x may be given."""
    exponent, r, _ = _reduced(code, x)
    form = format_of(x)
    return (_exp_of_rest(code, r).bits(form.integer) + (exponent << form.mantissa)).bits(x.dtype)


@single_or_double
def exp(code: Code, x: Number) -> Number:
    """eˣ."""
    exponent, r, _ = _reduced(code, _clamped(code, x, *_EXP_RANGE[x.dtype.itemsize]))
    return scaled(code, _exp_of_rest(code, r), exponent)


@in_double
def exp2(code: Code, x: Number) -> Number:
    """2ˣ."""
    x = _clamped(code, x, -1100.0, 1100.0)
    n, bits = rounded(code, x, 1.0)
    r = (x - n) * 0.6931471805599453
    return times_power_of_two(_exp_of_rest(code, r), bits)


@single_or_double
def expm1(code: Code, x: Number) -> Number:
    """eˣ − 1, with all its digits near 0."""
    size = x.dtype.itemsize
    exponent, r, lost = _reduced(code, _clamped(code, x, *_EXPM1_RANGE[size]))
    curved = code.fma(polynomial(code, _EXP[size], r), r * r, lost)
    # Half of the result, since 2ⁿ itself may be too large for the type.
    scale = power_of_two(exponent - 1, x.dtype)
    whole, missing = fast_sum(scale, code.constant(x.dtype, -0.5, x.lanes))
    straight, rest = fast_sum(whole, scale * r)
    half = straight + code.fma(scale, curved, rest + missing)
    tiny = 2.0 ** -(format_of(x).mantissa + 3)
    return code.select(magnitude(code, x) < tiny, x, half + half)


@single_or_double
def tanh(code: Code, x: Number) -> Number:
    """Hyperbolic tangent: x + x³·P(x²) near 0, and 1 − 2/(e^(2|x|) + 1) beyond."""
    width = x.dtype.itemsize
    size = magnitude(code, x)
    square = size * size
    near = code.fma(square * polynomial(code, _TANH[width], square), size, size)
    limit = _TANH_SATURATED[width]
    power = exp_within(code, code.select(size > 0.5 * limit, limit, size + size))
    far = 1.0 - 2.0 / (power + 1.0)
    return with_sign_of(code, code.select(size > _TANH_LIMIT[width], far, near), x)


@in_double
def sinh(code: Code, x: Number) -> Number:
    """(eˣ − e^(−x))/2 from expm1, so that no digit is lost near 0."""
    size = magnitude(code, x)
    less_one = expm1(code, code.select(size > 709.0, 709.0, size))
    near = 0.5 * (less_one + less_one / (less_one + 1.0))
    near = code.select(size < 2.0**-27, size, near)
    return with_sign_of(code, code.select(size > 22.0, _half_exp(code, size), near), x)


@in_double
def cosh(code: Code, x: Number) -> Number:
    """(eˣ + e^(−x))/2."""
    size = magnitude(code, x)
    power = exp(code, size)
    near = 0.5 * power + 0.5 / power
    return code.select(size > 22.0, _half_exp(code, size), near)


def _half_exp(code: Code, x: Number) -> Number:
    """eˣ/2, which is finite a little beyond where eˣ is."""
    exponent, r, _ = _reduced(code, code.select(x > 712.0, 712.0, x))
    value = times_power_of_two(_exp_of_rest(code, r), exponent - 1)
    return code.select(x != x, x, value)


def exp_of_sum(code: Code, high: Number, low: Number) -> Number:
    """e^(high + low) in float64, for a low that is lost in high + low.

    A larger low, or NaN, belongs to a high so large that the result is 0 or infinite without it.
    """
    clamped = _clamped(code, high, *_EXP_RANGE[8])
    exponent, r, lost = _reduced(code, clamped)
    kept = code.select(magnitude(code, low) < 2.0**-30, low, 0.0) + lost
    total, rest = fast_sum(r, kept)
    value = code.fma(polynomial(code, _EXP[8], total), total * total, rest) + total + 1.0
    return times_power_of_two(value, exponent)


FUNCTIONS = {"exp": exp, "exp2": exp2, "expm1": expm1, "tanh": tanh, "sinh": sinh, "cosh": cosh}
