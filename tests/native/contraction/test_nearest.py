"""Distances, orders and searches compiled: the same as eager."""

import math

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import backlight as bl
from backlight.native.compile import compile
from backlight.native.lowering.loops import Node, interpret


def points(count, size, kind=np.float32, seed=0):
    """Small whole numbers, whose distances are exact and often equal."""
    return np.random.default_rng([count, seed]).integers(0, 4, (count, size)).astype(kind)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_nearest_as_eager(p, kind):
    q, x = points(37, 19, kind), points(700, 19, kind)
    program = compile(lambda q, x: bl.nearest(q, x, k=9, p=p))
    found = program(q, x)
    np.testing.assert_array_equal(np.asarray(found), bl.nearest(q, x, k=9, p=p))


def test_the_native_search_leaves_nothing_to_numpy():
    q, x = points(5, 8), points(50, 8)
    for p, native in ((1, True), (2, True), (3, False)):
        program = compile(lambda q, x, p=p: bl.nearest(q, x, k=2, p=p))
        program(q, x)
        assert ("NumPy" not in program.stages["calls"]) == native


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads_finds_the_same(threads):
    draw = np.random.default_rng(0)
    q, x = (draw.standard_normal((n, 40)).astype("float32") for n in (90, 3000))
    found = compile(lambda q, x: bl.nearest(q, x, k=20), threads=threads)(q, x)
    alone = compile(lambda q, x: bl.nearest(q, x, k=20), threads=1)(q, x)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(alone))


def test_computed_and_turned_inputs():
    q, x = points(12, 6), points(6, 80)
    program = compile(lambda q, x: bl.nearest(q[::2] * 2.0, bl.transpose(x) * 2.0, k=3) + 1)
    np.testing.assert_array_equal(np.asarray(program(q, x)), bl.nearest(q[::2], x.T, k=3) + 1)


def test_none_and_nothing():
    program = compile(lambda q, x: bl.nearest(q, x, k=2))
    assert np.asarray(program(points(0, 3), points(5, 3))).shape == (0, 2)
    assert np.asarray(program(points(2, 0), points(5, 0))).tolist() == [[0, 1], [0, 1]]


def test_the_meaning_of_the_node():
    q, x = points(3, 4), points(9, 4)
    leaves = [Node("input", [], one.shape, one.dtype, {"slot": i}) for i, one in enumerate((q, x))]
    node = Node("nearest", leaves, (3, 2), np.int64, {"k": 2, "metric": "l1"})
    np.testing.assert_array_equal(interpret([node], [q, x])[0], bl.nearest(q, x, 2, 1))


@pytest.mark.parametrize("p", [0, 1, 2, 2.5, math.inf])
def test_cdist_as_eager(p):
    draw = np.random.default_rng(0)
    x, y = (draw.standard_normal((n, 50)).astype("float32") for n in (13, 21))
    found = np.asarray(compile(lambda x, y: bl.cdist(x, y, p))(x, y))
    np.testing.assert_allclose(found, bl.cdist(x, y, p), rtol=1e-6)
    near = np.asarray(compile(lambda x, y: bl.cdist(x, y, p))(x + 1000, x + 1000))
    assert (np.diag(near) == 0).all()


LINES = np.array(
    [
        [1.0, 3.0, 3.0, -2.0, 3.0],
        [-np.inf, -np.inf, 0.0, -np.inf, -np.inf],
        [np.nan, np.inf, np.nan, np.inf, -np.inf],
        [np.nan] * 5,
        [np.inf, np.inf, np.nan, np.inf, np.nan],
    ]
)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_topk_as_eager(k, largest):
    for x in (LINES, LINES.astype(np.float32), np.arange(24).reshape(3, 8) % 5):
        program = compile(lambda x: tuple(bl.topk(x, k, largest=largest)))
        for found, wanted in zip(program(x), bl.topk(x, k, largest=largest), strict=True):
            np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_a_long_order_is_left_to_numpy():
    x = np.random.default_rng(0).standard_normal((4, 60))
    program = compile(lambda x: bl.argtopk(x, 40))
    np.testing.assert_array_equal(np.asarray(program(x)), bl.argtopk(x, 40))
