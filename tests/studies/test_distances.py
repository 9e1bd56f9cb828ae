"""Pixel distance: equal where pictures differ, empty in many dimensions, kept by some changes."""

import numpy as np
import pytest

from backlight.errors import ArgumentError, DataError
from backlight.studies.concentration import concentration
from backlight.studies.equal_distance import DARKEST, equal_distance
from backlight.studies.invariance import invariances
from tests.studies.conftest import cifar


@pytest.fixture(scope="module")
def pictures(digits):
    return digits.pictures(digits.train)


def test_three_changes_equally_far(pictures):
    for picture in pictures[:40].astype(np.float64):
        found = equal_distance(picture)
        far = [float(np.linalg.norm(one.picture - picture)) for one in found]
        assert [one.name for one in found] == ["shifted", "masked", "darkened"]
        assert max(far) / min(far) - 1 < 0.01
        assert [one.distance for one in found] == pytest.approx(far)


def test_the_changes_are_what_they_are_called(pictures):
    picture = pictures[0].astype(np.float64)
    shifted, masked, darkened = (one.picture for one in equal_distance(picture))
    share = darkened[picture > 0] / picture[picture > 0]
    assert np.ptp(share) < 1e-12
    assert 1 - DARKEST - 1e-9 <= share[0] < 1
    untouched = masked == picture
    assert untouched[:, 0].all()
    assert untouched.mean() > 0.3
    moved = np.roll(picture, 1, axis=2)
    moved[:, :, 0] = picture[:, :, 0]
    assert np.linalg.norm(shifted - moved) < np.linalg.norm(moved - picture)


def test_a_colour_picture_still_looks_the_same():
    given = cifar(20)
    for picture in given.pictures(given.train):
        found = equal_distance(picture)
        assert max(o.distance for o in found) / min(o.distance for o in found) - 1 < 0.01


def test_a_black_picture_is_refused():
    with pytest.raises(ArgumentError, match="something in it"):
        equal_distance(np.zeros((1, 8, 8)))


def test_distances_concentrate():
    found = concentration((1, 4, 64, 4096), points=300)
    for p in (1, 2):
        assert (np.diff(found.ratios[p]) < 0).all()
        assert 1 < found.ratios[p][-1] < 1.1
        assert found.ratios[p][0] > 50


def test_what_keeps_the_nearest_neighbour(digits):
    found = {
        (one.change, one.order): one.same
        for one in invariances(digits.train[:400], digits.held[:100])
    }
    for order in (1, 2):
        for change in ("mean", "mean-image", "deviation"):
            assert found[change, order] == 1
        assert found["deviations", order] < 1
    assert found["rotation", 1] < 1
    assert found["rotation", 2] == 1


def test_pictures_are_needed(digits):
    from dataclasses import replace

    with pytest.raises(DataError, match="pictures"):
        replace(digits, shape=(64,)).need_images("equal-distance")
