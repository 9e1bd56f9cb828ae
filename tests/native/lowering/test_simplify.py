"""Each rewrite keeps every bit, alone and among many; and each does what it is for."""

import numpy as np
import pytest

from backlight.native.lowering.loops import Node, interpret, ordered
from backlight.native.lowering.simplify import (
    constant,
    elementwise,
    exactly_simplified,
    multiply_add,
    simplified,
)
from tests.native.random_graphs import graph

F4, F8, I8, B1 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8"), np.dtype(bool)
EDGE = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.0, 1e-40, 3e38, 1 / 3, 7.0, -1e-3])


def wire(dtype=F4, shape=(3, 4), slot=0):
    return Node("input", [], shape, dtype, {"slot": slot})


def view(op, x, shape, **attributes):
    return Node(op, [x], shape, x.dtype, attributes)


def ops(outputs):
    return [node.op for node in ordered(outputs) if node.op not in ("input", "constant")]


def same_bits(before, after, inputs):
    for wanted, found in zip(interpret(before, inputs), interpret(after, inputs), strict=True):
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)
        if wanted.dtype.kind == "f":
            finite = ~np.isnan(wanted)
            np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(wanted[finite]))


def number(value, like):
    return constant(value, like.dtype)


def cast(x, dtype):
    return elementwise("cast", x, dtype=dtype)


def narrow(op, x, y):
    return cast(elementwise(op, cast(x, F8), cast(y, F8)), F4)


X, Y, K = wire(), wire(slot=1), wire(I8, slot=2)
C = wire(B1, slot=3)
FIVE = view("pad", X, (5, 6), before=(1, 1), value=0.0)
JOIN = Node("join", [X, Y], (6, 4), F4, {"axis": 0})

REWRITES = {
    "times one": (elementwise("multiply", X, number(1, X)), []),
    "one times": (elementwise("multiply", number(1, X), X), []),
    "over one": (elementwise("divide", X, number(1, X)), []),
    "less nothing": (elementwise("subtract", X, number(0, X)), []),
    "less negative nothing": (elementwise("subtract", X, number(-0.0, X)), ["subtract"]),
    "plus nothing": (elementwise("add", X, number(0, X)), ["add"]),  # −0 + 0 is 0
    "plus negative nothing": (elementwise("add", X, number(-0.0, X)), []),
    "whole plus nothing": (elementwise("add", K, number(0, K)), []),
    "times nothing": (elementwise("multiply", X, number(0, X)), ["multiply"]),  # ∞·0 is NaN
    "square": (elementwise("power", X, number(2, X)), ["multiply"]),
    "first power": (elementwise("power", X, number(1, X)), []),
    "over eight": (elementwise("divide", X, number(8, X)), ["multiply"]),
    "over three": (elementwise("divide", X, number(3, X)), ["divide"]),
    "minus minus": (elementwise("negative", elementwise("negative", X)), []),
    "size of minus": (elementwise("absolute", elementwise("negative", X)), ["absolute"]),
    "plus minus": (elementwise("add", X, elementwise("negative", Y)), ["subtract"]),
    "less minus": (elementwise("subtract", X, elementwise("negative", Y)), ["add"]),
    "times minus one": (elementwise("multiply", X, number(-1, X)), ["negative"]),
    "where true": (elementwise("where", constant(True, B1), X, Y), []),
    "where equal": (elementwise("where", C, X, X), []),
    "where not": (elementwise("where", elementwise("logical_not", C), X, Y), ["where"]),
    "and true": (elementwise("logical_and", C, constant(True, B1)), []),
    "not not": (elementwise("logical_not", elementwise("logical_not", C)), []),
    "largest of itself": (elementwise("maximum", X, X), []),
    "to the same type": (cast(X, F4), []),
    "there and back": (cast(cast(X, F8), F4), []),
    "back and there": (cast(cast(wire(F8, slot=4), F4), F8), ["cast", "cast"]),
    "whole to wide": (cast(cast(K, F8), F4), ["cast", "cast"]),  # int64 rounds in float64
    "narrow sum": (narrow("add", X, Y), ["add"]),
    "narrow product": (narrow("multiply", X, Y), ["multiply"]),
    "narrow quotient": (narrow("divide", X, Y), ["divide"]),
    "a third is not narrow": (
        cast(elementwise("multiply", cast(X, F8), constant(1 / 3, F8)), F4),
        ["cast", "multiply", "cast"],
    ),
    "known": (elementwise("add", number(2, X), number(3, X)), []),
    "known and stretched": (
        elementwise("multiply", X, view("expand", number(1, X), (3, 4))),
        [],
    ),
    "check that holds": (Node("check", [X, constant(True, B1)], (3, 4), F4, {"message": ""}), []),
    "turned twice": (
        view("transpose", view("transpose", X, (4, 3), axes=(1, 0)), (3, 4), axes=(1, 0)),
        [],
    ),
    "a row turned": (
        view("transpose", view("slice", X, (1, 4), start=(1, 0), step=(1, 1)), (4, 1), axes=(1, 0)),
        ["slice", "reshape"],
    ),
    "shaped twice": (view("reshape", view("reshape", X, (12,)), (3, 4)), []),
    "stretched twice": (view("expand", view("expand", X, (2, 3, 4)), (5, 2, 3, 4)), ["expand"]),
    "slice of slice": (
        view(
            "slice",
            view("slice", X, (3, 2), start=(0, 3), step=(1, -2)),
            (2, 1),
            start=(2, 1),
            step=(-2, 1),
        ),
        ["slice"],
    ),
    "whole slice": (view("slice", X, (3, 4), start=(0, 0), step=(1, 1)), []),
    "inside of a pad": (view("slice", FIVE, (3, 4), start=(1, 1), step=(1, 1)), []),
    "a border too": (view("slice", FIVE, (4, 4), start=(0, 1), step=(1, 1)), ["pad", "slice"]),
    "pad of pad": (view("pad", FIVE, (6, 6), before=(1, 0), value=0.0), ["pad"]),
    "pad of another": (view("pad", FIVE, (6, 6), before=(1, 0), value=1.0), ["pad", "pad"]),
    "first of a join": (view("slice", JOIN, (2, 4), start=(1, 0), step=(1, 1)), ["slice"]),
    "second of a join": (view("slice", JOIN, (3, 4), start=(5, 0), step=(-1, 1)), ["slice"]),
    "across a join": (view("slice", JOIN, (2, 4), start=(2, 0), step=(1, 1)), ["join", "slice"]),
    "sum widened": (
        Node("fold", [cast(X, F8)], (3,), F8, {"by": "sum", "axes": (1,)}),
        ["fold"],
    ),
    "largest of one": (
        Node("fold", [view("reshape", X, (3, 1, 4))], (3, 4), F4, {"by": "max", "axes": (1,)}),
        [],
    ),
    "twice the same": (
        elementwise("add", elementwise("exp", X), elementwise("exp", X)),
        ["exp", "add"],
    ),
    "zeros of two signs": (
        elementwise(
            "subtract",
            elementwise("divide", X, number(0.0, X)),
            elementwise("divide", X, number(-0.0, X)),
        ),
        ["divide", "divide", "subtract"],
    ),
}


def inputs_of(seed):
    rng = np.random.default_rng(seed)
    x, y = [rng.permutation(EDGE).astype(F4).reshape(3, 4) for _ in range(2)]
    whole = rng.integers(-(2**62), 2**62, (3, 4))
    return [x, y, whole, rng.random((3, 4)) < 0.5, rng.permutation(EDGE).reshape(3, 4) / 3]


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_rewrite(name):
    before, wanted = REWRITES[name]
    after = exactly_simplified([before])
    assert ops(after) == wanted
    for seed in range(20):
        same_bits([before], after, inputs_of(seed))


@pytest.mark.parametrize("op", ["add", "subtract", "multiply", "divide"])
def test_rounding_twice_is_rounding_once(op):
    """What `narrowed` rests on, on numbers next to halves, subnormal ones among them."""
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, (2, 300_000), dtype=np.uint32)
    bits[1, ::3] = bits[0, ::3] ^ rng.integers(0, 2**24, 100_000, dtype=np.uint32)
    x, y = bits.view(F4)
    with np.errstate(all="ignore"):
        once = getattr(np, op)(x, y)
        twice = getattr(np, op)(x.astype(F8), y.astype(F8)).astype(F4)
    np.testing.assert_array_equal(once, twice)


def test_one_instruction_for_a_product_and_a_sum():
    product = elementwise("multiply", X, Y)
    for op, place, wanted in [
        ("add", 0, ["fma"]),
        ("subtract", 0, ["negative", "fma"]),
        ("subtract", 1, ["negative", "fma"]),
    ]:
        pair = (product, wire(slot=1)) if place == 0 else (wire(slot=1), product)
        before = elementwise(op, *pair)
        after = multiply_add([before])
        assert ops(after) == wanted
        x = np.linspace(-2, 2, 12, dtype=F4).reshape(3, 4)
        np.testing.assert_array_equal(*interpret([before, *after], [x, x * 3]))


def test_what_is_kept_or_wide_is_not_fused():
    product = elementwise("multiply", X, Y)
    both = [elementwise("add", product, X), product]
    assert "fma" not in ops(multiply_add(both))
    wide = wire(F8)
    total = elementwise("add", elementwise("multiply", wide, wide), wide)
    assert ops(simplified([total])) == ["multiply", "add"]


def test_an_output_can_be_an_input_and_occur_twice():
    one = elementwise("multiply", X, number(1, X))
    first, second, third = exactly_simplified([one, X, one])
    assert first is second is third is X


def test_outputs_that_may_be_written_stay_apart():
    """What is written to one place must not be read from another that is written too."""
    one = elementwise("multiply", X, number(1, X))
    twice = [elementwise("exp", X), elementwise("exp", X)]
    copy, given, same, first, second = simplified([one, X, one, *twice])
    assert given is X
    assert copy is same
    assert copy.op == "cast"
    assert first is not second
    assert len(ordered([first, second])) == 3  # X, exp, a copy of it


@pytest.mark.parametrize("seed", range(300))
def test_random_graphs(seed):
    outputs, inputs = graph(seed)
    after = exactly_simplified(outputs)
    same_bits(outputs, after, inputs)
    assert len(ordered(after)) <= len(ordered(outputs)) + 3
    again = exactly_simplified(after)
    same_bits(after, again, inputs)
    close = simplified(outputs)
    with np.errstate(all="ignore"):
        for wanted, found in zip(interpret(outputs, inputs), interpret(close, inputs), strict=True):
            np.testing.assert_array_equal(found, wanted)  # `fma` rounds twice when interpreted
