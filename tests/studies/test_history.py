"""What failed from 1957 to 2012, and what mended it: the numbers, not only the words."""

import numpy as np
import pytest

from backlight.errors import DataError, NonFiniteError
from backlight.studies.board import board
from backlight.studies.boltzmann import machine, pretrain
from backlight.studies.deep_stack import arriving, descent, linears, stack
from backlight.studies.history import CORNERS, WANTED, draw, exclusive, history, perceptrons


def test_the_perceptron_of_1957():
    found = perceptrons(12)
    assert found["OR"].n_iter_ == 4
    assert found["AND"].n_iter_ == 6
    assert [*found["AND"].coef_[0], found["AND"].intercept_[0]] == [2, 1, -2]
    assert found["XOR"].mistakes_[2:] == [4] * 10  # every corner, every pass


@pytest.mark.parametrize("seed", [0, 3])
def test_two_hidden_units_learn_the_exclusive_or(seed):
    found = exclusive(seed=seed)
    assert found.chance(CORNERS).round().tolist() == list(WANTED["XOR"])
    assert found.losses[-1] < 0.02


def test_small_sigmoids_lose_more_than_a_quarter_a_layer(digits):
    found = arriving(stack("small", 64, 10), digits.train[:200], digits.labels[:200])
    assert found[0] < 0.25**6 * found[-1]
    assert sorted(found) == found
    kept = arriving(stack("relu", 64, 10), digits.train[:200], digits.labels[:200])
    assert max(kept) / min(kept) < 5


def test_contrastive_divergence_reconstructs(digits):
    rows = digits.train[:400]
    layer = machine(rows, 32, epochs=12)
    mean = float(((rows - rows.mean(axis=0)) ** 2).mean())
    assert layer.errors[-1] < 0.75 * mean
    first, second = pretrain(rows, [16, 8], epochs=2)
    assert first.weight.shape == (64, 16)
    assert second.weight.shape == (16, 8)
    assert np.array_equal(first.weight, pretrain(rows, [16], epochs=2)[0].weight)


def test_pretrained_layers_are_where_training_begins(digits):
    learned = pretrain(digits.train[:200], [12, 12], epochs=1)
    module = stack("pretrained", 64, 10, [12, 12], learned)
    for layer, one in zip(linears(module), learned, strict=False):
        assert np.array_equal(layer.weight.detach().numpy(), one.weight.T)


def test_the_same_network_three_starts(digits):
    """The middle one is stuck at chance, the others learn: that is the story."""
    found = history(digits, hidden=(48,) * 6, epochs=10, rates=(0.05,))
    small, pretrained, relu = found.descents
    assert small.losses[-1] > 2.25  # ln 10 = 2.303: guessing
    assert small.accuracy < 0.2
    assert min(pretrained.accuracy, relu.accuracy) > 0.8
    pytest.importorskip("matplotlib")
    for theme, language in (("light", "en"), ("dark", "ko")):
        assert len(draw(board(theme, language), found, digits).axes) == 6


def test_rates_that_run_to_infinity_are_passed_over(digits):
    found = descent(digits, "relu", hidden=(16,), rates=(0.05, 1e30), epochs=1)
    assert found.rate == 0.05
    with pytest.raises(NonFiniteError, match="smaller rates"):
        descent(digits, "relu", hidden=(16,), rates=(1e30,), epochs=1)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(DataError, match="read as probabilities"):
        pretrain(np.array([[0.5, wrong]]), [2])
