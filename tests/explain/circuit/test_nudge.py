"""Sensitivity, direction and steps: G2, G3, G18 and the numerical x·y of the lectures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.errors import ArgumentError
from backlight.explain import circuit
from backlight.explain.circuit.nudge import along_gradient, nudge_told, of_inputs, smaller
from backlight.explain.circuit.replay import replayed
from tests.explain.circuit.lectures import CIRCUITS, NEURON, NEURON_INPUTS


def test_sensitivity_of_a_product_is_exact():
    """G2: x=4, y=−3, h=0.001: predicted and true −12.003."""
    drawn = circuit("x*y", x=4, y=-3)
    taken = of_inputs(drawn, {"x": 0.001})
    assert taken.before + taken.predicted == pytest.approx(-12.003, abs=1e-14)
    assert taken.after == pytest.approx(-12.003, abs=1e-14)
    assert taken.missed == 0
    assert "The prediction is exact" in nudge_told(drawn, taken, "en")


def test_sensitivity_of_the_neuron_misses_by_the_square():
    """G2: the miss shrinks a hundredfold when h shrinks tenfold."""
    drawn = circuit(NEURON, **NEURON_INPUTS)
    tried = smaller(drawn, of_inputs(drawn, {"x": 0.01}))
    ratios = [tried[i].missed / tried[i + 1].missed for i in range(2)]
    assert ratios == pytest.approx([100, 100], rel=0.02)
    assert "100 times smaller" in nudge_told(drawn, tried[0], "en")


def test_a_step_uphill_and_downhill():
    """G18: σ of the neuron after a step of 0.01, and every input."""
    drawn = circuit(NEURON, **NEURON_INPUTS)
    up = along_gradient(drawn, 0.01)
    assert up.after == pytest.approx(0.8825501816218984, rel=1e-14)
    after = {
        drawn.nodes[i].name: float(drawn.nodes[i].value + move) for i, move in up.moves.items()
    }
    assert after == pytest.approx(
        {
            "a": 0.998950064145965,
            "b": 2.0031498075621053,
            "c": -2.9989500641459648,
            "x": -0.998950064145965,
            "y": 3.00209987170807,
        },
        rel=1e-14,
    )
    assert along_gradient(drawn, -0.01).after < up.before < up.after
    squares = sum(float(drawn.gradient(name)) ** 2 for name in NEURON_INPUTS)
    assert up.predicted == pytest.approx(0.01 * squares, rel=1e-14)


def test_numerical_product_of_the_lectures():
    taken = along_gradient(circuit("x*y", x=-2, y=3), 0.01)
    assert taken.after == pytest.approx(-5.8706, abs=1e-12)


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_the_gradient_points_uphill(formula, inputs, value, gradients):
    """G3: f rises along +g and falls along −g."""
    drawn = circuit(formula, **inputs)
    up, down = along_gradient(drawn, 1e-5), along_gradient(drawn, -1e-5)
    assert up.after > up.before > down.after
    assert up.predicted > 0 > down.predicted


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_direction_climbs_faster(seed):
    """G3: of all moves of one length, the one along the gradient changes f most."""
    drawn = circuit(NEURON, **NEURON_INPUTS)
    best = along_gradient(drawn, 1e-6)
    far = np.sqrt(sum(float(move) ** 2 for move in best.moves.values()))
    other = np.random.default_rng(seed).normal(size=5)
    other *= far / np.linalg.norm(other)
    assert of_inputs(drawn, dict(zip("abcxy", other, strict=True))).true <= best.true


def test_arrays_move_whole_or_number_by_number():
    drawn = circuit("sum(W@x)", W=[[1, 2], [3, 4]], x=[1, 1])
    assert of_inputs(drawn, {"x": 0.5}).true == pytest.approx(5)
    assert of_inputs(drawn, {"x": [0.5, 0]}).true == pytest.approx(2)
    assert "[0.5, 0]" in nudge_told(drawn, of_inputs(drawn, {"x": [0.5, 0]}), "en")


@pytest.mark.parametrize("step", [0, float("nan"), float("inf")])
def test_steps_that_are_none(step):
    with pytest.raises(ArgumentError, match="a number other than 0"):
        along_gradient(circuit("x*y", x=1, y=2), step)


def test_moves_that_do_not_fit():
    drawn = circuit("x*2", x=[1, 2])
    with pytest.raises(ArgumentError, match="It needs one of x"):
        of_inputs(drawn, {"X": 1})
    with pytest.raises(ArgumentError, match=r"a move of shape \(3,\) for x"):
        of_inputs(drawn, {"x": [1, 2, 3]})


def test_upstream_weighs_the_step():
    drawn = circuit("x*[1, 2]", x=1, upstream=[10, 100])
    taken = of_inputs(drawn, {"x": 1})
    assert (taken.before, taken.after, taken.predicted) == (210, 420, 210)


def test_replay_keeps_what_does_not_depend():
    drawn = circuit("exp(x)*y + 2", x=1, y=3)
    values = replayed(drawn, {drawn.find("y").index: 4})
    assert values[1] is drawn.nodes[1].value
    assert float(values[drawn.output]) == pytest.approx(4 * np.e + 2)
    inner = replayed(drawn, {1: 1.0})
    assert float(inner[drawn.output]) == 5
    assert replayed(drawn, {})[drawn.output] is drawn.nodes[drawn.output].value


def test_words_in_korean():
    drawn = circuit(NEURON, **NEURON_INPUTS)
    told = nudge_told(drawn, along_gradient(drawn, -0.01), "ko")
    assert "내리막" in told
    assert "경사 하강" in told
