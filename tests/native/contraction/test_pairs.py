"""Products of bfloat16 pairs: rounding, order, same bits with and without the instruction."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from backlight.native.contraction.pack import Pack
from backlight.native.contraction.product import Product
from backlight.native.machine_code.machine import host
from tests.native.products import compiled, elements, guarded, laid_out, target_named


def rounded(x):
    """To bfloat16, to nearest, ties to even; as float32."""
    bits = x.view(np.uint32)
    up = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), np.float32(np.nan), up.view(np.float32)).astype(np.float32)


def product(sizes, a_how, b_how, target, packed=False, scale=1.0):
    batch, m, n, k = sizes
    draw = np.random.default_rng([*sizes])
    a_memory, a = laid_out(draw, (batch, m, k), "float32", a_how)
    b_memory, b = laid_out(draw, (batch, k, n), "float32", b_how)
    kernel = Product(
        batch,
        m,
        n,
        k,
        "float32",
        elements(a),
        elements(b),
        target,
        packed=packed,
        bfloat16=True,
    )
    operand = guarded(b_memory)
    if packed:
        pack = Pack(batch, k, n, "float32", elements(b), kernel.width, pairs=True)
        panels = guarded(np.full(pack.shape, 7, "int32"))
        compiled(pack, target)([operand, panels])
        operand = panels
    out = guarded(np.full((batch, m, n), 7, "float32"))
    compiled(kernel, target)([guarded(a_memory), operand, out])
    return a, b, out


CASES = [
    ((1, 1, 1, 1), "plain", "plain", False),
    ((2, 13, 37, 5), "plain", "transposed", False),
    ((1, 33, 70, 300), "transposed", "plain", True),
    ((2, 6, 64, 31), "transposed", "transposed", True),
    ((1, 67, 131, 259), "sparse", "sparse", False),
    ((1, 5, 3, 0), "plain", "plain", False),
    ((1, 40, 200, 130), "plain", "plain", False),
]


@pytest.mark.parametrize("name", ["host", "avx512", "avx2", "sse"])
@pytest.mark.parametrize(("sizes", "a_how", "b_how", "packed"), CASES)
def test_products_of_rounded_numbers(name, sizes, a_how, b_how, packed):
    a, b, out = product(sizes, a_how, b_how, target_named(name), packed)
    a, b = rounded(np.ascontiguousarray(a)), rounded(np.ascontiguousarray(b))
    truth, size = a.astype(float) @ b, abs(a).astype(float) @ abs(b)
    assert (abs(out - truth) <= 6 * 2.0**-24 * size).all()


@pytest.mark.parametrize(("sizes", "a_how", "b_how", "packed"), CASES)
def test_the_instruction_and_its_emulation_give_the_same_bits(sizes, a_how, b_how, packed):
    if not host().bf16:
        pytest.skip("this processor has no products of bfloat16")
    plain = dataclasses.replace(host(), bf16=False)
    given = [product(sizes, a_how, b_how, target, packed)[2] for target in (host(), plain)]
    np.testing.assert_array_equal(*given)


@pytest.mark.parametrize("name", ["host", "avx2", "sse"])
def test_rounding_is_to_nearest_and_to_even(name):
    target = target_named(name)
    special = np.array(
        [0.0, -0.0, 1.0, 1.00390625, 1.01171875, -1.0039063, 3.4e38, np.inf, -np.inf, np.nan],
        "float32",
    )
    bits = np.random.default_rng(0).integers(0, 2**32, 500, dtype=np.uint32).view("float32")
    x = np.concatenate([special, bits])
    x = x[~(abs(x) < 2.0**-125)][None, :, None]
    m = x.shape[1]
    kernel = Product(1, m, 1, 1, "float32", (0, 1, 1), (0, 1, 1), target, bfloat16=True)
    out = np.zeros((1, m, 1), "float32")
    compiled(kernel, target)([x, np.ones((1, 1, 1), "float32"), out])
    np.testing.assert_array_equal(out, rounded(x))
