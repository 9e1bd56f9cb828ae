"""The cut of a product: every output in one chunk, little on the stack, enough for every thread."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.native.contraction.blocking import DEPTH, SCRATCH, blocks_for, depth_of, splits_for
from backlight.native.machine_code.machine import named

sizes = st.integers(1, 20) | st.integers(1, 5000) | st.sampled_from([10**5, 10**6])


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["avx512", "avx2", "sse", "neon"]),
    m=sizes,
    n=sizes,
    k=sizes,
    turned=st.tuples(st.booleans(), st.booleans()),
    pairs=st.booleans(),
)
def test_every_output_is_in_one_chunk_and_the_stack_stays_small(name, m, n, k, turned, pairs):
    a = (1, m) if turned[0] else (k, 1)
    b = (1, k) if turned[1] else (n, 1)
    cut = blocks_for(named(name), "float32", 1, (m, n, k), a, b, False, pairs)
    rows, columns = cut.m * cut.rows, cut.n * cut.width
    assert (cut.m_blocks - 1) * rows < m <= cut.m_blocks * rows
    assert (cut.n_blocks - 1) * columns < n <= cut.n_blocks * columns
    assert cut.depth <= DEPTH
    sums = rows * columns * 4 if k > cut.depth else 0
    packed = rows * cut.depth * 4 if cut.pack_a else 0
    assert sums + packed <= SCRATCH
    if not pairs and b[1] != 1:
        assert cut.pack_b


@pytest.mark.parametrize(
    "shape", [(1024, 1024, 1024), (256, 512, 3072), (4096, 64, 256), (512, 3072, 256)]
)
def test_large_products_keep_one_to_eight_threads_busy(shape):
    _, n, k = shape
    cut = blocks_for(named("avx512"), "float32", 1, shape, (k, 1), (n, 1), False)
    chunks = cut.m_blocks * cut.n_blocks
    for threads in (1, 2, 4, 8):
        most = -(-chunks // threads)
        assert most * threads <= 1.2 * chunks


def test_tiny_products_are_one_chunk():
    for shape in ((1, 1, 1), (16, 16, 16), (100, 16, 2), (256, 10, 100)):
        cut = blocks_for(named("avx512"), "float32", 1, shape, (shape[2], 1), (shape[1], 1), False)
        assert cut.m_blocks * cut.n_blocks == 1


def test_k_is_cut_evenly():
    assert depth_of(0) == 0
    assert depth_of(DEPTH) == DEPTH
    assert depth_of(DEPTH + 2) == 68
    assert all(depth_of(k) <= DEPTH for k in range(2000))


def test_only_long_k_with_a_small_output_is_split():
    assert splits_for(1024, 1024, 1024) == 1
    assert splits_for(10, 10, 100) == 1
    assert splits_for(27, 32, 65536) > 4
    assert splits_for(10, 100, 256) == 1
