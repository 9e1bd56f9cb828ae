"""Reductions against NumPy in float64, at the edge of the numbers, and their gradients."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backlight import errors
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor, tensor
from backlight.gates import along, deviation, quantifier, reduction
from backlight.gates.gate import TABLE
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=60, deadline=None, derandomize=True)
INF, NAN = math.inf, math.nan
FOLDS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "var": np.var,
    "std": np.std,
    "any": np.any,
    "all": np.all,
    "norm": lambda x, **settings: np.sqrt(np.sum(x * x, **settings)),
    "logsumexp": lambda x, **settings: np.log(np.sum(np.exp(x), **settings)),
}


@pytest.mark.parametrize(("gate", "sample"), **samples_of(reduction, deviation, along, quantifier))
def test_samples(gate, sample):
    check_sample(gate, sample)


@st.composite
def folds(draw, min_side=1):
    x = draw(
        arrays.arrays(
            np.float64,
            arrays.array_shapes(min_dims=0, max_dims=4, max_side=4, min_side=min_side),
            elements=st.integers(-30, 30).map(lambda n: n / 10),
        )
    )
    axes = draw(st.lists(st.integers(0, x.ndim - 1), unique=True)) if x.ndim else None
    axis = None if not axes else tuple(a - x.ndim * draw(st.integers(0, 1)) for a in axes)
    if axis is not None and len(axis) == 1 and draw(st.booleans()):
        axis = axis[0]
    return x, axis, draw(st.booleans())


@quick
@given(folds())
def test_values_are_numpys(case):
    x, axis, keepdims = case
    for name, numpys in FOLDS.items():
        expected = numpys(x, axis=axis, keepdims=keepdims)
        for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 2e-7)):
            wide = np.asarray(
                numpys(x.astype(dtype).astype(np.float64), axis=axis, keepdims=keepdims)
            )
            found = TABLE[name](Tensor(x.astype(dtype)), axis=axis, keepdims=keepdims)
            assert found.shape == np.shape(expected), name
            assert found.dtype == (bool if wide.dtype == bool else dtype)
            np.testing.assert_allclose(found.numpy(), wide, rtol=tolerance, atol=1e-7, err_msg=name)


@quick
@given(folds())
def test_gradients_go_to_the_first_winner(case):
    x, axis, keepdims = case
    for name, best in (("max", np.max), ("min", np.min)):
        wire = Tensor(x, requires_grad=True)
        output = TABLE[name](wire, axis=axis, keepdims=keepdims)
        gradient = grad(output.sum(), wire).numpy()
        assert set(np.unique(gradient)) <= {0.0, 1.0}
        assert np.all(np.sum(gradient, axis=axis) == 1)
        winners = x == best(x, axis=axis, keepdims=True)
        gone = range(x.ndim) if axis is None else np.atleast_1d(axis) % x.ndim
        order = [*(a for a in range(x.ndim) if a not in gone), *sorted(gone)]
        lines = np.transpose(winners, order).reshape(output.size, -1)
        chosen = np.transpose(gradient, order).reshape(output.size, -1)
        assert np.array_equal(lines.argmax(1), chosen.argmax(1))


@quick
@given(folds())
def test_places_and_running_sums_are_numpys(case):
    x, axis, keepdims = case
    axis = axis[0] if isinstance(axis, tuple) else axis
    for name in ("argmax", "argmin"):
        found = TABLE[name](Tensor(x), axis=axis, keepdims=keepdims).numpy()
        assert np.array_equal(found, getattr(np, name)(x, axis=axis, keepdims=keepdims))
        assert found.dtype == np.int64
    np.testing.assert_allclose(
        along.cumsum(Tensor(x), axis=axis).numpy(), np.cumsum(x, axis), atol=1e-12
    )


@quick
@given(folds(min_side=1))
def test_product_gradients_with_zeros(case):
    x, axis, keepdims = case
    x = np.where(np.abs(x) < 1, 0.0, x)
    wire = Tensor(x, requires_grad=True)
    gradient = grad(reduction.prod(wire, axis=axis, keepdims=keepdims).sum(), wire).numpy()
    for place in np.ndindex(*x.shape):
        others = np.array(x)
        others[place] = 1.0
        folded = np.prod(others, axis=axis, keepdims=True)
        expected = np.broadcast_to(folded, x.shape)[place]
        assert np.isclose(gradient[place], expected, rtol=1e-12)


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0], [2.0, 0.0, 0.0], [0.0], [1.0, -2.0, 3.0, 0.5, 4.0]])
def test_second_order_of_a_product(x):
    check_gradients(lambda x: reduction.prod(x), [np.array(x)])


ROWS = {
    "1 logsumexp large": ("logsumexp", [1000, 1000], 1000.6931, [0.5, 0.5]),
    "2 logsumexp small": ("logsumexp", [-1000, -1000], -999.30685, [0.5, 0.5]),
    "3 logsumexp of −∞": ("logsumexp", [-INF, -INF], -INF, [0, 0]),
    "4 logsumexp of ∞": ("logsumexp", [INF, 0], INF, [1, 0]),
    "5 logsumexp of nothing": ("logsumexp", [], -INF, []),
    "5 sum of nothing": ("sum", [], 0, []),
    "5 prod of nothing": ("prod", [], 1, []),
    "26 norm of zeros": ("norm", [0, 0], 0, [0, 0]),
    "27 norm large": ("norm", [1e20, 1e20], 1.4142136e20, [0.70710678] * 2),
    "28 norm small": ("norm", [1e-25, 1e-25], 1.4142136e-25, [0.70710678] * 2),
    "40 max tie": ("max", [2, 2, 1], 2, [1, 0, 0]),
    "40 min tie": ("min", [3, 1, 1], 1, [0, 1, 0]),
    "39 max of NaN": ("max", [1, NAN, 2], NAN, [0, 1, 0]),
    "39 min of NaN": ("min", [1, NAN, 2], NAN, [0, 1, 0]),
    "44 var": ("var", [1e8, 1e8 + 8, 1e8 + 16], 42.666668, [-5.3333335, 0, 5.3333335]),
    "45 std constant": ("std", [3, 3, 3], 0, [0, 0, 0]),
    "46 var of one": ("var", [5], 0, [0]),
    "49 mean": ("mean", [3e38, 3e38], 3e38, [0.5, 0.5]),
    "52 prod one zero": ("prod", [2, 0, 3], 0, [0, 6, 0]),
    "52 prod two zeros": ("prod", [2, 0, 0], 0, [0, 0, 0]),
    "61 sum": ("sum", [1e8, 1, -1e8], 1, [1, 1, 1]),
    "var, mean not representable": (
        "var",
        [1e8, 1e8 + 8, 1e8 + 24],
        298.66666 / 3,
        [-64 / 9, -16 / 9, 80 / 9],
    ),
    "prod far apart": ("prod", [1e30, 1e30, 1e-30, 1e-30], 1, [1e-30, 1e-30, 1e30, 1e30]),
}


@pytest.mark.parametrize(("name", "x", "value", "gradient"), ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("rows", [None, 1, 17])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_hostile_numbers(name, x, value, gradient, rows, dtype):
    """Alone and in a batch, so that the body and the tail of a vector are both met."""
    alone = np.array(x, dtype)
    wire = tensor(alone if rows is None else np.tile(alone, (rows, 1)), requires_grad=True)
    output = TABLE[name](wire, axis=-1)
    found = grad(output.sum(), wire).numpy()
    assert output.dtype == found.dtype == dtype
    np.testing.assert_allclose(output.detach().numpy(), np.full(output.shape, value), rtol=2.5e-7)
    np.testing.assert_allclose(found, np.broadcast_to(gradient, found.shape), rtol=2.5e-7)


def test_gradient_of_logsumexp_is_within_two_last_digits():
    x = tensor([1000.0, 1000.0], requires_grad=True)
    assert grad(x.logsumexp(), x).tolist() == [0.5, 0.5]


def test_float64_at_its_own_edge():
    assert reduction.mean(np.array([1e308, 1e308, 1e308])) == pytest.approx(1e308)
    assert reduction.mean(np.array([1e308, 1e308, -1e308, -1e308])) == 0
    assert reduction.mean(np.array([INF, 1.0])) == INF
    assert deviation.norm(np.array([3e200, 4e200])) == pytest.approx(5e200)
    assert deviation.norm(np.array([3e-200, 4e-200])) == pytest.approx(5e-200)
    assert deviation.norm(np.array([INF, 1.0])) == INF
    assert np.isnan(deviation.norm(np.array([NAN, 1.0])))
    assert deviation.std(np.array([-1e200, 1e200])) == pytest.approx(1e200)


def test_long_float32_sums():
    tenths = np.full(20_000_000, 0.1, np.float32)
    assert abs(float(reduction.sum(tenths)) - 2_000_000) <= 0.25  # row 50
    ones = np.ones(1 << 25, np.float32)
    assert along.cumsum(ones, axis=0)[-1] == 1 << 25  # row 51


def test_whole_numbers_and_truths():
    bytes_ = tensor(np.full((2, 300), 200, np.uint8))
    assert bytes_.sum(axis=1).tolist() == [60_000, 60_000]
    assert bytes_.sum().dtype == np.int64
    assert bytes_.mean().dtype == np.float32
    assert bytes_.mean().item() == 200
    assert bytes_.var().item() == 0
    assert bytes_.max().dtype == np.uint8
    assert bytes_.cumsum(axis=1)[0, -1].item() == 60_000
    assert (bytes_ > 100).sum().item() == 600
    assert (bytes_ > 100).all().item()
    assert not (bytes_ > 200).any().item()


def test_argmax_finds_nan():
    x = tensor([[1.0, NAN, 3.0, NAN], [1.0, 5.0, 5.0, 2.0]])  # row 43
    assert x.argmax(axis=1).tolist() == [1, 1]
    assert x.argmin(axis=1).tolist() == [1, 0]


def test_correction_and_names_of_other_libraries():
    x = tensor([1.0, 2.0, 4.0])
    assert x.var(correction=1).item() == pytest.approx(7 / 3)
    assert x.std(correction=1).item() == pytest.approx(math.sqrt(7 / 3))
    assert x.reshape(3, 1).sum(dim=0, keepdim=True).shape == (1, 1)
    assert np.sum(x).item() == 7
    assert np.mean(x, axis=0).item() == pytest.approx(7 / 3)


def test_deviations_of_large_close_numbers():
    x = np.array([1e6, 1e6 + 1, 1e6 + 2], np.float32)
    assert along.center(x).tolist() == [-1.0, 0.0, 1.0]


def test_kinks_show_in_the_branches():
    x = np.array([2.0, 2.0, 1.0])
    nudge = np.array([1e-6, 0.0, 0.0])
    settings_ = {"axis": None, "keepdims": False}
    assert not np.array_equal(
        reduction.max.branch(np, x + nudge, **settings_),
        reduction.max.branch(np, x - nudge, **settings_),
    )
    tip = nudge[:2]
    assert not np.array_equal(
        deviation.norm.branch(np, tip, **settings_), deviation.norm.branch(np, -tip, **settings_)
    )
    assert np.array_equal(deviation.norm.branch(np, x, **settings_), [0, 0, 0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: x.max(axis=1), r"max got 0 numbers along axis 1 of shape \(2, 0\)"),
        (lambda x: x.min(), "min got 0 numbers along axis None"),
        (lambda x: x.mean(axis=-1), "mean got 0 numbers along axis -1"),
        (lambda x: x.argmax(axis=1), "argmax got 0 numbers along axis 1"),
        (lambda x: x.var(), "var got 0 numbers"),
        (lambda x: tensor([1.0]).var(correction=1), "1 number along axis None .* correction=1"),
        (
            lambda x: tensor([[1.0], [2.0]]).std(axis=1, correction=1),
            "along axis 1 .* correction=1",
        ),
        (lambda x: x.sum(axis=2), "axis 2 for an input of 2 axes"),
        (lambda x: x.sum(axis=(0, 0)), "names an axis twice"),
        (lambda x: tensor([[1.0]]).argmax(axis=(0, 1)), "one axis, or None"),
        (lambda x: x.cumsum(axis=2), "axis 2"),
    ],
)
def test_refusals_name_the_axis(call, words):
    with pytest.raises(errors.ShapeError, match=words):
        call(tensor(np.zeros((2, 0))))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "prod", "var", "std", "norm", "logsumexp"])
def test_an_output_without_numbers(name):
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    output = TABLE[name](x, axis=1)
    assert output.shape == (0,)
    assert grad(output.sum(), x).shape == (0, 3)
    assert Tensor(np.zeros((0, 0))).argmax(axis=1).shape == (0,)
    both = Tensor(np.zeros((0, 0)), requires_grad=True)
    assert grad(TABLE[name](both, axis=1).sum(), both).shape == (0, 0)
