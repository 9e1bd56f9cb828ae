"""One slope, with its error bar: differences of an expression along a line through its inputs.

A first difference with a small step settles most cases. Where it does not, a ladder of steps with
the five-point rule finds the step at which neighbouring estimates agree best; how well they agree
is the error bar. Nothing here looks at the gradient under check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.check.kink import Winners, changed, choices
from backlight.errors import ArgumentError, RangeError

Array = np.ndarray[Any, Any]

EPSILON = float(np.finfo(np.float64).eps)
STEP = 1e-5
_LADDER = [2.0**-power for power in range(4, 40, 2)]
_SIDES = (1 / 16, 64.0, 512.0)  # of a step: larger where numbers are coarser
_ENOUGH = 1e-10
_MARGIN = 4.0  # how much larger than its estimate an error may be


@dataclass(frozen=True)
class Slope:
    """A numerical derivative, how far it may be off, and the gate whose kink it straddles."""

    value: float
    noise: float
    kink: str = ""


@dataclass(frozen=True)
class Reading:
    """What the function under check gave: its numbers in one row, and its winners."""

    numbers: Array
    winners: Winners


class Line:
    """A straight line through an array's present value, along one number or a direction."""

    def __init__(
        self, array: Array, index: tuple[int, ...] | None = None, direction: Array | None = None
    ) -> None:
        self.array = array
        self.index: Any = ... if index is None else index
        self.start = np.array(array[self.index])
        self.direction: Any = 1.0 if direction is None else direction
        self.size = float(np.max(np.abs(self.start), initial=0.0))

    def move(self, distance: float) -> None:
        """Set the array to the point at this distance."""
        self.array[self.index] = self.start + distance * self.direction

    def restore(self) -> None:
        """Set the array back to its exact bits."""
        self.array[self.index] = self.start


class Prober:
    """Differences of a weighted sum of what `read` gives.

    Parameters
    ----------
    read : callable
        Evaluates the function at the arrays' present values.
    weights : array
        The cotangent: one weight a number of the reading.
    rounding : float
        Relative rounding of the coarsest type on the way.
    blind : bool
        Whether the readings know nothing of winners, so that a kink shows in the slopes alone.
    """

    def __init__(
        self,
        read: Callable[[], Reading],
        weights: Array,
        rounding: float = EPSILON,
        blind: bool = False,
    ) -> None:
        self.blind = blind
        self._read = read
        self._rounding = rounding
        self.weights = weights
        self.evaluations = 0
        self.base = self.read()

    def read(self) -> Reading:
        """Evaluate once, counted."""
        self.evaluations += 1
        return self._read()

    def quick(self, line: Line, step: float | None = None) -> Slope:
        """The centred difference with the step 1e-5·max(1, |x|)."""
        step = step or STEP * max(1.0, line.size)
        ahead, behind = self._at(line, step), self._at(line, -step)
        kink = changed([self.base.winners, ahead.winners, behind.winners])
        value, size = self._difference(ahead, behind, np.zeros(ahead.numbers.shape, bool))
        noise = self._rounding * (size + line.size * abs(value) / (2 * step)) / step
        return Slope(value / (2 * step), noise, kink)

    def refined(self, line: Line) -> Slope:
        """The five-point difference at the step where neighbouring steps agree best."""
        estimates: list[tuple[float, float]] = []
        moved = np.zeros(self.base.numbers.shape, bool)
        best = Slope(float("nan"), float("inf"))
        kink = ""
        for step in _LADDER:
            step *= max(1.0, line.size)
            found = self._five_points(line, step, moved)
            if isinstance(found, str):
                kink = found
                estimates.clear()
                continue
            estimates.append(found)
            if len(estimates) < 3:
                continue
            (first, _), (middle, rounding), (last, _) = estimates[-3:]
            noise = _MARGIN * max(abs(first - middle), abs(middle - last), rounding)
            if noise < best.noise:
                best = Slope(middle, noise)
            if noise <= _ENOUGH * abs(middle):
                break
        return best if best.noise < float("inf") else Slope(best.value, best.noise, kink)

    def side(self, line: Line, analytic: float) -> str:
        """Which one-sided slope a gradient at a kink is.

        "left", "right", or "between"; "both" where the kink is near and not here; "neither";
        "outside" where it is neither although one number of one gate chooses, so that the gradient
        is wrong whatever is chosen; "" where noise hides the slopes.
        """
        steps = (STEP * factor * max(1.0, line.size) for factor in _SIDES)
        return next(filter(None, (self._side(line, analytic, step) for step in steps)), "")

    def straddled(self, line: Line, analytic: float, slope: float) -> bool:
        """Whether a gradient is the slope on both sides of the point, and the measured one is not.

        A difference that reaches over a kink close by is wrong, though it be clean.
        """
        step = STEP * _SIDES[0] * max(1.0, line.size)
        *_, left, right, noise = self._sides(line, step)
        bound = 1e-4 * max(abs(left), abs(right), abs(analytic)) + noise
        clear = noise <= 1e-3 * abs(slope) and abs(slope - left) > 1e-2 * abs(slope)
        return clear and abs(left - right) <= bound and abs(analytic - left) <= bound

    def _side(self, line: Line, analytic: float, step: float) -> str:
        ahead, behind, left, right, noise = self._sides(line, step)
        *_, left_far, right_far, _ = self._sides(line, step / 4)
        bound = 1e-4 * max(abs(left), abs(right), abs(analytic)) + noise
        if not abs(left - left_far) + abs(right - right_far) <= bound:
            return ""
        if abs(left - right) <= bound:
            return "both" if abs(analytic - left) <= bound else "neither"
        if abs(analytic - left) <= bound:
            return "left"
        if abs(analytic - right) <= bound:
            return "right"
        if min(left, right) < analytic < max(left, right):
            return "between"
        return "outside" if choices(behind.winners, ahead.winners) == 1 else "neither"

    def _sides(self, line: Line, step: float) -> tuple[Reading, Reading, float, float, float]:
        """The points ahead and behind, the slopes to the left and right, and their noise."""
        ahead, behind = self._at(line, step), self._at(line, -step)
        unmoved = np.zeros(self.base.numbers.shape, bool)
        right, size = self._difference(ahead, self.base, unmoved)
        left, more = self._difference(self.base, behind, unmoved)
        return ahead, behind, left / step, right / step, self._rounding * (size + more) / step

    def _five_points(self, line: Line, step: float, moved: Array) -> tuple[float, float] | str:
        """The slope and its rounding error, or the gate that has a kink in reach ("": an edge)."""
        near = self._at(line, step), self._at(line, -step)
        far = self._at(line, 2 * step), self._at(line, -2 * step)
        kink = changed([self.base.winners, *(reading.winners for reading in near + far)])
        outer, more = self._difference(*far, moved)
        inner, size = self._difference(*near, moved)
        if kink:
            return kink
        if inner == 0 and moved.any():
            return ""  # the step is lost in rounding: larger ones moved the result
        value = (8 * inner - outer) / (12 * step)
        if not np.isfinite(value):
            return ""
        return value, self._rounding * (size + more + line.size * abs(value)) / step

    def _at(self, line: Line, distance: float) -> Reading:
        line.move(distance)
        try:
            return self.read()
        except (RangeError, ArgumentError):  # a step over the edge of what a gate takes
            return Reading(np.full(self.base.numbers.shape, np.nan), self.base.winners)
        finally:
            line.restore()

    def _difference(self, ahead: Reading, behind: Reading, moved: Array) -> tuple[float, float]:
        """The weighted change, and the size of what `moved`, with which rounding grows."""
        with np.errstate(all="ignore"):
            same = ahead.numbers == behind.numbers
            change = np.where(same, 0.0, ahead.numbers - behind.numbers)  # ∞ − ∞ is no change
            moved |= ~same
            # If nothing moves, all that is known is how much would have been seen.
            size = np.where(
                moved if moved.any() else np.isfinite(ahead.numbers), np.abs(ahead.numbers), 0.0
            )
            return float(np.dot(self.weights, change)), float(np.dot(np.abs(self.weights), size))
