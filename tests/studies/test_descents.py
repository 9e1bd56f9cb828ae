"""Ways down a loss, the size of a step, the size of a batch."""

import numpy as np
import pytest

from backlight.studies.batch_size import batches, repeated
from backlight.studies.batch_time import Times, batch_times
from backlight.studies.random_or_grid import EXPECTED, contest
from backlight.studies.step_size import step_sizes, verdict_of
from backlight.studies.strategies import strategies


@pytest.fixture(scope="module")
def small(digits):
    return digits.first(200)


@pytest.fixture(scope="module")
def ways(small):
    return {way.name: way for way in strategies(small, tries=150, steps=80)}


def test_each_way_is_better_than_the_one_before(ways):
    losses = [ways[name].search.loss for name in ("random", "local", "numerical", "analytic")]
    assert (np.diff(losses) < 0).all()
    assert ways["analytic"].accuracy > 0.8
    assert ways["random"].accuracy < 0.4


def test_what_a_step_costs(ways, small):
    weights = len(small.classes) * (small.train.shape[1] + 1)
    assert ways["numerical"].price == 2 * weights
    assert ways["analytic"].price == 3
    assert ways["batch"].price == pytest.approx(3 * 64 / 200)
    assert ways["random"].search.evaluations[-1] == 150


def test_all_begin_at_the_loss_of_small_weights(ways):
    for way in ways.values():
        assert way.search.losses[0] == pytest.approx(9, abs=0.2)


def test_a_measured_gradient_is_the_gradient(ways):
    measured, exact = (ways[name].search.losses for name in ("numerical", "analytic"))
    assert measured == pytest.approx(exact[: len(measured)], rel=1e-4)


def test_too_many_weights_are_told_not_measured(small, monkeypatch):
    from backlight.studies import strategies as room

    monkeypatch.setattr(room, "MOST_MEASURED", 10)
    dear = {way.name: way for way in room.strategies(small, tries=5, steps=5)}["numerical"]
    assert dear.search is None
    assert np.isnan(dear.accuracy)
    assert dear.price == 1300


def test_a_step_converges_below_two_over_the_curvature_only(small):
    curvature, walks = step_sizes(small, times=(0.01, 1.0, 1.9, 2.1), steps=60)
    little, right, large, beyond = (walk.losses for walk in walks)
    for fine in (little, right, large):
        assert (np.diff(fine) <= 1e-12).all()
    assert beyond[-1] > beyond[0]
    assert walks[2].rate == pytest.approx(1.9 / curvature)
    told = [verdict_of(walk, walks) for walk in walks]
    assert (told[0], told[3]) == ("small", "diverges")
    assert "right" in told[1:3]


def test_larger_batches_point_where_all_do(small):
    found = batches(small, sizes=(1, 16, 128, 200, 999), repeats=60)
    middle = np.median(found.cosines, axis=1)
    assert found.sizes == (1, 16, 128, 200)
    assert (np.diff(middle) > 0).all()
    assert found.cosines[-1] == pytest.approx(1, abs=1e-6)


def test_noise_falls_with_the_root_of_the_batch(digits):
    found = batches(digits, sizes=(1, 16, 256), repeats=150)
    falls = found.noise[0] / found.noise
    assert falls[1] == pytest.approx(4, rel=0.3)
    # 256 of 1,257 without replacement: less noise than 1/16 by the root of 1 − 256/1257.
    assert falls[2] == pytest.approx(16 / np.sqrt(1 - 256 / 1257), rel=0.3)


def test_copies_have_the_gradient_of_one(digits):
    assert repeated(digits, copies=1200) >= 0.999


def test_random_search_is_nearer_than_a_grid():
    found = contest(1000)
    assert found.share == pytest.approx(EXPECTED, abs=0.045)  # three standard deviations
    assert pytest.approx(0.705, abs=5e-4) == EXPECTED
    assert found.grid.max() <= 1 / 6


def test_the_gain_of_a_batch_size():
    found = Times((254, 255, 256, 257), np.array([254.0, 255.0, 128.0, 257.0]))
    assert found.gain() == pytest.approx(0.5)
    assert batch_times(8, 3, sizes=(15, 16, 17), repeats=2).gain(16) < 1
