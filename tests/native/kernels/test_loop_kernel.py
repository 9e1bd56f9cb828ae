"""Tests of kernels of loops: lengths, alignments, tails, chunks, memory written in place."""

from __future__ import annotations

import numpy as np
import pytest

from backlight.native.kernels import groups, loop_kernel
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.lowering.loops import Node, interpret
from backlight.native.machine_code.machine import Target, host, named
from tests.native.loop_graphs import (
    applied,
    called,
    compiled,
    execute,
    folded,
    given,
    guarded,
    kept_axes,
    number,
)

TARGETS = [host(), named("avx2"), named("sse")]
NAMES = ["host", "avx2", "sse"]
random = np.random.Generator(np.random.Philox(3))


def formula(x: Node) -> Node:
    """x·x + exp(min(x, 2)) / 3, which has a division and a transcendental function."""
    small = applied("exp", applied("minimum", x, number(2.0)))
    return applied("add", applied("multiply", x, x), applied("divide", small, number(3.0)))


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_no_number_depends_on_where_it_stands(target: Target) -> None:
    values = random.uniform(-3, 3, 67).astype(np.float32)
    whole = given(0, (67,))
    (want,) = execute([formula(whole)], [values], target)
    np.testing.assert_allclose(want, interpret([formula(whole)], [values])[0], rtol=1e-6)
    for length in range(1, 67):
        x = given(0, (length,))
        for start in (0, 67 - length):
            part = values[start : start + length]
            (got,) = execute([formula(x)], [part], target, moved=4 * (length % 16))
            np.testing.assert_array_equal(got, want[start : start + length])


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
@pytest.mark.parametrize("by", ["sum", "max", "argmax", "all"])
def test_rows_of_every_length_are_folded(target: Target, by: str) -> None:
    kernels = 0
    for length in (1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67, 129):
        values = random.integers(-9, 9, (3, length)).astype(np.float32)
        x = given(0, values.shape)
        if by == "all":
            x = applied("less", x, number(8.0), dtype=bool)
        node = folded(x, (1,), by, {"argmax": np.int64, "all": bool}.get(by, np.float32))
        (got,) = execute([node], [values], target, parts=2, moved=4)
        np.testing.assert_array_equal(got, interpret([node], [values])[0])
        kernels += 1
    assert kernels == 16


def test_chunks_give_the_same_bits_however_they_are_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_kernel, "SMALL", 0.0)
    monkeypatch.setattr(groups, "LITTLE", 64)
    values = random.uniform(-3, 3, (70, 37)).astype(np.float32)
    x = given(0, values.shape)
    top = kept_axes(x, (1,), "max")
    small = applied("exp", applied("subtract", x, top))
    outputs = [
        applied("divide", small, kept_axes(small, (1,), "sum")),
        folded(small, (0,), "sum"),
        folded(x, (0, 1), "max"),
    ]
    want = execute(outputs, [values], host())
    for parts in (2, 3, 7):
        for one, other in zip(execute(outputs, [values], host(), parts), want, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_number_of_chunks_follows_from_the_shape() -> None:
    chunks = []
    for size in (100, 10_000_000):
        x = given(0, (size,))
        node = applied("negative", x)
        chunks.append(LoopKernel([[node]], 0, [node], {x}).chunks)
    assert chunks[0] == 1
    assert chunks[1] >= 8


def test_equal_structure_is_an_equal_key_and_equal_code() -> None:
    def kernel(slot: int, factor: float) -> LoopKernel:
        x = given(slot, (9, 5))
        node = applied("multiply", x, number(factor))
        return LoopKernel([[node]], 0, [node], {x})

    assert kernel(0, 2.0).key == kernel(7, 2.0).key
    assert kernel(0, 2.0).key != kernel(0, 3.0).key
    assert kernel(0, 0.0).key != kernel(0, -0.0).key
    assert kernel(0, float("nan")).key == kernel(1, float("nan")).key


def test_what_may_share_memory_gives_the_same_numbers_when_it_does() -> None:
    x, y = given(0, (1000,)), given(1, (1000,))
    first = applied("add", y, number(1.0))
    second = applied("multiply", applied("add", x, first), y)
    kernel = LoopKernel([[first, second]], 0, [first, second], {x, y})
    assert {(kernel.inputs.index(y), 0), (kernel.inputs.index(x), 1)} <= set(kernel.may_alias)
    values = {node: random.uniform(-1, 1, 1000).astype(np.float32) for node in (x, y)}
    function = compiled(kernel, host())
    want = called(kernel, function, values, 1)
    for place, output in kernel.may_alias:
        arrays = {node: value.copy() for node, value in values.items()}
        shared = arrays[kernel.inputs[place]]
        outputs = [np.zeros(1000, np.float32), np.zeros(1000, np.float32)]
        outputs[output] = shared
        addresses = [arrays[node].ctypes.data for node in kernel.inputs]
        addresses += [one.ctypes.data for one in outputs]
        operands = np.array(addresses, np.int64)
        function(operands.ctypes.data, 0, kernel.chunks)
        for one, other in zip(outputs, want, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_read_elsewhere_may_not_be_overwritten() -> None:
    x = given(0, (6, 6))
    turned = Node("transpose", (x,), (6, 6), np.float32, {"axes": (1, 0)})
    node = applied("add", x, turned)
    assert LoopKernel([[node]], 0, [node], {x}).may_alias == []


def test_padding_reads_nothing_outside() -> None:
    # The array lies at the very end of readable memory: a page behind it cannot be read.
    import mmap

    x = given(0, (5, 7))
    settings = {"before": (2, 3), "value": 9.0}
    node = Node("pad", (x,), (9, 13), np.float32, settings)
    twice = applied("add", node, applied("exp", node))
    area = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    raw = np.frombuffer(area, np.uint8)
    for end in (mmap.PAGESIZE, 2 * mmap.PAGESIZE):
        values = raw[end - 140 : end].view(np.float32).reshape(5, 7)
        values[...] = random.uniform(-1, 1, (5, 7))
        for target in TARGETS:
            (got,) = execute([twice], [values], target)
            np.testing.assert_allclose(got, interpret([twice], [values])[0], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_every_type_is_loaded_and_stored(dtype: str) -> None:
    values = random.integers(0, 2, (5, 19)).astype(dtype)
    x = given(0, values.shape, dtype)
    turned = Node("transpose", (x,), (19, 5), dtype, {"axes": (1, 0)})
    mixed = applied("cast", x, dtype=np.float64)
    for target in TARGETS:
        got = execute([turned, applied("logical_not", x, dtype=bool), mixed], [values], target)
        np.testing.assert_array_equal(got[0], values.T)
        np.testing.assert_array_equal(got[1], np.logical_not(values))
        np.testing.assert_array_equal(got[2], values.astype(np.float64))


def test_a_guarded_array_notices_a_byte_too_many() -> None:
    raw, array = guarded((3,), np.float32, 4)
    assert array.ctypes.data % 64 == 4
    first = array.ctypes.data - raw.ctypes.data
    array[...] = 0
    assert set(np.delete(raw, range(first, first + array.nbytes)).tolist()) == {0x5A}
