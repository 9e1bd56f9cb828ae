"""A declaration is checked when it is made; a call's arguments become wires and constants."""

import copy
import pickle

import numpy as np
import pytest

import backlight as bl
from backlight.errors import ArgumentError, GateError, ShapeError
from backlight.gates import TABLE, find, gates
from backlight.gates.family import Elementwise, interval, outside
from backlight.gates.gate import Gate, Role


@pytest.fixture(autouse=True)
def table():
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


def declare(**parts):
    def forward(self, np, x):
        return x * 2

    def backward(self, upstream, x, output):
        return upstream * 2

    whole = {
        "__doc__": "Twice x.",
        "__module__": __name__,
        "role": Role.SCALER,
        "formula": "2 * x",
        "forward": forward,
        "backward": backward,
        **parts,
    }
    return type("Doubled", (Elementwise,), {k: v for k, v in whole.items() if v is not None})


def test_a_declaration_makes_a_gate_and_its_names():
    gate = declare(aliases=("twice",))()
    assert gate.name == "doubled"
    assert gate.inputs == ("x",)
    assert find("twice") is find("doubled") is gate
    assert gate(np.array([1.0])).tolist() == [2.0]
    assert "doubled" in repr(gate)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"role": None}, "without role"),
        ({"formula": None}, "without formula"),
        ({"formula": ""}, "without formula"),
        ({"__doc__": None}, "without a docstring"),
        ({"__doc__": "  "}, "without a docstring"),
        ({"forward": None}, "without forward"),
        ({"backward": None}, "without backward"),
        (
            {"backward": lambda self, upstream, y, output: upstream},
            r"backward\(upstream, x, output\)",
        ),
        ({"backward": lambda self, upstream, x: upstream}, r"backward\(upstream, x, output\)"),
        (
            {"backward": lambda self, x, upstream, output: upstream},
            r"backward\(upstream, x, output\)",
        ),
    ],
)
def test_an_incomplete_declaration_is_refused_at_birth(parts, words):
    with pytest.raises(GateError, match=words) as refusal:
        declare(**parts)()
    assert "oubled" in str(refusal.value)
    assert "doubled" not in TABLE


def test_families_have_no_instance_and_names_are_taken_once():
    with pytest.raises(GateError, match="family"):
        Elementwise()
    exp = type("Exp", (Elementwise,), dict(vars(declare()), __qualname__="Other"))
    with pytest.raises(GateError, match="another gate"):
        exp()


def test_a_wall_needs_no_rule():
    declare(role=Role.WALL, backward=None)()
    with pytest.raises(GateError, match="without shape"):
        Gate.shape(declare()())


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(GateError, match="'sigmoid'"):
        find("sigmoyd")


@pytest.mark.parametrize(
    "action", [copy.copy, copy.deepcopy, lambda gate: pickle.loads(pickle.dumps(gate))]
)
def test_a_gate_is_one(action):
    for gate in gates():
        assert action(gate) is gate


X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bl.sum(X, 1, True),
        lambda: bl.sum(X, axis=1, keepdims=True),
        lambda: bl.sum(X, dim=1, keepdim=True),
        lambda: bl.sum(x=X, axis=1, keepdims=True),
        lambda: bl.sum(X, 1, keepdims=True),
        lambda: bl.sum(X, [1], True),
        lambda: bl.sum(X, np.int64(1), True),
    ],
)
def test_constants_by_place_and_by_name(call):
    assert call().tolist() == [[3.0], [12.0]]


def test_wires_by_name():
    assert bl.subtract(y=1.0, x=3.0) == 2
    assert bl.where(X > 2, y=0.0, x=X).tolist() == np.where(X > 2, X, 0).tolist()
    weight, bias = np.ones((1, 1, 1, 1)), np.array([5.0])
    image = np.ones((1, 1, 1, 1))
    assert bl.conv2d(image, weight=weight, bias=bias).item() == 6
    assert bl.conv2d(image, weight).item() == 1
    assert bl.conv2d(image, weight, None, 1).item() == 1


def test_variadic_wires_one_by_one_or_as_a_list():
    for found in (
        bl.concatenate([X, X], 1),
        bl.concatenate([X, X], axis=1),
        bl.concatenate(X, X, axis=1),
        bl.concatenate((X, X), dim=1),
    ):
        assert found.shape == (2, 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bl.exp(), "exp got 0 inputs"),
        (lambda: bl.exp(X, X), "2 positional"),
        (lambda: bl.multiply(X), r"1 input\."),
        (lambda: bl.multiply(X, X, X), "3 positional"),
        (lambda: bl.sum(X, axes=1), "'axes'"),
        (lambda: bl.sum(X, 1, axis=1), "'axis'"),
        (lambda: bl.sum(X, 1, dim=1), "'dim'"),
        (lambda: bl.sum(X, 1, True, 3), "4 positional"),
        (lambda: bl.sum(X, x=X), "twice"),
        (lambda: bl.sum(), "0 inputs"),
        (lambda: bl.reshape(X), "no shape"),
        (lambda: bl.concatenate(X, X, axes=1), "'axes'"),
        (lambda: bl.tensor(X).sum(axes=1), "'axes'"),
        (lambda: bl.subtract(y=1.0), "gate subtract"),
    ],
)
def test_calls_that_cannot_be_sorted(call, words):
    with pytest.raises(GateError, match=words):
        call()


@pytest.mark.parametrize("gate", list(gates()), ids=lambda gate: gate.name)
def test_every_gate_refuses_an_unknown_argument_and_missing_inputs(gate):
    sample = next(iter(gate.samples()))
    with pytest.raises(GateError, match=gate.name):
        gate(*sample.inputs, **sample.attributes, colour="red")
    if not gate.variadic:
        with pytest.raises(GateError, match=gate.name):
            gate()


def test_domains_are_read():
    assert interval("0 <= x <= 1") == (0.0, 1.0, None)
    values = np.array([-1.0, 0.0, 0.5, 1.0, np.nan])
    assert outside("0 < x < 1", values).tolist() == [True, True, False, True, False]
    assert outside("x != 0", values).tolist() == [False, True, False, False, False]
    assert not outside("", values).any()


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, -2), 1.5, True, "rows", [0, 2]])
def test_axes_that_are_none(axis):
    for gate in (bl.sum, bl.mean, bl.max, bl.var, bl.norm, bl.logsumexp, bl.argmax, bl.any):
        with pytest.raises((ShapeError, ArgumentError), match=gate.name):
            gate(bl.tensor(X), axis=axis)
