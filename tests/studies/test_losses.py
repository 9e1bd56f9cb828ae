"""Entropies, two classes, two losses, activations."""

import math

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from backlight.errors import ArgumentError, BacklightError, DataError
from backlight.gates.activation import sigmoid
from backlight.gates.hinge import multiclass_hinge
from backlight.gates.softmax import softmax
from backlight.studies.activations import activations
from backlight.studies.binary import binary
from backlight.studies.divergence import BIT, divergence, gradient_by_scores
from backlight.studies.material import Material
from backlight.studies.two_losses import COLD_AND_WARM, by_lead, two_losses


def test_the_numbers_of_the_notes():
    found = divergence((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))
    assert found.entropy == pytest.approx(1.0397208, abs=5e-8)
    assert found.cross_entropy == pytest.approx(1.2130076, abs=5e-8)
    assert found.divergence == pytest.approx(0.1732868, abs=5e-8)
    assert found.entropy / BIT == pytest.approx(1.5, abs=1e-15)
    assert found.cross_entropy / BIT == pytest.approx(1.75, abs=1e-15)


def test_impossible_and_certain():
    assert divergence((1, 0), (0, 1)).cross_entropy == math.inf
    assert divergence((1, 0), (0, 1)).divergence == math.inf
    certain = divergence((1, 0), (1, 0))
    assert (certain.entropy, certain.cross_entropy, certain.divergence) == (0, 0, 0)


shares = st.lists(st.floats(0.01, 1), min_size=4, max_size=4)


@drawn(shares, shares)
def test_cross_entropy_is_entropy_and_divergence(p, q):
    p, q = (np.array(one) / sum(one) for one in (p, q))
    found = divergence(p, q)
    assert found.cross_entropy == pytest.approx(found.entropy + found.divergence, abs=4e-15)
    assert found.divergence >= -1e-15
    assert divergence(p, p).cross_entropy == pytest.approx(found.entropy, abs=4e-15)


@pytest.mark.parametrize(
    ("p", "q"),
    [((0.5, 0.4), (0.5, 0.5)), ((1.5, -0.5), (0.5, 0.5)), ((math.nan, 1), (0.5, 0.5))],
)
def test_what_is_no_distribution_is_refused(p, q):
    with pytest.raises(ArgumentError, match="sum to 1"):
        divergence(p, q)


@pytest.mark.parametrize(("p", "q"), [((1,), (0.5, 0.5)), ((), ())])
def test_lengths_must_be_equal(p, q):
    with pytest.raises(BacklightError, match="equally many"):
        divergence(p, q)


def test_the_gradient_by_scores_is_p_minus_y():
    found = gradient_by_scores(np.log([0.2, 0.3, 0.5]), (0, 1, 0))
    assert found == pytest.approx([0.2, -0.7, 0.5], abs=1e-15)


def test_half_is_zero_and_softmax_is_sigma(digits):
    found = binary(digits, (3, 8))
    assert found.names == ("3", "8")
    assert found.accuracy > 0.97
    assert found.agree == 1
    smooth = np.asarray(sigmoid(found.scores.astype(np.float64)))
    assert found.probabilities == pytest.approx(smooth, abs=1e-6)


def test_two_classes_must_be_there():
    rows = np.zeros((4, 2), np.float32)
    toy = Material("toy", ("a", "b"), (2,), rows, np.zeros(4, int), rows, np.zeros(4, int))
    with pytest.raises(DataError, match="no examples of class 1"):
        binary(toy)


def test_circles_are_not_for_a_line():
    from backlight.data.split import split
    from backlight.data.toy import circles
    from backlight.studies.material import material

    found = binary(material(split(circles(500), 0.15, 0.15)))
    assert found.accuracy < 0.6


def test_the_svm_is_indifferent_and_softmax_is_not():
    found = two_losses()
    assert [one.hinge for one in found] == [0, 0, 0]
    entropies = [one.cross_entropy for one in found]
    assert entropies == pytest.approx([9.176e-4, 0, 0.551445], rel=1e-4, abs=1e-12)


def test_halved_scores_are_less_sure():
    sure, unsure = (softmax(share * np.array(COLD_AND_WARM)) for share in (1, 0.5))
    assert sure == pytest.approx([0.7054, 0.0351, 0.2595], abs=5e-5)
    assert unsure == pytest.approx([0.5465, 0.1220, 0.3315], abs=5e-5)


def test_scores_without_loss_have_none_when_doubled():
    scores = np.array([[10.0, -2.0, 3.0]])
    for times in (1, 2):
        assert float(multiclass_hinge(times * scores, np.array([0]))) == 0


def test_cross_entropy_always_falls():
    _, hinge, entropy = by_lead()
    assert (np.diff(entropy) < 0).all()
    assert (np.diff(hinge) <= 0).all()


def test_activations_on_one_budget(digits):
    found = activations(digits.first(400), ("relu", "sigmoid"), hidden=(30,), epochs=12)
    assert [one.name for one in found] == ["relu", "sigmoid"]
    assert found[0].accuracy > 0.7
    for one in found:
        assert 0 <= one.dead < 1
        assert one.seconds > 0
        assert len(one.losses) == 12


def test_an_unknown_activation_is_refused(digits):
    with pytest.raises(ArgumentError, match="activation='relo'"):
        activations(digits.first(100), ("relo",))
