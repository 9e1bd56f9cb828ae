"""Scaling of arrays (…, H, W) of any numbers, by the filters of the imaging library."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def resize(values: Array, size: tuple[int, int], smooth: bool = True) -> Array:
    """An array (…, H, W) of float32 scaled to (height, width).

    Parameters
    ----------
    values : ndarray (…, H, W)
    size : (height, width)
    smooth : bool
        Lanczos, which keeps detail; else linear, which invents nothing beyond its neighbours.

    Examples
    --------
    >>> resize(np.ones((3, 8, 8)), (4, 6)).shape
    (3, 4, 6)
    """
    from PIL import Image

    height, width = size
    way = Image.Resampling.LANCZOS if smooth else Image.Resampling.BILINEAR
    flat = np.asarray(values, np.float32).reshape(-1, *values.shape[-2:])
    scaled = [
        np.asarray(Image.fromarray(np.ascontiguousarray(one)).resize((width, height), way))
        for one in flat
    ]
    return np.stack(scaled).reshape(*values.shape[:-2], height, width)


def enlarge(values: Array, size: tuple[int, ...]) -> Array:
    """A map (h, w) enlarged to a picture's size, linearly."""
    return resize(values, (size[0], size[1]), smooth=False)
