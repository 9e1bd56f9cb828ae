"""Whole numbers given as arguments, checked once in one way."""

from __future__ import annotations

import operator
from typing import Any

from backlight.errors import ArgumentError


def whole_number(value: Any, name: str, subject: str, least: int = 0) -> int:
    """The value as an int from `least` on; True, 2.0 and "2" are none.

    Raises
    ------
    ArgumentError
        Where it is none, with its name and value.

    Examples
    --------
    >>> whole_number(3, "size", "Cutout", 1)
    3
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ArgumentError(
            subject,
            got=f"{name}={value!r}",
            needs=f"a whole number, {least} or more",
            remedy=f"Pass {name}={least} or a larger one",
        )
    return number


def seed_number(seed: Any, subject: str) -> int:
    """The value as a seed, 0 … 2⁶⁴−1."""
    number = whole_number(seed, "seed", subject)
    if number >= 2**64:
        raise ArgumentError(
            subject, got=f"seed={seed}", needs="a seed below 2⁶⁴", remedy="Choose a smaller one"
        )
    return number
