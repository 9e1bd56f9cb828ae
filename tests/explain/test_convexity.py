"""Chords: never violated by the SVM loss, violated by a network with a hidden layer."""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import ArgumentError
from backlight.explain.convexity import convexity

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(5, 3))
LABELS = np.array([0, 1, 2, 0, 1])


def svm(weights):
    """The hinge loss of the course, L = (1/N) Σ Σ max(0, sⱼ − s_y + 1), in NumPy for speed."""
    scores = INPUTS @ weights.detach().numpy()
    margins = np.maximum(0, scores - scores[np.arange(5), LABELS][:, None] + 1)
    margins[np.arange(5), LABELS] = 0
    return margins.sum() / 5


def test_ten_thousand_chords_of_the_svm():
    weights = RNG.normal(size=(3, 3))
    own = bl.multiclass_hinge(bl.tensor(INPUTS) @ bl.tensor(weights), bl.tensor(LABELS))
    assert svm(bl.tensor(weights)) == pytest.approx(float(own))
    found = convexity(svm, np.zeros((3, 3)))
    assert (found.chords, found.violations, found.convex) == (10_000, 0, True)
    assert "none was violated" in str(found)


def test_a_hidden_layer_is_not_convex():
    def network(numbers):
        hidden = (bl.tensor(INPUTS) @ numbers[:12].reshape(3, 4)).relu()
        return bl.multiclass_hinge(hidden @ numbers[12:].reshape(4, 3), bl.tensor(LABELS))

    found = convexity(network, np.zeros(24), chords=200)
    assert not found.convex
    worst = found.worst
    at = worst.share * worst.a + (1 - worst.share) * worst.b
    ends = [float(network(bl.tensor(x))) for x in (worst.a, worst.b)]
    assert float(network(bl.tensor(at))) == pytest.approx(worst.value)
    assert worst.share * ends[0] + (1 - worst.share) * ends[1] == pytest.approx(worst.bound)
    assert worst.excess > 1e-3
    assert "not convex" in str(found)


def test_rounding_is_no_violation():
    assert convexity(lambda x: 1e9 + (0.1 * x).sum(), np.zeros(3), chords=300).convex


def test_arguments():
    with pytest.raises(ArgumentError, match="at least one chord"):
        convexity(lambda x: x.sum(), [0.0], chords=0)
