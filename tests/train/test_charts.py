import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.train.page.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Chart,
    Moment,
    Reference,
    Series,
    draw,
    thin,
)
from backlight.train.page.curves import smoothed
from backlight.train.page.markers import marker
from backlight.train.page.markup import Markup, element, escape, visible
from backlight.train.page.number import percent, short
from backlight.train.page.scale import Axis, bounds, linear, logarithmic, round_step

finite = st.floats(-1e12, 1e12)


def parsed(markup):
    """The figure as XML; attributes without value are given one."""
    whole = re.sub(r" (hidden|data-switch|data-copy)(?=[ >])", r' \1=""', markup)
    return ET.fromstring(whole)  # noqa: S314 - our own text


def simple(**options):
    settings = {
        "key": "loss",
        "title": "Loss",
        "sentence": "It fell.",
        "y_title": "loss",
        "series": [Series("train", [0.0, 1.0, 2.0], [2.0, 1.0, 0.5])],
    }
    return Chart(**{**settings, **options})


# ── markup ─────────────────────────────────────────────────────────────────────────────────


@given(st.text())
def test_text_comes_back_as_it_was_or_visibly_escaped(text):
    node = ET.fromstring(element("p", text, title=text).encode("utf-8", "strict"))  # noqa: S314 - our own text
    assert (node.text or "") == visible(text) == node.get("title")
    assert len(node) == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb\nc", "a\\rb\\nc"),
        ("\u202eabc", "\\u202eabc"),
        ("\x00", "\\x00"),
        ("한글 🙂", "한글 🙂"),
        ("\udc80", "\\udc80"),
        ("👩‍💻", "👩‍💻"),
    ],
)
def test_control_and_direction_characters_are_shown_not_obeyed(text, shown):
    assert visible(text) == shown


def test_markup_is_not_escaped_twice_and_text_always_is():
    assert escape(Markup("<b>")) == "<b>"
    assert element("i", ["<", [element("b", "&")]], None) == "<i>&lt;<b>&amp;</b></i>"


# ── axes ───────────────────────────────────────────────────────────────────────────────────


@given(st.lists(finite, max_size=20), st.integers(2, 9))
def test_a_linear_axis_holds_its_values_and_has_ticks(values, about):
    axis = linear(values, 0, 100, about)
    assert all(axis.holds(value) for value in values)
    ticks = axis.ticks(about)
    assert 2 <= len(ticks) <= 2 * about + 2
    assert all(axis.holds(value) for value, _ in ticks)
    assert len({text for _, text in ticks}) >= 2


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_a_logarithmic_axis_has_at_least_two_ticks_within(values):
    axis = logarithmic(values, 0, 100)
    ticks = axis.ticks()
    assert len(ticks) >= 1
    assert all(-1e-6 <= axis(value) <= 100 + 1e-6 for value, _ in ticks)


def test_logarithmic_ticks_are_decades():
    axis = logarithmic([1e-5, 0.5], 0, 100)
    assert [text for _, text in axis.ticks()] == ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01", "0.1"]


def test_ticks_say_what_they_are():
    assert [text for _, text in Axis(0, 0.002, 0, 1).ticks(4)] == [
        "0.0000",
        "0.0005",
        "0.0010",
        "0.0015",
        "0.0020",
    ]
    assert [text for _, text in Axis(0.8, 1, 0, 1).ticks(4, as_percent=True)] == [
        "80%",
        "85%",
        "90%",
        "95%",
        "100%",
    ]


def test_axis_of_equal_or_no_values():
    assert bounds([]) == (0, 1)
    assert bounds([3.0, 3.0])[0] < 3 < bounds([3.0, 3.0])[1]
    assert bounds([0.0]) == (-1, 1)
    assert round_step(10, 5) == 2


# ── numbers ────────────────────────────────────────────────────────────────────────────────


@given(finite)
def test_short_numbers_are_short_and_never_programmers_notation(value):
    text = short(value)
    assert len(text) <= 12
    assert "e" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.99999, ">99.9%"), (1.0, "100%"), (0.0, "0%"), (1e-9, "<0.1%"), (math.nan, "–")],
)
def test_percentages_never_round_to_certainty(value, text):
    assert percent(value) == text


# ── drawing ────────────────────────────────────────────────────────────────────────────────


def test_a_chart_is_well_formed_and_says_everything():
    figure = parsed(
        draw(
            simple(
                references=[Reference(2.3, "guessing")],
                moments=[Moment(1, "best")],
                scale="both",
                note="Why.",
            )
        )
    )
    words = " ".join(figure.itertext())
    for said in (
        "Loss",
        "loss (log scale)",
        "epoch",
        "guessing",
        "best",
        "train",
        "Why.",
        "Table of these numbers",
    ):
        assert said in words
    plots = figure.findall("svg")
    assert [plot.get("data-kind") for plot in plots] == ["linear", "log"]
    assert all(plot.get("aria-label").startswith("It fell.") for plot in plots)
    assert plots[1].get("hidden") == ""


def test_lines_stay_on_the_paper_whatever_the_numbers():
    wild = Series(
        "wild",
        [0.0, 1.0, 2.0, 3.0],
        [1e-30, 5.0, None, 1e9],
        band=([0.0, 4.0, None, 1.0], [1e12, 6.0, None, 1e12]),
    )
    for scale in ("linear", "log"):
        drawn = draw(simple(series=[wild], scale=scale))
        for path in re.findall(r'class="(?:line|spread)" d="(M\d[^"]*)"', drawn):
            for x, y in re.findall(r"([\d.]+) ([\d.]+)", path):
                if path != "M1 7H33":
                    assert LEFT <= float(x) <= RIGHT
                    assert TOP <= float(y) <= BOTTOM


@pytest.mark.parametrize(("line", "side"), [(1.05, 1), (0.95, -1)])
def test_a_label_keeps_out_of_the_way_of_lines(line, side):
    times = [float(k) for k in range(40)]
    drawn = parsed(
        draw(
            simple(
                series=[Series("a", times, [0.0, 2.0] + [line] * 38)],
                references=[Reference(1.0, "guessing")],
            )
        )
    )
    level = next(one for one in drawn.iter("line") if one.get("class") == "level")
    label = next(one for one in drawn.iter("text") if one.get("class") == "label")
    assert (float(label.get("y")) - float(level.get("y1"))) * side > 0


def test_a_gap_breaks_the_line():
    gap = Series("gap", [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 2.0, None, 2.0, 1.0])
    line = re.search(r'class="line" d="([^"]*)"', draw(simple(series=[gap]))).group(1)
    assert line.count("M") == 2


def test_a_single_point_is_drawn():
    one = draw(simple(series=[Series("one", [1.0], [2.0])]))
    assert 'h0"' in one


def test_no_numbers_at_all_still_make_a_chart():
    assert parsed(draw(simple(series=[Series("none", [0.0, 1.0], [None, None])]))) is not None


def test_series_differ_without_colour():
    names = [f"layer {k}" for k in range(20)]
    many = draw(
        simple(
            series=[Series(name, [0.0, 1.0], [1.0, 2.0], look=k) for k, name in enumerate(names)]
        )
    )
    looks = set()
    for key in re.findall(r'<svg class="key[^"]*".*?</svg>', many):
        dash = re.search(r'stroke-dasharray="([^"]*)"', key)
        looks.add((dash and dash.group(1), re.search(r'class="marks" d="([^"]*)"', key).group(1)))
    assert len(looks) == len(names)


def test_the_crosshair_has_the_same_numbers():
    figure = parsed(draw(simple()))
    points = json.loads(figure.get("data-points"))
    assert points == {"times": [[0, 1, 2]], "lines": [{"x": 0, "y": [2.0, 1.0, 0.5]}]}
    table = [[cell.text for cell in row] for row in figure.iter("tr")]
    assert table == [["epoch", "train"], ["0", "2"], ["1", "1"], ["2", "0.5"]]


def test_a_hostile_name_is_text():
    drawn = draw(simple(series=[Series("</svg><script>x</script>", [0.0, 1.0], [1.0, 2.0])]))
    assert "<script" not in drawn
    assert "</svg><script>x</script>" in "".join(parsed(drawn).itertext())


@given(st.lists(st.none() | st.floats(0, 10), min_size=1, max_size=700), st.integers(1, 50))
def test_thinning_keeps_the_range_and_the_length(values, most):
    x, y = thin(list(range(len(values))), values, most)
    assert len(x) == len(y) == min(most, len(values))
    assert x == sorted(x)
    present = [v for v in values if v is not None]
    for value in y:
        assert value is None or min(present) - 1e-9 <= value <= max(present) + 1e-9


@given(st.lists(st.none() | st.floats(0, 10), min_size=1, max_size=900))
def test_the_smoothed_line_lies_in_its_band_and_keeps_both_ends(values):
    places, means, lows, highs = smoothed(values)
    assert len(places) <= 240
    assert (places[0], places[-1]) == (0, len(values) - 1)
    for mean, low, high in zip(means, lows, highs, strict=True):
        assert (mean is None) == (low is None) == (high is None)
        assert mean is None or low - 1e-9 <= mean <= high + 1e-9


def test_markers_are_path_data():
    assert len({marker(look, 0, 0) for look in range(7)}) == 7
    assert all(re.fullmatch(r"[-MmahvlzHVL0-9. ]+", marker(k, 12.34, 5)) for k in range(7))
