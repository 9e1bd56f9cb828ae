"""The nearest points of every query, against all distances in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from backlight.native.contraction.distance import Nearest
from backlight.native.contraction.nearest_lists import MergeNearest, SquaredNorms
from backlight.native.contraction.pack import Pack
from backlight.native.machine_code.machine import host
from tests.native.products import compiled, guarded, target_named


def nearest(queries, points, k, metric, target=None, order=None):
    """Distances and indices of the k nearest, through all kernels."""
    target = target or host()
    dtype = queries.dtype
    queries, points = guarded(queries), guarded(points)
    plan = Nearest(len(queries), len(points), queries.shape[1], k, metric, dtype, target)
    pack = Pack(1, plan.size, plan.queries, dtype, (0, 1, plan.size), plan.width)
    panels = guarded(np.full(pack.shape, 7, dtype))
    compiled(pack, target)([queries, panels])
    norms = []
    for x in (points, queries):
        norms.append(guarded(np.full(len(x), 7, dtype)))
        compiled(SquaredNorms(*x.shape, dtype), target)([x, norms[-1]])
    parts = (plan.segments, plan.queries, k)
    distances, indices = guarded(np.full(parts, 7, dtype)), guarded(np.full(parts, 7, "int64"))
    run = compiled(plan, target)
    for chunk in order(plan.chunks) if order else range(plan.chunks):
        run([points, panels, *norms, distances, indices], chunk, chunk + 1)
    merge = MergeNearest(plan.segments, plan.queries, plan.size, k, metric, dtype)
    found = (
        guarded(np.full((plan.queries, k), 7, dtype)),
        guarded(np.full((plan.queries, k), 7, "int64")),
    )
    compiled(merge, target)([points, queries, distances, indices, *found])
    return found


def truth(queries, points, k, metric):
    difference = queries[:, None].astype(float) - points[None].astype(float)
    all_of_them = (difference**2 if metric == "l2" else abs(difference)).sum(-1)
    indices = np.argsort(all_of_them, 1, kind="stable")[:, :k]
    return np.take_along_axis(all_of_them, indices, 1), indices


@pytest.mark.parametrize("name", ["host", "avx2", "sse"])
@pytest.mark.parametrize("metric", ["l1", "l2"])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    sizes=st.tuples(st.integers(1, 67), st.integers(1, 400), st.integers(1, 67)),
    k=st.integers(1, 9),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_small_whole_numbers_give_exact_distances_and_ties_in_order(name, metric, sizes, k, dtype):
    queries, points, size = sizes
    draw = np.random.default_rng(sizes)
    q = draw.integers(0, 4, (queries, size)).astype(dtype)
    p = draw.integers(0, 4, (points, size)).astype(dtype)
    k = min(k, points)
    distances, indices = nearest(q, p, k, metric, target_named(name))
    expected, order = truth(q, p, k, metric)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(distances, expected)


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_many_segments_and_blocks(metric):
    draw = np.random.default_rng(0)
    q = draw.standard_normal((70, 150)).astype("float32")
    p = draw.standard_normal((1501, 150)).astype("float32")
    distances, indices = nearest(q, p, 12, metric)
    expected, order = truth(q, p, 12, metric)
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_allclose(distances, expected, rtol=2e-6)
    again = nearest(q, p, 12, metric, order=lambda chunks: reversed(range(chunks)))
    np.testing.assert_array_equal(again[0], distances)
    np.testing.assert_array_equal(again[1], indices)


def test_a_point_is_at_no_distance_from_itself_even_far_from_the_origin():
    draw = np.random.default_rng(0)
    p = (1000 + draw.standard_normal((200, 50))).astype("float32")
    distances, indices = nearest(p, p, 200, "l2")
    assert (distances >= 0).all()
    place = np.argwhere(indices == np.arange(200)[:, None])
    np.testing.assert_array_equal(distances[place[:, 0], place[:, 1]], 0)


def test_what_is_not_a_number_is_never_near_and_short_lists_say_so():
    p = np.array([[0.0], [np.nan], [3.0], [np.inf]], "float32")
    distances, indices = nearest(np.array([[1.0], [np.nan]], "float32"), p, 3, "l1")
    np.testing.assert_array_equal(indices, [[0, 2, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(distances, [[1, 2, np.inf], [np.inf] * 3])


def test_vectors_of_no_numbers_are_all_at_distance_0():
    distances, indices = nearest(np.zeros((2, 0), "float32"), np.zeros((5, 0), "float32"), 3, "l2")
    np.testing.assert_array_equal(indices, [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(distances, np.zeros((2, 3)))
