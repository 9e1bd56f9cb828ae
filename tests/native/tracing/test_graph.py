"""The graph as data: its printed form, what it needs, what it means."""

from __future__ import annotations

import numpy as np
import pytest

import backlight
from backlight import nn, tensor
from backlight.errors import GraphError
from backlight.native.tracing import pytree
from backlight.native.tracing.graph import Constant, Origin, interpret
from backlight.native.tracing.host_number import HostNumber
from backlight.native.tracing.trace import trace


def test_a_graph_is_printed_a_line_a_node_with_layers_and_lines():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    traced = trace(model, [tensor([[1.0, 2.0]])])
    text = str(traced.graph)
    assert "%0 = argument input : float32 (1, 2)" in text or "%0 = argument x" in text
    assert "= tensor 0.weight : float32 (3, 2)" in text
    assert "%4 = relu(%3) : float32 (1, 3)" in text
    (line,) = [line for line in text.splitlines() if "linear(" in line]
    assert "# 0, test_graph.py:" in line
    assert text.splitlines()[-1] == "return %4"


def test_constants_and_settings_are_printed():
    def function(x):
        return backlight.clip(x, 0.5, None) * 2.0 + tensor([1.0, 1.0, 1.0])

    text = str(trace(function, [tensor([1.0, 2.0, 3.0])]).graph)
    assert "clip(%0; low=0.5, high=None)" in text
    assert "multiply(%1, 2)" in text
    assert "constant 1 : float32 (3,)" in text


def test_equal_numbers_are_one_number_stretched():
    traced = trace(lambda x: x + np.ones((100, 100)), [tensor(1.0)])
    (constant,) = [n.leaf for n in traced.graph.nodes if isinstance(n.leaf, Constant)]
    assert constant.value.shape == (100, 100)
    assert not any(constant.value.strides)


def test_gradients_name_the_layer_whose_they_are():
    model = nn.Linear(2, 3)

    def function(x):
        model(x).exp().sum().backward()

    nodes = trace(function, [tensor([[1.0, 2.0]])]).graph.nodes
    assert any(str(n.origin).startswith("gradient of") for n in nodes)
    assert str(Origin("conv1", "/models/model.py", 31, True)) == "gradient of conv1, model.py:31"


def test_what_nothing_needs_is_left_out_of_needed():
    traced = trace(lambda x: (x.exp(), x.sum())[1], [tensor([1.0])])
    assert [n.title() for n in traced.graph.needed()] == ["argument x", "sum"]
    assert [n.title() for n in traced.graph.nodes] == ["argument x", "exp", "sum"]


def test_interpreting_refuses_a_leaf_without_numbers():
    graph = trace(lambda x: x + 1, [tensor([1.0])]).graph
    with pytest.raises(GraphError, match="argument x"):
        interpret(graph.outputs, {}, graph.nodes)
    (value,) = interpret(graph.outputs, {graph.nodes[0]: np.ones(2, np.float32)}, graph.nodes)
    assert value.tolist() == [2.0, 2.0]


def test_guards_notice_modes_hooks_types_and_settings():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    x = tensor([[1.0, 2.0]])
    traced = trace(model, [x])

    def held():
        return traced.guards_hold([x])

    assert held()
    model.eval()
    assert not held()
    model.train()
    assert held()
    model[1].training = False
    assert not held()
    model[1].training = True
    model.requires_grad_(False)
    assert not held()
    model.requires_grad_(True)
    with model[0].register_forward_hook(lambda *_: None):
        assert not held()
    assert held()
    model.double()
    assert not held()
    model.float()
    assert held()
    with backlight.no_grad():
        assert not held()
    nn.Linear(3, 3).requires_grad_(False)  # another model's business
    assert held()


@pytest.mark.parametrize(
    ("name", "value"), [("weight_decay", 0.1), ("eps", 1e-4), ("betas", (0.5, 0.9))]
)
def test_guards_notice_settings_of_a_rule_but_not_its_rate(name, value):
    w = tensor([1.0], requires_grad=True)
    optimizer = backlight.optim.Adam([w], lr=0.1)

    def step():
        w.grad = None
        (w * w).sum().backward()
        optimizer.step()

    traced = trace(step)
    optimizer.param_groups[0]["lr"] = 0.5
    assert traced.guards_hold()
    optimizer.param_groups[0][name] = value
    assert not traced.guards_hold()


def test_elements_are_assigned_as_eagerly():
    def function(x):
        y = x * 2
        y[0] = 5.0
        y[:, 1] = x[:, 0]
        y[..., -1] = 9
        y[np.array([0, 0]), np.array([0, 0])] = tensor([1.0, 2.0])
        y[[1]] = 3.5
        y[y > 4] = 0.0
        return y

    x = tensor([[1.0, 2.0, 7.0], [3.0, 4.0, 8.0]])
    assert trace(function, [x])(x).tolist() == function(x).tolist()


def test_attributes_of_modules_are_set_after_each_call():
    class Remembering(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("hidden", backlight.zeros(1, 2))
            self.last = None

        def forward(self, x):
            self.hidden = x + self.hidden
            self.last = self.hidden * 2
            self.size = x.shape[1]
            return self.hidden

    x = tensor([[1.0, 2.0]])
    eager, model = Remembering(), Remembering()
    before = model.hidden
    traced = trace(model, [x])
    assert model.hidden is before
    assert model.last is None
    assert not hasattr(model, "size")
    for _ in range(3):
        if not traced.guards_hold([x]):
            traced = trace(model, [x])
        assert traced(x).tolist() == eager(x).tolist()
    assert model.state_dict()["hidden"].tolist() == eager.state_dict()["hidden"].tolist()
    assert (model.last.tolist(), model.size) == (eager.last.tolist(), 2)


def test_a_change_through_data_and_detach_is_a_change():
    def function(w):
        alias = w.detach()
        alias.mul_(2.0)
        w.data = w + 1.0
        return w * 1.0, alias * 1.0

    first, second = tensor([1.0, 2.0]), tensor([1.0, 2.0])
    expected = [one.tolist() for one in function(first)]
    assert [one.tolist() for one in trace(function, [second])(second)] == expected
    assert first.tolist() == second.tolist() == [3.0, 5.0]


def test_numbers_of_the_host_compute_as_python_does():
    rate = HostNumber("lr", lambda: 0.1)
    assert (1 - rate * 0.01).ask() == 1 - 0.1 * 0.01
    assert (2 / rate**2 + rate - -rate).ask() == 2 / 0.1**2 + 0.1 - -0.1
    assert abs(-rate).ask() == 0.1


def test_structures_tell_places_from_values():
    x, y = np.ones(1), np.ones(1)
    assert pytree.flatten((x, x))[1] != pytree.flatten((x, y))[1]
    assert pytree.flatten((x, 1))[1] != pytree.flatten((x, True))[1]
    assert pytree.flatten([x])[1] != pytree.flatten((x,))[1]
    assert pytree.flatten({"a": x})[1] != pytree.flatten({"b": x})[1]
    assert pytree.names({"x": [x, {"k": y}]}) == ["x[0]", "x[1]['k']"]


def test_a_function_that_freezes_and_frees_its_model_keeps_its_graph():
    model = nn.Linear(2, 2)

    def function(x):
        model.requires_grad_(False)
        y = model(x)
        model.requires_grad_(True)
        return y

    x = tensor([[1.0, 2.0]])
    traced = trace(function, [x])
    for _ in range(2):
        assert traced.guards_hold([x])
        assert traced(x).tolist() == function(x).tolist()
    assert model.weight.requires_grad
