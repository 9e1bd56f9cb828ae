"""Is a function convex? Random chords: one that lies below the function says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Array

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Chord:
    """Two points, and the function on the line between them.

    Attributes
    ----------
    a, b : array
        The ends.
    share : float
        Where on the line: share·a + (1 − share)·b.
    value, bound : float
        The function there, and the chord's height there.
    """

    a: Array
    b: Array
    share: float
    value: float
    bound: float

    @property
    def excess(self) -> float:
        """How far the function lies above the chord."""
        return self.value - self.bound


@dataclass(frozen=True)
class Convexity:
    """How many random chords were tried, how many lie below the function, and the worst.

    Attributes
    ----------
    chords, violations : int
        No violation is no proof, one is.
    worst : Chord or None
        The chord furthest below the function, if one is below.
    """

    chords: int
    violations: int
    worst: Chord | None

    @property
    def convex(self) -> bool:
        """Whether no chord was violated."""
        return self.violations == 0

    def __str__(self) -> str:
        """Count and verdict, with the worst chord."""
        if self.worst is None:
            return f"convex as far as {self.chords:,} random chords can tell: none was violated"
        worst = self.worst
        return (
            f"not convex: {self.violations:,} of {self.chords:,} chords are violated; "
            f"f(t·a + (1−t)·b) = {worst.value:.6g} > t·f(a) + (1−t)·f(b) = {worst.bound:.6g} "
            f"at t = {worst.share:.3f}"
        )


def convexity(
    f: Callable[[Any], Any],
    around: Any,
    *,
    chords: int = 10_000,
    radius: float = 1.0,
    seed: int = 0,
) -> Convexity:
    """Compare a function with random chords: f(t·a + (1−t)·b) ≤ t·f(a) + (1−t)·f(b) if convex.

    Parameters
    ----------
    f : callable
        A function of a tensor (all parameters in one, say) to a single number.
    around : array_like
        Centre of the points; its shape is that of the argument. Computed in float64.
    chords : int
        How many; each takes two evaluations, since the chords form a chain.
    radius : float
        Standard deviation of the points; every tenth chord is ten times longer.
    seed : int
        Draws the points.

    Examples
    --------
    >>> convexity(lambda x: (x * x).sum(), [0.0, 0.0], chords=100).convex
    True
    >>> convexity(lambda x: (x * x * x).sum(), [0.0, 0.0], chords=100).convex
    False
    """
    if chords < 1 or not radius > 0:
        raise ArgumentError(
            "convexity",
            got=f"chords={chords}, radius={radius}",
            needs="at least one chord of a length above 0",
            remedy="Leave them out for 10,000 chords of radius 1.",
        )
    centre = np.asarray(getattr(around, "_value", around), np.float64)
    shares = philox.uniform(seed, 1, (chords,), np.float64)
    violations, worst = 0, None
    last, last_value = centre, _value(f, centre)
    for number in range(chords):
        reach = radius * (10.0 if number % 10 == 9 else 1.0)
        point = centre + reach * philox.normal(seed, 2 + number, centre.shape, np.float64)
        value, share = _value(f, point), float(shares[number])
        between = _value(f, share * last + (1 - share) * point)
        chord = Chord(last, point, share, between, share * last_value + (1 - share) * value)
        if chord.excess > _ROUNDING * max(abs(between), abs(last_value), abs(value)):
            violations += 1
            if worst is None or chord.excess > worst.excess:
                worst = chord
        last, last_value = point, value
    return Convexity(chords, violations, worst)


def _value(f: Callable[[Any], Any], point: Array) -> float:
    with no_grad():
        found = f(Tensor.share(point))
    return float(np.asarray(getattr(found, "_value", found)))
