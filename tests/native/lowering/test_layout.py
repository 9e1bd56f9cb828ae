"""Channels last: the same numbers, and no array turned around between convolutions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight import philox
from backlight.native.lowering.layout import channels_last, groups
from backlight.native.lowering.loops import Node, interpret, ordered
from backlight.native.machine_code.machine import host

SETTINGS = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}


def source(slot, *shape):
    return Node("input", (), shape, "float64", {"slot": slot})


def network():
    """conv, bias, relu, max pooling with its winners, conv; gradients by data and weights."""
    x, w, bias = source(0, 2, 3, 8, 8), source(1, 5, 3, 3, 3), source(2, 5)
    v = source(3, 4, 5, 3, 3)
    size = (2, 5, 8, 8)
    first = Node("convolve", [x, w], size, "f8", SETTINGS, "conv1")
    moved = Node("add", [first, Node("reshape", [bias], (1, 5, 1, 1), "f8")], size, "f8")
    zero = Node("constant", (), (), "f8", {"value": 0.0})
    rectified = Node("maximum", [moved, zero], size, "f8")
    two = {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 1)}
    windows = Node("window", [rectified], (2, 5, 4, 4, 2, 2), "f8", two)
    pooled = Node("fold", [windows], (2, 5, 4, 4), "f8", {"by": "max", "axes": (4, 5)})
    winner = Node("fold", [windows], (2, 5, 4, 4), "i8", {"by": "argmax", "axes": (4, 5)})
    second = Node("convolve", [pooled, v], (2, 4, 4, 4), "f8", SETTINGS, "conv2")
    by_bias = Node("fold", [second], (4,), "f8", {"by": "sum", "axes": (0, 2, 3)})
    flat = Node("reshape", [second], (2, 64), "f8")
    data = Node("convolve_by_data", [moved, w], x.shape, "f8", {**SETTINGS, "size": (8, 8)})
    three = {**SETTINGS, "kernel_size": (3, 3)}
    weights = Node("convolve_by_weight", [moved, x], w.shape, "f8", three)
    rows = Node("place", (), size, "i8", {"axis": 2})
    shifted = Node("multiply", [moved, Node("cast", [rows], size, "f8")], size, "f8")
    part = {"start": (0, 1, 7, 0), "step": (1, 2, -1, 1)}
    cut = Node("slice", [shifted], (2, 2, 8, 8), "f8", part)
    rest = Node("fold", [shifted], (2, 8), "f8", {"by": "sum", "axes": (1, 3)})
    turned = Node("transpose", [moved], (8, 5, 2, 8), "f8", {"axes": (2, 1, 0, 3)})
    return [by_bias, flat, data, weights, winner, pooled, cut, rest, turned]


def test_every_output_keeps_its_value():
    outputs = network()
    arrays = [
        philox.normal(1, slot, shape, np.float64)
        for slot, shape in enumerate([(2, 3, 8, 8), (5, 3, 3, 3), (5,), (4, 5, 3, 3)])
    ]
    before = interpret(outputs, arrays)
    after = interpret(channels_last(outputs, host()), arrays)
    for node, one, other in zip(outputs, before, after, strict=True):
        assert one.shape == other.shape
        assert np.allclose(one, other, rtol=1e-12, atol=1e-12), node


def test_nothing_is_turned_around_between_convolutions():
    second = next(
        node for node in ordered(channels_last(network(), host())) if node.origin == "conv2"
    )
    chain = [node for node in ordered([second]) if node.op == "transpose"]
    # The image on its way in, and the windows, which are looked through and not copied.
    assert len(chain) == 3


def test_padding_is_made_once_for_both_users():
    pads = [node for node in ordered(channels_last(network(), host())) if node.op == "pad"]
    assert len(pads) == 3  # images for two passes, pooled ones, the upstream gradient


@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_without_convolutions_nothing_changes(shape):
    x = source(0, *shape)
    outputs = [Node("exp", [x], shape, "f8")]
    assert channels_last(outputs, host())[0] is outputs[0]


def test_pooling_backwards_repeats_numbers_where_they_are_stored():
    """The repetition of each number over its window is split and merged channels last."""
    x, w = source(0, 2, 3, 8, 8), source(1, 5, 3, 3, 3)
    first = Node("convolve", [x, w], (2, 5, 8, 8), "f8", SETTINGS)
    apart = Node("reshape", [first], (2, 5, 8, 1, 8, 1), "f8")
    wide = Node("expand", [apart], (2, 5, 8, 2, 8, 2), "f8")
    merged = Node("reshape", [wide], (2, 5, 16, 16), "f8")
    total = Node("add", [merged, merged], (2, 5, 16, 16), "f8")
    (made,) = channels_last([total], host())
    assert made.op == "transpose"
    assert made.inputs[0].shape == (2, 16, 16, 5)
    arrays = [philox.normal(2, slot, node.shape, np.float64) for slot, node in enumerate((x, w))]
    assert np.array_equal(interpret([made], arrays)[0], interpret([total], arrays)[0])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_runs_of_a_reshape_hold_the_same_elements(old, random):
    new, rest = [], math.prod(old)
    while rest > 1 or (len(new) < 6 and random.random() < 0.3):
        new.append(random.choice([k for k in range(1, rest + 1) if rest % k == 0]))
        rest //= new[-1]
    found = groups(old, new)
    if found is None:
        return
    assert [axis for left, _ in found for axis in left] == list(range(len(old)))
    assert [axis for _, right in found for axis in right] == list(range(len(new)))
    for left, right in found:
        assert math.prod(old[axis] for axis in left) == math.prod(new[axis] for axis in right)
