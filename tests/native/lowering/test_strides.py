"""Views as strides, against NumPy's own."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backlight.native.lowering.loops import Node, interpret
from backlight.native.lowering.strides import reshaped, row_major, strided

SIZES = st.lists(st.integers(1, 4), max_size=4)


@given(SIZES, st.randoms(use_true_random=False))
def test_a_reshape_has_strides_exactly_where_numpy_needs_no_copy(sizes, random):
    axes = list(range(len(sizes)))
    random.shuffle(axes)
    array = np.arange(math.prod(sizes)).reshape(sizes).transpose(axes)
    new, rest = [], array.size
    while rest > 1:
        new.append(random.choice([k for k in range(1, rest + 1) if rest % k == 0]))
        rest //= new[-1]
    found = reshaped(array.shape, [step // 8 for step in array.strides], tuple(new))
    try:
        array.view().shape = tuple(new)
        free = True
    except AttributeError:
        free = False
    assert (found is not None) == free
    if found is not None:
        seen = np.lib.stride_tricks.as_strided(array, new, [8 * step for step in found])
        assert np.array_equal(seen, array.reshape(new))


def test_views_of_views_add_up_to_one_address():
    x = Node("input", (), (4, 6), "f8", {"slot": 0})
    turned = Node("transpose", [x], (6, 4), "f8", {"axes": (1, 0)})
    cut = Node("slice", [turned], (3, 2), "f8", {"start": (5, 1), "step": (-2, 2)})
    wide = Node("expand", [cut], (5, 3, 2), "f8")
    found = strided(wide, lambda node: node is x)
    assert found is not None
    assert found.base is x
    array = np.arange(24.0).reshape(4, 6)
    (want,) = interpret([wide], [array])
    flat = array.ravel()
    for place in np.ndindex(*wide.shape):
        where = found.offset + sum(a * b for a, b in zip(place, found.strides, strict=True))
        assert flat[where] == want[place]


def test_what_is_computed_is_no_view():
    x = Node("input", (), (4,), "f8", {"slot": 0})
    total = Node("add", [x, x], (4,), "f8")
    turned = Node("reshape", [total], (2, 2), "f8")
    assert strided(turned, lambda node: node is x) is None
    assert row_major((2, 0, 3)) == (0, 3, 1)
