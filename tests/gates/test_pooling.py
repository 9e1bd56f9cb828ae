"""Max, average and adaptive pooling against loops, the course's numbers and their conventions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import errors
from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor
from backlight.gates import adaptive_pooling, average_pooling, pooling, routing
from backlight.gates.adaptive_pooling import (
    adaptive_average_pool1d,
    adaptive_average_pool2d,
    adaptive_max_pool2d,
    adaptive_max_pool2d_winner,
)
from backlight.gates.average_pooling import average_pool1d, average_pool2d, average_pool2d_by_data
from backlight.gates.pooling import max_pool1d, max_pool2d, max_pool2d_winner
from backlight.gates.routing import route_back, take_winners
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=60, deadline=None, derandomize=True)
SQUARE = np.array([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])[None, None]


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def slopes(function, x):
    wire = Tensor(x, requires_grad=True)
    return grad(function(wire).sum(), wire).numpy()


@pytest.mark.parametrize(
    ("gate", "sample"), **samples_of(pooling, average_pooling, adaptive_pooling, routing)
)
def test_samples(gate, sample):
    check_sample(gate, sample)


# ── the course's numbers ───────────────────────────────────────────────────────────────────────


def test_square_of_the_notes():
    assert max_pool2d(SQUARE, kernel_size=2, stride=2)[0, 0].tolist() == [[6, 8], [3, 4]]
    assert max_pool2d_winner(SQUARE, kernel_size=2)[0, 0].tolist() == [[5, 7], [8, 15]]
    switches = slopes(lambda x: max_pool2d(x, kernel_size=2), SQUARE)
    assert switches[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert np.mean(switches == 0) == 0.75


def test_images_of_the_second_assignment():
    x = np.linspace(-0.3, 0.4, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    np.testing.assert_allclose(
        max_pool2d(x, kernel_size=2, stride=2),
        [
            [
                [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]],
                [[-0.14526316, -0.13052632], [-0.08631579, -0.07157895]],
                [[-0.02736842, -0.01263158], [0.03157895, 0.04631579]],
            ],
            [
                [[0.09052632, 0.10526316], [0.14947368, 0.16421053]],
                [[0.20842105, 0.22315789], [0.26736842, 0.28210526]],
                [[0.32631579, 0.34105263], [0.38526316, 0.4]],
            ],
        ],
        atol=1e-8,
    )


def test_sizes_of_the_notes():
    assert max_pool2d.shape((1, 64, 224, 224), kernel_size=2) == (1, 64, 112, 112)
    assert max_pool2d.shape((1, 12, 32, 32), kernel_size=2) == (1, 12, 16, 16)
    assert max_pool2d.shape((1, 96, 55, 55), kernel_size=3, stride=2) == (1, 96, 27, 27)
    odd = {"kernel_size": 3, "stride": 2}
    assert max_pool2d.shape((1, 1, 112, 112), rounding="ceil", **odd)[2:] == (56, 56)
    assert max_pool2d.shape((1, 1, 112, 112), rounding="floor", **odd)[2:] == (55, 55)
    with pytest.raises(errors.ShapeError, match="whole number of windows"):
        max_pool2d.shape((1, 1, 112, 112), **odd)


def test_pooling_pads_nothing_unless_asked():
    assert max_pool2d.defaults["padding"] == average_pool2d.defaults["padding"] == 0
    assert max_pool2d(-np.ones((1, 1, 2, 2)), kernel_size=2, padding=1).tolist() == [
        [[[-1, -1], [-1, -1]]]
    ]


# ── ties, NaN, infinities ──────────────────────────────────────────────────────────────────────


def test_a_tie_goes_to_the_first():
    tied = np.ones((1, 1, 3, 3))
    found = slopes(lambda x: max_pool2d(x, kernel_size=3), tied)
    assert found[0, 0].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    overlapping = slopes(lambda x: max_pool2d(x, kernel_size=2, stride=1), tied)
    assert overlapping[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    column = np.array([[0.0, 7, 1], [2, 0, 7], [7, 0, 0]])[None, None]
    assert slopes(lambda x: max_pool2d(x, kernel_size=3), column)[0, 0, 0].tolist() == [0, 1, 0]
    assert slopes(lambda x: adaptive_max_pool2d(x, output_size=1), column)[0, 0, 0, 1] == 1
    padded = slopes(lambda x: max_pool2d(x, kernel_size=3, padding=1, stride=2), tied)
    assert padded[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_nan_wins_and_takes_the_gradient():
    x = np.array([[1.0, 9, np.nan, 2], [np.nan, 3, 4, np.inf]])[None, None]
    for pool, settings_ in (
        (max_pool2d, {"kernel_size": 2}),
        (adaptive_max_pool2d, {"output_size": (1, 2)}),
    ):
        assert np.isnan(pool(x, **settings_)).all()
        found = slopes(lambda x, pool=pool, s=settings_: pool(x, **s), x)
        assert found[0, 0].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]


def test_windows_of_minus_infinity_have_a_winner_inside():
    x = np.full((1, 1, 3, 3), -np.inf)
    winner = max_pool2d_winner(x, kernel_size=3, padding=1, stride=2)
    assert winner[0, 0].tolist() == [[0, 1], [3, 4]]
    assert slopes(lambda x: max_pool2d(x, kernel_size=3, padding=1, stride=2), x).sum() == 4


def test_branch_is_the_winner():
    settings_ = max_pool2d.bind((SQUARE,), {"kernel_size": 2})[1]
    np.testing.assert_array_equal(
        max_pool2d.branch(np, SQUARE, **settings_), max_pool2d_winner(SQUARE, kernel_size=2)
    )
    assert adaptive_max_pool2d.branch(np, SQUARE, output_size=1).item() == 7


# ── against the definition ─────────────────────────────────────────────────────────────────────


def windows(size, kernel, stride, padding, rounding):
    """The range of input places of every window, clipped to the input, and its full length."""
    count = (size + 2 * padding - kernel) / stride + 1
    count = math.ceil(count) if rounding == "ceil" else math.floor(count)
    for i in range(count):
        start = i * stride - padding
        if start >= size:
            return
        inside = slice(max(0, start), min(size, start + kernel))
        yield inside, min(start + kernel, size + padding) - start


def loops(x, kernel, stride, padding, rounding):
    """Largest number, mean with padding, mean without, winner: a window at a time."""
    rows = list(windows(x.shape[2], kernel[0], stride[0], padding[0], rounding))
    columns = list(windows(x.shape[3], kernel[1], stride[1], padding[1], rounding))
    results = np.zeros((4, *x.shape[:2], len(rows), len(columns)))
    for n, c, i, j in np.ndindex(*results.shape[1:]):
        (down, high), (along, wide) = rows[i], columns[j]
        part = x[n, c, down, along]
        a, b = np.unravel_index(np.argmax(part), part.shape)
        results[:, n, c, i, j] = (
            part.max(),
            part.sum() / (high * wide),
            part.mean(),
            (down.start + a) * x.shape[3] + along.start + b,
        )
    return results


@st.composite
def geometry(draw):
    kernel, stride, padding, size = [], [], [], []
    for _ in range(2):
        kernel.append(draw(st.integers(1, 4)))
        stride.append(draw(st.integers(1, 4)))
        padding.append(draw(st.integers(0, kernel[-1] // 2)))
        size.append(draw(st.integers(max(1, kernel[-1] - 2 * padding[-1]), 8)))
    return (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size), {
        "kernel_size": tuple(kernel),
        "stride": tuple(stride),
        "padding": tuple(padding),
        "rounding": draw(st.sampled_from(["floor", "ceil"])),
    }


@quick
@given(geometry(), st.booleans())
def test_pooling_is_its_definition(case, ties):
    shape, window = case
    x = normal(*shape)
    if ties:
        x = np.round(x)
    largest, mean, mean_inside, winner = loops(x, *window.values())
    np.testing.assert_array_equal(max_pool2d(x, **window), largest)
    np.testing.assert_array_equal(max_pool2d_winner(x, **window), winner)
    np.testing.assert_allclose(average_pool2d(x, **window), mean, atol=1e-14)
    np.testing.assert_allclose(
        average_pool2d(x, count_include_pad=False, **window), mean_inside, atol=1e-14
    )
    assert (
        max_pool2d.shape(shape, **window) == average_pool2d.shape(shape, **window) == largest.shape
    )


@quick
@given(geometry())
def test_gradients_are_adjoint(case):
    shape, window = case
    x = normal(*shape)
    u = normal(*max_pool2d.shape(shape, **window), seed=1)
    wire = Tensor(x, requires_grad=True)
    for gate in (max_pool2d, average_pool2d):
        y = gate(wire, **window)
        found = grad(y, wire, u).numpy()
        assert np.sum(found * x) == pytest.approx(np.sum(y.detach().numpy() * u), abs=1e-11)


@quick
@given(st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 6)] * 2))
def test_adaptive_pooling_is_its_definition(size, count):
    x = normal(2, 1, *size)
    largest = np.zeros((2, 1, *count))
    mean = np.zeros((2, 1, *count))
    for i, j in np.ndindex(*count):
        part = x[
            :,
            :,
            i * size[0] // count[0] : math.ceil((i + 1) * size[0] / count[0]),
            j * size[1] // count[1] : math.ceil((j + 1) * size[1] / count[1]),
        ]
        largest[:, :, i, j] = part.max((2, 3))
        mean[:, :, i, j] = part.mean((2, 3))
    np.testing.assert_array_equal(adaptive_max_pool2d(x, output_size=count), largest)
    np.testing.assert_allclose(adaptive_average_pool2d(x, output_size=count), mean, atol=1e-14)
    winner = adaptive_max_pool2d_winner(x, output_size=count)
    np.testing.assert_array_equal(take_winners(x, winner), largest)


def test_adaptive_pooling_that_divides_is_plain_pooling():
    x = normal(2, 3, 6, 8)
    np.testing.assert_allclose(
        adaptive_average_pool2d(x, output_size=(3, 2)),
        average_pool2d(x, kernel_size=(2, 4)),
        atol=1e-14,
    )
    np.testing.assert_array_equal(
        adaptive_max_pool2d(x, output_size=(3, 2)), max_pool2d(x, kernel_size=(2, 4))
    )
    np.testing.assert_allclose(
        adaptive_average_pool2d(x, output_size=1)[..., 0, 0], x.mean((2, 3)), atol=1e-14
    )


def test_a_window_of_more_than_255_numbers():
    x = normal(2, 1, 40, 20)
    np.testing.assert_array_equal(
        max_pool2d_winner(x, kernel_size=20), adaptive_max_pool2d_winner(x, output_size=(2, 1))
    )


def test_one_dimension_is_two_with_one_row():
    x = normal(2, 3, 9)
    for flat, square in ((max_pool1d, max_pool2d), (average_pool1d, average_pool2d)):
        np.testing.assert_array_equal(
            flat(x, kernel_size=3, stride=2, padding=1),
            square(x[:, :, None], kernel_size=(1, 3), stride=(1, 2), padding=(0, 1))[:, :, 0],
        )
    np.testing.assert_array_equal(
        adaptive_average_pool1d(x, output_size=4),
        adaptive_average_pool2d(x[:, :, None], output_size=(1, 4))[:, :, 0],
    )


def test_second_order_through_pooling():
    x = normal(1, 1, 5, 5)
    check_gradients(lambda x: max_pool2d(x * x, kernel_size=3, stride=2) ** 2, [x], second=1e-5)
    check_gradients(
        lambda x: average_pool2d(x * x, kernel_size=3, stride=2, padding=1) ** 2, [x], second=1e-5
    )
    check_gradients(lambda x: adaptive_average_pool2d(x * x, output_size=2) ** 2, [x], second=1e-5)
    check_gradients(lambda x: adaptive_max_pool2d(x * x, output_size=2) ** 2, [x], second=1e-5)


# ── types and edges ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dtype", "mean"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float32),
        (np.uint8, np.float32),
        (np.bool_, np.float32),
    ],
)
def test_types(dtype, mean):
    x = np.arange(16).reshape(1, 1, 4, 4).astype(dtype)
    assert max_pool2d(x, kernel_size=2).dtype == dtype
    assert max_pool2d(x, kernel_size=2).ravel()[-1] == x.max()
    assert adaptive_max_pool2d(x, output_size=2).dtype == dtype
    assert average_pool2d(x, kernel_size=2).dtype == mean
    assert adaptive_average_pool2d(Tensor(x), output_size=1).dtype == mean
    assert max_pool2d_winner(x, kernel_size=2).dtype == np.int64


def test_the_global_mean_of_many_float32_is_right_to_the_last_digit():
    x = np.full((1, 1, 2000, 2000), 0.1, np.float32)
    assert adaptive_average_pool2d(x, output_size=1).item() == np.float32(0.1)


def test_gradients_of_float32_are_float32():
    x = normal(1, 2, 4, 4, dtype=np.float32)
    for function in (
        lambda x: max_pool2d(x, kernel_size=2),
        lambda x: average_pool2d(x, kernel_size=2),
        lambda x: adaptive_average_pool2d(x, output_size=3),
    ):
        assert slopes(function, x).dtype == np.float32


def test_an_empty_batch():
    x = np.zeros((0, 2, 4, 4))
    assert max_pool2d(x, kernel_size=2).shape == (0, 2, 2, 2)
    assert slopes(lambda x: average_pool2d(x, kernel_size=2), x).shape == x.shape
    assert slopes(lambda x: max_pool2d(x, kernel_size=2), x).shape == x.shape
    assert slopes(lambda x: adaptive_max_pool2d(x, output_size=1), x).shape == x.shape


@pytest.mark.parametrize("gate", [max_pool2d, average_pool2d, max_pool2d_winner])
@pytest.mark.parametrize(
    ("x", "window", "words"),
    [
        ((1, 1, 3, 3), {"kernel_size": 5}, ["size 3", "5"]),
        ((1, 1, 0, 3), {"kernel_size": 1}, ["(1, 1, 0, 3)"]),
        ((1, 1, 0, 4), {"kernel_size": 2, "padding": 1}, ["(1, 1, 0, 4)"]),
        ((1, 1, 4, 4), {"kernel_size": 0}, ["kernel_size=0", "at least 1"]),
        ((1, 1, 4, 4), {"kernel_size": 2, "stride": 0}, ["stride=0", "at least 1"]),
        ((1, 1, 4, 4), {"kernel_size": 2, "padding": -1}, ["padding=-1"]),
        ((1, 1, 4, 4), {"kernel_size": 3, "padding": 2}, ["padding (2, 2)", "(3, 3)", "half"]),
        ((1, 1, 5, 5), {"kernel_size": 2}, ["size 5", "stride 2", "floor"]),
        ((1, 1, 4, 4), {"kernel_size": 2, "rounding": "up"}, ["'up'"]),
        ((1, 4, 4), {"kernel_size": 2}, ["(1, 4, 4)", "N, C, H, W"]),
        ((1, 1, 4, 4), {"kernel_size": (2, 2, 2)}, ["kernel_size=(2, 2, 2)"]),
    ],
)
def test_refusals(gate, x, window, words):
    for call in (lambda: gate(Tensor(np.ones(x)), **window), lambda: gate.shape(x, **window)):
        with pytest.raises((errors.ShapeError, errors.ArgumentError)) as caught:
            call()
        message = str(caught.value)
        assert message.startswith(f"{gate.name.removesuffix('_winner')} got")
        assert all(word in message for word in words), message


def test_adaptive_and_routing_refusals():
    with pytest.raises(errors.ArgumentError, match="output_size=0"):
        adaptive_average_pool2d(SQUARE, output_size=0)
    with pytest.raises(errors.ShapeError, match=r"\(1, 1, 0, 2\)"):
        adaptive_max_pool2d(np.ones((1, 1, 0, 2)), output_size=1)
    with pytest.raises(errors.ShapeError, match="windows"):
        average_pool2d_by_data(np.ones((1, 1, 3, 3)), size=4, kernel_size=2)
    winner = np.array([[[3]]])
    with pytest.raises(errors.RangeError, match=r"winner 3 at \(0, 0, 0\)"):
        route_back(np.ones((1, 1, 1)), winner, size=3)
    with pytest.raises(errors.RangeError, match="0 to 2"):
        take_winners(np.ones((1, 1, 3)), winner)
    with pytest.raises(errors.ShapeError, match="one winner"):
        route_back(np.ones((1, 1, 2)), winner, size=3)
