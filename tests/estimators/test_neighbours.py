"""k nearest neighbours against a few lines of NumPy, the notes' examples, and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier as Theirs
from sklearn.utils.estimator_checks import parametrize_with_checks

from backlight.errors import ArgumentError
from backlight.estimators import KNeighborsClassifier
from backlight.estimators.search import ExactSearch


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([KNeighborsClassifier(), KNeighborsClassifier(3, weights="distance")])
def test_scikit_learns_conventions(estimator, check):
    check(estimator)


def test_manhattan_and_euclid_of_the_notes():
    for p, expected in ((1, [4.0, 4.0]), (2, [2.0, 4.0])):
        search = ExactSearch("minkowski", p)
        search.add(np.array([[4.0, 0, 0, 0], [1.0, 1, 1, 1]]))
        distances, _ = search.find(np.zeros((1, 4)), 2)
        assert distances[0].tolist() == expected


@pytest.mark.parametrize(("far", "uniform", "weighted"), [(3.0, "B", "A"), (2.0, "B", "A")])
def test_weights_by_distance(far, uniform, weighted):
    """One neighbour A at 1, two B: at 2 the weighted vote is even, at 3 it turns."""
    model = {"n_neighbors": 3}
    x, y = np.array([[1.0], [-far], [far]]), ["A", "B", "B"]
    assert KNeighborsClassifier(**model).fit(x, y).predict([[0.0]]) == uniform
    assert KNeighborsClassifier(**model, weights="distance").fit(x, y).predict([[0.0]]) == weighted


def test_at_distance_zero_only_those_vote():
    model = KNeighborsClassifier(3, weights="distance").fit([[0.0], [0.0], [0.1]], [1, 2, 2])
    assert model.predict_proba([[0.0]]).tolist() == [[0.5, 0.5]]
    assert model.predict([[0.0]]) == 1  # even: the first class


def test_of_equal_distances_the_first_example_is_nearer():
    model = KNeighborsClassifier(1).fit([[1.0], [-1.0], [1.0]], ["a", "b", "c"])
    assert model.predict([[0.0]]) == "a"
    assert model.kneighbors([[0.0]], 3)[1].tolist() == [[0, 1, 2]]


def test_its_own_training_set_is_known_by_heart():
    x = np.random.default_rng(0).normal(size=(200, 5))
    y = np.arange(200) % 7
    for p in (1, 2):
        assert KNeighborsClassifier(1, p=p).fit(x, y).score(x, y) == 1


def test_an_island_of_an_outlier_vanishes_with_more_neighbours():
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(size=(50, 2)), [[0.0, 0.0]]])
    y = [0] * 50 + [1]
    assert KNeighborsClassifier(1).fit(x, y).predict([[0.0, 0.0]]) == 1
    assert KNeighborsClassifier(5).fit(x, y).predict([[0.0, 0.0]]) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 6),
    st.sampled_from([1, 2, 3, np.inf]),
    st.sampled_from(["uniform", "distance"]),
    st.integers(0, 1000),
)
def test_as_scikit_learn(count, k, p, weights, seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(count + k, 3)), random.integers(0, 3, count + k)
    queries = random.normal(size=(7, 3))
    ours = KNeighborsClassifier(k, weights=weights, p=p).fit(x, y)
    theirs = Theirs(k, weights=weights, p=p, algorithm="brute").fit(x, y)
    np.testing.assert_allclose(ours.predict_proba(queries), theirs.predict_proba(queries))
    np.testing.assert_allclose(ours.kneighbors(queries)[0], theirs.kneighbors(queries)[0])
    if count > 1:
        np.testing.assert_array_equal(ours.kneighbors(None, 1)[1], theirs.kneighbors(None, 1)[1])


def test_cosine():
    random = np.random.default_rng(3)
    x, queries = random.normal(size=(50, 4)), random.normal(size=(9, 4))
    ours = KNeighborsClassifier(3, metric="cosine").fit(x, np.arange(50) % 2)
    theirs = Theirs(3, metric="cosine").fit(x, np.arange(50) % 2)
    np.testing.assert_allclose(ours.kneighbors(queries)[0], theirs.kneighbors(queries)[0])


@pytest.mark.parametrize("p", [1, 2])
def test_compiled_search_finds_what_the_exact_one_finds(p, monkeypatch):
    random = np.random.default_rng(4)
    x = random.normal(size=(3000, 16)).astype(np.float32)
    queries = random.normal(size=(200, 16)).astype(np.float32)
    model = KNeighborsClassifier(5, p=p).fit(x, np.arange(3000) % 10)
    exact = model.kneighbors(queries)
    monkeypatch.setattr("backlight.estimators.search._WORTH_COMPILING", 0)
    compiled = model.kneighbors(queries)
    np.testing.assert_allclose(compiled[0], exact[0], rtol=1e-6)
    assert np.mean(compiled[1] == exact[1]) > 0.999


def test_examples_may_come_in_parts():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(60, 4)), random.integers(0, 3, 60)
    whole = KNeighborsClassifier(4).fit(x, y)
    parts = KNeighborsClassifier(4)
    for first in range(0, 60, 7):
        parts.partial_fit(x[first : first + 7], y[first : first + 7])
    np.testing.assert_array_equal(parts.kneighbors(x[:9])[1], whole.kneighbors(x[:9])[1])
    parts.partial_fit([[9.0] * 4], [99])
    assert 99 in parts.classes_


def test_bytes_of_pictures_do_not_wrap():
    """Differences of uint8 wrap around; the notes' picture differs by 456 in all."""
    x = np.array([[10, 20, 24, 17], [8, 10, 89, 100]], np.uint8)
    y = np.array([[56, 32, 10, 18], [90, 23, 128, 133]], np.uint8)
    search = KNeighborsClassifier(1, p=1).fit(x, [0, 1])
    expected = np.abs(x.astype(int)[:, None] - y.astype(int)).sum(-1).T
    np.testing.assert_array_equal(search.kneighbors(y, 2)[0], np.sort(expected, axis=1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_neighbors": 0}, "n_neighbors=0"),
        ({"n_neighbors": 2.5}, "whole number"),
        ({"n_neighbors": 9}, "9 with 4 examples"),
        ({"weights": "distnce"}, "Did you mean"),
        ({"metric": "euclid"}, "euclidean"),
        ({"p": -1}, "p=-1"),
        ({"weights": lambda d: d[:, :1]}, "of the distances' shape"),
        ({"weights": lambda d: -d}, "negative"),
    ],
)
def test_mistakes_are_said(settings, words):
    with pytest.raises(ArgumentError, match=words):
        KNeighborsClassifier(**{"n_neighbors": 2} | settings).fit(
            [[0.0], [1], [2], [3]], [0, 1, 0, 1]
        ).predict([[0.5]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(bad):
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        KNeighborsClassifier(1).fit([[0.0], [bad]], [0, 1])
