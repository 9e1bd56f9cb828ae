"""Approximate neighbours: what is found, and what it costs to build and to ask."""

from __future__ import annotations

from typing import Any

from backlight.estimators.approximate import Row, compare_searches
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

K = 10


def draw(board: Board, rows: list[Row], count: int, name: str) -> Any:
    """Recall against the time of a query, a curve an index, and the exact search beside them."""
    values = {"count": f"{count:,}", "k": K, "data": name}
    with board.titled("recall", 8.2, 4.8, **values) as page:
        axes = page.subplots()
        exact = rows[0]
        axes.axvline(
            1e6 * exact.query,
            color=board.theme.ink,
            linewidth=1.2,
        )
        axes.plot(
            1e6 * exact.query,
            100,
            "*",
            color=board.theme.ink,
            markersize=13,
        )
        label = board.say("recall.exact")
        axes.annotate(
            label,
            (1e6 * exact.query, 100),
            (5, 6),
            textcoords="offset points",
        )
        for place, kind in enumerate(dict.fromkeys(row.name for row in rows[1:])):
            own = [row for row in rows if row.name == kind]
            times = [1e6 * row.query for row in own]
            built = board.say(
                "recall.built",
                name=kind,
                seconds=f"{own[0].build:.2g}",
            )
            axes.plot(
                times,
                [100 * row.recall for row in own],
                label=built,
                marker="os^"[place],
                **board.curve(place),
            )
            for row, time in zip(own, times, strict=True):
                axes.annotate(
                    str(row.effort),
                    (time, 100 * row.recall),
                    (5, -11),
                    size=8,
                    textcoords="offset points",
                    color=board.theme.faint,
                )
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        ticks = [
            m * 10**e
            for e in range(-1, 7)
            for m in (1, 1.5, 2, 3, 5, 7)
            if low <= m * 10**e <= high
        ]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel=board.say("recall.time"), ylabel=board.say("recall.found"))
        axes.set_ylim(min(90, *(100 * row.recall - 8 for row in rows)), 105)
        axes.legend(loc="center")
        axes.grid()
    return page


@study("recall", examples=50_000)
def _recall(asked: Asked) -> Told:
    given = asked.material
    rows = compare_searches(
        given.train,
        given.held[:500],
        K,
        labels=(given.labels, given.held_labels[:500]),
    )
    table = [
        {
            "index": row.name,
            "effort": row.effort,
            "recall": row.recall,
            "accuracy": row.accuracy,
            "build_seconds": row.build,
            "query_microseconds": 1e6 * row.query,
            "times_exact_speed": rows[0].query / row.query,
        }
        for row in rows
    ]
    good = [one for one in table[1:] if float(str(one["recall"])) >= 0.9]
    best = max((float(str(one["times_exact_speed"])) for one in good), default=0.0)
    facts = {f"speed_at_recall_{percent(0.9, 0)}": best, "table": table}
    return draw(
        asked.board,
        rows,
        len(given.train),
        given.name,
    ), facts
