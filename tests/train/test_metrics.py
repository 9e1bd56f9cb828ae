import numpy as np
import pytest

from backlight import nn
from backlight.train.metrics import Evaluation, evaluate


def some():
    scores = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 0.5], [np.nan, 0.0, 0.0]])
    return Evaluation(0.5, scores, np.array([0, 1, 2, 0]))


def test_accuracy_and_its_error():
    assert some().accuracy == 0.5
    assert some().standard_error == pytest.approx((0.25 / 4) ** 0.5)


def test_a_nan_is_wrong_and_never_class_0():
    assert some().predicted.tolist() == [0, 1, 1, -1]


def test_confusion_counts_right_row_answered_column():
    assert some().confusion().tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_probabilities_do_not_overflow():
    found = Evaluation(0.0, np.array([[1e4, 0.0], [np.log(3), 0.0]]), np.array([0, 0]))
    assert found.probabilities() == pytest.approx(np.array([[1, 0], [0.75, 0.25]]))


def test_the_loss_is_the_mean_of_examples_and_not_of_batches():
    module, loss = nn.Linear(2, 3), nn.CrossEntropyLoss()
    draw = np.random.default_rng(0)
    inputs, labels = draw.normal(size=(7, 2)).astype(np.float32), np.arange(7) % 3
    whole = evaluate(module, loss, [(inputs, labels)])
    parts = evaluate(module, loss, [(inputs[:5], labels[:5]), (inputs[5:], labels[5:])])
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert np.allclose(parts.scores, whole.scores)


def test_it_evaluates_without_dropout_and_leaves_the_mode_as_it_was():
    module = nn.Sequential(nn.Dropout(0.9), nn.Linear(2, 2))
    inputs = np.ones((3, 2), np.float32)
    for training in (True, False):
        module.train(training)
        first, again = (
            evaluate(module, nn.CrossEntropyLoss(), [(inputs, np.zeros(3, int))]) for _ in range(2)
        )
        assert np.array_equal(first.scores, again.scores)
        assert module.training is training
    assert all(p.grad is None for p in module.parameters())


def test_the_five_likeliest_are_those_of_a_sorted_row():
    random = np.random.default_rng(0)
    scores = random.integers(0, 4, (300, 9)).astype(np.float32)  # many ties
    labels = random.integers(0, 9, 300)
    found = Evaluation(0.0, scores, labels)
    order = np.argsort(-scores, axis=1, kind="stable")
    for k in (1, 2, 5, 9):
        expected = (order[:, :k] == labels[:, None]).any(axis=1).mean()
        assert found.top(k) == expected
    assert found.top(1) == found.accuracy
    assert found.top5_accuracy == found.top(5)


def test_five_classes_have_no_five_likeliest_and_a_nan_is_wrong():
    assert Evaluation(0.0, np.zeros((2, 5)), np.array([0, 1])).top5_accuracy is None
    spoiled = Evaluation(0.0, np.full((1, 6), np.nan), np.array([0]))
    assert spoiled.top5_accuracy == 0.0
    assert some().top(3) == 0.75
