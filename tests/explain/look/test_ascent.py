import numpy as np
import pytest

from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.explain.look.class_image import blurred, class_images
from backlight.explain.look.dream import dream
from backlight.explain.look.resize import enlarge, resize
from tests.explain.look.small import convnet, digits, linear, pictures


def test_class_images_are_taken_for_their_class():
    subject, _, _ = digits()
    found = class_images(subject, steps=60)
    assert [one.target for one in found] == list(range(10))
    assert sum(one.probability > 0.9 for one in found) >= 9
    for one in found:
        assert one.scores[-1] > one.scores[0]
        assert 0 <= one.picture.min() <= one.picture.max() <= 1


def test_ascent_is_reproducible():
    subject, photograph = convnet(), pictures(1, (3, 30, 24))[0]
    first, again, other = (class_images(subject, [0], steps=5, seed=s)[0] for s in (1, 1, 2))
    assert np.array_equal(first.picture, again.picture)
    assert not np.array_equal(first.picture, other.picture)
    dreams = [dream(subject, photograph, octaves=2, steps=2) for _ in range(2)]
    assert np.array_equal(dreams[0].picture, dreams[1].picture)


def test_a_dream_raises_its_layers_mean_square_tenfold_within_range():
    subject, _, _ = digits()
    photograph = 0.2 + 0.1 * blurred(pictures(1, (1, 40, 52), seed=4), 3.0)[0]
    found = dream(subject, photograph, "4", octaves=3, steps=15, rate=0.02)
    assert found.after >= 10 * found.before
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    assert found.octaves[-1] == (40, 52)
    assert found.energies.shape == (3, 15)
    seen = []
    dream(subject, photograph, octaves=1, steps=2, tell=lambda *it: seen.append(it[:2]))
    assert seen == [(0, 0), (0, 1)]


def test_sizes():
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    assert resize(ramp, (8, 6)).shape == (1, 8, 6)
    assert enlarge(ramp[0], (9, 9)).max() <= 1
    point = np.zeros((1, 9, 9), np.float32)
    point[0, 4, 4] = 1
    soft = blurred(point, 1.0)
    assert soft.sum() == pytest.approx(1, abs=1e-3)
    assert soft[0, 4, 4] == soft.max() < 0.2


def test_mistakes_are_told():
    subject = convnet()
    with pytest.raises(RangeError, match="steps=0"):
        class_images(subject, steps=0)
    with pytest.raises(ShapeError, match="3 channels"):
        dream(subject, np.zeros((1, 30, 30)))
    with pytest.raises(ArgumentError, match="which has no maps"):
        dream(subject, pictures(1)[0], "6")
    with pytest.raises(RangeError, match="factor=1"):
        dream(subject, pictures(1)[0], factor=1)
    with pytest.raises(ArgumentError, match="without maps"):
        dream(linear(), pictures(1, (1, 9, 9))[0])
