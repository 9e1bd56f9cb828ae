"""Gradients that wait in the program's memory are those of the call, whoever looks and when."""

import copy
import pickle

import numpy as np

import backlight as bl
from backlight import nn
from backlight.engine.deferred import Deferred


def prepared():
    bl.manual_seed(1)
    layer = nn.Linear(3, 2)
    descent = bl.optim.SGD(layer.parameters(), lr=0.1)

    def step(x):
        descent.zero_grad()
        loss = (layer(x) ** 2).sum()
        loss.backward()
        descent.step()
        return loss

    return layer, step


def pairs():
    """The gradients after each of five steps, compiled and eager."""
    compiled_layer, step = prepared()
    program = bl.compile(step)
    eager_layer, plain = prepared()
    for seed in range(5):
        x = bl.tensor(np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32))
        program(x)
        plain(x)
        yield seed, compiled_layer, eager_layer


def test_they_wait_and_are_right():
    waited = False
    for seed, ours, eager in pairs():
        for name, parameter in ours.named_parameters():
            waited |= type(parameter._grad) is Deferred
            if seed % 2:  # some calls nobody looks after
                expected = dict(eager.named_parameters())[name].grad.numpy()
                np.testing.assert_allclose(parameter.grad.numpy(), expected, rtol=1e-5)
                assert parameter.grad is parameter.grad
    assert waited


def test_one_that_was_taken_does_not_change_with_the_next_call():
    layer, step = prepared()
    program = bl.compile(step)
    x = bl.ones(4, 3)
    for _ in range(3):
        program(x)
    taken = layer.weight.grad
    before = taken.numpy().copy()
    program(x)
    np.testing.assert_array_equal(taken.numpy(), before)
    assert not np.array_equal(layer.weight.grad.numpy(), before)


def test_eager_backward_adds_to_one_that_waits():
    layer, step = prepared()
    program = bl.compile(step)
    x = bl.ones(4, 3)
    for _ in range(3):
        program(x)
    assert type(layer.bias._grad) is Deferred
    (layer(x).sum()).backward()
    first = layer.bias.grad.numpy().copy()
    layer.bias.grad = None
    layer(x).sum().backward()
    alone = layer.bias.grad.numpy()
    program(x)
    assert not np.array_equal(first, alone)
    np.testing.assert_allclose(alone, [4.0, 4.0])


def test_copies_and_pickles_carry_it():
    layer, step = prepared()
    program = bl.compile(step)
    for _ in range(3):
        program(bl.ones(4, 3))
    copied = copy.deepcopy(layer)
    np.testing.assert_array_equal(copied.weight.grad.numpy(), layer.weight.grad.numpy())
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again.weight.grad.numpy(), layer.weight.grad.numpy())


def test_a_program_that_only_makes_gradients_moves_no_parameter():
    layer, _ = prepared()
    x = bl.ones(4, 3)
    earlier = (layer(x) ** 2).sum()

    @bl.compile
    def gradients(x):
        layer.zero_grad()
        (layer(x) ** 2).sum().backward()

    for _ in range(3):
        gradients(x)
    layer.zero_grad()
    earlier.backward()  # refused if a value it saw had changed in place
    assert layer.weight.grad is not None
