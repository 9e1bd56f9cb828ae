"""Gates grow like the steps, formulas beyond all bounds; and the machine has a right gradient."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError
from backlight.explain.circuit.record import circuit
from backlight.studies.board import board
from backlight.studies.turing import Head, TuringMachine
from backlight.studies.unrolling import count, draw, network, symbols, unroll, unrolling


@pytest.fixture(scope="module")
def counted():
    return unrolling(steps=(1, 2, 3, 4, 8))


def test_gates_grow_by_as_many_each_step(counted):
    for name in ("rnn", "lstm", "turing"):
        one, two, three, four, eight = (one.gates for one in counted if one.name == name)
        assert two - one == three - two == four - three
        assert eight == one + 7 * (two - one)


def test_formulas_are_multiplied_at_each_step(counted):
    lengths = {(one.name, one.steps): one.symbols for one in counted}
    assert lengths["lstm", 4] / lengths["lstm", 3] > 4
    assert lengths["turing", 4] / lengths["turing", 3] > 30
    assert lengths["turing", 8] > 10**15
    assert lengths["rnn", 8] < 200  # a chain: each state is used once


def test_the_length_is_that_of_the_written_formula():
    """Where it can still be written, it is written and counted."""
    drawn = circuit("(x*y + x)*(x*y + x)", x=2, y=3)

    def written(node):
        here = drawn.nodes[node]
        return [here.name or here.gate.name, *(s for i in here.inputs for s in written(i))]

    assert symbols(drawn) == len(written(drawn.output))
    x = backlight.tensor(1.5, requires_grad=True)
    for _ in range(400):
        x = x * x.detach() + x
    assert symbols(circuit(x)) > 2**400


def test_steps_fold_into_boxes():
    drawn = circuit(unroll(network("turing", 6, 5, 4), 3))
    machines = [one for one in drawn.calls if one.description.startswith("TuringMachine")]
    assert len(machines) == 3
    assert drawn._repr_svg_().lstrip().startswith("<svg")


def test_a_head_looks_somewhere():
    head = Head(4, 3)
    memory = backlight.randn(7, 3)
    first = backlight.tensor([[1.0] + [0.0] * 6])
    weights = head(backlight.randn(1, 4), memory, first)
    assert weights.shape == (1, 7)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-6)
    assert float(weights.detach().numpy().min()) >= 0


def test_the_machine_s_gradient_is_that_of_differences():
    """Through four steps of writing and reading, by a weight of the controller."""
    machine = TuringMachine(8, hidden=6, rows=5, width=4).to(np.float64)
    weight = machine.controller.weight

    def loss():
        return unroll(machine, 4)

    loss().backward()
    given = weight.grad.numpy()
    place, step = (2, 3), 1e-5
    ends = []
    kept = weight.detach().numpy().copy()
    for sign in (1, -1):
        moved = kept.copy()
        moved[place] += sign * step
        weight.data = backlight.tensor(moved)
        with backlight.no_grad():
            ends.append(loss().item())
    assert given[place] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_names(counted):
    with pytest.raises(ArgumentError, match="turing"):
        network("turin")
    assert count("rnn", 2, nn.RNNCell(8, 3)).gates == count("rnn", 2).gates
    pytest.importorskip("matplotlib")
    for theme, language in (("light", "en"), ("dark", "ko")):
        assert len(draw(board(theme, language), counted).axes) == 2
