"""Distances, the k first of an order, the nearest points: against plain formulas in float64."""

import importlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight.engine.derivative import grad
from backlight.errors import ArgumentError, ShapeError
from backlight.gates import distance

search = importlib.import_module("backlight.gates.nearest")
ORDERS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf]


def plain(x, y, p):
    apart = np.abs(x[..., :, None, :].astype(float) - y[..., None, :, :])
    return np.linalg.norm(apart, p, -1)


def drawn(*shape, seed=0, kind=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(kind)


@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_cdist_is_the_formula(p, kind, monkeypatch):
    monkeypatch.setattr(distance, "BLOCK", 40)  # many blocks
    x, y = drawn(2, 5, 7, kind=kind), drawn(6, 7, seed=1, kind=kind)
    found = bl.cdist(x, y, p)
    assert found.dtype == kind
    np.testing.assert_allclose(found, plain(x, y, p), 1e-6 if kind == np.float32 else 1e-13)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
def test_cdist_of_huge_and_tiny_numbers(p):
    for scale in (1e-200, 1e200):
        x, y = drawn(3, 4) * scale, drawn(2, 4, seed=1) * scale
        np.testing.assert_allclose(bl.cdist(x, y, p), plain(x / scale, y / scale, p) * scale)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_products_keep_the_digits_of_small_distances(kind, monkeypatch):
    monkeypatch.setattr(distance, "_DIRECT", 0)
    monkeypatch.setattr(distance, "BLOCK", 300)
    x = 1000 + drawn(20, 30)
    y = np.concatenate([x[:7] + 1e-3 * drawn(7, 30, seed=1), x[:3], drawn(9, 30, seed=2)])
    x, y = x.astype(kind), y.astype(kind)
    found = bl.cdist(x, y)
    np.testing.assert_allclose(found, plain(x, y, 2), 1e-6 if kind == np.float32 else 1e-11)
    assert (found[range(3), range(7, 10)] == 0).all()


def test_infinity_and_nan_stay_what_they_are():
    x = np.array([[np.inf, 0.0], [np.nan, 1.0], [1.0, 1.0]])
    with np.errstate(invalid="ignore"):
        for p in (1, 2, 3, np.inf):
            np.testing.assert_array_equal(bl.cdist(x, x[2:], p), [[np.inf], [np.nan], [0.0]])


@pytest.mark.parametrize("p", ORDERS)
def test_equal_points_pull_nowhere(p):
    x = bl.tensor([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    y = bl.tensor([[1.0, 2.0]]).requires_grad_()
    one, other = grad(bl.cdist(x, y, p).sum(), [x, y])
    assert (one.numpy()[0] == 0).all()
    np.testing.assert_array_equal(other.numpy(), -one.numpy()[1:])


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, math.inf])
def test_gradients_in_blocks_are_the_gradients(p, monkeypatch):
    x, y = bl.tensor(drawn(2, 9, 3)).requires_grad_(), bl.tensor(drawn(4, 3, seed=1))
    y = y.requires_grad_()
    whole = grad((bl.cdist(x, y, p) ** 2).sum(), [x, y])
    monkeypatch.setattr(distance, "BLOCK", 5)
    for one, other in zip(whole, grad((bl.cdist(x, y, p) ** 2).sum(), [x, y]), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-13)


def test_cdist_refuses():
    x = np.zeros((2, 3))
    with pytest.raises(ArgumentError, match="p=-1"):
        bl.cdist(x, x, -1)
    with pytest.raises(ArgumentError, match="nan"):
        bl.cdist(x, x, math.nan)
    for y in (np.zeros((2, 4)), np.zeros(3)):
        with pytest.raises(ShapeError, match="same length"):
            bl.cdist(x, y)


# ── the first of an order ──────────────────────────────────────────────────────────────────


def order(line, largest):
    """Places in order, one comparison at a time: NaN above all, ties by place."""
    keys = [(math.isnan(v), 0.0 if math.isnan(v) else v) for v in map(float, line)]
    sign = -1 if largest else 1
    return sorted(range(len(line)), key=lambda i: (sign * keys[i][0], sign * keys[i][1], i))


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 2.0, -1.0, math.inf, -math.inf, math.nan])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(line=st.lists(NUMBERS, min_size=1, max_size=40), largest=st.booleans(), data=st.data())
def test_topk_in_order(line, largest, data):
    k = data.draw(st.integers(0, min(len(line), 12)))
    x = np.array(line)
    places = bl.argtopk(x, k, largest=largest)
    assert places.tolist() == order(line, largest)[:k]
    np.testing.assert_array_equal(bl.topk(x, k, largest=largest).values, x[places])
    np.testing.assert_array_equal(bl.topk_values(x, k, largest=largest), x[places])


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.bool_])
def test_topk_of_whole_numbers(kind):
    x = np.random.default_rng(0).integers(0, 2, (3, 30)).astype(kind)
    for largest in (True, False):
        wanted = [order(line, largest)[:5] for line in x]
        assert bl.argtopk(x, 5, largest=largest).tolist() == wanted
        assert bl.topk(x, 5, largest=largest).values.dtype == kind


def test_topk_as_pytorch_spells_it():
    x = bl.tensor([[1.0, 5.0], [3.0, 2.0]]).requires_grad_()
    values, indices = x.topk(1, dim=0)
    assert values.tolist() == [[3.0, 5.0]]
    assert indices.tolist() == [[1, 0]]
    assert bl.topk(x, 1, 1, False).indices.tolist() == [[0], [1]]
    (slope,) = grad(values.sum(), [x])
    assert slope.tolist() == [[0.0, 1.0], [1.0, 0.0]]


def test_topk_refuses():
    for k in (-1, 4):
        with pytest.raises(ArgumentError, match=f"k={k}"):
            bl.topk(np.zeros((2, 3)), k)
    with pytest.raises(ShapeError):
        bl.topk(np.zeros((2, 3)), 1, dim=2)


# ── the nearest points ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nearest_is_the_order_of_distances(p, kind, monkeypatch):
    monkeypatch.setattr(search, "BLOCK", 100)
    monkeypatch.setattr(search, "_LIST", 200)
    q, points = (
        np.random.default_rng(seed).integers(0, 3, (rows, 5)).astype(kind)
        for seed, rows in enumerate((11, 60))
    )
    wanted = np.argsort(plain(q, points, p), -1, kind="stable")
    for k in (1, 7, 60):
        np.testing.assert_array_equal(bl.nearest(q, points, k, p), wanted[:, :k])


def test_nearest_far_from_the_origin():
    points = 1e6 + drawn(300, 20)
    q = points + 1e-7 * drawn(300, 20, seed=1)
    assert bl.nearest(q, points, 1)[:, 0].tolist() == [*range(300)]


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_what_is_not_a_number_is_near_to_nobody(p):
    points = np.array([[0.0], [np.nan], [3.0], [np.inf]])
    found = bl.nearest(np.array([[1.0], [np.nan]]), points, 3, p)
    assert found.tolist() == [[0, 2, -1], [-1, -1, -1]]


def test_large_finite_numbers_are_compared():
    points = np.array([[0.0], [2e200], [1.1e200]])
    assert bl.nearest(np.array([[1e200]]), points, 3).tolist() == [[2, 0, 1]]


def test_nearest_refuses():
    x = np.zeros((3, 2))
    for k in (0, 4, -1):
        with pytest.raises(ArgumentError, match=f"k={k}"):
            bl.nearest(x, x, k)
    with pytest.raises(ShapeError, match="same length"):
        bl.nearest(x, np.zeros((3, 3)), 1)
    with pytest.raises(ShapeError, match="single query"):
        bl.nearest(np.zeros(2), x, 1)
