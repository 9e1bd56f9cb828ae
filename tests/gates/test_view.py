"""Views, slices and casts against NumPy, and their gradients."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight import errors
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, tensor
from backlight.gates import slicing, triangle, view
from backlight.gates.cast import cast
from tests.gates.differences import check_sample, samples_of

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
MODULES = [
    f"backlight.gates.{name}"
    for name in (
        "view",
        "slicing",
        "triangle",
        "along",
        "reduction",
        "deviation",
        "indexing",
        "scattering",
        "joining",
    )
]
quick = settings(max_examples=40, deadline=None, derandomize=True)


def filled(shape, dtype=np.float64):
    return np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape) + 0.5


@pytest.mark.parametrize(("gate", "sample"), **samples_of(view, slicing, triangle))
def test_samples(gate, sample):
    check_sample(gate, sample)


@quick
@given(SHAPES, st.data())
def test_rearrangements_are_numpys(shape, data):
    x = filled(shape)
    t = Tensor(x)
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    signed = tuple(a - x.ndim if data.draw(st.booleans()) else a for a in order)
    assert np.array_equal(view.transpose(t, axes=signed).numpy(), x.transpose(order))
    assert np.array_equal(view.transpose(t).numpy(), x.T)
    assert np.array_equal(t.reshape(-1).numpy(), x.reshape(x.size))
    place = data.draw(st.integers(-x.ndim - 1, x.ndim))
    wider = view.expand_dims(t, axis=place)
    assert wider.shape == np.expand_dims(x, place).shape
    assert view.squeeze(wider, axis=place).shape == shape
    assert np.array_equal(view.squeeze(t).numpy(), np.squeeze(x))
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        shift = data.draw(st.integers(-9, 9))
        assert np.array_equal(view.flip(t, axis=axis).numpy(), np.flip(x, axis))
        assert np.array_equal(view.roll(t, shift=shift, axis=axis).numpy(), np.roll(x, shift, axis))
    widths = tuple(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape)
    padded = np.pad(x, widths, constant_values=-3.0) if x.ndim else x
    assert np.array_equal(view.pad(t, widths=widths, value=-3.0).numpy(), padded)


@quick
@given(arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3, min_side=0))
def test_broadcast_and_sum_are_adjoint(shapes):
    (small, _), large = shapes.input_shapes, shapes.result_shape
    x, y = filled(small), filled(large)
    stretched = view.broadcast_to(Tensor(x), shape=large)
    summed = view.sum_to(Tensor(y), shape=small)
    assert np.array_equal(stretched.numpy(), np.broadcast_to(x, large))
    assert summed.shape == small
    assert np.isclose((stretched.numpy() * y).sum(), (x * summed.numpy()).sum(), rtol=1e-12)


def test_sum_to_is_right_to_the_last_digit():
    ones = np.ones((1 << 20, 1), np.float32) * np.float32(0.1)
    total = view.sum_to(np.broadcast_to(ones, (1 << 20, 2)), shape=(2,))
    assert total.dtype == np.float32
    assert np.array_equal(total, [np.float32(np.float32(0.1) * 2.0**20)] * 2)
    assert view.sum_to(np.array([1e8, 1.0, -1e8], np.float32), shape=()) == 1.0


def test_views_share_memory_and_know_it():
    x = tensor(np.arange(6.0), requires_grad=True)
    shown = x.reshape(2, 3).T
    assert np.shares_memory(shown.detach().numpy(), x.detach().numpy())
    product = shown * shown
    with pytest.raises(errors.GraphError, match="changed in place"):  # noqa: PT012
        x.detach().fill_(0.0)
        product.sum().backward()


@pytest.mark.parametrize("diagonal", [-2, 0, 1])
def test_triangles(diagonal):
    x = filled((2, 3, 4))
    for name in ("tril", "triu"):
        found = getattr(triangle, name)(Tensor(x), diagonal=diagonal).numpy()
        assert np.array_equal(found, getattr(np, name)(x, diagonal))


LAYOUTS = {
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "stepped": lambda x: np.repeat(x, 2, axis=0)[::2],
    "misaligned": lambda x: (
        np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_memory_layout_does_not_matter(layout):
    every = samples_of(*(sys.modules[name] for name in MODULES))["argvalues"]
    for gate, sample in every:
        inputs = [layout(x) if x.ndim else x for x in sample.inputs]
        plain = np.asarray(gate(*sample.inputs, **sample.attributes))
        laid = np.asarray(gate(*inputs, **sample.attributes))
        np.testing.assert_allclose(laid, plain, rtol=1e-13, err_msg=f"{gate.name}: {sample}")


def test_cast():
    x = tensor([1.5, -2.5], requires_grad=True)
    wide = x.to("float64")
    assert wide.dtype == np.float64
    gradient = grad((wide * wide).sum(), x)
    assert gradient.dtype == np.float32
    assert gradient.tolist() == [3.0, -5.0]
    assert not x.long().requires_grad
    assert x.long().tolist() == [1, -2]
    assert cast(np.array([0.0, 2.0]), dtype="bool").tolist() == [False, True]
    for wrong in ("float16", "complex64", "text"):
        with pytest.raises(errors.DTypeError, match=wrong):
            cast(x, dtype=wrong)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: x.reshape(4, 2), errors.ShapeError, r"\(2, 3\) of 6 numbers"),
        (lambda x: x.reshape(-1, -1), errors.ShapeError, "at most one −1"),
        (lambda x: x.reshape(-1, 4), errors.ShapeError, "as many numbers"),
        (lambda x: x.permute(0, 0), errors.ShapeError, "each of the 2 axes once"),
        (lambda x: x.permute(0, 1, 2), errors.ShapeError, "each of the 2 axes once"),
        (lambda x: view.squeeze(x, axis=1), errors.ShapeError, "axis 1 of size 3"),
        (lambda x: view.flip(x, axis=2), errors.ShapeError, "axis 2 for an input of 2 axes"),
        (lambda x: view.roll(x, shift=0.5, axis=0), errors.ArgumentError, "shift=0.5"),
        (lambda x: view.pad(x, widths=-1), errors.ArgumentError, "at least 0"),
        (lambda x: view.pad(x, widths=((1, 1),)), errors.ArgumentError, "for each axis"),
        (lambda x: view.broadcast_to(x, shape=(3, 3)), errors.ShapeError, "broadcast"),
        (lambda x: view.broadcast_to(x, shape=(3,)), errors.ShapeError, "for \\(3,\\)"),
        (lambda x: view.sum_to(x, shape=(2,)), errors.ShapeError, "sum_to"),
        (lambda x: view.sum_to(x, shape=(4, 2, 3)), errors.ShapeError, "sum_to"),
        (lambda x: view.expand_dims(x, axis=4), errors.ShapeError, "axis 4"),
        (lambda x: triangle.tril(x[0]), errors.ShapeError, "a matrix"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(tensor(np.zeros((2, 3))))
