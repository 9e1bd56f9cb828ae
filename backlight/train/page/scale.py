"""An axis: from numbers to places on the drawing, with round numbers to mark."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from backlight.train.page.number import percent, power, short

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MOST_DECADES = 7


@dataclass(frozen=True)
class Axis:
    """A range of numbers laid along a range of places.

    Parameters
    ----------
    low, high : float
        The numbers at the two ends, low < high; both above 0 where `log`.
    start, stop : float
        The places of the two ends; `stop` may lie before `start`, as on a vertical axis.
    log : bool
        Equal distances are equal factors instead of equal differences.
    """

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a number."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def holds(self, value: float | None) -> bool:
        """Whether the number lies on the axis."""
        slack = 0.0 if self.log else 1e-9 * (self.high - self.low)
        return value is not None and self.low - slack <= value <= self.high + slack

    def ticks(self, about: int = 5, as_percent: bool = False) -> list[tuple[float, str]]:
        """Round numbers on the axis with their texts, about so many."""
        if self.log:
            return self._decades(as_percent)
        step = round_step(self.high - self.low, about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        values = [k * step for k in range(first, last + 1)]
        if len(values) < 2:  # the ends lie between two round numbers
            return self.ticks(2 * about, as_percent)
        if as_percent:
            digits = max(0, -math.floor(math.log10(step * 100) + 1e-9))
            return [(v, f"{v * 100:.{digits}f}%") for v in values]
        digits = _decimals(step)
        if step < 1e-4:
            return [(v, short(v, 3) if abs(v) > step / 2 else "0") for v in values]
        return [(v, f"{v:,.{digits}f}".replace("-", "−")) for v in values]

    def _decades(self, as_percent: bool) -> list[tuple[float, str]]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        every = max(1, math.ceil((last - first + 1) / _MOST_DECADES))
        if last - first >= 2:
            chosen = [(k, 1) for k in range(first, last + 1, every)]
        else:
            chosen = [(k, m) for k in range(first - 1, last + 1) for m in (1, 2, 5)]
        marks = []
        for exponent, factor in chosen:
            value = factor * 10.0**exponent
            if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9):
                text = power(exponent) if factor == 1 and exponent < -2 else short(value)
                marks.append((value, percent(value) if as_percent else text))
        return marks


def linear(values: Iterable[float], start: float, stop: float, about: int = 5) -> Axis:
    """An axis that holds all the values and ends on round numbers."""
    low, high = bounds(values)
    step = round_step(high - low, about)
    return Axis(
        math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, stop
    )


def logarithmic(values: Iterable[float], start: float, stop: float) -> Axis:
    """A logarithmic axis that holds the values above 0, at most eight decades of them."""
    above = [value for value in values if value > 0]
    low, high = (min(above), max(above)) if above else (0.1, 1.0)
    low = max(low, high * 1e-8)
    if high / low < 3:
        low, high = low / 2, high * 2
    return Axis(low / 1.15, high * 1.15, start, stop, log=True)


def bounds(values: Iterable[float]) -> tuple[float, float]:
    """Least and greatest value, apart from each other even where all are equal."""
    known = list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        around = abs(low) * 0.1 or 1.0
        return low - around, high + around
    return low, high


def round_step(span: float, about: int) -> float:
    """The round step (1, 2, 2.5 or 5 times a power of ten) that cuts a span in about so many."""
    rough = span / max(1, about)
    size = 10.0 ** math.floor(math.log10(rough))
    return next(step * size for step in _STEPS if step * size >= rough * (1 - 1e-9))


def _decimals(step: float) -> int:
    for digits in range(5):
        if abs(step * 10**digits - round(step * 10**digits)) < 1e-6 * step * 10**digits:
            return digits
    return 5
