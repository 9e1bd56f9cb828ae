"""What `backlight check` shows: the table of a report, its verdicts and mistakes in words."""

from __future__ import annotations

import json as json_format
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backlight.check.told import matched, mistake, verdict
from backlight.words import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from backlight.check.curve import StepCurve
    from backlight.check.finding import Finding
    from backlight.check.report import Report, Row

_SHOWN = 20
_TITLES = (
    (r"Gradient check of compiled (?P<what>.+)", "compiled"),
    (r"Gradient check of (?P<what>.+)", "plain"),
    (r"Check of the gradient that (?P<what>.+) answers with", "by_hand"),
)


def shown(report: Report, json: bool, summed: bool, curve: StepCurve | None = None) -> int:
    """Write a report, as a table or as JSON, and answer with the exit code."""
    if json:
        told = report.to_dict() | ({} if curve is None else {"curve": curve.to_dict()})
        sys.stdout.write(json_format.dumps(_plain(told), allow_nan=False) + "\n")
        return 0 if report.ok else 1
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(_table(report))
    if len(report.rows) > _SHOWN:
        rest = f"{len(report.rows) - _SHOWN:,}"
        console.print(say("check.more", count=rest), soft_wrap=True)
    if report.weighting:
        console.print(escape(_weighting(report.weighting, summed)), soft_wrap=True)
    console.print(escape(_summary(report)), soft_wrap=True)
    if not report.ok:
        console.print(say("check.wrong"), style="bold red")
        for line in _likely(report):
            console.print(escape(line), soft_wrap=True)
    if curve is not None:
        _show_curve(console, curve)
    return 0 if report.ok else 1


def _table(report: Report) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(matched(report.title, _TITLES, "title")), title_justify="left")
    table.add_column(say("check.column.number"))
    for heading in ("analytic", "numeric", "error"):
        table.add_column(say(f"check.column.{heading}"), justify="right")
    table.add_column(say("check.column.verdict"))
    for row in report.rows[:_SHOWN]:
        style = "bold red" if row.verdict.failed else "yellow" if row.kink else ""
        table.add_row(
            escape(_place(row)),
            _number(row.analytic),
            _number(row.numeric),
            f"{row.error:.1e}".replace("e-", "e−"),
            escape(verdict(row)),
            style=style,
        )
    return table


def _likely(report: Report) -> Iterator[str]:
    for name, row in {row.name: row for row in report.rows if row.mistake}.items():
        gate, _, wire = row.gate.removeprefix("gate ").partition(", by ")
        key = "check.likely_at" if gate else "check.likely"
        yield say(key, name=name, gate=gate, wire=wire, mistake=mistake(row.mistake))


def _summary(report: Report) -> str:
    """How many were checked, and what came out."""
    counts = Counter(row.verdict for row in report.rows)
    told = [
        f"{counts[one]} {say(f'circuit.verdict.{one.name.lower()}')}"
        for one in type(report.rows[0].verdict)
        if counts[one]
    ]
    checked = sum(row.order == 1 and row.index is not None for row in report.rows)
    return say(
        "check.summary",
        checked=f"{checked:,}",
        whole=f"{sum(report.sizes.values()) or checked:,}",
        evaluations=f"{report.evaluations:,}",
        verdicts=", ".join(told),
    )


def _weighting(told: str, summed: bool) -> str:
    """What was differentiated, where there are several results."""
    weights = re.search(r"u = \[(.*)\]", told)
    if weights is None:
        return say("check.summed")
    said = say("check.weighted", weights=weights.group(1))
    return said if summed else f"{said} {say('check.sum_instead')}"


def _place(row: Row) -> str:
    if row.index is None and row.side != "shape":
        return say("check.direction", name=row.name)
    return row.place


def _number(value: float) -> str:
    return f"{value:.7g}".replace("-", "−")


# ── the steps ──────────────────────────────────────────────────────────────────────────────────


def _show_curve(console: Console, curve: StepCurve) -> None:
    from rich.markup import escape
    from rich.table import Table

    title = say("check.curve.title", name=curve.name, slope=_number(curve.slope))
    table = Table()
    single = curve.best_single
    for heading in ("step", "one_sided", "centred", *(["single"] if single else [])):
        table.add_column(say(f"check.curve.{heading}"), justify="right")
    for point in curve.points:
        cells = [point.one_sided, point.centred, *([point.single] if single else [])]
        table.add_row(
            _power(point.step),
            *(_error(cell) for cell in cells),
            style="bold" if point is curve.best else "",
        )
    console.print()
    console.print(escape(title), soft_wrap=True)
    console.print(table)
    for line in _curve_told(curve):
        console.print(escape(line), soft_wrap=True)


def _curve_told(curve: StepCurve) -> Iterator[str]:
    """What the table shows: two errors that meet, and where."""
    if curve.orders is not None:
        one_sided, centred = (f"{order:.2f}" for order in curve.orders)
        yield say("check.curve.orders", one_sided=one_sided, centred=centred)
    yield say("check.curve.best", step=_power(curve.best.step), error=_error(curve.best.centred))
    single = curve.best_single
    if single is not None and single.single is not None:
        at_best = next(point.single for point in curve.points if point is curve.best)
        yield say(
            "check.curve.float32",
            step=_power(single.step),
            error=_error(single.single),
            usual=_power(curve.best.step),
            wrong=_error(at_best),
        )


def _power(step: float) -> str:
    return f"{step:.0e}".replace("e-", "e−")


def _error(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}".replace("e-", "e−")


# ── gates ──────────────────────────────────────────────────────────────────────────────────────


def findings(found: list[tuple[str, list[Finding]]], json: bool) -> int:
    """Gates with findings first; then how many keep their promises."""
    wrong = [(name, findings) for name, findings in found if findings]
    if json:
        told = {name: [str(finding) for finding in findings] for name, findings in found}
        sys.stdout.write(json_format.dumps({"ok": not wrong, "gates": told}) + "\n")
        return 1 if wrong else 0
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from backlight.check.every_gate import CHECKS

    console = Console()
    if wrong:
        table = Table(title=say("check.gates.broken"), title_justify="left")
        for heading in ("gate", "check", "sample", "found"):
            table.add_column(say(f"check.gates.{heading}"))
        for name, several in sorted(wrong, key=lambda pair: -len(pair[1])):
            for one in several[:_SHOWN]:
                place = one.input + (str(list(one.element)) if one.element else "")
                table.add_row(
                    name,
                    one.check,
                    escape(one.sample),
                    escape(f"{place}: {one.told}" if place else one.told),
                )
        console.print(table)
    kept = say(
        "check.gates.kept",
        count=len(found) - len(wrong),
        all=len(found),
        promises=", ".join(CHECKS),
    )
    console.print(kept, soft_wrap=True)
    return 1 if wrong else 0


def _plain(value: Any) -> Any:
    """NaN and infinities as words: JSON has no numbers for them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return value
