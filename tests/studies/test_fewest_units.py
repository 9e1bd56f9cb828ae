"""Three hidden units are the fewest for a ring around a disc, as the lecture asks."""

import numpy as np
import pytest

from backlight.studies.board import board
from backlight.studies.fewest_units import (
    SOLVED,
    _edge_on,
    bend,
    draw,
    enough,
    fewest_units,
    ring,
)


@pytest.fixture(scope="module")
def bent():
    return fewest_units(units=(1, 2, 3), starts=4)


def test_three_and_not_two(bent):
    _, _, found = bent
    one, two, three = (float(each.accuracies[0]) for each in found)
    assert 0.6 < one < 0.72
    assert 0.75 < two < 0.87
    assert three >= SOLVED
    assert enough(found) == 3
    assert enough(found[:2]) is None


def test_the_kept_network_answers_as_it_was_measured(bent):
    points, labels, found = bent
    for one in found:
        assert one.hidden(points).shape == (len(points), one.units)
        right = ((one.scores(points) > 0) == labels).mean()
        assert right == pytest.approx(one.accuracies[0], abs=2 / len(points))


def test_starts_learn_as_if_they_were_alone():
    """More starts beside it change nothing for the first one."""
    points, labels = ring(80)
    few = bend(points, labels, 3, starts=1)
    assert few.accuracies.shape == (1,)
    many = bend(points, labels, 3, starts=3)
    assert np.abs(many.accuracies - few.accuracies[0]).min() < 2 / len(points)


def test_the_inner_circle_is_class_1():
    points, labels = ring(50)
    assert np.hypot(*points[labels == 1].T).mean() < 0.7
    assert np.hypot(*points[labels == 0].T).mean() > 0.8


def test_the_plane_is_seen_from_its_side():
    for normal in ([1.0, 0, 0], [0, 0, 1.0], [1.0, -2.0, 3.0]):
        lift, turn = np.deg2rad(_edge_on(np.array(normal)))
        view = [np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)]
        assert abs(np.dot(view, normal)) / np.linalg.norm(normal) < 0.3


def test_drawn(bent):
    pytest.importorskip("matplotlib")
    for theme, language in (("light", "en"), ("dark", "ko")):
        assert len(draw(board(theme, language), *bent).axes) == 6
