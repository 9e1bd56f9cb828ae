"""Every gate is in the call of the layer that made it, also where a layer is called many times."""

import numpy as np

from backlight import nn, tensor
from backlight.explain import circuit
from tests.explain.circuit.drawn import data, residual


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.Tanh())

    def forward(self, x):
        h = self.layer(self.layer(x).relu()) * 2
        return self.inner(h), h


def test_gates_belong_to_the_innermost_call():
    made, _ = Twice()(data(2, 3))
    drawn = circuit(made.sum())
    said = [(node.gate.name, node.layer) for node in drawn.gates]
    assert said == [
        ("linear", "layer"),
        ("relu", ""),
        ("linear", "layer"),
        ("multiply", ""),
        ("linear", "inner.0"),
        ("tanh", "inner.1"),
        ("sum", ""),
    ]
    assert drawn.gates[-1].call == -1
    first, second = drawn.gates[0].call, drawn.gates[2].call
    assert first != second, "two calls of one layer are two"
    outer = drawn.calls[drawn.gates[4].call].around
    assert drawn.calls[outer].path == "inner"
    assert drawn.calls[drawn.calls[outer].around].description == "Twice"


def test_a_layer_with_several_outputs_holds_all_of_its_gates():
    for at in (0, 1):
        drawn = circuit(Twice()(data(2, 3))[at].sum())
        assert all(node.call >= 0 for node in drawn.gates[:-1])


def test_what_is_only_passed_on_belongs_to_its_maker():
    class Skip(nn.Module):
        def forward(self, x):
            return x

    made = nn.Linear(3, 2)(data(2, 3))
    drawn = circuit(nn.Sequential(Skip(), nn.Identity())(made * 3).sum())
    assert [node.call >= 0 for node in drawn.gates] == [True, False, False]


def test_calls_are_nested_in_time():
    drawn = residual(4)
    for number, call in enumerate(drawn.calls):
        assert call.begun < call.ended
        if call.around >= 0:
            around = drawn.calls[call.around]
            assert call.around < number
            assert around.begun < call.begun < call.ended <= around.ended


def test_a_history_without_layers_has_no_calls():
    x = tensor(np.ones(3), requires_grad=True)
    assert circuit((x * 2).sum()).calls == ()
