"""Circular functions: sine, cosine, tangent.

x = n·π/2 + r with a whole n and |r| ≤ π/4; then a polynomial of r, and n mod 4 says which of
±sin r, ±cos r it is. All is computed in float64. Up to a limit n·π/2 is subtracted in three parts.
Beyond it, in a branch that is hardly ever taken, 2/π is multiplied in as an integer of as many bits
as the exponent needs. Source: M. Payne and R. Hanek, "Radian reduction for trigonometric
functions", SIGNUM Newsletter 18, 1983.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.functions.polynomial import (
    FLOAT32,
    FLOAT64,
    exact_product,
    fast_sum,
    floating,
    magnitude,
    polynomial,
    rounded,
)
from backlight.native.machine_code.emit import F64, I1, I32, I64, Code, Number

TWO_OVER_PI = 0.6366197723675814
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
# π/2 in three parts, the first two of 33 bits, so that their products with n < 2^20 are exact.
_HALF_PI_PARTS = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)
# |x| below which three parts are enough, by the size of the type x came in.
_LIMIT = {4: 1.0e6, 8: 1.6e3}

# (sin r/r − 1)/r² and (cos r − 1 + r²/2)/r⁴ as polynomials of r², |r| ≤ π/4: relative error of the
# function 2^−69 and 2^−75.
_SIN = (
    -0.16666666666666666,
    0.008333333333333323,
    -0.00019841269841254982,
    2.7557319214145953e-06,
    -2.505210489987341e-08,
    1.605836511701406e-10,
    -7.578622058111386e-13,
)
_COS = (
    0.041666666666666664,
    -0.0013888888888888874,
    2.480158730157138e-05,
    -2.7557319215326146e-07,
    2.0876754354772816e-09,
    -1.147029195284331e-11,
    4.7380488616608914e-14,
)
# 2/π · 2^1280 rounded down, as 20 words of 64 bits, behind one word of zeros.
_TWO_OVER_PI_BITS = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561"
    "b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f52ebb4484"
    "e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b"
    "3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361d",
    16,
)
_WORDS = [0] + [(_TWO_OVER_PI_BITS >> (64 * (19 - place))) & (2**64 - 1) for place in range(20)]


def _reduced(code: Code, x: Number, limit: float) -> tuple[Number, Number, Number]:
    """Quadrant in the lowest bits of an integer, and r in two parts."""
    n, bits = rounded(code, x, TWO_OVER_PI)
    first, second, third = _HALF_PI_PARTS
    start = x - n * first
    part = n * second
    high = start - part
    low = ((start - high) - part) - n * third
    near = [bits, *fast_sum(high, low)]
    large = magnitude(code, x) > limit
    return _with_rare(code, x, large, near)


def _with_rare(
    code: Code, x: Number, large: Number, near: list[Number]
) -> tuple[Number, Number, Number]:
    """What was found, replaced in the lanes where x is large, if there are any."""
    built = code.builder
    some = large.value
    if x.lanes > 1:
        some = code.call(f"llvm.vector.reduce.or.v{x.lanes}i1", I1, [large])
    before = built.block
    with built.if_then(some, likely=False):
        held = code.select(large, x, 1.0e10)
        found = [one.value for one in near]
        function = _large_reduction(code)
        for lane in range(x.lanes):
            parts = built.call(function, [held.lane(lane).value])
            for place in range(3):
                one = built.extract_value(parts, place)
                if x.lanes == 1:
                    found[place] = one
                else:
                    found[place] = built.insert_element(found[place], one, I32(lane))
        found = [
            code.select(large, one.like(value), one).value
            for one, value in zip(near, found, strict=True)
        ]
        after = built.block
    joined = []
    for one, value in zip(near, found, strict=True):
        phi = built.phi(one.value.type)
        phi.add_incoming(one.value, before)
        phi.add_incoming(value, after)
        joined.append(one.like(phi))
    return joined[0], joined[1], joined[2]


def _large_reduction(code: Code) -> Any:
    """The function (x) → (n, r, rest of r) for one large finite x, written once a module."""
    name = "backlight_reduce_by_half_pi"
    known = code.module.globals.get(name)
    if known is not None:
        return known
    result = ir.LiteralStructType([I64, F64, F64])
    function = ir.Function(code.module, ir.FunctionType(result, [F64]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    inner = Code(function, code.target)
    built, wide = inner.builder, ir.IntType(192)
    x = Number(inner, function.args[0], FLOAT64, 1)
    bits = magnitude(inner, x).bits(np.int64)
    mantissa = (bits & (2**52 - 1)) | (1 << 52)
    # Bits of 2/π that are whole multiples of 4 after multiplication do not matter: 192 do.
    skipped = (bits >> 52) - (1075 + 2 - 64)
    word = skipped >> 6
    words = [_word(inner, (word + place).value) for place in range(4)]
    shift = (skipped & 63).value
    product = wide(0)
    for place in range(3):
        pair = _doubled(built, words[place], 128, 64, words[place + 1])
        moved = built.shl(pair, built.zext(shift, ir.IntType(128)))
        part = built.lshr(moved, ir.IntType(128)(64))
        times = built.mul(part, built.zext(mantissa.value, ir.IntType(128)))
        product = built.add(product, built.shl(built.zext(times, wide), wide(64 * (2 - place))))
    # product is x·2/π modulo 4, the binary point below the two highest bits.
    n = built.lshr(built.add(product, wide(1 << 189)), wide(190))
    rest = built.sub(product, built.shl(n, wide(190)))
    below = built.icmp_signed("<", rest, wide(0))
    size = built.select(below, built.neg(rest), rest)
    zeros = built.call(
        inner.module.declare_intrinsic("llvm.ctlz", [wide], ir.FunctionType(wide, [wide, I1])),
        [size, I1(0)],
    )
    size = built.shl(size, zeros)
    scale = ((2 + 1023 - Number(inner, built.trunc(zeros, I64), np.dtype(np.int64), 1)) << 52).bits(
        np.float64
    )
    top = built.uitofp(built.trunc(built.lshr(size, wide(139)), I64), F64)
    following = built.and_(built.trunc(built.lshr(size, wide(86)), I64), I64((1 << 53) - 1))
    more = built.uitofp(following, F64)
    head = x.like(top) * 2.0**-53 * scale
    tail = x.like(more) * 2.0**-106 * scale
    high, lost = exact_product(inner, head, inner.constant(FLOAT64, HALF_PI[0]))
    low = lost + head * HALF_PI[1] + tail * HALF_PI[0]
    r, rest_of_r = fast_sum(high, low)
    # r belongs to |x|, and n counts down for negative x.
    negative = x < 0.0
    quadrant = Number(inner, built.trunc(n, I64), np.dtype(np.int64), 1)
    flip = Number(inner, below, np.dtype(bool), 1) ^ negative
    values = [
        inner.select(negative, -quadrant, quadrant),
        inner.select(flip, -r, r),
        inner.select(flip, -rest_of_r, rest_of_r),
    ]
    answer = ir.Constant(result, ir.Undefined)
    for place, value in enumerate(values):
        answer = built.insert_value(answer, value.value, place)
    built.ret(answer)
    return function


def _doubled(built: Any, high: Any, width: int, by: int, low: Any) -> Any:
    wide = ir.IntType(width)
    return built.or_(built.shl(built.zext(high, wide), wide(by)), built.zext(low, wide))


def _word(code: Code, place: Any) -> Any:
    """A word of 2/π."""
    name = "backlight_two_over_pi"
    table = code.module.globals.get(name)
    if table is None:
        kind = ir.ArrayType(I64, len(_WORDS))
        table = ir.GlobalVariable(code.module, kind, name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(kind, _WORDS)
    return code.load(table, place, np.int64).value


def _sine(code: Code, r: Number, rest: Number) -> Number:
    """sin(r + rest) for a reduced r."""
    square = r * r
    small = code.fma(r * square, polynomial(code, _SIN, square), rest * (1.0 - 0.5 * square))
    return r + small


def _cosine(code: Code, r: Number, rest: Number) -> Number:
    """cos(r + rest) for a reduced r."""
    square = r * r
    half = 0.5 * square
    main, lost = fast_sum(code.constant(FLOAT64, 1.0, r.lanes), -half)
    small = code.fma(square * square, polynomial(code, _COS, square), lost - r * rest)
    return main + small


def _circular(
    finish: Callable[[Code, Number, Number, Number], Number], odd: bool
) -> Callable[..., Number]:
    """A function of the angle, from n, sin r and cos r."""

    def function(code: Code, given: Number) -> Number:
        given = floating(given)
        x = given.astype(FLOAT64)
        n, r, rest = _reduced(code, x, _LIMIT[given.dtype.itemsize])
        value = finish(code, n, _sine(code, r, rest), _cosine(code, r, rest))
        if odd:
            value = code.select(magnitude(code, x) < 2.0**-27, x, value)
        value = code.select(magnitude(code, x) < np.inf, value, x - x)
        return value.astype(FLOAT32) if given.dtype == FLOAT32 else value

    return function


def _sin_of(code: Code, n: Number, sine: Number, cosine: Number) -> Number:
    value = code.select((n & 1) != 0, cosine, sine)
    return code.select((n & 2) != 0, -value, value)


def _cos_of(code: Code, n: Number, sine: Number, cosine: Number) -> Number:
    return _sin_of(code, n + 1, sine, cosine)


def _tan_of(code: Code, n: Number, sine: Number, cosine: Number) -> Number:
    turned = (n & 1) != 0
    return code.select(turned, -cosine, sine) / code.select(turned, sine, cosine)


sin = _circular(_sin_of, odd=True)
cos = _circular(_cos_of, odd=False)
tan = _circular(_tan_of, odd=True)

FUNCTIONS: dict[str, Callable[..., Number]] = {"sin": sin, "cos": cos, "tan": tan}
