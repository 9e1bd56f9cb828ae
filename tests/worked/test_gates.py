"""Gates and the chain rule, row by row (G rows): what circuits of the notes do not show yet."""

import gc
import weakref

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.expression import Expression
from backlight.gates import find
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role

NEURON = {"a": 1.0, "b": 2.0, "c": -3.0, "x": -1.0, "y": 3.0}
SLOPES = {
    "a": -0.10499358540350662,
    "b": 0.31498075621051985,
    "c": 0.10499358540350662,
    "x": 0.10499358540350662,
    "y": 0.20998717080701323,
}


def leaves(given):
    return {
        name: backlight.tensor(value, dtype="float64", requires_grad=True, name=name)
        for name, value in given.items()
    }


def test_G1_a_gradient_has_an_entry_an_input_in_its_shape_under_its_name():
    x = backlight.tensor(np.ones((2, 3)), requires_grad=True, name="x")
    y = backlight.tensor(np.ones(3), requires_grad=True, name="y")
    (x * y).sum().backward()
    assert {t.name: t.grad.shape for t in (x, y)} == {"x": (2, 3), "y": (3,)}
    report = backlight.gradcheck(Expression.parse("x*y"), (4.0, -3.0))
    assert {row.place: row.analytic for row in report.rows} == pytest.approx(
        {"x": -3 * 1.0, "y": 4 * 1.0}
    )


def test_G2_prediction_by_the_gradient():
    """x·y at (4, −3): x rises by 0.001, and the product is predicted exactly."""
    value, change = backlight.jvp(lambda x: x * -3.0, (np.array(4.0),), (np.array(0.001),))
    assert value.item() + change.item() == pytest.approx(-12.003, abs=1e-15)
    assert pytest.approx(-12.003, abs=1e-14) == 4.001 * -3


def test_G2_error_of_the_prediction_falls_with_the_square_of_the_step():
    neuron = Expression.parse("sigmoid(a*x + b*y + c)")
    errors = []
    for h in (1e-2, 1e-3, 1e-4):
        moved = {**NEURON, "y": NEURON["y"] + h}
        predicted = 0.8807970779778823 + h * SLOPES["y"]
        errors.append(abs(neuron.evaluate(leaves(moved)).item() - predicted))
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.03)
    assert errors[1] / errors[2] == pytest.approx(100, rel=0.03)


def test_G4_raising_the_loser_of_a_max_changes_nothing_until_it_wins():
    assert backlight.maximum(4.0, 2.0 + 1) == 4
    assert backlight.maximum(4.0, 2.0 + 3) == 5


def test_G5_a_tie_has_a_subgradient_and_the_checker_honours_it():
    x, y = (backlight.tensor(2.0, requires_grad=True) for _ in range(2))
    backlight.maximum(x, y).backward()
    assert x.grad.item() + y.grad.item() == 1  # (1, 1) is none
    report = backlight.gradcheck(backlight.maximum, (np.array(2.0), np.array(2.0)))
    assert report.ok
    assert report.counts == {"at a kink": 2}
    assert backlight.grad(backlight.relu)(backlight.tensor(0.0)).item() == 0


@pytest.fixture
def counted():
    """A gate that counts how often it is computed, kept out of the table after the test."""

    class CountedSquare(Elementwise):
        """x², counted."""

        role = Role.SCALER
        formula = "x * x"
        calls = 0

        def forward(self, np, x):
            type(self).calls += 1
            return x * x

        def backward(self, upstream, x, output):
            return (upstream * 2.0 * x,)

    gate = CountedSquare()
    yield gate
    del TABLE["counted_square"]


def test_G7_a_value_used_twice_is_computed_once(counted):
    x = backlight.tensor(3.0, requires_grad=True)
    y = counted(x)
    f = y * y + backlight.sin(y)
    f.backward()
    assert type(counted).calls == 1
    assert x.grad.item() == pytest.approx((2 * 9 + np.cos(9.0)) * 6, rel=1e-6)


def test_G13_a_users_gate_works_inside_any_model(counted):
    """Eight lines, which never see the graph; first and second order are checked."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.scores = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.scores(counted(self.hidden(x)))

    x, labels = backlight.randn(5, 3), np.array([0, 1, 1, 0, 1])
    net = Net()
    assert backlight.gradcheck(net, (x, labels), loss=backlight.cross_entropy).ok
    assert backlight.gradgradcheck(counted, np.array([0.5, -2.0])).ok
    assert nn.summary(net, (5, 3)).rows[-1].output_shape == (5, 2)


@pytest.mark.parametrize("seed", [0.0, 2.0, -1.0])
def test_G8_seed_zero_gives_zeros_and_seed_two_exactly_twice(seed):
    given = leaves(NEURON)
    Expression.parse("sigmoid(a*x + b*y + c)").evaluate(given).backward(seed)
    once = leaves(NEURON)
    Expression.parse("sigmoid(a*x + b*y + c)").evaluate(once).backward()
    assert {k: t.grad.item() for k, t in given.items()} == {
        k: seed * t.grad.item() for k, t in once.items()
    }


def test_G8_a_seed_written_as_a_number_keeps_its_digits():
    """0.1 in a float64 circuit is not the 0.1 of float32."""
    x = backlight.tensor(np.array(3.0), requires_grad=True)
    (x * 1.0).backward(0.1)
    assert x.grad.item() == 0.1
    _, pull = backlight.vjp(lambda v: v * 1.0, np.array([1.0, 2.0]))
    assert pull([0.1, 0.3])[0].tolist() == [0.1, 0.3]
    assert backlight.jvp(lambda v: v * 1.0, (np.array(3.0),), (0.1,))[1].item() == 0.1
    assert backlight.hvp(lambda v: (v * v / 2).sum(), np.ones(1), [0.1]).tolist() == [0.1]


def test_G8_G11_local_times_upstream_on_every_edge():
    """1/x in the folded-out neuron: local −0.534447, upstream 1."""
    x = backlight.tensor(np.array(1.3678794411714423), requires_grad=True)
    _, local = find("divide").backward(1.0, 1.0, x.detach().numpy(), 1 / x.detach().numpy())
    assert float(local()) == pytest.approx(-0.534447, abs=5e-7)
    (1 / x).backward(3.0)
    assert x.grad.item() == pytest.approx(3 * -0.534446645388523, rel=1e-14)


def test_G10_forks_add_up():
    """Of the staged example x gets three parts; any one alone, as "=" leaves it, is wrong."""
    given = leaves({"x": 3.0, "y": -4.0})
    x, y = given.values()
    uses = [backlight.gates.find("identity")(x) for _ in range(3)]
    for use in uses:
        use.retain_grad()
    f = (uses[0] + backlight.sigmoid(y)) / (backlight.sigmoid(uses[1]) + (uses[2] + y) ** 2)
    f.backward()
    parts = [use.grad.item() for use in uses]
    assert sum(parts) == pytest.approx(2.0595697956, abs=5e-11)
    assert x.grad.item() == pytest.approx(sum(parts), rel=1e-15)
    assert all(abs(part - 2.0595697956) > 0.4 for part in parts)
    assert parts[0] == pytest.approx(0.5121444488396316, rel=1e-14)
    assert parts[2] == pytest.approx(1.583186894545187, rel=1e-14)


def test_G10_staged_wire_by_wire():
    given = leaves({"x": 3.0, "y": -4.0})
    x, y = given.values()
    wires = {"sigy": backlight.sigmoid(y)}
    wires["num"] = x + wires["sigy"]
    wires["sigx"] = backlight.sigmoid(x)
    wires["xpy"] = x + y
    wires["xpysqr"] = wires["xpy"] ** 2
    wires["den"] = wires["sigx"] + wires["xpysqr"]
    wires["invden"] = 1.0 / wires["den"]
    f = wires["num"] * wires["invden"]
    for wire in wires.values():
        wire.retain_grad()
    f.backward()
    assert {k: w.item() for k, w in wires.items()} == pytest.approx(
        {
            "sigy": 0.01798620996209156,
            "num": 3.0179862099620918,
            "sigx": 0.9525741268224334,
            "xpy": -1,
            "xpysqr": 1,
            "den": 1.9525741268224333,
            "invden": 0.5121444488396316,
        },
        rel=1e-15,
    )
    slopes = {
        "num": 0.5121444488396316,
        "invden": 3.0179862099620918,
        "den": -0.7915934472725935,
        "sigx": -0.7915934472725935,
        "xpysqr": -0.7915934472725935,
        "xpy": 1.583186894545187,
        "sigy": 0.5121444488396316,
    }
    assert {k: wires[k].grad.item() for k in slopes} == pytest.approx(slopes, rel=1e-14)


def test_G12_without_gradients_nothing_is_kept():
    def held(recorded):
        x = backlight.tensor(1.0, requires_grad=recorded)
        middle = backlight.exp(x)
        kept = weakref.ref(middle)
        output = backlight.sin(middle)
        del middle
        gc.collect()
        alive = kept() is not None
        del output
        return alive

    assert held(recorded=True)
    assert not held(recorded=False)
    with backlight.no_grad():
        assert not held(recorded=True)


def test_G15_roles():
    roles = {name: find(name).role for name in ("add", "maximum", "multiply", "sigmoid", "step")}
    assert roles == {
        "add": Role.DISTRIBUTOR,
        "maximum": Role.ROUTER,
        "multiply": Role.SWITCHER,
        "sigmoid": Role.SQUASH,
        "step": Role.WALL,
    }


def test_G15_patterns_wire_by_wire():
    """2(xy + max(z, w)) at (3, −4, 2, −1): intermediates −12, 2, −10, all of gradient 2."""
    x, y, z, w = leaves({"x": 3.0, "y": -4.0, "z": 2.0, "w": -1.0}).values()
    product, largest = x * y, backlight.maximum(z, w)
    total = product + largest
    for wire in (product, largest, total):
        wire.retain_grad()
    f = 2 * total
    f.backward()
    assert [wire.item() for wire in (product, largest, total, f)] == [-12, 2, -10, -20]
    assert [wire.grad.item() for wire in (product, largest, total)] == [2, 2, 2]
    assert [t.grad.item() for t in (x, y, z, w)] == [-8, 6, 2, 0]


def test_G19_folded_and_unfolded_agree():
    for x in np.linspace(-6, 6, 25):
        one, other = (backlight.tensor(x, dtype="float64", requires_grad=True) for _ in range(2))
        folded, unfolded = backlight.sigmoid(one), find("sigmoid").parts(other)
        folded.backward()
        unfolded.backward()
        assert folded.item() == pytest.approx(unfolded.item(), abs=1e-15)
        assert one.grad.item() == pytest.approx(other.grad.item(), abs=1e-15)


def test_G20_slope_of_the_sigmoid():
    slope = backlight.grad(lambda x: backlight.sigmoid(x).sum())
    x = np.linspace(-8, 8, 161)
    s = np.asarray(backlight.sigmoid(x))
    np.testing.assert_allclose(np.asarray(slope(x)), s * (1 - s), rtol=1e-12)
    assert np.asarray(slope(x)).max() == 0.25 == np.asarray(slope(x))[80]
    assert round(float(backlight.sigmoid(1.0)), 10) == 0.7310585786
    assert round(slope(np.array(1.0)).item(), 10) == 0.1966119332


@pytest.mark.parametrize(
    "formula",
    ["x/y", "x**3 - 2*x", "exp(x)*log(y)", "sin(x*y)/(1+y**2)", "x**y", "tanh(x) - sqrt(y)"],
)
def test_G21_any_formula(formula):
    expression = Expression.parse(formula)
    given = {"x": 1.3, "y": 2.1}
    assert backlight.gradcheck(expression, tuple(given[name] for name in expression.names)).ok


CIRCUIT_STEPS = [
    (
        "(x+y)*z",
        {"x": -2.0, "y": 5.0, "z": -4.0},
        0.01,
        {"x": -2.04, "y": 4.96, "z": -3.97},
        -11.5924,
    ),
    ("x*y", {"x": -2.0, "y": 3.0}, 0.01, {"x": -1.97, "y": 2.98}, -5.8706),
    ("x*y", {"x": -2.0, "y": 3.0}, 1.0, {"x": 1.0, "y": 1.0}, 1.0),  # a page prints −1
]


@pytest.mark.parametrize(("formula", "given", "step", "after", "value"), CIRCUIT_STEPS)
def test_circuits_after_a_step_uphill(formula, given, step, after, value):
    inputs = leaves(given)
    circuit = Expression.parse(formula)
    circuit.evaluate(inputs).backward()
    moved = {name: t.item() + step * t.grad.item() for name, t in inputs.items()}
    assert moved == pytest.approx(after, rel=1e-12)
    assert circuit.evaluate(leaves(moved)).item() == pytest.approx(value, rel=1e-12)


def test_circuits_of_random_and_local_search():
    product = Expression.parse("x*y")
    for x, y, value in ((-1.99, 2.99, -5.9501), (-1.9928, 2.9901, -5.95867128)):
        assert product.evaluate(leaves({"x": x, "y": y})).item() == pytest.approx(value, rel=1e-12)
