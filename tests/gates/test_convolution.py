"""Convolutions against loops, the course's numbers, and the identities of their gradients."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import errors
from backlight.engine.derivative import grad, jacobian, vjp
from backlight.engine.tensor import Tensor
from backlight.gates import (
    circular_convolution as circular,
)
from backlight.gates import convolution, convolution_gradient, transposed_convolution, unfolding
from backlight.gates.circular_convolution import circular_convolution
from backlight.gates.convolution import conv1d, conv2d
from backlight.gates.convolution_gradient import (
    conv1d_by_data,
    conv2d_by_data,
    conv2d_by_weight,
)
from backlight.gates.transposed_convolution import conv_transpose1d, conv_transpose2d
from backlight.gates.window import read
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=60, deadline=None, derandomize=True)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def loops(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """The definition: one number of the output at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    filters, inside, high, wide = weight.shape
    rows = (x.shape[2] - dilation[0] * (high - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation[1] * (wide - 1) - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], filters, rows, columns))
    for n, o, i, j in np.ndindex(*y.shape):
        first = o // (filters // groups) * inside
        for c, a, b in np.ndindex(inside, high, wide):
            y[n, o, i, j] += (
                weight[o, c, a, b]
                * x[n, first + c, i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]]
            )
    return y if bias is None else y + bias[:, None, None]


@pytest.mark.parametrize(
    ("gate", "sample"),
    **samples_of(convolution, convolution_gradient, transposed_convolution, circular),
)
def test_samples(gate, sample):
    check_sample(gate, sample)


# ── the course's numbers ───────────────────────────────────────────────────────────────────────


def test_sequence_of_the_notes():
    x, w = np.array([[[1.0, 2, -1, 1, -3]]]), np.array([[[1.0, 0, -1]]])
    assert conv1d(x, w, padding=1)[0, 0].tolist() == [-2, 2, 1, 2, 1]
    assert conv1d(x, w, padding=1, stride=2)[0, 0].tolist() == [-2, 1, 1]


def test_images_of_the_second_assignment():
    x = np.linspace(-0.1, 0.5, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    w = np.linspace(-0.2, 0.3, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
    y = conv2d(x, w, np.linspace(-0.1, 0.2, 3), stride=2, padding=1)
    np.testing.assert_allclose(
        y,
        [
            [
                [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]],
                [[0.21027089, 0.21661097], [0.22847626, 0.23004637]],
                [[0.50813986, 0.54309974], [0.64082444, 0.67101435]],
            ],
            [
                [[-0.98053589, -1.03143541], [-1.19128892, -1.24695841]],
                [[0.69108355, 0.66880383], [0.59480972, 0.56776003]],
                [[2.36270298, 2.36904306], [2.38090835, 2.38247847]],
            ],
        ],
        atol=1e-8,
    )


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "count"),
    [
        (7, 3, 1, 0, 5),
        (7, 3, 2, 0, 3),
        (7, 3, 3, 0, None),
        (7, 3, 1, 1, 7),
        (5, 3, 1, 1, 5),
        (5, 3, 2, 1, 3),
        (5, 3, 3, 1, None),
        (10, 3, 2, 0, None),
        (227, 11, 4, 0, 55),
        (224, 11, 4, 0, None),
        (11, 5, 2, 0, 4),
        (32, 5, 1, 2, 32),
        (32, 5, 1, 0, 28),
        (28, 5, 1, 0, 24),
        (224, 2, 2, 0, 112),
        (12, 7, 1, 0, 6),
        (32, 3, 2, 0, None),
    ],
)
def test_sizes(size, kernel, stride, padding, count):
    given, weight = (1, 1, size, size), (1, 1, kernel, kernel)
    if count is None:
        with pytest.raises(errors.ShapeError) as caught:
            conv2d(
                Tensor(np.zeros(given)), Tensor(np.zeros(weight)), stride=stride, padding=padding
            )
        message = str(caught.value)
        assert message.startswith("conv2d got size")
        assert all(word in message for word in (str(size), str(kernel), "stride", "floor"))
        floor = (size - kernel + 2 * padding) // stride + 1
        assert conv2d.shape(given, weight, stride=stride, padding=padding, rounding="floor") == (
            1,
            1,
            floor,
            floor,
        )
    else:
        assert conv2d.shape(given, weight, stride=stride, padding=padding) == (1, 1, count, count)
        y = conv2d(np.zeros(given), np.zeros(weight), stride=stride, padding=padding)
        assert y.shape == (1, 1, count, count)


def test_layers_of_the_notes():
    assert conv2d.shape((1, 3, 32, 32), (10, 3, 5, 5), (10,), padding=2) == (1, 10, 32, 32)
    assert 10 * (3 * 5 * 5 + 1) == 760
    alexnet = conv2d.shape((1, 3, 227, 227), (96, 3, 11, 11), (96,), stride=4)
    assert alexnet == (1, 96, 55, 55)
    assert np.prod(alexnet) == 290_400
    window = read("conv2d", (11, 11), rank=2, stride=4)
    every = window.view(np, np.zeros((1, 3, 227, 227), np.float32), (55, 55))
    assert every.shape == (1, 3, 55, 55, 11, 11)
    assert (3 * 11 * 11, 55 * 55) == (363, 3025)
    assert every.size / (227 * 227 * 3) == pytest.approx(7.10, abs=0.005)


def test_dilation_looks_at_0_2_4():
    x = np.arange(7.0).reshape(1, 1, 7)
    assert conv1d(x, np.array([[[1.0, 10, 100]]]), dilation=2)[0, 0].tolist() == [420, 531, 642]


def test_a_fully_connected_layer_is_a_convolution():
    volume, w = normal(1, 3, 12, 12), normal(5, 3, 7, 7, seed=1)
    y = conv2d(volume, w)
    assert y.shape == (1, 5, 6, 6)
    for i, j in np.ndindex(6, 6):
        crop = volume[0, :, i : i + 7, j : j + 7].ravel()
        np.testing.assert_allclose(y[0, :, i, j], w.reshape(5, -1) @ crop, atol=1e-12)


def test_a_convolution_is_a_sparse_matrix_of_equal_blocks():
    w = normal(1, 1, 1, 3)
    matrix = jacobian(lambda x: conv2d(x, w), normal(1, 1, 4, 6)).numpy().reshape(16, 24)
    assert np.count_nonzero(matrix) == 16 * 3
    blocks = matrix.reshape(4, 4, 4, 6)
    for i, j in np.ndindex(4, 4):
        np.testing.assert_array_equal(blocks[i, :, j], blocks[0, :, 0] if i == j else 0)
    toeplitz = blocks[0, :, 0]
    for i in range(4):
        np.testing.assert_array_equal(toeplitz[i, i : i + 3], w.ravel())


def test_the_gradient_by_data_is_a_convolution_with_flipped_filters():
    w, u = normal(4, 3, 3, 3), normal(2, 4, 5, 5, seed=1)
    flipped = w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    found = conv2d_by_data(u, w, size=(7, 7))
    np.testing.assert_allclose(found, conv2d(u, flipped, padding=2), atol=1e-12)


def test_pointwise_is_a_matrix_product():
    x, w = normal(2, 3, 4, 5), normal(6, 3, 1, 1, seed=1)
    np.testing.assert_allclose(
        conv2d(x, w), np.einsum("oc,nchw->nohw", w[:, :, 0, 0], x), atol=1e-13
    )


def test_separate_groups_are_separate_convolutions():
    x, w = normal(2, 6, 5, 5), normal(4, 3, 3, 3, seed=1)
    halves = [conv2d(x[:, :3], w[:2]), conv2d(x[:, 3:], w[2:])]
    np.testing.assert_allclose(conv2d(x, w, groups=2), np.concatenate(halves, 1), atol=1e-13)


# ── against the definition ─────────────────────────────────────────────────────────────────────


@st.composite
def geometry(draw):
    """Shapes and settings of a convolution that fits, after rounding down."""

    def pair(least, most):
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    groups = draw(st.integers(1, 3))
    inside, filters = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel, stride, padding, dilation = pair(1, 3), pair(1, 3), pair(0, 3), pair(1, 3)
    least = [
        max(1, d * (f - 1) + 1 - 2 * p) for f, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    size = [low + draw(st.integers(0, 4)) for low in least]
    batch = draw(st.integers(0, 3))
    return (
        (batch, groups * inside, *size),
        (filters, inside, *kernel),
        {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
    )


@quick
@given(geometry())
def test_convolution_is_its_definition(case):
    shape, weight, window = case
    x, w, b = normal(*shape), normal(*weight, seed=1), normal(weight[0], seed=2)
    y = conv2d(x, w, b, rounding="floor", **window)
    np.testing.assert_allclose(y, loops(x, w, b, **window), atol=1e-9)
    assert y.shape == conv2d.shape(shape, weight, b.shape, rounding="floor", **window)


@quick
@given(geometry())
def test_the_three_gates_are_derivatives_of_one_number(case):
    shape, weight, window = case
    x, w = normal(*shape), normal(*weight, seed=1)
    y = conv2d(x, w, rounding="floor", **window)
    u = normal(*y.shape, seed=3)
    number = np.sum(y * u)
    by_data = conv2d_by_data(u, w, size=shape[2:], **window)
    by_weight = conv2d_by_weight(u, x, kernel_size=weight[2:], **window)
    assert np.sum(by_data * x) == pytest.approx(number, abs=1e-10)
    assert np.sum(by_weight * w) == pytest.approx(number, abs=1e-10)
    # Linear, so a unit step is an exact derivative.
    spot = tuple(np.random.default_rng(4).integers(0, s) for s in weight)
    moved = w.copy()
    moved[spot] += 1.0
    change = np.sum(conv2d(x, moved, rounding="floor", **window) * u) - number
    assert by_weight[spot] == pytest.approx(change, abs=1e-9)
    if shape[0]:
        spot = tuple(np.random.default_rng(5).integers(0, s) for s in shape)
        moved = x.copy()
        moved[spot] += 1.0
        change = np.sum(conv2d(moved, w, rounding="floor", **window) * u) - number
        assert by_data[spot] == pytest.approx(change, abs=1e-9)


@pytest.mark.parametrize("buffer", [1, 40])
def test_cutting_the_batch_changes_nothing(monkeypatch, buffer):
    """Small pieces (rows of one image) and large ones (the whole batch) agree."""
    cases = [
        ((3, 4, 7, 6), (4, 2, 3, 2), {"groups": 2, "padding": 1, "stride": (1, 2)}),
        ((3, 2, 6, 6), (8, 2, 3, 3), {"dilation": 2}),
    ]
    for shape, weight, window in cases:
        x, w = normal(*shape), normal(*weight, seed=1)

        def every(x=x, w=w, window=window):
            y = conv2d(x, w, rounding="floor", **window)
            return (
                y,
                conv2d_by_data(y, w, size=x.shape[2:], **window),
                conv2d_by_weight(y, x, kernel_size=w.shape[2:], **window),
            )

        whole = every()
        with monkeypatch.context() as patch:
            patch.setattr(unfolding, "_FEWEST_WINDOWS", 1)
            patch.setattr(unfolding, "_BUFFER", buffer)
            for cut, right in zip(every(), whole, strict=True):
                np.testing.assert_allclose(cut, right, atol=1e-12)


def test_first_and_second_order_through_a_small_net():
    x, w, v = normal(2, 2, 5, 5), normal(3, 2, 3, 3, seed=1), normal(3, 1, 2, 2, seed=2)

    def net(x, w, v):
        hidden = conv2d(x, w, padding=1, stride=2)
        return conv2d(hidden * hidden, v, groups=3)

    check_gradients(net, [x, w, v], second=1e-5)


def test_third_order():
    w = Tensor(normal(1, 1, 3), requires_grad=True)
    f = (conv1d(normal(1, 1, 5), w) ** 3).sum()
    first = grad(f, w, create_graph=True)
    second = grad((first * first).sum(), w, create_graph=True)
    third = grad((second * second).sum(), w)
    assert third.shape == w.shape
    assert np.isfinite(third.numpy()).all()


# ── types, views, edges ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_types_stay(dtype):
    x, w = np.ones((2, 2, 4, 4), dtype), np.ones((2, 2, 3, 3), dtype)
    y = conv2d(x, w)
    assert y.dtype == dtype
    assert conv2d_by_data(y, w, size=(4, 4)).dtype == dtype
    assert conv2d_by_data(y, w, size=(6, 6), padding=1, stride=3).dtype == dtype
    assert conv2d_by_weight(y, x, kernel_size=3).dtype == dtype
    assert conv_transpose2d(x, w, np.ones(2, dtype)).dtype == dtype


def test_bytes_with_float32_weights():
    x = np.full((1, 1, 3, 3), 200, np.uint8)
    y = conv2d(Tensor(x), Tensor(np.full((1, 1, 3, 3), -1, np.float32)))
    assert (y.dtype, y.item()) == (np.float32, -1800.0)


def test_gradients_of_float32_are_float32():
    x = Tensor(normal(1, 2, 5, 5, dtype=np.float32), requires_grad=True)
    w = Tensor(normal(3, 2, 3, 3, dtype=np.float32), requires_grad=True)
    b = Tensor(np.zeros(3, np.float32), requires_grad=True)
    for g in grad((conv2d(x, w, b) ** 2).sum(), [x, w, b]):
        assert g.dtype == np.float32


def test_views_that_are_not_contiguous():
    x = normal(5, 6, 3, 2).transpose(3, 2, 1, 0)[:, :, ::-1]
    assert not x.flags.c_contiguous
    for w in (np.broadcast_to(normal(1, 3, 2, 2), (4, 3, 2, 2)), normal(2, 2, 3, 4, seed=1).T):
        y = conv2d(x, w)
        np.testing.assert_allclose(y, loops(x, w), atol=1e-12)
        u = normal(*y.shape[::-1], seed=2).T
        assert np.sum(conv2d_by_data(u, w, size=x.shape[2:]) * x) == pytest.approx(np.sum(y * u))
        assert np.sum(conv2d_by_weight(u, x, kernel_size=2) * w) == pytest.approx(np.sum(y * u))


def test_an_empty_batch():
    x, w, b = np.zeros((0, 3, 5, 5)), Tensor(normal(4, 3, 3, 3), requires_grad=True), normal(4)
    y = conv2d(x, w, b)
    assert y.shape == (0, 4, 3, 3)
    assert not grad(y.sum(), w).numpy().any()


def test_nan_stays_in_its_windows():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(conv2d(x, np.ones((1, 1, 3, 3)))).sum() == 1


def test_same_and_valid():
    x, w = normal(1, 1, 5, 6), normal(1, 1, 3, 5)
    np.testing.assert_array_equal(conv2d(x, w, padding="same"), conv2d(x, w, padding=(1, 2)))
    np.testing.assert_array_equal(conv2d(x, w, padding="valid"), conv2d(x, w))
    assert conv2d(x, w[..., :2], padding="same", dilation=2).shape == x.shape


def test_lists_and_pairs_are_alike():
    x, w = normal(1, 1, 5, 5), normal(1, 1, 3, 3)
    one = conv2d(x, w, None, 2, 1)
    np.testing.assert_array_equal(conv2d(x, w, stride=[2, 2], padding=(1, 1)), one)


# ── what is refused ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("x", "weight", "window", "words"),
    [
        ((1, 1, 3, 3), (1, 1, 5, 5), {}, ["size 3", "5"]),
        ((1, 1, 3, 3), (1, 1, 2, 2), {"dilation": 3}, ["size 3", "4"]),
        ((1, 1, 0, 3), (1, 1, 1, 1), {}, ["size 0", "1"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": 0}, ["stride=0", "at least 1"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"dilation": 0}, ["dilation=0", "at least 1"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": -1}, ["padding=-1", "at least 0"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": 1.5}, ["stride=1.5", "whole"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": (1, 2, 3)}, ["stride=(1, 2, 3)"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": "sam"}, ["'sam'", "Did you mean 'same'"]),
        ((1, 1, 5, 5), (1, 1, 2, 2), {"padding": "same"}, ["(2, 2)", "odd"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"padding": "same", "stride": 2}, ["stride (2, 2)"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"rounding": "cail"}, ["'cail'"]),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"rounding": "ceil"}, ["'ceil'"]),
        ((1, 3, 5, 5), (4, 1, 3, 3), {"groups": 2}, ["2 groups", "3", "4"]),
        ((1, 4, 5, 5), (3, 2, 3, 3), {"groups": 2}, ["2 groups", "4", "3"]),
        ((1, 4, 5, 5), (4, 4, 3, 3), {"groups": 0}, ["groups=0"]),
        ((64, 16, 32, 32), (64, 32, 3, 3), {}, ["16 channels", "(64, 16, 32, 32)", "32"]),
        ((1, 4, 5, 5), (4, 4, 3, 3), {"groups": 2}, ["4 channels", "8", "2 groups"]),
        ((3, 5, 5), (1, 3, 3, 3), {}, ["(3, 5, 5)", "N, C, H, W", "batch"]),
        ((1, 3, 5, 5), (3, 3, 3), {}, ["(3, 3, 3)"]),
        ((1, 3, 5, 5), (2, 3, 0, 3), {}, ["kernel_size", "at least 1"]),
    ],
)
def test_refusals(x, weight, window, words):
    for call in (
        lambda: conv2d(Tensor(np.ones(x)), Tensor(np.ones(weight)), **window),
        lambda: conv2d.shape(x, weight, **window),
    ):
        with pytest.raises((errors.ShapeError, errors.ArgumentError)) as caught:
            call()
        message = str(caught.value)
        assert message.startswith("conv2d got")
        assert all(word in message for word in words), message


def test_bias_and_gradients_of_the_wrong_shape():
    x, w = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3))
    with pytest.raises(errors.ShapeError, match=r"bias of shape \(2,\)"):
        conv2d(x, w, np.ones(2))
    with pytest.raises(errors.ShapeError, match="windows"):
        conv2d_by_data(np.ones((1, 3, 3, 3)), w, size=4)
    with pytest.raises(errors.ShapeError, match="windows"):
        conv2d_by_weight(np.ones((2, 3, 2, 2)), x, kernel_size=3)


def test_unneeded_gradients_are_thunks():
    x, w = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3))
    window = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "rounding": "exact"}
    by_x, by_w, by_b = conv2d.backward(conv2d(x, w), x, w, None, None, **window)
    assert callable(by_x)
    assert callable(by_w)
    assert by_b is None


# ── transposed ─────────────────────────────────────────────────────────────────────────────────


@quick
@given(geometry())
def test_transposed_convolution_is_the_vjp_by_data(case):
    shape, weight, window = case
    x, w = normal(*shape), normal(*weight, seed=1)
    y, pull = vjp(lambda x: conv2d(x, w, rounding="floor", **window), x)
    u = normal(*y.shape, seed=2)
    unread = tuple(
        (size + 2 * p - d * (f - 1) - 1) % s
        for size, p, d, f, s in zip(
            shape[2:],
            window["padding"],
            window["dilation"],
            weight[2:],
            window["stride"],
            strict=True,
        )
    )
    found = conv_transpose2d(u, w, output_padding=unread, **window)
    assert found.shape == shape
    np.testing.assert_allclose(found, pull(u)[0].numpy(), atol=1e-12)


def test_transposed_convolution_lays_filters_over_the_output():
    x, w = np.array([[[1.0, 10.0]]]), np.array([[[1.0, 2.0, 3.0]]])
    assert conv_transpose1d(x, w)[0, 0].tolist() == [1, 12, 23, 30]
    assert conv_transpose1d(x, w, stride=2)[0, 0].tolist() == [1, 2, 13, 20, 30]
    assert conv_transpose1d(x, w, np.array([100.0]), stride=2, padding=1, output_padding=1)[
        0, 0
    ].tolist() == [102, 113, 120, 130]
    np.testing.assert_array_equal(
        conv_transpose1d(x, w, stride=2), conv1d_by_data(x, w, size=5, stride=2)
    )


@pytest.mark.parametrize(
    ("x", "weight", "window", "words"),
    [
        ((1, 2, 3, 3), (3, 2, 3, 3), {}, ["(1, 2, 3, 3)", "(3, 2, 3, 3)"]),
        ((1, 2, 3, 3), (2, 2, 3, 3), {"output_padding": 1}, ["output_padding", "stride (1, 1)"]),
        ((1, 2, 1, 1), (2, 2, 3, 3), {"padding": 2}, ["padding (2, 2)", "(-1, -1)"]),
        ((1, 3, 3, 3), (3, 2, 3, 3), {"groups": 2}, ["2 groups"]),
        ((1, 2, 3, 3), (2, 2, 3, 3), {"groups": "x"}, ["groups='x'"]),
    ],
)
def test_transposed_refusals(x, weight, window, words):
    with pytest.raises((errors.ShapeError, errors.ArgumentError)) as caught:
        conv_transpose2d(Tensor(np.ones(x)), Tensor(np.ones(weight)), **window)
    assert str(caught.value).startswith("conv_transpose2d got")
    assert all(word in str(caught.value) for word in words), caught.value


# ── circular ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("places", "reach"), [(5, 1), (4, 0), (3, 2), (2, 3), (1, 1)])
def test_circular_convolution_is_its_definition(places, reach):
    w, s = normal(2, places), normal(2, 2 * reach + 1, seed=1)
    wanted = np.zeros((2, places))
    for n, i, shift in itertools.product(range(2), range(places), range(-reach, reach + 1)):
        wanted[n, i] += s[n, reach + shift] * w[n, (i - shift) % places]
    np.testing.assert_allclose(circular_convolution(w, s), wanted, atol=1e-13)
    check_gradients(circular_convolution, [w, s])


def test_a_shift_moves_attention_around_the_ring():
    w = np.array([0.0, 0.0, 0.0, 1.0])
    assert circular_convolution(w, np.array([0.0, 0.0, 1.0])).tolist() == [1, 0, 0, 0]
    assert circular_convolution(w, np.array([0.1, 0.8, 0.1])).tolist() == [0.1, 0, 0.1, 0.8]
    assert circular_convolution(np.float32(w), np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize(("w", "s"), [((4,), (2,)), ((), (3,)), ((4,), ())])
def test_circular_refusals(w, s):
    with pytest.raises(errors.ShapeError, match="odd number of shifts"):
        circular_convolution(Tensor(np.ones(w)), Tensor(np.ones(s)))
