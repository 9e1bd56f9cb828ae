"""Compiled code under check: right code passes, planted faults are caught and named."""

import numpy as np
import pytest

import backlight
from backlight import nn, optim, tensor
from backlight.check import check_step, gradcheck
from backlight.engine import random
from backlight.errors import ArgumentError, CompileCheckError
from backlight.native import pipeline
from backlight.native.lowering import lower
from backlight.native.lowering.loops import Node

KIND = np.dtype(np.float32)


class Training:
    """A small training step with everything that a check must leave as it was."""

    def __init__(self, *layers, rule=optim.SGD, **options):
        backlight.manual_seed(3)
        self.net = nn.Sequential(*(layers or (nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 5))))
        self.rule = rule(self.net.named_parameters(), **(options or {"lr": 0.1, "momentum": 0.9}))
        self.loss = nn.CrossEntropyLoss()

    def __call__(self, x, y):
        loss = self.loss(self.net(x), y)
        self.rule.zero_grad()
        loss.backward()
        self.rule.step()
        self.rule.zero_grad()
        return loss

    def bits(self):
        state = {name: value.numpy().tobytes() for name, value in self.net.state_dict().items()}
        slots = repr(self.rule.state_dict())
        return state, slots, random.default.state_dict()


def batch(shape=(8, 6)):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return tensor(x), tensor(np.arange(shape[0]) % 5)


def number(value):
    return Node("constant", [], (), KIND, {"value": value})


def scaled(node, factor):
    wide = number(factor)
    if node.shape:
        wide = Node("expand", [wide], node.shape, KIND)
    return Node("multiply", [node, wide], node.shape, node.dtype, {}, node.origin)


def plant(monkeypatch, name, change, *, nth=0):
    """From now on the compiler lowers the nth use of a gate wrongly."""
    right, seen, whole = lower.lower_gate, {}, pipeline.lower_graph

    def anew(*given):
        seen.clear()
        return whole(*given)

    def wrong(gate, wires, attributes, *more):
        made = right(gate, wires, attributes, *more)
        if gate.name != name:
            return made
        seen[name] = seen.get(name, -1) + 1
        return change(made, wires) if nth in (None, seen[name]) else made

    monkeypatch.setattr(lower, "lower_gate", wrong)
    monkeypatch.setattr(pipeline, "lower_graph", anew)


# ── what is right ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_a_right_step_passes_and_nothing_is_advanced(rule):
    training = Training(
        nn.Linear(6, 5),
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(5, 5),
        rule=rule,
        lr=0.01,
    )
    step = backlight.compile(training)
    step(*batch())
    before = training.bits()
    found = check_step(step, batch())
    assert found, str(found)
    assert len(found.rows) > 8
    assert found.slopes
    assert all(slope.ok for slope in found.slopes)
    assert training.bits() == before
    assert not found.unchecked


def test_checked_and_unchecked_steps_leave_the_same_bits():
    bits = []
    for check in (True, False):
        backlight.manual_seed(5)
        training = Training(nn.Linear(6, 5), nn.Dropout(0.5))
        training.net[0].weight.fill_(0.25)
        training.net[0].bias.fill_(0.5)
        step = backlight.compile(training, check=check, check_every=2 if check else None)
        for _ in range(5):
            step(*batch())
        bits.append(training.bits())
    assert bits[0] == bits[1]


def test_every_so_many_calls():
    step = backlight.compile(Training(), check=True, check_every=3)
    heard = []
    step.listen = heard.append
    for _ in range(7):
        step(*batch())
    assert len(heard) == 3
    assert all(heard)
    once = backlight.compile(lambda x: x * 2, check=True, check_every=0)
    once.listen = heard.append
    for _ in range(50):
        once(tensor([1.0]))
    assert len(heard) == 4


def test_the_cost_decides_when_to_look_again():
    step = backlight.compile(Training(), check=True)
    step(*batch())
    watch = step.program.watch
    assert watch._left * watch._step >= watch.seconds * 50


def test_a_function_of_python_and_of_whole_numbers():
    @backlight.compile(check=True)
    def both(x, k):
        return (x > 0).sum(), x.argmax(), k + 1, x.mean()

    found = both(tensor([[1.0, -2.0], [3.0, 0.5]]), tensor([1, 2]))
    assert int(found[0].item()) == 3


def test_what_takes_too_long_is_told():
    step = backlight.compile(Training())
    found = check_step(step, batch(), budget=1e-9)
    assert found.ok
    assert found.unchecked
    assert "not checked" in str(found)


def test_a_detached_path_is_no_mistake_and_is_told():
    weight = tensor([2.0, 3.0], requires_grad=True, name="weight")

    def step(x):
        loss = (weight * weight.detach() * x).sum()
        loss.backward()
        return loss

    found = check_step(backlight.compile(step), [tensor([1.0, 2.0])])
    assert found.ok
    assert any("detached" in one for one in found.unchecked)


def test_bad_input():
    with pytest.raises(ArgumentError, match="compiled function"):
        check_step(lambda x: x, [1.0])
    for bad in ({"check": "yes"}, {"check": -1.0}, {"check_every": 1.5}, {"check_every": -1}):
        with pytest.raises(ArgumentError, match="check"):
            backlight.compile(lambda x: x, **bad)


# ── planted faults ─────────────────────────────────────────────────────────────────────────

FAULTS = {
    "sign of a product": ("matmul", lambda made, _: scaled(made, -1.0), 1, "matmul", "sign"),
    "1/N missing": ("divide", lambda _, wires: wires[0], 0, "divide", "8 times too large"),
    "mask missing": ("where", lambda _, wires: wires[2], 0, "where", "mask"),
    "half an update": (
        "subtract",
        lambda made, _: scaled(made, 1.001),
        0,
        "subtract",
        "1.001 times",
    ),
    "forward": ("relu", lambda _, wires: wires[0], 0, "relu", "mask"),
    "nothing": ("sum_to", lambda made, _: scaled(made, 0.0), 0, "sum_to", "zeros"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_named(monkeypatch, fault):
    name, change, nth, gate, mistake = FAULTS[fault]
    training = Training()
    before = training.bits()[::2]  # slots of zeros are made by the trace
    plant(monkeypatch, name, change, nth=nth)
    step = backlight.compile(training, check=True)
    with pytest.raises(CompileCheckError) as caught:
        step(*batch())
    told = str(caught.value)
    assert f"gate {gate}" in told, told
    assert "test_compiled.py:" in told
    assert mistake in told, told
    assert "no-compile" in told
    assert training.bits()[::2] == before


def test_a_transposed_product_is_called_that(monkeypatch):
    plant(
        monkeypatch,
        "matmul",
        lambda made, _: Node("transpose", [made], made.shape, KIND, {"axes": (1, 0)}),
        nth=None,
    )
    weight = tensor(np.random.default_rng(1).normal(size=(4, 4)), requires_grad=True)
    step = backlight.compile(lambda x: x.float() @ weight.float())
    found = check_step(step, [tensor(np.random.default_rng(2).normal(size=(4, 4)))])
    assert not found
    assert found.mistake == "transposed"


def test_a_layer_is_named_by_its_path(monkeypatch):
    plant(monkeypatch, "linear", lambda made, _: scaled(made, 1.5), nth=1)
    found = check_step(backlight.compile(Training()), batch())
    assert not found
    assert "gate linear (2, " in found.culprit


def test_a_fault_after_the_first_call_is_found(monkeypatch):
    training = Training()
    step = backlight.compile(training, check=True, check_every=2)
    step(*batch())
    program = step.program.program
    right = program.run

    def wrong(*given, **named):
        code = right(*given, **named)
        program._block[:] = 7  # memory that someone else has written into
        return code

    monkeypatch.setattr(program, "run", wrong)
    step(*batch())
    with pytest.raises(CompileCheckError):
        step(*batch())


def test_a_wrong_rule_is_found_by_the_slope():
    from backlight.gates.family import Elementwise
    from backlight.gates.gate import TABLE, Role

    class Doubled(Elementwise):
        """x², with half its gradient."""

        role = Role.SCALER
        formula = "x**2"

        def forward(self, np, x):
            return x * x

        def backward(self, upstream, x, output):
            return (upstream * x,)

    doubled = Doubled()
    del TABLE["doubled"]
    weight = tensor([1.0, -2.0, 3.0], requires_grad=True, name="weight")

    def step(x):
        loss = (doubled(weight) * x).sum()
        loss.backward()
        return loss

    compiled = backlight.compile(step, check=True)
    with pytest.raises(CompileCheckError, match="gradient rules") as caught:
        compiled(tensor([1.0, 2.0, 0.5]))
    assert "gradcheck" in str(caught.value)
    assert weight.grad is None


# ── compiled gradients against differences ─────────────────────────────────────────────────


def test_compiled_gradients_of_a_model_agree_with_differences():
    net = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.3), nn.Linear(6, 3)
    )
    x = np.random.default_rng(0).normal(size=(5, 4))
    report = gradcheck(
        net, (x, np.arange(5) % 3), loss=nn.CrossEntropyLoss(), compiled=True, samples=3
    )
    assert report, str(report)
    assert "compiled" in report.title


def test_compiled_second_order():
    assert gradcheck(
        lambda x, y: x * backlight.exp(y) + backlight.tanh(x * y),
        ([1.0, 2.0], [0.5, -1.0]),
        compiled=True,
        order=2,
    )


def test_a_wrong_compiled_gradient_fails(monkeypatch):
    plant(
        monkeypatch,
        "cos",
        lambda made, _: Node("negative", [made], made.shape, made.dtype, {}, made.origin),
        nth=None,
    )
    report = gradcheck(backlight.sin, np.array([0.3, 0.7, 1.1]), compiled=True)
    assert not report
    assert report.worst.mistake == "the sign"


def test_a_wrong_compiled_value_is_told(monkeypatch):
    plant(
        monkeypatch,
        "sin",
        lambda made, _: Node("negative", [made], made.shape, made.dtype, {}, made.origin),
        nth=None,
    )
    with pytest.raises(CompileCheckError, match="not compiled"):
        gradcheck(backlight.sin, np.array([0.3, 0.7]), compiled=True)
