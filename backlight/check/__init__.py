"""Checks: numerical gradient, gradient check, and what every gate's declaration promises."""

from __future__ import annotations

from backlight.check.by_hand import check_by_hand
from backlight.check.compiled import check_step
from backlight.check.gradient import gradcheck, gradgradcheck
from backlight.check.numerical import (
    Cost,
    cost,
    error_by_step,
    evaluations_needed,
    numerical_gradient,
)
from backlight.check.report import Report, Row
from backlight.check.verdict import Verdict, judge, relative_error
from backlight.native.inspecting.inspection import Inspection

__all__ = [
    "Cost",
    "Inspection",
    "Report",
    "Row",
    "Verdict",
    "check_by_hand",
    "check_step",
    "cost",
    "error_by_step",
    "evaluations_needed",
    "gradcheck",
    "gradgradcheck",
    "judge",
    "numerical_gradient",
    "relative_error",
]
