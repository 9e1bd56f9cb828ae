"""Cross-entropy: worked numbers, hostile ones, PyTorch's options by their formulas, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, DTypeError, RangeError, ShapeError
from backlight.gates import loss, target
from backlight.gates.loss import cross_entropy, nll_loss
from backlight.gates.softmax import log_softmax
from tests.gates.answers import BOTH, answer
from tests.gates.differences import check_gradients, check_sample, samples_of

INF = float("inf")
quick = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(loss, target))
def test_samples(gate, sample):
    check_sample(gate, sample)


@pytest.mark.parametrize(
    ("scores", "label", "want"),
    [
        ([-2.85, 0.86, 0.28], 2, 1.0401905694),
        ([3.2, 5.1, -1.7], 0, 2.0403551528),
        ([1.3, 4.9, 2.0], 1, 0.0791317783),
        ([2.2, 2.5, -3.1], 2, 6.1564772017),
        ([10, -2, 3], 0, 0.00091760499505),
        ([10, -100, -100], 0, 0.0),
        ([10, 9, 9], 0, 0.5514447139),
    ],
)
def test_losses_of_the_notes(scores, label, want):
    scores = np.array(scores, float)
    assert float(cross_entropy(scores, label)) == pytest.approx(want, abs=6e-11)
    assert float(cross_entropy(scores[None], np.array([label]))) == pytest.approx(want, abs=6e-11)


def test_loss_before_learning():
    labels = np.arange(50) % 10
    found = cross_entropy(np.zeros((50, 10)), labels)
    assert float(found) == pytest.approx(math.log(10), abs=1e-15)


def test_gradient_is_probability_minus_one_at_the_label():
    logits = np.log([0.2, 0.3, 0.5])
    _, slope = answer(cross_entropy, logits, 1)
    np.testing.assert_allclose(slope, [0.2, -0.7, 0.5], rtol=1e-15)
    _, slope = answer(cross_entropy, np.tile(logits, (4, 1)), np.array([1, 1, 1, 1]))
    np.testing.assert_allclose(slope, [[0.05, -0.175, 0.125]] * 4, rtol=1e-15)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("rows", [1, 17])
def test_at_the_edge(dtype, rows):
    def one(scores, goal):
        scores = np.tile(np.array(scores, float), (rows, 1))
        goal = np.tile(goal, (rows,) + (1,) * np.ndim(goal))
        return answer(cross_entropy, scores, goal, dtype=dtype, reduction="none")

    value, slope = one([1e4, -1e4], 1)
    assert (value == 2e4).all()
    assert (slope == [1, -1]).all()
    value, slope = one([20, 0], 0)
    sure = 2.0611536181902037e-09
    np.testing.assert_allclose(value, np.full(rows, sure), rtol=1e-7)
    np.testing.assert_allclose(slope, np.tile([-sure, sure], (rows, 1)), rtol=1e-6)
    value, slope, _ = one([0, -INF], [1.0, 0.0])
    assert (value == 0).all()
    assert (slope == 0).all()
    value, slope = one([0, -INF], 1)
    assert (value == INF).all()


@pytest.mark.parametrize("dtype", BOTH)
def test_distribution_gradient_keeps_its_digits(dtype):
    value, slope, _ = answer(cross_entropy, [[20.0, 0.0]], [[1.0, 0.0]], dtype=dtype)
    np.testing.assert_allclose(value, 2.0611536181902037e-09, rtol=1e-7)
    np.testing.assert_allclose(slope, [[-2.0611536e-09, 2.0611536e-09]], rtol=1e-6)


def by_formula(logits, labels, weight, smoothing, ignored):
    """PyTorch's documented formula, example by example."""
    logs, classes = log_softmax(logits), logits.shape[1]
    top = bottom = 0.0
    for row, label in zip(logs, labels, strict=True):
        if label == ignored:
            continue
        top -= (1 - smoothing) * weight[label] * row[label]
        top -= smoothing / classes * float(weight @ row)
        bottom += weight[label]
    return top / bottom


@quick
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([None, 0, -100]))
def test_weights_smoothing_and_ignored_labels(seed, smoothing, ignored):
    random = np.random.default_rng(seed)
    logits, weight = random.normal(size=(5, 3)), random.uniform(0.1, 2, 3)
    labels = np.array([0, 1, 2, *random.integers(0, 3, 2)])
    if ignored == -100:
        labels[3] = -100
    found = cross_entropy(logits, labels, weight, label_smoothing=smoothing, ignore_index=ignored)
    assert float(found) == pytest.approx(
        by_formula(logits, labels, weight, smoothing, ignored), rel=1e-12
    )
    check_gradients(
        lambda x, w: cross_entropy(x, labels, w, label_smoothing=smoothing, ignore_index=ignored),
        [logits, weight],
    )


def test_one_hot_distributions_are_labels():
    logits, labels = np.random.default_rng(3).normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
    rows = np.eye(4)[labels]
    for reduction in ("mean", "sum", "none"):
        np.testing.assert_allclose(
            cross_entropy(logits, rows, reduction=reduction),
            cross_entropy(logits, labels, reduction=reduction),
            rtol=1e-14,
        )
    np.testing.assert_allclose(
        nll_loss(log_softmax(logits), labels), cross_entropy(logits, labels), rtol=1e-14
    )


def test_images_of_labels():
    random = np.random.default_rng(4)
    logits, labels = random.normal(size=(2, 3, 4, 5)), random.integers(0, 3, (2, 4, 5))
    flat = np.moveaxis(logits, 1, -1).reshape(-1, 3)
    assert float(cross_entropy(logits, labels)) == pytest.approx(
        float(cross_entropy(flat, labels.ravel())), rel=1e-14
    )
    assert cross_entropy(logits, labels, reduction="none").shape == (2, 4, 5)


@pytest.mark.parametrize("gate", [cross_entropy, nll_loss], ids=str)
@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 3, 1], RangeError, r"label 3 at \[1\].*labels from 0 to 2"),
        ([0, -1, 1], RangeError, r"label -1 at \[1\]"),
        ([1, 2, 3], RangeError, r"Labels are counted from 0"),
        ([0.0, 1.0, 2.0], DTypeError, "labels of type float64.*whole numbers from 0 to 2"),
        ([True, False, True], DTypeError, "labels of type bool"),
        ([0, 1], ShapeError, r"labels of shape \(3,\)"),
        ([[0], [1], [2]], ShapeError, r"for a column labels.reshape"),
    ],
)
def test_wrong_labels(gate, labels, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        gate(np.zeros((3, 3))[:, :3] * 1.0, np.array(labels))
    with pytest.raises(error, match=f"(?s){words}"):
        gate(Tensor(np.zeros((3, 3)), requires_grad=True), np.array(labels))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cross_entropy(np.zeros((2, 3)), np.eye(3, dtype=int)[:2]), DTypeError, "one-hot"),
        (lambda: cross_entropy(np.zeros((2, 3)), np.zeros((2, 2))), ShapeError, "labels of shape"),
        (
            lambda: cross_entropy(np.zeros((0, 3)), np.zeros(0, int)),
            ShapeError,
            "at least one to take",
        ),
        (lambda: cross_entropy(np.float64(1), 0), ShapeError, "at least one class"),
        (
            lambda: cross_entropy(np.zeros((2, 3)), np.array([0, 1]), np.ones(2)),
            ShapeError,
            "weights",
        ),
        (
            lambda: cross_entropy(np.zeros((1, 3)), np.array([0]), reduction="men"),
            ArgumentError,
            "Did you mean 'mean'",
        ),
        (
            lambda: cross_entropy(np.zeros((1, 3)), np.array([0]), label_smoothing=1.5),
            ArgumentError,
            "from 0 to 1",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=f"(?s){words}"):
        call()


def test_small_label_types_and_whole_scores():
    labels = np.array([1, 0], np.uint8)
    logits = np.array([[1, 2], [3, 4]])
    found = cross_entropy(logits, labels)
    assert found.dtype == np.float32
    assert float(found) == pytest.approx(0.8132617, abs=1e-6)
