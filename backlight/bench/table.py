"""The measurements as a table for a terminal of 100 columns, and the lines below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from backlight.bench.peer import COMPILED, EAGER, OURS, how_to_install
from backlight.bench.row import Comparison, Measurement, Row
from backlight.bench.workload import Kind, Target, framework

if TYPE_CHECKING:
    from rich.table import Table

NOISY = 1.5
"""A median this much above the least was disturbed by something else on the machine."""
_STYLES = {True: "green", False: "yellow", None: ""}


def quantity(value: float, kind: Kind = Kind.TIME) -> str:
    """Seconds or bytes in the unit that needs the fewest digits.

    Examples
    --------
    >>> quantity(0.0123), quantity(4.5e-7), quantity(3 * 2**20, Kind.MEMORY)
    ('12.3 ms', '450 ns', '3 MiB')
    """
    if kind.unit == "B":
        return f"{value / 2**20:.0f} MiB"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{value / scale:.{_places(value / scale)}f} {unit}"
    return f"{value / 1e-9:.0f} ns"


def _places(value: float) -> int:
    """Digits behind the point that make three figures."""
    return 2 if value < 10 else 1 if value < 100 else 0


def table(rows: Sequence[Row]) -> Table:
    """A line for each comparison of each row."""
    from rich.table import Table

    shown = Table(title="Median time; Backlight ÷ the best peer", title_justify="left")
    shown.add_column("workload", max_width=34)
    several = len({row.threads for row in rows}) > 1
    if several:
        shown.add_column("threads", justify="right")
    shown.add_column("Backlight", justify="right", no_wrap=True)
    shown.add_column("best peer", no_wrap=True, max_width=22)
    for heading in ("its time", "ratio", "target", "of peak"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        for line in _lines(row):
            style = line.pop()
            cells = [line[0], str(row.threads), *line[1:]] if several else line
            shown.add_row(*cells, style=style)
    return shown


def _lines(row: Row) -> list[list[str]]:
    """The cells of a row's lines, and a style at the end of each."""
    title, kind = row.workload.title, row.workload.kind
    if row.disagreement:
        return [[title, "DISAGREE", "", "", "", "", "", "bold red"]]
    found = row.comparisons()
    if not found:
        best = row.best()
        peer = ["—", "—"] if best is None else [best.contender, _told(best, kind)]
        return [[title, "—", *peer, "—", *_target(row.workload.targets[:1]), "—", "dim"]]
    title += _variant(found[0].ours)
    lines = [
        _line(title if not place else "", comparison, row, kind)
        for place, comparison in enumerate(found)
    ]
    for one in row.variants:
        if one is not found[0].ours:
            other = Comparison(None, one, found[-1].best)
            lines.append(_line(f"  {one.contender}", other, row, kind))
    return lines


def _variant(ours: Measurement) -> str:
    """What tells Backlight's variant from the plain one."""
    rest = ours.contender.removeprefix(COMPILED)
    return f",{rest}" if rest != ours.contender and rest else ""


def _line(title: str, comparison: Comparison, row: Row, kind: Kind) -> list[str]:
    best, ratio = comparison.best, comparison.ratio
    share = row.share_of_peak(comparison.ours)
    targets = () if comparison.target is None else (comparison.target,)
    return [
        title,
        _told(comparison.ours, kind) if title else "",
        "—" if best is None else best.contender,
        "—" if best is None else _told(best, kind),
        "—" if ratio is None else f"{ratio:.3g}",
        *_target(targets),
        "" if share is None or not title else f"{share:.0%}",
        _STYLES[comparison.met],
    ]


def _told(measured: Measurement, kind: Kind) -> str:
    return ("~" if _noisy(measured) else "") + quantity(measured.median, kind)


def _target(targets: Sequence[Target]) -> list[str]:
    if not targets:
        return ["—"]
    one = targets[0]
    return [f"≤ {one.limit:g} s" if one.limit is not None else f"≤ {one.ratio:g}"]


def notes(rows: Sequence[Row]) -> list[str]:
    """What the table has no room for: failures, missing peers, first calls, scaling."""
    lines: dict[str, None] = {}
    for row in rows:
        if row.disagreement:
            lines[f"{row.workload.name}: nothing was timed. {row.disagreement}"] = None
    for name in _missing(rows):
        lines[f"{name} is not installed and was skipped: `{how_to_install(name)}`"] = None
    for row in rows:
        for one in row.measurements:
            if one.failed and not one.missing:
                lines[f"{row.workload.name}: {one.contender} failed: {one.failed}"] = None
    calls = [line for row in rows if (line := _first_calls(row))]
    if calls:
        lines["First call, compilation included:"] = None
        lines |= dict.fromkeys(calls)
    lines |= dict.fromkeys(scaling(rows))
    lines |= dict.fromkeys(_noise(rows))
    if any(one.contender == EAGER for row in rows for one in [row.ours] if one):
        lines["Backlight's times are eager where it could not compile, or --eager asked."] = None
    return list(lines)


def _noise(rows: Sequence[Row]) -> list[str]:
    """Rows disturbed by something else on the machine, with the ratios of the least times."""
    told = [
        f"{row.workload.name} {one.ratio_of_least:.3g}"
        for row in rows
        if any(map(_noisy, row.timed))
        for one in row.comparisons()[:1]
        if one.ratio_of_least is not None
    ]
    if not any(_noisy(one) for row in rows for one in row.timed):
        return []
    least = f"; ratios of the least: {', '.join(told)}" if told else ""
    return [f"~ medians over {NOISY} times the least: something else was running{least}"]


def _noisy(measured: Measurement) -> bool:
    return measured.least > 0 and measured.median / measured.least > NOISY


def _missing(rows: Sequence[Row]) -> list[str]:
    return sorted({one.missing for row in rows for one in row.measurements if one.missing})


def _first_calls(row: Row) -> str:
    if row.workload.kind is not Kind.TIME or not row.timed:
        return ""
    times = [f"{one.contender} {quantity(one.first_call)}" for one in row.timed]
    return f"  {row.workload.name}: {', '.join(times)}"


def scaling(rows: Sequence[Row]) -> list[str]:
    """How much quicker each contender is with more threads than with the fewest."""
    found: list[str] = []
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if row.workload.kind is Kind.TIME:
            by_name.setdefault(row.workload.name, []).append(row)
    for name, same in by_name.items():
        least, *more = sorted(same, key=lambda row: row.threads)
        for row in more:
            gains = _gains(least, row)
            if gains:
                told = ", ".join(f"{who} {gain:.2f}×" for who, gain in gains.items())
                found.append(f"{name}, {least.threads} → {row.threads} threads: {told}")
    return found


def _gains(few: Row, many: Row) -> dict[str, float]:
    slow: dict[str, Any] = {one.contender: one for one in few.timed}
    return {
        one.contender: slow[one.contender].median / one.median
        for one in many.timed
        if one.contender in slow
    }


def failed(rows: Sequence[Row]) -> bool:
    """Whether contenders disagree, or Backlight itself could not do a workload."""
    return any(
        row.disagreement
        or any(one.failed and framework(one.contender) == OURS for one in row.measurements)
        for row in rows
    )
