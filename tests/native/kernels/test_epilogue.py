"""Tests of what is made of a contraction's sums before they are stored."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from backlight.native.kernels.epilogue import Epilogue, reach
from backlight.native.lowering.loops import Node, interpret, ordered, users
from backlight.native.machine_code.build import compile_object, load
from backlight.native.machine_code.emit import I64, kernel, operand
from backlight.native.machine_code.machine import Target, host, named
from tests.native.loop_graphs import applied, given, number

random = np.random.Generator(np.random.Philox(13))
CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def applied_to_sums(epilogue: Epilogue, sums: Any, extra: list[Any], target: Target) -> Any:
    """An epilogue applied to sums that lie in memory, vector by vector, as contractions do."""
    module = ir.Module()
    code, operands, _, _ = kernel("kernel", module, target)
    bases = [operand(code, operands, place) for place in range(2 + len(extra))]
    lanes, (rows, columns) = target.lanes(4), sums.shape
    for row in range(rows):
        for column in range(0, columns, lanes):
            mask = None
            if columns - column < lanes:
                mask = code.mask(I64(columns - column), lanes)
            offset = I64(row * columns + column)
            number = code.load(bases[0], offset, np.float32, lanes, mask)
            where = (I64(0), I64(row), I64(column))
            made = epilogue.write(code, number, where, mask, bases[2:])
            code.store(code.splat(made, lanes), bases[1], offset, mask)
    code.finish()
    library = load([compile_object(str(module), target)])
    output = np.zeros(sums.shape, epilogue.output.dtype)
    arrays = [sums, output, *extra]
    addresses = np.array([one.ctypes.data for one in arrays], np.int64)
    CALL(library.address("kernel"))(addresses.ctypes.data, 0, 1)
    return output


@pytest.mark.parametrize("target", [host(), named("sse")], ids=["host", "sse"])
@pytest.mark.parametrize("columns", [1, 7, 16, 37])
def test_bias_mask_and_residual_are_computed_from_the_sums(target: Target, columns: int) -> None:
    rows = 3
    sums = given(0, (rows, columns))  # stands for a contraction
    bias, residual = given(1, (columns,)), given(2, (rows, columns))
    turned = given(3, (columns, rows))
    mask = Node("transpose", (turned,), (rows, columns), np.float32, {"axes": (1, 0)})
    shifted = applied("add", sums, bias)
    kept = applied("where", applied("greater", mask, number(0.0), dtype=bool), shifted, residual)
    epilogue = Epilogue(sums, kept, {sums, bias, residual, turned})
    assert set(epilogue.inputs) == {bias, residual, turned}
    values = [random.uniform(-1, 1, x.shape).astype(np.float32) for x in (sums, bias, residual)]
    values.append(random.uniform(-1, 1, (columns, rows)).astype(np.float32))
    extra = [values[node.attributes["slot"]] for node in epilogue.inputs]
    got = applied_to_sums(epilogue, values[0], extra, target)
    np.testing.assert_array_equal(got, interpret([kept], values)[0])


def product() -> Node:
    """A product of two inputs."""
    return Node("product", (given(0, (8, 4)), given(1, (4, 6))), (8, 6), np.float32)


def reached(contraction: Node, outputs: list[Node]) -> Node:
    """Where the epilogue of a contraction ends in a program with these outputs."""
    return reach(contraction, users(ordered(outputs)), set(outputs))[0]


def test_an_epilogue_goes_as_far_as_one_node_is_left() -> None:
    sums = product()
    positive = applied("greater", sums, number(0.0), dtype=bool)
    chosen = applied("where", positive, sums, applied("multiply", sums, number(0.1)))
    assert reached(sums, [chosen]) is chosen
    total = Node("fold", (chosen,), (8,), np.float32, {"by": "sum", "axes": (1,)})
    assert reached(sums, [total]) is chosen


def test_an_epilogue_ends_where_two_numbers_are_needed() -> None:
    sums = product()
    active = applied("maximum", sums, number(0.0))
    assert reached(sums, [active, sums]) is sums
    assert reached(sums, [applied("exp", active), active]) is active


def test_equal_epilogues_have_equal_keys() -> None:
    keys = []
    for factor in (2.0, 2.0, 3.0):
        sums = product()
        output = applied("multiply", sums, number(factor))
        keys.append(Epilogue(sums, output, {*sums.inputs}).key)
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
