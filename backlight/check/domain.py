"""Inputs outside a gate's domain: there its value is no number, so no gradient can be checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from backlight.check.case import Case
from backlight.check.report import Row
from backlight.check.verdict import Verdict
from backlight.engine.apply import watch
from backlight.gates.family import outside
from backlight.gates.gate import Gate


def left_domain(case: Case) -> str:
    """The first number outside the domain of its gate, in words.

    Empty where there is none, and where all results are finite nevertheless: a power's domain ends
    at 0, but (-1)² is 1, and has a gradient that can be checked.
    """
    found: list[str] = []

    def look(gate: Gate, _inputs: Any, values: Any, _attributes: Any, _output: Any) -> None:
        for wire, value in zip(gate.inputs, values, strict=False):
            allowed = gate.domain.get(wire, "")
            bad = np.asarray(value)[outside(allowed, value)] if allowed else np.zeros(0)
            if bad.size:
                told = f"outside the domain of {gate.name}: {wire} = {bad.flat[0]:g}"
                found.append(f"{told}; it needs {allowed}")

    with watch(look):
        results = case.results()
    finite = all(np.isfinite(np.asarray(one._value)).all() for one in results)
    return found[0] if found and not finite else ""


def outside_domain(rows: list[Row], told: str) -> list[Row]:
    """The rows, with what left a domain as the verdict where it leaves nothing to compare."""
    return [
        replace(row, verdict=Verdict.OUTSIDE, outside=told, mistake="")
        if told and not np.isfinite([row.analytic, row.numeric]).all()
        else row
        for row in rows
    ]
