"""C07: kernels that look at every load and store; `tests.native.fuzz --bounds` runs random graphs.

What is planted must be found: an extent too small by one number, and a mask that lets all through.
"""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.engine.derivative import grad
from backlight.native.compile import compile
from backlight.native.machine_code.emit import Code
from backlight.optim import SGD, Adam
from tests.native.bounded import bounds_checked


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def step_of(net, rule, x, y, target=None):
    def step(x, y):
        rule.zero_grad()
        out = net(x)
        out = out[0] if isinstance(out, tuple) else out
        loss = bl.cross_entropy(out, y) if y.dtype.kind == "i" else ((out - y) ** 2).mean()
        loss.backward()
        rule.step()
        return loss

    eager = float(step(x, y).item())
    compiled = compile(step, target=target)
    return eager, [float(compiled(x, y).item()) for _ in range(3)]


def convolutions():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(2, rounding="floor"),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.GELU(), nn.Conv2d(8, 17, 1),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(17 * 5 * 5, 10),
    )  # fmt: skip
    return net, numbers(5, 3, 19, 19), np.arange(5)


def wide_convolutions():
    net = nn.Sequential(
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 33, 3, padding=1), nn.Flatten(),
        nn.Linear(33 * 10 * 12, 3),
    )  # fmt: skip
    return net, numbers(3, 32, 10, 12), np.arange(3)


def recurrent():
    return nn.LSTM(7, 19), numbers(6, 3, 7), numbers(6, 3, 19, seed=1)


def dense():
    net = nn.Sequential(nn.Linear(301, 67), nn.LayerNorm(67), nn.Tanh(), nn.Linear(67, 11))
    return net, numbers(37, 301), np.arange(37) % 11


CASES = [convolutions, wide_convolutions, recurrent, dense]


@pytest.mark.parametrize(
    ("case", "target"),
    [*((case, None) for case in CASES), (convolutions, "avx2"), (wide_convolutions, "sse")],
)
def test_training_steps_stay_inside(case, target):
    bl.manual_seed(1)
    net, x, y = case()
    rule = Adam(net.parameters(), 1e-3) if case is dense else SGD(net.parameters(), 1e-3, 0.9)
    with bounds_checked() as found:
        eager, losses = step_of(net, rule, x, y, target)
    assert not str(found)
    assert found.checked > 100
    assert losses[0] == pytest.approx(eager, rel=0.2)
    assert losses[-1] < losses[0] or case is convolutions


@pytest.mark.parametrize("target", [None, "avx2", "sse"])
def test_products_distances_and_searches_stay_inside(target):
    a, b = numbers(67, 33), numbers(133, 33, seed=1)

    def f(a, b):
        near = bl.cdist(a, b), bl.cdist(a, b, p=1), bl.nearest(a, b, k=5)
        return a @ b.T, *near, bl.cumsum(a, 1), a.T @ a, b[5] @ a.T

    with bounds_checked() as found:
        answers = compile(f, target=target)(a, b)
    assert not str(found)
    for one, other in zip(answers, f(bl.tensor(a), bl.tensor(b)), strict=True):
        np.testing.assert_allclose(
            one.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-4
        )


def test_the_margins_of_a_padded_gather_read_nothing():
    """Found by `--bounds`: lanes that were all margin read the index of a row that is not there."""
    places = np.array([1, 2, 0])

    def f(x):
        rows = x[0:12].reshape(3, 4).detach().requires_grad_()
        taken = rows[places].reshape(12)
        return grad((taken[2:11] * x[101:110]).sum(), [rows])[0], bl.pad(taken, ((101, 20),))

    x = numbers(130, dtype=np.float64)
    with bounds_checked() as found:
        answers = compile(f)(x)
    assert not str(found)
    for one, other in zip(answers, f(bl.tensor(x)), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-12)


def test_an_access_outside_is_found_named_and_turned_aside(monkeypatch):
    x = numbers(67)

    def f(x):
        return bl.exp(x) * 2

    with monkeypatch.context() as patch:
        # Whole vectors where only a part of one is real.
        patch.setattr(Code, "mask", lambda code, _count, lanes: code.constant(bool, 1, lanes))
        with bounds_checked() as found:
            compile(f, target="avx512")(x)
    assert found.count >= 2
    assert "of operand 0: 64 bytes from 256" in str(found)


def test_an_extent_that_is_too_small_is_noticed(monkeypatch):
    from tests.native import bounded

    right = bounded._extents

    def short(made, sizes):
        lows, highs = right(made, sizes)
        highs[-1] -= 4
        return lows, highs

    monkeypatch.setattr(bounded, "_extents", short)
    with bounds_checked() as found:
        compile(lambda x: x * 2 + 1)(numbers(64))
    assert found.count == 1
    assert "operand 1" in str(found)
    assert "store" in str(found)
