"""Clipping by norm and by value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, NonFiniteError


def with_gradients(*gradients, dtype=np.float32):
    made = []
    for place, gradient in enumerate(gradients):
        zeros = np.zeros(np.shape(gradient))
        one = Tensor(zeros, dtype=dtype, requires_grad=True, name=f"p{place}")
        one.grad = Tensor(gradient, dtype=dtype)
        made.append(one)
    return made


def test_two_gradients_of_1e20():
    pair = with_gradients(1e20, 1e20)
    norm = optim.clip_grad_norm_(pair, 1.0)
    assert norm == pytest.approx(math.sqrt(2) * 1e20)
    assert [one.grad.item() for one in pair] == pytest.approx([math.sqrt(0.5)] * 2)
    assert norm.item() == float(norm)


@pytest.mark.parametrize("size", [1e300, 1e-300, 1e-320])
def test_float64_at_both_ends(size):
    pair = with_gradients([size, size], [size], dtype=np.float64)
    optim.clip_grad_norm_(pair, size / 2)
    total = np.concatenate([one.grad.numpy() for one in pair]) / size
    assert np.linalg.norm(total) == pytest.approx(0.5, rel=1e-3)


def test_small_gradients_are_left_as_they_are():
    pair = with_gradients([0.3, 0.4], [0.0])
    before = pair[0].grad
    assert optim.clip_grad_norm_(pair, 1.0) == pytest.approx(0.5)
    assert pair[0].grad is before
    assert optim.clip_grad_norm_(with_gradients([0.0, 0.0]), 1.0) == 0


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8),
    st.floats(1e-3, 1e3),
    st.sampled_from([1, 2, 3.5, math.inf]),
)
def test_the_norm_afterwards_is_the_limit_at_most(numbers, limit, order):
    (one,) = with_gradients(np.array(numbers), dtype=np.float64)
    before = np.linalg.norm(numbers, order)
    assert optim.clip_grad_norm_(one, limit, order) == pytest.approx(before, rel=1e-9)
    after = np.linalg.norm(one.grad.numpy(), order)
    assert after == pytest.approx(min(before, limit), rel=1e-9)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", [optim.clip_grad_norm_, optim.clip_grad_value_])
def test_what_is_not_finite_is_named_and_nothing_is_changed(wrong, clip):
    pair = with_gradients([5.0, 5.0], [1.0, wrong])
    with pytest.raises(NonFiniteError, match="'p1'"):
        clip(pair, 1.0)
    assert pair[0].grad.tolist() == [5.0, 5.0]


def test_gradients_that_share_memory_are_scaled_once():
    a, b = (Tensor([0.0], requires_grad=True) for _ in range(2))
    (a + b).backward(Tensor([8.0]))
    assert optim.clip_grad_norm_([a, b], 1.0) == pytest.approx(8 * math.sqrt(2))
    assert a.grad.item() == b.grad.item() == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "1"])
def test_limits_that_are_refused(limit):
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises(ArgumentError):
            clip(with_gradients([1.0]), limit)
    with pytest.raises(ArgumentError, match="norm_type"):
        optim.clip_grad_norm_(with_gradients([1.0]), 1.0, 0.5)


def test_clipping_values():
    (one,) = with_gradients([-3.0, 0.5, 2.0])
    optim.clip_grad_value_(one, 1.0)
    assert one.grad.tolist() == [-1.0, 0.5, 1.0]
