"""Features of images: known histograms, invariances, and that they help."""

import colorsys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from backlight.errors import ArgumentError
from backlight.estimators import LinearClassifier
from backlight.estimators.features import BagOfPatches, ColourHistogram, HistogramOfGradients, hue

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 3, 16, 16)).astype(np.uint8)
ROWS = IMAGES.reshape(6, -1)
SHAPE = (3, 16, 16)


def test_hue_as_the_standard_library_has_it():
    found = hue(IMAGES)
    for place in np.ndindex(2, 16, 16):
        red, green, blue = IMAGES[place[0], :, place[1], place[2]] / 255
        assert found[place] == pytest.approx(colorsys.rgb_to_hsv(red, green, blue)[0], abs=1e-6)


def test_a_histogram_adds_up_and_does_not_see_places():
    model = ColourHistogram(SHAPE, bins=12).fit(ROWS)
    found = model.transform(ROWS)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    turned = IMAGES[:, :, ::-1].reshape(6, -1)
    np.testing.assert_array_equal(model.transform(turned), found)


def test_directions_of_edges():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    model = HistogramOfGradients(SHAPE)
    upright = np.zeros((1, *SHAPE), np.uint8)
    upright[..., 8:] = 255
    flat = np.moveaxis(upright, 2, 3)
    found = model.fit_transform(np.concatenate([upright, flat]).reshape(2, -1))
    by_direction = found.reshape(2, -1, 9).sum(axis=1)
    assert by_direction[0].argmax() != by_direction[1].argmax()
    darker = model.transform((upright // 2).reshape(1, -1))
    np.testing.assert_allclose(darker[0], found[0], atol=0.02)  # light does not change directions


def test_patches_find_what_pixels_do_not():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    shape = (1, 8, 8)
    model = make_pipeline(
        BagOfPatches(shape, words=100, patch=4, stride=1, samples=4000),
        StandardScaler(),
        LinearClassifier(epochs=30, random_state=0),
    )
    pixels = LinearClassifier(epochs=30, random_state=0)
    assert model.fit(x[:1200], y[:1200]).score(x[1200:], y[1200:]) > pixels.fit(
        x[:1200], y[:1200]
    ).score(x[1200:], y[1200:])


def test_features_are_put_side_by_side():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    both = make_union(ColourHistogram(SHAPE), HistogramOfGradients(SHAPE)).fit_transform(ROWS)
    assert both.shape == (6, 10 + 36)


@pytest.mark.parametrize("model", [ColourHistogram(), HistogramOfGradients(), BagOfPatches()])
def test_other_widths_are_refused(model):
    with pytest.raises(ArgumentError, match="rows of 768"):
        model.fit(ROWS)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="patches of 20"):
        BagOfPatches(SHAPE, patch=20).fit(ROWS)
    with pytest.raises(ArgumentError, match="1 channels"):
        ColourHistogram((1, 16, 48)).fit(ROWS).transform(ROWS)
