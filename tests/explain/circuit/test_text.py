"""The drawing with letters: everything is on it, nothing overlaps, wires are whole."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import nn
from backlight.explain import circuit
from backlight.explain.circuit.boxes import CELLS, cells
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.number import label
from backlight.explain.circuit.text import labels, text
from backlight.explain.circuit.unfold import unfolded
from tests.explain.circuit.drawn import deep, neuron
from tests.explain.circuit.lectures import CIRCUITS, NEURON, NEURON_INPUTS


def check(drawn):
    """Each symbol and number stands on the page as often as the boxes have it."""
    page = text(drawn)
    boxes = draw(drawn, pen=CELLS).boxes
    numbers = [told for box in boxes for told in labels(drawn, box) if told]
    for told in set(numbers):
        found = re.findall(rf"(?<![\w.−|]){re.escape(told)}(?![\w.|])", page)
        assert len(found) >= numbers.count(told), (told, page)
    for box in boxes:
        if box.kind == "gate":
            assert f"({box.symbol})" in page, page
    return page


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_lectures(formula, inputs, value, gradients):
    drawn = circuit(formula, **inputs)
    check(drawn)
    check(unfolded(drawn))


def test_the_neuron_is_the_lectures_drawing():
    page = check(circuit(NEURON, **NEURON_INPUTS))
    row = next(line for line in page.splitlines() if "(σ)" in line)
    assert re.search(r"\(×\).*\(\+\).*\(\+\).*\(σ\)", row)
    lines = page.splitlines()
    place = lines.index(row)
    sigma = row.index("(σ)")
    assert "0.8808" in lines[place - 1][sigma:]
    assert "1.00" in lines[place + 1][sigma:]


def test_arrays_have_shapes_on_their_wires():
    page = check(circuit("sum((W@x)**2)", W=np.ones((2, 3)), x=np.ones(3)))
    assert "2×3" in page
    assert "|∇|" in page


def test_an_unfolded_gate_has_a_frame():
    page = text(unfolded(circuit("sigmoid(x)", x=1)))
    assert "┌─ σ ─" in page
    assert all(sign in page for sign in ("(×−1)", "(exp)", "(+1)", "(1/x)"))


def test_a_folded_layer_has_bars_at_its_foot():
    """Vanishing is seen in a terminal too: the bars rise towards the loss."""
    lines = text(deep(nn.Sigmoid, 0.25), language="en").splitlines()
    row = next(line for line in lines if "▁" in line)
    bars = row.strip().split()[0]
    assert len(bars) >= 8
    assert list(bars) == sorted(bars)
    assert bars[0] == "▁"
    assert bars[-1] > "▃"
    above = lines[lines.index(row) - 1]
    assert "×20)" in above
    assert above.index("(0…38") == row.index(bars[0]) - 1
    assert not set("▁▂▃▄▅▆▇") & set(text(neuron()))


def test_a_narrow_terminal_gets_bands():
    drawn = circuit(NEURON, **NEURON_INPUTS)
    whole = text(drawn)
    assert text(drawn, width=200) == whole
    banded = text(drawn, width=40, language="en")
    assert max(map(cells, banded.splitlines())) <= 40
    assert banded.count("continued") >= 1
    for number in ("0.8808", "0.3150", "−3.00"):
        assert number in banded
    assert "이어집니다" in text(drawn, width=40, language="ko")


def test_korean_names_keep_their_columns():
    page = text(circuit("입력*무게", 입력=4, 무게=-3))
    lines = page.splitlines()
    row = next(i for i, line in enumerate(lines) if "무게" in line)
    value = lines[row - 1]
    assert cells(value[: value.index("−3.00")]) > cells("무게")
    assert "\x00" not in page


LEAVES = st.sampled_from(["x", "y", "z", "2", "0.5"])
FORMULAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        st.tuples(st.sampled_from(["exp", "sin", "tanh", "relu", "sigmoid"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
    ),
    max_leaves=8,
)


@given(FORMULAS)
@settings(max_examples=40, deadline=None)
def test_any_formula_is_drawn(formula):
    from backlight.expression import Expression

    names = Expression.parse(formula).names
    if not names or formula in names:
        return
    drawn = circuit(formula, **{name: i + 0.5 for i, name in enumerate(names)})
    page = text(drawn)
    gates = draw(drawn, pen=CELLS).boxes
    assert page.count("(") >= sum(box.kind == "gate" for box in gates)
    assert label(drawn.nodes[drawn.output].value) in page
    assert all(line == line.rstrip() for line in page.splitlines())


def test_colours_change_nothing_but_colour():
    for formula, inputs, _, _ in CIRCUITS:
        drawn = circuit(formula, **inputs)
        coloured = text(drawn, colour=True)
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(drawn)
        assert coloured.count("\x1b[32m") + coloured.count("\x1b[3;31m") == coloured.count(
            "\x1b[0m"
        )
        for line in coloured.splitlines():
            assert line.count("\x1b[0m") * 2 == line.count("\x1b[")
    narrow = text(circuit(NEURON, **NEURON_INPUTS), width=40, colour=True, language="en")
    plain = text(circuit(NEURON, **NEURON_INPUTS), width=40, language="en")
    assert re.sub(r"\x1b\[[\d;]*m", "", narrow) == plain
