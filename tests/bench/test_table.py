import io
import json

import pytest
from rich.console import Console

from backlight.bench import figure, table
from backlight.bench.row import Measurement, Row
from backlight.bench.workload import Kind, Target, Workload
from backlight.errors import UsageError

EAGER, COMPILED = "backlight (eager)", "backlight (compiled)"


HALF = (Target(0.5),)


def row(times, threads=2, targets=HALF, **options):
    work = Workload("one", "softmax + cross-entropy 4096×1000", dict, {}, targets, **options)
    measured = [
        Measurement(name, samples=[seconds, seconds, 1.1 * seconds], first_call=1.0)
        if seconds
        else Measurement(name, missing=name, failed="not there")
        for name, seconds in times.items()
    ]
    return Row(work, threads, measured)


def printed(rows):
    console = Console(file=io.StringIO(), width=100)
    console.print(table.table(rows))
    return console.file.getvalue()


def test_the_best_variant_is_the_one_to_beat():
    one = row({COMPILED: 1.0, EAGER: 0.1, "torch": 4.0, "torch channels-last": 3.0, "jax": 5.0})
    (found,) = one.comparisons()
    assert found.best.contender == "torch channels-last"
    assert found.ratio == pytest.approx(1 / 3)
    assert found.met


def test_a_limit_needs_no_peer():
    (found, _) = row({COMPILED: 1.0}, targets=(Target(limit=2.0), Target(0.1))).comparisons()
    assert found.met is True
    assert found.ratio is None
    assert row({COMPILED: 3.0}, targets=(Target(limit=2.0),)).comparisons()[0].met is False


def test_a_target_without_its_peer_is_neither_met_nor_missed():
    (named, overall) = row(
        {COMPILED: 1.0, "torch": None, "jax": 2.0}, targets=(Target(0.5, ("torch",)),)
    ).comparisons()
    assert (named.best, named.met) == (None, None)
    assert (overall.ratio, overall.met) == (0.5, None)


def test_the_share_of_the_peak_is_the_larger():
    one = row({COMPILED: 0.5}, flop=40.0, traffic=30.0)
    assert one.share_of_peak(one.ours) is None
    one.peak_flop, one.peak_traffic = 100.0, 100.0
    assert one.share_of_peak(one.ours) == pytest.approx(0.8)


def test_the_table_fits_and_says_what_it_must():
    rows = [
        row({COMPILED: 1.234e-3, "torch autocast channels-last": 2e-3}, threads=1),
        row({COMPILED: 0.7e-3, "torch autocast channels-last": 1e-3}),
        row({COMPILED: 1e-3, "numpy": None}),
    ]
    rows[2].disagreement = "a and b disagree: by 3"
    text = printed(rows)
    assert max(map(len, text.splitlines())) <= 100
    for word in ("1.23 ms", "700 µs", "0.617", "≤ 0.5", "DISAGREE"):
        assert word in text
    notes = "\n".join(table.notes(rows))
    assert "a and b disagree" in notes
    assert "pip install numpy" in notes
    assert "1 → 2 threads: backlight (compiled) 1.76×" in notes
    assert table.failed(rows)
    assert not table.failed(rows[:2])


def test_noise_is_told():
    one = row({COMPILED: 1.0, "jax": 1.0})
    assert "~" not in printed([one])
    one.measurements[0].samples = [0.5, 1.0, 1.2]
    assert "~" in printed([one])
    assert "one 0.5" in "\n".join(table.notes([one]))


def test_nothing_measured_is_still_a_table():
    assert "—" in printed([row({COMPILED: None, "jax": 1.0})])
    assert "—" in printed([row({COMPILED: 1.0})])


def test_json_is_strict():
    one = row({COMPILED: 1.0, "torch": 2.0, "jax": None})
    one.difference = float("inf")
    found = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert found["comparisons"] == [
        {
            "best": "torch",
            "ratio": 0.5,
            "ratio_of_least": 0.5,
            "target": 0.5,
            "limit": None,
            "met": True,
        }
    ]
    assert found["contenders"][2]["missing"] == "jax"


@pytest.mark.parametrize("kind", list(Kind))
def test_quantities_have_three_figures(kind):
    assert table.quantity(5 * 2**20, kind) == ("5 MiB" if kind is Kind.MEMORY else "5242880 s")


def test_the_figure_is_drawn_the_same_twice(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [row({COMPILED: 1e-3, "torch": 2e-3}), row({COMPILED: 9.0, "jax": 2.0}, threads=1)]
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        figure.draw(rows, path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert b"<svg" in first
    figure.draw([], tmp_path / "none.png")
    with pytest.raises(UsageError, match=r"\.svg"):
        figure.check(tmp_path / "figure.jpeg")


def test_every_variant_of_ours_is_shown_and_the_best_is_compared():
    last = f"{COMPILED} channels-last"
    one = row({COMPILED: 3.0, last: 1.0, EAGER: 0.1, "torch": 4.0})
    assert one.comparisons()[0].ours.contender == last
    text = printed([one])
    assert "channels-last" in text
    assert COMPILED in text
    assert "0.75" in text
