"""How far to go along a direction: backtracking, and a search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

DECREASE = 1e-4
"""Share of the decrease promised by the slope that a step has to bring (Armijo's condition)."""
CURVATURE = 0.9
"""Share of the first slope that may be left at the end of a step (Wolfe's condition)."""


class Point(NamedTuple):
    """A place along the direction: step length, loss, slope along it, and the whole gradient."""

    t: float
    loss: float
    slope: float
    gradient: Array


Along = Callable[[float], Point]


def backtracking(along: Along, start: Point, t: float, most: int = 25) -> Point:
    """Halve the step until the loss falls enough; the start itself if it never does."""
    for _ in range(most):
        here = along(t)
        if _falls(here, start):
            return here
        t /= 2
    return start


def strong_wolfe(along: Along, start: Point, t: float, most: int = 25) -> Point:
    """A step after which the loss has fallen enough and the slope is flat enough.

    The step is doubled until such a place lies between it and the one before, then that
    bracket is narrowed by cubic interpolation.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6.
    """
    before = start
    for trial in range(most):
        here = along(t)
        if not _falls(here, start) or (trial and here.loss >= before.loss):
            return _zoom(along, start, before, here, most - trial)
        if abs(here.slope) <= -CURVATURE * start.slope:
            return here
        if here.slope >= 0:
            return _zoom(along, start, here, before, most - trial)
        before, t = here, 2 * t
    return before


def _falls(here: Point, start: Point) -> bool:
    """Armijo's condition; a loss that is NaN or infinite does not meet it."""
    enough = start.loss + DECREASE * here.t * start.slope
    return math.isfinite(here.loss) and math.isfinite(here.slope) and here.loss <= enough


def _zoom(along: Along, start: Point, low: Point, high: Point, most: int) -> Point:
    """Narrow a bracket; `low` is its end with the lower loss."""
    for _ in range(most):
        t = _cubic(low, high)
        if abs(high.t - low.t) <= 1e-12 * max(abs(low.t), abs(high.t)):
            break
        here = along(t)
        if not _falls(here, start) or here.loss >= low.loss:
            high = here
            continue
        if abs(here.slope) <= -CURVATURE * start.slope:
            return here
        if here.slope * (high.t - low.t) >= 0:
            high = low
        low = here
    return low


def _cubic(low: Point, high: Point) -> float:
    """The minimum of the cubic through both ends, or the middle if it is not well inside."""
    width = high.t - low.t
    middle = low.t + width / 2
    if not (math.isfinite(high.loss) and math.isfinite(high.slope)) or width == 0:
        return middle
    bend = low.slope + high.slope - 3 * (low.loss - high.loss) / (low.t - high.t)
    inside = bend * bend - low.slope * high.slope
    if inside < 0:
        return middle
    root = math.copysign(math.sqrt(inside), width)
    below = high.slope - low.slope + 2 * root
    t = high.t - width * (high.slope + root - bend) / below if below else middle
    return t if 0.1 <= (t - low.t) / width <= 0.9 else middle
