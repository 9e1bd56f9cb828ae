"""The lazy arrays answer as NumPy's do, and refuse what needs values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backlight.native.lowering.array import Array, Unlowered, array
from backlight.native.lowering.arrays import arrays
from backlight.native.lowering.loops import Node, interpret

X = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4) - 11.5


def lazy(value, slot=0):
    value = np.asarray(value)
    return Array(Node("input", [], value.shape, value.dtype, {"slot": slot}))


def agrees(formula, *values):
    """The formula means the same with NumPy and with lazy arrays."""
    with np.errstate(all="ignore"):
        wanted = np.asarray(formula(np, *values))
    made = array(formula(arrays, *[lazy(value, slot) for slot, value in enumerate(values)]))
    (found,) = interpret([made.node], values)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(hnp.basic_indices((2, 3, 4), allow_newaxis=True))
def test_basic_indices(key):
    agrees(lambda np, x: x[key], X)


@pytest.mark.parametrize(
    "formula",
    [
        lambda np, x: x.T,
        lambda np, x: x.transpose(1, 0, 2).reshape(-1, 4),
        lambda np, x: np.transpose(x, (2, 0, 1)),
        lambda np, x: np.moveaxis(x, 0, -1),
        lambda np, x: np.moveaxis(x, (0, 1), (2, 0)),
        lambda np, x: np.expand_dims(x, (0, -1)),
        lambda np, x: np.squeeze(x[:, :1], 1),
        lambda np, x: np.broadcast_to(x[:, :1], (5, 2, 3, 4)),
        lambda np, x: np.flip(x, (0, 2)),
        lambda np, x: np.roll(x, 5),
        lambda np, x: np.roll(x, (1, -2), (0, 2)),
        lambda np, x: np.concatenate([x, x[:, :1], -x], 1),
        lambda np, x: np.stack([x, x + 1], -1),
        lambda np, x: np.tril(x, 1) + np.triu(x, -1),
        lambda np, x: x.sum(1) + x.max((1,)) - x.min(axis=1, keepdims=False),
        lambda np, x: np.argmax(np.abs(x), axis=1),
        lambda np, x: np.argmin(x, axis=-1, keepdims=True),
        lambda np, x: np.max(x[:, :0], axis=1, initial=-np.inf),
        lambda np, x: np.max(x, axis=1, initial=3.0),
        lambda np, x: (x > 0).any() & (x < 5).all(axis=0),
        lambda np, x: np.cumsum(x, axis=1, dtype=np.float64),
        lambda np, x: np.swapaxes(x, 0, 2).ravel(),
        lambda np, x: np.full((2, 1), 7) + np.zeros(3) + np.ones((), np.int8) + np.arange(3),
        lambda np, x: np.where(x > 0, 1.0, x),
        lambda np, x: -abs(x) // 2 % 3 - 2 / (x + 0.25),
        lambda np, x: 2 - x * True,
        lambda np, x: ~(x > 0) | (x != x) ^ (x == 1.5),
        lambda np, x: (x > 0) * 3 + np.sum(x > 0),
        lambda np, x: np.asarray(x, np.float64) * np.float32(0.1) + np.pi,
        lambda np, x: np.power(x, 3) + x**2,
        lambda np, x: np.clip(x, -2, 2.5) + np.round(x),
        lambda np, x: np.take_along_axis(x, np.argmax(x, axis=2, keepdims=True), 2),
        lambda np, x: np.take(x, (x[0, 0] > 0) * -1, 1),
        lambda np, x: len(x) + x.ndim + x.size + np.size(x) + np.ndim(x),
        lambda np, x: np.uint64(5) * np.arange(4).astype(np.uint64) >> np.uint64(1),
        lambda np, x: np.copysign(x, -1.0) + np.hypot(x, 2) + np.arctan2(x, x + 0.25),
    ],
)
def test_a_formula(formula):
    agrees(formula, X)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_matmul_of_any_ranks(data):
    n, k, m = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
    stacks = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
    left = data.draw(st.sampled_from([(k,), (*stacks.input_shapes[0], n, k)]))
    right = data.draw(st.sampled_from([(k,), (*stacks.input_shapes[1], k, m)]))
    rng = np.random.default_rng(0)
    agrees(
        lambda np, x, y: np.matmul(x, y),
        rng.integers(-4, 5, left).astype(np.float64),
        rng.integers(-4, 5, right).astype(np.float64),
    )


@pytest.mark.parametrize(
    "needs_values",
    [
        bool,
        float,
        int,
        np.asarray,
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: [1, 2, 3][x],
        lambda x: x if x > 0 else -x,
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.sort(),
        lambda x: x[x > 0],
        lambda x: arrays.nonzero(x),
        lambda x: arrays.linalg.inv(x),
        lambda x: np.add.reduce(x),
        lambda x: x + np.arange(5),
        lambda x: x * 1j,
    ],
)
def test_what_needs_values(needs_values):
    with pytest.raises(Unlowered):
        needs_values(lazy(np.ones((5,), np.float32)))


def test_writing_in_place_is_refused_and_not_ignored():
    x = lazy(X)
    with pytest.raises(Unlowered, match="writing"):
        x += 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.reshape(5, 5),
        lambda x: x.transpose(0, 0, 1),
        lambda x: x[9],
        lambda x: x[0, 0, 0, 0],
        lambda x: x + lazy(np.ones(5)),
        lambda x: arrays.squeeze(x, 0),
        lambda x: arrays.matmul(x, x),
        lambda x: len(x[0, 0, 0]),
    ],
)
def test_mistakes_are_those_of_numpy(wrong):
    with pytest.raises((ValueError, IndexError, TypeError)):
        wrong(lazy(X))


def test_numbers_that_are_known_stay_numbers():
    assert arrays.maximum(2.0, 3) == 3
    assert isinstance(arrays.exp(0.0), np.floating)
    assert arrays.sum(np.ones(4)) == 4
