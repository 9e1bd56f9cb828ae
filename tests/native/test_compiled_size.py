"""C23: programs of many gates; the time to make one grows with their number."""

import gc

import pytest

import backlight as bl
from backlight.engine.derivative import grad
from backlight.native.compile import compile
from tests.native.compiled import same, tensor

W = tensor((16, 16), 1) / 8


def chain(x, count):
    y = x
    for _ in range(count // 2):
        y = bl.tanh(y) + x
    return y


def recurrent(x, count):
    y = x
    for _ in range(count // 3):
        y = bl.tanh(y @ W + x)
    return y


def scalars(x, count):
    y = x
    for number in range(count // 3):
        y = y * x[number % 4, 3] + x[1, number % 16]
    return y


@pytest.mark.parametrize("rule", [chain, recurrent, scalars])
def test_many_gates_compile_in_time_that_grows_with_their_number(rule):
    """10,000 gates; 100,000 take ten times as long."""
    x = tensor((4, 16)) / 4
    compiled = compile(lambda x: rule(x, 10_000))
    same(compiled(x), rule(x, 10_000), 1e-9)
    assert sum(compiled.program.compilation.seconds.values()) < 30


@pytest.mark.parametrize("rule", [chain, recurrent, scalars])
def test_gradients_of_long_chains(rule):
    """Kernels of a hundred operations within each other need no deep stack of Python's."""

    def slope(x):
        x = x.detach().requires_grad_()
        return grad(rule(x, 2_000).sum(), [x])[0]

    x = tensor((4, 16)) / 4
    compiled = compile(slope)
    same(compiled(x), slope(x), 1e-9)
    assert sum(compiled.program.compilation.seconds.values()) < 30


def test_garbage_is_searched_for_again_after_compiling():
    assert gc.isenabled()
    within = []

    def f(x):
        within.append(gc.isenabled())
        return x * 2

    def failing(x):
        raise ValueError

    compile(f)(tensor(3))
    assert within[0] is False
    assert gc.isenabled()
    with pytest.raises(ValueError):
        compile(failing)(tensor(3))
    assert gc.isenabled()
