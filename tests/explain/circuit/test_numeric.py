"""The numerical gradient beside each analytic one, and what each gate keeps."""

import numpy as np
import pytest

from backlight.explain import circuit
from backlight.explain.circuit.ledger import ledger, ledger_told, total_kept, values_read
from backlight.explain.circuit.numeric import compared, numeric_told
from backlight.gates import TABLE
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role
from tests.explain.circuit.lectures import CIRCUITS, NEURON, NEURON_INPUTS


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_lectures_agree(formula, inputs, value, gradients):
    drawn = circuit(formula, **inputs)
    found = compared(drawn)
    assert all(one.ok for one in found)
    assert {drawn.nodes[one.node].name for one in found} >= set(gradients)
    for one in found:
        for row in one.rows:
            assert row.numeric == pytest.approx(row.analytic, rel=1e-6, abs=1e-9)
    told, well = numeric_told(drawn, "ko")
    assert well
    assert "수치 미분" in told


def test_a_wrong_rule_is_found_at_its_gate():
    class Wrong(Elementwise):
        """x³, with the derivative of x²."""

        role = Role.SCALER
        formula = "x**3"

        def forward(self, np, x):
            return x * x * x

        def backward(self, upstream, x, output):
            return (upstream * 2 * x,)

    Wrong()
    try:
        drawn = circuit("exp(wrong(x*y))", x=0.5, y=1.5)
        bad = {one.node for one in compared(drawn) if not one.ok}
        told, well = numeric_told(drawn, "en")
    finally:
        TABLE.pop("wrong")
    assert not well
    assert "that do not agree with the numerical ones: 3" in told
    after = next(node.index for node in drawn.gates if node.gate.name == "wrong")
    assert after not in bad
    assert drawn.find("x").index in bad


def test_a_kink_is_told_not_judged():
    told, well = numeric_told(circuit("max(x, y)", x=2, y=2), "en")
    assert well
    assert "at a kink of maximum" in told
    assert "measure neither slope: 2" in told


def test_large_arrays_are_sampled_with_the_largest():
    x = np.linspace(-1, 1, 1000)
    x[700] = 9.0
    found = compared(circuit("sum(x**3)", x=x))
    rows = next(one.rows for one in found if one.node == 0)
    assert len(rows) == 4
    assert (700,) in [row.index for row in rows]


def test_float32_circuits_are_measured_in_float64():
    drawn = circuit("sum(exp(x))", x=np.linspace(-1, 1, 5, dtype=np.float32))
    assert drawn.nodes[0].value.dtype == np.float32
    for one in compared(drawn):
        for row in one.rows:
            assert row.numeric == pytest.approx(row.analytic, rel=1e-6)


@pytest.mark.parametrize(
    ("formula", "inputs", "read"),
    [
        ("x*y", {"x": 2, "y": 3}, {0, 1}),
        ("x+y", {"x": 2, "y": 3}, set()),
        ("sigmoid(x)", {"x": 2}, {-1}),
        ("exp(x)", {"x": 2}, {-1}),
        ("sin(x)", {"x": 2}, {0}),
        ("x/y", {"x": 2, "y": 3}, {1, -1}),
        ("relu(x)", {"x": [2, -3]}, {-1}),
        ("sum(x)", {"x": [2, -3]}, set()),
        ("mean(x)", {"x": [2, -3]}, set()),
        ("max(x, y)", {"x": 2, "y": 3}, {0, 1}),
        ("W@x", {"W": [[1, 2]], "x": [3, 4]}, {0, 1}),
        ("reshape(x, [2, 1])", {"x": [3, 4]}, set()),
        ("softmax(x)", {"x": [3, 4]}, {-1}),
    ],
)
def test_what_a_rule_reads(formula, inputs, read):
    """G12: found by trying, for any gate."""
    drawn = circuit(formula, **inputs)
    assert values_read(drawn, drawn.output) == read


def test_the_neurons_ledger():
    """G12: two products keep their inputs, sums nothing, σ its output; each counted once."""
    drawn = circuit(NEURON, **NEURON_INPUTS)
    assert [one.bytes for one in ledger(drawn)] == [16, 16, 0, 0, 8]
    assert total_kept(drawn) == 40
    told = ledger_told(drawn, "en")
    assert "Kept for the backward pass: 40 bytes" in told
    assert "The least: keep the inputs (40 bytes)" in told
    assert "자기 출력" in ledger_told(drawn, "ko")


def test_a_value_kept_by_two_gates_is_counted_once():
    drawn = circuit("x*y + x*z", x=1, y=2, z=3)
    assert sum(one.bytes for one in ledger(drawn)) == 32
    assert total_kept(drawn) == 24


def test_without_gradients_nothing_is_kept():
    """G12: the engine itself keeps no history under no_grad."""
    import backlight

    x = backlight.tensor(2.0, requires_grad=True)
    with backlight.no_grad():
        y = backlight.sigmoid(x * x)
    assert y._inputs is None
    assert y._gate is None
