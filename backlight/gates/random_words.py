"""The words of `backlight.philox` written for a compiler: every number computes its own.

The same counter, key and ten rounds, hence the same bits, as formulas of each element's place.
"""

from __future__ import annotations

import math
from typing import Any

from backlight.shapes import Shape

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_LOW = 0xFFFFFFFF
_ROUNDS = 10

Key = tuple[Any, Any]
Words = tuple[Any, Any, Any, Any]


def uniform_numbers(np: Any, key: Key, shape: Shape, dtype: Any) -> Any:
    """Uniform numbers in [0, 1): 24 random bits in float32, 53 in float64."""
    place = np.flat_place(shape).astype(np.uint64)
    if dtype == np.float64:
        low, high = _pair(np, _block(key, place >> 1), place & 1)
        return np.broadcast_to(_fraction(np, low, high), shape)
    words, lane = _block(key, place >> 2), place & 3
    word = np.where(
        lane < 2,
        np.where(lane == 0, words[0], words[1]),
        np.where(lane == 2, words[2], words[3]),
    )
    return np.broadcast_to((word >> 8).astype(np.float32) * 2.0**-24, shape)


def normal_numbers(np: Any, key: Key, shape: Shape, dtype: Any) -> Any:
    """Standard normal numbers, by Box and Muller's pair of uniform ones, computed in float64."""
    place = np.flat_place(shape).astype(np.uint64)
    words = _block(key, place >> 1)
    radius = np.sqrt(-2.0 * np.log1p(-_fraction(np, words[0], words[1])))
    angle = 2.0 * math.pi * _fraction(np, words[2], words[3])
    drawn = radius * np.where((place & 1) == 0, np.cos(angle), np.sin(angle))
    return np.broadcast_to(drawn.astype(dtype), shape)


def _fraction(np: Any, low: Any, high: Any) -> Any:
    """Two words as one number in [0, 1), 53 bits."""
    return ((low >> 5) * 2**26 + (high >> 6)).astype(np.float64) * 2.0**-53


def _pair(np: Any, words: Words, second: Any) -> tuple[Any, Any]:
    """The first or the second two words."""
    first = second == 0
    return np.where(first, words[0], words[2]), np.where(first, words[1], words[3])


def _block(key: Key, block: Any) -> Words:
    """The four words of a block, each 32 bits in 64."""
    seed, stream = key
    words = (block & _LOW, block >> 32, stream & _LOW, stream >> 32)
    low, high = seed & _LOW, seed >> 32
    for _ in range(_ROUNDS):
        first, second = words[0] * _MULTIPLIERS[0], words[2] * _MULTIPLIERS[1]
        words = (
            (second >> 32) ^ words[1] ^ low,
            second & _LOW,
            (first >> 32) ^ words[3] ^ high,
            first & _LOW,
        )
        low, high = (low + _KEY_STEPS[0]) & _LOW, (high + _KEY_STEPS[1]) & _LOW
    return words
