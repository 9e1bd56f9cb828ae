"""Random transforms: bound to the example, right in what they do, and honest about bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.data.augment import (
    ColorJitter,
    Cutout,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
)
from backlight.data.draw import Draw
from backlight.data.transform import Compose, Flatten
from backlight.errors import ArgumentError, ShapeError

RANDOM = [
    RandomHorizontalFlip(),
    RandomCrop(5, padding=1),
    RandomCrop((8, 3)),
    RandomShift(2),
    Cutout(3),
    ColorJitter(0.4, 0.4, 0.4),
    Compose([RandomShift(1), Compose([RandomHorizontalFlip(), ColorJitter(contrast=0.5)])]),
]


def images(n, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (n, 3, 8, 8)).astype(dtype)


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@given(
    st.integers(0, 2**64 - 1), st.integers(0, 1000), st.permutations(range(9)), st.integers(1, 9)
)
@settings(max_examples=15)
def test_an_image_does_not_care_about_its_batch(transform, dtype, seed, epoch, order, size):
    pool = images(9, dtype)
    whole = transform(pool, Draw(seed, epoch, np.arange(9)))
    assert whole.dtype == dtype
    for start in range(0, 9, size):
        batch = np.array(order[start : start + size])
        parts = transform(pool[batch], Draw(seed, epoch, batch))
        assert parts.tobytes() == np.ascontiguousarray(whole[batch]).tobytes()


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_epochs_and_seeds_differ_and_input_stays(transform):
    pool = images(30)
    kept = pool.copy()
    first = transform(pool, Draw(0, 0, np.arange(30)))
    assert (first != transform(pool, Draw(0, 1, np.arange(30)))).any()
    assert (first != transform(pool, Draw(1, 0, np.arange(30)))).any()
    assert (first == transform(pool, Draw(0, 0, np.arange(30)))).all()
    assert (pool == kept).all()


def test_two_places_draw_independently():
    pool = np.tile(np.arange(8), (200, 1, 8, 1)).astype(np.uint8)
    once = RandomHorizontalFlip()
    twice = Compose([once, once])(pool, Draw(0, 0, np.arange(200)))
    changed = (twice != pool).any(axis=(1, 2, 3)).mean()
    assert 0.3 < changed < 0.7  # 0 if both flips drew the same


def test_flip_mirrors_about_half_of_them_whole():
    pool = images(400)
    out = RandomHorizontalFlip()(pool, Draw(0, 0, np.arange(400)))
    mirrored = (out == pool[..., ::-1]).all(axis=(1, 2, 3))
    assert ((out == pool).all(axis=(1, 2, 3)) | mirrored).all()
    assert 150 < mirrored.sum() < 250
    draw = Draw(0, 0, np.arange(400))
    assert (RandomHorizontalFlip(0)(pool, draw) == pool).all()
    assert (RandomHorizontalFlip(1)(pool, draw) == pool[..., ::-1]).all()


def test_crops_are_windows_and_reach_every_corner():
    pool = np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6).repeat(500, axis=0)
    out = RandomCrop(4)(pool, Draw(0, 0, np.arange(500)))
    corners = out[:, 0, 0, 0].astype(int)
    assert set(corners) == {6 * row + column for row in range(3) for column in range(3)}
    for image, corner in zip(out, corners, strict=True):
        row, column = divmod(int(corner), 6)
        assert (image[0] == pool[0, 0, row : row + 4, column : column + 4]).all()


def test_shift_moves_both_ways_and_fills_with_zero():
    pool = np.zeros((300, 1, 5, 5), np.uint8)
    pool[:, 0, 2, 2] = 9
    out = RandomShift(1)(pool, Draw(0, 0, np.arange(300)))
    where = {tuple(place) for place in np.argwhere(out[:, 0] == 9)[:, 1:].tolist()}
    assert where == {(row, column) for row in (1, 2, 3) for column in (1, 2, 3)}
    full = RandomShift(2)(np.ones((50, 1, 4, 4)), Draw(0, 0, np.arange(50)))
    assert full.sum(axis=(1, 2, 3)).min() == 4
    assert (RandomShift(0)(pool, Draw(0, 0, np.arange(300))) == pool).all()


def test_cutout_blanks_one_square():
    out = Cutout(3, value=7)(np.full((200, 2, 9, 9), 1.0), Draw(0, 0, np.arange(200)))
    assert (out[:, 0] == out[:, 1]).all()
    for image in out[:, 0]:
        rows, columns = np.nonzero(image == 7)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert {height, width} <= {2, 3}
    assert Cutout(2, value=300)(images(1), Draw(0, 0, [0])).max() == 255


def test_jitter_keeps_bytes_in_their_range():
    bright = np.full((100, 3, 4, 4), 250, np.uint8)
    out = ColorJitter(brightness=0.9)(bright, Draw(0, 0, np.arange(100)))
    assert out.max() == 255
    factors = ColorJitter(brightness=0.9)(np.ones((100, 3, 4, 4)), Draw(0, 0, np.arange(100)))
    expected = np.clip(np.rint(250 * factors), 0, 255)
    assert np.abs(out - expected).max() <= 1


def test_jitter_formulas():
    pool, draw = images(20, np.float64), Draw(0, 0, np.arange(20))
    grey = (pool * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=1, keepdims=True)
    contrast = ColorJitter(contrast=0.5)(pool, draw)
    mean = grey.mean(axis=(1, 2, 3), keepdims=True)
    factor = (contrast - mean) / (pool - mean)
    assert np.allclose(factor, factor[:, :1, :1, :1])
    assert 0.5 <= factor.min() < 0.8 < 1.2 < factor.max() <= 1.5
    colour = ColorJitter(saturation=0.5)(pool, draw)
    again = (colour * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(again, grey)  # saturation keeps the grey
    plain = pool[:, :1]
    np.testing.assert_allclose(ColorJitter(saturation=0.5)(plain, draw), plain)
    assert (ColorJitter()(pool, draw) == pool).all()


def test_bad_arguments():
    batch, draw = images(2), Draw(0, 0, [0, 1])
    for make, said in [
        (lambda: RandomHorizontalFlip(1.5), r"p=1\.5"),
        (lambda: RandomCrop(0), "size=0"),
        (lambda: RandomCrop((3, 3, 3)), "size="),
        (lambda: RandomCrop(3, -1), "padding=-1"),
        (lambda: RandomShift(1.5), r"pixels=1\.5"),
        (lambda: Cutout(True), "size=True"),
        (lambda: ColorJitter(contrast=-1), "contrast=-1"),
        (lambda: ColorJitter(brightness=float("nan")), "brightness=nan"),
        (lambda: RandomShift(1)(batch), "no random numbers"),
    ]:
        with pytest.raises(ArgumentError, match=said):
            make()
    with pytest.raises(ShapeError, match="8×8 pixels"):
        RandomCrop(11, padding=1)(batch, draw)
    with pytest.raises(ShapeError, match="RandomShift got a batch of shape"):
        Compose([Flatten(), RandomShift(1)])(batch, draw)
    with pytest.raises(ShapeError, match="2 images and the random numbers of 3"):
        RandomShift(1)(batch, Draw(0, 0, [0, 1, 2]))
    with pytest.raises(ShapeError, match="2 channels"):
        ColorJitter(saturation=1)(batch[:, :2], draw)
    deep = RandomShift(1)
    for _ in range(5):
        deep = Compose([deep])
    with pytest.raises(ArgumentError, match="Nest fewer"):
        deep(batch, draw)


def test_draws_are_uniform():
    numbers = Draw(3, 2, np.arange(5000)).uniform(6)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.02)
    assert np.abs(np.corrcoef(numbers.T) - np.eye(6)).max() < 0.06
