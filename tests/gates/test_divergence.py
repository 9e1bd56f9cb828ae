"""Entropy, cross-entropy and divergence of distributions: the notes' numbers and identities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backlight.errors import RangeError, ShapeError
from backlight.gates import divergence
from backlight.gates.divergence import cross_entropy_of, entropy, kl_divergence, xlogy
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_sample, samples_of

INF = float("inf")
P, Q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.5, 0.25])
quick = settings(max_examples=60, deadline=None, derandomize=True)
powers = arrays(np.float64, (2, 4), elements=st.floats(0, 1))


@pytest.mark.parametrize(("gate", "sample"), **samples_of(divergence))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_numbers_of_the_notes():
    assert float(entropy(P)) == pytest.approx(1.0397207708, abs=5e-11)
    assert float(entropy(P)) / np.log(2) == pytest.approx(1.5)
    assert float(cross_entropy_of(P, Q)) == pytest.approx(1.2130075660, abs=5e-11)
    assert float(cross_entropy_of(P, Q)) / np.log(2) == pytest.approx(1.75)
    assert float(kl_divergence(P, Q)) == pytest.approx(0.1732867951, abs=5e-11)


@pytest.mark.parametrize(
    ("p", "q", "want"),
    [
        ([1, 0], [0, 1], INF),
        ([1, 0], [1, 0], 0),
        ([1, 0], [0.9, 0.1], 0.1053605157),
    ],
)
def test_extremes(p, q, want):
    found = cross_entropy_of(np.array(p, float), np.array(q, float))
    assert float(found) == pytest.approx(want, abs=5e-11)


@quick
@given(powers)
def test_identities(x):
    p, q = (x + 1e-6) / (x + 1e-6).sum(axis=1, keepdims=True)
    h, cross, gap = entropy(p), cross_entropy_of(p, q), kl_divergence(p, q)
    assert float(cross) == pytest.approx(float(h + gap), rel=2e-15, abs=1e-15)
    assert gap >= -1e-16
    assert float(cross_entropy_of(p, p)) == pytest.approx(float(h), rel=1e-15)
    assert kl_divergence(p, p) == 0
    assert h <= np.log(4) + 1e-15


@pytest.mark.parametrize("dtype", BOTH)
def test_nothing_times_the_logarithm_of_nothing(dtype):
    value, by_x, by_y = answer(xlogy, [0.0, 0.0, 2.0], [0.0, 3.0, 1.0], dtype=dtype)
    assert value.tolist() == [0, 0, 0]
    np.testing.assert_allclose(by_x, [0, np.log(3), 0], rtol=1e-6)
    assert by_y.tolist() == [0, 0, 2]
    assert answer(xlogy, [1.0], [0.0], dtype=dtype)[0].tolist() == [-INF]


@pytest.mark.parametrize("dtype", BOTH)
def test_divergence_at_the_edge(dtype):
    value, by_p, by_q = answer(kl_divergence, [0.0, 1.0], [0.5, 0.5], dtype=dtype)
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)
    assert np.isfinite(by_p).all()
    assert by_q.tolist() == [0, -2]
    value, _, by_q = answer(kl_divergence, [0.5, 0.5], [0.0, 1.0], dtype=dtype)
    assert value == INF
    assert by_q.tolist() == [-INF, -0.5]
    assert answer(entropy, [0.0, 1.0], dtype=dtype)[0] == 0


@pytest.mark.parametrize("gate", [cross_entropy_of, kl_divergence], ids=str)
def test_refusals(gate):
    with pytest.raises(ShapeError, match="equal shapes"):
        gate(P, np.array([0.5, 0.5]))
    with pytest.raises(RangeError, match=r"q with -0.5 at \[1\]"):
        gate(P, np.array([1.0, -0.5, 0.5]))
    with pytest.raises(ShapeError, match="an axis of classes"):
        gate(np.float64(1), np.float64(1))
    assert np.isnan(gate(np.array([np.nan, 1]), np.array([0.5, 0.5])))


def test_entropy_refuses_scores():
    with pytest.raises(RangeError, match="softmax first"):
        entropy(np.array([1.0, -2.0]))
