"""A NaN or an infinity is traced to the first gate and what it was given."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.explain import circuit
from backlight.explain.why import why
from backlight.explain.why.nonfinite import birth
from tests.explain.why.network import loss_of, perceptron, rows


@pytest.mark.parametrize(
    ("formula", "values", "gate", "backward", "value"),
    [
        ("log(x) * y", {"x": 0, "y": 2}, "log", False, -np.inf),
        ("y / x", {"x": 0, "y": 2}, "divide", False, np.inf),
        ("sqrt(x) * y", {"x": -1, "y": 2}, "sqrt", False, np.nan),
        ("exp(x) * y", {"x": 1000, "y": 2}, "exp", False, np.inf),
        ("sqrt(x) * y", {"x": 0, "y": 2}, "sqrt", True, np.inf),
        ("(x*0)**0.5 * y", {"x": 1, "y": 2}, "power", True, np.inf),
        ("log(x)*0 + y", {"x": 0, "y": 1}, "log", False, -np.inf),
    ],
)
def test_the_first_gate(formula, values, gate, backward, value):
    reason = why(formula, "x", **values)
    found = reason.birth
    assert reason.outcome == "nonfinite"
    assert reason.circuit.nodes[found.node].gate.name == gate
    assert found.backward is backward
    assert np.array_equal(found.value, value, equal_nan=True)
    assert gate in reason.in_words("en")
    assert gate in reason.in_words("ko")


def test_what_it_was_given():
    found = birth(circuit("sum(log(x) * y)", x=np.array([1.0, 2.0, -3.0]), y=2))
    assert (found.place, found.count) == ((2,), 1)
    (given,) = found.given
    assert (given.wire, given.value, given.place, given.domain) == ("x", -3.0, (2,), "x > 0")
    back = birth(circuit("sum(sqrt(x) * y)", x=np.array([1.0, 0.0]), y=-2))
    assert [(one.wire, one.value) for one in back.given] == [("upstream", -2.0), ("x", 0.0)]


def test_inside_a_network():
    model = perceptron(nn.ReLU())
    inputs = rows(8, 4)
    inputs._value[5, 2] = np.nan
    found = why(loss_of(model, inputs), model[0].weight).birth
    assert (found.backward, found.place, found.count) == (False, (5, 2), 1)
    assert "given so" in why(loss_of(model, inputs), model[0].weight).in_words("en")
    model[2].weight._value[1, 4] = np.inf
    reason = why(loss_of(model, rows(8, 4)), model[0].weight)
    assert reason.circuit.nodes[reason.birth.node].name.endswith("weight")
    assert reason.birth.place == (1, 4)


def test_second_order():
    """√ of a square is fine once, and has no second derivative at 0."""
    x = bl.tensor(np.array([0.0, 1.0]), requires_grad=True)
    (slope,) = bl.grad((x**1.5).sum(), [x], create_graph=True)
    assert np.isfinite(slope.detach().numpy()).all()
    reason = why(slope.sum(), x)
    assert reason.outcome == "nonfinite"
    assert reason.birth.backward
    assert reason.circuit.nodes[reason.birth.node].gate.name == "power"
    assert reason.birth.place == (0,)


def test_a_sum_that_overflows():
    x = bl.tensor(np.float32(1.0), requires_grad=True)
    big = np.float32(3e38)
    found = birth(circuit(x * big + x * big - (x * big) * np.float32(1.0) * np.float32(1.0)))
    assert found is not None


def test_all_is_well():
    assert birth(circuit("sigmoid(x)*y", x=1, y=2)) is None


def test_a_finite_gradient_beside_a_nan():
    reason = why("x*y + log(z)", "x", x=1, y=2, z=-1)
    assert (reason.outcome, reason.gradient) == ("number", 2)
    assert reason.circuit.nodes[reason.birth.node].gate.name == "log"
    walled = why("sign(x)*y + log(z)", "x", x=1, y=2, z=-1)
    assert (walled.outcome, walled.missing.gate) == ("none", "sign")
