"""Vectors, matrices and their Jacobians (V rows)."""

import time

import numpy as np
import psutil
import pytest

import backlight
from backlight.errors import ArgumentError

RNG = np.random.RandomState(4)
A, B = RNG.randn(5, 10), RNG.randn(10, 3)
P, Q = RNG.randn(3, 4), RNG.randn(3, 4)
COLUMN, ROW = RNG.randn(3, 1), RNG.randn(1, 4)

# Upstream D: what every operand receives, as the course's sheet of matrix operations has it.
IDENTITIES = [
    ("product", lambda x, y: x @ y, (A, B), lambda d: (d @ B.T, A.T @ d)),
    ("function of each number", backlight.tanh, (P,), lambda d: (d * (1 - np.tanh(P) ** 2),)),
    ("product number by number", lambda x, y: x * y, (P, Q), lambda d: (d * Q, d * P)),
    ("sum", lambda x, y: x + y, (P, Q), lambda d: (d, d)),
    ("transpose", lambda x: x.T, (P,), lambda d: (d.T,)),
    ("sum along axis 0", lambda x: x.sum(axis=0), (P,), lambda d: (np.ones((3, 1)) * d,)),
    ("sum along axis 1", lambda x: x.sum(axis=1), (P,), lambda d: (d[:, None] * np.ones(4),)),
    (
        "column added to all",
        lambda x, c: x + c,
        (P, COLUMN),
        lambda d: (d, d.sum(axis=1, keepdims=True)),
    ),
    ("row added to all", lambda x, r: x + r, (P, ROW), lambda d: (d, d.sum(axis=0, keepdims=True))),
]


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [one[1:] for one in IDENTITIES],
    ids=[one[0] for one in IDENTITIES],
)
def test_V1_identities_of_matrix_operations(function, inputs, expected):
    output, pull = backlight.vjp(function, *inputs)
    upstream = RNG.randn(*output.shape)
    for found, known, given in zip(pull(upstream), expected(upstream), inputs, strict=True):
        assert found.shape == given.shape
        np.testing.assert_allclose(np.asarray(found), known, rtol=1e-12, atol=1e-14)
    assert backlight.gradcheck(function, inputs).ok


def test_V1_shapes_of_a_product():
    """W (5×10) times X (10×3): dW = dD·Xᵀ is 5×10, dX = Wᵀ·dD is 10×3."""
    w, x = (backlight.tensor(one, requires_grad=True) for one in (A, B))
    (w @ x).sum().backward()
    assert (w.grad.shape, x.grad.shape) == ((5, 10), (10, 3))


def test_V2_jacobian_of_a_product_is_the_matrix():
    np.testing.assert_array_equal(
        np.asarray(backlight.jacobian(lambda x: backlight.tensor(A) @ x, B[:, 0])), A
    )


FUNCTIONS = {
    "relu": (backlight.relu, (6,)),
    "softmax": (lambda x: backlight.softmax(x, axis=0), (5,)),
    "matmul": (lambda x: backlight.tensor(A) @ x, (10,)),
    "conv": (
        lambda x: backlight.conv1d(x.reshape(1, 1, 8), np.array([[[1.0, 2.0, -1.0]]]))[0, 0],
        (8,),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_V5_a_vjp_is_a_product_with_the_transposed_jacobian(name):
    function, shape = FUNCTIONS[name]
    x = RNG.randn(*shape)
    matrix = np.asarray(backlight.jacobian(function, x))
    output, pull = backlight.vjp(function, x)
    v = RNG.randn(*output.shape)
    np.testing.assert_allclose(np.asarray(pull(v)[0]), matrix.T @ v, rtol=0, atol=1e-12)
    u = RNG.randn(*shape)
    _, change = backlight.jvp(function, (x,), (u,))
    np.testing.assert_allclose(np.asarray(change), matrix @ u, rtol=0, atol=1e-12)


def test_V5_structure_of_jacobians():
    """ReLU: a diagonal of 0 and 1. Convolution: one row of weights, shifted (Toeplitz)."""
    x = RNG.randn(6)
    np.testing.assert_array_equal(
        np.asarray(backlight.jacobian(backlight.relu, x)), np.diag((x > 0).astype(float))
    )
    function, shape = FUNCTIONS["conv"]
    toeplitz = sum(w * np.eye(6, 8, k) for k, w in enumerate((1.0, 2.0, -1.0)))
    np.testing.assert_array_equal(
        np.asarray(backlight.jacobian(function, RNG.randn(*shape))), toeplitz
    )


@pytest.mark.skipif(psutil.virtual_memory().total > 625 * 2**30, reason="the memory holds it")
def test_V3_a_jacobian_of_625_GiB_is_refused_with_its_size():
    x = np.zeros((100, 4096), np.float32)
    with pytest.raises(ArgumentError, match=r"167,772,160,000 numbers.*625\.00 GiB") as refusal:
        backlight.jacobian(backlight.relu, x)
    assert "vjp" in str(refusal.value)
    assert 4096 * 4096 == 16_777_216
    assert 4096 * 4096 * 4 == 64 * 2**20


def test_V3_the_vjp_takes_milliseconds():
    x = RNG.randn(100, 4096).astype(np.float32)
    upstream = np.ones_like(x)
    _, pull = backlight.vjp(backlight.relu, x)
    seconds = []
    for _ in range(5):
        started = time.process_time()
        (found,) = pull(upstream)
        seconds.append(time.process_time() - started)
    np.testing.assert_array_equal(np.asarray(found), (x > 0).astype(np.float32))
    assert min(seconds) < 0.05


@pytest.mark.skipif(psutil.virtual_memory().total > 3725 * 2**30, reason="the memory holds it")
def test_hessian_of_a_million_parameters_is_refused_with_its_size():
    with pytest.raises(ArgumentError, match=r"3,725\.29 GiB"):
        backlight.hessian(lambda w: (w * w).sum(), np.zeros(10**6, np.float32))
