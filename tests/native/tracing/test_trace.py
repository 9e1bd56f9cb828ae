"""Tracing: the graph, interpreted, does to the bit what the function does eagerly."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import backlight
import backlight.nn.functional as F
from backlight import nn, optim, tensor
from backlight.engine import random
from backlight.gates.gate import find, gates
from backlight.gates.reduction import sum as total
from backlight.native.tracing.trace import trace

X = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
IMAGES = np.random.default_rng(1).standard_normal((5, 3, 8, 8)).astype(np.float32)
SEQUENCE = np.random.default_rng(2).standard_normal((7, 5, 8)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 1])


class _Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(8, 6, num_layers=2, dropout=0.2)
        self.scores = nn.Linear(6, 4)

    def forward(self, x):
        return self.scores(self.recurrent(x)[0][-1])


MODELS = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4)),
        X,
    ),
    "convnet": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(0.2),
            nn.Flatten(),
            nn.Linear(64, 4),
        ),
        IMAGES,
    ),
    "mean of batches": (
        lambda: nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16, momentum=None), nn.LayerNorm(16), nn.Linear(16, 4)
        ),
        X,
    ),
    "lstm": (_Reader, SEQUENCE),
}
RULES = {
    "descent": lambda p: optim.GradientDescent(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "dampening": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.2),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
}


class _Training:
    """A model, a rule and their step, always built the same."""

    def __init__(self, model, rule, dtype=np.float32, extra=None):
        backlight.manual_seed(3)
        build, data = MODELS[model]
        self.model = build().to(dtype)
        self.data = tensor(data.astype(dtype)), tensor(LABELS)
        self.optimizer = RULES[rule](self.model.named_parameters())
        self.extra = extra(self) if extra else None
        backlight.manual_seed(5)

    def step(self, x, labels):
        loss = F.cross_entropy(self.model(x), labels)
        self.optimizer.zero_grad()
        loss.backward()
        if self.extra:
            self.extra()
        self.optimizer.step()
        return loss

    def everything(self):
        """All numbers that a step may change, as bytes."""
        found = {name: value.numpy() for name, value in self.model.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            found |= {f"{index} {slot}": np.asarray(value) for slot, value in slots.items()}
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                found[f"grad {name}"] = parameter.grad.numpy()
        found["random"] = np.array(list(random.default.state_dict().values()))
        return {name: (value.dtype, value.tobytes()) for name, value in found.items()}


def _same_steps(make, count=3):
    eager = make()
    expected = [eager.step(*eager.data).item() for _ in range(count)]
    want = eager.everything()
    training = make()
    before = training.everything()
    traced = trace(training.step, training.data)
    assert training.everything() == before
    found = []
    for _ in range(count):
        assert traced.guards_hold(training.data)
        found.append(traced(*training.data).item())
    assert found == expected
    assert training.everything() == want
    return traced


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("model", MODELS)
def test_three_steps_are_the_eager_ones_to_the_bit(model, dtype):
    _same_steps(lambda: _Training(model, "momentum", dtype))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_followed_to_the_bit(rule):
    _same_steps(lambda: _Training("mlp", rule), count=4)


@pytest.mark.parametrize(
    "extra",
    [
        lambda t: lambda: optim.clip_grad_norm_(t.model.named_parameters(), 0.1),
        lambda t: lambda: optim.clip_grad_norm_(t.model.parameters(), 1e9),
        lambda t: lambda: optim.clip_grad_norm_(t.model.parameters(), 0.01, float("inf")),
        lambda t: lambda: optim.clip_grad_value_(t.model.parameters(), 0.01),
        lambda t: lambda: optim.max_norm_(t.model.parameters(), 0.5),
    ],
    ids=["norm", "norm not reached", "largest", "value", "max norm"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_is_part_of_the_step(extra, dtype):
    _same_steps(lambda: _Training("mlp", "adam", dtype, extra))


def test_an_average_of_parameters_moves_with_the_step():
    averages = []

    def extra(training):
        averages.append(optim.ExponentialMovingAverage(training.model.parameters(), 0.5))
        return averages[-1].update

    _same_steps(lambda: _Training("mlp", "momentum", extra=extra))
    eager, compiled = averages
    assert eager.updates == compiled.updates == 3
    for mine, theirs in zip(eager.averages, compiled.averages, strict=True):
        assert np.array_equal(mine, theirs)


def test_averaged_parameters_are_used_in_a_block_and_put_back():
    w = tensor([1.0, 2.0], requires_grad=True)
    average = optim.ExponentialMovingAverage([w], 0.5)
    w.fill_(5.0)

    def predict(x):
        with average.applied():
            inside = w * x
        return inside, w * x

    traced = trace(predict, [tensor([1.0, 1.0])])
    w.fill_(7.0)
    inside, outside = traced(tensor([1.0, 1.0]))
    assert (inside.tolist(), outside.tolist()) == ([1.0, 2.0], [7.0, 7.0])
    assert w.tolist() == [7.0, 7.0]


@pytest.mark.parametrize("inside", [False, True])
def test_schedules_are_honoured_at_each_call(inside):
    def run(compiled):
        w = tensor([1.0, 2.0], requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1)
        schedule = optim.LambdaLR(optimizer, lambda step: 0.5**step)

        def step(x):
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()
            if inside:
                schedule.step()

        call = trace(step, [tensor([1.0, -3.0])]) if compiled else step
        assert (optimizer.param_groups[0]["lr"], schedule.last_step) == (0.1, 0)
        for _ in range(4):
            call(tensor([1.0, -3.0]))
            if not inside:
                schedule.step()
        return w.tolist(), schedule.last_step

    assert run(compiled=True) == run(compiled=False)


def test_two_steps_in_one_call_count_both():
    def run(rule, compiled):
        w = tensor([1.0, 2.0], requires_grad=True)
        optimizer = rule([w])

        def step(x):
            for _ in range(2):
                loss = ((w * x) ** 2).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return loss

        call = trace(step, [tensor([0.5, 1.5])]) if compiled else step
        return [call(tensor([0.5, 1.5])).item() for _ in range(3)], w.tolist()

    for rule in (RULES["adam"], RULES["dampening"], RULES["descent"]):
        assert run(rule, True) == run(rule, False)


def test_gradients_accumulate_and_what_they_were_is_a_condition():
    def make():
        w = tensor([1.0, 2.0], requires_grad=True)

        def step(x):
            ((w * x) ** 2).sum().backward()

        return w, step

    x = tensor([0.5, 1.5])
    w, step = make()
    step(x)
    step(x)
    expected = w.grad.tolist()
    w, step = make()
    first = trace(step, [x])
    assert w.grad is None
    assert first.guards_hold([x])
    first(x)
    assert not first.guards_hold([x])
    second = trace(step, [x])
    second(x)
    assert w.grad.tolist() == expected
    assert second.guards_hold([x])
    w.grad = None
    assert not second.guards_hold([x])


def test_a_gradient_that_is_set_to_none_is_not_needed():
    w = tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step(x):
        (w * x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    x = tensor([1.0, 1.0])
    traced = trace(step, [x])
    for _ in range(3):
        assert traced.guards_hold([x])
        traced(x)
    assert w.grad is None
    assert w.tolist() == pytest.approx([0.7, 1.7])


def test_an_image_ascends_in_place():
    def ascend(image):
        score = (image * image).sum()
        score.backward()
        with backlight.no_grad():
            image += 0.1 * image.grad
        image.grad = None
        return score

    eager, compiled = (tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    traced = trace(ascend, [compiled])
    assert compiled.tolist() == [1.0, 2.0]
    assert compiled.grad is None
    for _ in range(3):
        assert traced(compiled).item() == ascend(eager).item()
    assert compiled.tolist() == eager.tolist()
    assert compiled.grad is None


CUBE = {
    "jacobian": lambda x: backlight.jacobian(lambda y: (y * y).sum() * y, x),
    "hessian": lambda x: backlight.hessian(lambda y: (y * y * y).sum(), x),
    "hvp": lambda x: backlight.hvp(lambda y: (y * y * y).sum(), x, [1.0, 2.0]),
    "vjp": lambda x: backlight.vjp(lambda y: y.exp() * y, x)[1](tensor([1.0, 2.0]))[0],
    "jvp": lambda x: backlight.jvp(lambda y: y.exp() * y, (x,), ([1.0, 2.0],))[1],
    "grad": lambda x: backlight.grad(lambda y: (y * y * y).sum())(x),
    "value and grad": lambda x: backlight.value_and_grad(lambda y: (y * y * y).sum())(x),
    "grad of grad": lambda x: backlight.grad(
        lambda y: backlight.grad(lambda z: (z * z * z).sum())(y).sum()
    )(x),
}


@pytest.mark.parametrize("name", CUBE)
def test_derivatives_are_traced(name):
    function = CUBE[name]
    traced = trace(function, [tensor([1.0, 1.0])])
    point = tensor([0.3, -2.0])
    found, expected = traced(point), function(point)
    for mine, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)),
                            strict=True):  # fmt: skip
        assert mine.tolist() == theirs.tolist()


def _both(gate, sample, kind, level):
    """A gate's output, gradients and gradients of gradients; traced, and eagerly."""
    raw = [None if x is None else np.asarray(x) for x in sample.inputs]
    raw = [x.astype(kind) if x is not None and x.dtype.kind == "f" else x for x in raw]

    def fresh():
        return [
            None if x is None else tensor(x, requires_grad=level > 0 and x.dtype.kind == "f")
            for x in raw
        ]

    def function(*wires):
        output = gate(*wires, **sample.attributes)
        if not output.requires_grad:
            return [output]
        above = np.linspace(0.5, 1.5, output.size).reshape(output.shape).astype(output.dtype)
        wanted = [x for x in wires if x is not None and x.requires_grad]
        slopes = backlight.grad(output, wanted, above, create_graph=True)
        curved = [total(slope * slope) for slope in slopes if slope.requires_grad]
        if level < 2 or not curved:
            return [output, *slopes]
        whole = curved[0]
        for other in curved[1:]:
            whole = whole + other
        return [output, *slopes, *backlight.grad(whole, wanted)]

    return function(*fresh()), trace(function, fresh())(*fresh())


def _has_mask(sample):
    return "mask" in sample.attributes.get("key", ())


@pytest.mark.parametrize("gate", list(gates()), ids=lambda gate: gate.name)
def test_every_gate_is_traced_with_its_first_two_derivatives(gate):
    for sample in gate.samples():
        for kind, level in (("f", 0), ("f", 1), ("d", 2)):
            if _has_mask(sample) and level:
                continue  # what a mask chooses has a size that depends on values
            eager, traced = _both(gate, sample, kind, level)
            for mine, theirs in zip(traced, eager, strict=True):
                a, b = np.asarray(mine._value), np.asarray(theirs._value)
                assert (a.dtype, a.shape) == (b.dtype, b.shape), str(sample)
                assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), str(sample)


def test_draws_are_the_eager_ones_and_tracing_draws_none():
    def noisy(x):
        return x + backlight.randn(2, 2) + backlight.rand(2, 2), backlight.randint(0, 9, (4,))

    x = tensor(np.zeros((2, 2), np.float32))
    backlight.manual_seed(9)
    expected = [[one.tolist() for one in noisy(x)] for _ in range(3)]
    backlight.manual_seed(9)
    traced = trace(noisy, [x])
    assert random.default.count == 0
    assert [[one.tolist() for one in traced(x)] for _ in range(3)] == expected


def test_a_captured_array_is_read_at_each_call_and_a_fresh_one_is_a_constant():
    data = np.arange(6.0).reshape(3, 2)

    def function(x):
        return x @ data.T + np.ones(3), x * tensor([1.0, 2.0])

    x = tensor([[1.0, 2.0]])
    traced = trace(function, [x])
    data[...] = 7.0
    assert [one.tolist() for one in traced(x)] == [one.tolist() for one in function(x)]
    assert "constant" in str(traced.graph)


def test_arguments_and_results_nest():
    def function(batch, scale, *, flag=True):
        assert flag
        return {"y": (batch["x"] * scale, [batch["more"][0] + 1, "text", None])}

    batch = {"x": tensor([1.0]), "more": [np.array([2.0])]}
    traced = trace(function, [batch, 3], {"flag": True})
    result = traced({"x": tensor([5.0]), "more": [np.array([7.0])]}, 3, flag=True)
    assert result["y"][0].tolist() == [15.0]
    assert (result["y"][1][0].tolist(), *result["y"][1][1:]) == ([8.0], "text", None)
    with pytest.raises(backlight.errors.GraphError, match="structure"):
        traced(batch, 4, flag=True)


def test_a_result_that_is_a_given_or_captured_tensor_is_that_tensor():
    w = tensor([1.0])
    x = tensor([2.0])
    traced = trace(lambda x: (x, w, x * w), [x])
    first, second, _ = traced(x)
    assert first is x
    assert second is w


def test_other_threads_compute_eagerly_meanwhile():
    stop = threading.Event()
    wrong = []

    def work():
        y = tensor([2.0], requires_grad=True)
        while not stop.is_set():
            z = y * 3
            z.backward()
            if z.item() != 6.0 or y.grad.item() != 3.0:
                wrong.append(z)
            y.grad = None

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(20):
            traced = trace(lambda x: (x * 3).sum() + 1, [tensor([1.0])])
            assert sum(node.gate is not None for node in traced.graph.nodes) == 3
    finally:
        stop.set()
        worker.join()
    assert not wrong


def test_a_long_loop_is_traced_in_little_time():
    w = tensor(np.eye(2, dtype=np.float32), requires_grad=True)

    def function(x):
        for _ in range(3000):
            x = (x @ w + 1.0).tanh()
        x.sum().backward()

    began = time.perf_counter()
    traced = trace(function, [tensor([[1.0, 2.0]])], twice=False)
    seconds = time.perf_counter() - began
    count = len(traced.graph.nodes)
    assert count > 20_000
    assert seconds / count < 200e-6  # measured: 12 µs; the machine of a test may be busy


def test_checks_refuse_a_step_that_is_not_finite_and_change_nothing():
    training = _Training("mlp", "adam")
    traced = trace(training.step, training.data)
    traced(*training.data)
    before = training.everything()
    bad = training.data[0].numpy().copy()
    bad[0, 0] = np.nan
    with pytest.raises(backlight.errors.NonFiniteError, match=r"Adam.*0\.weight"):
        traced(tensor(bad), training.data[1])
    after = training.everything()
    after["random"] = before["random"]  # a key was drawn, as eagerly
    assert after == before


def test_gate_lookup_is_not_needed_to_trace_a_users_gate():
    from backlight.gates.family import Elementwise
    from backlight.gates.gate import TABLE, Role

    class Quartic(Elementwise):
        """x⁴."""

        role = Role.SCALER
        formula = "x**4"

        def forward(self, np, x):
            return x * x * x * x

        def backward(self, upstream, x, output):
            return (upstream * 4 * x * x * x,)

    quartic = Quartic()
    try:
        slope = trace(backlight.grad(lambda x: quartic(x).sum()), [tensor([1.0])])
        assert slope(tensor([2.0])).tolist() == [32.0]
        assert find("quartic") is quartic
    finally:
        TABLE.pop("quartic")


@pytest.mark.parametrize("twice", [False, True])
def test_what_the_function_makes_is_new_in_each_call(twice):
    def function(x):
        table = backlight.zeros(3)
        table[0] = x
        count = backlight.as_tensor([0.0])
        count += 1
        return table, backlight.tensor([1.0, 2.0]).fill_(7.0), count, backlight.ones(2)

    traced = trace(function, [tensor(1.0)], twice=twice)
    first = traced(tensor(4.0))
    second = traced(tensor(5.0))
    for value, results in ((4.0, first), (5.0, second)):
        assert [one.tolist() for one in results] == [
            [value, 0.0, 0.0],
            [7.0, 7.0],
            [1.0],
            [1.0, 1.0],
        ]
    assert not any(a is b for a, b in zip(first, second, strict=True))
    assert not traced.graph.writes


def test_an_array_made_anew_and_changed_is_new_in_each_call():
    def function(x):
        table = backlight.as_tensor(np.zeros(3, np.float32))
        table[0] = x
        return table

    traced = trace(function, [tensor(1.0)])
    first, second = traced(tensor(4.0)), traced(tensor(5.0))
    assert (first.tolist(), second.tolist()) == ([4.0, 0.0, 0.0], [5.0, 0.0, 0.0])


def test_a_table_made_when_first_needed_is_kept():
    class Lazy(nn.Module):
        table = None

        def forward(self, x):
            if self.table is None:
                self.table = tensor([1.0, 2.0])
            return x * self.table

    model = Lazy()
    traced = trace(model, [tensor([3.0, 3.0])])
    assert model.table is None
    assert traced(tensor([3.0, 3.0])).tolist() == [3.0, 6.0]
    assert model.table.tolist() == [1.0, 2.0]
    model.table.fill_(5.0)
    assert traced(tensor([1.0, 2.0])).tolist() == model(tensor([1.0, 2.0])).tolist()
