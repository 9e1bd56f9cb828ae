"""grad, vjp, jvp, jacobian, hessian and hvp against what is known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backlight as bl
from backlight import nn
from backlight.errors import DTypeError, GraphError, ShapeError

X = np.array([0.3, -1.2, 2.0])
A = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 1.0]])
quick = settings(max_examples=30, deadline=None, derandomize=True)


def quadratic(x):
    return (x * (bl.tensor(A) @ x)).sum() / 2


def test_first_to_fourth_order():
    """(sin x)⁗ = sin x, (x⁵)⁗ = 120x, (e^{2x})⁗ = 16e^{2x}."""
    for function, known in [
        (bl.sin, math.sin(0.7)),
        (lambda x: x**5, 84.0),
        (lambda x: bl.exp(2 * x), 16 * math.exp(1.4)),
        (bl.log, -6 / 0.7**4),
    ]:
        nested = function
        for _ in range(4):
            nested = bl.grad(nested)
        assert nested(np.float64(0.7)).item() == pytest.approx(known, rel=1e-12)


def test_fourth_order_by_create_graph():
    x = bl.tensor(np.array(0.7), requires_grad=True)
    y = bl.sigmoid(x)
    for _ in range(4):
        y = bl.grad(y, x, create_graph=True)
    s = 1 / (1 + math.exp(-0.7))
    known = s * (1 - s) * (1 - 2 * s) * (1 - 12 * s + 12 * s * s)
    assert y.item() == pytest.approx(known, rel=1e-12)


def test_a_quadratic_form():
    np.testing.assert_allclose(bl.grad(quadratic)(X).numpy(), A @ X)
    np.testing.assert_allclose(bl.hessian(quadratic, X).numpy(), A)
    v = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(bl.hvp(quadratic, X, v).numpy(), A @ v)
    value, change = bl.jvp(quadratic, (X,), (v,))
    assert value.item() == pytest.approx(X @ A @ X / 2)
    assert change.item() == pytest.approx(X @ A @ v)


def test_a_jacobian_has_outputs_first():
    def function(x):
        return bl.stack([x[0] * x[1], x[1] * x[1] * x[1], x.sum(), x[2].exp()]).reshape(2, 2)

    known = np.array(
        [[X[1], X[0], 0], [0, 3 * X[1] ** 2, 0], [1, 1, 1], [0, 0, math.exp(X[2])]]
    ).reshape(2, 2, 3)
    np.testing.assert_allclose(bl.jacobian(function, X).numpy(), known)
    u = np.arange(4.0).reshape(2, 2)
    value, pull = bl.vjp(function, X)
    assert not value.requires_grad
    np.testing.assert_allclose(pull(u)[0].numpy(), np.tensordot(u, known))
    np.testing.assert_allclose(pull(2 * u)[0].numpy(), 2 * np.tensordot(u, known))
    np.testing.assert_allclose(bl.jvp(function, (X,), (X,))[1].numpy(), known @ X)


@quick
@given(st.integers(0, 2**31))
def test_forward_reverse_and_symmetry(seed):
    random = np.random.default_rng(seed)
    w = random.standard_normal((3, 4))
    x, v, u = (random.standard_normal(size) for size in ((2, 3), (2, 3), (2, 4)))

    def function(x):
        return (x @ bl.tensor(w)).tanh().softmax(axis=1)

    ahead = np.sum(bl.jvp(function, (x,), (v,))[1].numpy() * u)
    back = np.sum(bl.vjp(function, x)[1](u)[0].numpy() * v)
    assert ahead == pytest.approx(back, rel=1e-11, abs=1e-13)
    curved = bl.hessian(lambda x: (function(x) * u).sum(), x).numpy().reshape(6, 6)
    np.testing.assert_allclose(curved, curved.T, atol=1e-13)
    np.testing.assert_allclose(
        bl.hvp(lambda x: (function(x) * u).sum(), x, v).numpy().ravel(),
        curved @ v.ravel(),
        atol=1e-12,
    )


def test_a_function_inside_a_function():
    """d/dx [x · d/dy (x·y³)] at y = x is that of x·3xy² = 6xy²: not lost."""
    found = bl.grad(lambda x: x * bl.grad(lambda y: x * y**3)(np.float64(2.0)))(np.float64(5.0))
    assert found.item() == 6 * 5 * 4
    found = bl.grad(lambda x: bl.grad(lambda y: x * y * y)(x))(np.float64(3.0))
    assert found.item() == 12
    found = bl.grad(lambda w: bl.jvp(lambda y: w * y * y, (np.float64(2.0),), (1.0,))[1])(3.0)
    assert found.item() == 4
    found = bl.jacobian(lambda w: bl.jacobian(lambda y: w * y, np.array([1.0, 2.0])).sum(), X[:2])
    assert found.tolist() == [1.0, 1.0]
    found = bl.grad(lambda w: bl.vjp(lambda y: w * y, np.float64(2.0))[1](1.0)[0])(np.float64(7.0))
    assert found.item() == 1
    found = bl.grad(lambda w: bl.hvp(lambda y: w * y * y, 2.0, 1.0))(np.float64(7.0))
    assert found.item() == 2
    found = bl.grad(lambda w: bl.value_and_grad(lambda y: w * y * y)(2.0)[0])(np.float64(7.0))
    assert found.item() == 4


def test_parameters_that_a_function_uses_are_constants_unless_asked():
    model = nn.Linear(2, 1)
    x = np.array([[1.0, 2.0]], np.float32)
    slope = bl.grad(lambda x: model(x).sum())(x)
    np.testing.assert_allclose(slope.numpy(), model.weight.detach().numpy())
    slope = bl.grad(lambda x: model(x).sum(), create_graph=True)(x)
    (slope * slope).sum().backward()
    np.testing.assert_allclose(model.weight.grad.numpy(), 2 * model.weight.detach().numpy())


def test_several_arguments():
    def function(x, y, scale=1.0):
        return (x * x * y).sum() * scale

    by_x, by_y = bl.grad(function, argnums=(0, 1))(X, 2 * X, scale=3.0)
    np.testing.assert_allclose(by_x.numpy(), 12 * X * X)
    np.testing.assert_allclose(by_y.numpy(), 3 * X * X)
    np.testing.assert_allclose(bl.grad(function, argnums=1)(X, X).numpy(), X * X)
    _, pull = bl.vjp(function, X, X)
    assert len(pull(1.0)) == 2
    change = bl.jvp(function, (X, X), (X, np.zeros(3)))[1]
    assert change.item() == pytest.approx(2 * np.sum(X**3))


def test_intermediate_values():
    x = bl.tensor(X, requires_grad=True)
    h = x * 3
    loss = (h * h).sum()
    by_h, by_x = bl.grad(loss, [h, x], retain_graph=True)
    np.testing.assert_allclose(by_h.numpy(), 6 * X)
    np.testing.assert_allclose(by_x.numpy(), 18 * X)
    assert x.grad is None
    np.testing.assert_allclose(bl.grad(loss, h, retain_graph=True).numpy(), 6 * X)
    assert bl.grad(loss, [loss])[0].item() == 1


def test_what_is_not_used_receives_zeros():
    x, y = (bl.tensor(X, requires_grad=True) for _ in range(2))
    assert bl.grad((x * x).sum(), [y])[0].tolist() == [0.0] * 3
    assert bl.grad(lambda x, y: x.sum(), argnums=1)(bl.tensor(X), X).tolist() == [0.0] * 3
    assert bl.grad(lambda x: bl.tensor(5.0))(X).tolist() == [0.0] * 3
    assert bl.jacobian(lambda x: bl.tensor([5.0]), X).tolist() == [[0.0] * 3]
    assert bl.jvp(lambda x: bl.tensor([5.0]), (X,), (X,))[1].tolist() == [0.0]
    assert bl.hvp(lambda x: x.sum(), X, X).tolist() == [0.0] * 3
    assert bl.hessian(lambda x: x.sum(), X).tolist() == [[0.0] * 3] * 3


def test_the_same_tensor_for_several_inputs():
    x = bl.tensor(X, requires_grad=True)
    for loss, known in [
        (x * x * x, 3 * X * X),
        (bl.concatenate([x, x]), [2.0] * 3),
        (bl.where(x > 0, x, x), [1.0] * 3),
        (bl.einsum(x, x, equation="i,i->"), 2 * X),
        (bl.maximum(x, x), [1.0] * 3),
        (x @ x, 2 * X),
        (x / x, [0.0] * 3),
    ]:
        np.testing.assert_allclose(bl.grad(loss.sum(), x).numpy(), known, atol=1e-15)


def test_under_no_grad_gradients_are_still_computed():
    with bl.no_grad():
        assert bl.grad(lambda x: (x * x).sum())(X).tolist() == (2 * X).tolist()
        assert bl.hessian(lambda x: (x * x).sum(), X).shape == (3, 3)
        assert not bl.is_grad_enabled()
    assert bl.is_grad_enabled()


def test_an_upstream_for_grad():
    x = bl.tensor(X, requires_grad=True)
    assert bl.grad(x * x, x, [1.0, 10.0, 0.0]).tolist() == [0.6, -24.0, 0.0]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: bl.grad(lambda x: x * 2)(X), GraphError),
        (lambda: bl.grad(lambda x: 3.0)(X), GraphError),
        (lambda: bl.jvp(lambda x: 3.0, (X,), (X,)), GraphError),
        (lambda: bl.vjp(lambda x: (x, x), X), GraphError),
        (lambda: bl.jacobian(lambda x: None, X), GraphError),
        (lambda: bl.grad(lambda x: x.sum())(np.array([1, 2])), DTypeError),
        (lambda: bl.jvp(lambda x: x, (X,), (X[:2],)), ShapeError),
        (lambda: bl.grad(bl.tensor(1.0, requires_grad=True) * 2, []), GraphError),
        (lambda: bl.grad(bl.tensor(1.0, requires_grad=True) * 2, [3.0]), GraphError),
        (lambda: bl.grad(bl.tensor(1.0, requires_grad=True) * 2, bl.tensor(1.0)), GraphError),
        (lambda: bl.grad(bl.tensor(1.0), bl.tensor(1.0, requires_grad=True)), GraphError),
    ],
    ids=range(11),
)
def test_what_cannot_be_differentiated(call, error):
    with pytest.raises(error):
        call()


def test_whole_numbers_written_by_hand_are_taken_as_fractions():
    assert bl.grad(lambda x: x * x)(3).item() == 6
    assert bl.grad(lambda x: (x * x).sum())([1, 2]).tolist() == [2.0, 4.0]


def test_jacobian_and_hessian_as_functions():
    cubes = lambda x: (x * x * x).sum()  # noqa: E731 - a formula
    assert bl.hessian(cubes)([1.0, 2.0]).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert bl.jacobian(lambda x: x * x)([3.0]).tolist() == [[6.0]]


def test_a_tuple_of_tensors_is_not_one_argument():
    x = bl.tensor([1.0, 2.0])
    with pytest.raises(DTypeError, match="a tuple of tensors"):
        bl.hvp(lambda x: (x * x).sum(), (x,), (x,))
