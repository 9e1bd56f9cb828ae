"""Softmax: the notes' numbers, infinities, the digits of log-softmax, and their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backlight.errors import ShapeError
from backlight.gates import softmax as module
from backlight.gates.activation import sigmoid
from backlight.gates.softmax import log_softmax, softmax
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_gradients, check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)
rows = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-50, 50)
)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(module))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize(
    ("scores", "want"),
    [
        ([123, 456, 789], [5.752744406e-290, 2.398488e-145, 1]),
        ([-2.85, 0.86, 0.28], [0.0154493157, 0.6311633536, 0.3533873307]),
        ([3.2, 5.1, -1.7], [0.1299825390, 0.8690495352, 0.0009679258]),
        ([1, -2, 0], [0.7053845127, 0.0351190270, 0.2594964603]),
        ([0.5, -1, 0], [0.5465493873, 0.1219516523, 0.3314989604]),
        ([12.5, 0.6, -23.0], [0.99999320964, 6.7903586981e-06, 3.8242206601e-16]),
    ],
)
def test_probabilities_of_the_notes(scores, want):
    np.testing.assert_allclose(softmax(np.array(scores, float)), want, rtol=5e-7)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("rows", [1, 17])
@pytest.mark.parametrize(
    ("scores", "upstream", "value", "gradient"),
    [
        ([1e4, 0, -1e4], [1, 2, 3], [1, 0, 0], [0, 0, 0]),
        ([0, -INF], [1, 2], [1, 0], [0, 0]),
        ([INF, 0], [1, 2], [1, 0], [0, 0]),
        ([INF, 0, INF], [1, 1, 1], [0.5, 0, 0.5], [0, 0, 0]),
        ([-INF, -INF], [1, 1], [np.nan] * 2, [np.nan] * 2),
        ([0, np.nan], [1, 1], [np.nan] * 2, [np.nan] * 2),
    ],
)
def test_softmax_at_the_edge(dtype, rows, scores, upstream, value, gradient):
    found, slope = answer(
        softmax,
        np.tile(np.array(scores, float), (rows, 1)),
        dtype=dtype,
        upstream=np.tile(upstream, (rows, 1)),
    )
    np.testing.assert_array_equal(found, np.tile(np.array(value, float), (rows, 1)))
    np.testing.assert_array_equal(slope, np.tile(np.array(gradient, float), (rows, 1)))


@pytest.mark.parametrize("dtype", BOTH)
def test_log_softmax_at_the_edge(dtype):
    value, slope = answer(log_softmax, [0.0, -1e4], dtype=dtype, upstream=[0, 1])
    assert value.tolist() == [0, -1e4]
    assert slope.tolist() == [-1, 1]
    value, _ = answer(log_softmax, [20.0, 0.0], dtype=dtype)
    np.testing.assert_allclose(value, [-2.0611536181902037e-09, -20.000000002061153], rtol=1e-7)
    assert answer(log_softmax, [INF, 0.0], dtype=dtype)[0].tolist() == [0, -INF]
    assert answer(log_softmax, [-INF, 0.0], dtype=dtype)[0].tolist() == [-INF, 0]
    assert np.isnan(answer(log_softmax, [-INF, -INF], dtype=dtype)[0]).all()


@quick
@given(rows)
def test_laws(x):
    p = softmax(x)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-15)
    np.testing.assert_allclose(softmax(x + 7.0), p, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(np.exp(log_softmax(x)), p, rtol=1e-13)
    np.testing.assert_array_equal(softmax(x.T, axis=0), p.T)
    check_gradients(lambda t: softmax(t, axis=-1), [x], second=2e-6)


@quick
@given(st.floats(-30, 30), st.floats(-30, 30))
def test_two_classes_are_a_sigmoid(a, b):
    first = softmax(np.array([a, b]))[0]
    assert first == pytest.approx(float(sigmoid(np.float64(a - b))), abs=1e-15)


def test_float32_against_its_twin():
    x = np.random.default_rng(1).normal(0, 5, (64, 100)).astype(np.float32)
    wide = softmax(x.astype(np.float64))
    assert np.max(np.abs(softmax(x) - wide) / wide) <= 48 * 2.0**-24
    logs = log_softmax(x.astype(np.float64))
    assert np.max(np.abs(log_softmax(x) - logs) / np.maximum(1, np.abs(logs))) <= 12 * 2.0**-24


@pytest.mark.parametrize("gate", [softmax, log_softmax], ids=str)
def test_refusals(gate):
    with pytest.raises(ShapeError, match="at least one axis"):
        gate(np.float64(3.0))
    with pytest.raises(ShapeError, match="axis 2"):
        gate(np.zeros((2, 3)), axis=2)
    assert gate(np.zeros((2, 0))).shape == (2, 0)
    assert gate(np.array([1, 2, 3])).dtype == np.float32
