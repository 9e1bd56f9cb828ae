"""Every elementwise function against NumPy in float64: over the bit patterns, at the edges."""

import platform
import re

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")
from backlight.gates.error_function import erf_values, erfc_values
from backlight.native.functions.mathematics import FUNCTIONS
from backlight.native.lowering.loops import ELEMENTWISE
from backlight.native.machine_code.build import assembly
from backlight.native.machine_code.machine import NAMES, host, named
from tests.native.elementwise import compute, distance, same_bits, with_rule, written

WIDER = {"avx512": ("avx512", "avx2", "sse"), "avx2": ("avx2", "sse"), "sse": ("sse",)}
AS_X86 = platform.machine().lower() in ("x86_64", "amd64")
TARGETS = WIDER.get(host().name, (host().name,))
REFERENCES = {
    "erf": lambda x: erf_values(np, x),
    "erfc": lambda x: erfc_values(np, x),
}
# In float32 arithmetic; all others are float64 arithmetic, rounded once.
SINGLE = ("exp", "expm1", "log", "log1p", "tanh", "erf")
DOUBLE = (
    *("exp2", "log2", "log10", "sinh", "cosh", "sin", "cos", "tan"),
    *("arcsin", "arccos", "arctan", "erfc", "sqrt"),
)
RISING = ("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "tanh", "sinh", "erf", "arctan")
ODD = ("expm1", "tanh", "sinh", "erf", "sin", "tan", "arcsin", "arctan")
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e38, -1e38)


def patterns(step, dtype=np.float32):
    """Every `step`th bit pattern of float32, in pieces."""
    for start in range(0, 2**32, step << 19):
        bits = np.arange(start, min(start + (step << 19), 2**32), step, dtype=np.uint64)
        yield bits.astype(np.uint32).view(dtype)


def true_values(name, *arrays):
    rule = REFERENCES.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        return rule(*(one.astype(np.float64) for one in arrays))


def assert_near(name, bound, *arrays, target=""):
    got = compute(name, *arrays, target=target)
    away = distance(got, true_values(name, *arrays))
    worst = int(away.argmax())
    assert away[worst] <= bound, (
        f"{name}({', '.join(repr(one[worst]) for one in arrays)}) is {got[worst]!r}, "
        f"{away[worst]:.3g} ulp from the true value"
    )


def test_every_operation_of_the_loop_language_exists():
    assert ELEMENTWISE - {"cast"} <= set(FUNCTIONS)


# ── accuracy ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SINGLE)
def test_float32_within_one_unit_over_the_bit_patterns(name):
    for x in patterns(257):
        assert_near(name, 1.0, x)


@pytest.mark.parametrize("name", DOUBLE)
def test_float32_through_float64_is_rounded_once(name):
    for x in patterns(257 * 16 + 1):
        assert_near(name, 0.52, x)


@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("name", SINGLE + DOUBLE)
def test_narrower_targets_are_as_accurate(name, target):
    for x in patterns(257 * 64 + 1):
        assert_near(name, 1.0, x, target=target)


def draws(name, count=4000):
    """Numbers of every size, dense where the function has its digits to lose."""
    random = np.random.default_rng(5)
    near = random.uniform(-1, 1, count)
    sizes = random.standard_normal(count) * 10.0 ** random.uniform(-9, 4, count)
    one = 1 + random.standard_normal(count) * 10.0 ** random.uniform(-12, 0, count)
    special = {
        "exp": random.uniform(-745, 709.7, count),
        "sinh": random.uniform(-710.4, 710.4, count),
        "cosh": random.uniform(-710.4, 710.4, count),
        "sin": np.round(random.uniform(-1e9, 1e9, count)) * (np.pi / 2),
        "cos": random.uniform(1, 2, count) * 2.0 ** random.integers(0, 1023, count),
        "tan": np.round(random.uniform(-1e3, 1e3, count)) * (np.pi / 2),
        "log": random.integers(1, 2**52, count).view(np.float64),
        "erfc": random.uniform(-6, 27, count),
    }
    return np.concatenate([near, sizes, one, special.get(name, near)])


MPMATH = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}


@pytest.mark.parametrize("target", [TARGETS[0], TARGETS[-1]])
@pytest.mark.parametrize("name", [*SINGLE, *DOUBLE])
def test_float64_within_four_units(name, target):
    x = draws(name, 400)
    if name in ("arcsin", "arccos"):
        x = x[np.abs(x) <= 1]
    if name.startswith("log") or name == "sqrt":
        x = np.abs(x)
    got = compute(name, x, target=target)
    with mpmath.workprec(1400 if name in ("sin", "cos", "tan") else 160):
        functions = {
            "exp2": lambda v: mpmath.mpf(2) ** v,
            "log2": lambda v: mpmath.log(v) / mpmath.log(2),
        }
        rule = functions.get(name) or getattr(mpmath, MPMATH.get(name, name))
        for value, result in zip(x.tolist(), got.tolist(), strict=True):
            true = rule(mpmath.mpf(value))
            nearest = float(true)
            if nearest == result:
                continue
            away = abs(mpmath.mpf(result) - true) / float(np.spacing(abs(nearest)))
            assert away <= 3, f"{name}({value!r}) is {result!r}, {float(away):.3g} ulp away"


# ── shape of the functions ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", RISING)
def test_rising_functions_never_fall_between_neighbours(name):
    random = np.random.default_rng(3)
    for start in (*random.uniform(-20, 90, 20), *random.uniform(-1.2, 1.2, 40), 0.5, 1.0, 0.7071):
        first = np.float32(abs(start) if name.startswith("log") and name != "log1p" else start)
        bits = first.view(np.uint32) + np.arange(4096, dtype=np.uint32)
        x = np.sort(bits.view(np.float32))
        with np.errstate(invalid="ignore"):
            assert not (np.diff(compute(name, x)) < 0).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [one for one in ODD if one != "expm1"])
def test_odd_functions_are_exactly_odd(name, dtype):
    x = np.concatenate([draws(name), EDGES]).astype(dtype)
    assert same_bits(compute(name, -x), -compute(name, x)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*SINGLE, *DOUBLE])
def test_edges_are_those_of_numpy(name, dtype):
    x = np.array(EDGES, dtype)
    got, true = compute(name, x), true_values(name, x).astype(dtype)
    special = ~np.isfinite(true) | (true == 0)
    assert same_bits(got[special], true[special]).all()
    assert np.isfinite(got[~special]).all()


PAIRS = [
    *("add", "subtract", "multiply", "divide", "true_divide", "copysign", "maximum", "minimum"),
    *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "power", "mod"),
    *("hypot", "arctan2", "remainder", "floor_divide", "logical_and", "logical_or", "logical_xor"),
]
ARITY = {**dict.fromkeys(PAIRS, 2), "fma": 3, "clip": 3, "where": 3}
WHOLE_ONLY = ("bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift")


def arguments(names, dtype):
    random = np.random.default_rng(8)
    bits = random.integers(0, 2**63, 512, dtype=np.uint64)
    wild = (bits >> (64 - 8 * np.dtype(dtype).itemsize)).astype(f"u{np.dtype(dtype).itemsize}")
    usual = (random.standard_normal(512) * 3).astype(dtype)
    return [
        np.concatenate([random.permutation(usual), wild.view(dtype), np.array(EDGES, dtype)])
        for _ in range(names)
    ]


BINARY = ("power", "hypot", "arctan2", "remainder", "floor_divide", "maximum", "minimum")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*SINGLE, *DOUBLE, *BINARY])
def test_same_bits_for_every_number_of_lanes_and_every_place(name, dtype, target):
    arrays = arguments(2 if name in BINARY else 1, dtype)
    one = compute(name, *arrays, target=target, lanes=1)
    for lanes in (4, 8, 16):
        assert same_bits(one, compute(name, *arrays, target=target, lanes=lanes)).all()
    shifted = compute(name, *(np.roll(x, 3) for x in arrays), target=target)
    assert same_bits(np.roll(one, 3), shifted).all()


# ── two arguments ──────────────────────────────────────────────────────────────────────────


def pairs(dtype):
    random = np.random.default_rng(11)
    count = 4000
    edges = np.array([(x, y) for x in EDGES for y in EDGES]).T
    usual = random.standard_normal((2, count)) * 10.0 ** random.integers(-3, 4, (2, count))
    whole = np.stack([usual[0], np.round(random.uniform(-9, 9, count))])
    return np.concatenate([edges, usual, whole], axis=1).astype(dtype)


@pytest.mark.parametrize("target", [TARGETS[0], TARGETS[-1]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_numbers(name, dtype, target):
    x, y = pairs(dtype)
    got, wide = compute(name, x, y, target=target), np.longdouble
    with np.errstate(all="ignore"):
        true = getattr(np, name)(x.astype(wide), y.astype(wide)).astype(wide)
        exact = getattr(np, name)(x, y)
    if name in ("floor_divide", "remainder"):
        true = exact.astype(wide)
    away = distance(got, true)
    worst = int(away.argmax())
    assert away[worst] <= 2.5, (x[worst], y[worst], got[worst], true[worst])
    if name not in ("maximum", "minimum") or AS_X86:
        # Which of +0 and −0 is larger, NumPy leaves to the processor; we answer the second.
        zero = got == 0
        assert (np.signbit(got) == np.signbit(exact))[zero].all()


def test_the_second_of_two_zeros_wins_and_nan_always():
    x = np.array([0.0, -0.0, np.nan, 1.0, np.nan], np.float32)
    y = np.array([-0.0, 0.0, 1.0, np.nan, np.nan], np.float32)
    for name in ("maximum", "minimum"):
        got = compute(name, x, y)
        assert np.signbit(got[:2]).tolist() == [True, False]
        assert np.isnan(got[2:]).all()


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("limit", [0.0, -0.0, 1.0, -1.0, np.inf, np.nan])
def test_a_constant_bound_gives_the_bits_that_an_array_of_it_gives(name, limit):
    def first(code, x):
        return FUNCTIONS[name](code, code.constant(x.dtype, limit), x)

    def second(code, x):
        return FUNCTIONS[name](code, x, code.constant(x.dtype, limit))

    x = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45], np.float32)
    bound = np.full_like(x, limit)
    assert same_bits(with_rule(first)(x), compute(name, bound, x)).all()
    assert same_bits(with_rule(second)(x), compute(name, x, bound)).all()


@pytest.mark.parametrize(
    ("base", "exponent", "value"),
    [
        (0.0, 0.0, 1.0),
        (0.0, -1.0, np.inf),
        (-0.0, -1.0, -np.inf),
        (-0.0, -2.0, np.inf),
        (-2.0, 3.0, -8.0),
        (-8.0, 1 / 3, np.nan),
        (np.nan, 0.0, 1.0),
        (1.0, np.nan, 1.0),
        (-1.0, np.inf, 1.0),
        (-np.inf, 3.0, -np.inf),
        (0.5, np.inf, 0.0),
        (2.0, -1074.0, 5e-324),
        (2.0, 1024.0, np.inf),
        (1.0000000000000002, 4e18, np.inf),
        (10.0, 22.0, 1e22),
    ],
)
def test_power_of_special_numbers(base, exponent, value):
    for target in TARGETS:
        x, y = np.array([base]), np.array([exponent])
        assert same_bits(compute("power", x, y, target=target), np.array([value])).all()


@pytest.mark.parametrize(("limit", "expected"), [(np.nan, [np.nan] * 3), (0.0, [1.0, np.nan, 0.0])])
def test_a_constant_nan_is_not_hidden_and_a_constant_number_hides_no_nan(limit, expected):
    def first(code, x):
        return FUNCTIONS["maximum"](code, code.constant(x.dtype, limit), x)

    def second(code, x):
        return FUNCTIONS["maximum"](code, x, code.constant(x.dtype, limit))

    x = np.array([1.0, np.nan, -1.0], np.float32)
    for rule in (first, second):
        assert np.array_equal(with_rule(rule)(x), np.float32(expected), equal_nan=True)


@pytest.mark.parametrize("target", NAMES)
def test_no_function_calls_the_c_library(target):
    machine = named(target)
    for name in sorted(set(FUNCTIONS) - set(WHOLE_ONLY)):
        for dtype in ("float32", "float64"):
            module, _ = written(FUNCTIONS[name], (dtype,) * ARITY.get(name, 1), machine, 4)
            text = assembly(str(module), machine)
            called = re.findall(r"^\s+(?:callq?|bl|jmp|b)\s+([A-Za-z_]\w*)", text, re.MULTILINE)
            assert all(one.startswith(("backlight_", "LBB")) for one in called), (name, called)


# ── whole numbers and truth values ─────────────────────────────────────────────────────────

WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
ON_WHOLE = (
    *("add", "subtract", "multiply", "floor_divide", "remainder", "maximum", "minimum"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"),
    *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_xor", "divide"),
)


def whole_pairs(dtype):
    limits = np.iinfo(dtype)
    edges = [0, 1, 2, 3, 7, limits.max, limits.min, limits.max - 1, 8 * np.dtype(dtype).itemsize]
    edges += [] if limits.min == 0 else [-1, -2, -7]
    random = np.random.default_rng(2)
    both = np.array([(x, y) for x in edges for y in edges], dtype).T
    wild = random.integers(limits.min, limits.max, (2, 500), dtype, endpoint=True)
    return np.concatenate([both, wild, wild % dtype(11)], axis=1)


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("name", ON_WHOLE)
def test_whole_numbers_as_numpy(name, dtype):
    x, y = whole_pairs(np.dtype(dtype).type)
    with np.errstate(all="ignore"):
        true = getattr(np, name)(x, y)
    for lanes in (1, 16):
        got = compute(name, x, y, lanes=lanes)
        assert got.dtype == true.dtype
        assert np.array_equal(got, true, equal_nan=got.dtype.kind == "f")


@pytest.mark.parametrize("dtype", WHOLE)
def test_one_whole_number_as_numpy(dtype):
    x = whole_pairs(np.dtype(dtype).type)[0]
    for name in ("negative", "absolute", "sign", "invert", "logical_not", "isfinite", "isnan"):
        with np.errstate(all="ignore"):
            assert np.array_equal(compute(name, x), getattr(np, name)(x)), name


@pytest.mark.parametrize("dtype", WHOLE)
def test_powers_of_whole_numbers(dtype):
    x, y = whole_pairs(np.dtype(dtype).type)
    y = y % np.dtype(dtype).type(70)
    with np.errstate(all="ignore"):
        assert np.array_equal(compute("power", x, y), np.power(x, y))


@pytest.mark.parametrize(
    "name",
    [
        "add",
        "multiply",
        "maximum",
        "minimum",
        "logical_and",
        "logical_or",
        "logical_xor",
        "equal",
        "bitwise_xor",
    ],
)
def test_truth_values_as_numpy(name):
    x, y = np.array([False, False, True, True]), np.array([False, True, False, True])
    assert np.array_equal(compute(name, x, y), getattr(np, name)(x, y))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_roundings_and_questions_as_numpy(dtype):
    x = np.concatenate([np.arange(-4, 4, 0.25), EDGES, [2.0**23 + 0.5, 2.0**52 + 0.5]])
    x = x.astype(dtype)
    for name in (
        "floor",
        "ceil",
        "trunc",
        "rint",
        "absolute",
        "sign",
        "negative",
        "isnan",
        "isinf",
        "isfinite",
        "signbit",
        "logical_not",
        "square",
    ):
        for target in TARGETS:
            with np.errstate(all="ignore"):
                true = getattr(np, name)(x)
            assert np.array_equal(
                compute(name, x, target=target), true, equal_nan=true.dtype.kind == "f"
            ), name


def test_where_and_fma():
    condition = np.array([True, False])
    x, y = np.array([1.0, 2.0], np.float32), np.array([3.0, np.nan], np.float32)
    assert compute("where", condition, x, y)[0] == 1.0
    assert np.isnan(compute("where", condition, x, y)[1])
    one = np.array([1.0 + 2.0**-23], np.float32)
    if host().fma:
        assert compute("fma", one, one, -(one * one))[0] == np.float32(2.0**-46)


@given(st.floats(width=64), st.floats(width=64))
def test_remainder_of_any_two_floats_is_pythons(x, y):
    first, second = np.array([x]), np.array([y])
    with np.errstate(all="ignore"):
        assert same_bits(compute("remainder", first, second), np.remainder(first, second)).all()
        quotient = np.floor_divide(first, second)
    assert same_bits(compute("floor_divide", first, second), quotient).all()


def test_angles_that_almost_are_multiples_of_half_pi():
    # The float64 nearest to a multiple of π/2, and the worst of float32.
    x = np.array([6381956970095103.0 * 2.0**797, 2.0**1023, 1e22, 1.5707963267948966])
    with mpmath.workprec(1300):
        sines = [float(mpmath.sin(mpmath.mpf(value))) for value in x.tolist()]
        cosines = [float(mpmath.cos(mpmath.mpf(value))) for value in x.tolist()]
    for target in TARGETS:
        assert (distance(compute("sin", x, target=target), np.longdouble(sines)) <= 1).all()
        assert (distance(compute("cos", x, target=target), np.longdouble(cosines)) <= 1).all()
