"""The zeros around images: all of the margins, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.native.kernels.border import Border
from backlight.native.machine_code.machine import host, named
from backlight.native.running.program import Array, Call, Program

MARGIN = st.integers(0, 3)


def cleared(shape, margins, dtype, target):
    border = Border(shape, margins, np.dtype(dtype))
    images = np.full(shape, 7, dtype)
    held = Array(images.nbytes, "images", 0)
    program = Program([Call(border, [(held, 0)])], 1, target)
    program.bind(0, images.__array_interface__["data"][0])
    program.run(1)
    return images


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 19), MARGIN, MARGIN)
def test_margins_are_zero_and_the_middle_is_left_alone(n, h, w, c, top, left):
    bottom, right = left, top
    shape = (n, h + top + bottom, w + left + right, c)
    images = cleared(shape, (top, bottom, left, right), "f4", host())
    middle = np.zeros(shape, bool)
    middle[:, top : top + h, left : left + w] = True
    assert (images[middle] == 7).all()
    assert (images[~middle] == 0).all()


@pytest.mark.parametrize("name", ["avx2", "sse"])
def test_narrower_processors_and_float64(name):
    images = cleared((2, 5, 6, 3), (1, 1, 2, 1), "f8", named(name))
    assert images.sum() == 7 * 2 * 3 * 3 * 3
