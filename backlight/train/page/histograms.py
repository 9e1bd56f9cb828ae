"""Histograms of a layer's activations, one below the other as training goes on.

Exact zeros are taken out of the histogram and written beside it: behind a ReLU they are half of
all numbers, and would leave the rest too flat to see.
"""

from __future__ import annotations

import math
from typing import Any

from backlight.train.page.charts import HEIGHT, WIDTH
from backlight.train.page.markup import Markup, element
from backlight.train.page.number import percent, short
from backlight.train.page.record import Line, known, number
from backlight.train.page.scale import Axis, bounds
from backlight.train.page.tables import folded_table, thinned

MOST_ROWS = 8
_LEFT, _RIGHT, _FIRST, _BOTTOM = 74, 396, 72, HEIGHT - 52
_COLUMNS = (430, 496)
_RISE = 30.0


def layer_histories(lines: list[Line]) -> dict[str, list[tuple[float, Line]]]:
    """For each layer the epochs and what was seen in them."""
    found: dict[str, list[tuple[float, Line]]] = {}
    for line in lines:
        layers, epoch = line.get("layers"), number(line.get("epoch"))
        for path, seen in (layers if isinstance(layers, dict) else {}).items():
            if isinstance(seen, dict) and epoch is not None:
                found.setdefault(path, []).append((epoch, seen))
    return found


def draw_histograms(path: str, history: list[tuple[float, Line]], key: str) -> Markup | None:
    """The figure of one layer; None where nothing can be drawn."""
    rows = [
        (epoch, seen, heights)
        for epoch, seen in history
        if (heights := _densities(seen)) is not None
    ]
    if not rows:
        return None
    shown = thinned(rows, MOST_ROWS)
    across = _values_axis([seen for _, seen, _ in shown])
    tallest = max(max(heights) for _, _, heights in shown) or 1.0
    step = (_BOTTOM - _FIRST) / max(1, len(shown) - 1) if len(shown) > 1 else 0.0
    fate = "saturated" if number(shown[-1][1].get("saturated")) is not None else "dead"
    ridges: list[Markup] = []
    for place, (epoch, seen, heights) in enumerate(shown):
        foot = _BOTTOM if len(shown) == 1 else _FIRST + place * step
        share = (place + 1) / len(shown)
        ridges.append(_ridge(seen, heights, across, foot, tallest, share))
        ridges += _beside(epoch, seen, foot, fate)
    sentence = _sentence(path, rows[0][1], rows[-1][1], fate)
    drawing = element(
        "svg",
        _frame(across, fate),
        ridges,
        class_="plot ridges",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=sentence,
    )
    table = folded_table(
        ["epoch", "mean", "deviation", "least", "greatest", "zero", fate, "units"],
        [
            [
                short(epoch),
                *(short(number(seen.get(name))) for name in ("mean", "std", "low", "high")),
                percent(number(seen.get("zero"))),
                percent(number(seen.get(fate))),
                short(number(seen.get("units"))),
            ]
            for epoch, seen, _ in rows
        ],
    )
    return element(
        "figure",
        element("figcaption", element("h3", _title(path, rows[-1][1]))),
        drawing,
        table,
        class_="chart histograms",
        id=key,
    )


def _densities(seen: Line) -> list[float] | None:
    """Height of each bin: share of the layer's numbers that are not exactly zero."""
    counts = seen.get("counts")
    low, high = number(seen.get("low")), number(seen.get("high"))
    if not isinstance(counts, list) or not counts or low is None or high is None or high <= low:
        return None
    heights = [number(one) or 0.0 for one in counts]
    total = sum(heights)
    if total <= 0 or min(heights) < 0:
        return None
    if low <= 0 <= high:
        home = min(int((0 - low) / (high - low) * len(heights)), len(heights) - 1)
        heights[home] = max(0.0, heights[home] - (number(seen.get("zero")) or 0.0) * total)
    width = (high - low) / len(heights)
    return [one / total / width for one in heights]


def _values_axis(shown: list[Line]) -> Axis:
    ends = known(number(seen.get(end)) for seen in shown for end in ("low", "high"))
    low, high = bounds(ends)
    return Axis(low, high, _LEFT, _RIGHT)


def _ridge(
    seen: Line, heights: list[float], across: Axis, foot: float, tallest: float, share: float
) -> Markup:
    low, high = float(seen["low"]), float(seen["high"])
    width = (high - low) / len(heights)
    points = [f"M{across(low):.1f} {foot:.1f}"]
    for place, height in enumerate(heights):
        # The square root keeps thin tails in sight beside a sharp peak.
        y = foot - _RISE * math.sqrt(height / tallest)
        x = across(low + place * width)
        points.append(f"L{x:.1f} {y:.1f}H{across(low + (place + 1) * width):.1f}")
    points.append(f"V{foot:.1f}Z")
    return element(
        "path", class_="ridge", d="".join(points), fill_opacity=f"{0.25 + 0.5 * share:.2f}"
    )


def _beside(epoch: float, seen: Line, foot: float, fate: str) -> list[Markup]:
    lost = number(seen.get(fate))
    alarm = " alarm" if lost is not None and lost >= 0.1 else ""
    return [
        element("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=f"{foot:.1f}", y2=f"{foot:.1f}"),
        element("text", short(epoch), class_="tick up", x=_LEFT - 12, y=f"{foot - 4:.1f}"),
        element(
            "text",
            percent(number(seen.get("zero")), 0),
            class_="tick up",
            x=_COLUMNS[0] + 14,
            y=f"{foot - 4:.1f}",
        ),
        element(
            "text",
            percent(lost, 0),
            class_="tick up" + alarm,
            x=_COLUMNS[1] + 10,
            y=f"{foot - 4:.1f}",
        ),
    ]


def _frame(across: Axis, fate: str) -> list[Markup]:
    parts = [
        element("text", "epoch", class_="title", x=8, y=18),
        element("text", "zero", class_="title end", x=_COLUMNS[0] + 14, y=18),
        element("text", fate, class_="title end", x=_COLUMNS[1] + 10, y=18),
    ]
    for place, (value, text) in enumerate(across.ticks(5)):
        x = f"{across(value):.1f}"
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=30, y2=_BOTTOM))
        parts.append(
            element(
                "text",
                text,
                class_="tick across" + (" spare" if place % 2 else ""),
                x=x,
                y=_BOTTOM + 21,
            )
        )
    parts.append(
        element(
            "text",
            "activation (height: √ frequency, without zeros)",
            class_="title across",
            x=(_LEFT + _RIGHT) / 2,
            y=HEIGHT - 8,
        )
    )
    return parts


def _title(path: str, seen: Line) -> str:
    units = number(seen.get("units"))
    return f"Layer {path}" + (f", {units:,.0f} units" if units is not None else "")


def _sentence(path: str, first: Line, last: Line, fate: str) -> str:
    def told(seen: dict[str, Any]) -> str:
        return (
            f"mean {short(number(seen.get('mean')), 3)}, "
            f"deviation {short(number(seen.get('std')), 3)}, "
            f"{percent(number(seen.get('zero')), 0)} zero, "
            f"{percent(number(seen.get(fate)), 0)} of units {fate}"
        )

    return f"Activations of layer {path}: at first {told(first)}; at last {told(last)}."
