"""Compiled functions on several threads, inside of each other, for narrower processors."""

import threading

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import BacklightError
from backlight.native.compile import compile
from backlight.optim import SGD, Adam
from tests.native.compiled import bits, same, tensor


def test_python_threads_share_a_compiled_function():
    w = tensor((50, 50), 1)
    f = compile(lambda x: bl.tanh(x @ w).sum(axis=0))
    given = [tensor((20 + i % 3, 50), i) for i in range(12)]
    wanted = [f(x) for x in given]
    problems = []

    def work(offset):
        for turn in range(30):
            place = (turn + offset) % len(given)
            if bits(f(given[place])) != bits(wanted[place]):
                problems.append(place)

    workers = [threading.Thread(target=work, args=(5 * i,)) for i in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not problems


def test_a_compiled_function_inside_of_another():
    inner = compile(lambda x: x * 2 + 1)
    x = tensor(5)
    same(inner(x), x * 2 + 1)
    outer = compile(lambda x: inner(x) * 3)
    same(outer(x), (x * 2 + 1) * 3)
    same(inner(x), x * 2 + 1)


def test_a_compiled_function_that_calls_itself():
    def f(x):
        return again(x) + 1

    again = compile(f)
    with pytest.raises((BacklightError, RecursionError)):
        again(tensor(3))
    same(compile(lambda x: x + 1)(tensor(3)), tensor(3) + 1)


@pytest.mark.parametrize("target", ["sse", "avx2"])
def test_narrower_targets_agree(target):
    """C05: other instruction sets, within rounding; the host may lack some."""

    def f(x, w):
        y = bl.softmax(bl.gelu(x @ w), axis=-1)
        z = bl.conv2d(x.reshape(3, 1, 4, 5), w.reshape(4, 1, 5, 5)[:, :, :3, :3], padding=1)
        pooled = bl.max_pool2d(z, 2, rounding="floor")
        return y, pooled, bl.cumsum(x, 0), bl.argmax(x, 1), bl.log1p(abs(x)).mean()

    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-5)):
        x, w = tensor((3, 20), dtype=dtype), tensor((20, 5), 1, dtype)
        for found, wanted in zip(compile(f, target=target)(x, w), f(x, w), strict=True):
            same(found, wanted, tolerance)


def conv_step():
    bl.manual_seed(2)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 6 * 6, 10),
    )  # fmt: skip
    optimiser = SGD(net.parameters(), 0.05, momentum=0.9)
    random = np.random.default_rng(1)
    x = random.standard_normal((16, 3, 16, 16)).astype(np.float32)
    return net, optimiser, x, random.integers(0, 10, 16)


def recurrent_step():
    bl.manual_seed(2)
    net = nn.LSTM(8, 16)
    optimiser = Adam(net.parameters(), 0.01)
    x = np.random.default_rng(1).standard_normal((9, 4, 8)).astype(np.float32)
    return net, optimiser, x, None


def dense_step():
    bl.manual_seed(2)
    net = nn.Sequential(nn.Linear(300, 200), nn.Tanh(), nn.Linear(200, 10))
    optimiser = Adam(net.parameters(), 0.01)
    random = np.random.default_rng(1)
    x = random.standard_normal((64, 300)).astype(np.float32)
    return net, optimiser, x, random.integers(0, 10, 64)


@pytest.mark.parametrize("make", [dense_step, conv_step, recurrent_step])
def test_the_same_bits_on_any_number_of_threads(make):
    """C03: 50 steps' worth of parameters, on 1 to 8 threads."""
    found = []
    for threads in (1, 2, 3, 4, 8):
        net, optimiser, x, labels = make()

        def step(x, labels):
            optimiser.zero_grad()  # noqa: B023
            out = net(x)  # noqa: B023
            out = out[0] if isinstance(out, tuple) else out
            loss = (out * out).mean() if labels is None else bl.cross_entropy(out, labels)
            loss.backward()
            optimiser.step()  # noqa: B023
            return loss

        compiled = compile(step, threads=threads)
        compiled(x, labels)
        compiled.program.program.small = False
        for _ in range(6):
            compiled(x, labels)
        found.append(bits(net.state_dict()))
    assert all(one == found[0] for one in found[1:])
