"""What estimators are given by mistake: each is refused in words, or is what the pages say."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backlight.errors import BacklightError, DataError
from backlight.estimators import (
    Adaline,
    ConvNetClassifier,
    KNeighborsClassifier,
    LinearClassifier,
    NeuralNetClassifier,
    Perceptron,
)
from backlight.estimators.search import ExactSearch

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4))
Y = np.arange(60) % 3
WORDS = np.array(["a", "b", "c"])[Y]

TRAINED = [
    LinearClassifier(epochs=3, random_state=0),
    NeuralNetClassifier((8,), epochs=3, random_state=0),
    ConvNetClassifier(hidden_layer_sizes=(8,), epochs=2, random_state=0),
    Perceptron(epochs=5),
    Adaline(epochs=5),
]
ALL = [KNeighborsClassifier(3), KNeighborsClassifier(3, weights="distance"), *TRAINED]

with_all = pytest.mark.parametrize("model", ALL, ids=lambda one: type(one).__name__)
with_trained = pytest.mark.parametrize("model", TRAINED, ids=lambda one: type(one).__name__)


def with_hole(value):
    return np.where(np.arange(240).reshape(60, 4) == 7, value, X)


@with_all
@pytest.mark.parametrize(
    ("given", "labels", "words"),
    [
        (with_hole(np.nan), Y, "NaN"),
        (with_hole(np.inf), Y, "infinity"),
        (sparse.csr_matrix(X), Y, "dense"),
        (X[:, 0], Y, "2D array"),
        (X[:0], Y[:0], r"0 sample\(s\)"),
        (X, X[:, 0], "continuous"),
        (X, np.where(Y == 1, np.nan, Y), "NaN"),
        (X, np.eye(3)[Y], "1d array"),
        (X, Y[:-1], "inconsistent"),
        (X, np.array([1, "a", 2.5], object)[Y], "Unknown label type"),
        (X + 1j, Y, "Complex"),
        (np.full((60, 4), "x"), Y, "could not convert"),
        (X, None, "requires y"),
    ],
    ids=str,
)
def test_examples_that_are_none_are_refused(model, given, labels, words):
    with pytest.raises((ValueError, TypeError), match=words):
        clone(model).fit(given, labels)


@with_all
@pytest.mark.parametrize(
    ("queries", "words"),
    [
        (X[:, :3], "3 features"),
        (X[0], "2D array"),
        (X[:0], r"0 sample\(s\)"),
        (with_hole(np.nan), "NaN"),
        (sparse.csr_matrix(X), "dense"),
    ],
    ids=str,
)
def test_queries_that_are_none_are_refused(model, queries, words):
    fitted = clone(model).fit(X, Y)
    with pytest.raises((ValueError, TypeError), match=words):
        fitted.predict(queries)


@with_all
@pytest.mark.parametrize("labels", [Y - 5, Y.astype(float), WORDS, WORDS.astype(object), Y > 0])
def test_labels_of_any_kind_come_back(model, labels):
    fitted = clone(model).fit(X, labels)
    np.testing.assert_array_equal(fitted.classes_, np.unique(labels))
    assert set(fitted.predict(X)) <= set(labels)


@with_trained
def test_one_class_is_refused(model):
    with pytest.raises(DataError, match="one class"):
        clone(model).fit(X, np.zeros(60, int))


def test_neighbours_of_one_class_have_no_choice():
    model = KNeighborsClassifier(3).fit(X, np.full(60, 7))
    assert set(model.predict(X)) == {7}
    assert model.predict_proba(X).tolist() == [[1.0]] * 60


@with_trained
@pytest.mark.parametrize("labels", [Y + 5, WORDS, WORDS.astype(object), Y + 0.0 + 9])
def test_labels_that_are_no_classes_are_refused(model, labels):
    fitted = clone(model).partial_fit(X, Y)
    with pytest.raises(DataError, match=r"none of its classes|but not both"):
        fitted.partial_fit(X, labels)
    with pytest.raises(DataError, match=r"none of its classes|but not both"):
        clone(model).partial_fit(X, labels, classes=[0, 1, 2])


def test_words_and_numbers_are_not_mixed_among_neighbours():
    model = KNeighborsClassifier(1).partial_fit(X, Y)
    with pytest.raises(DataError, match="but not both"):
        model.partial_fit(X, WORDS)
    with pytest.raises(DataError, match="but not both"):
        KNeighborsClassifier(1).partial_fit(X, Y, classes=["a", "b"])
    assert model.n_samples_fit_ == 60
    np.testing.assert_array_equal(model.predict(X), Y)


def test_unseen_labels_count_as_wrong():
    assert KNeighborsClassifier(1).fit(X, Y % 2).score(X, np.full(60, 9)) == 0


def test_an_even_vote_goes_to_the_first_class():
    x = [[-1.0], [1.0]]
    assert KNeighborsClassifier(2).fit(x, ["z", "a"]).predict([[0.0]]) == "a"
    assert KNeighborsClassifier(2).fit(x[::-1], ["z", "a"]).predict([[0.0]]) == "a"


@with_all
def test_a_fold_without_a_class_is_told_or_learned(model):
    """With the classes in a row, two of three folds of training miss one class."""
    model, ordered = clone(model), np.sort(Y)
    for held in range(3):
        kept = np.arange(60) // 20 != held
        fitted = clone(model).fit(X[kept], ordered[kept])
        assert len(fitted.classes_) == 2
        assert fitted.score(X[~kept], ordered[~kept]) == 0  # a class it cannot know


@with_all
def test_pipelines_grids_clones_and_pickles(model):
    name = type(model).__name__.lower()
    setting = "n_neighbors" if "neighbors" in name else "epochs"
    pipeline = make_pipeline(StandardScaler(), clone(model))
    search = GridSearchCV(pipeline, {f"{name}__{setting}": [1, 2]}, cv=2).fit(X, WORDS)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    again[-1].partial_fit(X, WORDS)


def test_a_grid_in_two_processes():
    """Models and data go through pickles, and come back with the same scores."""
    search = GridSearchCV(LinearClassifier(epochs=2, random_state=0), {"alpha": [0.0, 1.0]}, cv=2)
    alone = clone(search).fit(X, Y)
    both = clone(search).set_params(n_jobs=2).fit(X, Y)
    np.testing.assert_array_equal(
        alone.cv_results_["mean_test_score"], both.cv_results_["mean_test_score"]
    )


@with_all
def test_tables_with_columns_in_another_order_are_refused(model):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    series = pandas.Series(WORDS, index=range(100, 160), dtype="category")
    fitted = clone(model).fit(frame, series)
    np.testing.assert_array_equal(fitted.predict(frame), clone(model).fit(X, WORDS).predict(X))
    with pytest.raises(ValueError, match="same order"):
        fitted.predict(frame[list("dcba")])


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int64, np.float16, np.float64])
def test_types_of_numbers_change_no_answer(kind):
    x = RANDOM.integers(0, 100, (60, 4))
    for model in ALL:
        plain = clone(model).fit(x.astype(np.float32), Y).predict(x.astype(np.float32))
        found = clone(model).fit(x.astype(kind), Y).predict(x.astype(float))
        assert np.mean(found == plain) > 0.95, type(model)


@with_trained
def test_numbers_that_float32_cannot_hold_are_refused(model):
    with pytest.raises(BacklightError, match="as large as"):
        clone(model).fit(X * 1e200, Y)


def test_a_large_mean_costs_no_digits():
    y = (X[:, 0] > 0).astype(int)
    near = LinearClassifier(epochs=20, random_state=0).fit(X, y)
    far = LinearClassifier(epochs=20, random_state=0).fit(X + 1e9, y)
    assert far.score(X + 1e9, y) == pytest.approx(near.score(X, y), abs=0.02)


def distances(x, queries, k, p, metric="minkowski"):
    search = ExactSearch(metric, p)
    search.add(x)
    return search.find(queries, k)


def nearest_by_hand(x, queries, k, p):
    apart = np.abs(queries[:, None].astype(np.longdouble) - x[None].astype(np.longdouble))
    return np.argsort((apart**p).sum(axis=-1), axis=1, kind="stable")[:, :k]


FAR = [0.0, 1e4, -3e5]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("offset", FAR)
def test_far_from_the_origin_the_nearest_stay_the_nearest(compiled, kind, p, offset, monkeypatch):
    if compiled:
        monkeypatch.setattr("backlight.estimators.search._WORTH_COMPILING", 0)
    x = (RANDOM.normal(size=(300, 40)) + offset).astype(kind)
    queries = (RANDOM.normal(size=(20, 40)) + offset).astype(kind)
    found = distances(x, queries, 5, p)[1]
    np.testing.assert_array_equal(found, nearest_by_hand(x, queries, 5, p))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-20, 1e20, 1e160, 1e300])
def test_powers_neither_overflow_nor_vanish(compiled, p, scale, monkeypatch):
    if compiled:
        monkeypatch.setattr("backlight.estimators.search._WORTH_COMPILING", 0)
    x, queries = RANDOM.normal(size=(300, 40)), RANDOM.normal(size=(20, 40))
    plain = distances(x, queries, 5, p)
    found = distances(x * scale, queries * scale, 5, p)
    np.testing.assert_array_equal(found[1], plain[1])
    np.testing.assert_allclose(found[0] / scale, plain[0], rtol=1e-12)


def test_duplicates_beyond_the_spare_ones_are_in_order(monkeypatch):
    monkeypatch.setattr("backlight.estimators.search._WORTH_COMPILING", 0)
    x = np.repeat(RANDOM.normal(size=(4, 40)), 50, axis=0).astype(np.float32)[::-1]
    found = distances(x, x[[3, 77]], 7, 2)
    assert found[1].tolist() == [list(range(7)), list(range(50, 57))]
    assert not found[0].any()


def test_directions_of_very_long_and_short_vectors():
    x, queries = RANDOM.normal(size=(50, 4)), RANDOM.normal(size=(9, 4))
    plain = distances(x, queries, 3, 2, "cosine")
    for scale in (1e-200, 1e200):
        found = distances(x * scale, queries / scale, 3, 2, "cosine")
        np.testing.assert_array_equal(found[1], plain[1])
        np.testing.assert_allclose(found[0], plain[0], rtol=1e-9)
