"""The register tile: nests of loops, tails, every target; and the choice of its size."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

llvmlite = pytest.importorskip("llvmlite")

from backlight.native.contraction.tile import shape_for, tile, zeros  # noqa: E402
from backlight.native.machine_code import build, machine  # noqa: E402
from backlight.native.machine_code.emit import I64, kernel, operand  # noqa: E402

TARGETS = ["avx512", "avx2", "sse"]


def runnable(name: str) -> machine.Target:
    """The target, if this machine can run it."""
    order = {"sse": 0, "avx2": 1, "avx512": 2}
    if machine.host().name == "neon" or order[name] > order[machine.host().name]:
        pytest.skip(f"this processor has no {name}")
    return machine.named(name)


def compiled(module: Any, target: machine.Target) -> Any:
    library = build.load([build.compile_object(str(module), target)])
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(library.address("kernel"))
    function.library = library
    return function


def tile_kernel(target, dtype, nest, rows, vectors, row_stride, tail=None):
    module = llvmlite.ir.Module()
    code, operands, _, end = kernel("kernel", module, target)
    a, b, out = (operand(code, operands, place) for place in range(3))
    lanes = target.lanes(np.dtype(dtype).itemsize)
    nest = [(end if count is None else count, x, y) for count, x, y in nest]
    mask = None if tail is None else code.mask(I64(tail), lanes)
    start = zeros(code, dtype, rows, vectors, lanes)
    sums = tile(code, a, row_stride, b, nest, rows, vectors, lanes, start, mask)
    for place, number in enumerate(sums):
        code.store(number, out, I64(place * lanes))
    code.finish()
    return compiled(module, target), lanes


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "nest",
    [
        [],
        [(0, 1, 64)],
        [(1, 1, 64)],
        [(7, 1, 64)],
        [(None, 1, 64)],
        [(3, 11, 300), (5, 2, 64)],
        [(None, 9, 256), (2, 3, 128), (6, 1, 64)],
    ],
)
def test_sums_every_nest_of_loops(name, dtype, nest):
    target = runnable(name)
    function, lanes = tile_kernel(target, dtype, nest, 3, 2, 40)
    draw = np.random.default_rng(0)
    a = draw.standard_normal(4000).astype(dtype)
    b = draw.standard_normal(8000).astype(dtype)
    for outer in (0, 1, 2, 9) if nest and nest[0][0] is None else (0,):
        steps = [(0, 0)]
        for count, x, y in nest:
            count = outer if count is None else count
            steps = [(i + k * x, j + k * y) for i, j in steps for k in range(count)]
        expected = np.zeros((3, 2 * lanes))
        for i, j in steps:
            column = b[j : j + 2 * lanes].astype(float)
            expected += np.stack([a[i + 40 * r] * column for r in range(3)])
        out = np.full(6 * lanes, 5, dtype)
        addresses = (ctypes.c_void_p * 3)(a.ctypes.data, b.ctypes.data, out.ctypes.data)
        function(ctypes.addressof(addresses), 0, outer)
        bound = 8 * np.finfo(dtype).eps * max(1, len(steps))
        np.testing.assert_allclose(out.reshape(3, 2 * lanes), expected, atol=bound, rtol=0)


@pytest.mark.parametrize("name", TARGETS)
def test_a_tail_mask_reads_only_its_lanes_and_a_stride_may_be_a_value(name):
    target = runnable(name)
    lanes = target.lanes(4)
    function, _ = tile_kernel(target, "float32", [(1, 1, 8)], 2, 2, 1, tail=lanes - 1)
    a = np.array([2, 3], "float32")
    b = np.arange(2 * lanes, dtype="float32")
    out = np.zeros(4 * lanes, "float32")
    addresses = (ctypes.c_void_p * 3)(a.ctypes.data, b.ctypes.data, out.ctypes.data)
    function(ctypes.addressof(addresses), 0, 0)
    b[-1] = 0
    np.testing.assert_array_equal(out.reshape(2, -1), a[:, None] * b)


@pytest.mark.parametrize("name", [*TARGETS, "neon"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_chosen_tile_fits_the_registers(name, dtype):
    target = machine.named(name)
    lanes = target.lanes(np.dtype(dtype).itemsize)
    for m in (0, 1, 5, 16, 67, 256, 4096):
        for n in (0, 1, 10, 64, 100, 1000):
            rows, vectors = shape_for(target, dtype, m, n)
            assert 1 <= rows <= max(1, m)
            assert 1 <= vectors <= max(1, -(-n // lanes))
            assert rows * vectors + vectors + 1 <= target.registers


def test_neon_code_is_made_of_its_multiply_adds():
    target = machine.named("neon")
    module = llvmlite.ir.Module()
    code, operands, _, end = kernel("kernel", module, target)
    a, b, out = (operand(code, operands, place) for place in range(3))
    sums = tile(code, a, 9, b, [(end, 1, 8)], 4, 2, 4, zeros(code, "float32", 4, 2, 4))
    for place, number in enumerate(sums):
        code.store(number, out, I64(place * 4))
    code.finish()
    try:
        text = build.assembly(str(module), target)
    except Exception as problem:  # a build of LLVM for this processor only
        pytest.skip(f"no code for neon here: {problem}")
    assert "fmla" in text
