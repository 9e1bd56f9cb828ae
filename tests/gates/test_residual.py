"""Probabilities minus the label."""

import numpy as np
import pytest

import backlight
from backlight.errors import ShapeError
from backlight.gates.residual import residual


def compiled(x, labels):
    return backlight.compile(lambda x: residual(x, labels))(x)


@pytest.mark.parametrize("run", [residual, compiled])
@pytest.mark.parametrize(
    ("scores", "label", "answer"),
    [
        ([20.0, 0.0], 0, [-2.0611537e-9, 2.0611537e-9]),
        ([20.0, 0.0], 1, [1.0, -1.0]),
        ([40.0, 0.0, 40.0], 0, [-0.5, 2.1241772e-18, 0.5]),
        ([0.0, -np.inf], 0, [0.0, 0.0]),
        ([0.0, -np.inf], 1, [1.0, -1.0]),
        ([1e4, -1e4], 1, [1.0, -1.0]),
        ([np.inf, 0.0], 0, [0.0, 0.0]),
        ([3.0], 0, [0.0]),
    ],
)
def test_the_digits_at_the_edge(run, scores, label, answer):
    for width in (1, 17):
        x = np.tile(np.array(scores, np.float32), (width, 1))
        given = run(backlight.tensor(x), backlight.tensor(np.full(width, label)))
        np.testing.assert_allclose(given.numpy(), np.tile(answer, (width, 1)), rtol=3e-7)


@pytest.mark.parametrize("run", [residual, compiled])
def test_against_the_truth(run):
    rng = np.random.default_rng(0)
    x = (5 * rng.standard_normal((37, 1000))).astype(np.float32)
    labels = rng.integers(0, 1000, 37)
    truth = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    truth /= truth.sum(axis=1, keepdims=True)
    truth[np.arange(37), labels] -= 1.0
    given = run(backlight.tensor(x), backlight.tensor(labels)).numpy()
    assert np.max(np.abs(given - truth) / np.abs(truth)) < 48 * 2.0**-24


def test_labels_of_another_shape():
    with pytest.raises(ShapeError, match="one class number"):
        residual(backlight.tensor(np.zeros((3, 2), "f")), backlight.tensor(np.zeros(2, "i8")))
