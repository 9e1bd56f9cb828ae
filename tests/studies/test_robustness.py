import numpy as np
import pytest

from backlight.studies.peeking import peeking
from backlight.studies.robustness import CHANGES, fitted, robustness
from tests.studies.conftest import cifar


@pytest.fixture(scope="module")
def pictures():
    drawn = np.random.default_rng(0)
    return drawn.uniform(size=(5, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("name", CHANGES)
def test_changes_keep_what_a_picture_is(pictures, name):
    before = pictures.copy()
    changed = CHANGES[name](pictures)
    assert changed.shape == pictures.shape
    assert changed.min() >= -1e-6
    assert changed.max() <= 1 + 1e-6
    assert (pictures == before).all()
    assert (changed == pictures).all() == (name == "plain")


def test_changes_are_what_they_are_called(pictures):
    assert (CHANGES["shifted"](pictures)[..., 2:] == pictures[..., :-2]).all()
    assert CHANGES["negative"](pictures * 0).min() == 1
    grey = CHANGES["grey"](pictures)
    assert (grey[:, 0] == grey[:, 2]).all()
    covered = CHANGES["occluded"](pictures) != pictures
    assert covered.mean() == pytest.approx((4 / 16) ** 2, abs=0.01)
    even = np.full((1, 1, 9, 9), 0.3)
    assert CHANGES["rotated"](even) == pytest.approx(even)


def test_a_turn_moves_what_is_right_of_the_middle():
    from backlight.studies.robustness import rotated

    spot = np.zeros((1, 1, 21, 21))
    spot[0, 0, 10, 18] = 1
    assert rotated(spot, 0.0) == pytest.approx(spot)
    quarter = rotated(spot, 90.0)[0, 0]
    row, column = np.unravel_index(quarter.argmax(), quarter.shape)
    assert (row, column) in {(2, 10), (18, 10)}
    assert quarter.sum() == pytest.approx(1)


def test_neighbours_collapse_when_the_picture_moves(digits):
    given = digits.first(600)
    found = robustness(given, fitted(given, ("knn-l2", "softmax")))
    assert found.models == ("knn-l2", "softmax")
    assert "grey" not in found.changes
    plain, moved = found.of("knn-l2", "plain"), found.of("knn-l2", "shifted")
    assert plain > 0.95
    assert moved < plain - 0.2
    assert found.of("knn-l2", "negative") < 0.1


def test_colours_and_negatives_of_cifar():
    given = cifar(10_000)
    found = robustness(given, fitted(given, ("softmax",)))
    assert found.of("softmax", "plain") > 0.36
    assert found.of("softmax", "negative") < 0.1  # worse than chance
    assert found.of("softmax on grey", "plain") < found.of("softmax", "plain") - 0.03


def test_the_best_of_many_guessers_is_no_better():
    found = peeking(np.arange(4000) % 10)
    assert found.examples == (1000, 3000)
    assert len(found.tested) == 1000
    assert found.gap >= 0.02
    assert found.fresh[found.chosen] == pytest.approx(0.1, abs=0.025)
    assert found.tested.mean() == pytest.approx(0.1, abs=0.005)


def test_peeking_needs_examples():
    from backlight.errors import DataError

    with pytest.raises(DataError, match="at least 20"):
        peeking(np.arange(5))
