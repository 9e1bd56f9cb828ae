"""From arrays to small PNG images inside the page.

Examples keep their colours. Weights get a diverging map, blue below zero, white at zero, orange
above it, each picture scaled to its own largest weight; weights over three channels are shown as
colours around the grey that stands for zero.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]
_FEW = 64

LARGEST = 48
"""Longer side of a picture on the page, in pixels; larger ones are made smaller."""
_BELOW, _ABOVE = np.array([33.0, 102, 172]), np.array([201.0, 92, 14])


def data_uri(image: Image.Image) -> str:
    """A PNG file as text that an image element can show."""
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def display_range(inputs: Any) -> tuple[float, float]:
    """What is black and what is white in images of a split: 0–255, 0–1, or their own extremes.

    Examples
    --------
    >>> display_range(np.array([0, 200], np.uint8)), display_range(np.array([0.0, 0.9]))
    ((0.0, 255.0), (0.0, 1.0))
    >>> display_range(np.array([0, 16], np.uint8)), display_range(np.array([-2.0, 3.0]))
    ((0.0, 16.0), (-2.0, 3.0))
    """
    if not isinstance(inputs, np.ndarray):  # read one by one: some tell what black and white are
        inputs = inputs[:_FEW]
    finite = inputs[np.isfinite(inputs)] if inputs.dtype.kind == "f" else inputs.ravel()
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    if inputs.dtype == np.uint8:
        # Scans with few grey levels (the digits have 17) would be nearly black out of 255.
        return 0.0, 255.0 if high > 64 else max(high, 1.0)
    if low >= 0 and 0.5 < high <= 1:
        return 0.0, 1.0
    if low >= 0 and 128 < high <= 255:
        return 0.0, 255.0
    return low, high if high > low else low + 1.0


def example_picture(image: Array, extent: tuple[float, float]) -> str:
    """One example of shape (C, H, W): grey for one channel, colours for three.

    Parameters
    ----------
    image : ndarray, shape (C, H, W)
        With 2 or more than 3 channels their mean is shown.
    extent : (float, float)
        Black and white.
    """
    low, high = extent
    values = np.nan_to_num(image.astype(np.float64), nan=low, posinf=high, neginf=low)
    levels = np.clip((values - low) / (high - low), 0, 1) * 255
    pixels = np.moveaxis(levels, 0, -1) if levels.shape[0] == 3 else levels.mean(axis=0)
    return data_uri(_fit(Image.fromarray(np.rint(pixels).astype(np.uint8))))


def weight_picture(weights: Array) -> str:
    """One filter of shape (C, H, W) or (H, W), zero as the neutral colour."""
    values = np.nan_to_num(weights.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if values.ndim == 3 and values.shape[0] != 3:
        values = values.mean(axis=0)
    largest = float(np.abs(values).max()) if values.size else 0.0
    share = values / largest if largest > 0 else values
    pixels = np.moveaxis(127.5 + 127.5 * share, 0, -1) if share.ndim == 3 else diverging(share)
    return data_uri(_fit(Image.fromarray(np.rint(pixels).astype(np.uint8))))


def diverging(share: Array) -> Array:
    """Colours, shape (…, 3), of numbers from −1 (blue) over 0 (white) to 1 (orange).

    Examples
    --------
    >>> diverging(np.array([0.0])).tolist()
    [[255.0, 255.0, 255.0]]
    """
    amount = np.clip(np.abs(share), 0, 1)[..., None]
    end = np.where(share[..., None] < 0, _BELOW, _ABOVE)
    colours: Array = 255.0 + (end - 255.0) * amount
    return colours


def _fit(image: Image.Image) -> Image.Image:
    if max(image.size) <= LARGEST:
        return image
    scale = LARGEST / max(image.size)
    size = tuple(max(1, math.floor(side * scale)) for side in image.size)
    return image.resize((size[0], size[1]), Image.Resampling.BOX)
