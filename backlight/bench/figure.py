"""The ratios as a figure: a bar a workload, the best peer's time as the line at 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backlight.bench.row import Comparison, Row
from backlight.bench.table import quantity
from backlight.errors import MissingExtraError, UsageError

SUFFIXES = (".svg", ".png", ".pdf")
MET, MISSED, GOAL, INK = "#1a9e77", "#d9822b", "#4f7df0", "#7a7f87"
"""Colours that stand out from white and from near black alike."""
_MOST = 2.0
"""Longer bars are cut here; the number behind them says how long they are."""


def check(path: Path) -> None:
    """Refuse a figure that could not be written, before anything is measured.

    Raises
    ------
    UsageError
        If the name does not end in .svg, .png or .pdf, or there is no such folder.
    MissingExtraError
        If matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            "--figure",
            got=repr(str(path)),
            needs=f"a name that ends in {', '.join(SUFFIXES)}",
            remedy="Write for example: --figure bench.svg",
        )
    _pyplot()


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the figure: time of Backlight over the best peer's, from 0 on."""
    shown = [(row, one) for row in rows for one in row.comparisons()[:1] if one.ratio]
    pyplot = _pyplot()
    with pyplot.rc_context({"svg.fonttype": "path", "font.size": 10, "svg.hashsalt": "bench"}):
        figure, axes = pyplot.subplots(figsize=(8.6, 1.2 + 0.42 * max(len(shown), 1)))
        several = len({row.threads for row, _ in shown}) > 1
        for place, (row, comparison) in enumerate(reversed(shown)):
            _bar(axes, place, row, comparison)
        titles = [_title(row, several) for row, _ in reversed(shown)]
        axes.set_yticks(range(len(shown)), titles, color=INK)
        _axes(axes, [one.ratio or 1.0 for _, one in shown])
        figure.savefig(path, transparent=True, bbox_inches="tight", metadata=_undated(path))
        pyplot.close(figure)


def _title(row: Row, several: bool) -> str:
    """The workload, and the threads where they differ."""
    return f"{row.workload.title}, {row.threads} threads" if several else row.workload.title


def _bar(axes: Any, place: int, row: Row, comparison: Comparison) -> None:
    """One bar with its numbers behind it, and the target as a short line."""
    ratio, best = comparison.ratio or 1.0, comparison.best
    colour = MISSED if comparison.met is False or ratio > 1 else MET
    width = min(ratio, _MOST)
    axes.barh(place, width, height=0.62, color=colour)
    kind = row.workload.kind
    told = f"{ratio:.2g}×"
    if best is not None:
        ours, peers = comparison.ours.median, best.median
        told += f"   {quantity(ours, kind)} : {quantity(peers, kind)} {best.contender}"
    axes.annotate(
        told,
        (max(width, 1.0), place),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=INK,
        fontsize=9,
        annotation_clip=False,
    )
    if comparison.target is not None and comparison.target.ratio is not None:
        goal = comparison.target.ratio
        axes.plot([goal, goal], [place - 0.42, place + 0.42], color=GOAL, linewidth=2.5)


def _axes(axes: Any, ratios: Sequence[float]) -> None:
    """An axis from 0 to the peers' line at 1, or beyond."""
    axes.set_xlim(0, 1.02 * min(max(1.0, *ratios, 1.0), _MOST))
    axes.axvline(1.0, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xlabel(
        "Backlight ÷ best peer: less is better (dashed: the peer; blue: the target)", color=INK
    )
    marks = [mark for mark in (0, 0.25, 0.5, 0.75, 1, 1.5, 2) if mark <= axes.get_xlim()[1]]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _undated(path: Path) -> dict[str, None]:
    """No date in the file, so that the same measurements give the same bytes."""
    return (
        {} if path.suffix == ".png" else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
    )


def _pyplot() -> Any:
    try:
        import matplotlib as library

        library.use("agg")
        from matplotlib import pyplot
    except ImportError as problem:
        raise MissingExtraError(
            "--figure",
            got="no matplotlib",
            needs="matplotlib, which draws it",
            remedy="Run `pip install 'backlight[bench]'`, or leave --figure out.",
        ) from problem
    return pyplot
