"""Tests of whole numbers in fewer bits."""

from __future__ import annotations

import numpy as np

from backlight.native.lowering.loops import Node, interpret, ordered
from backlight.native.lowering.narrow import narrowed
from tests.native.loop_graphs import Drawn, applied, folded, given, number

WIDE = np.dtype(np.int64)


def test_random_graphs_keep_their_values_and_types() -> None:
    for seed in range(60):
        drawn = Drawn(seed, nodes=20)
        values = drawn.values()
        made = narrowed(drawn.outputs)
        assert [node.dtype for node in made] == [node.dtype for node in drawn.outputs]
        pairs = zip(interpret(made, values), interpret(drawn.outputs, values), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def test_winners_are_small_numbers() -> None:
    x = given(0, (8, 100))
    winner = folded(x, (1,), "argmax", WIDE)
    flat = applied("add", winner, applied("multiply", winner, number(100, WIDE)))
    (made,) = narrowed([applied("equal", flat, number(5, WIDE), dtype=bool)])
    assert all(node.dtype != WIDE for node in ordered([made]))


def test_what_may_be_large_stays_wide() -> None:
    labels = given(0, (8,), WIDE)
    place = Node("place", (), (8,), WIDE, {"axis": 0})
    large = applied("multiply", place, number(2**31, WIDE))
    outputs = [applied("equal", labels, place, dtype=bool), large, applied("add", labels, place)]
    values = [np.array([0, 1, 5, 2**40, 4, 5, -6, 7])]
    for one, other in zip(
        interpret(narrowed(outputs), values), interpret(outputs, values), strict=True
    ):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
