"""The result of a gradient check: one row a number, worst first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from backlight.check.verdict import HAPPY, Verdict

_SHOWN = 12
SIDES = {
    "left": "the slope of its left side",
    "right": "the slope of its right side",
    "between": "between the slopes of its sides",
    "neither": "not a slope of either side",
    "outside": "beyond the slopes of both sides",
}


@dataclass(frozen=True)
class Row:
    """One number's analytic and numerical gradient.

    Parameters
    ----------
    name : str
        The parameter or input.
    index : tuple of int or None
        The place in it; None stands for a random direction through all its numbers.
    analytic, numeric : float
        The gradient under check, and the difference quotient.
    noise : float
        How far the numerical one may be off.
    error : float
        Relative error.
    verdict : Verdict
    kink : str
        The gate whose winner changes within the difference; "" if none does.
    mistake : str
        The likely mistake, where the gradient failed and one fits.
    order : int
        1 for gradients, 2 for the gradient of the backward pass.
    outside : str
        What left the domain of a gate, where that is why the number could not be checked.
    gate : str
        The gate whose backward rule is wrong, and for which input, where it could be found.
    side : str
        At a kink: which one-sided slope the gradient is, "left" or "right"; "between" them (a
        subgradient); "both" where the kink is only near; "neither" if it is none of these;
        "outside" if it is none although one number of one gate chooses, which is wrong. "shape"
        where the gradient has another shape than the value, so that no number was compared.
    """

    name: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    noise: float
    error: float
    verdict: Verdict
    kink: str = ""
    mistake: str = ""
    order: int = 1
    outside: str = ""
    gate: str = ""
    side: str = ""

    @property
    def place(self) -> str:
        """The parameter with the index, as one would write it."""
        if self.side == "shape":
            return self.name
        if self.index is None:
            return f"{self.name} (random direction)"
        return f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON."""
        return {
            "name": self.name,
            "index": None if self.index is None else list(self.index),
            "order": self.order,
            "analytic": self.analytic,
            "numeric": self.numeric,
            "noise": self.noise,
            "relative_error": self.error,
            "verdict": self.verdict.value,
            "kink": self.kink,
            "mistake": self.mistake,
            "outside": self.outside,
            "gate": self.gate,
            "side": self.side,
        }


@dataclass(frozen=True)
class Report:
    """Every row of a check, worst first.

    True where no gradient is wrong, so that `assert gradcheck(f, x)` reads as elsewhere.
    """

    rows: list[Row]
    evaluations: int = 0
    title: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    """How many numbers each parameter has: more than rows, where a sample was checked."""
    weighting: str = ""
    """How several results were made into the one number that is differentiated."""

    @property
    def ok(self) -> bool:
        """Whether no gradient is wrong. Kinks, and what noise hides, are not failures."""
        return not any(row.verdict.failed for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def worst(self) -> Row | None:
        """The worst row."""
        return self.rows[0] if self.rows else None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each verdict."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict.value: found[verdict] for verdict in Verdict if found[verdict]}

    @property
    def kinks(self) -> list[Row]:
        """The rows at a kink."""
        return [row for row in self.rows if row.kink]

    def summary(self) -> str:
        """One line: how many were checked, and what came out."""
        told = ", ".join(f"{count} {name}" for name, count in self.counts.items()) or "nothing"
        whole = sum(self.sizes.values())
        numbers = sum(row.order == 1 and row.index is not None for row in self.rows)
        part = f"{numbers:,} of {whole:,} numbers" if whole else f"{numbers:,} numbers"
        return f"{part}, {self.evaluations:,} evaluations: {told}"

    def __str__(self) -> str:
        """A table, worst first."""
        width = max([len(row.place) for row in self.rows[:_SHOWN]] + [5])
        lines = [f"{self.title}\n" if self.title else ""]
        lines[0] += f"{'':{width}}  {'analytic':>14}  {'numeric':>14}  {'rel. error':>10}  verdict"
        lines += [
            f"{row.place:{width}}  {row.analytic:14.7g}  {row.numeric:14.7g}  "
            f"{row.error:10.1e}  {described(row)}"
            for row in self.rows[:_SHOWN]
        ]
        if len(self.rows) > _SHOWN:
            lines.append(f"… and {len(self.rows) - _SHOWN:,} more, none worse")
        lines += [self.weighting] if self.weighting else []
        lines.append(self.summary())
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {
            "title": self.title,
            "ok": self.ok,
            "evaluations": self.evaluations,
            "counts": self.counts,
            "sizes": self.sizes,
            "weighting": self.weighting,
            "rows": [row.to_dict() for row in self.rows],
        }


def described(row: Row) -> str:
    """The verdict with what is known about it."""
    parts = [row.outside or row.verdict.value]
    if row.verdict is Verdict.HAPPY and row.error > HAPPY and not row.kink:
        parts[0] += f" within rounding, ±{row.noise:.0e}"
    if row.order > 1:
        parts.append("second order")
    if row.kink:
        side = SIDES.get(row.side, "")
        parts.append(f"kink of {row.kink}{f', {side}' if side else ''}")
    if row.mistake:
        parts.append(f"likely: {row.mistake}")
    if row.gate:
        parts.append(f"in {row.gate}")
    return "; ".join(parts)
