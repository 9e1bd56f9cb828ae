"""Verdicts with error bars: rates over functions, scales and types, with no tolerance to set."""

import numpy as np
import pytest

import backlight as bl
from backlight.check import Verdict, gradcheck
from tests.check.planted import spoiled
from tests.check.points import FAULTS, FUNCTIONS, SCALES, posed

RNG = np.random.default_rng(14)


def asked(single, fault):
    for scale in SCALES:
        for name in FUNCTIONS:
            if single and name == "sin + 1e9":  # nothing of sin is left in float32
                continue
            yield name, scale, gradcheck(*posed(name, SCALES[scale], single, fault))


@pytest.mark.parametrize(("single", "unchecked"), [(False, 0), (True, 18)])
def test_nothing_right_is_called_wrong(single, unchecked):
    reports = list(asked(single, "none"))
    assert [(name, scale) for name, scale, report in reports if not report.ok] == []
    rows = [row for _, _, report in reports for row in report.rows]
    assert sum(row.verdict is Verdict.NOT_CHECKED for row in rows) <= unchecked


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "none"])
def test_every_fault_is_found_in_double_precision(fault):
    assert [(name, scale) for name, scale, report in asked(False, fault) if report.ok] == []


@pytest.mark.parametrize("fault", ["×2", "sign"])
def test_faults_are_found_in_single_precision(fault):
    assert [(name, scale) for name, scale, report in asked(True, fault) if report.ok] == []


def test_a_percent_in_single_precision():
    missed = {name for name, _, report in asked(True, "×1.01") if report.ok}
    assert missed <= {"max, tied"}


def test_not_checked_is_a_result():
    report = gradcheck(lambda x: bl.sin(x.float()) + 1e9, np.array([0.3]))
    assert report.worst.verdict is Verdict.NOT_CHECKED
    assert "not checked: too noisy" in str(report)
    assert "not checked" in report.summary()


@pytest.mark.parametrize(
    ("function", "point", "side", "told"),
    [
        (bl.relu, 0.0, "left", "the slope of its left side"),
        (lambda x: bl.maximum(x, 0.0), 0.0, "right", "the slope of its right side"),
        (bl.absolute, 0.0, "between", "between the slopes"),
        (bl.relu, 1e-6, "both", "kink of relu"),
    ],
)
def test_which_side_of_the_kink(function, point, side, told):
    report = gradcheck(function, np.array(point))
    assert report.ok
    assert report.worst.side == side
    assert report.worst.verdict in (Verdict.KINK, Verdict.HAPPY)
    assert report.worst.kink
    assert told in str(report)


def test_beyond_both_sides_of_a_kink_is_wrong():
    report = gradcheck(*posed("relu at 0", 1.0, False, "×2"))
    assert not report.ok
    doubled = gradcheck(*posed("max, tied", 1.0, False, "×2"))
    assert (doubled.worst.verdict, doubled.worst.side) == (Verdict.WRONG, "outside")
    assert "beyond the slopes of both sides" in str(doubled)


def test_a_convention_inside_a_sum_of_kinks_is_no_mistake():
    """relu(x) − relu(−x) is x, but relu'(0) = 0 makes the rules answer 0: a convention."""
    report = gradcheck(lambda x: bl.relu(x) - bl.relu(-x), np.array(0.0))
    assert report.ok
    assert report.worst.side == "neither"


# ── the network on which other checkers were measured ──────────────────────────────────────────

X, W, B = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3)), RNG.normal(size=3) + 1
CLASSES = np.array([0, 2, 1, 1])


def swapped_rows(share, *_):
    return bl.concatenate([share[1:2], share[0:1], share[2:]], axis=0)


def one_entry(factor):
    place = np.ones((5, 3))
    place[2, 1] = factor
    return lambda share, *_: share * place


SPOILED = {
    "none": lambda share, *_: share,
    "sign": lambda share, *_: -share,
    "missing 1/N": lambda share, *_: share * 4,
    "two rows swapped": swapped_rows,
    "one entry 50% too big": one_entry(1.5),
    "one entry 2% too big": one_entry(1.02),
    "1% too big": lambda share, *_: share * 1.01,
    "0.1% too big": lambda share, *_: share * 1.001,
    "0.001·W left out": lambda share, upstream, x, w, _: share - 1e-3 * w,
}


@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.parametrize("fault", SPOILED)
def test_the_network_on_which_others_were_measured(fault, scale):
    """Mean cross-entropy of max(0, XW + b): each fault in W's gradient is found, every time."""
    product = spoiled("matmul", 1, SPOILED[fault])

    def loss(w, b):
        return bl.cross_entropy(bl.relu(product(bl.tensor(X), w) + b), CLASSES) * scale

    report = gradcheck(loss, (W, B))
    assert report.ok == (fault == "none"), str(report)
    if fault != "none":
        assert {row.name for row in report.rows if row.verdict.failed} == {"w"}
        assert report.worst.gate == "gate matmul, by y"


@pytest.mark.parametrize("part", ["bias averaged", ">= in the mask"])
def test_the_others_of_that_table(part):
    def loss(w, b):
        if part == "bias averaged":
            add = spoiled("add", 1, lambda share, upstream, *_: bl.mean(upstream, axis=0))
            return bl.cross_entropy(bl.relu(add(bl.tensor(X) @ w, b)), CLASSES)
        relu = spoiled("relu", 0, lambda share, upstream, x, _: bl.where(x >= 0, upstream, 0.0))
        return bl.sum(relu(b - B) * bl.tensor([1.0, 2.0, 3.0])) + bl.sum(w)

    report = gradcheck(loss, (W, B))
    if part == "bias averaged":
        assert report.worst.mistake == "4 times too small: a mean over 4 where a sum should be"
    else:  # at the kink itself either side is a gradient, and it is said which
        assert report.ok
        assert {row.side for row in report.kinks} == {"right"}
