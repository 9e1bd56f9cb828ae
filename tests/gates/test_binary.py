"""Binary cross-entropy from scores and from probabilities, at the edge too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.engine.tensor import tensor
from backlight.errors import RangeError, ShapeError
from backlight.gates import binary
from backlight.gates.activation import sigmoid
from backlight.gates.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from backlight.gates.loss import cross_entropy
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(binary))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("copies", [1, 17])
def test_scores_at_the_edge(dtype, copies):
    value, slope = answer(
        binary_cross_entropy_with_logits,
        np.repeat([1000.0, 1000, -1000, -1000, INF, -INF], copies),
        np.repeat([0, 1, 1, 0, 1, 0], copies),
        dtype=dtype,
        reduction="none",
    )
    np.testing.assert_array_equal(value, np.repeat([1000, 0, 1000, 0, 0, 0], copies))
    np.testing.assert_array_equal(slope, np.repeat([1, 0, -1, 0, 0, 0], copies))


@pytest.mark.parametrize("dtype", BOTH)
def test_nearly_right_scores_keep_their_digits(dtype):
    value, slope = answer(binary_cross_entropy_with_logits, [20.0], [1], dtype=dtype)
    np.testing.assert_allclose([float(value), -float(slope[0])], 2.0611536e-9, rtol=1e-6)


@pytest.mark.parametrize("dtype", BOTH)
def test_probabilities_at_the_edge(dtype):
    value, slope = answer(
        binary_cross_entropy, [1.0, 0.0, 1.0, 0.0], [0, 1, 1, 0], dtype=dtype, reduction="none"
    )
    assert value.tolist() == [INF, INF, 0, 0]
    assert slope.tolist() == [INF, -INF, -1, 1]


@quick
@given(st.lists(st.floats(-15, 15), min_size=1, max_size=9).map(np.array), st.floats(0, 1))
def test_both_forms_agree(x, goal):
    target = np.full(x.shape, goal)
    np.testing.assert_allclose(
        binary_cross_entropy(sigmoid(x), target),
        binary_cross_entropy_with_logits(x, target),
        rtol=1e-9,
        atol=1e-10,
    )


@quick
@given(st.floats(-40, 40), st.floats(-40, 40), st.integers(0, 1))
def test_two_classes_are_one_question(a, b, label):
    two = cross_entropy(np.array([[a, b]]), np.array([label]))
    one = binary_cross_entropy_with_logits(np.array([b - a]), np.array([label]))
    assert float(two) == pytest.approx(float(one), rel=1e-12, abs=1e-15)


def test_refusals():
    half = np.array([0.5, 0.5])
    with pytest.raises(RangeError, match=r"(?s)target of -1 at \[1\].*into 0 and 1"):
        binary_cross_entropy_with_logits(half, np.array([1, -1]))
    with pytest.raises(RangeError, match=r"(?s)probability of 1.5 at \[0\].*Pass scores"):
        binary_cross_entropy(np.array([1.5, 0.5]), half)
    with pytest.raises(ShapeError, match="equal shapes"):
        binary_cross_entropy_with_logits(np.zeros((2, 1)), half)
    with pytest.raises(ShapeError, match="at least one"):
        binary_cross_entropy(np.zeros(0), np.zeros(0))
    assert np.isnan(binary_cross_entropy(np.array([np.nan, 0.5]), half))


def test_truth_values_are_probabilities_too():
    sure = tensor([True, False])
    target = tensor([0.5, 0.5], requires_grad=True)
    binary_cross_entropy(sure, target, reduction="sum").backward()
    assert target.grad.tolist() == [-np.inf, np.inf]
