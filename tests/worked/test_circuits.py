"""Circuits of the lecture notes: values, gradients of every wire, and one step uphill."""

import math

import numpy as np
import pytest

import backlight
from backlight.expression import Expression

CIRCUITS = [
    ("x*y", {"x": 4, "y": -3}, -12, {"x": -3, "y": 4}),
    ("x+y", {"x": 4, "y": -3}, 1, {"x": 1, "y": 1}),
    ("max(x, y)", {"x": 4, "y": 2}, 4, {"x": 1, "y": 0}),
    ("(x+y)*z", {"x": -2, "y": 5, "z": -4}, -12, {"x": -4, "y": -4, "z": 3}),
    (
        "sigmoid(a*x + b*y + c)",
        {"a": 1, "b": 2, "c": -3, "x": -1, "y": 3},
        0.8807970779778823,
        {
            "a": -0.10499358540350662,
            "b": 0.31498075621051985,
            "c": 0.10499358540350662,
            "x": 0.10499358540350662,
            "y": 0.20998717080701323,
        },
    ),
    (
        "1/(1+exp(-(w0*x0+w1*x1+w2)))",
        {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3},
        0.7310585786300049,
        {
            "w0": -0.19661193324148188,
            "x0": 0.39322386648296376,
            "w1": -0.39322386648296376,
            "x1": -0.5898357997244457,
            "w2": 0.19661193324148188,
        },
    ),
    (
        "(x+sigmoid(y))/(sigmoid(x)+(x+y)**2)",
        {"x": 3, "y": -4},
        1.5456448841066441,
        {"x": 2.0595697955721652, "y": 1.5922327514838093},
    ),
    (
        "2*(x*y + max(z,w))",
        {"x": 3, "y": -4, "z": 2, "w": -1},
        -20,
        {"x": -8, "y": 6, "z": 2, "w": 0},
    ),
    ("x**2 + 3*x*sin(x)", {"x": 1.5}, 6.738727, {"x": 6.310802}),
]


def leaves(given):
    return {
        name: backlight.tensor(float(value), dtype="float64", requires_grad=True, name=name)
        for name, value in given.items()
    }


@pytest.mark.parametrize(("formula", "given", "value", "gradients"), CIRCUITS)
def test_values_and_gradients(formula, given, value, gradients):
    inputs = leaves(given)
    output = Expression.parse(formula).evaluate(inputs)
    output.backward()
    assert output.item() == pytest.approx(value, rel=1e-6 if formula.startswith("x**2") else 1e-14)
    for name, gradient in gradients.items():
        tolerance = 1e-6 if formula.startswith("x**2") else 1e-13
        assert inputs[name].grad.item() == pytest.approx(gradient, rel=tolerance, abs=1e-15)


@pytest.mark.parametrize(("formula", "given"), [(c[0], c[1]) for c in CIRCUITS])
def test_gradient_points_uphill(formula, given):
    inputs = leaves(given)
    parsed = Expression.parse(formula)
    before = parsed.evaluate(inputs)
    before.backward()
    step = 1e-4
    there = {k: v.item() + step * v.grad.item() for k, v in inputs.items()}
    back = {k: v.item() - step * v.grad.item() for k, v in inputs.items()}
    assert (
        parsed.evaluate(leaves(there)).item() > before.item() > parsed.evaluate(leaves(back)).item()
    )


def test_sum_and_product_wire_by_wire():
    x, y, z = leaves({"x": -2, "y": 5, "z": -4}).values()
    q = x + y
    f = q * z
    q.retain_grad()
    f.backward()
    assert (q.item(), f.item(), q.grad.item()) == (3, -12, -4)


def test_sigmoid_neuron_after_a_step_uphill():
    given = leaves({"a": 1, "b": 2, "c": -3, "x": -1, "y": 3})
    neuron = Expression.parse("sigmoid(a*x + b*y + c)")
    neuron.evaluate(given).backward()
    after = {name: t.item() + 0.01 * t.grad.item() for name, t in given.items()}
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
    assert neuron.evaluate(leaves(after)).item() == pytest.approx(0.8825501816218984, rel=1e-14)


def test_the_neuron_gate_by_gate_from_the_top():
    given = leaves({"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3})
    w0, x0, w1, x1, w2 = given.values()
    wires = {}
    wires["w0x0"], wires["w1x1"] = w0 * x0, w1 * x1
    wires["sum01"] = wires["w0x0"] + wires["w1x1"]
    wires["dot"] = wires["sum01"] + w2
    wires["neg"] = wires["dot"] * -1
    wires["exp"] = backlight.exp(wires["neg"])
    wires["plus1"] = wires["exp"] + 1
    wires["out"] = 1 / wires["plus1"]
    for wire in wires.values():
        wire.retain_grad()
    wires["out"].backward()
    values = {
        "w0x0": -2,
        "w1x1": 6,
        "sum01": 4,
        "dot": 1,
        "neg": -1,
        "exp": 0.36787944117144233,
        "plus1": 1.3678794411714423,
        "out": 0.7310585786300049,
    }
    gradients = {
        "out": 1,
        "plus1": -0.534446645388523,
        "exp": -0.534446645388523,
        "neg": -0.19661193324148188,
        "dot": 0.19661193324148188,
        "sum01": 0.19661193324148188,
        "w0x0": 0.19661193324148188,
        "w1x1": 0.19661193324148188,
    }
    assert {k: w.item() for k, w in wires.items()} == pytest.approx(values, rel=1e-15)
    assert {k: w.grad.item() for k, w in wires.items()} == pytest.approx(gradients, rel=1e-14)
    folded = leaves({"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3})
    backlight.sigmoid(
        folded["w0"] * folded["x0"] + folded["w1"] * folded["x1"] + folded["w2"]
    ).backward()
    for name, tensor in given.items():
        assert tensor.grad.item() == pytest.approx(folded[name].grad.item(), rel=1e-15)


def test_seed_other_than_one():
    given = leaves({"a": 1, "b": 2, "c": -3, "x": -1, "y": 3})
    neuron = Expression.parse("sigmoid(a*x + b*y + c)")
    neuron.evaluate(given).backward(2.0)
    assert given["c"].grad.item() == 2 * 0.10499358540350662
    again = leaves({"a": 1, "b": 2, "c": -3, "x": -1, "y": 3})
    neuron.evaluate(again).backward(0.0)
    assert all(t.grad.item() == 0 for t in again.values())


def test_gradients_accumulate_until_zeroed():
    given = leaves({"a": 1, "b": 2, "c": -3, "x": -1, "y": 3})
    neuron = Expression.parse("sigmoid(a*x + b*y + c)")
    neuron.evaluate(given).backward()
    neuron.evaluate(given).backward()
    assert given["c"].grad.item() == 2 * 0.10499358540350662
    given["c"].zero_grad()
    assert given["c"].grad is None


def test_a_value_on_two_paths_collects_both():
    a = backlight.tensor(3.0, requires_grad=True)
    (a * a).backward()
    assert a.grad.item() == 6


def test_norm_squared_with_matrices():
    w = backlight.tensor(np.array([[0.1, 0.5], [-0.3, 0.8]]), requires_grad=True)
    x = backlight.tensor(np.array([0.2, 0.4]), requires_grad=True)
    q = w @ x
    q.retain_grad()
    f = (q**2).sum()
    f.backward()
    np.testing.assert_allclose(q.detach().numpy(), [0.22, 0.26], rtol=1e-14)
    assert f.item() == pytest.approx(0.116, rel=1e-14)
    np.testing.assert_allclose(q.grad.numpy(), [0.44, 0.52], rtol=1e-14)
    np.testing.assert_allclose(w.grad.numpy(), [[0.088, 0.176], [0.104, 0.208]], rtol=1e-13)
    np.testing.assert_allclose(x.grad.numpy(), [-0.112, 0.636], rtol=1e-13)


def test_three_linear_layers_are_one():
    assert Expression.parse("c*(c*(c*x))").evaluate(leaves({"c": 2, "x": 1})).item() == 8


def test_sigmoid_and_its_slope():
    for x, value in ((-5, 0.0066928509), (0, 0.5), (5, 0.9933071491), (3, 0.9525741268)):
        assert float(backlight.sigmoid(np.float64(x))) == pytest.approx(value, abs=5e-11)
    slope = backlight.grad(backlight.sigmoid)(backlight.tensor(3.0, dtype="float64"))
    assert slope.item() == pytest.approx(0.0451766597, abs=5e-11)
    assert backlight.grad(backlight.sigmoid)(backlight.tensor(0.0)).item() == 0.25
    for x in np.linspace(-4, 4, 9):
        assert math.tanh(x) == pytest.approx(2 * float(backlight.sigmoid(2 * x)) - 1, abs=1e-15)


def test_max_at_a_tie_has_one_winner():
    x, y = backlight.tensor(2.0, requires_grad=True), backlight.tensor(2.0, requires_grad=True)
    backlight.maximum(x, y).backward()
    assert (x.grad.item(), y.grad.item()) == (1, 0)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            lambda: backlight.jacobian(
                lambda x: backlight.tensor([[1.0, 2.0], [3.0, 4.0]]) @ x, [5.0, 6.0]
            ),
            [[1, 2], [3, 4]],
        ),
        (lambda: backlight.jacobian(backlight.relu, [-1.0, 2.0]), [[0, 0], [0, 1]]),
    ],
)
def test_jacobians(expression, expected):
    assert expression().tolist() == expected


def test_jacobian_of_softmax_is_diagonal_minus_outer_product():
    scores = backlight.tensor(np.array([1.0, -2.0, 0.5]))
    p = np.asarray(backlight.softmax(scores, axis=0))
    found = np.asarray(backlight.jacobian(lambda s: backlight.softmax(s, axis=0), scores))
    np.testing.assert_allclose(found, np.diag(p) - np.outer(p, p), atol=1e-15)
    v = np.array([0.3, -1.0, 2.0])
    _, pull = backlight.vjp(lambda s: backlight.softmax(s, axis=0), scores)
    np.testing.assert_allclose(np.asarray(pull(v)[0]), found.T @ v, atol=1e-15)
