"""Compiled functions that change things: parameters, buffers, arguments, gradients, draws."""

import copy

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.engine import random as bl_random
from backlight.errors import BacklightError
from backlight.native.compile import compile
from backlight.optim import SGD, Adam
from tests.native.compiled import batch, bits, close, numbers, same, states, tensor, training


def test_a_state_returned_before_and_after_it_is_written():
    def run(wrap):
        w = tensor(4, 1)

        def step(x):
            before = w + 0.0
            alias = w.clone() if hasattr(w, "clone") else w * 1.0
            w.copy_(w * 0.5 + x)
            return before, alias, w * 1.0

        step = wrap(step)
        return [bits(step(tensor(4, 2))) for _ in range(3)], bits(w)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_states_that_change_places(size):
    def run(wrap):
        a, b = tensor(size, 1), tensor(size, 2)

        def swap():
            old = a * 1.0
            a.copy_(b)
            b.copy_(old)
            return a.sum()

        swap = wrap(swap)
        found = [bits(swap()) for _ in range(3)]
        return bits(a), bits(b), len(found)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_states_that_turn_and_shift(size):
    """What is written reads its own old numbers at other places."""

    def run(wrap):
        ring, square = tensor(size, 1), tensor((size // 4 + 3,) * 2, 2)

        def step():
            ring.copy_(bl.roll(ring, 1) * 0.5 + bl.flip(ring, 0))
            square.copy_(square.T + square[0])
            return

        step = wrap(step)
        for _ in range(3):
            step()
        return bits(ring), bits(square)

    if size > 1000:
        size = 200
    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_a_view_of_a_state_that_is_written(size):
    def run(wrap):
        base = numbers(2 * size, 1)
        w = bl.tensor(base[:size].copy())

        def step(x):
            y = x * 2
            w.copy_(w + x)
            return (y + x).sum(), y

        step = wrap(step)
        step(bl.tensor(base[size:].copy()))
        total, y = step(w.detach() * 1.0)
        return total, y, w.detach()

    for found, wanted in zip(run(compile), run(lambda f: f), strict=True):
        same(found, wanted)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_a_state_that_is_written(size):
    """The program reads it as it was when it was called."""
    w = tensor(size, 1)

    @compile
    def step(x):
        w.copy_(bl.roll(w, 1) * 0.5 + x)
        return x * 2

    step(tensor(size, 2))
    old = w.numpy().copy()
    same(step(w.detach()), old * 2)
    same(w, np.roll(old, 1) * 0.5 + old)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_is_written(size):
    def run(wrap):
        def step(x, y):
            x += y
            return x * 2

        step = wrap(step)
        x, y = tensor(size), tensor(size, 1)
        outs = [bits(step(x, y)) for _ in range(2)]
        z = tensor(size, 3)
        outs.append(bits(step(z, y)))
        outs.append(bits(step(z, z)))
        outs.append(bits(step(z, y)))
        return outs, bits(x), bits(y), bits(z)

    assert run(compile) == run(lambda f: f)


@pytest.mark.parametrize("size", [4, 3000])
def test_an_argument_that_shares_memory_with_one_that_is_written(size):
    def run(wrap):
        def step(x, y):
            x += 1.0
            x *= 2.0
            return y * 1.0

        step = wrap(step)
        step(tensor(size), tensor(size, 1))
        x = tensor(size, 4)
        seen = step(x, x.detach()[::-1] if False else x.detach())
        return bits(seen), bits(x)

    assert run(compile)[1] == run(lambda f: f)[1]


def test_captured_arrays_are_read_at_each_call():
    captured = numbers(5)
    f = compile(lambda x: x + captured)
    x = tensor(5, 1)
    same(f(x), x + captured)
    captured[:] = 7.0
    same(f(x), x + 7.0)


@pytest.mark.parametrize("rule", [SGD, Adam])
def test_a_training_step_with_dropout_and_batch_norm_follows_eager(rule):
    results = []
    for wrap in (lambda f: f, compile):
        model, optimiser, _, step = training(rule, wrap=wrap)
        losses = [float(step(*batch(number)).item()) for number in range(8)]
        results.append((losses, states(model, optimiser)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-9)
    close(results[1][1], results[0][1], 1e-8)


def test_eager_and_compiled_steps_may_follow_each_other():
    """Random keys, step counters and running means go on as if nothing had happened."""
    results = []
    for pattern in ("eeeeeeee", "ccccecce", "ecececec"):
        model, optimiser, eager, compiled = training()
        losses = []
        for number, one in enumerate(pattern):
            losses.append(float((compiled if one == "c" else eager)(*batch(number)).item()))
        results.append((losses, states(model, optimiser)))
    for found in results[1:]:
        np.testing.assert_allclose(found[0], results[0][0], rtol=1e-9)
        close(found[1], results[0][1], 1e-8)


def test_a_checkpoint_in_the_middle_goes_on_with_the_same_bits():
    model, optimiser, _, step = training()
    for number in range(3):
        step(*batch(number))
    kept = {k: np.array(v) for k, v in model.state_dict().items()}
    slots = copy.deepcopy(optimiser.state_dict())
    generator = bl_random.default.state_dict()
    for number in range(3, 6):
        step(*batch(number))
    wanted = states(model, optimiser)
    model.load_state_dict(kept)
    optimiser.load_state_dict(slots)
    bl_random.default.load_state_dict(generator)
    for number in range(3, 6):
        step(*batch(number))
    assert bits(states(model, optimiser)) == bits(wanted)


def test_modes_compile_once_each():
    model, _, _, _ = training()
    f = compile(lambda x: model(x))
    x = batch(0)[0]
    for _ in range(2):
        model.eval()
        same(f(x), model(x))
        model.train()
        bl.manual_seed(9)
        found = f(x)
        bl.manual_seed(9)
        same(found, model(x))
    assert f.programs == 2


def test_random_draws_are_those_of_eager():
    drop = nn.Dropout(0.5)

    def f(x):
        return x + bl.randn(x.shape), drop(x)

    compiled, x = compile(f), tensor((5, 7))
    bl.manual_seed(11)
    wanted = [bits(f(x)) for _ in range(3)]
    bl.manual_seed(11)
    assert [bits(compiled(x)) for _ in range(3)] == wanted
    bl.manual_seed(11)
    mixed = [bits(one(x)) for one in (compiled, f, compiled)]
    assert mixed == wanted


def test_repeat_is_as_many_calls():
    results = []
    for times in (1, 5):
        model, optimiser, _, step = training()
        x, labels = batch(0)
        many = step.repeat(times)
        for _ in range(10 // times):
            loss = many(x, labels)
        results.append((bits(loss), bits(states(model, optimiser))))
    assert results[0] == results[1]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(BacklightError):
            step.repeat(wrong)


def test_gradients_in_grad_add_up_and_are_emptied():
    def run(wrap):
        w = tensor((3, 2), 1).requires_grad_()

        def step(x):
            loss = (bl.tanh(x @ w) ** 2).sum()
            loss.backward()
            return loss

        step = wrap(step)
        found = []
        for number in range(3):
            step(tensor((4, 3), number))
            found.append(np.array(w.grad))
        w.grad = None
        step(tensor((4, 3), 7))
        found.append(np.array(w.grad))
        return found

    for x, y in zip(run(compile), run(lambda f: f), strict=True):
        same(x, y)
