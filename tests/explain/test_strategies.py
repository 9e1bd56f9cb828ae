"""The ladder of optimisation on one loss: each rung is better for what it costs."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import backlight as bl
from backlight.errors import ArgumentError
from backlight.explain.strategies import (
    analytic_descent,
    numerical_descent,
    random_local_search,
    random_search,
)
from backlight.gates.hinge import multiclass_hinge


def problem():
    x, y = load_digits(return_X_y=True)
    x = (x[:300] - x.mean(axis=0)) / 16
    y = y[:300]

    def score(weights):
        return multiclass_hinge(x @ weights, y).mean()

    def loss(weights):
        return float(score(weights))

    return x, y, loss, bl.grad(score)


def test_each_rung_is_lower_than_the_one_before():
    x, y, loss, gradient = problem()
    shape = (64, 10)
    assert loss(np.zeros(shape)) == pytest.approx(9.0)  # C − 1
    guessed = random_search(loss, shape, tries=300, scale=1e-1)
    stumbled = random_local_search(loss, guessed.best, tries=300, step=2e-2)
    followed = analytic_descent(
        loss, lambda w: np.asarray(gradient(w)), np.zeros(shape), steps=100, learning_rate=0.1
    )
    assert 9 > guessed.loss > stumbled.loss > 3 * followed.loss
    assert followed.evaluations[-1] == 301
    assert np.mean(np.argmax(x @ followed.best, axis=1) == y) > 0.95


def test_numerical_and_analytic_descent_go_the_same_way():
    x, y, _, _ = problem()

    def loss_of(weights):
        return float(multiclass_hinge(x[:20, :8] @ weights, y[:20]).mean())

    def score(weights):
        return multiclass_hinge(x[:20, :8] @ weights, y[:20]).mean()

    start = 0.1 * np.random.default_rng(0).normal(size=(8, 10))
    measured = numerical_descent(loss_of, start, steps=5, learning_rate=0.05)
    gradient = bl.grad(score)
    exact = analytic_descent(
        loss_of, lambda w: np.asarray(gradient(w)), start, steps=5, learning_rate=0.05
    )
    np.testing.assert_allclose(measured.best, exact.best, atol=1e-6)
    assert measured.evaluations[-1] > 50 * exact.evaluations[-1]


def test_same_seed_same_search():
    bowl = lambda w: float(np.sum(w * w))  # noqa: E731
    first, second = (random_search(bowl, (3,), tries=20, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.best, second.best)
    assert first.losses == sorted(first.losses, reverse=True)


def test_mistakes_are_said():
    with pytest.raises(ArgumentError, match="tries=0"):
        random_search(lambda w: 0.0, (2,), tries=0)
    with pytest.raises(ArgumentError, match="learning_rate=-1"):
        analytic_descent(lambda w: 0.0, lambda w: w, np.zeros(2), steps=3, learning_rate=-1)
