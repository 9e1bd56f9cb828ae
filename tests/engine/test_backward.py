"""The backward pass: what it adds up, what it refuses, how deep, how fast, and what it leaves."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import DTypeError, GateError, GraphError, ShapeError
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role


def leaf(data, dtype=np.float64):
    return bl.tensor(np.array(data, dtype), requires_grad=True)


def test_a_value_used_twice_receives_both_gradients():
    x = leaf(3.0)
    (x * x + x * 5).backward()
    assert x.grad.item() == 11


def test_gradients_accumulate_until_they_are_forgotten():
    x = leaf([1.0, 2.0])
    for times in (1, 2, 3):
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2.0 * times] * 2
    x.zero_grad()
    assert x.grad is None


def test_an_output_used_by_two_paths():
    x = leaf([0.3, -0.4])
    h = x.tanh()
    ((h * h).sum() + h.exp().sum()).backward()
    t = np.tanh([0.3, -0.4])
    np.testing.assert_allclose(x.grad.numpy(), (2 * t + np.exp(t)) * (1 - t * t), rtol=1e-14)


def test_upstream_is_given_for_several_numbers():
    x = leaf([[1.0, 2.0]])
    (x * x).backward([[10, 100]])
    assert x.grad.tolist() == [[20.0, 400.0]]
    assert x.grad.dtype == np.float64


@pytest.mark.parametrize(
    ("gradient", "error", "words"),
    [
        (None, GraphError, r"2 numbers, shape \(2,\)"),
        ([1.0, 2.0, 3.0], ShapeError, r"\(3,\)"),
        (np.array(["a", "b"]), DTypeError, "elements of type"),
        (np.array([1j, 0]), DTypeError, "complex"),
        ([[1.0], [2.0]], ShapeError, r"\(2, 1\)"),
    ],
)
def test_an_upstream_that_does_not_fit(gradient, error, words):
    with pytest.raises(error, match=words):
        (leaf([1.0, 2.0]) * 2).backward(gradient)


def test_a_gradient_by_hand_that_is_not_finite_is_taken():
    x = leaf([1.0, 2.0])
    (x * 2).backward([np.nan, 1.0])
    assert np.isnan(x.grad.tolist()[0])
    assert x.grad.tolist()[1] == 2


def test_of_a_constant():
    with pytest.raises(GraphError, match="history"):
        bl.tensor(2.0).backward()
    with bl.no_grad():
        y = leaf(2.0) * 3
    with pytest.raises(GraphError, match="history"):
        y.backward()


def test_of_a_leaf_is_one():
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1


def test_twice():
    x = leaf(2.0)
    y = (x * x).exp()
    y.backward()
    with pytest.raises(GraphError, match=r"exp.*second backward"):
        y.backward()
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    z = x * x
    shared = z * 2
    (shared * 3).backward()
    with pytest.raises(GraphError, match="second backward"):
        (shared + x).backward()


def test_no_grad_does_not_stop_a_backward_pass():
    x = leaf(2.0)
    y = x * x
    with bl.no_grad():
        y.backward()
    assert x.grad.item() == 4


def test_intermediate_gradients_are_kept_on_request():
    x = leaf([1.0, 2.0])
    h = (x * x).retain_grad()
    other = x * 3
    (h * 5 + other).sum().backward()
    assert h.grad.tolist() == [5.0, 5.0]
    assert other.grad is None
    with pytest.raises(GraphError, match="retain_grad"):
        bl.tensor([1.0]).retain_grad()


def test_every_leaf_owns_its_gradient():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    above = np.ones(2)
    (x + y).backward(above)
    x.grad.fill_(7)
    assert y.grad.tolist() == [1.0, 1.0]
    assert above.tolist() == [1.0, 1.0]
    (x.reshape(2, 1) + y.reshape(2, 1)).backward(np.ones((2, 1)))
    x.grad = y.grad = None
    (x + y).backward(np.ones(2), create_graph=True)
    x.grad.fill_(7)
    assert y.grad.tolist() == [1.0, 1.0]


def test_an_assigned_gradient_has_the_shape_and_takes_the_type():
    x = leaf([1.0, 2.0], np.float32)
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        x.grad = np.ones(3)
    x.grad = np.ones(2)
    assert x.grad.dtype == np.float32
    with pytest.raises(DTypeError):
        x.grad = "steep"


def test_the_gradient_has_the_type_of_its_leaf():
    x, y = leaf([1.0], np.float32), leaf([2.0], np.float64)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_a_hundred_thousand_gates_are_quick_and_end_without_recursion():
    best = np.inf
    for _ in range(3):
        x = leaf(1.0)
        start = time.process_time()
        y = x
        for _ in range(100_000):
            y = y * 1.0
        y.backward()
        best = min(best, time.process_time() - start)
        assert x.grad.item() == 1
    assert best < 1.0


@pytest.mark.parametrize("end", ["dropped", "retained", "create_graph"])
def test_a_deep_history_is_freed_without_recursion(end):
    x = leaf(1.0)
    y = x
    for _ in range(100_000 if end != "create_graph" else 20_000):
        y = y + 1.0
    if end == "retained":
        y.backward(retain_graph=True)
    if end == "create_graph":
        bl.grad(y * y, x, create_graph=True)
    del y
    assert x.is_leaf


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("passed", [False, True])
def test_a_history_is_freed_without_the_cycle_collector(passed, create_graph):
    gc.collect()
    gc.disable()
    try:
        x = leaf([[0.5, 0.25], [1.0, 2.0]])
        h = (x @ x).sigmoid()
        loss = (h.softmax(axis=1) * x).sum() + h.max() + x[0].norm()
        seen = [weakref.ref(one) for one in (h, loss)]
        if passed:
            if create_graph:
                slope = bl.grad(loss, x, create_graph=True)
                seen.append(weakref.ref(slope))
                slope.sum().backward()
                del slope
            else:
                loss.backward()
        del h, loss
        assert [one() for one in seen] == [None] * len(seen)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_model_s_step_leaves_nothing_for_the_cycle_collector():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    data, labels = np.ones((6, 4), np.float32), np.array([0, 1, 2, 0, 1, 2])
    bl.cross_entropy(model(bl.tensor(data)), labels).backward()
    gc.collect()
    gc.disable()
    try:
        bl.cross_entropy(model(bl.tensor(data)), labels).backward()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_eight_threads_at_once():
    data = np.linspace(-1, 1, 12).reshape(3, 4)
    weight = leaf(np.linspace(0, 1, 12).reshape(4, 3))
    found, problems = [], []
    barrier = threading.Barrier(8)

    def work(number):
        try:
            barrier.wait()
            for _ in range(20):
                x = leaf(data)
                with bl.no_grad() if number % 2 else bl.enable_grad():
                    silent = (x @ weight).requires_grad
                    assert silent == (number % 2 == 0)
                loss = ((x @ weight).tanh() ** 2).sum()
                found.append(bl.grad(loss, [x, weight]))
        except BaseException as problem:  # told by the main thread
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not problems
    bits = {tuple(g.numpy().tobytes() for g in pair) for pair in found}
    assert len(found) == 160
    assert len(bits) == 1


def gate_with(rule):
    class Crooked(Elementwise):
        """A gate whose rule is wrong."""

        role = Role.SCALER
        formula = "x * y"

        def forward(self, np, x, y):
            return x * y

        def backward(self, upstream, x, y, output):
            return rule(upstream, x, y)

    gate = Crooked()
    del TABLE["crooked"]
    return gate


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda u, x, y: (u * y,), "answers 1"),
        (lambda u, x, y: (u * y, u * x, u), "answers 3"),
        (lambda u, x, y: None, "answers NoneType"),
        (lambda u, x, y: [u * y, u * x], "answers list"),
        (lambda u, x, y: (bl.reshape(u, (3, 1)), u * x), r"shape \(3, 1\)"),
        (lambda u, x, y: (bl.concatenate([u, u]), u * x), r"shape \(6,\)"),
    ],
)
def test_a_rule_of_the_wrong_form_is_named(rule, words):
    x, y = leaf([1.0, 2.0, 3.0]), leaf([1.0, 2.0, 3.0])
    with pytest.raises(GateError, match="crooked") as refusal:
        gate_with(rule)(x, y).backward(np.ones(3))
    assert __import__("re").search(words, str(refusal.value))


def test_a_rule_that_gives_no_gradient():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    gate_with(lambda u, x, y: (None, lambda: None))(x, y).backward(np.ones(2))
    assert x.grad is None
    assert y.grad is None


def test_gradients_nobody_asked_for_are_not_computed():
    def forbidden():
        raise AssertionError("computed")

    x, y = leaf([1.0, 2.0]), bl.tensor(np.array([1.0, 2.0]))
    gate_with(lambda u, x, y: (u * y, forbidden))(x, y).backward(np.ones(2))
    assert x.grad.tolist() == [1.0, 2.0]
    h = leaf([1.0]) * 1.0
    output = gate_with(lambda u, x, y: (u * y, forbidden))(h, leaf([3.0]))
    assert bl.grad(output, h).item() == 3
