"""Arithmetic of shapes, against NumPy, and refusals that hold both shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError

sizes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
quick = settings(max_examples=150, deadline=None, derandomize=True)


@quick
@given(mutually_broadcastable_shapes(num_shapes=3, min_side=0))
def test_broadcast_like_numpy(found):
    assert shapes.broadcast("add", *found.input_shapes) == found.result_shape


@quick
@given(sizes, sizes)
def test_broadcast_refuses_what_numpy_refuses(a, b):
    try:
        known = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match="add") as refusal:
            shapes.broadcast("add", a, b)
        assert str(a) in str(refusal.value)
        assert str(b) in str(refusal.value)
    else:
        assert shapes.broadcast("add", a, b) == known


@quick
@given(sizes, st.data())
def test_reduce_like_numpy(shape, data):
    rank = len(shape)
    axis = data.draw(
        st.none()
        | st.lists(st.integers(-rank, rank - 1) if rank else st.nothing(), max_size=rank).map(tuple)
    )
    keepdims = data.draw(st.booleans())
    try:
        known = np.zeros(shape).sum(axis=axis, keepdims=keepdims).shape
    except ValueError:
        with pytest.raises(ShapeError, match="twice"):
            shapes.reduce("sum", shape, axis, keepdims)
    else:
        assert shapes.reduce("sum", shape, axis, keepdims) == known


@quick
@given(sizes, sizes)
def test_matmul_like_numpy(a, b):
    try:
        known = np.matmul(np.zeros(a), np.zeros(b)).shape
    except ValueError:
        with pytest.raises(ShapeError, match="matmul"):
            shapes.matmul("matmul", a, b)
    else:
        assert shapes.matmul("matmul", a, b) == known


@quick
@given(
    st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3)
)
def test_windows_are_those_that_fit(size, kernel, stride, padding, dilation):
    extent = dilation * (kernel - 1) + 1
    starts = range(0, size + 2 * padding - extent + 1, stride)
    if not starts:
        with pytest.raises(ShapeError, match=f"size {size}"):
            shapes.window("conv", size, kernel, stride, padding, dilation)
        return
    assert shapes.window("conv", size, kernel, stride, padding, dilation, "floor") == len(starts)
    if (size + 2 * padding - extent) % stride:
        with pytest.raises(ShapeError, match="whole number of windows"):
            shapes.window("conv", size, kernel, stride, padding, dilation)
    else:
        assert shapes.window("conv", size, kernel, stride, padding, dilation) == len(starts)


@pytest.mark.parametrize("value", [1.0, True, "3", None, np.float64(2)])
def test_whole_numbers_only(value):
    with pytest.raises(ArgumentError, match="axis="):
        shapes.whole("sum", "axis", value)


def test_whole_numbers_of_every_kind():
    assert shapes.whole("sum", "axis", np.int8(-3)) == -3
    with pytest.raises(ArgumentError, match="at least 1"):
        shapes.whole("conv", "stride", 0, 1)
    assert shapes.pair("conv", "stride", (1, 2), 1) == (1, 2)
    for bad in ((1, 2, 3), (1, 0), "ab", 1.5):
        with pytest.raises(ArgumentError, match="stride"):
            shapes.pair("conv", "stride", bad, 1)
