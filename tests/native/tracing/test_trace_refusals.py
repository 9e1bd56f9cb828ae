"""What cannot be compiled is refused in words, with the line and what to write instead."""

from __future__ import annotations

import copy
import pickle
import random as python_random
import re
import time

import numpy as np
import pytest

import backlight
import backlight.nn.functional as F
from backlight import nn, optim, tensor
from backlight.engine import random, tracing
from backlight.errors import GraphError, ShapeError, TraceError
from backlight.native.tracing.trace import trace

W = tensor([[1.0, 0.5], [0.25, 2.0]], requires_grad=True)
PLAIN = tensor([[1.0, 2.0], [3.0, 4.0]])


def _x():
    return tensor([[1.0, 2.0], [3.0, 4.0]])


def _branch(x):
    return x if x.sum() > 0 else -x


VALUES = {
    "if": (_branch, r"decision on its value.*where\(condition"),
    "while": (lambda x: [1 for _ in iter(lambda: bool(x.sum()), False)], "decision"),
    "and": (lambda x: x.sum() and 1, "decision"),
    "max": (lambda x: max(x[0, 0], x[0, 1]), "decision"),
    "sorted": (lambda x: sorted(x[0]), "decision"),
    "float": (lambda x: float(x.sum()), r"float\(\).*Return the tensor"),
    "int": (lambda x: int(x.sum()), r"int\(\)"),
    "complex": (lambda x: complex(x.sum()), "complex|float"),
    "item": (lambda x: x.sum().item(), r"item\(\)"),
    "tolist": (lambda x: x.tolist(), r"tolist\(\)"),
    "numpy": (lambda x: x.numpy(), r"numpy\(\)"),
    "asarray": (lambda x: np.asarray(x), "NumPy array"),
    "float32": (lambda x: np.float32(x.sum()), "NumPy array|float"),
    "range": (lambda x: list(range(x.sum().long())), r"range\(x.shape"),
    "list index": (lambda x: [1, 2, 3][x.sum().long()], "take"),
    "format": (lambda x: f"{x.sum():.3f}", "printed number"),
    "copy": (lambda x: copy.deepcopy(x), "clone"),
    "pickle": (lambda x: pickle.dumps(x), "pickle"),
    "dlpack": (lambda x: np.from_dlpack(x.detach()), "another library|numpy"),
    "inverse": (lambda x: np.linalg.inv(x), "numpy.inv.*backlight"),
    "nonzero": (lambda x: np.nonzero(x), "numpy.nonzero.*where"),
    "unique": (lambda x: np.unique(x), "numpy.unique"),
    "allclose": (lambda x: backlight.allclose(x, x), "allclose"),
    "one_hot": (lambda x: F.one_hot(x.long()), r"int\(\)"),
    "captured item": (lambda x: x * W[0, 0].item(), r"item\(\)"),
    "captured float": (lambda x: x * float(PLAIN.sum()), r"float\(\)"),
    "captured tolist": (lambda x: x * PLAIN.tolist()[0][0], r"outside got tolist\(\).*fixed"),
    "captured numpy": (lambda x: x * np.asarray(PLAIN), "NumPy array"),
    "mask": (lambda x: x[x > 0], r"mask.*where\(mask"),
    "captured mask": (lambda x: x[np.array([True, False])], "flatnonzero"),
    "constant": (lambda x: backlight.clip(x, x.sum(), 3.0), "constant 'low'"),
    "seed": (lambda x: backlight.manual_seed(3), "seed"),
    "order": (lambda x: backlight.randperm(3), "random order"),
    "view": (lambda x: x[0].add_(1.0), "in place of a view"),
    "masked assignment": (lambda x: (x * 1).__setitem__(x > 1, x), "assignment to elements"),
    "memory": (lambda x: nn.Linear(2, 2).double(), "writes into memory"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_refused_with_the_line_and_the_remedy(name):
    function, words = VALUES[name]
    with pytest.raises(TraceError) as caught:
        trace(function, [_x()])
    text = str(caught.value).replace("\n", " ")
    assert re.search(words, text), text
    assert "test_trace_refusals.py:" in text
    assert not tracing.tracers


def test_the_line_named_is_the_users():
    with pytest.raises(TraceError, match=rf"py:{_branch.__code__.co_firstlineno + 1}:"):
        trace(_branch, [_x()])


def test_printing_is_safe_and_says_that_there_is_no_value(capsys):
    def function(x):
        print(x, repr(x.sum()), f"{x}")
        return x

    trace(function, [_x()], twice=False)
    assert capsys.readouterr().out.count("no value while compiling") == 3


def test_what_leaked_is_refused_by_name():
    kept = []
    trace(lambda x: kept.append(x * 2), [_x()], twice=False)
    assert "ended" in repr(kept[0])
    for use in (
        lambda: kept[0].tolist(),
        lambda: kept[0] * 3,
        lambda: 3 - kept[0],
        lambda: (kept[0] + _x()).sum(),
        lambda: backlight.relu(kept[0]).sum(),
        lambda: np.asarray(kept[0]),
        lambda: bool(kept[0].sum()),
        lambda: trace(lambda x: x + kept[0], [_x()]),
    ):
        with pytest.raises(TraceError, match=r"gate multiply .*Return it from the function"):
            _flat(use)


def _flat(use):
    try:
        use()
    except TraceError as error:
        raise TraceError(str(error).replace("\n", " "), got="", needs="", remedy="") from None


def _growing():
    kept = []

    def function(x):
        kept.append(1)
        return x * len(kept)

    return function


def _switching():
    state = {"on": False}

    def function(x):
        state["on"] = not state["on"]
        return x.exp() if state["on"] else x.tanh()

    return function


def _longer():
    kept = []

    def function(x):
        kept.append(1)
        for _ in kept:
            x = x * 2
        return x

    return function


IMPURE = {
    "numpy number": (lambda x: x * np.random.rand(), "takes the number"),
    "numpy array": (lambda x: x * np.random.randn(2, 2), "other numbers"),
    "python": (lambda x: x + python_random.random(), "takes the number"),  # noqa: S311
    "clock": (lambda x: x * time.perf_counter(), "takes the number"),
    "list": (_growing(), "takes the number 1 in one run and 2"),
    "switch": (_switching(), "is gate tanh"),
    "length": (_longer(), "multiply"),
    "shape": (lambda x: backlight.zeros(python_random.randrange(10**9) % 10**6), "shape|numbers"),  # noqa: S311
}


@pytest.mark.parametrize("name", IMPURE)
def test_a_function_that_differs_from_run_to_run_is_refused(name):
    function, words = IMPURE[name]
    with pytest.raises(TraceError, match=words) as caught:
        trace(function, [_x()])
    assert "test_trace_refusals.py" in str(caught.value)


def test_a_python_counter_of_a_module_is_refused_and_put_back():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0

        def forward(self, x):
            self.count += 1
            return x * 2

    model = Counting()
    with pytest.raises(TraceError, match="'count' of Counting"):
        trace(model, [_x()])
    assert model.count == 0


def test_histories_from_outside_and_two_ways_to_one_tensor_are_refused():
    inside = W * 2
    with pytest.raises(TraceError, match="history"):
        trace(lambda x: x * inside, [_x()])
    x = _x()
    with pytest.raises(TraceError, match="argument 'y'"):
        trace(lambda y: y * x, [x])
    with pytest.raises(TraceError, match="trace inside"):
        trace(lambda x: trace(lambda y: y, [x]), [_x()])


def test_views_of_one_memory_are_refused_where_one_is_written():
    whole = tensor([1.0, 2.0, 3.0])
    part = whole[1:]

    def function():
        whole.add_(1.0)
        return part * 2

    with pytest.raises(TraceError, match="shares memory"):
        trace(function)
    assert trace(lambda: whole + part.sum())().tolist() == [6.0, 7.0, 8.0]


def test_a_view_taken_before_a_change_is_refused_after_it():
    def function(x):
        y = x * 2
        part = y[0]
        y.add_(1.0)
        return part * 2

    with pytest.raises(TraceError, match="changed in place after the view"):
        trace(function, [_x()])


def test_a_backward_pass_over_a_changed_value_is_refused_as_eagerly():
    w = tensor([1.0], requires_grad=True)

    def function(x):
        loss = (x * w * w).sum()
        with backlight.no_grad():
            w.add_(1.0)
        loss.backward()

    with pytest.raises(GraphError, match="changed in place"):
        trace(function, [tensor([2.0])])
    assert w.tolist() == [1.0]
    assert w.grad is None
    (w * 3).sum().backward()  # what eager gates remembered of w is still good
    assert w.grad.tolist() == [3.0]


def test_steps_that_look_at_the_loss_are_refused():
    w = tensor([1.0], requires_grad=True)
    rule = optim.LBFGS([w])
    with pytest.raises(TraceError, match="LBFGS"):
        trace(lambda: rule.step(lambda: (w * w).sum()))


def test_rules_that_decide_by_the_rate_are_refused():
    class Deciding(optim.Optimizer):
        def __init__(self, params, lr=0.1, **options):
            super().__init__(params, {"lr": lr}, options)

        def rule(self, w, g, slots, s):
            return (w - g if s.lr > 0.5 else w - s.lr * g), {}

    w = tensor([1.0], requires_grad=True)
    w.grad = tensor([1.0])
    rule = Deciding([w])
    with pytest.raises(TraceError, match="decision on lr"):
        trace(rule.step)


def test_wrong_shapes_are_refused_in_the_words_of_the_layer():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3))
    with pytest.raises(ShapeError, match=r"1 \(Linear 4→3\).*3 features"):
        trace(model, [tensor(np.zeros((2, 4), np.float32))])
    with pytest.raises(ShapeError, match="matmul"):
        trace(lambda x: x @ tensor(np.ones((3, 3))), [_x()])


def test_everything_is_put_back_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model.register_buffer("memory", backlight.zeros(2, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    kept = model.memory
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    count = random.default.count

    def function(x):
        model.eval()
        model.train()
        y = model(x)
        model.memory = y.detach()
        model.last = y
        model[0].requires_grad_(False)
        model[0].requires_grad_(True)
        y.sum().backward()
        optimizer.step()
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        trace(function, [_x()])
    assert {name: value.tolist() for name, value in model.state_dict().items()} == state
    assert model.memory is kept
    assert model._buffers["memory"] is kept
    assert not hasattr(model, "last")
    assert model.training
    assert random.default.count == count
    assert not optimizer.state
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not tracing.tracers


def test_arguments_that_cannot_be_compared_are_refused():
    with pytest.raises(TraceError, match="type set"):
        trace(lambda x, s: x, [_x(), {1, 2}])
