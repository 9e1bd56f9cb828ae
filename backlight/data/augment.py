"""Augmentation: transforms that show each image a little differently in every epoch.

All take images of shape (n, C, H, W), bytes or floating, and give the same type. What happens to an
image depends on the loader's seed, the epoch and the image's position in its split, and on nothing
else: neither the batch size nor the order nor the thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.data.draw import Draw
from backlight.data.number import whole_number
from backlight.data.transform import Transform
from backlight.errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]


class RandomTransform(Transform):
    """Base of transforms that draw: they define `augment(batch, draw)`.

    Examples
    --------
    >>> class Noise(RandomTransform):
    ...     def augment(self, batch, draw):
    ...         return batch + draw.uniform(1)[:, :, None, None]
    >>> Noise()(np.zeros((2, 1, 4, 4)), Draw(0, epoch=0, indices=[5, 6])).shape
    (2, 1, 4, 4)
    """

    def __call__(self, batch: Array, draw: Draw | None = None) -> Array:
        """The augmented batch."""
        name = type(self).__name__
        batch = np.asarray(batch)
        if draw is None:
            raise ArgumentError(
                name,
                got="no random numbers",
                needs="a Draw for the batch",
                remedy="Give the transform to a DataLoader, or pass Draw(seed, epoch, indices)",
            )
        if batch.ndim != 4:
            raise ShapeError(
                name,
                got=f"a batch of shape {batch.shape}",
                needs="images of shape (n, C, H, W)",
                remedy="Put it before Flatten, or reshape the batch",
            )
        if len(batch) != len(draw.indices):
            raise ShapeError(
                name,
                got=f"{len(batch)} images and the random numbers of {len(draw.indices)}",
                needs="one index for each image",
                remedy="Pass the indices of the images in this batch",
            )
        return self.augment(batch, draw)

    def augment(self, batch: Array, draw: Draw) -> Array:
        """The augmented batch, of random numbers `draw.uniform(count)`, a row for each image."""
        raise NotImplementedError(f"{type(self).__name__} defines no augment")


class RandomHorizontalFlip(RandomTransform):
    """Mirror left and right with probability p.

    Parameters
    ----------
    p : float
        0 … 1.

    Examples
    --------
    >>> RandomHorizontalFlip(p=1)(np.array([[[[1, 2, 3]]]]), Draw(0, 0, [0]))
    array([[[[3, 2, 1]]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
        if not 0 <= p <= 1:
            raise ArgumentError(
                "RandomHorizontalFlip",
                got=f"p={p}",
                needs="a probability 0 … 1",
                remedy="Leave it at 0.5",
            )

    def augment(self, batch: Array, draw: Draw) -> Array:
        """Some images mirrored."""
        mirrored = draw.uniform(1)[:, 0] < self.p
        result = batch.copy()
        result[mirrored] = batch[mirrored][..., ::-1]
        return result


class RandomCrop(RandomTransform):
    """Cut out a rectangle at a random place, after adding a black border.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of what is cut out.
    padding : int
        Zeros added on each side first.

    Raises
    ------
    ShapeError
        Images that are smaller than the rectangle, border included.

    Examples
    --------
    >>> RandomCrop(32, padding=4)(np.zeros((2, 3, 32, 32)), Draw(0, 0, [0, 1])).shape
    (2, 3, 32, 32)
    """

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        pair = size if isinstance(size, (tuple, list)) else (size, size)
        if len(pair) != 2:
            raise ArgumentError(
                "RandomCrop",
                got=f"size={size}",
                needs="a height and a width",
                remedy="Pass a number or a pair",
            )
        self.size = (
            whole_number(pair[0], "size", "RandomCrop", 1),
            whole_number(pair[1], "size", "RandomCrop", 1),
        )
        self.padding = whole_number(padding, "padding", "RandomCrop", 0)

    def augment(self, batch: Array, draw: Draw) -> Array:
        """One rectangle of each image."""
        return _crop(batch, self.size, self.padding, draw, "RandomCrop")


class RandomShift(RandomTransform):
    """Move by up to `pixels` up, down, left and right; what comes in from outside is 0.

    Parameters
    ----------
    pixels : int
        Largest shift, 0 or more; every shift −pixels … pixels is as likely, in both directions.

    Examples
    --------
    >>> moved = RandomShift(1)(np.ones((1, 1, 3, 3)), Draw(3, 0, [0]))
    >>> moved.shape, float(moved.sum()) in (4.0, 6.0, 9.0)
    ((1, 1, 3, 3), True)
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = whole_number(pixels, "pixels", "RandomShift", 0)

    def augment(self, batch: Array, draw: Draw) -> Array:
        """The images moved."""
        return _crop(batch, batch.shape[2:], self.pixels, draw, "RandomShift")


class Cutout(RandomTransform):
    """Blank a square whose centre is any pixel; the border may cut the square.

    Parameters
    ----------
    size : int
        Side of the square in pixels, 1 or more.
    value : float
        What it is filled with; 0 is the mean, after normalising.

    Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with
    cutout", 2017.

    Examples
    --------
    >>> holed = Cutout(2)(np.ones((1, 1, 8, 8)), Draw(0, 0, [0]))
    >>> int(64 - holed.sum()) in (1, 2, 4)
    True
    """

    def __init__(self, size: int, value: float = 0.0) -> None:
        self.size = whole_number(size, "size", "Cutout", 1)
        self.value = value

    def augment(self, batch: Array, draw: Draw) -> Array:
        """A square of each image blank."""
        centre = (draw.uniform(2) * batch.shape[2:]).astype(np.int64)
        inside = []
        for axis in range(2):
            first = centre[:, axis, None] - self.size // 2
            places = np.arange(batch.shape[2 + axis])
            inside.append((places >= first) & (places < first + self.size))
        hole = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
        value = np.clip(round(self.value), 0, 255) if batch.dtype == np.uint8 else self.value
        return np.where(hole, np.asarray(value, batch.dtype), batch)


class ColorJitter(RandomTransform):
    """Change brightness, then contrast, then saturation, each by a random factor.

    A factor f lies in [max(0, 1 − a), 1 + a], a being the argument. Brightness: f·x. Contrast:
    f·x + (1 − f)·(the image's mean grey). Saturation: f·x + (1 − f)·(the pixel's grey). Grey is
    0.299 R + 0.587 G + 0.114 B; with another number of channels than 3, their mean, and saturation
    needs 1 or 3 channels. Bytes are rounded and kept within 0 … 255; floating numbers are not cut.

    Parameters
    ----------
    brightness, contrast, saturation : float
        0 or more; 0 leaves it as it is.

    Examples
    --------
    >>> jitter = ColorJitter(brightness=0.5)
    >>> brighter = jitter(np.full((1, 3, 2, 2), 250, np.uint8), Draw(0, 0, [4]))
    >>> brighter.dtype, bool(brighter.min() >= 125)
    (dtype('uint8'), True)
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0
    ) -> None:
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation
        for name, amount in vars(self).items():
            if not 0 <= amount < np.inf:
                raise ArgumentError(
                    "ColorJitter",
                    got=f"{name}={amount}",
                    needs="a finite number, 0 or more",
                    remedy="Try 0.2: factors of 0.8 … 1.2",
                )

    def augment(self, batch: Array, draw: Draw) -> Array:
        """The images in other colours."""
        if self.saturation and batch.shape[1] not in (1, 3):
            raise ShapeError(
                "ColorJitter",
                got=f"images of {batch.shape[1]} channels",
                needs="1 or 3 channels for saturation",
                remedy="Pass saturation=0",
            )
        amounts = np.array([self.brightness, self.contrast, self.saturation])
        low = np.maximum(0.0, 1.0 - amounts)
        factors = low + draw.uniform(3) * (1.0 + amounts - low)
        working = np.float64 if batch.dtype == np.float64 else np.float32
        brightness, contrast, saturation = factors.T.astype(working)[:, :, None, None, None]
        image: Array = batch * brightness
        if self.contrast:
            image = contrast * image + (1 - contrast) * _mean_grey(image)
        if self.saturation:
            image = saturation * image + (1 - saturation) * _grey(image)
        if batch.dtype == np.uint8:
            image = np.clip(np.rint(image), 0, 255)
        return image.astype(batch.dtype, copy=False)


def _grey(image: Array) -> Array:
    """The grey of each pixel, (n, 1, H, W)."""
    grey: Array
    if image.shape[1] != 3:
        grey = image.mean(axis=1, keepdims=True, dtype=image.dtype)
        return grey
    red, green, blue = (image[:, channel, None] for channel in range(3))
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    return grey


def _mean_grey(image: Array) -> Array:
    """The mean grey of each image, (n, 1, 1, 1), summed image by image whatever the batch."""
    rows = np.ascontiguousarray(_grey(image)).reshape(len(image), -1)
    mean: Array = rows.mean(axis=1, dtype=np.float64).astype(image.dtype)[:, None, None, None]
    return mean


def _crop(batch: Array, size: tuple[int, ...], padding: int, draw: Draw, subject: str) -> Array:
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(batch, border) if padding else batch
    room = np.subtract(padded.shape[2:], size)
    if room.min() < 0:
        raise ShapeError(
            subject,
            got=f"images of {batch.shape[2]}×{batch.shape[3]} pixels",
            needs=f"{size[0]}×{size[1]} or more, with a border of {padding}",
            remedy="Crop less, or pad more",
        )
    corner = (draw.uniform(2) * (room + 1)).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(size), axis=(2, 3))
    cut: Array = windows[np.arange(len(batch)), :, corner[:, 0], corner[:, 1]]
    return cut
