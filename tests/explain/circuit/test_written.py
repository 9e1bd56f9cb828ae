"""JSON, DOT and LaTeX of a circuit."""

import json
import re

import numpy as np
import pytest

from backlight.explain import circuit
from backlight.explain.circuit.dot import dot
from backlight.explain.circuit.json_form import json_form
from backlight.explain.circuit.latex import latex
from tests.explain.circuit.lectures import CIRCUITS


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_json_has_every_number(formula, inputs, value, gradients):
    form = json.loads(json.dumps(json_form(circuit(formula, **inputs)), allow_nan=False))
    assert form["formula"] == formula
    np.testing.assert_allclose(form["nodes"][form["output"]]["value"], value, rtol=1e-6)
    known = {node["name"]: node["gradient"] for node in form["nodes"]}
    for name, gradient in gradients.items():
        np.testing.assert_allclose(known[name], gradient, rtol=2e-7, atol=1e-12)
    for node in form["nodes"]:
        for wire in node.get("wires", ()):
            assert form["nodes"][wire["source"]]["index"] == wire["source"]


def test_json_of_numbers_that_json_lacks():
    form = json_form(circuit("[1, -1]/x", x=[0, 0]))
    text = json.dumps(form, allow_nan=False, ensure_ascii=False)
    assert '["∞", "−∞"]' in text
    assert json_form(circuit("x*2", x=np.ones(20_000)))["nodes"][0]["value"] == {
        "length": pytest.approx(20_000**0.5)
    }


def test_json_of_attributes():
    form = json_form(circuit("sum(x, axis=[0, 1], keepdims=True)", x=[[1, 2]]))
    assert form["nodes"][1]["attributes"] == {"axis": [0, 1], "keepdims": True}


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_dot_joins_what_the_circuit_joins(formula, inputs, value, gradients):
    drawn = circuit(formula, **inputs)
    text = dot(drawn)
    edges = re.findall(r"n(\d+) -> n(\d+)", text)
    wires = [(i, node.index) for node in drawn.gates for i in node.inputs if i >= 0]
    assert sorted((int(a), int(b)) for a, b in edges) == sorted(wires)
    assert text.count("{") == text.count("}") == 1
    assert text.count("<table") == text.count("</table>") == len(wires) + 1


def test_dot_escapes():
    drawn = circuit("x<y", x=1, y=2)
    assert 'label="<"' in dot(drawn)
    assert "&lt;" not in dot(drawn).replace("label=<<", "")


@pytest.mark.parametrize(("formula", "inputs", "value", "gradients"), CIRCUITS)
def test_latex_balances(formula, inputs, value, gradients):
    text = latex(circuit(formula, **inputs))
    assert text.count("{") == text.count("}")
    assert text.count("\\left") == text.count("\\right")
    assert "−" not in text
    lines = text.splitlines()[1:-1]
    assert all(line.count("&") >= 1 for line in lines)
    assert all(line.endswith("\\\\") for line in lines[:-1])
    assert not lines[-1].endswith("\\\\")


TYPESET = [
    *[(formula, inputs) for formula, inputs, _, _ in CIRCUITS],
    ("x**(a+1)*(x+1)**2/(-x)", {"x": 2, "a": 1}),
    ("-(-2)*x**-3 - (x-(1-x))", {"x": -1.5}),
    ("x/0 + w_1*a_long_name_of_an_input*1e-9", {"x": 1, "w_1": 2, "a_long_name_of_an_input": 3}),
    ("(x > 0)*x + (x != y)*α - (y <= q4)*θ1", {"x": 1, "y": 2, "α": 3, "q4": 4, "θ1": 5}),
    ("max(x) + prod(x) - sum(abs(x))/sqrt(λ)", {"x": [1, 2], "λ": 2}),
    ("where(x > 0, log(x), softplus(x))", {"x": 2}),
]


@pytest.mark.parametrize(("formula", "inputs"), TYPESET)
def test_latex_is_read_by_a_typesetter(formula, inputs):
    """Matplotlib's reader knows the commands of a formula; the lines are set one by one."""
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    text = latex(circuit(formula, **inputs))
    assert text.isascii()
    body = text.removeprefix("\\begin{align*}\n").removesuffix("\n\\end{align*}\n")
    for line in body.split(" \\\\\n"):
        if "pmatrix" not in line:
            parser.parse(f"${line.replace('&', '')}$")


def test_names_in_latex_are_their_own():
    text = latex(circuit("q1*q1 + α", q1=2, α=1))
    assert "q'_{1} &= q_{1} \\cdot q_{1}" in text
    assert "+ \\alpha = 5.00" in text
    assert "x > 0" in latex(circuit("(x > 0)*x", x=2))
    long = latex(
        circuit("weight_of_the_second_hidden_layer*2", weight_of_the_second_hidden_layer=1)
    )
    assert "\\mathit{weight\\_of\\_the\\_second\\_hi\\ldots }" in long


def test_latex_says_the_chain_rule():
    text = latex(circuit("w0*x_1 + w0", w0=2, x_1=-3))
    assert "w_{0} \\cdot x_{1}" in text
    assert (
        "\\frac{\\partial f}{\\partial w_{0}} &= 1.00 \\cdot (-3.00) + 1.00 \\cdot 1.00 = -2.00"
        in text
    )
    assert "q_{1}^{2}" in latex(circuit("sum((W@x)**2)", W=[[1, 2]], x=[1, 2]))
    assert "\\infty" in latex(circuit("1/x", x=0))
    assert "\\mathit{weight\\_long}" in latex(circuit("weight_long*2", weight_long=1))
    assert "\\times" in latex(circuit("sum(x)", x=np.ones((10, 20))))
