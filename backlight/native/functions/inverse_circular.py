"""Arcs: arcsin, arccos, arctan, arctan2. All are computed in float64."""

from __future__ import annotations

import numpy as np

from backlight.native.functions.polynomial import (
    in_double,
    magnitude,
    polynomial,
    with_sign_of,
)
from backlight.native.machine_code.emit import Code, Number

_PI = (3.141592653589793, 1.2246467991473532e-16)
_TAN_PI_8 = 0.41421356237309503

# (arctan t/t − 1)/t² as a polynomial of t², t ≤ tan π/8: relative error 2^−64.
_ARCTAN = (
    -0.33333333333333326,
    0.19999999999997647,
    -0.14285714285385315,
    0.11111111088007422,
    -0.09090908138311098,
    0.07692282616737,
    -0.0666622464417965,
    0.058770009504943724,
    -0.052182692655463825,
    0.04502996433855539,
    -0.03346150337319016,
    0.015181919472749415,
)
# (arcsin t/t − 1)/t² as a polynomial of t², t ≤ ½: relative error 2^−60.
_ARCSIN = (
    0.16666666666666766,
    0.07499999999969431,
    0.04464285717595698,
    0.030381942641542134,
    0.022372216897312995,
    0.017351577001760175,
    0.013981248104276917,
    0.011395353880836477,
    0.010800516814922266,
    0.00362870617175237,
    0.021899241851079197,
    -0.021274261134459203,
    0.032803040702603294,
)


def _arctan_of_quotient(code: Code, y: Number, x: Number) -> tuple[Number, Number]:
    """arctan(y/x) for y, x ≥ 0, as a main part and a correction."""
    steep = y > x
    low, high = code.select(steep, x, y), code.select(steep, y, x)
    ratio = code.select(low == high, 1.0, low / high)
    ratio = code.select(high == 0.0, 0.0, ratio)
    # arctan t = π/4 + arctan((t − 1)/(t + 1)) brings 0.41 … 1 to −0.41 … 0.
    far = ratio > _TAN_PI_8
    t = code.select(far, (ratio - 1.0) / (ratio + 1.0), ratio)
    square = t * t
    small = t * square * polynomial(code, _ARCTAN, square)
    sign = code.select(steep, code.constant(t.dtype, -1.0, t.lanes), 1.0)
    main = code.select(far, 0.25 * _PI[0], code.constant(t.dtype, 0.0, t.lanes))
    rest = code.select(far, 0.25 * _PI[1], code.constant(t.dtype, 0.0, t.lanes))
    # With a steep slope it is π/2 less all this.
    main = code.select(steep, 0.5 * _PI[0] - main, main)
    rest = code.select(steep, 0.5 * _PI[1] - rest, rest)
    return main, sign * t + (rest + sign * small)


@in_double
def arctan(code: Code, x: Number) -> Number:
    """The angle whose tangent is x."""
    one = code.constant(x.dtype, 1.0, x.lanes)
    main, rest = _arctan_of_quotient(code, magnitude(code, x), one)
    value = code.select(x != x, x, main + rest)
    return with_sign_of(code, value, x)


@in_double
def arctan2(code: Code, y: Number, x: Number) -> Number:
    """The angle of the point (x, y), −π … π."""
    main, rest = _arctan_of_quotient(code, magnitude(code, y), magnitude(code, x))
    left = x.bits(np.int64) < 0
    main = code.select(left, _PI[0] - main, main)
    rest = code.select(left, _PI[1] - rest, rest)
    value = code.select((x != x) | (y != y), x + y, main + rest)
    return with_sign_of(code, value, y)


def _arcsin_near(code: Code, t: Number, square: Number) -> Number:
    """What arcsin t is more than t, for 0 ≤ t ≤ ½."""
    return t * square * polynomial(code, _ARCSIN, square)


@in_double
def arcsin(code: Code, x: Number) -> Number:
    """The angle whose sine is x: beyond ½, π/2 − 2 arcsin √((1 − x)/2)."""
    size = magnitude(code, x)
    far = size > 0.5
    square = code.select(far, 0.5 - 0.5 * size, size * size)
    root = code.intrinsic("sqrt", square)
    t = code.select(far, root, size)
    small = _arcsin_near(code, t, square)
    beyond = 0.5 * _PI[0] - (2.0 * t - (0.5 * _PI[1] - 2.0 * small))
    return with_sign_of(code, code.select(far, beyond, t + small), x)


@in_double
def arccos(code: Code, x: Number) -> Number:
    """The angle whose cosine is x."""
    size = magnitude(code, x)
    far = size > 0.5
    square = code.select(far, 0.5 - 0.5 * size, size * size)
    root = code.intrinsic("sqrt", square)
    t = code.select(far, root, x)
    small = _arcsin_near(code, t, square)
    middle = 0.5 * _PI[0] - (t - (0.5 * _PI[1] - small))
    right = 2.0 * (t + small)
    left = _PI[0] - (2.0 * t - (_PI[1] - 2.0 * small))
    return code.select(far, code.select(x < 0.0, left, right), middle)


FUNCTIONS = {"arcsin": arcsin, "arccos": arccos, "arctan": arctan, "arctan2": arctan2}
