"""Tests of grouping nodes into kernels: random graphs, and what must become one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from backlight.native.kernels import groups, loop_kernel, scan_kernel
from backlight.native.kernels.fuse import FINE, Alias, Contraction, complaint, fuse
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.lowering.loops import Node, interpret
from backlight.native.machine_code.machine import host, named
from tests.native.loop_graphs import (
    Drawn,
    applied,
    execute,
    folded,
    given,
    kept_axes,
    number,
)

TARGETS = {"host": host(), "avx2": named("avx2"), "sse": named("sse")}
random = np.random.Generator(np.random.Philox(11))


@pytest.mark.parametrize("seed", range(80))
def test_random_graphs_mean_what_numpy_computes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:  # as if the arrays were large: chunks, blocks, partial results
        monkeypatch.setattr(groups, "LITTLE", 64)
        monkeypatch.setattr(groups, "FEW_ROWS", 2)
        monkeypatch.setattr(loop_kernel, "SMALL", 0.0)
        monkeypatch.setattr(loop_kernel, "BLOCK", 64)
        monkeypatch.setattr(scan_kernel, "SMALL", 0.0)
    drawn = Drawn(seed)
    values = drawn.values()
    target = TARGETS[("host", "host", "avx2", "sse")[seed // 2 % 4]]
    want = interpret(drawn.outputs, values)
    got = execute(drawn.outputs, values, target, parts=1 + seed % 3, moved=8 * (seed % 5))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


def kernels(outputs: Sequence[Node]) -> list[LoopKernel]:
    """The kernels of loops among the steps."""
    return [step for step in fuse(outputs) if isinstance(step, LoopKernel)]


def softmax(x: Node) -> Node:
    """exp(x − max x) / Σ of the same."""
    small = applied("exp", applied("subtract", x, kept_axes(x, (1,), "max")))
    return applied("divide", small, kept_axes(small, (1,)))


def test_softmax_is_one_pass() -> None:
    (one,) = kernels([softmax(given(0, (4096, 1000)))])
    assert len(one.stages) == 3
    assert len(one.inputs) == len(one.outputs) == 1


def test_a_normalisation_and_its_gradients_are_one_pass() -> None:
    rows, size = 4096, 512
    x, gamma, upstream = given(0, (rows, size)), given(1, (size,)), given(2, (rows, size))
    count = number(1 / size)
    mean = applied("multiply", kept_axes(x, (1,)), count)
    centred = applied("subtract", x, mean)
    square = kept_axes(applied("multiply", centred, centred), (1,))
    deviation = applied("sqrt", applied("add", applied("multiply", square, count), number(1e-5)))
    normal = applied("divide", centred, deviation)
    local = applied("multiply", upstream, gamma)
    along = kept_axes(applied("multiply", local, normal), (1,))
    outputs = [
        applied("subtract", local, applied("multiply", normal, along)),
        folded(applied("multiply", upstream, normal), (0,)),
        folded(upstream, (0,)),
    ]
    steps = kernels(outputs)
    assert len(steps) == 2
    assert len(steps[0].partial) == 2
    assert all(node not in steps[1].inputs for node in (x, upstream))


def test_an_update_of_several_arrays_is_one_pass() -> None:
    p, m, v, g = (given(slot, (100_000,)) for slot in range(4))
    first = applied("fma", number(0.9), m, applied("multiply", number(0.1), g))
    second = applied("fma", number(0.99), v, applied("multiply", g, g))
    step = applied("divide", first, applied("add", applied("sqrt", second), number(1e-8)))
    (one,) = kernels([applied("subtract", p, step), first, second])
    assert len(one.outputs) == 3
    pairs = {(one.inputs[i], one.outputs[o]) for i, o in one.may_alias}
    assert {(m, first), (v, second)} <= pairs


def test_bias_and_activation_belong_to_their_product() -> None:
    x, w, b = given(0, (64, 32)), given(1, (32, 48)), given(2, (48,))
    product = Node("product", (x, w), (64, 48), np.float32)
    output = applied("maximum", applied("add", product, b), number(0.0))
    (step,) = fuse([output])
    assert isinstance(step, Contraction)
    assert step.output is output
    assert step.epilogue.inputs == [b]


def test_a_reshape_and_a_run_of_rows_are_no_code() -> None:
    x = given(0, (8, 6))
    flat = Node("reshape", (x,), (48,), np.float32)
    settings = {"start": (12,), "step": (1,)}
    some = Node("slice", (flat,), (12,), np.float32, settings)
    turned = Node("transpose", (x,), (6, 8), np.float32, {"axes": (1, 0)})
    steps = {step.node: step for step in fuse([flat, some]) if isinstance(step, Alias)}
    assert steps[flat].offset == 0
    assert steps[some].offset == 12
    assert not any(isinstance(step, Alias) for step in fuse([turned]))


def test_a_complaint_names_the_first_place() -> None:
    x = given(0, (5, 9))
    holds = applied("greater", x, number(0.0), dtype=bool)
    check = Node("check", (x, holds), x.shape, x.dtype, {"message": ()})
    values = random.uniform(0.1, 1, (5, 9)).astype(np.float32)
    outputs = [applied("log", check), complaint(check)]
    assert execute(outputs, [values], host())[1] == FINE
    values[2, 3] = values[4, 0] = -1
    assert execute(outputs, [values], host())[1] == 2 * 9 + 3


def test_scattered_additions_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_kernel, "SMALL", 0.0)
    places = random.integers(-20, 20, 300)
    values = random.uniform(-1, 1, (300, 130)).astype(np.float32)
    base, more, index = given(0, (20, 130)), given(1, (300, 130)), given(2, (300,), np.int64)
    node = Node("scatter", (base, more, index), (20, 130), np.float32, {"by": "add"})
    inputs = [np.zeros((20, 130), np.float32), values, places]
    want = interpret([node], inputs)[0]
    for parts in (1, 2, 3):
        np.testing.assert_array_equal(execute([node], inputs, host(), parts)[0], want)


def test_indices_outside_of_an_array_read_and_write_nothing_outside() -> None:
    x, index = given(0, (5, 3)), given(1, (4,), np.int64)
    picked = Node("gather", (x, index), (4, 3), np.float32)
    added = Node("scatter", (x, picked, index), (5, 3), np.float32, {"by": "add"})
    values = [np.ones((5, 3), np.float32), np.array([2**40, -(2**40), 5, -6])]
    for target in TARGETS.values():
        got, kept = execute([picked, added], values, target)
        np.testing.assert_array_equal(got, np.ones((4, 3)))
        np.testing.assert_array_equal(kept, np.ones((5, 3)))
