"""Matrix products: any size, stride and target, against float64; never outside the arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from backlight.native.contraction.pack import Pack
from backlight.native.contraction.product import Product
from backlight.native.contraction.splits import SumOfSplits
from backlight.native.machine_code.machine import host, named
from tests.native.products import (
    LAYOUTS,
    compiled,
    elements,
    guarded,
    laid_out,
    target_named,
)

TARGETS = ["host", "avx2", "sse"]


def assert_product(out, a, b):
    """Worst error in units of rounding of |A|·|B|: 6, or twice NumPy's."""
    if out.dtype.kind != "f":
        np.testing.assert_array_equal(out, a @ b)
        return
    wide = np.longdouble if out.dtype == np.float64 else np.float64
    truth, size = a.astype(wide) @ b.astype(wide), abs(a).astype(wide) @ abs(b).astype(wide)
    unit = size * np.finfo(out.dtype).eps / 2 + np.finfo(out.dtype).tiny
    peer = (abs(a @ b - truth) / unit).max(initial=0)
    worst = (abs(out - truth) / unit).max(initial=0)
    assert worst <= max(6, 2 * peer)


def product_of(a, b, target, dtype, **more):
    batch, m, k = a.shape
    return Product(batch, m, b.shape[2], k, dtype, elements(a), elements(b), target, **more)


def multiplied(target, sizes, dtype, a_how="plain", b_how="plain", packed=False, at_end=True):
    """Compute a product between guard pages and check it."""
    batch, m, n, k = sizes
    draw = np.random.default_rng([batch, m, n, k])
    a_memory, a = laid_out(draw, (batch, m, k), dtype, a_how)
    b_memory, b = laid_out(draw, (batch, k, n), dtype, b_how)
    kernel = product_of(a, b, target, dtype, packed=packed)
    operand = guarded(b_memory, at_end)
    if packed:
        pack = Pack(batch, k, n, dtype, elements(b), kernel.width)
        panels = guarded(np.full(pack.shape, 7).astype(dtype), at_end)
        compiled(pack, target)([operand, panels])
        operand = panels
    out = guarded(np.full((batch, m, n), 7).astype(dtype), at_end)
    compiled(kernel, target)([guarded(a_memory, at_end), operand, out])
    assert_product(out, a, b)
    return kernel


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    sizes=st.tuples(st.integers(1, 3), *[st.integers(0, 67)] * 3),
    dtype=st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"]),
    a_how=st.sampled_from(LAYOUTS),
    b_how=st.sampled_from(LAYOUTS),
    packed=st.booleans(),
    at_end=st.booleans(),
)
def test_any_size_and_stride(name, sizes, dtype, a_how, b_how, packed, at_end):
    multiplied(target_named(name), sizes, dtype, a_how, b_how, packed, at_end)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("host", "float32"), ("host", "float64"), ("avx2", "float32"), ("sse", "float32")],
)
@pytest.mark.parametrize(
    ("sizes", "a_how", "b_how", "packed"),
    [
        ((1, 131, 517, 300), "plain", "plain", False),
        ((1, 257, 70, 401), "plain", "transposed", False),
        ((2, 67, 129, 517), "transposed", "plain", True),
        ((1, 16, 16, 3001), "transposed", "transposed", False),
        ((1, 250, 2100, 130), "plain", "plain", False),
        ((1, 1, 500, 700), "plain", "transposed", False),
        ((1, 500, 1, 700), "plain", "plain", False),
        ((2, 3, 71, 300), "plain", "transposed", False),
        ((1, 4, 66, 32), "plain", "transposed", False),
    ],
)
def test_blocks_of_every_axis(name, dtype, sizes, a_how, b_how, packed):
    multiplied(target_named(name), sizes, dtype, a_how, b_how, packed)


@pytest.mark.parametrize("sizes", [(1, 300, 200, 300), (7, 5, 6, 7), (1, 64, 4100, 40)])
def test_any_cut_into_chunks_and_any_place_gives_the_same_bits(sizes):
    batch, m, n, k = sizes
    draw = np.random.default_rng(1)
    _, a = laid_out(draw, (batch, m, k), "float32", "plain")
    _, b = laid_out(draw, (batch, k, n), "float32", "plain")
    kernel = product_of(a, b, host(), "float32")
    run = compiled(kernel, host())
    whole, parts = np.zeros((2, batch, m, n), "float32")
    run([a, b, whole])
    for chunk in reversed(range(kernel.chunks)):
        run([a, b, parts], chunk, chunk + 1)
    np.testing.assert_array_equal(whole, parts)
    assert kernel.chunks > 1
    # The same rows and columns elsewhere in the arrays: the same sums.
    moved = np.ascontiguousarray(a[:, ::-1]), np.ascontiguousarray(b[:, :, ::-1])
    run([*moved, parts])
    np.testing.assert_array_equal(parts[:, ::-1, ::-1], whole)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("b_how", ["plain", "transposed"])
@pytest.mark.parametrize("sizes", [(2, 13, 37, 5), (1, 40, 70, 300), (1, 3, 3, 0), (2, 2, 70, 99)])
def test_the_epilogue_sees_every_output_once(name, sizes, b_how):
    target = target_named(name)
    batch, m, n, k = sizes

    def epilogue(code, total, where, mask, extra):
        item, i, place = where
        bias = code.load(extra[0], place, "float32", total.lanes, mask)
        row = code.load(extra[1], i, "float32")
        scale = code.load(extra[2], item, "float32")
        value = total * scale + bias + row
        return code.select(value > 0.0, value, 0.0).astype("float64")

    draw = np.random.default_rng(2)
    _, a = laid_out(draw, (batch, m, k), "float32", "plain")
    memory, b = laid_out(draw, (batch, k, n), "float32", b_how)
    bias, row, scale = (draw.standard_normal(size).astype("float32") for size in (n, m, batch))
    kernel = product_of(
        a,
        b,
        target,
        "float32",
        epilogue=epilogue,
        epilogue_key="relu",
        extra=("bias", "row", "scale"),
        out_dtype="float64",
        out_strides=(m * (n + 3), n + 3),
    )
    out = np.full((batch, m, n + 3), -1.0)
    compiled(kernel, target)([a, memory, out, guarded(bias), guarded(row), guarded(scale)])
    expected = np.maximum(a.astype(float) @ b * scale[:, None, None] + bias + row[:, None], 0)
    np.testing.assert_allclose(out[..., :n], expected, atol=1e-4)
    assert (out[..., n:] == -1).all()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    ("sizes", "splits"), [((1, 10, 20, 5000), 8), ((2, 3, 5, 7), 3), ((1, 4, 4, 2), 4)]
)
def test_splits_of_k_are_summed_in_order(name, sizes, splits):
    target = target_named(name)
    batch, m, n, k = sizes
    draw = np.random.default_rng(3)
    a_memory, a = laid_out(draw, (batch, m, k), "float32", "transposed")
    _, b = laid_out(draw, (batch, k, n), "float32", "plain")
    kernel = product_of(a, b, target, "float32", splits=splits)
    parts = guarded(np.full((splits, batch, m, n), 7, "float32"))
    compiled(kernel, target)([guarded(a_memory), guarded(b), parts])
    total = SumOfSplits(splits, batch, m, n, "float32")
    out = guarded(np.full((batch, m, n), 7, "float32"))
    compiled(total, target)([parts, out])
    assert_product(out, a, b)


@pytest.mark.parametrize("sizes", [(1, 16, 1027, 4099), (1, 7, 129, 33_001), (2, 16, 450, 9500)])
def test_few_rows_meet_a_large_matrix(sizes):
    multiplied(host(), sizes, "float32", "plain", "transposed", False)


@pytest.mark.parametrize("sizes", [(1, 70, 130, 300), (1, 1030, 200, 261)])
@pytest.mark.parametrize("a_how", ["plain", "transposed"])
def test_panels_are_packed_while_the_ones_before_are_used(sizes, a_how):
    multiplied(host(), sizes, "float32", a_how, "transposed", False)


def test_lines_that_fall_on_one_another_in_the_cache():
    multiplied(host(), (1, 1024, 70, 130), "float32", "transposed", "plain", False)


def test_what_is_not_a_number_stays_in_its_row_and_column():
    a, b = np.ones((1, 20, 40), "float32"), np.ones((1, 40, 35), "float32")
    a[0, 3, 5], b[0, 7, 11] = np.nan, np.inf
    out = np.zeros((1, 20, 35), "float32")
    compiled(product_of(a, b, host(), "float32"), host())([a, b, out])
    assert np.isnan(out[0, 3]).all()
    assert np.isinf(np.delete(out[0, :, 11], 3)).all()
    rest = np.delete(np.delete(out[0], 3, 0), 11, 1)
    np.testing.assert_array_equal(rest, np.full((19, 34), 40, "float32"))


def test_equal_structure_has_equal_keys():
    def make(m=8, **more):
        return Product(1, m, 8, 8, "float32", (0, 8, 1), (0, 8, 1), host(), **more)

    assert make().key == make().key
    assert hash(make().key) == hash(make().key)
    others = [make(9), make(packed=True), make(epilogue_key=1), make(out_strides=(0, 9))]
    assert len({make().key, *(one.key for one in others)}) == 5
    assert make().multiply_adds == 512
    assert make().bytes == 3 * 256


def test_code_for_neon_is_made():
    import llvmlite.ir

    from backlight.native.machine_code import build

    target = named("neon")
    module = llvmlite.ir.Module()
    product = Product(1, 30, 33, 300, "float32", (0, 300, 1), (0, 1, 300), target)
    product.emit(module, "kernel", target)
    assert "fmla" in build.assembly(str(module), target)
