"""The numerical gradient of one number for many steps h: what too large and too small a step does.

A difference is wrong by the curve of the function, the more the larger h, and by rounding, the more
the smaller h. In float32 both meet so early that no step is good: a check belongs into float64.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backlight.check.case import Case, of_function, of_model
from backlight.check.difference import Line
from backlight.check.report import Report
from backlight.check.verdict import relative_error

Array = np.ndarray[Any, Any]

STEPS = tuple(10.0**-power for power in range(1, 13))
_CLEAN = (1e-1, 1e-2, 1e-3)  # steps so large that nothing is rounded: there the orders are measured


@dataclass(frozen=True)
class Point:
    """The relative errors of the differences with one step; `single` is centred, in float32."""

    step: float
    one_sided: float
    centred: float
    single: float | None


@dataclass(frozen=True)
class StepCurve:
    """How good a difference is, step by step.

    Attributes
    ----------
    name : str
        The number.
    slope : float
        The gradient that the differences are compared with.
    points : tuple of Point
        From the largest step to the smallest.
    """

    name: str
    slope: float
    points: tuple[Point, ...]

    @property
    def best(self) -> Point:
        """The step with the smallest centred error."""
        return min(self.points, key=lambda point: point.centred)

    @property
    def best_single(self) -> Point | None:
        """The best step in float32; None where it was not computed in float32."""
        known = [point for point in self.points if point.single is not None]
        return min(known, key=lambda point: point.single or 0.0, default=None)

    @property
    def orders(self) -> tuple[float, float] | None:
        """The powers of h with which the one-sided and the centred error fall; None if unclear."""
        large = [point for point in self.points if point.step in _CLEAN]
        found = []
        for errors in ([p.one_sided for p in large], [p.centred for p in large]):
            if len(errors) < 2 or not all(1e-10 < error < 1 for error in errors[-2:]):
                return None
            found.append(math.log10(errors[-2] / errors[-1]))
        return found[0], found[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"orders": self.orders}


def step_curve(case: Case, name: str, place: tuple[int, ...], slope: float) -> StepCurve:
    """The errors of one-sided and centred differences for steps from 0.1 to 1e-12.

    Parameters
    ----------
    case : Case
        The function.
    name, place
        The number that is nudged.
    slope : float
        Its gradient.

    Examples
    --------
    >>> import backlight
    >>> from backlight.check.case import of_function
    >>> curve = step_curve(of_function(backlight.exp, (np.array(1.0),)), "x", (), np.e)
    >>> curve.best.step, [round(order) for order in curve.orders]
    (1e-05, [1, 2])
    """
    double = _errors(case, name, place, slope)
    single = _in_single(case, name, place, slope)
    index = f"[{', '.join(map(str, place))}]" if place else ""
    points = [
        Point(step, one_sided, centred, None if single is None else single[at])
        for at, (step, (one_sided, centred)) in enumerate(zip(STEPS, double, strict=True))
    ]
    return StepCurve(f"{name}{index}", slope, tuple(points))


def _errors(
    case: Case, name: str, place: tuple[int, ...], slope: float
) -> list[tuple[float, float]]:
    """The relative errors of the one-sided and the centred difference, by step."""
    line = Line(case.leaves[name]._value, place)
    here = _value(case)
    found = []
    for step in STEPS:
        try:
            line.move(step)
            ahead = _value(case)
            line.move(-step)
            behind = _value(case)
        finally:
            line.restore()
        one_sided, centred = (ahead - here) / step, (ahead - behind) / (2 * step)
        found.append((relative_error(slope, one_sided), relative_error(slope, centred)))
    return found


def _in_single(case: Case, name: str, place: tuple[int, ...], slope: float) -> list[float] | None:
    """The centred errors when all inputs are float32; None if the function computes otherwise."""
    before = {key: leaf._value for key, leaf in case.leaves.items()}
    try:
        for leaf in case.leaves.values():
            leaf._value = np.asarray(leaf._value, np.float32)
        if any(output.dtype != np.float32 for output in case.results()):
            return None
        return [centred for _, centred in _errors(case, name, place, slope)]
    finally:
        for key, leaf in case.leaves.items():
            leaf._value = before[key]


def _value(case: Case) -> float:
    """The number that is differentiated."""
    with np.errstate(all="ignore"):
        return float(np.dot(case.cotangent, case.read().numbers))


def curve_of(
    report: Report, function: Any, inputs: Any, loss: Any = None, seed: int = 0, ones: bool = False
) -> StepCurve | None:
    """The curve of the number of a report that is worst, or else has the largest gradient.

    Parameters
    ----------
    report : Report
        Of `gradcheck`, with the same function, inputs, loss and seed.

    Returns
    -------
    StepCurve or None
        None if no single number was checked.
    """
    rows = [row for row in report.rows if row.index is not None and np.isfinite(row.numeric)]
    failed = [row for row in rows if row.verdict.failed]
    row = failed[0] if failed else max(rows, key=lambda one: abs(one.analytic), default=None)
    if row is None or row.index is None:
        return None
    case = (
        of_model(function, inputs, loss, seed, ones)
        if hasattr(function, "named_parameters")
        else of_function(function, inputs, seed, ones)
    )
    slope = row.numeric if row.verdict.failed else row.analytic
    return step_curve(case, row.name, row.index, slope)
