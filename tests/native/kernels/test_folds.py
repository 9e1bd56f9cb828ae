"""Tests of folds: NaN, first winners, counts, accumulation in float64."""

from __future__ import annotations

import numpy as np
import pytest

from backlight.native.lowering.loops import Node, interpret
from backlight.native.machine_code.machine import host, named
from tests.native.loop_graphs import applied, execute, folded, given

TARGETS = [host(), named("sse")]
random = np.random.Generator(np.random.Philox(5))


def awkward(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Many ties, NaN, −∞, and a last row of nothing but −∞."""
    values = random.integers(-3, 3, shape).astype(dtype)
    values[random.random(shape) < 0.05] = np.nan
    values[random.random(shape) < 0.05] = -np.inf
    values.reshape(-1)[-shape[-1] :] = -np.inf
    return values


@pytest.mark.parametrize("target", TARGETS, ids=["host", "sse"])
@pytest.mark.parametrize("shape", [(3, 70), (40, 9), (4, 5, 16)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_and_their_places(target: object, shape: tuple[int, ...], dtype: type) -> None:
    values = awkward(shape, dtype)
    x = given(0, shape, dtype)
    outputs = []
    for by in ("max", "min"):
        for axis in range(len(shape)):
            outputs.append(folded(x, (axis,), by))
            outputs.append(folded(x, (axis,), "arg" + by, np.int64))
            outputs.append(Node("scan", (x,), shape, dtype, {"by": by, "axis": axis}))
    outputs.append(folded(x, tuple(range(len(shape))), "argmax", np.int64))
    found = execute(outputs, [values], target, parts=2)  # type: ignore[arg-type]
    for one, want in zip(found, interpret(outputs, [values]), strict=True):
        np.testing.assert_array_equal(one, want)


def test_whole_numbers_and_truth_values() -> None:
    values = random.integers(-100, 100, (13, 21))
    x = given(0, values.shape, np.int64)
    large = applied("greater", x, Node("constant", (), (), np.int64, {"value": 20}), dtype=bool)
    outputs = [folded(x, (axis,), by) for axis in (0, 1) for by in ("sum", "prod", "max", "min")]
    outputs += [folded(large, (axis,), by) for axis in (0, 1) for by in ("any", "all", "max")]
    outputs += [folded(large, (axis,), "sum", np.int64) for axis in (0, 1)]
    outputs += [folded(large, (0, 1), "sum", np.float64)]
    for target in TARGETS:
        found = execute(outputs, [values], target)
        for one, want in zip(found, interpret(outputs, [values]), strict=True):
            np.testing.assert_array_equal(one, want)


def test_sums_of_float32_are_carried_in_float64() -> None:
    values = np.full((3, 100_003), 0.1, np.float32)
    wide = applied("cast", given(0, values.shape), dtype=np.float64)
    for axes in ((1,), (0, 1)):
        node = folded(wide, axes)
        (got,) = execute([node], [values], host())
        np.testing.assert_allclose(got, interpret([node], [values])[0], rtol=1e-13)


def test_nothing_folds_to_the_identity() -> None:
    x = given(0, (3, 0))
    outputs = [folded(x, (1,), "sum"), folded(x, (1,), "prod")]
    found = execute(outputs, [np.zeros((3, 0), np.float32)], host())
    np.testing.assert_array_equal(found, [[0.0] * 3, [1.0] * 3])
