"""Whether contenders computed the same: compared before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Disagreement:
    """Two contenders whose answers differ by more than the tolerance."""

    first: str
    second: str
    told: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.first} and {self.second} disagree: {self.told}"


def compared(
    answers: Mapping[str, Sequence[Any]], tolerance: float
) -> tuple[float, Disagreement | None]:
    """The largest relative difference between any two contenders, and who differs too much.

    Two arrays differ by the largest absolute difference over the largest absolute value of either.

    Examples
    --------
    >>> compared({"a": [[1.0, 2.0]], "b": [[1.0, 2.5]]}, tolerance=0.1)[1].told
    'by 0.2 (allowed: 0.1) in answer 0, at (1,): 2 and 2.5'
    """
    largest = 0.0
    for (one, mine), (other, yours) in combinations(answers.items(), 2):
        if len(mine) != len(yours):
            return np.inf, Disagreement(one, other, f"{len(mine)} and {len(yours)} answers")
        for place, (x, y) in enumerate(zip(mine, yours, strict=True)):
            difference, told = _difference(np.asarray(x), np.asarray(y))
            largest = max(largest, difference)
            if difference > tolerance:
                words = f"by {difference:.3g} (allowed: {tolerance:g}) in answer {place}, {told}"
                return largest, Disagreement(one, other, words)
    return largest, None


def _difference(x: Any, y: Any) -> tuple[float, str]:
    """The relative difference of two arrays, and where it is largest."""
    if x.shape != y.shape:
        return np.inf, f"of shapes {x.shape} and {y.shape}"
    if not x.size:
        return 0.0, ""
    x, y = x.astype(np.float64), y.astype(np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.inf, "which has a NaN or an infinity"
    apart = np.abs(x - y)
    at = tuple(int(i) for i in np.unravel_index(apart.argmax(), apart.shape))
    scale = max(np.abs(x).max(), np.abs(y).max())
    told = f"at {at}: {x[at]:.6g} and {y[at]:.6g}"
    return float(apart[at] / scale) if scale else 0.0, told
