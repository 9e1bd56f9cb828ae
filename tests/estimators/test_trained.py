"""Classifiers trained by gradients: conventions, exchangeable parts, known facts of the course."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_circles
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from backlight.errors import ArgumentError, DataError, NonFiniteError
from backlight.estimators import ConvNetClassifier, LinearClassifier, NeuralNetClassifier
from backlight.estimators.network import square
from backlight.gates import TABLE

DIGITS, LABELS = load_digits(return_X_y=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        LinearClassifier(random_state=0, epochs=20),
        LinearClassifier("hinge", random_state=0, epochs=20),
        NeuralNetClassifier((16,), random_state=0, epochs=20),
        ConvNetClassifier(hidden_layer_sizes=(16,), random_state=0, epochs=15),
    ]
)
def test_scikit_learns_conventions(estimator, check):
    check(estimator)


def test_the_check_that_needs_another_process():
    """One check looks at SCIPY_ARRAY_API, which SciPy reads when it is imported."""
    program = """
from sklearn.utils.estimator_checks import check_estimator
from backlight.estimators import KNeighborsClassifier, LinearClassifier, Perceptron
for one in (KNeighborsClassifier(), LinearClassifier(epochs=20, random_state=0), Perceptron()):
    for found in check_estimator(one, on_skip=None):
        print(found["status"], found["check_name"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.split() for line in done.stdout.splitlines()]
    assert {status for status, _ in found} == {"passed"}
    assert [name for _, name in found].count("check_array_api_input") == 3


@pytest.mark.parametrize(
    ("features", "shape"), [(3072, (3, 32, 32)), (64, (1, 8, 8)), (30, (1, 6, 6)), (1, (1, 4, 4))]
)
def test_rows_are_squares_unless_said_otherwise(features, shape):
    assert square(features) == shape


def test_a_convnet_guesses_the_shape_of_its_images():
    given, guessed = (
        ConvNetClassifier(shape, epochs=1, random_state=0).fit(DIGITS, LABELS)
        for shape in ((1, 8, 8), None)
    )
    np.testing.assert_array_equal(given.predict(DIGITS), guessed.predict(DIGITS))


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "one_vs_rest_hinge"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_loss_and_update_rule_are_exchangeable(loss, optimizer):
    rate = "auto" if optimizer == "sgd" else 0.01
    model = LinearClassifier(
        loss, optimizer=optimizer, learning_rate=rate, epochs=8, random_state=0
    )
    assert model.fit(DIGITS[:1000], LABELS[:1000]).score(DIGITS[1000:], LABELS[1000:]) > 0.85
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]


def test_weights_speak_of_the_data_as_they_were_given():
    model = LinearClassifier(epochs=3, random_state=0).fit(DIGITS, LABELS)
    scores = DIGITS[:50] @ model.coef_.T + model.intercept_
    np.testing.assert_allclose(model.decision_function(DIGITS[:50]), scores, rtol=1e-3, atol=1e-3)
    assert model.coef_.shape == (10, 64)


def test_softmax_of_two_classes_is_the_sigmoid_of_their_difference():
    x, y = DIGITS[LABELS < 2], LABELS[LABELS < 2]
    model = LinearClassifier(epochs=3, random_state=0).fit(x, y)
    difference = model.decision_function(x)
    sigmoid = np.asarray(TABLE["sigmoid"](difference.astype(np.float64)))
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], sigmoid, atol=1e-6)
    np.testing.assert_array_equal(model.predict(x), (difference > 0).astype(int))


def test_scores_of_a_hinge_are_no_probabilities():
    model = LinearClassifier("hinge", epochs=1, random_state=0).fit(DIGITS, LABELS)
    with pytest.raises(AttributeError) as refused:
        model.predict_proba(DIGITS)
    assert "CalibratedClassifierCV" in str(refused.value.__cause__)
    assert not hasattr(model, "predict_proba")


def test_circles_are_not_separated_by_a_line_but_by_a_network():
    x, y = make_circles(400, noise=0.05, factor=0.5, random_state=0)
    assert LinearClassifier(random_state=0).fit(x, y).score(x, y) < 0.65
    assert NeuralNetClassifier((16,), random_state=0).fit(x, y).score(x, y) > 0.97
    straight = NeuralNetClassifier((16,), activation="identity", random_state=0)
    assert straight.fit(x, y).score(x, y) < 0.65


def test_first_losses_are_those_of_chance():
    for loss, expected in (("cross_entropy", np.log(10)), ("hinge", 9.0)):
        model = LinearClassifier(loss, learning_rate=1e-7, epochs=1, random_state=0)
        assert model.fit(DIGITS, LABELS).loss_curve_[0] == pytest.approx(expected, rel=0.01)


def test_regularisation_shrinks_and_l1_empties():
    def weights(**settings):
        return LinearClassifier(epochs=10, random_state=0, **settings).fit(DIGITS, LABELS).coef_

    assert np.linalg.norm(weights(alpha=0.1)) < np.linalg.norm(weights(alpha=0.0))
    sparse, full = weights(alpha=0.02, l1_ratio=1.0), weights(alpha=0.0)
    assert np.mean(abs(sparse) < 1e-3) > np.mean(abs(full) < 1e-3)


def test_same_seed_same_bits():
    first, second = (
        NeuralNetClassifier((8,), epochs=2, random_state=3, dropout=0.2).fit(DIGITS, LABELS)
        for _ in range(2)
    )
    for a, b in zip(first.module_.parameters(), second.module_.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_compiled_training_is_eager_training(monkeypatch):
    eager = LinearClassifier(epochs=2, random_state=0).fit(DIGITS, LABELS)
    monkeypatch.setattr("backlight.estimators.trained._WORTH_COMPILING", 0)
    compiled = LinearClassifier(epochs=2, random_state=0).fit(DIGITS, LABELS)
    np.testing.assert_allclose(compiled.coef_, eager.coef_, rtol=1e-3, atol=1e-5)


def test_early_stopping_keeps_the_best():
    model = NeuralNetClassifier(
        (32,), epochs=60, early_stopping=True, n_iter_no_change=3, random_state=0
    ).fit(DIGITS, LABELS)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 60
    assert max(scores) == max(scores[:-3])
    assert model.score(DIGITS, LABELS) > 0.97


def test_examples_may_come_in_parts():
    model = LinearClassifier(random_state=0)
    for _ in range(5):
        for first in range(0, 1500, 500):
            part = slice(first, first + 500)
            model.partial_fit(DIGITS[part], LABELS[part], classes=np.arange(10))
    assert model.score(DIGITS[1500:], LABELS[1500:]) > 0.85
    with pytest.raises(DataError, match="the label 77"):
        model.partial_fit(DIGITS[:2], [77, 1])


def test_a_convnet_of_rows():
    model = ConvNetClassifier((1, 8, 8), epochs=3, random_state=0)
    assert model.fit(DIGITS[:1200], LABELS[:1200]).score(DIGITS[1200:], LABELS[1200:]) > 0.85
    with pytest.raises(ArgumentError, match="rows of 64 numbers"):
        ConvNetClassifier((3, 32, 32)).fit(DIGITS, LABELS)


def test_pipelines_searches_clones_and_pickles():
    model = make_pipeline(StandardScaler(), LinearClassifier(epochs=3, random_state=0))
    search = GridSearchCV(model, {"linearclassifier__alpha": [1e-4, 1.0]}, cv=3)
    search.fit(DIGITS[:600], LABELS[:600])
    assert search.best_params_["linearclassifier__alpha"] == 1e-4
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(DIGITS), search.predict(DIGITS))
    again[-1].partial_fit(DIGITS[:600], LABELS[:600])
    assert clone(model).get_params()["linearclassifier__epochs"] == 3


def test_pandas_and_its_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DIGITS, columns=[f"pixel {i}" for i in range(64)])
    model = LinearClassifier(epochs=2, random_state=0).fit(frame, LABELS)
    assert model.feature_names_in_[3] == "pixel 3"
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "hnge"}, "hinge"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"learning_rate": -1}, "learning_rate=-1"),
        ({"alpha": float("nan")}, "alpha=nan"),
        ({"l1_ratio": 2}, "from 0 to 1"),
        ({"optimizer": "adm"}, "adam"),
    ],
)
def test_mistakes_are_said(settings, words):
    with pytest.raises(ArgumentError, match=words):
        LinearClassifier(**settings).fit(DIGITS, LABELS)


def test_one_class_is_none():
    with pytest.raises(DataError, match="one class"):
        LinearClassifier().fit(DIGITS, np.zeros(len(DIGITS), int))


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_rate_that_blows_up_is_said():
    with pytest.raises(NonFiniteError, match="learning_rate=1e\\+30"):
        NeuralNetClassifier(
            (4,), optimizer="sgd", learning_rate=1e30, epochs=5, random_state=0
        ).fit(DIGITS, LABELS)
