"""Indexing, gathering and scattering against NumPy, and their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight import errors
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, tensor
from backlight.gates import indexing, scattering
from backlight.gates.gate import TABLE
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=120, deadline=None, derandomize=True)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def filled(shape):
    return np.arange(np.prod(shape, dtype=int), dtype=np.float64).reshape(shape) + 0.5


def gradient_by_numpy(x, key, upstream):
    total = np.zeros_like(x)
    np.add.at(total, key, upstream)
    return total


def agrees(x, key):
    """x[key] and its gradient are NumPy's, for a key of arrays or of tensors."""
    expected = x[key]
    wire = Tensor(x, requires_grad=True)
    output = wire[key]
    assert output.shape == expected.shape
    assert np.array_equal(output.detach().numpy(), expected)
    upstream = np.random.default_rng(3).standard_normal(expected.shape)
    found = grad(output, wire, upstream).numpy()
    np.testing.assert_allclose(found, gradient_by_numpy(x, key, upstream), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(indexing, scattering))
def test_samples(gate, sample):
    check_sample(gate, sample)


@quick
@given(SHAPES, st.data())
def test_basic_keys(shape, data):
    agrees(filled(shape), data.draw(arrays.basic_indices(shape, allow_newaxis=True)))


@quick
@given(arrays.array_shapes(min_dims=1, max_dims=3, max_side=4), st.data())
def test_arrays_of_places_and_masks(shape, data):
    key = []
    axis = 0
    result = data.draw(arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    while axis < len(shape):
        size = shape[axis]
        kind = data.draw(st.sampled_from(["slice", "int", "places", "list", "none", "mask"]))
        if kind == "mask" and not any(getattr(k, "dtype", None) is not None for k in key):
            mask = data.draw(arrays.arrays(bool, (size,)))
            result = (int(mask.sum()),)
            key.append(mask)
        elif kind == "none":
            key.append(None)
            continue
        elif kind == "slice":
            key.append(data.draw(st.slices(size)))
        elif kind == "int":
            key.append(data.draw(st.integers(-size, size - 1)))
        elif kind in ("places", "list"):
            places = data.draw(
                arrays.arrays(np.int64, result, elements=st.integers(-size, size - 1))
            )
            key.append(places.tolist() if kind == "list" and places.size else places)
        axis += 1
    if data.draw(st.booleans()):
        key = key[:-1]
    x = filled(shape)
    try:
        x[tuple(key)]
    except IndexError:  # a mask whose count does not broadcast with the places before it
        with pytest.raises((errors.ShapeError, errors.RangeError)):
            Tensor(x)[tuple(key)]
        return
    agrees(x, tuple(key))


@pytest.mark.parametrize(
    "key",
    [
        (Ellipsis, 0),
        (0, Ellipsis, None),
        ([1, 0], slice(None), [2, 2]),
        np.array(1),
        (np.int32(1), slice(None, None, -2)),
        ([True, False], 1),
        [],
        np.zeros((2, 3), bool),
        np.ones((2, 3, 4), bool),
        (slice(None), [[0, 2]], None),
        (slice(None), np.uint8([0, 2])),
        (0, slice(None), [1, 1]),
    ],
    ids=str,
)
def test_keys(key):
    agrees(filled((2, 3, 4)), key)


def test_tensors_as_keys():
    x = tensor(filled((3, 4)), requires_grad=True)
    places, mask = tensor([2, 0, 2]), x.detach() > 5
    assert np.array_equal(x[places].detach().numpy(), filled((3, 4))[[2, 0, 2]])
    assert x[mask].shape == (7,)
    assert x[places[0]].shape == (4,)
    assert grad(x[places, tensor([1, 1, 1])].sum(), x).numpy()[2].tolist() == [0, 2, 0, 0]


def test_basic_keys_share_memory():
    x = tensor(filled((3, 4)))
    assert np.shares_memory(x[1:, ::2].numpy(), x.numpy())
    assert not np.shares_memory(x[[1, 2]].numpy(), x.numpy())


def test_second_order_through_an_index():
    places = np.array([2, 0, 2])
    check_gradients(lambda x: TABLE["square"](indexing.take(x, places)), [filled((3, 2))])
    mask = np.array([True, False, True])
    check_gradients(lambda x: TABLE["square"](indexing.index.of(x, mask)), [filled((3, 2))])


@quick
@given(st.data())
def test_gather_and_scatter_are_numpys(data):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[axis]
    counts = list(shape)
    counts[axis] = data.draw(st.integers(0, 5))
    places = data.draw(
        arrays.arrays(np.int64, tuple(counts), elements=st.integers(-size, size - 1))
    )
    x = filled(shape)
    wire = Tensor(x, requires_grad=True)
    output = scattering.gather(wire, places, axis=axis)
    assert np.array_equal(output.detach().numpy(), np.take_along_axis(x, places, axis))
    upstream = np.random.default_rng(5).standard_normal(output.shape)
    expected = np.zeros(shape)
    for place in np.ndindex(*output.shape):
        target = list(place)
        target[axis] = places[place]
        expected[tuple(target)] += upstream[place]
    np.testing.assert_allclose(grad(output, wire, upstream).numpy(), expected, atol=1e-13)
    added = scattering.scatter_add(x, places, upstream, axis=axis)
    np.testing.assert_allclose(added, x + expected, atol=1e-13)


def test_repeated_places_add_up_in_float64_in_a_fixed_order():
    table = tensor(np.zeros((3, 2), np.float32), requires_grad=True)
    tokens = np.array([1] * 3 + [0], np.int32)
    upstream = np.array([[1e8, 1], [1, 2], [-1e8, 3], [7, 8]], np.float32)
    found = grad(indexing.embedding(table, tokens), table, upstream)
    assert found.dtype == np.float32
    assert found.tolist() == [[7, 8], [1, 6], [0, 0]]
    pairs = tensor(np.zeros((3, 2), np.float32), requires_grad=True)
    output = pairs[[1, 1, 1, 0], [0, 0, 0, 1]]
    assert grad(output, pairs, upstream[:, 0]).tolist() == [[0, 7], [1, 0], [0, 0]]


def test_gradient_of_a_large_table_is_fast_and_right():
    random = np.random.default_rng(0)
    tokens = random.integers(0, 20_000, (64, 32))
    upstream = random.standard_normal((64, 32, 16)).astype(np.float32)
    table = tensor(np.zeros((20_000, 16), np.float32), requires_grad=True)
    found = grad(indexing.embedding(table, tokens), table, upstream).numpy()
    expected = np.zeros((20_000, 16))
    np.add.at(expected, tokens, upstream)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_one_hot():
    rows = indexing.one_hot(tensor([0, 2]), classes=3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert indexing.one_hot(np.array([[1]], np.uint8), classes=2).tolist() == [[[0, 1]]]
    assert indexing.one_hot(np.array(1), classes=2, dtype="float64").dtype == np.float64


X = tensor(filled((2, 3)))
FRACTIONS = np.array([0.0, 1.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: X[2], errors.RangeError, "index 2 for axis 0 of size 2.\n.*from -2 to 1"),
        (lambda: X[0, -4], errors.RangeError, "index -4 for axis 1 of size 3"),
        (
            lambda: X[:, [0, 5]],
            errors.RangeError,
            r"index 5 at position \[1\] for axis 1 of size 3",
        ),
        (lambda: X[[[0], [-3]]], errors.RangeError, r"index -3 at position \[1, 0\] for axis 0"),
        (lambda: X[0, 0, 0], errors.ShapeError, "key for 3 axes"),
        (lambda: X[..., 0, ...], errors.ShapeError, "more than one …"),
        (lambda: X[FRACTIONS], errors.DTypeError, "entries of float64"),
        (lambda: X[0.5], errors.DTypeError, "entries of float64"),
        (lambda: X["a"], errors.DTypeError, "entries of"),
        (lambda: X[[0, [1]]], errors.DTypeError, "entries of object"),
        (lambda: X[True], errors.DTypeError, "lone truth value"),
        (lambda: X[::0], errors.ArgumentError, "step"),
        (lambda: X[:0.5], errors.ArgumentError, "whole numbers"),
        (lambda: X[np.array([True, False, True])], errors.ShapeError, r"mask of shape \(3,\)"),
        (lambda: X[np.ones((2, 2), bool)], errors.ShapeError, r"needs a mask of shape \(2, 3\)"),
        (lambda: X[[0, 1], [0, 1, 2]], errors.ShapeError, "broadcast"),
        (lambda: indexing.take(X, [0, 3], axis=1), errors.RangeError, r"3 at position \[1\]"),
        (lambda: indexing.take(X, FRACTIONS), errors.DTypeError, "float64"),
        (lambda: indexing.take(X, [0], axis=2), errors.ShapeError, "axis 2"),
        (lambda: indexing.take(X, np.array([True, False])), errors.DTypeError, "bool"),
        (
            lambda: indexing.embedding(X, [[0, 1], [1, 2]]),
            errors.RangeError,
            r"index 2 at position \[1, 1\].\n.*from 0 to 1",
        ),
        (lambda: indexing.embedding(X, [0, -1]), errors.RangeError, r"-1 at position \[1\]"),
        (
            lambda: indexing.one_hot([0, 3, 1], classes=3),
            errors.RangeError,
            r"label 3 at position \[1\].\n.*labels from 0 to 2",
        ),
        (lambda: indexing.one_hot(-1, classes=3), errors.RangeError, "label -1"),
        (lambda: indexing.one_hot(FRACTIONS, classes=3), errors.DTypeError, "float64"),
        (
            lambda: scattering.gather(X, [[3], [0]], axis=1),
            errors.RangeError,
            r"3 at position \[0, 0\] for axis 1 of size 3",
        ),
        (lambda: scattering.gather(X, [[0]], axis=1), errors.ShapeError, r"needs shape \(2, any\)"),
        (lambda: scattering.gather(X, [0], axis=1), errors.ShapeError, r"\(2, any\)"),
        (
            lambda: scattering.scatter_add(X, [[0], [-4]], [[1.0], [1.0]], axis=1),
            errors.RangeError,
            r"-4 at position \[1, 0\]",
        ),
        (
            lambda: scattering.scatter_add(X, [[0], [0]], [[1.0]], axis=1),
            errors.ShapeError,
            "index for every number",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_mask_has_no_shape_without_values():
    with pytest.raises(errors.ShapeError, match="only shapes are known"):
        indexing.index.shape((4,), (4,), key=(indexing.MASK,))
