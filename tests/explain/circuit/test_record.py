"""A recorded circuit has the values and gradients of the engine, and the shares add up."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import ArgumentError, ExpressionError, GraphError, ShapeError
from backlight.explain import circuit
from backlight.gates import TABLE


def check_sums(drawn):
    """What arrives at a node is what the gates that read it hand to it."""
    for node in drawn.nodes:
        gradient = drawn.gradients[node.index]
        handed = [drawn.shares(reader)[wire] for reader, wire in drawn.consumers[node.index]]
        handed = [share for share in handed if share is not None]
        if node.index == drawn.output:
            continue
        if gradient is None:
            assert not handed
        else:
            np.testing.assert_allclose(np.sum(handed, axis=0), gradient, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(
    ("formula", "values", "value", "gradients"),
    [
        ("x*y", {"x": 4, "y": -3}, -12, {"x": -3, "y": 4}),
        ("max(x, y)", {"x": 4, "y": 2}, 4, {"x": 1, "y": 0}),
        ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, -12, {"x": -4, "y": -4, "z": 3}),
        (
            "sigmoid(a*x + b*y + c)",
            {"a": 1, "b": 2, "c": -3, "x": -1, "y": 3},
            0.8807970780,
            {"a": -0.1049935854, "b": 0.3149807562, "c": 0.1049935854, "y": 0.2099871708},
        ),
        (
            "(x+sigmoid(y))/(sigmoid(x)+(x+y)**2)",
            {"x": 3, "y": -4},
            1.5456448841,
            {"x": 2.0595697956, "y": 1.5922327515},
        ),
        ("x**2 + 3*x*sin(x)", {"x": 1.5}, 6.738727, {"x": 6.310802}),
    ],
)
def test_worked_examples(formula, values, value, gradients):
    drawn = circuit(formula, **values)
    assert drawn.text == formula
    assert float(drawn.nodes[drawn.output].value) == pytest.approx(value, rel=1e-6)
    for name, expected in gradients.items():
        assert float(drawn.gradient(name)) == pytest.approx(expected, rel=1e-6)
    check_sums(drawn)


def test_matrices():
    drawn = circuit("sum((W@x)**2)", W=[[0.1, 0.5], [-0.3, 0.8]], x=[0.2, 0.4])
    np.testing.assert_allclose(drawn.gradient("W"), [[0.088, 0.176], [0.104, 0.208]], rtol=1e-12)
    np.testing.assert_allclose(drawn.gradient("x"), [-0.112, 0.636], rtol=1e-12)
    check_sums(drawn)


def differentiable(gate, sample):
    return any(
        x is not None and np.asarray(x).dtype.kind == "f" and name not in gate.selectors
        for name, x in zip(gate.inputs, sample.inputs, strict=False)
    )


@pytest.mark.parametrize("name", sorted({gate.name for gate in TABLE.values()}))
def test_every_gate_is_recorded_as_the_engine_computes_it(name):
    gate = TABLE[name]
    for sample in list(gate.samples())[:3]:
        if not differentiable(gate, sample):
            continue
        inputs = [
            bl.tensor(x, requires_grad=True)
            if x is not None and np.asarray(x).dtype.kind == "f"
            else x
            for x in sample.inputs
        ]
        output = gate(*inputs, **sample.attributes)
        if not isinstance(output, bl.Tensor) or not output.requires_grad:
            continue
        seed = np.linspace(-1, 2, output.size).reshape(output.shape).astype(output.dtype)
        drawn = circuit(output, upstream=seed)
        check_sums(drawn)
        output.backward(seed)
        for node in drawn.leaves:
            for x in inputs:
                if isinstance(x, bl.Tensor) and node.value is x._value and x.grad is not None:
                    found = drawn.gradients[node.index]
                    np.testing.assert_array_equal(found, x.grad.numpy())


def test_a_model():
    bl.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = bl.randn(5, 3)
    loss = model(x).sum()
    drawn = circuit(loss)
    check_sums(drawn)
    loss.backward()
    for path, parameter in model.named_parameters():
        np.testing.assert_array_equal(drawn.gradient(path), parameter.grad.numpy())
    kinds = {node.name: node.kind for node in drawn.leaves if node.name}
    assert kinds["0.weight"] == "parameter"


def test_a_function_and_its_inputs():
    drawn = circuit(lambda x, y: x * y, 3, -2.0)
    assert [float(drawn.gradients[i]) for i in (0, 1)] == [-2.0, 3.0]


def test_upstream_doubles_and_zero_kills():
    values = {"a": 1, "b": 2, "c": -3, "x": -1, "y": 3}
    one, two, none = (circuit("sigmoid(a*x + b*y + c)", upstream=u, **values) for u in (1, 2, 0))
    for node in one.nodes:
        assert two.gradients[node.index] == 2 * one.gradients[node.index]
        assert none.gradients[node.index] == 0


def test_leaves_stand_before_their_first_use():
    drawn = circuit("2*(x*y+max(z,w))", x=3, y=-4, z=2, w=-1)
    assert [node.name for node in drawn.nodes][:2] == ["x", "y"]
    for node in drawn.nodes:
        assert all(source < node.index for source in node.inputs)


def test_freed_history_is_said():
    x = bl.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(GraphError, match="retain_graph"):
        circuit(y)


def test_mistakes():
    with pytest.raises(ArgumentError, match="needs a tensor, a formula or a function"):
        circuit(3)
    with pytest.raises(ArgumentError, match="one tensor"):
        circuit(lambda x: (x, x), 2.0)
    with pytest.raises(ArgumentError, match=r"upstream gradient of shape \(3,\)"):
        circuit("x*y", x=[1, 2], y=2, upstream=[1, 2, 3])
    with pytest.raises(ExpressionError, match="no value for y"):
        circuit("x*y", x=1)
    with pytest.raises(ShapeError):
        circuit("x*y", x=[1, 2], y=[1, 2, 3])
    with pytest.raises(ArgumentError, match="Did you mean"):
        circuit("alpha*y", alpha=1, y=2).value("alpa")
