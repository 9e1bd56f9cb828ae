"""`backlight check`: what it takes, what it prints, and with which code it exits."""

import json
import textwrap

import pytest

from backlight.cli.main import run
from tests.cli.command import refused

GATE = '''
import numpy as np
import backlight as bl
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role

class BadCube(Elementwise):
    """x³ with a gradient that is {told}."""
    role = Role.SCALER
    formula = "x**3"
    def forward(self, np, x):
        return x * x * x
    def backward(self, upstream, x, output):
        return (upstream * 3 * x * x * {factor},)

bad = BadCube()
del TABLE["bad_cube"]

def case():
    return bad, np.array([1.0, 2.0])

def function(x, y):
    return (bl.exp(x) * y).sum()

def model():
    from backlight import nn
    bl.manual_seed(0)
    return nn.Linear(3, 2), (np.ones((2, 3)), np.array([0, 1])), nn.CrossEntropyLoss()

def nothing():
    return 3
'''


@pytest.fixture
def file(tmp_path):
    def write(factor="1", text=None):
        path = tmp_path / "mine.py"
        path.write_text(
            textwrap.dedent(text) if text is not None else GATE.format(factor=factor, told=factor)
        )
        return str(path)

    return write


def test_neuron(capsys):
    assert run(["check", "sigmoid(a*x + b*y + c)", "a=1", "b=2", "c=-3", "x=-1", "y=3"]) == 0
    shown = capsys.readouterr().out
    assert "0.3149808" in shown
    assert "−0.1049936" in shown
    assert "5 happy" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["-x*y", "x=-2", "y=3"],
        ["sum((W@x)**2)", "W=[[1, 2], [3, 4]]", "x=[1, -1]", "--order", "2"],
        ["max(x, 0)", "x=0"],
        ["sum(x*y)", "x=[-2, 1]", "y=[3, 4]", "--sum"],
        ["sigmoid"],
        ["maximum"],
        ["Linear"],
        ["LSTM"],
        ["Embedding"],
        ["nn.BatchNorm2d"],
        ["nn.CrossEntropyLoss"],
        ["svm", "--samples", "2"],
        ["mlp", "--samples", "1", "--burn-in", "2", "--examples", "2"],
        ["convnet", "--samples", "1", "--seed", "3"],
    ],
)
def test_right_gradients(arguments, capsys):
    assert run(["check", *arguments]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("factor", "named"),
    [
        ("2", "twice too large"),
        ("-1", "the sign"),
        ("1.001", "a factor of 1.001"),
        ("(1 + 1e-5)", "a factor of 1.00001"),
    ],
)
def test_wrong_gradients(file, capsys, factor, named):
    assert run(["check", file(factor) + ":case"]) == 1
    shown = capsys.readouterr().out
    assert "A gradient is wrong." in shown
    assert named in shown


def test_json(file, capsys):
    assert run(["check", file("2") + ":case", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["rows"][0]["verdict"] == "wrong"
    assert run(["check", "sigmoid", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "gates": {"sigmoid": []}}
    assert run(["check", "log(x)", "x=0", "--json"]) == 0
    json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(word))


def test_functions_and_models_of_a_file(file, capsys):
    assert run(["check", file() + ":function", "x=[1, 2]", "y=3"]) == 0
    assert "y" in capsys.readouterr().out
    assert run(["check", file() + ":model"]) == 0
    assert "weight" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to check"),
        (["sigmoif"], "Did you mean 'sigmoid'?"),
        (["x*z", "x=3"], "z"),
        (["x*", "x=3"], "^ here"),
        (["x", "x=abc"], "input x"),
        (["2+3"], "without names"),
        (["x", "x=1", "--order", "3"], "from 1 to 2"),
        (["mlp", "--samples", "0"], "--samples"),
        (["--all-gates", "x"], "Leave one"),
        (["nowhere.py:f"], "no such file"),
        (["x", "x=1", "--ordr", "2"], "Did you mean '--order'?"),
        (["mlp", "--smaples", "3"], "Did you mean '--samples'?"),
        (["mlp", "--smaples=3"], "unknown option '--smaples'"),
        (["Linaer"], "Did you mean 'Linear'?"),
        (["nn.linaer"], "Did you mean 'linear'?"),
        (["nn.Maxout"], "file.py:function"),
    ],
)
def test_misuse(arguments, said, capsys):
    assert run(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nothing", None, "(function, inputs)"),
        ("modle", None, "model"),
        ("f", "1/0", "ZeroDivisionError"),
        ("f", "def (", "SyntaxError"),
    ],
)
def test_misuse_of_a_file(file, capsys, name, text, said):
    assert run(["check", f"{file(text=text)}:{name}"]) == 2
    assert said in capsys.readouterr().err


MISTAKES = """
import numpy as np
import backlight as bl
from backlight import nn

def value(x):
    raise ValueError("a mistake of mine")

def attribute(x):
    return x.nosuch

def wrong_type(x):
    return len(3)

def leave(x):
    raise SystemExit(3)

def two(x, w):
    return x * w

def number(x):
    return 3.0

def stops():
    return {}["key"]

def no_labels():
    return nn.Linear(3, 2), (np.ones((2, 3)),), nn.MSELoss()

def too_many():
    return two, (1.0, 2.0, 3.0)

layer = nn.Linear(3, 2)

class Net(nn.Linear):
    pass
"""


@pytest.mark.parametrize(
    ("name", "inputs", "said"),
    [
        ("value", ["x=1"], "ValueError in line 7: a mistake of mine"),
        ("attribute", ["x=1"], "AttributeError in line 10"),
        ("wrong_type", ["x=1"], "TypeError in line 13"),
        ("leave", ["x=1"], "SystemExit in line 16"),
        ("two", ["x=1"], "no value for w"),
        ("two", [], "x=… w=…"),
        ("two", ["x=1", "v=2"], "a value for v"),
        ("number", ["x=1"], "no floating tensor"),
        ("stops", [], "KeyError in line 25"),
        ("no_labels", [], "the labels"),
        ("too_many", [], "TypeError"),
        ("layer", [], "x=…"),
        ("Net", ["x=1"], "it = Net()"),
        ("MISSING", ["x=1"], "no 'MISSING'"),
    ],
)
def test_mistakes_in_a_file_are_told_as_its_own(file, name, inputs, said):
    path = file(text=MISTAKES)
    told = refused("check", f"{path}:{name}", *inputs, words=(said, "mine.py" if inputs else said))
    assert "Backlight's" not in told


def test_layers_and_gates_of_a_file(file, capsys):
    assert run(["check", file(text=MISTAKES) + ":layer", "x=[[1, 2, 3]]"]) == 0
    assert "weight" in capsys.readouterr().out
    assert run(["check", file() + ":bad", "x=1.5"]) == 0
    assert "6.75" in capsys.readouterr().out
    assert run(["check", file("2") + ":bad", "x=1.5"]) == 1
    assert "twice too large" in capsys.readouterr().out
    refused("check", file() + ":bad", "y=1.5", words=("a value for y",))
    assert run(["check", file("2") + ":bad"]) == 1


def test_random_weights_are_told_and_can_be_ones(capsys):
    assert run(["check", "x*x", "x=[1, 2, 3]"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "The gradient of Σ uᵢ·yᵢ with random weights u = [" in told
    assert "--sum" in told
    assert run(["check", "x*x", "x=[1, 2, 3]", "--sum", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {row["analytic"] for row in shown["rows"]} == {2.0, 4.0, 6.0}
    assert shown["weighting"] == "The gradient of Σ yᵢ, the sum of all results."
    assert run(["check", "x*x", "x=[1, 2, 3]", "--sum"]) == 0
    assert "--sum" not in capsys.readouterr().out
    assert run(["check", "x*x", "x=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["weighting"] == ""


def test_an_input_outside_a_domain_is_told(capsys):
    assert run(["check", "log(x)", "x=-1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["verdict"] == "not checked: outside the domain"
    assert row["outside"] == "outside the domain of log: x = -1; it needs x > 0"
    assert run(["check", "x**2", "x=-1"]) == 0
    assert "1 happy" in capsys.readouterr().out
    assert run(["check", "log(x)", "x=-1"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "outside the domain" in told
    assert "noisy" not in told
    assert run(["check", "x/y", "x=1", "y=0"]) == 0
    assert "y = 0" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_all_gates(capsys, monkeypatch):
    """The whole table is checked in tests/gates; here, that a broken gate is told."""
    from backlight.check import every_gate
    from backlight.gates import find

    gates = [find("add"), find("multiply")]
    monkeypatch.setattr("backlight.gates.gates", lambda: iter(gates))
    assert run(["check", "--all-gates"]) == 0
    assert "2 of 2 gates keep" in capsys.readouterr().out
    monkeypatch.setattr(
        find("multiply"), "backward", lambda u, x, y, o: (u * x, u * x), raising=False
    )
    assert every_gate.check_gate("multiply")
    assert run(["check", "--all-gates"]) == 1
    assert "multiply" in capsys.readouterr().out


def test_compiled_gradients(capsys, monkeypatch):
    assert run(["check", "tanh(a*x)", "a=2", "x=0.3", "--compiled", "--order", "2"]) == 0
    assert run(["check", "nn.Linear", "--compiled"]) == 0
    assert run(["check", "sigmoid", "--compiled"]) == 0
    assert "compiled sigmoid" in capsys.readouterr().out
    refused("check", "--all-gates", "--compiled", words=("--compiled",))
    refused("check", "argmax", "--compiled", words=("gradient",))

    from backlight.native.lowering import lower
    from backlight.native.lowering.loops import Node

    right = lower.lower_gate

    def wrong(gate, wires, attributes, *more):
        made = right(gate, wires, attributes, *more)
        if gate.name != "sin":
            return made
        return Node("negative", [made], made.shape, made.dtype, {}, made.origin)

    monkeypatch.setattr(lower, "lower_gate", wrong)
    assert run(["check", "sin(x)", "x=0.3", "--compiled"]) == 1
    assert "when it is not compiled" in capsys.readouterr().err
    assert run(["check", "cos(x)", "x=0.3", "--compiled"]) == 1
    assert "A gradient is wrong" in capsys.readouterr().out
