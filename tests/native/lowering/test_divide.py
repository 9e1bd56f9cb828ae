"""Tests of dividing long folds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from backlight.native.lowering import divide
from backlight.native.lowering.loops import interpret, ordered
from backlight.native.machine_code.machine import host
from tests.native.loop_graphs import applied, execute, folded, given, number

random = np.random.Generator(np.random.Philox(9))


@pytest.mark.parametrize("shape", [(1000,), (64,), (10, 67), (2, 1000), (5, 3, 7, 11)])
def test_a_divided_fold_has_the_same_value(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divide, "LONG", 64)
    monkeypatch.setattr(divide, "ROWS", 4)
    monkeypatch.setattr(divide, "PARTS", 8)
    x = given(0, shape, np.float64)
    truths = applied("greater", x, number(2.0, np.float64), dtype=bool)
    outputs = []
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            outputs += [folded(x, axes, "sum"), folded(x, axes, "max"), folded(truths, axes, "any")]
    made = divide.divided(outputs)
    values = random.uniform(-3, 3, shape)
    want = interpret(outputs, [values])
    assert [node.shape for node in made] == [node.shape for node in outputs]
    for one, other in zip(interpret(made, [values]), want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for one, other in zip(execute(made, [values], host(), parts=3), want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_short_folds_and_folds_with_rows_stay() -> None:
    short, rows = given(0, (100,)), given(1, (4096, 100))
    outputs = [folded(short, (0,)), folded(rows, (1,)), folded(rows, (0,))]
    assert divide.divided(outputs) == outputs


def test_a_long_fold_gets_rows() -> None:
    node = folded(given(0, (1_000_000,)), (0,))
    inner = next(one for one in ordered(divide.divided([node])) if one.op == "fold")
    assert inner.size == divide.PARTS
