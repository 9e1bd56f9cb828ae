"""The walk: a sentence for each gate, chosen by its role; G14, G15 in words."""

import numpy as np
import pytest

from backlight.explain import circuit
from backlight.explain.circuit.account import account, nonfinite_told, walked
from backlight.explain.circuit.walk import force, steps
from tests.explain.circuit.lectures import CIRCUITS, NEURON, NEURON_INPUTS


def sentences(formula, language="en", **inputs):
    return [step.sentence for step in steps(circuit(formula, **inputs), language)]


def said(text, formula, language="en", **inputs):
    found = " ".join(sentences(formula, language, **inputs))
    assert text in found, found


@pytest.mark.parametrize(
    ("formula", "inputs", "text"),
    [
        (
            "x*y",
            {"x": 2, "y": 3},
            "The × gate switches its inputs: x gets upstream 1.00 × y 3.00 = 3.00;",
        ),
        ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, "x+y wants to go down with force 4.00."),
        ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, "x gets upstream −4.00 unchanged"),
        ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, "x wants to go down with force 4.00."),
        ("max(z, w)", {"z": 2, "w": -1}, "routes: all of upstream 1.00 goes to z; w gets 0."),
        ("max(z, w)", {"z": 2, "w": -1}, "w has no say at these values: its gradient is 0."),
        ("x-y", {"x": 2, "y": -1}, "y gets upstream 1.00 with its sign turned, −1.00"),
        ("exp(x)", {"x": 0}, "The exp gate scales: x gets upstream 1.00 × local 1.00 = 1.00."),
        ("sigmoid(x)", {"x": 0}, "The σ gate squashes: x gets upstream 1.00 × local 0.25 = 0.25."),
        ("x/y", {"x": 1, "y": 2}, "mixes: x gets upstream 1.00 × local 0.50 = 0.50; y gets"),
        ("x*step(x)", {"x": 1}, "The step gate is a wall: no gradient passes."),
        (
            "a*a",
            {"a": 3},
            "a is used 2 times: its gradient is the sum of what comes back, 3.00 + 3.00 = 6.00.",
        ),
        (
            "a*a-a",
            {"a": 3},
            "the sum of what comes back, 3.00 + 3.00 + (−1.00) = 5.00.",
        ),
        ("sum(x)", {"x": [1, 2]}, "distributes: every number of x gets upstream 1.00."),
        ("relu(x)", {"x": [1, -2, 3]}, "2 of the 3 numbers of x get an upstream number"),
        ("reshape(x, [2, 1])", {"x": [1, -2]}, "x gets upstream [[1], [1]] in its own shape (2)"),
        ("exp(x)", {"x": [0, 0]}, "x gets upstream [1, 1] × local [1, 1] = [1, 1]"),
        (
            "W@x",
            {"W": [[1, 2]], "x": [3, 4]},
            "W gets upstream [1] @ xᵀ = [[3, 4]]",
        ),
        ("softmax(x)", {"x": [0, 0]}, "mixes: x gets"),
        ("x*2", {"x": 1}, "The ×2 gate switches its inputs: x gets upstream 1.00 × 2.00 = 2.00."),
        (
            "x+[1, 2]",
            {"x": 1},
            "x was stretched to (2) and gets the sum of what its copies get: 2.00.",
        ),
    ],
)
def test_sentences(formula, inputs, text):
    said(text, formula, **inputs)


def test_korean_sentences():
    said("x 쪽에는 상류 1.00 × y 3.00 = 3.00", "x*y", "ko", x=2, y=3)
    said("4.00만큼의 힘으로 내려가려 합니다", "(x+y)*z", "ko", x=-2, y=5, z=-4)
    said("σ 게이트는 눌러 담습니다", "sigmoid(x)", "ko", x=1)


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_gate_is_walked_once_each_way(formula, inputs, value, gradients, language):
    drawn = circuit(formula, **inputs)
    walk = steps(drawn, language)
    forward = [step.node for step in walk if step.direction == "forward"]
    backward = [step.node for step in walk if step.direction == "backward"]
    assert forward == [node.index for node in drawn.gates]
    gates = [index for index in backward[1:] if drawn.nodes[index].gate is not None]
    assert gates == forward[::-1]
    leaves = [index for index in backward if drawn.nodes[index].gate is None]
    assert {drawn.nodes[index].name for index in leaves} == set(gradients)
    lit = set()
    for step in walk:
        if step.direction == "backward":
            lit.update(step.lit)
    assert {node.index for node in drawn.nodes if node.wants_gradient} <= lit
    assert all("{" not in step.sentence and step.sentence[-1] == "." for step in walk)


def test_force_agrees_with_the_gradients_sign():
    drawn = circuit(NEURON, **NEURON_INPUTS)
    for name in NEURON_INPUTS:
        up = float(drawn.gradient(name)) > 0
        assert ("to go up" in force(drawn, name, "en")) is up
        assert ("올라가려" in force(drawn, name, "ko")) is up


def test_every_gate_can_be_told():
    """Any gate of the table, on its own samples: words come from roles, not from a list."""
    from backlight import tensor
    from backlight.gates import gates

    told = 0
    for gate in gates():
        sample = next(s for s in gate.samples() if any(getattr(x, "size", 0) for x in s.inputs))
        inputs = [
            tensor(x, requires_grad=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x
            for x in sample.inputs
        ]
        made = gate(*inputs, **sample.attributes)
        if getattr(made, "_gate", None) is None:
            continue
        drawn = circuit(made)
        for language in ("en", "ko"):
            assert walked(drawn, language)
            assert account(drawn, language=language)
        told += 1
    assert told > 80


def test_numbers_that_are_not_finite_are_said():
    told = nonfinite_told(circuit("x/y", x=1, y=0), "en")
    assert told[0] == (
        "The / gate makes f = ∞ out of x = 1.00, y = 0.00: the first value that is not finite."
    )
    assert "the / gate hands ∞ to x" in told[1]
    assert nonfinite_told(circuit("x*y", x=1, y=0), "en") == []


def test_the_account_of_a_name_alone():
    assert account(circuit("x", x=3), language="en").startswith("x = 3\n\ninput")
