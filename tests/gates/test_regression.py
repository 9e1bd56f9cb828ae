"""Losses between numbers: values, large numbers, corners, shapes that must be equal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.errors import ArgumentError, ShapeError
from backlight.gates import find, regression
from backlight.gates.regression import huber, l1_loss, mean_squared_error
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(regression))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_values():
    x, t = np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 2.0])
    assert float(mean_squared_error(x, t)) == pytest.approx(13 / 3)
    assert float(l1_loss(x, t)) == pytest.approx(5 / 3)
    assert huber(x, t, reduction="none").tolist() == [0, 1.5, 2.5]
    assert huber(x, t, delta=2.5, reduction="none").tolist() == [0, 2, 4.375]
    assert answer(l1_loss, x, t, reduction="sum")[1].tolist() == [0, -1, 1]


@pytest.mark.parametrize("dtype", BOTH)
def test_large_numbers(dtype):
    value, slope, _ = answer(mean_squared_error, [1e30], [0.0], dtype=dtype)
    np.testing.assert_allclose(value, INF if dtype is np.float32 else 1e60)
    np.testing.assert_allclose(slope, [2e30], rtol=1e-7)
    value, slope, _ = answer(huber, [1e30], [0.0], dtype=dtype)
    np.testing.assert_allclose(value, 1e30, rtol=1e-7)
    assert slope.tolist() == [1]


@quick
@given(st.floats(-3, 3), st.floats(0.1, 2))
def test_huber_is_smooth_where_its_pieces_meet(x, delta):
    _, slope, _ = answer(huber, [x], [0.0], delta=delta)
    assert slope[0] == pytest.approx(np.clip(x, -delta, delta))


@pytest.mark.parametrize("gate", [mean_squared_error, huber, l1_loss], ids=str)
def test_refusals(gate):
    with pytest.raises(ShapeError, match=r"prediction of shape \(4, 1\) and a target of"):
        gate(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ShapeError, match="at least one"):
        gate(np.zeros(0), np.zeros(0))
    with pytest.raises(ArgumentError, match="Did you mean 'none'"):
        gate(np.zeros(1), np.zeros(1), reduction="nonee")
    assert np.isnan(gate(np.array([np.nan]), np.array([0.0])))


def test_huber_needs_a_positive_delta():
    with pytest.raises(ArgumentError, match="delta=0"):
        huber(np.zeros(1), np.zeros(1), delta=0)


def test_unsigned_pictures_do_not_wrap():
    dark, bright = np.array([3], np.uint8), np.array([250], np.uint8)
    assert float(l1_loss(dark, bright)) == 247
    assert float(mean_squared_error(dark, bright)) == 247**2


def test_pytorch_names():
    assert find("mse_loss") is mean_squared_error
    assert find("huber_loss") is huber
