"""Line charts as SVG: axes with units, a crosshair's data, a legend that needs no colour.

Each line differs from the others by colour, by dash and by the shape of its markers, so that the
charts can be read in print, in grey, and by eyes that see fewer colours. The same chart is given
as a sentence (`aria-label`) and as a table.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from backlight.train.page.markers import marker, plain
from backlight.train.page.markup import Markup, element
from backlight.train.page.number import percent, short
from backlight.train.page.record import Numbers, known
from backlight.train.page.scale import Axis, linear, logarithmic
from backlight.train.page.tables import folded_table

WIDTH, HEIGHT = 520, 326
LEFT, RIGHT, TOP, BOTTOM = 62, 506, 50, 272
COLOURS = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3")
MOST_POINTS = 240
_MARKS_A_LINE = 9
_ROOM, _LABEL_WIDTH = 16.0, 150.0


@dataclass(frozen=True)
class Series:
    """One line: numbers over time, with an optional band of extremes around them."""

    name: str
    x: list[float]
    y: Numbers
    look: int = 0
    dash: int | None = None
    band: tuple[Numbers, Numbers] | None = None
    marked: bool = True

    @property
    def last(self) -> float | None:
        """The last number there is."""
        found = known(self.y)
        return found[-1] if found else None


@dataclass(frozen=True)
class Reference:
    """A value to compare with: a dashed level, or a band from `value` to `high`."""

    value: float
    label: str
    high: float | None = None


@dataclass(frozen=True)
class Moment:
    """A time to remember, as a vertical line."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """What to draw.

    `scale` is "linear", "log", or "both" for a switch between them; `highest` ends the vertical
    axis; `rows` is the table behind the chart, headings first, where the lines' own numbers
    would not make a good one.
    """

    key: str
    title: str
    sentence: str
    y_title: str
    series: list[Series]
    x_title: str = "epoch"
    scale: str = "linear"
    percent: bool = False
    references: list[Reference] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    note: str = ""
    highest: float | None = None
    rows: list[list[str]] | None = None

    def text(self, value: float | None) -> str:
        """A number of the vertical axis in words."""
        return percent(value) if self.percent else short(value)


def thin(x: Sequence[float], y: Numbers, most: int = MOST_POINTS) -> tuple[list[float], Numbers]:
    """At most `most` points: means over neighbours; a gap stays a gap."""
    if len(x) <= most:
        return list(x), list(y)
    edges = [round(k * len(x) / most) for k in range(most + 1)]
    places, values = [], []
    for first, last in itertools.pairwise(edges):
        inside = known(y[first:last])
        places.append(sum(x[first:last]) / (last - first))
        values.append(sum(inside) / len(inside) if inside else None)
    return places, values


def draw(chart: Chart) -> Markup:
    """The chart as a figure: title, switch, drawing, legend, note and table."""
    kinds = ["linear", "log"] if chart.scale == "both" else [chart.scale]
    drawings = [
        _drawing(chart, kind == "log", hidden=place > 0) for place, kind in enumerate(kinds)
    ]
    switch = None
    if len(kinds) > 1:
        switch = element(
            "button",
            "log scale",
            type="button",
            class_="switch needs-script",
            data_switch=True,
            aria_pressed="false",
        )
    return element(
        "figure",
        element(
            "figcaption",
            element("h3", chart.title),
            element("output", class_="at", aria_live="off"),
            switch,
        ),
        drawings,
        _legend(chart),
        element("p", chart.note, class_="note") if chart.note else None,
        _table(chart),
        class_="chart",
        id=chart.key,
        data_points=_points(chart),
        data_unit=chart.x_title,
        data_percent="1" if chart.percent else None,
    )


def _drawing(chart: Chart, log: bool, hidden: bool) -> Markup:
    across = _time_axis(chart)
    up = _value_axis(chart, log)
    inside = [
        _grid(chart, across, up),
        [_level(one, up) for one in chart.references],
        [_moment(one, across) for one in chart.moments if across.holds(one.x)],
        element(
            "g",
            [_line(one, across, up) for one in chart.series],
            class_="lines many" if len(chart.series) > 3 else "lines",
        ),
        [_label(one, chart, across, up) for one in chart.references],
        element("line", class_="cross", x1=LEFT, x2=LEFT, y1=TOP, y2=BOTTOM, visibility="hidden"),
    ]
    kind = "logarithmic" if log else "linear"
    return element(
        "svg",
        inside,
        class_="plot",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{chart.sentence} ({kind} vertical axis.)"
        if chart.scale == "both"
        else chart.sentence,
        tabindex="0",
        data_low=plain(across.low),
        data_high=plain(across.high),
        data_kind="log" if log else "linear",
        hidden=hidden,
    )


def _time_axis(chart: Chart) -> Axis:
    times = [x for one in chart.series for x in one.x]
    low, high = (min(0.0, min(times)), max(times)) if times else (0.0, 1.0)
    if chart.x_title == "epoch" and math.ceil(high) <= 1.03 * high:
        high = float(math.ceil(high))
    return Axis(low, high if high > low else low + 1, LEFT, RIGHT)


def _value_axis(chart: Chart, log: bool) -> Axis:
    values = known(v for one in chart.series for v in one.y)
    shown = list(values)
    for one in chart.series:
        if one.band is not None:
            shown += known([*one.band[0], *one.band[1]])
    levels = [v for one in chart.references for v in (one.value, one.high) if v is not None]
    if log:
        return logarithmic([*shown, *levels], BOTTOM, TOP)
    # A spike of the band would flatten everything; the chart keeps to twice the lines' own range.
    if values:
        ceiling = max(values) + (max(values) - min(values)) * 0.35
        shown = [min(v, ceiling) for v in shown]
    if chart.highest is not None:
        shown.append(chart.highest)
    near = [v for v in levels if values and v <= 1.5 * max(values)]
    axis = linear([*shown, *near], BOTTOM, TOP)
    if chart.highest is not None:
        axis = Axis(axis.low, min(axis.high, chart.highest), BOTTOM, TOP)
    if axis.low < 0 <= min(values, default=0):
        axis = Axis(0.0, axis.high, BOTTOM, TOP)
    return axis


def _grid(chart: Chart, across: Axis, up: Axis) -> list[Markup]:
    parts = [
        element(
            "text", chart.y_title + (" (log scale)" if up.log else ""), class_="title", x=8, y=18
        )
    ]
    for place, (value, text) in enumerate(up.ticks(5, chart.percent)):
        y = plain(up(value))
        parts.append(element("line", class_="grid", x1=LEFT, x2=RIGHT, y1=y, y2=y))
        parts.append(
            element(
                "text", text, class_="tick up" + (" spare" if place % 2 else ""), x=LEFT - 8, y=y
            )
        )
    for place, (value, text) in enumerate(_whole_ticks(across)):
        x = plain(across(value))
        parts.append(element("line", class_="mark", x1=x, x2=x, y1=BOTTOM, y2=BOTTOM + 5))
        parts.append(
            element(
                "text",
                text,
                class_="tick across" + (" spare" if place % 2 else ""),
                x=x,
                y=BOTTOM + 22,
            )
        )
    parts.append(element("line", class_="axis", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM))
    parts.append(
        element("text", chart.x_title, class_="title across", x=(LEFT + RIGHT) / 2, y=HEIGHT - 8)
    )
    return parts


def _whole_ticks(across: Axis) -> list[tuple[float, str]]:
    """Ticks of a time axis: never parts of an epoch where there are several."""
    ticks = across.ticks(6)
    if across.high - across.low >= 4:
        ticks = [(value, text) for value, text in ticks if abs(value - round(value)) < 1e-9]
    return ticks


def _extent(one: Reference, up: Axis) -> tuple[float, float] | None:
    """Upper and lower place of a reference, or None where it lies off the axis."""
    low, high = one.value, one.high if one.high is not None else one.value
    if high < up.low or low > up.high:
        return None
    return up(min(high, up.high)), up(max(low, up.low))


def _level(one: Reference, up: Axis) -> Markup | None:
    extent = _extent(one, up)
    if extent is None:
        return None
    top, bottom = extent
    if one.high is not None:
        return element(
            "rect",
            class_="band",
            x=LEFT,
            width=RIGHT - LEFT,
            y=plain(top),
            height=plain(bottom - top),
        )
    return element("line", class_="level", x1=LEFT, x2=RIGHT, y1=plain(top), y2=plain(top))


def _label(one: Reference, chart: Chart, across: Axis, up: Axis) -> Markup | None:
    """The reference's text, over the lines and on the side of its level where fewer run."""
    extent = _extent(one, up)
    if extent is None:
        return None
    top, bottom = extent
    if one.high is not None:
        place = (top + bottom) / 2 + 4
    else:
        above = _crowd(chart, across, up, top - _ROOM, top)
        below = _crowd(chart, across, up, top, top + _ROOM)
        fits_above, fits_below = top > TOP + _ROOM, top < BOTTOM - _ROOM
        place = top + 16 if not fits_above or (fits_below and below < above) else top - 6
    return element("text", one.label, class_="label", x=RIGHT - 6, y=plain(place))


def _crowd(chart: Chart, across: Axis, up: Axis, top: float, bottom: float) -> int:
    """How many points of lines lie where a label would, at the right between two heights."""
    return sum(
        1
        for one in chart.series
        for x, y in zip(one.x, one.y, strict=True)
        if y is not None
        and _drawable(y, up)
        and across(x) > RIGHT - _LABEL_WIDTH
        and top <= up(min(y, up.high)) <= bottom
    )


def _moment(one: Moment, across: Axis) -> Markup:
    x = across(one.x)
    left = x > (LEFT + RIGHT) / 2
    return element(
        "g",
        element("line", class_="moment", x1=plain(x), x2=plain(x), y1=TOP - 4, y2=BOTTOM),
        element(
            "text",
            one.label,
            class_="label" + ("" if left else " after"),
            x=plain(x - 5 if left else x + 5),
            y=TOP - 8,
        ),
    )


def _line(one: Series, across: Axis, up: Axis) -> Markup:
    parts: list[Markup] = []
    if one.band is not None:
        parts.append(element("path", class_="spread", d=_area(one, across, up)))
    parts.append(
        element(
            "path", class_="line", d=_path(one, across, up), stroke_dasharray=_dash(one) or None
        )
    )
    if one.marked:
        places = [
            (across(x), up(min(y, up.high)))
            for x, y in zip(one.x, one.y, strict=True)
            if y is not None and _drawable(y, up)
        ]
        every = max(1, math.ceil(len(places) / _MARKS_A_LINE))
        chosen = places[(one.look * 2) % every :: every]
        parts.append(
            element("path", class_="marks", d="".join(marker(one.look, x, y) for x, y in chosen))
        )
    return element("g", parts, class_=f"series c{one.look % COLOURS}")


def _path(one: Series, across: Axis, up: Axis) -> str:
    """The line; it is broken where a number is missing or off a logarithmic axis."""
    parts, pen_up = [], True
    for x, y in zip(one.x, one.y, strict=True):
        if y is None or not _drawable(y, up):
            pen_up = True
            continue
        place = plain(up(max(min(y, up.high), up.low)))
        parts.append(f"{'M' if pen_up else 'L'}{plain(across(x))} {place}")
        pen_up = False
    if len(parts) == 1:  # a path of one point draws nothing
        parts.append("h0")
    return "".join(parts)


def _area(one: Series, across: Axis, up: Axis) -> str:
    lows, highs = one.band or ([], [])
    points = [
        (across(x), up(max(min(low, up.high), up.low)), up(max(min(high, up.high), up.low)))
        for x, low, high in zip(one.x, lows, highs, strict=True)
        if low is not None and high is not None
    ]
    if not points:
        return ""
    there = "L".join(f"{plain(x)} {plain(high)}" for x, _, high in points)
    back = "L".join(f"{plain(x)} {plain(low)}" for x, low, _ in reversed(points))
    return f"M{there}L{back}Z"


def _drawable(value: float, up: Axis) -> bool:
    return not up.log or value >= up.low * 0.999


def _dash(one: Series) -> str:
    return DASHES[(one.look if one.dash is None else one.dash) % len(DASHES)]


def _legend(chart: Chart) -> Markup:
    entries = []
    for one in chart.series:
        key = element(
            "svg",
            element("path", class_="line", d="M1 7H33", stroke_dasharray=_dash(one) or None),
            element("path", class_="marks", d=marker(one.look, 17, 7)) if one.marked else None,
            class_=f"key c{one.look % COLOURS}",
            viewBox="0 0 34 14",
            aria_hidden="true",
        )
        last = chart.text(one.last)
        entries.append(
            element(
                "li",
                key,
                element("span", one.name, class_="name"),
                element("span", last, class_="value", data_last=last),
            )
        )
    return element("ul", entries, class_="legend")


def _points(chart: Chart) -> str:
    """What the crosshair reads: times once where lines share them."""
    times: list[list[float]] = []
    lines: list[dict[str, Any]] = []
    for one in chart.series:
        x = [float(f"{value:.6g}") for value in one.x]
        if x not in times:
            times.append(x)
        lines.append(
            {
                "x": times.index(x),
                "y": [None if value is None else float(f"{value:.4g}") for value in one.y],
            }
        )
    return json.dumps({"times": times, "lines": lines}, separators=(",", ":"))


def _table(chart: Chart) -> Markup | None:
    """The numbers of the chart, thinned to a length that can be read."""
    if chart.rows is not None:
        return folded_table(chart.rows[0], chart.rows[1:])
    places = sorted(
        {x for one in chart.series for x in one.x if one.marked or len(chart.series) == 1}
    )
    rows = []
    for x in places:
        values = [_at(one, x) for one in chart.series]
        if any(value is not None for value in values):
            rows.append([short(x, 6), *(chart.text(value) for value in values)])
    return folded_table([chart.x_title, *(one.name for one in chart.series)], rows)


def _at(one: Series, x: float) -> float | None:
    """The line's number at a time, or at the nearest one where the line is finely drawn."""
    if not one.x:
        return None
    nearest = min(range(len(one.x)), key=lambda k: abs(one.x[k] - x))
    spacing = (one.x[-1] - one.x[0]) / max(1, len(one.x) - 1)
    return one.y[nearest] if abs(one.x[nearest] - x) <= spacing / 2 + 1e-9 else None
