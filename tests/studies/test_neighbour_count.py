import numpy as np
import pytest

from backlight.errors import ArgumentError, DataError
from backlight.estimators import KNeighborsClassifier
from backlight.studies.neighbour_count import KS, bootstrap_of_k, cross_validation
from tests.studies.conftest import cifar


def test_the_course_tries_these():
    assert KS == (1, 3, 5, 8, 10, 12, 15, 20, 50, 100)


def test_every_fold_is_what_the_estimator_says(digits):
    from backlight.data.split import kfold

    rows, labels = digits.train[:300], digits.labels[:300]
    found = cross_validation(rows, labels, ks=(1, 3, 8), seed=3)
    for fold, (train, held) in enumerate(kfold(300, 5, 3, labels)):
        for place, k in enumerate(found.ks):
            model = KNeighborsClassifier(k).fit(rows[train], labels[train])
            assert found.accuracies[place, fold] == model.score(rows[held], labels[held])


def test_mean_and_deviation_are_over_the_folds(digits):
    found = cross_validation(digits.train[:300], digits.labels[:300])
    assert found.accuracies.shape == (10, 5)
    assert found.mean == pytest.approx(np.mean(found.accuracies, axis=1))
    assert found.std == pytest.approx(np.std(found.accuracies, axis=1, ddof=1))
    assert found.best == found.ks[int(np.argmax(found.mean))]


def test_neighbours_that_a_fold_lacks_are_not_tried():
    rows = np.arange(20.0)[:, None]
    assert cross_validation(rows, np.arange(20) % 2).ks == (1, 3, 5, 8, 10, 12, 15)
    with pytest.raises(ArgumentError, match="as there are examples"):
        cross_validation(rows, np.arange(20) % 2, ks=(50, 0))


def test_a_class_rarer_than_the_folds_is_refused():
    rows = np.arange(20.0)[:, None]
    with pytest.raises(DataError):
        cross_validation(rows, (np.arange(20) == 0).astype(int))


def test_a_sample_votes_with_its_copies(digits):
    from backlight.data.split import bootstrap

    rows, labels = digits.train[:200], digits.labels[:200]
    found = bootstrap_of_k(rows, labels, ks=(1, 5), repeats=3, seed=2)
    for repeat, (sample, out) in enumerate(bootstrap(200, 2, 3)):
        for place, k in enumerate((1, 5)):
            model = KNeighborsClassifier(k).fit(rows[sample], labels[sample])
            # An estimator may cut copies at another place among equals: a vote or two at most.
            told = model.score(rows[out], labels[out])
            assert found.accuracies[repeat, place] == pytest.approx(told, abs=0.03)


def test_the_bootstrap_is_a_distribution_that_agrees_with_cross_validation(digits):
    rows, labels = digits.train[:600], digits.labels[:600]
    found = bootstrap_of_k(rows, labels, repeats=60)
    low, high = found.interval()
    assert found.shares.sum() == pytest.approx(1)
    assert (found.shares >= 0).all()
    assert low <= cross_validation(rows, labels).best <= high
    assert low in found.ks
    assert high in found.ks


def test_duplicates_are_no_neighbours_of_a_left_out_twin():
    rows = np.repeat(np.arange(30.0), 2)[:, None]
    labels = np.repeat(np.arange(30) >= 15, 2).astype(int)
    assert bootstrap_of_k(rows, labels, ks=(1,), repeats=10).accuracies.min() > 0.85


def test_cifar_peaks_where_the_course_says():
    given = cifar(5000)
    # The first 5,000 images, as in the course; its folds are not drawn at random as ours are.
    found = cross_validation(given.train, given.labels)
    mean = dict(zip(found.ks, found.mean, strict=True))
    assert 5 <= found.best <= 12
    assert max(mean.values()) == pytest.approx(0.29, abs=0.02)
    assert mean[100] == pytest.approx(0.265, abs=0.02)
