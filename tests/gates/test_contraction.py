"""Matrix products and Einstein's notation against NumPy, and the identities of their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import errors
from backlight.engine.derivative import grad, jacobian, vjp
from backlight.engine.tensor import Tensor
from backlight.gates import contraction
from backlight.gates.contraction import einsum, matmul
from backlight.gates.reduction import sum as total
from backlight.gates.view import transpose
from tests.gates.differences import check_gradients, check_sample, samples_of

quick = settings(max_examples=40, deadline=None, derandomize=True)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(("gate", "sample"), **samples_of(contraction))
def test_samples(gate, sample):
    check_sample(gate, sample)


def test_scores_of_the_linear_classifier():
    w = np.array([[0.2, -0.5, 0.1, 2], [1.5, 1.3, 2.1, 0], [0, 0.25, 0.2, -0.3]])
    x, b = np.array([56.0, 231, 24, 2]), np.array([1.1, 3.2, -1.2])
    scores = matmul(w, x) + b
    np.testing.assert_allclose(scores, [-96.8, 437.9, 60.75], rtol=1e-13)
    trick = matmul(np.column_stack([w, b]), np.append(x, 1.0))
    np.testing.assert_allclose(trick, scores, rtol=1e-13)


def test_squared_norm_of_a_product():
    w = Tensor(np.array([[0.1, 0.5], [-0.3, 0.8]]), requires_grad=True)
    x = Tensor(np.array([0.2, 0.4]), requires_grad=True)
    q = w @ x
    f = total(q * q)
    np.testing.assert_allclose(q.detach().numpy(), [0.22, 0.26], rtol=1e-14)
    assert f.item() == pytest.approx(0.116, rel=1e-14)
    by_w, by_x = grad(f, [w, x])
    np.testing.assert_allclose(by_w.numpy(), [[0.088, 0.176], [0.104, 0.208]], rtol=1e-13)
    np.testing.assert_allclose(by_x.numpy(), [-0.112, 0.636], rtol=1e-13)


def test_matrix_identities():
    """The gradients of the course's page on matrix operations, each with upstream d."""
    x, y, d = normal(4, 3), normal(3, 5, seed=1), normal(4, 5, seed=2)
    by_x, by_y = (g.numpy() for g in vjp(matmul, x, y)[1](d))
    np.testing.assert_allclose(by_x, d @ y.T, rtol=1e-13)
    np.testing.assert_allclose(by_y, x.T @ d, rtol=1e-13)
    same, b = normal(4, 5, seed=3), normal(4, 5, seed=4)
    for function, inputs, wanted in [
        (lambda v: 1 / v, (same,), [-d / same**2]),
        (lambda v, w: v * w, (same, b), [d * b, d * same]),
        (lambda v, w: v + w, (same, b), [d, d]),
        (lambda v: transpose(v), (normal(5, 4),), [d.T]),
        (lambda v, w: v + w, (same, normal(1, 5)), [d, d.sum(0, keepdims=True)]),
        (lambda v, w: v + w, (same, normal(4, 1)), [d, d.sum(1, keepdims=True)]),
    ]:
        for found, right in zip(vjp(function, *inputs)[1](d), wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), right, rtol=1e-13)
    rows = vjp(lambda v: total(v, axis=0), same)[1](d[0])[0].numpy()
    np.testing.assert_allclose(rows, np.broadcast_to(d[0], (4, 5)))
    columns = vjp(lambda v: total(v, axis=1), same)[1](d[:, 0])[0].numpy()
    np.testing.assert_allclose(columns, np.broadcast_to(d[:, :1], (4, 5)))


def test_jacobian_of_a_product_is_the_matrix():
    w = normal(3, 4)
    found = jacobian(lambda x: matmul(w, x), normal(4, seed=1)).numpy()
    np.testing.assert_allclose(found, w, rtol=1e-15)
    v = normal(3, seed=2)
    pulled = vjp(lambda x: matmul(w, x), normal(4, seed=1))[1](v)[0].numpy()
    np.testing.assert_allclose(pulled, w.T @ v, atol=1e-12)


@quick
@given(st.data())
def test_matmul_is_numpys(data):
    size = st.integers(0, 3)
    n, k, m = (data.draw(size) for _ in range(3))
    stack = data.draw(st.lists(st.integers(1, 3), max_size=2))
    left = [s if data.draw(st.booleans()) else 1 for s in stack]
    right = [s if data.draw(st.booleans()) else 1 for s in stack]
    x = normal(*([k] if data.draw(st.booleans()) else [*left, n, k]))
    y = normal(*([k] if data.draw(st.booleans()) else [*right, k, m]), seed=1)
    wanted = np.matmul(x, y)
    found = matmul(x, y)
    np.testing.assert_allclose(found, wanted, atol=1e-14)
    assert np.shape(found) == np.shape(wanted) == matmul.shape(x.shape, y.shape)


def test_matmul_of_transposed_and_strided_inputs():
    x, y = normal(2, 5, 8)[:, ::2, ::-2], normal(3, 4).T
    np.testing.assert_allclose(matmul(x, y), x @ y, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32])
def test_types_stay(dtype):
    x = np.ones((2, 3), dtype)
    assert matmul(x, x.T).dtype == dtype
    assert (Tensor(x) @ Tensor(x.T)).dtype == dtype
    for equation in ("ij,kj->ik", "ij,ij,ij->j"):
        operands = [x] * (equation.count(",") + 1)
        assert einsum(equation, *operands).dtype == dtype
    assert einsum("ij->i", x).dtype == dtype


def test_a_sum_of_many_float32_is_right_to_the_last_digit():
    x = np.full(10_000_000, 0.1, np.float32)
    right = np.float32(x.astype(np.float64).sum())
    assert einsum("i->", x) == right
    assert einsum("i,j->j", x, np.ones(1, np.float32))[0] == right


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ((2, 3), (4, 5), ["matmul", "(2, 3)", "(4, 5)", "3 and 4"]),
        ((2, 3), (4,), ["(2, 3)", "(4,)"]),
        ((2, 2, 3), (3, 3, 2), ["(2,)", "(3,)"]),
        ((), (3,), ["()", "*"]),
    ],
)
def test_matmul_refuses(x, y, words):
    with pytest.raises(errors.ShapeError) as caught:
        Tensor(np.ones(x)) @ Tensor(np.ones(y))
    assert all(word in str(caught.value) for word in words)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj", (2, 3), (4, 3)),
    ("ba", (2, 3)),
    ("ii->i", (3, 3)),
    ("i,j->ji", (2,), (3,)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("...ij,...jk->...ik", (2, 5, 3, 4), (5, 4, 2)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("...i->...", (2, 3)),
    ("ijj,j->i", (2, 3, 3), (3,)),
    ("a,b,c->abc", (2,), (3,), (4,)),
    ("abc,cd,de->abe", (2, 2, 3), (3, 4), (4, 2)),
    ("ij,k->", (2, 3), (2,)),
    ("iii", (2, 2, 2)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum_is_numpys(case):
    equation, *shapes = case
    operands = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    wanted = np.einsum(equation, *operands)
    found = einsum(equation, *operands)
    np.testing.assert_allclose(found, wanted, atol=1e-13)
    assert np.shape(found) == einsum.shape(*shapes, equation=equation)
    np.testing.assert_array_equal(einsum(*operands, equation=equation), found)
    check_gradients(lambda *xs: einsum(*xs, equation=equation), operands)


@pytest.mark.parametrize(
    ("equation", "shapes", "words"),
    [
        ("ij,jk->ik", [(2, 3), (4, 5)], ["'j'", "3 and 4", "(2, 3)", "(4, 5)"]),
        ("ij->i", [(2, 3, 4)], ["(2, 3, 4)", "2 axes"]),
        ("ij,jk->ik", [(2, 3)], ["1 operands"]),
        ("i1->i", [(2, 3)], ["'i1'", "letters"]),
        ("ij->ii", [(2, 3)], ["'ii'"]),
        ("ij->k", [(2, 3)], ["'k'"]),
        ("ij->i", [(1, 3, 2)], ["(1, 3, 2)"]),
        ("...i,i...->...", [(2, 3), (3, 4)], ["2", "4"]),
    ],
)
def test_einsum_refuses(equation, shapes, words):
    operands = [Tensor(np.ones(shape)) for shape in shapes]
    with pytest.raises((errors.ShapeError, errors.ArgumentError)) as caught:
        einsum(equation, *operands)
    assert str(caught.value).startswith("einsum")
    assert all(word in str(caught.value) for word in words)


def test_gradients_nobody_asked_for_are_not_computed():
    answers = matmul.backward(np.ones((2, 2)), np.ones((2, 3)), np.ones((3, 2)), None)
    assert all(callable(answer) for answer in answers)
