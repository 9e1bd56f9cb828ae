"""Sums, comparisons, roundings, choices and bits, with NumPy's answers at every edge."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
from llvmlite import ir

from backlight.native.functions.polynomial import floating, is_nan, magnitude
from backlight.native.machine_code.emit import Code, Number

Emitter = Callable[..., Number]


def _add(x: Number, y: Number) -> Number:
    """The sum; of truth values, or."""
    return x | y if x.kind == "b" else x + y


def _multiply(x: Number, y: Number) -> Number:
    """The product; of truth values, and."""
    return x & y if x.kind == "b" else x * y


def _divide(x: Number, y: Number) -> Number:
    """The quotient, of integers in float64."""
    return floating(x) / floating(y)


def fma(code: Code, x: Number, y: Number, z: Number) -> Number:
    """A product and a sum, rounded once where the target can."""
    return code.fma(x, y, z) if x.kind == "f" else x * y + z


def sqrt(code: Code, x: Number) -> Number:
    """The square root, correctly rounded."""
    return code.intrinsic("sqrt", floating(x))


def absolute(code: Code, x: Number) -> Number:
    """The size of a number."""
    if x.kind == "f":
        return magnitude(code, x)
    return code.select(x < 0, -x, x) if x.kind == "i" else x


def sign(code: Code, x: Number) -> Number:
    """−1, 0 or 1; NaN of NaN."""
    zero, one = (code.constant(x.dtype, value, x.lanes) for value in (0, 1))
    if x.kind in "ub":
        return code.select(x != 0, one, zero)
    value = code.select(x > 0, one, code.select(x < 0, -one, zero))
    return code.select(is_nan(x), x, value) if x.kind == "f" else value


def copysign(code: Code, x: Number, y: Number) -> Number:
    """The size of the first with the sign of the second."""
    return code.intrinsic("copysign", floating(x), floating(y))


def maximum(code: Code, x: Number, y: Number) -> Number:
    """The larger; NaN if either is. Of zeros with different signs the second, as NumPy."""
    x, y = code.together(x, y)
    return x | y if x.kind == "b" else _winner(code, x, y, ">")


def minimum(code: Code, x: Number, y: Number) -> Number:
    """The smaller; NaN if either is. Of zeros with different signs the second, as NumPy."""
    x, y = code.together(x, y)
    return x & y if x.kind == "b" else _winner(code, x, y, "<")


def _winner(code: Code, x: Number, y: Number, word: str) -> Number:
    # A comparison with NaN is false: that keeps a second NaN, and a first one must be seen.
    if x.kind != "f" or _known_number(x):
        return code.select(code.compare(word, x, y), x, y)
    if not _known_number(y):
        return code.select(code.compare(word, x, y) | is_nan(x), x, y)
    if _constant(y) != 0:  # equal numbers are the same: one instruction, which keeps a first NaN
        return code.select(code.compare(word, y, x), y, x)
    # Where y does not win, or nothing can be said: one comparison for both.
    first = code.builder.fcmp_unordered(word, x.value, y.value)
    return code.select(Number(code, first, np.dtype(bool), x.lanes), x, y)


def _known_number(y: Number) -> bool:
    """Whether y is a constant, and not NaN."""
    held = _constant(y)
    return held is not None and held == held


def _constant(y: Number) -> float | None:
    """The number that every lane holds, if y is a constant fraction."""
    if not isinstance(y.value, ir.Constant):
        return None
    held = y.value.constant
    first = held[0] if isinstance(held, (list, tuple)) else held
    return first if isinstance(first, float) else None


def floor(code: Code, x: Number) -> Number:
    """The next whole number downwards."""
    return _to_whole(code, "floor", x)


def ceil(code: Code, x: Number) -> Number:
    """The next whole number upwards."""
    return _to_whole(code, "ceil", x)


def trunc(code: Code, x: Number) -> Number:
    """The next whole number towards 0."""
    return _to_whole(code, "trunc", x)


def rint(code: Code, x: Number) -> Number:
    """The nearest whole number, of two equally near ones the even one."""
    return _to_whole(code, "rint", x)


def _to_whole(code: Code, name: str, x: Number) -> Number:
    return code.intrinsic(name, x) if x.kind == "f" else x


# ── questions ──────────────────────────────────────────────────────────────────────────────


def isnan(code: Code, x: Number) -> Number:
    """Whether x is not a number."""
    return is_nan(x) if x.kind == "f" else code.constant(np.bool_, False, x.lanes)


def isinf(code: Code, x: Number) -> Number:
    """Whether x is infinite."""
    if x.kind != "f":
        return code.constant(np.bool_, False, x.lanes)
    return magnitude(code, x) == np.inf


def isfinite(code: Code, x: Number) -> Number:
    """Whether x is neither infinite nor NaN."""
    if x.kind != "f":
        return code.constant(np.bool_, True, x.lanes)
    return magnitude(code, x) < np.inf


def signbit(code: Code, x: Number) -> Number:
    """Whether x has a minus, as −0 does."""
    if x.kind == "f":
        return x.bits(np.int32 if x.dtype.itemsize == 4 else np.int64) < 0
    return x < 0 if x.kind == "i" else code.constant(np.bool_, False, x.lanes)


def truth(x: Number) -> Number:
    """Whether x is anything but 0."""
    return x if x.kind == "b" else x != 0


def where(code: Code, condition: Number, x: Number, y: Number) -> Number:
    """The first in the lanes where the condition holds, else the second."""
    return code.select(truth(condition), x, y)


def clip(code: Code, x: Number, low: Number, high: Number) -> Number:
    """A number held between two limits."""
    return minimum(code, maximum(code, x, low), high)


# ── bits ───────────────────────────────────────────────────────────────────────────────────


def left_shift(code: Code, x: Number, y: Number) -> Number:
    """Bits moved up; 0 if by a negative number or by as many as there are."""
    x, y = code.together(x, y)
    inside, places = _places(code, y)
    return code.select(inside, x << places, 0)


def right_shift(code: Code, x: Number, y: Number) -> Number:
    """Bits moved down; 0 or −1 if by a negative number or by as many as there are."""
    x, y = code.together(x, y)
    inside, places = _places(code, y)
    beyond = x >> (8 * x.dtype.itemsize - 1) if x.kind == "i" else x ^ x
    return code.select(inside, x >> places, beyond)


def _places(code: Code, y: Number) -> tuple[Number, Number]:
    """Whether shifting by y is defined, and a y for which it is."""
    unsigned = y.bits(np.dtype(f"u{y.dtype.itemsize}"))
    inside = unsigned < 8 * y.dtype.itemsize
    return inside, code.select(inside, y, 0)


def _plain(rule: Emitter) -> Emitter:
    """A rule of numbers alone, as one that is also given the code being written."""
    return lambda _code, *numbers: rule(*numbers)


def _logical(rule: Emitter) -> Emitter:
    """A rule of truth values, for any numbers."""
    return lambda _code, *numbers: rule(*map(truth, numbers))


FUNCTIONS: dict[str, Emitter] = {
    "add": _plain(_add),
    "subtract": _plain(operator.sub),
    "multiply": _plain(_multiply),
    "divide": _plain(_divide),
    "true_divide": _plain(_divide),
    "fma": fma,
    "negative": _plain(operator.neg),
    "positive": _plain(lambda x: x),
    "square": _plain(lambda x: _multiply(x, x)),
    "reciprocal": _plain(lambda x: 1.0 / floating(x)),
    "sqrt": sqrt,
    "absolute": absolute,
    "abs": absolute,
    "sign": sign,
    "copysign": copysign,
    "maximum": maximum,
    "minimum": minimum,
    "clip": clip,
    "where": where,
    "floor": floor,
    "ceil": ceil,
    "trunc": trunc,
    "rint": rint,
    "round": rint,
    "isnan": isnan,
    "isinf": isinf,
    "isfinite": isfinite,
    "signbit": signbit,
    "less": _plain(operator.lt),
    "less_equal": _plain(operator.le),
    "greater": _plain(operator.gt),
    "greater_equal": _plain(operator.ge),
    "equal": _plain(operator.eq),
    "not_equal": _plain(operator.ne),
    "logical_and": _logical(operator.and_),
    "logical_or": _logical(operator.or_),
    "logical_xor": _logical(operator.xor),
    "logical_not": _logical(operator.invert),
    "bitwise_and": _plain(operator.and_),
    "bitwise_or": _plain(operator.or_),
    "bitwise_xor": _plain(operator.xor),
    "invert": _plain(operator.invert),
    "left_shift": left_shift,
    "right_shift": right_shift,
}
