"""Normalisation: mean 0 and variance 1, hostile rows, loops, refusals, gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.errors import ArgumentError, ShapeError
from backlight.gates import normalisation
from backlight.gates.normalisation import batch_norm, layer_norm, standardize
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_sample, samples_of

quick = settings(max_examples=40, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(normalisation))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("rows", [1, 17])
def test_layer_norm_at_the_edge(dtype, rows):
    for row, want in [
        ([5.0, 5, 5], [0, 0, 0]),
        ([1e20, 2e20, 3e20], [-1.2247449, 0, 1.2247449]),
        ([1e6, 1e6 + 1, 1e6 + 2], [-1.2247357, 0, 1.2247357]),
    ]:
        x = np.tile(row, (rows, 1))
        value, slope = answer(layer_norm, x, dtype=dtype, epsilon=1e-5)
        np.testing.assert_allclose(value, np.tile(want, (rows, 1)), rtol=1e-6)
        # Adding the same to a whole row changes nothing.
        np.testing.assert_allclose(slope, 0, atol=1e-4)
        steep = answer(layer_norm, x, dtype=dtype, upstream=np.tile([1, 5, 2], (rows, 1)))[1]
        assert np.isfinite(steep).all()
        assert (steep != 0).any()


@quick
@given(st.integers(0, 10**6), st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
def test_outputs_have_mean_0_and_variance_1(seed, middle, spread):
    x = np.random.default_rng(seed).normal(middle, spread, (6, 4, 3, 2))
    for gate, axis in ((batch_norm, (0, 2, 3)), (layer_norm, (1, 2, 3))):
        y = gate(x, axis=axis, epsilon=0.0)
        np.testing.assert_allclose(y.mean(axis=axis), 0, atol=1e-9)
        np.testing.assert_allclose(y.var(axis=axis), 1, rtol=1e-9)


def test_batch_norm_scales_and_shifts_channels():
    x = np.random.default_rng(1).normal(2, 3, (5, 3, 4, 4))
    y = batch_norm(x, np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0]))
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), [10, 20, 30])
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), [1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(batch_norm(x, axis=(0, 2, 3)), standardize(x, axis=(0, 2, 3)))


def test_float32_against_its_twin():
    x = np.random.default_rng(2).normal(10, 3, (64, 128)).astype(np.float32)
    wide = layer_norm(x.astype(np.float64))
    assert np.max(np.abs(layer_norm(x) - wide)) <= 2 * 2.0**-24 * np.abs(wide).max()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: batch_norm(np.zeros((1, 3))), ShapeError, "one value a channel"),
        (lambda: batch_norm(np.zeros((1, 3, 1, 1))), ShapeError, "larger batch"),
        (lambda: batch_norm(np.zeros(3)), ShapeError, "examples, channels"),
        (lambda: batch_norm(np.zeros((4, 3)), np.ones(4)), ShapeError, r"gamma of shape \(4,\)"),
        (lambda: layer_norm(np.zeros((4, 3)), np.ones(3), np.ones(2)), ShapeError, "beta of shape"),
        (lambda: layer_norm(np.zeros((4, 3)), axis=2), ShapeError, "axis 2"),
        (lambda: layer_norm(np.zeros((4, 3)), epsilon=-1.0), ArgumentError, "epsilon=-1"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_nan_stays_in_its_row():
    y = layer_norm(np.array([[1.0, np.nan], [1.0, 3.0]]))
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()
