"""Perceptron and Adaline: what they can learn, and what they cannot."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from backlight.errors import ArgumentError, DataError
from backlight.estimators import Adaline, Perceptron

CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([Perceptron(random_state=0), Adaline(random_state=0)])
def test_scikit_learns_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("name", "y"), [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1])])
@pytest.mark.parametrize("rule", [Perceptron(), Adaline(learning_rate=0.05, epochs=200)])
def test_a_line_is_found(name, y, rule):
    assert rule.fit(CORNERS, y).score(CORNERS, y) == 1


@pytest.mark.parametrize("rule", [Perceptron(), Adaline()])
def test_no_line_separates_the_exclusive_or(rule):
    assert rule.fit(CORNERS, [0, 1, 1, 0]).score(CORNERS, [0, 1, 1, 0]) < 1


def test_the_perceptron_stops_and_makes_no_more_mistakes_than_the_theorem_allows():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    side = x @ [1.0, -2.0] + 0.3
    x, y = x[abs(side) > 0.2], (side[abs(side) > 0.2] > 0).astype(int)
    model = Perceptron().fit(x, y)
    assert model.mistakes_[-1] == 0
    assert model.n_iter_ < 100
    # Novikoff: mistakes ≤ (R/γ)² for a separator of unit length with margin γ.
    truth = np.array([1.0, -2.0, 0.3]) / np.linalg.norm([1.0, -2.0, 0.3])
    extended = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    margin = np.min(abs(extended @ truth))
    assert sum(model.mistakes_) <= (np.linalg.norm(extended, axis=1).max() / margin) ** 2


def test_the_rate_of_a_perceptron_changes_no_answer():
    random = np.random.default_rng(1)
    x, y = random.normal(size=(50, 3)), random.integers(0, 2, 50)
    slow, fast = (Perceptron(learning_rate=rate, epochs=5).fit(x, y) for rate in (0.5, 4.0))
    np.testing.assert_array_equal(slow.predict(x), fast.predict(x))
    np.testing.assert_allclose(slow.coef_ * 8, fast.coef_)


def test_adaline_comes_to_least_squares():
    random = np.random.default_rng(2)
    x = random.normal(size=(200, 3))
    y = (x @ [1.0, 2.0, -1.0] + 0.2 * random.normal(size=200) > 0).astype(int)
    model = Adaline(learning_rate=0.001, epochs=200).fit(x, y)
    extended = np.concatenate([x, np.ones((200, 1))], axis=1)
    best, *_ = np.linalg.lstsq(extended, 2.0 * y - 1, rcond=None)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), best, atol=0.02)


@pytest.mark.parametrize(
    ("y", "passes", "weights"), [([0, 1, 1, 1], 4, None), ([0, 0, 0, 1], 6, [2, 1, -2])]
)
def test_passes_until_clean_in_the_order_of_the_table(y, passes, weights):
    """From zero weights, examples 00, 01, 10, 11, and answer 1 if w·x + b > 0."""
    model = Perceptron(shuffle=False).fit(CORNERS, y)
    assert model.n_iter_ == passes
    if weights:
        assert [*model.coef_[0], *model.intercept_] == weights


def test_the_exclusive_or_is_wrong_four_times_in_every_pass():
    assert Perceptron(shuffle=False, epochs=20).fit(CORNERS, [0, 1, 1, 0]).mistakes_[5:] == [4] * 15


def test_adaline_on_the_exclusive_or_says_half():
    model = Adaline(epochs=3000, learning_rate=0.001).fit(CORNERS, [0, 1, 1, 0])
    np.testing.assert_allclose(model.coef_, 0, atol=0.01)
    np.testing.assert_allclose(model.decision_function(CORNERS), 0, atol=0.01)  # ½ of 0 and 1


def test_a_neuron_a_class():
    random = np.random.default_rng(3)
    centres = np.array([[0.0, 4], [4, 0], [-4, -4]])
    y = np.arange(90) % 3
    x = centres[y] + random.normal(size=(90, 2)) * 0.5
    model = Perceptron().fit(x, y)
    assert model.coef_.shape == (3, 2)
    assert model.score(x, y) == 1


def test_mistakes_are_said():
    with pytest.raises(ArgumentError, match="epochs=0"):
        Perceptron(epochs=0).fit(CORNERS, [0, 0, 0, 1])
    with pytest.raises(ArgumentError, match="learning_rate=0"):
        Adaline(learning_rate=0).fit(CORNERS, [0, 0, 0, 1])
    with pytest.raises(DataError, match="one class"):
        Perceptron().fit(CORNERS, [1, 1, 1, 1])
    with pytest.raises(DataError, match="without bound"):
        Adaline(learning_rate=100.0).fit(CORNERS * 9, [0, 0, 0, 1])
