"""Activations (A rows)."""

import numpy as np
import pytest

import backlight
from backlight import nn

X = np.linspace(-4, 4, 81)


def slope(function, x):
    return np.asarray(backlight.grad(lambda v: function(v).sum())(np.asarray(x, float)).detach())


def test_A2_the_sigmoid_saturates():
    assert slope(backlight.sigmoid, [5.0])[0] == pytest.approx(0.00665, abs=5e-6)
    assert slope(backlight.sigmoid, [10.0])[0] == pytest.approx(4.54e-5, abs=5e-8)
    assert np.asarray(backlight.sigmoid(np.array([-5.0, 0, 5]))).round(5).tolist() == [
        0.00669,
        0.5,
        0.99331,
    ]


def test_A3_tanh_is_a_stretched_sigmoid():
    np.testing.assert_allclose(
        backlight.tanh(X), 2 * np.asarray(backlight.sigmoid(2 * X)) - 1, rtol=0, atol=1e-15
    )


def test_A4_relu_of_twelve_numbers():
    x = np.linspace(-0.5, 0.5, 12).reshape(3, 4)
    expected = [
        [0, 0, 0, 0],
        [0, 0, 0.04545454, 0.13636364],
        [0.22727273, 0.31818182, 0.40909091, 0.5],
    ]
    np.testing.assert_allclose(backlight.relu(x), expected, atol=5e-9)


def test_A5_elu_leaky_maxout_prelu():
    zero = np.zeros_like(X)
    np.testing.assert_array_equal(
        np.asarray(
            backlight.maxout(backlight.tensor(np.stack([X, zero], axis=-1)), pieces=2, axis=-1)
        )[..., 0],
        np.maximum(X, 0),
    )
    for alpha in (1.0, 0.3):
        elu = nn.ELU(alpha)
        just_below = slope(elu, [-1e-9])[0]
        assert just_below == pytest.approx(alpha, rel=1e-8)
        assert np.asarray(elu(backlight.tensor(np.array([-1e-12, 0.0])))).max() == 0
    assert slope(nn.LeakyReLU(0.1), [-2.0, 2.0]).tolist() == [0.1, 1]
    learned = nn.PReLU()
    (backlight.tensor([-2.0, 3.0]) * 1.0 + learned(backlight.tensor([-2.0, 3.0]))).sum().backward()
    assert learned.weight.grad.numpy().ravel().tolist() == [-2]


def test_A6_without_a_nonlinearity_layers_are_one():
    """h(x) = cx three times is c³x; three linear layers are one matrix, and ReLU makes them not."""
    backlight.manual_seed(0)
    layers = [nn.Linear(4, 6).double(), nn.Linear(6, 5).double(), nn.Linear(5, 3).double()]
    net = nn.Sequential(*layers)
    matrix = np.eye(4)
    shift = np.zeros(4)
    for layer in layers:
        w, b = (p.detach().numpy() for p in (layer.weight, layer.bias))
        matrix, shift = w @ matrix, w @ shift + b
    x = np.random.RandomState(0).randn(20, 4)
    np.testing.assert_allclose(
        np.asarray(net(backlight.tensor(x)).detach()), x @ matrix.T + shift, rtol=0, atol=1e-12
    )
    found = backlight.jacobian(net, x[0]).detach()
    np.testing.assert_allclose(np.asarray(found), matrix, atol=1e-12)
    bent = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def gap(model, a, b):
        f = [np.asarray(model(backlight.tensor(one)).detach()) for one in (a, b, a + b, 0 * a)]
        return np.abs(f[0] + f[1] - f[2] - f[3]).max()

    assert gap(net, x[0], x[1]) < 1e-12
    assert max(gap(bent, one, other) for one, other in zip(x[:10], x[10:], strict=True)) > 1e-3


def test_A10_a_step_lets_no_gradient_through():
    x = backlight.tensor(X, requires_grad=True)
    y = backlight.step(x)
    assert set(np.asarray(y.detach()).tolist()) == {0, 1}
    assert not y.requires_grad
    assert not slope(backlight.step, X).any()
    assert slope(backlight.sigmoid, X).all()
    assert "Flat everywhere" in backlight.gates.find("step").__doc__
