"""Random draws and dropout: same key, same bits; statistics; the meaning of p; refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import philox
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, DTypeError, ShapeError
from backlight.gates import random
from backlight.gates.random import dropout, normal, uniform
from tests.gates.answers import answer
from tests.gates.differences import check_gradients, check_sample, samples_of

KEY = np.array([7, 3])
quick = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(random))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize("gate", [uniform, normal], ids=str)
def test_the_key_says_everything(gate):
    draws = gate(KEY, shape=(4, 5))
    np.testing.assert_array_equal(draws, gate(KEY.astype(np.uint64), shape=[4, 5]))
    np.testing.assert_array_equal(draws, gate(Tensor(KEY), shape=(4, 5)).numpy())
    np.testing.assert_array_equal(draws.ravel()[:7], gate(KEY, shape=7))
    assert (draws != gate(np.array([7, 4]), shape=(4, 5))).any()
    assert (draws != gate(np.array([8, 3]), shape=(4, 5))).any()
    assert not gate(Tensor(KEY), shape=3).requires_grad
    assert gate(Tensor(KEY), shape=3, dtype="float64").dtype == np.float64


def test_negative_and_large_seeds_are_the_same_64_bits():
    one = uniform(np.array([-1, 0]), shape=5)
    other = uniform(np.array([2**64 - 1, 0], np.uint64), shape=5)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, philox.uniform(2**64 - 1, 0, (5,)))


def test_statistics_of_the_draws():
    flat, bell = uniform(KEY, shape=100_000), normal(KEY, shape=100_000)
    assert abs(flat.mean() - 0.5) < 0.005
    assert abs(flat.var() - 1 / 12) < 0.002
    assert abs(bell.mean()) < 0.015
    assert abs(bell.var() - 1) < 0.02
    assert np.histogram(flat, 20, (0, 1))[0].min() > 4500


@pytest.mark.parametrize("p", [0.25, 0.4, 0.7])
def test_dropout_keeps_the_mean_and_drops_the_share(p):
    x = np.random.default_rng(231).normal(10, 1, (500, 500))
    y = dropout(x, KEY, p=p)
    assert y.mean() == pytest.approx(x.mean(), rel=0.01)
    assert (y == 0).mean() == pytest.approx(p, abs=0.005)
    np.testing.assert_allclose(y[y != 0], x[y != 0] / (1 - p))


def test_gradient_goes_through_the_same_mask():
    x = np.random.default_rng(1).normal(size=(20, 5))
    y, slope = answer(dropout, x, KEY, p=0.4)
    np.testing.assert_array_equal(slope != 0, y != 0)
    np.testing.assert_allclose(slope[slope != 0], 1 / 0.6)
    check_gradients(lambda t: dropout(t, KEY, p=0.4), [x], first=1e-9)
    _, slope = answer(dropout, np.zeros(1000), KEY, p=0.5)
    assert 400 < (slope == 0).sum() < 600


@quick
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31), st.floats(0, 0.99))
def test_the_mask_does_not_depend_on_the_type(seed, stream, p):
    key = np.array([seed, stream])
    wide, narrow = (dropout(np.ones(33, kind), key, p=p) for kind in (np.float64, np.float32))
    np.testing.assert_array_equal(wide == 0, narrow == 0)


def test_dropping_nothing_and_infinity():
    x = np.array([1.0, -2.0, np.inf])
    np.testing.assert_array_equal(dropout(x, KEY, p=0), x)
    dropped = dropout(np.full(64, np.inf), KEY, p=0.5)
    assert set(dropped.tolist()) == {0.0, np.inf}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dropout(np.ones(3), KEY, p=1.0), ArgumentError, "probability of dropping"),
        (lambda: dropout(np.ones(3), KEY, p=-0.1), ArgumentError, "p=-0.1"),
        (lambda: dropout(np.ones(3), np.array([1])), ShapeError, "seed and stream"),
        (lambda: uniform(np.array([0.5, 1.0]), shape=2), DTypeError, "whole numbers"),
        (lambda: uniform(KEY, shape=(2, -1)), ArgumentError, "shape=-1"),
        (lambda: normal(KEY, shape=2, dtype="int64"), DTypeError, "float32 or float64"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
