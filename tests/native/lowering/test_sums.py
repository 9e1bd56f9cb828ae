"""Sums over steps as one operation, and joins that share their memory."""

import numpy as np
import pytest

import backlight
from backlight.native.lowering.loops import Node, interpret, ordered
from backlight.native.lowering.sums import gathered, joined

STEPS, ROWS, WIDTH = 5, 3, 4


def parts(count=STEPS):
    return [
        Node("input", (), (ROWS, WIDTH), np.float32, {"slot": number}) for number in range(count)
    ]


def added(terms):
    total = terms[0]
    for term in terms[1:]:
        total = Node("add", [total, term], total.shape, total.dtype)
    return total


def folds(nodes):
    made = []
    for x in nodes:
        fold = Node("fold", [x], (WIDTH,), np.float64, {"by": "sum", "axes": (0,)})
        made.append(Node("cast", [fold], (WIDTH,), np.float32))
    return made


def test_rounded_sums_over_rows_become_one():
    xs = parts()
    before = [added(folds(xs))]
    after = gathered(before)
    assert sum(node.op == "fold" for node in ordered(after)) == 1
    given = [np.random.default_rng(i).standard_normal((ROWS, WIDTH)).astype("f") for i in range(5)]
    np.testing.assert_allclose(interpret(after, given)[0], interpret(before, given)[0], rtol=1e-5)


def stacked(nodes):
    new = [Node("reshape", [x], (1, *x.shape), x.dtype) for x in nodes]
    return joined(new)


@pytest.mark.parametrize(("first", "last"), [(0, 5), (0, 3), (1, 4), (2, 5)])
def test_a_run_of_parts_is_a_part_of_the_longer_join(first, last):
    xs = parts()
    before = [stacked(xs), joined(xs[first:last])]
    after = gathered(before)
    assert sum(node.op == "join" for node in ordered(after)) == 1
    given = [np.full((ROWS, WIDTH), i, "f") for i in range(STEPS)]
    for new, old in zip(interpret(after, given), interpret(before, given), strict=True):
        np.testing.assert_array_equal(new, old)


def test_states_before_and_after_each_step_are_one_join():
    xs = parts()
    before = [joined(xs[:-1]), joined(xs[1:])]
    after = gathered(before)
    assert sum(node.op == "join" for node in ordered(after)) == 1
    given = [np.full((ROWS, WIDTH), i, "f") for i in range(STEPS)]
    for new, old in zip(interpret(after, given), interpret(before, given), strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_join_that_its_own_parts_wait_for_stays_apart():
    first, second, _ = parts(3)
    short = joined([first, second])
    later = Node("slice", [short], (ROWS, WIDTH), np.float32, {"start": (1, 0), "step": (1, 1)})
    after = gathered([joined([first, second, later])])
    assert sum(node.op == "join" for node in ordered(after)) == 2


@pytest.mark.parametrize("width", [64, 65, 100])
def test_maps_and_their_join_along_the_last_axis_are_one_kernel(width):
    rng = np.random.default_rng(0)
    given = [backlight.tensor(rng.standard_normal((33, width)).astype("f")) for _ in range(3)]

    def gates(x, y, z):
        return backlight.concatenate(
            [backlight.sigmoid(x) * y, backlight.tanh(y), x * y * z], axis=1
        )

    compiled = backlight.compile(gates)
    result = compiled(*given).numpy()
    np.testing.assert_allclose(result, gates(*given).numpy(), rtol=1e-6, atol=1e-7)
