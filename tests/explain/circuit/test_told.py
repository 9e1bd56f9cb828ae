"""Names, symbols, factors and tables: G8, G10, G11, G18–G22 and the worked examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight.errors import ArgumentError
from backlight.explain import circuit
from backlight.explain.circuit.account import account, walked
from backlight.explain.circuit.number import exact, label, length, memory, numbers
from backlight.explain.circuit.table import gate_table, input_table, table
from backlight.explain.circuit.told import (
    first_nonfinite,
    first_nonfinite_gradient,
    names,
    symbol,
    told_role,
    wires,
    written_on,
)
from backlight.explain.circuit.unfold import composite, unfolded
from backlight.explain.jacobian_told import jacobian_told
from tests.explain.circuit.lectures import (
    CIRCUITS,
    GATE_BY_GATE,
    GATE_BY_GATE_INPUTS,
    NEURON,
    NEURON_INPUTS,
    STAGED,
)


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_every_number_of_the_lectures(formula, inputs, value, gradients):
    drawn = circuit(formula, **inputs)
    np.testing.assert_allclose(drawn.nodes[drawn.output].value, value, rtol=1e-6)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(drawn.gradient(name), gradient, rtol=2e-7, atol=1e-12)
    opened = unfolded(drawn)
    np.testing.assert_allclose(
        opened.nodes[opened.output].value, drawn.nodes[drawn.output].value, rtol=1e-15
    )
    for name in gradients:
        np.testing.assert_allclose(
            opened.gradient(name), drawn.gradient(name), rtol=1e-14, atol=1e-15
        )


def test_sigmoid_gate_by_gate_from_the_top():
    """G19: ×, ×, +, +, ×−1, exp, +1, 1/x with the eight values and gradients."""
    drawn = circuit(GATE_BY_GATE, **GATE_BY_GATE_INPUTS)
    found = [
        (symbol(drawn, node.index), float(node.value), float(drawn.gradients[node.index]))
        for node in drawn.gates
    ]
    assert [sign for sign, _, _ in found] == ["×", "×", "+", "+", "×−1", "exp", "+1", "1/x"]
    values = [-2, 6, 4, 1, -1, 0.36787944117144233, 1.3678794411714423, 0.7310585786300049]
    gradients = [0.19661193324148188] * 4
    gradients += [-0.19661193324148188, -0.534446645388523, -0.534446645388523, 1]
    assert [value for _, value, _ in found] == pytest.approx(values, rel=1e-15)
    assert [gradient for _, _, gradient in found] == pytest.approx(gradients, rel=1e-14)
    last = wires(drawn, drawn.output)[0]
    assert float(last.local) == pytest.approx(-0.534447, abs=5e-7)  # G11


def test_a_seed_of_two_doubles_and_zero_stops():
    """G8."""
    once = circuit(NEURON, **NEURON_INPUTS)
    twice = circuit(NEURON, upstream=2, **NEURON_INPUTS)
    never = circuit(NEURON, upstream=0, **NEURON_INPUTS)
    for name in NEURON_INPUTS:
        assert twice.gradient(name) == 2 * once.gradient(name)
        assert never.gradient(name) == 0


def test_paths_add_up():
    """G10: what comes back at every use adds to the gradient."""
    staged = circuit(STAGED, x=3, y=-4)
    x = staged.find("x")
    shares = [staged.shares(gate)[wire] for gate, wire in staged.consumers[x.index]]
    assert len(shares) == 3
    assert sum(map(float, shares)) == pytest.approx(2.0595697956, rel=1e-9)
    assert float(circuit("a*a", a=3).gradient("a")) == 6


def test_factors_multiply_to_products():
    for formula, inputs, _, _ in CIRCUITS:
        drawn = circuit(formula, **inputs)
        for node in drawn.gates:
            for wire in wires(drawn, node.index):
                if wire.local is not None:
                    product = wire.local * drawn.gradients[node.index]
                    np.testing.assert_allclose(product, wire.product, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize(
    ("formula", "inputs", "called"),
    [
        (NEURON, NEURON_INPUTS, ["a·x", "b·y", "a·x+b·y", "a·x+b·y+c", "f"]),
        ("(x+y)*z", {"x": 1, "y": 2, "z": 3}, ["x+y", "f"]),
        ("x*(y-(z-1))", {"x": 1, "y": 2, "z": 3}, ["z−1", "y−(z−1)", "f"]),
        ("f*q1", {"f": 1, "q1": 2}, ["f′"]),
        ("-x**2", {"x": 1}, ["x²", "f"]),
        ("x*(x+1 > 0)", {"x": 1}, ["x+1", "x+1>0", "f"]),
        ("(-x)**2+0", {"x": 1}, ["−x", "(−x)²", "f"]),
        (
            "exp(alpha_long_name*beta_long_name)*2",
            {"alpha_long_name": 1, "beta_long_name": 1},
            ["q1", "exp(q1)", "f"],
        ),
    ],
)
def test_names(formula, inputs, called):
    drawn = circuit(formula, **inputs)
    assert [names(drawn)[node.index] for node in drawn.gates] == called


@pytest.mark.parametrize(
    ("formula", "sign"),
    [
        ("x*2", "×2"),
        ("2.5*x", "×2.50"),
        ("x+1", "+1"),
        ("x-1", "−1"),
        ("1-x", "1−x"),
        ("x/3", "/3"),
        ("3/x", "3/x"),
        ("1/x", "1/x"),
        ("x**2", "x²"),
        ("x**3", "x³"),
        ("x**0.5", "x^0.50"),
        ("2**x", "**"),
        ("x*-1", "×−1"),
        ("sigmoid(x)", "σ"),
        ("abs(x)", "|x|"),
        ("relu(x)", "relu"),
        ("x@[1]", "@"),
        ("max(x, 0)", "max"),
        ("x*x", "×"),
        ("x>0", ">0"),
        ("0>x", ">"),
    ],
)
def test_symbols(formula, sign):
    drawn = circuit(formula, x=[2.0] if "@" in formula else 2.0)
    assert symbol(drawn, drawn.output) == sign
    written = written_on(drawn, drawn.output)
    assert written is None or drawn.nodes[drawn.find(drawn.output).inputs[written]].value.ndim == 0


def test_scaling_by_a_constant_is_no_mixing():
    assert told_role(circuit("x/2", x=1), 2).name == "SCALER"
    assert told_role(circuit("x/y", x=1, y=2), 2).name == "MIXER"


@pytest.mark.parametrize(
    ("formula", "inputs", "made", "handed"),
    [
        ("x/y", {"x": 1, "y": 0}, "divide", "divide"),
        ("log(x)*0", {"x": 0}, "log", "log"),
        ("sqrt(x)", {"x": 0}, None, "sqrt"),
        ("exp(x)", {"x": 1000}, "exp", "exp"),
        ("1/x + 1/(x-x)", {"x": 2}, "divide", "divide"),
        ("x*y", {"x": 1, "y": 2}, None, None),
    ],
)
def test_where_it_stops_being_finite(formula, inputs, made, handed):
    drawn = circuit(formula, **inputs)
    value, gradient = first_nonfinite(drawn), first_nonfinite_gradient(drawn)
    assert (value and value.gate.name) == made
    assert (gradient and gradient[0].gate.name) == handed


@given(st.floats())
def test_labels_are_short_and_keep_the_sign(x):
    told = label(x)
    assert len(told) <= 7
    assert "-" not in told.partition("e")[0]
    if x == x:
        assert told.startswith("−") == (x < 0)
        assert told.startswith("−") or not exact(x).startswith("−") or x == 0


@given(st.floats(min_value=1e-4, max_value=9e4))
def test_labels_are_near(x):
    assert abs(float(label(x)) - x) <= 0.006 * x + 5.1e-5


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (0.9999999, "1.00"),
        (0.9999, "0.9999"),
        (1234.04, "1234"),
        (99.999, "100.0"),
        (999.99, "1000"),
        (99999.6, "1e5"),
        (-1.4e-300, "−1e-300"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (-0.0, "0.00"),
        (True, "true"),
    ],
)
def test_labels_at_the_edges(x, told):
    assert label(x) == told


def test_values_in_one_line():
    assert numbers(np.array([0.22, 0.26])) == "[0.22, 0.26]"
    assert numbers(np.zeros((0, 3))) == "[]"
    assert numbers(np.array([True, False])) == "[true, false]"
    assert numbers(np.full((7,), np.nan)) == "(7), length NaN"
    assert length(np.array([1e300, 1e300])) == pytest.approx(2**0.5 * 1e300)
    assert memory(4096**2 * 4) == "64 MiB"
    assert memory(409_600**2 * 4) == "625 GiB"


def test_tables_line_up_in_korean():
    from backlight.explain.circuit.boxes import cells

    drawn = circuit(NEURON, **NEURON_INPUTS)
    for language in ("en", "ko"):
        for told in (gate_table(drawn, language), input_table(drawn, language)):
            lines = told.splitlines()
            assert max(map(cells, lines)) == cells(lines[1])
    assert "그라디언트" in input_table(drawn, "ko")
    assert table(["a"], []) == "a\n─"


def test_the_table_has_every_factor():
    told = gate_table(circuit("2*(x*y + max(z,w))", x=3, y=-4, z=2, w=-1), "en")
    rows = [line.split() for line in told.splitlines()[2:]]
    assert rows[0] == ["x·y", "×", "−12", "2", "x", "−4", "−8", "switcher"]
    assert rows[1] == ["y", "3", "6"]
    assert rows[3] == ["w", "0", "0"]
    assert rows[-1][-1] == "switcher"


def test_a_gate_of_ones_own_is_told():
    from backlight.gates import TABLE
    from backlight.gates.family import Elementwise
    from backlight.gates.gate import Role

    class Softsign(Elementwise):
        """x / (1 + |x|)."""

        role = Role.SQUASH
        formula = "x / (1 + abs(x))"
        symbol = "∫"

        def forward(self, np, x):
            return x / (1 + np.abs(x))

        def backward(self, upstream, x, output):
            return (upstream * TABLE["square"](1.0 - abs(output)),)

    Softsign()
    try:
        drawn = circuit("softsign(x)", x=1)
        assert symbol(drawn, 1) == "∫"
        assert "squash" in gate_table(drawn, "en")
    finally:
        TABLE.pop("softsign")


def test_unfolding_is_a_frame_and_stops():
    drawn = circuit(NEURON, **NEURON_INPUTS)
    opened = unfolded(drawn)
    assert [symbol(opened, node.index) for node in opened.gates[-4:]] == ["×−1", "exp", "+1", "1/x"]
    assert opened.calls[-1].path == "σ"
    assert {node.layer for node in opened.gates[-4:]} == {"σ"}
    assert unfolded(opened) is opened
    assert not any(composite(node) for node in opened.nodes)
    deep = unfolded(circuit("silu(x)", x=1))
    assert [node.gate.name for node in deep.gates][-1] == "multiply"
    assert {call.path for call in deep.calls} == {"silu", "silu.σ"}


ODD = [
    ("abs(x > 0)*x", {"x": [1.0, -2.0]}),
    ("erf(x > 0) + x", {"x": [1.0, -2.0]}),
    ("x < y", {"x": 1.0, "y": 2.0}),
    ("(x < y)*x", {"x": 1.0, "y": 2.0}),
    ("softmax(x > 0)", {"x": [1.0, -2.0]}),
    ("abs(y)*tanh(x)", {"x": np.zeros((0, 3)), "y": [1.0, 2.0, 3.0]}),
    ("x@y", {"x": np.zeros((0, 3)), "y": [1.0, 2.0, 3.0]}),
    ("mean(log(x))", {"x": -np.ones((5, 5))}),
    ("abs(0.5/x)", {"x": np.zeros(3)}),
    ("sqrt(-1**x)", {"x": np.full((2, 2, 3, 3), 0.5)}),
    ("max(max(x)/(0.5 >= 2))", {"x": np.ones((2, 3))}),
]


@pytest.mark.parametrize(("formula", "inputs"), ODD)
def test_truth_values_empty_arrays_and_broken_numbers_are_told(formula, inputs):
    """Everything that is said, drawn and written, of what has no gradient or no number."""
    drawn = circuit(formula, **inputs)
    for language in ("en", "ko"):
        assert account(drawn, language=language)
        assert walked(drawn, language)
        assert jacobian_told(drawn, language)
        assert drawn.render("html", language=language, jacobian=True)
    for form in ("svg", "tex", "dot", "json"):
        assert drawn.render(form)
    assert unfolded(drawn).nodes


def test_unfolding_what_is_named():
    drawn = circuit("silu(x) + silu(2*x) + sigmoid(x)", x=1)

    def made(opened):
        return [node.gate.name for node in opened.gates]

    assert made(unfolded(drawn, ["silu"])).count("sigmoid") == 3
    inner = unfolded(drawn, ["silu", "σ"])
    assert made(inner) == made(unfolded(drawn))
    one = unfolded(drawn, ["silu(x)"])
    assert made(one).count("silu") == 1
    assert float(one.gradient("x")) == pytest.approx(float(drawn.gradient("x")), rel=1e-15)
    with pytest.raises(ArgumentError, match="silu"):
        unfolded(drawn, ["sylu"])
    with pytest.raises(ArgumentError, match="none"):
        unfolded(circuit("x*y", x=1, y=2), ["x"])


@pytest.mark.parametrize("formula", ["softmax(x)", "std(x)", "norm(x)", "gelu(x)", "logsumexp(x)"])
def test_unfolded_gates_compute_the_same(formula):
    drawn = circuit(formula, x=[0.3, -1.2, 2.0])
    opened = unfolded(drawn)
    assert len(opened) > len(drawn)
    np.testing.assert_allclose(
        opened.nodes[opened.output].value, drawn.nodes[drawn.output].value, rtol=1e-13
    )
    np.testing.assert_allclose(opened.gradient("x"), drawn.gradient("x"), rtol=1e-11, atol=1e-15)


def test_gates_behind_walls_are_there():
    """A history ends at a comparison; the circuit does not."""
    drawn = circuit("x*(floor(exp(x)*2) > y+1) + (y > 0)", x=1, y=2)
    made = [node.gate.name for node in drawn.gates]
    assert sorted(made) == sorted(
        ["exp", "multiply", "floor", "add", "greater", "multiply", "greater", "add"]
    )
    for node in drawn.nodes:
        assert all(source < node.index for source in node.inputs)
    assert float(drawn.gradient("x")) == 1
    assert drawn.gradient("y") is None
    assert [node.name for node in drawn.leaves if node.name] == ["x", "y"]
