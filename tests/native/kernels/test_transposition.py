"""Axes turned around in tiles: every size, every type, margins, and nothing beside the array."""

from __future__ import annotations

import numpy as np
import pytest

from backlight.native.kernels import transposition as module
from backlight.native.kernels.fuse import fuse
from backlight.native.kernels.transposition import Transposition, transposition
from backlight.native.lowering.loops import Node, interpret
from backlight.native.machine_code.machine import host, named
from tests.native.loop_graphs import applied, execute, given

TARGETS = [host(), named("avx2"), named("sse")]
NAMES = ["host", "avx2", "sse"]


@pytest.fixture(autouse=True)
def _small_ones_too(monkeypatch):
    monkeypatch.setattr(module, "LEAST", 1)


def turned(x, axes):
    return Node("transpose", [x], [x.shape[a] for a in axes], x.dtype, {"axes": axes})


def padded(x, top, bottom, left, right, value=0.0):
    n, h, w, c = x.shape
    settings = {"before": (0, top, left, 0), "value": value}
    return Node("pad", [x], (n, h + top + bottom, w + left + right, c), x.dtype, settings)


def values(shape, dtype="f4", seed=0):
    random = np.random.default_rng(seed)
    return (
        random.integers(0, 2, shape) if dtype == "?" else random.integers(-99, 99, shape)
    ).astype(dtype)


def checked(node, array, target, parts=1, moved=0, kernel=Transposition):
    (step,) = fuse([node])
    assert isinstance(step, kernel)
    (found,) = execute([node], [array], target, parts, moved)
    assert np.array_equal(found, interpret([node], [array])[0])
    return step


def test_every_size_from_2_to_67():
    for size in range(2, 68):
        other = 2 + 29 * size % 66  # every size on this side too
        checked(turned(given(0, (size, other)), (1, 0)), values((size, other)), host(), moved=4)


@pytest.mark.parametrize("target", TARGETS[1:], ids=NAMES[1:])
@pytest.mark.parametrize("shape", [(2, 3), (3, 67), (67, 4), (33, 5), (8, 8), (130, 65), (64, 128)])
def test_narrower_processors(target, shape):
    checked(turned(given(0, shape), (1, 0)), values(shape), target, moved=12)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
@pytest.mark.parametrize("dtype", ["?", "i1", "f8", "i8", "i4", "f2"])
def test_every_type(target, dtype):
    shape = (2, 19, 33)
    checked(turned(given(0, shape, dtype), (0, 2, 1)), values(shape, dtype), target)


@pytest.mark.parametrize("channels", [2, 3, 4, 5, 16, 32, 67])
@pytest.mark.parametrize("size", [(5, 7), (16, 16), (32, 32)])
def test_images_both_ways_with_margins_and_without(channels, size):
    first = given(0, (2, channels, *size))
    array = values(first.shape)
    last = turned(first, (0, 2, 3, 1))
    checked(last, array, host(), parts=3)
    checked(padded(last, 1, 2, 1, 3), array, host(), parts=3)
    stored = given(0, (2, *size, channels))
    checked(turned(stored, (0, 3, 1, 2)), values(stored.shape), host(), parts=3)


def test_numbers_keep_their_bits():
    array = np.array([[np.nan, -0.0], [np.inf, 5e-324], [-np.nan, 1.0]])
    node = turned(given(0, (3, 2), "f8"), (1, 0))
    (found,) = execute([node], [array], host())
    assert found.tobytes() == np.ascontiguousarray(array.T).tobytes()


def test_a_part_of_an_array_backwards():
    x = given(0, (40, 50))
    part = Node("slice", [x], (17, 30), x.dtype, {"start": (38, 3), "step": (-2, 1)})
    checked(turned(part, (1, 0)), values((40, 50)), host())


def test_however_it_is_divided():
    x = given(0, (64, 32, 24, 24))
    node = padded(turned(x, (0, 2, 3, 1)), 1, 1, 1, 1)
    kernel = transposition(node, {x})
    assert kernel is not None
    assert kernel.chunks == 32
    array = values(x.shape)
    for parts in (1, 2, 3, 7, 32):
        checked(node, array, host(), parts)


def test_what_is_no_such_thing():
    x = given(0, (8, 9, 10, 12))
    memory = {x}
    assert transposition(padded(x, 1, 1, 1, 1), memory) is None  # nothing is turned
    assert transposition(padded(turned(x, (0, 2, 3, 1)), 1, 1, 1, 1, -1.0), memory) is None
    assert transposition(padded(turned(x, (0, 2, 3, 1)), 1, 1, 1, 1, -0.0), memory) is None
    assert transposition(turned(x, (1, 0, 2, 3)), memory) is None  # rows stay rows
    assert transposition(turned(applied("exp", x), (0, 2, 3, 1)), memory) is None
    joined = Node("reshape", [turned(x, (0, 2, 3, 1))], (8, 9 * 10 * 12), x.dtype)
    assert transposition(turned(joined, (1, 0)), memory) is None  # no single step


def test_equal_moves_are_equal_code():
    def made(slot, dtype):
        x = given(slot, (30, 40), dtype)
        return transposition(turned(x, (1, 0)), {x}).key

    assert made(0, "f4") == made(5, "i4")
    assert made(0, "f4") != made(0, "f8")
