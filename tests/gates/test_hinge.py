"""Hinge losses: the course's numbers, its claims about them, the corner, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.errors import ArgumentError, RangeError
from backlight.gates import hinge
from backlight.gates.hinge import multi_margin, multiclass_hinge, one_vs_rest_hinge
from tests.gates.answers import answer
from tests.gates.differences import check_sample, samples_of

quick = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(hinge))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize(
    ("scores", "label", "margin", "want"),
    [
        ([-2.85, 0.86, 0.28], 2, 1, 1.58),
        ([13, -7, 11], 0, 10, 8),
        ([3.2, 5.1, -1.7], 0, 1, 2.9),
        ([1.3, 4.9, 2.0], 1, 1, 0),
        ([2.2, 2.5, -3.1], 2, 1, 12.9),
        ([10, -2, 3], 0, 1, 0),
        ([10, -100, -100], 0, 1, 0),
        ([10, 9, 9], 0, 1, 0),
    ],
)
def test_losses_of_the_notes(scores, label, margin, want):
    scores = np.array(scores, float)
    assert float(multiclass_hinge(scores, label, margin=margin)) == pytest.approx(want, abs=1e-12)


def test_mean_of_the_lecture():
    scores = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
    assert float(multiclass_hinge(scores, np.array([0, 1, 2]))) == pytest.approx(5.2666666667)


def test_loss_before_learning():
    assert float(multiclass_hinge(np.zeros((50, 10)), np.arange(50) % 10)) == 9
    assert float(one_vs_rest_hinge(np.zeros((50, 10)), np.arange(50) % 10)) == 10


def test_gradient_counts_the_classes_within_the_margin():
    _, slope = answer(multiclass_hinge, [[3.2, 5.1, -1.7], [2.2, 2.5, -3.1]], np.array([0, 2]))
    assert slope.tolist() == [[-0.5, 0.5, 0], [0.5, 0.5, -1]]


def test_exactly_at_the_margin_nothing_pulls():
    _, slope = answer(multiclass_hinge, [2.0, 1.0, 0.0], 0)
    assert slope.tolist() == [0, 0, 0]
    _, slope = answer(one_vs_rest_hinge, [1.0, -1.0], 0)
    assert slope.tolist() == [0, 0]
    sides = [
        multiclass_hinge.branch(np, np.array([2.0, 1 + gap]), np.array(0))[1]
        for gap in (-1e-9, 0, 1e-9)
    ]
    assert sides == [-1, 0, 1]


@quick
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 1))
def test_two_classes_are_the_binary_hinge(a, b, label):
    sign = 2 * label - 1
    two = float(multiclass_hinge(np.array([a, b]), label))
    assert two == pytest.approx(max(0, 1 - sign * (b - a)), abs=1e-12)


@quick
@given(st.integers(0, 10**6), st.booleans())
def test_against_loops(seed, squared):
    random = np.random.default_rng(seed)
    scores, labels = random.normal(size=(4, 5)), random.integers(0, 5, 4)
    power = 2 if squared else 1
    rivals = [
        sum(max(0, s[j] - s[y] + 0.7) ** power for j in range(5) if j != y)
        for s, y in zip(scores, labels, strict=True)
    ]
    each = [
        sum(max(0, 0.7 - (1 if j == y else -1) * s[j]) ** power for j in range(5))
        for s, y in zip(scores, labels, strict=True)
    ]
    settings_ = {"margin": 0.7, "squared": squared}
    np.testing.assert_allclose(
        multiclass_hinge(scores, labels, reduction="none", **settings_), rivals, rtol=1e-13
    )
    np.testing.assert_allclose(multi_margin(scores, labels, **settings_), np.mean(rivals) / 5)
    np.testing.assert_allclose(one_vs_rest_hinge(scores, labels, **settings_), np.mean(each))


def test_refusals():
    with pytest.raises(RangeError, match=r"label 3 at \[0\]"):
        multiclass_hinge(np.zeros((1, 3)), np.array([3]))
    with pytest.raises(ArgumentError, match="margin=-1"):
        one_vs_rest_hinge(np.zeros((1, 3)), np.array([2]), margin=-1)
    assert np.isnan(multiclass_hinge(np.array([[np.nan, 0.0]]), np.array([1])))
