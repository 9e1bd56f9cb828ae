"""Leaves at each use, values used often as tags, shares that add up, positions that matter."""

import re

import numpy as np
import pytest

from backlight import nn
from backlight.explain import circuit
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.number import label
from backlight.explain.circuit.page import drawing, picture
from backlight.explain.circuit.statistics import BROKEN, NO_GRADIENT, ZERO, figures, written
from tests.explain.circuit.drawn import deep, mlp, neuron, often, residual, shared


def test_a_leaf_is_drawn_at_each_use_and_its_total_once():
    drawn = circuit("x*x*x + y", x=2, y=1)
    shown = draw(drawn)
    tags = [box for box in shown.boxes if box.symbol == "x"]
    assert [tag.uses for tag in tags] == [3, 0, 0]
    made = figures(drawn, shown)
    totals = [one.total for box, one in zip(shown.boxes, made.boxes, strict=True) if box in tags]
    assert totals == ["12.00", "", ""]


@pytest.mark.parametrize("kind", [neuron, shared, often, mlp])
def test_shares_add_up_to_the_gradient(kind):
    drawn = kind()
    shown = draw(drawn)
    total = {}
    for box in shown.boxes:
        if box.kind == "leaf" and box.node in drawn.reached:
            gate, wire = box.use
            total[box.node] = total.get(box.node, 0) + drawn.shares(gate)[wire]
    assert total
    for node, found in total.items():
        np.testing.assert_allclose(found, drawn.gradients[node], rtol=1e-5)


def test_a_value_used_often_is_a_tag_after_the_first_use():
    shown = draw(often(20))
    tags = [box for box in shown.boxes if box.kind == "tag"]
    assert len(tags) == 20
    maker = next(box for box in shown.boxes if box.symbol == "tanh")
    assert {tag.symbol for tag in tags} == {maker.note}, "the gate says what its tags are called"


def test_a_value_used_a_few_times_shows_each_share():
    shown = draw(shared())
    shares = [box for box in shown.boxes if box.kind == "share"]
    assert len(shares) == 4
    for box in shares:
        assert not box.symbol


@pytest.mark.parametrize(
    ("formula", "positions"),
    [("x*y", [0, 0]), ("x+y", [0, 0]), ("x/y", [1, 2]), ("x-y", [1, 2]), ("x**y", [1, 2])],
)
def test_positions_are_told_where_they_matter(formula, positions):
    shown = draw(circuit(formula, x=2, y=3))
    assert [wire.position for wire in shown.wires] == positions


def test_a_constant_is_written_in_its_gate():
    shown = draw(circuit("(x+1)*2", x=2))
    assert [box.symbol for box in shown.boxes] == ["x", "+1", "×2"]


def test_numbers_have_at_most_seven_letters():
    for value in (0.0, -1e-300, 123456789.0, -98765.4321, np.pi, -np.inf, np.nan, 1e300):
        assert len(written(np.float64(value), "x")) <= 7


def test_levels_tell_zero_none_and_broken_apart():
    drawn = circuit("relu(x)*y + 3*relu(z)", x=-1, y=2, z=1)
    shown = draw(drawn)
    levels = {
        box.symbol: one.level
        for box, one in zip(shown.boxes, figures(drawn, shown).boxes, strict=True)
    }
    assert levels["x"] == ZERO
    assert levels["z"] >= 0
    drawn = circuit("sqrt(x) + y", x=0, y=1)
    made = figures(drawn, draw(drawn))
    assert BROKEN in {one.level for one in made.boxes}
    data = residual(1)
    assert NO_GRADIENT in {one.level for one in figures(data, draw(data)).boxes}


def test_a_vanishing_gradient_is_thin():
    drawn = circuit("x*1e-6*y + z", x=1, y=1e-3, z=1)
    shown = draw(drawn)
    levels = {
        box.symbol: one.level
        for box, one in zip(shown.boxes, figures(drawn, shown).boxes, strict=True)
    }
    assert levels["x"] < levels["y"] < levels["z"] == 6


@pytest.mark.parametrize(("activation", "scale"), [(nn.Sigmoid, 0.25), (nn.ReLU, 1.2)])
def test_a_folded_layer_shows_how_the_gradient_fares_inside(activation, scale):
    """Vanishing and exploding are seen although everything is folded into one box."""
    drawn = deep(activation, scale)
    shown = draw(drawn)
    made = figures(drawn, shown, "en")
    box, figure = next(
        pair for pair in zip(shown.boxes, made.boxes, strict=True) if pair[0].times > 1
    )
    assert len(box.strip) == len(figure.strip) == 20
    sizes = [float(np.mean(np.abs(drawn.gradients[node]))) for node in box.strip]
    rises = sizes == sorted(sizes)
    assert rises == (activation is nn.Sigmoid)
    assert list(figure.strip) == sorted(figure.strip, reverse=not rises)
    assert max(figure.strip) - min(figure.strip) >= 4
    assert made.scale[1] >= max(sizes)
    assert f"from {label(sizes[-1])} at its end to {label(sizes[0])}" in figure.label
    svg = drawn.render("svg", language="en")
    foot = re.search(r'<g class="strip" aria-hidden="true">(.*?)</g>', svg)[1]
    assert [int(one) for one in re.findall(r"wire l(\d)", foot)] == list(figure.strip)
    assert "in a folded layer" in svg


def test_only_layers_with_several_gates_have_bars():
    assert not any(box.strip for box in draw(neuron()).boxes)
    svg = neuron().render("svg", language="en")
    assert 'class="strip"' not in svg
    assert "in a folded layer" not in svg


def test_statistics_of_an_array():
    values = np.array([[1.0, -3.0], [0.0, 4.0]])
    drawn = circuit("sum(x*x)", x=values)
    of_value, of_gradient = figures(drawn, draw(drawn), "en", detail=True).boxes[0].detail
    assert dict(of_value) == {
        "value": "2×2",
        "mean": "0.5",
        "standard deviation": "2.5",
        "minimum": "−3",
        "maximum": "4",
        "length": "5.09902",
        "zeros": "25%",
    }
    assert dict(of_gradient)["length"] == "5.09902", "the share along one of two wires"


def test_statistics_of_a_very_large_array_come_from_a_part_of_it():
    drawn = circuit("sum(x)", x=np.ones(2_500_000))
    of_value, _ = figures(drawn, draw(drawn), "en", detail=True).boxes[0].detail
    assert dict(of_value)["sample"] == "1/3"
    assert dict(of_value)["mean"] == "1"


@pytest.mark.parametrize(
    ("formula", "symbol"), [("2+3", "2+3"), ("7", "7"), ("x", "x"), ("[[1,2],[3,4]]", "2×2")]
)
def test_a_circuit_without_gates_is_one_value(formula, symbol):
    drawn = circuit(formula, **({"x": 2.5} if formula == "x" else {}))
    shown = draw(drawn)
    assert [(box.kind, box.symbol) for box in shown.boxes] == [("leaf", symbol)]
    assert drawing(drawn, language="en")["figures"]["boxes"][0][1]
    assert "<svg" in picture(drawn)
