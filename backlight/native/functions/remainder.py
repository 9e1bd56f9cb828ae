"""Division with a whole quotient: floor_divide and remainder, with NumPy's answers.

The remainder takes the sign of the divisor. It is exact: long division of the binary digits, eleven
at a time, whatever the quotient's size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.functions.polynomial import FLOAT64, in_double, magnitude, with_sign_of
from backlight.native.machine_code.emit import F64, Code, Number

_STEP = 11
_INT64 = np.dtype(np.int64)


def floor_divide(code: Code, x: Number, y: Number) -> Number:
    """The quotient rounded down; of integers 0 for a divisor of 0, as NumPy answers."""
    x, y = code.together(x, y)
    return _whole(code, x, y)[0] if x.kind != "f" else _floor_divide(code, x, y)


def remainder(code: Code, x: Number, y: Number) -> Number:
    """What the quotient rounded down leaves; of integers 0 for a divisor of 0."""
    x, y = code.together(x, y)
    return _whole(code, x, y)[1] if x.kind != "f" else _remainder(code, x, y)


def _whole(code: Code, x: Number, y: Number) -> tuple[Number, Number]:
    """Quotient and remainder of integers; the processor would stop at the refused divisors."""
    if x.kind == "b":
        x, y = x.astype(np.int8), y.astype(np.int8)
    refused = y == 0
    if x.kind == "i":
        lowest = np.iinfo(x.dtype).min
        overflows = (x == lowest) & (y == -1)
        divisor = code.select(refused | overflows, 1, y)
    else:
        divisor = code.select(refused, 1, y)
    quotient = x / divisor
    left = x - quotient * divisor
    if x.kind == "i":
        below = (left != 0) & ((left ^ divisor) < 0)
        quotient = code.select(below, quotient - 1, quotient)
        left = code.select(below, left + divisor, left)
    return code.select(refused, 0, quotient), code.select(refused, 0, left)


@in_double
def _floor_divide(code: Code, x: Number, y: Number) -> Number:
    left = _left(code, x, y)
    quotient = (x - left) / y
    quotient = code.select(_turned(left, y), quotient - 1.0, quotient)
    down = code.intrinsic("floor", quotient)
    down = code.select(quotient - down > 0.5, down + 1.0, down)
    down = code.select(quotient == 0.0, with_sign_of(code, quotient, x / y), down)
    return code.select(y == 0.0, x / y, down)


@in_double
def _remainder(code: Code, x: Number, y: Number) -> Number:
    left = _left(code, x, y)
    moved = code.select(_turned(left, y), left + y, left)
    return code.select(left == 0.0, with_sign_of(code, moved, y), moved)


def _turned(left: Number, y: Number) -> Number:
    """Whether what is left has another sign than the divisor."""
    return (left != 0.0) & ((left < 0.0) ^ (y < 0.0))


def _left(code: Code, x: Number, y: Number) -> Number:
    """What x leaves when divided by y towards 0, exactly."""
    size, divisor = magnitude(code, x), magnitude(code, y)
    function = _long_division(code)
    found = size
    for lane in range(x.lanes):
        one = code.builder.call(function, [size.lane(lane).value, divisor.lane(lane).value])
        if x.lanes == 1:
            found = x.like(one)
        else:
            found = x.like(code.builder.insert_element(found.value, one, ir.IntType(32)(lane)))
    found = code.select(divisor == np.inf, size, found)
    refused = (divisor == 0.0) | (size == np.inf) | (x != x) | (y != y)
    found = code.select(refused, np.nan, found)
    return with_sign_of(code, found, x)


def _long_division(code: Code) -> Any:
    """The function (x, y) → remainder for finite x ≥ 0, y > 0, written once a module."""
    name = "backlight_long_division"
    known = code.module.globals.get(name)
    if known is not None:
        return known
    function = ir.Function(code.module, ir.FunctionType(F64, [F64, F64]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    inner = Code(function, code.target)
    x, y = (Number(inner, one, FLOAT64, 1) for one in function.args)
    digits, exponent = _digits(inner, x)
    divisor, other = _digits(inner, y)
    divisor = inner.select(divisor == 0, 1, divisor).bits(np.uint64)
    far = exponent - other
    steps = inner.select(far < 0, 0, far + (_STEP - 1)).bits(np.uint64) / _STEP
    first = _modulo(digits.bits(np.uint64), divisor)

    def turn(_: Any, left: Number, rest: Number) -> list[Number]:
        places = inner.select(rest < _STEP, rest, _STEP)
        return [_modulo(left << places.bits(np.uint64), divisor), rest - places]

    left, _ = inner.loop(0, steps.value, 1, turn, [first, far])
    # The remainder counts units of the divisor's last place, 2^(other − 1) times the smallest.
    small = left.bits(np.int64).astype(FLOAT64) * 2.0**-1074
    half = (other - 1) >> 1
    value = small * _power(half) * _power(other - 1 - half)
    inner.builder.ret(inner.select(far < 0, x, value).value)
    return function


def _digits(code: Code, x: Number) -> tuple[Number, Number]:
    """A whole number of 53 bits and the exponent it is stored with, at least 1."""
    bits = x.bits(_INT64)
    exponent, digits = bits >> 52, bits & (2**52 - 1)
    usual = exponent > 0
    digits = code.select(usual, digits | 2**52, digits)
    return digits, code.select(usual, exponent, 1)


def _modulo(x: Number, y: Number) -> Number:
    return x.like(x.code.builder.urem(x.value, y.value))


def _power(exponent: Number) -> Number:
    return ((exponent + 1023) << 52).bits(FLOAT64)


FUNCTIONS = {"floor_divide": floor_divide, "remainder": remainder, "mod": remainder}
