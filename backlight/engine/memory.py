"""What this machine's memory holds: asked before NumPy is, which asks nobody."""

from __future__ import annotations

import math

import numpy as np
import psutil

from backlight.errors import ArgumentError
from backlight.shapes import Shape

_ASK = 2**30
"""Bytes from which the machine's memory is compared before NumPy is asked."""


def affordable(
    subject: str,
    shape: Shape,
    dtype: np.dtype[np.generic],
    remedy: str = "Make it smaller, or work on it in parts.",
) -> None:
    """Refuse what this machine cannot hold before the system starts to end processes.

    Raises
    ------
    ArgumentError
        With how many numbers and bytes it would be.

    Examples
    --------
    >>> affordable("zeros", (3, 4), np.dtype("float32"))
    """
    numbers = math.prod(shape)
    needed = numbers * dtype.itemsize
    if needed < _ASK:
        return
    there = psutil.virtual_memory().total
    if needed > there:
        raise ArgumentError(
            subject,
            got=f"shape {shape} of {dtype}: {numbers:,} numbers, which take "
            f"{needed:,} bytes ({needed / 2**30:,.2f} GiB)",
            needs=f"what fits the {there:,} bytes of memory of this machine",
            remedy=remedy,
        )
