"""The verdict on one number: its analytic gradient beside a difference with an error bar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight.check.difference import EPSILON, Line, Prober, Slope
from backlight.check.report import Row
from backlight.check.verdict import HAPPY, Verdict, judge, relative_error

Array = np.ndarray[Any, Any]
Tolerances = tuple[float, float] | None

NOISY = 5e-4  # a mistake of 0.1% must not hide in the noise
_TRUSTED = 5.0  # error bars away from the numerical slope, before it is believed
_SMALL = 1e-6  # of the largest gradient of the tensor: below it, noise is no cause for doubt
EDGE = "not checked: at an edge, behind which there is no value"
INFINITE = "not checked: the value is not finite"
_SIDES = ("left", "right", "between")


@dataclass(frozen=True)
class Rule:
    """How rows are judged: the rounding of the analytic gradient, and what the caller wished."""

    residue: float
    eps: float | None = None
    tolerances: Tolerances = None
    order: int = 1


def compare(
    prober: Prober,
    line: Line,
    name: str,
    place: tuple[int, ...] | None,
    analytic: float,
    largest: float,
    rule: Rule,
) -> Row:
    """A row: a quick difference, and where that does not settle it a refined one."""
    slope = prober.quick(line, None if rule.eps is None else rule.eps * max(1.0, line.size))

    def made(measured: Slope, verdict: Verdict, kink: str) -> Row:
        error = relative_error(analytic, measured.value)
        return Row(
            name,
            place,
            analytic,
            measured.value,
            measured.noise,
            error,
            verdict,
            kink,
            "",
            rule.order,
            side=prober.side(line, analytic) if kink else "",
        )

    if rule.tolerances is not None:
        atol, rtol = rule.tolerances
        good = abs(analytic - slope.value) <= atol + rtol * abs(slope.value)
        failed = Verdict.KINK if slope.kink else Verdict.WRONG
        return made(slope, Verdict.HAPPY if good else failed, slope.kink)
    if not np.isfinite(analytic) and not np.isfinite(prober.base.numbers).all():
        return replace(made(slope, Verdict.OUTSIDE, ""), outside=INFINITE)
    verdict = _verdict(analytic, slope, largest, rule)
    if verdict is Verdict.HAPPY:
        return made(slope, verdict, slope.kink)
    refined = prober.refined(line)
    clean = np.isfinite(refined.value) and not refined.kink
    if slope.kink:
        better = _verdict(analytic, refined, largest, rule) if clean else Verdict.KINK
        if better.failed:  # the kink is near, but a smaller step keeps clear of it
            return made(refined, better, slope.kink)
        fine = judge(relative_error(analytic, slope.value), kinks=True, order=rule.order)
        row = made(slope, Verdict.FINE if fine is Verdict.FINE else Verdict.KINK, slope.kink)
        return replace(row, verdict=Verdict.WRONG) if row.side == "outside" else row
    if not clean:
        row = made(slope, _unmeasured(analytic, slope), refined.kink)
        edge = row.verdict is Verdict.NOT_CHECKED and not np.isfinite(slope.value)
        if edge and np.isfinite(prober.base.numbers).all():
            return replace(row, verdict=Verdict.OUTSIDE, outside=EDGE)
        return row
    verdict = _verdict(analytic, refined, largest, rule)
    if verdict.failed and prober.blind and _bent(prober, line, analytic, refined):
        return made(refined, Verdict.KINK, "the function")
    return made(refined, verdict, "")


def _bent(prober: Prober, line: Line, analytic: float, refined: Slope) -> bool:
    """Whether the function has a kink here, or so near that a difference straddles it."""
    if prober.side(line, analytic) in _SIDES:
        return True
    return prober.straddled(line, analytic, refined.value)


def _verdict(analytic: float, slope: Slope, largest: float, rule: Rule) -> Verdict:
    """What the difference, beyond the numerical slope's own error, says."""
    if not np.isfinite(slope.value):
        return Verdict.NOT_CHECKED
    if not np.isfinite(analytic):
        return Verdict.WRONG
    size = max(abs(analytic), abs(slope.value))
    beyond = max(0.0, abs(analytic - slope.value) - slope.noise - rule.residue)
    doubtful = abs(analytic - slope.value) <= _TRUSTED * slope.noise
    if doubtful and slope.noise > NOISY * size:
        nothing = abs(analytic) <= rule.residue or slope.noise <= _SMALL * largest
        if beyond > 0 or not nothing:
            return Verdict.NOT_CHECKED
    # Beside a number a million times larger, rounding in the rule itself is no mistake.
    floor = largest * EPSILON / HAPPY * 100
    return judge(beyond / max(size, floor) if beyond else 0.0, order=rule.order)


def _unmeasured(analytic: float, slope: Slope) -> Verdict:
    """No step gives a clean slope: a gradient that is NaN is wrong where the value is not."""
    if np.isfinite(slope.value) and not np.isfinite(analytic):
        return Verdict.WRONG
    return Verdict.NOT_CHECKED


def largest_of(array: Array) -> float:
    """The size of the largest finite number; 0 if there is none."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
