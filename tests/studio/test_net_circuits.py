"""Circuits of nets, Jacobians on request, the doctor's remarks and its look at the toy."""

import os

import numpy as np
import pytest

from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError, UsageError
from backlight.explain import circuit
from backlight.explain.jacobian_told import jacobian_told
from backlight.studio import jacobians, nets, toy_doctor
from backlight.studio.runs import remarks_of
from backlight.studio.work import Stopped
from backlight.train.page.record import Record


def test_a_net_is_folded_by_its_layers_and_opens(ask):
    found = ask("example.open", run="fresh", example=0)
    folded = {box["key"] for box in found["drawing"]["boxes"] if box["kind"] == "layer"}
    assert len(folded) == 6, "four convolutions and two linear layers; the net itself is open"
    assert found["count"] == 1
    assert found["picture"].startswith("data:image/png")
    first = next(iter(folded)).removeprefix("g")
    opened = ask("example.open", run="fresh", example=0, open=[first])
    assert sum(box["kind"] == "layer" for box in opened["drawing"]["boxes"]) == 5
    assert len(opened["drawing"]["boxes"]) > len(found["drawing"]["boxes"])


def test_every_parameter_has_the_gradient_that_backward_gives_it(ask):
    found = ask("example.open", run="fresh", example=0)
    net = ask.studio.held["example"].net
    loss = net.loss(net.module(Tensor(net.inputs[:1])), Tensor(net.labels[:1]))
    loss.backward()
    expected = {name: np.linalg.norm(p.grad.numpy()) for name, p in net.module.named_parameters()}
    net.module.zero_grad()
    assert {row["name"] for row in found["parameters"]} == set(expected)
    for row in found["parameters"]:
        assert row["gradient"] == pytest.approx(expected[row["name"]], rel=1e-4)


def test_a_parameter_is_told_why_and_a_gate_its_jacobian(ask):
    found = ask("example.open", run="fresh", example=0)
    weight = next(row["node"] for row in found["parameters"] if row["name"] == "0.weight")
    assert "conv2d (layer 0)" in ask("example.why", run="fresh", example=0, node=weight)
    drawn = ask.studio.held["example"].circuit
    relu = next(node.index for node in drawn.gates if node.gate.name == "relu")
    told = ask("example.jacobian", run="fresh", example=0, node=relu)
    assert "Structure: diagonal" in told
    assert "Forming it is refused: 4 GiB" in told
    assert ask("example.wires", run="fresh", example=0, node=relu)["picture"] is None


@pytest.mark.parametrize(
    "wrong", [{"example": 1}, {"example": -1}, {"example": "0"}, {"run": "../x"}, {"node": 10**6}]
)
def test_what_is_not_there_is_refused(ask, wrong):
    with pytest.raises(BacklightError):
        ask("example.wires", **({"run": "fresh", "example": 0, "node": 0} | wrong))


def test_a_net_that_goes_on_learning_is_loaded_anew(ask, tmp_path, monkeypatch):
    made = []

    def of_run(_ask, name):
        made.append(name)
        return nets.Net(
            name, None, None, *[np.zeros(1)] * 3, (), None, tmp_path, nets._stamp(tmp_path)
        )

    monkeypatch.setattr(nets, "_of_run", of_run)
    question = nets.Ask(ask.studio, "x", {"run": "one"})
    assert nets.loaded(question) is nets.loaded(question)
    os.utime(tmp_path, ns=(1, 1))
    nets.loaded(question)
    assert made == ["one", "one"]


def test_the_jacobian_of_a_gate_carries_what_really_comes_from_above(ask):
    given = {"formula": "sum((W@x)**2)", "inputs": {"W": [[1, 2], [3, 4]], "x": [1, 1]}}
    whole = ask("circuit.jacobian", **given)
    assert "upstream × Jacobian = [48, 68], the gradient that x gets" in whole
    drawn = circuit("sum((W@x)**2)", **given["inputs"])
    matmul = drawn.gates[0].index
    told = ask("circuit.jacobian", **given, node=matmul)
    assert told == jacobian_told(drawn, "en", gate=matmul)
    assert "upstream × Jacobian = [48, 68], the gradient that x gets" in told
    assert "(W@x)²" not in told, "of this gate alone"
    assert "야코비안" in ask("circuit.jacobian", language="ko", **given, node=matmul)


def test_a_jacobian_that_takes_too_long_is_refused_with_its_number(ask, monkeypatch):
    monkeypatch.setattr(jacobians, "MOST_PRODUCTS", 10)
    with pytest.raises(UsageError, match="about 12 products"):
        ask("circuit.jacobian", formula="x*y*x", inputs={"x": [1, 2, 3], "y": 2})
    assert "∂" in ask("circuit.jacobian", formula="x*y", inputs={"x": 1, "y": 2}, node=2)


def test_remarks_are_told_in_every_language_and_nonsense_is_left_out():
    record = Record("r")
    right = {"event": "remark", "step": 3, "kind": "dead", "about": "<b>", "share": 0.5}
    record.remarks = [
        right,
        right | {"kind": "title"},
        right | {"kind": "../x"},
        right | {"kind": 3},
        right | {"share": "half"},
        right | {"share": [1]},
        {"event": "remark"},
        right | {"about": "x" * 10_000, "step": None},
    ]
    told = remarks_of(record)
    assert [one["step"] for one in told] == [3.0, None]
    assert told[0]["said"]["en"].startswith("layer <b>: 50%")
    assert "50%" in told[0]["said"]["ko"]
    assert all(len(text) <= 300 for one in told for text in one["said"].values())


def test_an_examination_is_of_the_toy_as_it_is_and_changes_nothing(ask):
    ask("toy.make", points=30, hidden=[4], seed=3)
    for _ in range(3):
        ask("toy.step")
    toy = ask.studio.held["toy"].toy
    before = [weights.copy() for _, weights in toy.weights()]
    found = ask("toy.examine", language="ko")
    assert found["step"] == 3
    assert found["ok"]
    assert len(found["findings"]) > 20
    assert all(np.array_equal(a, b) for a, (_, b) in zip(before, toy.weights(), strict=True))


def test_an_examination_that_nobody_waits_for_ends(ask, monkeypatch):
    ask("toy.make", points=20, hidden=[2])
    question = nets.Ask(ask.studio, "toy.examine", {}, stopped=lambda: True)
    with pytest.raises(Stopped):
        toy_doctor.examined(question)
    monkeypatch.setattr(toy_doctor, "SECONDS", 0.0)
    with pytest.raises(UsageError, match="examination of over 0 s"):
        ask("toy.examine")
