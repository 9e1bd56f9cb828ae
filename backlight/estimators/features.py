"""Features of images: numbers that mean more than pixels, before any network learned its own.

Transformers with scikit-learn's conventions, on rows that are images stretched out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from backlight import philox
from backlight.errors import ArgumentError, MissingExtraError

Array = np.ndarray[Any, Any]
_LARGEST_BYTE = 255.0


class _ImageFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Rows in, images inside, rows out."""

    image_shape: Sequence[int]

    def fit(self, X: Any, y: Any = None) -> Any:
        """Check the rows' width."""
        del y
        self._images(validate_data(self, X, reset=True, dtype=[np.float32, np.float64, np.uint8]))
        return self

    def transform(self, X: Any) -> Array:
        """The features, (count, features)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64, np.uint8])
        return self._features(self._images(X))

    def _features(self, images: Array) -> Array:
        raise NotImplementedError

    def _images(self, X: Array) -> Array:
        """(count, channels, height, width)."""
        shape = tuple(self.image_shape)
        if len(shape) != 3 or math.prod(shape) != X.shape[1]:
            raise ArgumentError(
                type(self).__name__,
                got=f"rows of {X.shape[1]} numbers for images of shape {shape}",
                needs="rows that are images (channels, height, width), stretched out",
                remedy="Pass image_shape=(channels, height, width) of the images in X.",
            )
        return np.asarray(X).reshape(-1, *shape)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")


class ColourHistogram(_ImageFeatures):
    """How often each hue occurs in an image, whatever its place: 10 numbers that add up to 1.

    The hue of a pixel is the angle of its colour on the circle red–green–blue; grey pixels have
    hue 0.

    Parameters
    ----------
    image_shape : tuple of int
        (3, height, width).
    bins : int
        Parts of the circle.

    Examples
    --------
    >>> red = np.zeros((1, 3, 2, 2)); red[:, 0] = 255
    >>> ColourHistogram((3, 2, 2)).fit_transform(red.reshape(1, -1)).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]

    Notes
    -----
    Source: CS231n, assignment 1, image features.
    """

    def __init__(self, image_shape: Sequence[int] = (3, 32, 32), *, bins: int = 10) -> None:
        self.image_shape = image_shape
        self.bins = bins

    def _features(self, images: Array) -> Array:
        if images.shape[1] != 3:
            raise ArgumentError(
                "ColourHistogram",
                got=f"images of {images.shape[1]} channels",
                needs="3: red, green and blue",
                remedy="Use HistogramOfGradients for grey images.",
            )
        places = np.minimum((hue(images) * self.bins).astype(np.int64), self.bins - 1)
        flat = places.reshape(len(images), -1)
        rows = np.arange(len(images))[:, None] * self.bins
        counted = np.bincount((flat + rows).ravel(), minlength=len(images) * self.bins)
        share = counted.reshape(len(images), self.bins) / flat.shape[1]
        return share.astype(np.float32)


def hue(images: Array) -> Array:
    """The hue of every pixel, 0 ≤ h < 1: red 0, green ⅓, blue ⅔; 0 for grey.

    Parameters
    ----------
    images : array (count, 3, height, width)

    Returns
    -------
    array (count, height, width)
    """
    red, green, blue = np.moveaxis(images.astype(np.float32), 1, 0)
    largest = np.maximum(np.maximum(red, green), blue)
    spread = largest - np.minimum(np.minimum(red, green), blue)
    safe = np.where(spread == 0, 1, spread)
    found = np.where(
        largest == red,
        (green - blue) / safe % 6,
        np.where(largest == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return np.where(spread == 0, 0, found / 6) % 1


class HistogramOfGradients(_ImageFeatures):
    """Directions of the edges in each cell of an image (HOG), by scikit-image.

    Parameters
    ----------
    image_shape : tuple of int
        (channels, height, width); colours are averaged to grey.
    cell : int
        Side of a cell, in pixels.
    directions : int
        Bins of the half circle.

    Raises
    ------
    MissingExtraError
        If scikit-image is not installed.

    Notes
    -----
    Source: Dalal and Triggs, "Histograms of oriented gradients for human detection", 2005.
    """

    def __init__(
        self, image_shape: Sequence[int] = (3, 32, 32), *, cell: int = 8, directions: int = 9
    ) -> None:
        self.image_shape = image_shape
        self.cell = cell
        self.directions = directions

    def _features(self, images: Array) -> Array:
        try:
            from skimage.feature import hog
        except ImportError:
            raise MissingExtraError(
                "HistogramOfGradients",
                got="no scikit-image",
                needs="that library, which computes them",
                remedy="Run: pip install 'backlight[features]'",
            ) from None
        grey = images.astype(np.float32).mean(axis=1) / _LARGEST_BYTE
        cells = min(2, images.shape[2] // self.cell, images.shape[3] // self.cell)
        if cells < 1:
            raise ArgumentError(
                "HistogramOfGradients",
                got=f"cells of {self.cell} pixels in images of {images.shape[2:]}",
                needs="cells that fit into the image",
                remedy="Pass a smaller cell.",
            )
        return np.stack(
            [
                hog(
                    image,
                    orientations=self.directions,
                    pixels_per_cell=(self.cell, self.cell),
                    cells_per_block=(cells, cells),
                )
                for image in grey
            ]
        )


class BagOfPatches(_ImageFeatures):
    """Which typical patches an image has, counted in each quarter of it.

    Small patches of the training images are centred, divided by their spread and clustered; a
    patch then counts for each centre that is nearer to it than centres are on average ("triangle"
    coding).

    Parameters
    ----------
    image_shape : tuple of int
        (channels, height, width).
    words : int
        Clusters; there are 4 · words features.
    patch : int
        Side of a patch, in pixels.
    stride : int
        Pixels from a patch to the next.
    samples : int
        Patches that are clustered.
    random_state : int

    Notes
    -----
    Source: Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature
    learning", 2011.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (3, 32, 32),
        *,
        words: int = 200,
        patch: int = 6,
        stride: int = 2,
        samples: int = 20_000,
        random_state: int = 0,
    ) -> None:
        self.image_shape = image_shape
        self.words = words
        self.patch = patch
        self.stride = stride
        self.samples = samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> BagOfPatches:
        """Cluster patches of the images."""
        from sklearn.cluster import MiniBatchKMeans

        super().fit(X, y)
        images = self._images(np.asarray(X))
        if min(images.shape[2:]) < self.patch:
            raise ArgumentError(
                "BagOfPatches",
                got=f"patches of {self.patch} pixels in images of {images.shape[2:]}",
                needs="patches that fit into the image",
                remedy="Pass a smaller patch.",
            )
        order = philox.permutation(self.random_state, 0, len(images))
        each = max(1, math.ceil(self.samples / len(images)))
        some = []
        for place in order[: max(1, self.samples // each)]:
            patches = self._patches(images[place : place + 1])[0]
            kept = philox.permutation(self.random_state, int(place) + 1, len(patches))[:each]
            some.append(patches[kept])
        clusters = MiniBatchKMeans(
            self.words, random_state=self.random_state, n_init=1, batch_size=2048
        )
        self.words_ = clusters.fit(np.concatenate(some)).cluster_centers_.astype(np.float32)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "words_")

    def _patches(self, images: Array) -> Array:
        """All patches, centred and scaled, (count, patches, numbers)."""
        windows = np.lib.stride_tricks.sliding_window_view(
            images, (self.patch, self.patch), axis=(2, 3)
        )[:, :, :: self.stride, :: self.stride]
        count, channels, rows, columns = windows.shape[:4]
        flat = np.moveaxis(windows, 1, 3).reshape(count, rows * columns, -1).astype(np.float32)
        flat -= flat.mean(axis=2, keepdims=True)
        del channels
        return np.asarray(flat / np.sqrt(flat.var(axis=2, keepdims=True) + 10))

    def _features(self, images: Array) -> Array:
        side = (
            (images.shape[2] - self.patch) // self.stride + 1,
            (images.shape[3] - self.patch) // self.stride + 1,
        )
        found = np.empty((len(images), 4 * len(self.words_)), np.float32)
        lengths = np.sum(self.words_**2, axis=1)
        for first in range(0, len(images), 100):
            patches = self._patches(images[first : first + 100])
            squares = (
                np.sum(patches**2, axis=2, keepdims=True) - 2 * patches @ self.words_.T + lengths
            )
            distances = np.sqrt(np.maximum(squares, 0))
            near = np.maximum(0, distances.mean(axis=2, keepdims=True) - distances)
            maps = near.reshape(len(patches), *side, -1)
            half = side[0] // 2, side[1] // 2
            quarters = [
                maps[:, rows, columns].sum(axis=(1, 2))
                for rows in (slice(None, half[0]), slice(half[0], None))
                for columns in (slice(None, half[1]), slice(half[1], None))
            ]
            found[first : first + 100] = np.concatenate(quarters, axis=1)
        return found
