"""A gradient worked out by hand, in NumPy: right ones pass, planted slips are found and named."""

import numpy as np
import pytest

import backlight as bl
from backlight.check.by_hand import check_by_hand
from backlight.errors import ArgumentError, ShapeError

CHANCE = np.random.default_rng(0)
X, LABELS = CHANCE.normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
W, B = CHANCE.normal(size=(4, 3)), CHANCE.normal(size=3)
ROWS = np.arange(6)


def softmax_loss(slip=lambda dW, db, ds: (dW, db)):
    """Mean cross-entropy with a penalty 0.1·ΣW², as the course's exercise has it."""

    def loss(W, b, X, y):
        scores = X @ W + b
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        value = -np.log(chances[ROWS, y]).mean() + 0.1 * np.sum(W * W)
        ds = chances.copy()
        ds[ROWS, y] -= 1
        ds /= len(X)
        dW, db = slip(X.T @ ds, ds.sum(axis=0), ds)
        return value, {"dW": dW + 0.2 * W if dW.shape == W.shape else dW, "db": db}

    return loss


def svm_loss(W, X, y):
    scores = X @ W
    margins = np.maximum(0, scores - scores[ROWS, y][:, None] + 1)
    margins[ROWS, y] = 0
    ds = (margins > 0).astype(float)
    ds[ROWS, y] = -ds.sum(axis=1)
    return margins.sum() / len(X), X.T @ ds / len(X)


def of(loss):
    return check_by_hand(loss, (W, B, X, LABELS))


def test_right_ones_pass():
    report = of(softmax_loss())
    assert report.counts == {"happy": 15}
    assert {row.name for row in report.rows} == {"W", "b"}  # no gradient by X was answered
    assert check_by_hand(svm_loss, (W, X, LABELS)).counts == {"happy": 12}


@pytest.mark.parametrize(
    ("slip", "name", "words"),
    [
        (lambda dW, db, ds: (dW, -db), "b", "the sign"),
        (lambda dW, db, ds: (dW, db * 6), "b", "6 times too large: a sum over 6"),
        (lambda dW, db, ds: (dW, 2 * db), "b", "twice too large"),
        (lambda dW, db, ds: (dW - 0.2 * W, db), "W", "0.2·W is missing, as a penalty"),
        (lambda dW, db, ds: (dW - 0.1 * W, db), "W", "0.1·W is missing, as a penalty"),
        (lambda dW, db, ds: (dW + 0.2 * W, db), "W", "0.2·W is too much"),
        (lambda dW, db, ds: (dW.T, db), "W", "transposed"),
        (lambda dW, db, ds: (dW, ds), "b", "not summed over the axis 0 of the broadcast"),
        (lambda dW, db, ds: (dW, db[None]), "b", "an axis of length 1 too many"),
        (lambda dW, db, ds: (dW, db * [1, 1.02, 1]), "b", "only some numbers: 1 of the 3"),
        (lambda dW, db, ds: (dW, 0 * db), "b", "no gradient arrives"),
        (lambda dW, db, ds: (dW, db * 1.001), "b", "a factor of 1.001"),
    ],
)
def test_slips_are_named(slip, name, words):
    report = of(softmax_loss(slip))
    assert not report.ok
    assert words in next(row.mistake for row in report.rows if row.name == name)
    assert all(row.name == name for row in report.rows if row.verdict.failed)


@pytest.mark.parametrize("x", [0.0, 1e-7, -1e-6, 3e-6, -2e-5])
def test_a_kink_is_no_mistake(x):
    point = np.array([x, 1.0, -1.0])
    report = check_by_hand(lambda x: (np.maximum(x, 0).sum(), (x > 0) * 1.0), point)
    assert report.ok, str(report)
    if x == 0:
        assert report.rows[0].kink == "the function"
        assert report.rows[0].side == "left"
    wrong = check_by_hand(lambda x: (np.maximum(x, 0).sum(), (x > 0) * 2.0 - 1), point)
    assert not wrong.ok


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_scale_does_not_matter(scale):
    point = np.array([0.3, -0.7])
    assert check_by_hand(lambda x: (scale * np.sin(x).sum(), scale * np.cos(x)), point).ok
    assert not check_by_hand(lambda x: (scale * np.sin(x).sum(), scale * np.cos(x) * 2), point).ok


def test_float32_inside_is_noticed():
    def single(x, factor):
        inside = x.astype(np.float32)
        return float(np.tanh(inside).sum()), factor * (1 - np.tanh(x) ** 2)

    point = np.array([0.3, -0.7])
    assert check_by_hand(lambda x: single(x, 1), point).ok
    assert not check_by_hand(lambda x: single(x, 0), point).ok
    assert not check_by_hand(lambda x: single(x, 1.05), point).ok


def test_too_noisy_is_said():
    report = check_by_hand(lambda x: (np.sin(x).sum() + 1e12, np.cos(x)), np.array([0.3, 0.5]))
    assert report.ok
    assert report.counts == {"not checked: too noisy": 2}


def test_tensors_and_tuples():
    x, y = bl.tensor([1.0, 2.0]), bl.tensor(3.0)
    assert check_by_hand(lambda x, y: ((x * x).sum() * y, (2 * x * y, (x * x).sum())), (x, y)).ok
    one = check_by_hand(lambda x, y: ((x * x).sum() * y, (None, (x * x).sum())), (x, y))
    assert [row.name for row in one.rows] == ["y"]
    assert np.array_equal(x.numpy(), [1, 2])


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: 3.0, ArgumentError, "value, gradient"),
        (lambda x: (x, x), ShapeError, "one number"),
        (lambda x: (x.sum(), (x, x)), ArgumentError, "at most one"),
        (lambda x: (x.sum(), {"dz": x}), ArgumentError, "'dz'"),
        (lambda x: (x.sum() + np.random.rand(), x), ArgumentError, "two different results"),
    ],
)
def test_what_cannot_be_checked(function, error, words):
    with pytest.raises(error, match=words):
        check_by_hand(function, np.array([1.0, 2.0]))
