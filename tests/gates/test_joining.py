"""Joining and cutting against NumPy, and their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight import errors
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, tensor
from backlight.gates import joining
from backlight.gates.joining import chunk, concatenate, split, stack
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=60, deadline=None, derandomize=True)


def filled(shape):
    return np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape) + 0.5


@pytest.mark.parametrize(("gate", "sample"), **samples_of(joining))
def test_samples(gate, sample):
    check_sample(gate, sample)


@quick
@given(arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), st.data())
def test_joined_and_cut_again(shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    xs = []
    for size in sizes:
        one = list(shape)
        one[axis] = size
        xs.append(filled(one) * (len(xs) + 1))
    wires = [Tensor(x, requires_grad=True) for x in xs]
    joined = concatenate(wires, axis=axis)
    assert np.array_equal(joined.detach().numpy(), np.concatenate(xs, axis))
    for part, x in zip(split(joined, sizes, axis), xs, strict=True):
        assert np.array_equal(part.detach().numpy(), x)
    upstream = np.random.default_rng(1).standard_normal(joined.shape)
    cuts = np.split(upstream, np.cumsum(sizes)[:-1], axis)
    for g, cut in zip(grad(joined, wires, upstream), cuts, strict=True):
        assert np.array_equal(g.numpy(), cut)


@quick
@given(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), st.data())
def test_stacked(shape, data):
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    xs = [filled(shape) * k for k in range(1, data.draw(st.integers(1, 3)) + 1)]
    wires = [Tensor(x, requires_grad=True) for x in xs]
    stacked = stack(*wires, axis=axis)
    assert np.array_equal(stacked.detach().numpy(), np.stack(xs, axis))
    upstream = np.random.default_rng(1).standard_normal(stacked.shape)
    for k, g in enumerate(grad(stacked, wires, upstream)):
        assert np.array_equal(g.numpy(), np.take(upstream, k, axis))


def test_one_input_used_twice():
    x = tensor([1.0, 2.0], requires_grad=True)
    assert grad(concatenate(x, x), x, [1.0, 2.0, 10.0, 20.0]).tolist() == [11.0, 22.0]
    check_gradients(lambda x: concatenate(x, x * x, axis=0), [filled((2, 2))])


def test_ways_to_call():
    x, y = tensor([[1.0]]), tensor([[2.0]])
    for joined in (
        concatenate(x, y, axis=1),
        concatenate([x, y], 1),
        concatenate((x, y), dim=1),
        np.concatenate([x, y], axis=1),
    ):
        assert joined.tolist() == [[1.0, 2.0]]
    assert concatenate(x, tensor([[3]])).dtype == np.float32
    assert stack([x, y]).shape == (2, 1, 1)


def test_equal_parts_and_chunks():
    x = tensor(filled((7, 2)), requires_grad=True)
    assert [part.shape for part in chunk(x, 3)] == [(3, 2), (3, 2), (1, 2)]
    assert [part.shape for part in chunk(x, 9, axis=1)] == [(7, 1), (7, 1)]
    assert [part.shape for part in split(x, 2, axis=-1)] == [(7, 1), (7, 1)]
    assert [part.shape for part in chunk(np.zeros(0), 2)] == [(0,)]
    gradient = grad(chunk(x, 3)[1].sum(), x).numpy()
    assert gradient[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x: concatenate(x, tensor([[1.0]])),
            errors.ShapeError,
            r"\(1, 1\) as input 1, shape \(2, 3\) as input 0",
        ),
        (lambda x: concatenate(x, x, tensor([1.0])), errors.ShapeError, "as input 2"),
        (lambda x: concatenate(x, x, axis=2), errors.ShapeError, "axis 2"),
        (lambda x: concatenate(tensor(1.0), tensor(2.0)), errors.ShapeError, "without axes"),
        (lambda x: stack(x, tensor([1.0])), errors.ShapeError, "inputs of one shape"),
        (lambda x: stack(x, x, axis=3), errors.ShapeError, "axis 3"),
        (lambda x: split(x, 2, axis=1), errors.ShapeError, "2 sections for axis 1 of size 3"),
        (lambda x: split(x, (1, 3), axis=1), errors.ShapeError, "add up to 4"),
        (lambda x: split(x, 0), errors.ArgumentError, "at least 1"),
        (lambda x: chunk(x, 1.5), errors.ArgumentError, "whole number"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(tensor(filled((2, 3))))
