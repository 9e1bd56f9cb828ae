"""The numerical gradient: the course's numbers, exact restoring, counting, choice of step."""

import numpy as np
import pytest

from backlight import tensor
from backlight.check.numerical import (
    error_by_step,
    evaluations_needed,
    good_step,
    numerical_gradient,
)
from backlight.errors import ArgumentError, DTypeError, ShapeError

POINT = {"a": 1.0, "b": 2.0, "c": -3.0, "x": -1.0, "y": 3.0}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def neuron(name):
    return lambda value: sigmoid(
        (p := {**POINT, name: value})["a"] * p["x"] + p["b"] * p["y"] + p["c"]
    )


def exact(name):
    partner = {"a": "x", "b": "y", "x": "a", "y": "b"}
    return sigmoid(2.0) * (1 - sigmoid(2.0)) * (POINT[partner[name]] if name != "c" else 1)


def test_product_of_the_notes():
    """N1: xy at (−2, 3), then a step of 0.01 uphill."""
    v = np.array([-2.0, 3.0])
    slope = numerical_gradient(lambda u: u[0] * u[1], v, h=1e-4)
    np.testing.assert_allclose(slope, [3.0, -2.0], rtol=1e-10)
    uphill = v + 0.01 * slope
    np.testing.assert_allclose([*uphill, uphill[0] * uphill[1]], [-1.97, 2.98, -5.8706], rtol=1e-9)


def test_one_sided_and_centred():
    """N2."""
    one = numerical_gradient(neuron("a"), np.array(1.0), 1e-4, "forward")
    both = numerical_gradient(neuron("a"), np.array(1.0), 1e-4)
    assert round(float(one), 10) == -0.1049975836
    assert round(float(both), 10) == -0.1049935855
    assert abs(float(one) + 0.10499358540350662) == pytest.approx(4.0e-6, rel=0.01)
    assert abs(float(both) + 0.10499358540350662) == pytest.approx(6.5e-11, rel=0.01)


def test_error_by_step_is_the_printed_curve():
    """2.3: the largest relative error of the five inputs, by h² until rounding wins."""
    curves = [error_by_step(neuron(name), POINT[name], exact(name)) for name in POINT]
    worst = [max(curve[place][1] for curve in curves) for place in range(len(curves[0]))]
    printed = [5.5e-5, 5.6e-7, 5.6e-9, 7.1e-11, 2.1e-10, 5.9e-8, 2.0e-6]
    np.testing.assert_allclose(worst[:4], printed[:4], rtol=0.03)
    np.testing.assert_allclose(np.log10(worst[4:]), np.log10(printed[4:]), atol=1)  # rounding
    assert worst[5] > worst[4] > worst[3] < worst[2] < worst[1] < worst[0]


@pytest.mark.parametrize(("method", "order"), [("centred", 2), ("forward", 1)])
def test_orders_of_the_error(method, order):
    (_, large), (_, small) = error_by_step(np.exp, 1.0, np.e, (1e-2, 1e-3), method)
    assert np.log10(large / small) == pytest.approx(order, abs=0.01)


def test_float32_is_too_coarse():
    """2.3: at h = 1e-5 the relative error is 2.1e-2 in float32."""

    def single(a):
        return 1 / (1 + np.exp(-(a * np.float32(-1) + np.float32(3))))

    found = numerical_gradient(single, np.array(1.0, np.float32), 1e-5)
    assert abs(float(found) / exact("a") - 1) == pytest.approx(2.1e-2, rel=0.05)
    better = numerical_gradient(single, np.array(1.0, np.float32))
    assert abs(float(better) / exact("a") - 1) < 1e-3


def test_evaluations_are_counted():
    """N3: 30,730 parameters."""
    assert evaluations_needed(30_730, "forward") == 30_731
    assert evaluations_needed(30_730) == 61_460
    for method, count in (("centred", 24), ("forward", 13)):
        calls = []
        numerical_gradient(
            lambda x, calls=calls: calls.append(1) or x.sum(), np.ones((3, 4)), method=method
        )
        assert len(calls) == count == evaluations_needed(12, method)


def test_inputs_are_restored_exactly():
    x = np.array([0.1, 1e16, -0.0, 5e-324])
    bits = x.tobytes()
    numerical_gradient(lambda v: (v * v).sum(), x)
    assert x.tobytes() == bits
    calls = []

    def failing(v):
        calls.append(v.copy())
        if len(calls) == 3:
            raise RuntimeError
        return v.sum()

    with pytest.raises(RuntimeError):
        numerical_gradient(failing, x)
    assert x.tobytes() == bits


def test_a_function_may_read_the_array_elsewhere():
    weights = np.array([1.0, 2.0])
    found = numerical_gradient(lambda _: float(weights @ weights), weights)
    np.testing.assert_allclose(found, [2, 4], rtol=1e-9)


def test_read_only_stretched_and_transposed_arrays():
    locked = np.array([1.0, 2.0])
    locked.flags.writeable = False
    stretched = np.broadcast_to(np.array([1.0]), (3,))
    turned = np.arange(6.0).reshape(2, 3).T
    for x in (locked, stretched, turned, [1.0, 2.0], 3.0, np.float64(3.0), 3):
        found = numerical_gradient(lambda v: (np.asarray(v) ** 2).sum(), x)
        np.testing.assert_allclose(found, 2 * np.asarray(x, float), rtol=1e-8, atol=1e-8)


def test_tensors_and_upstream():
    x = tensor(np.array([1.0, 2.0]), requires_grad=True)
    found = numerical_gradient(lambda v: v * v, x, upstream=[1.0, 10.0])
    np.testing.assert_allclose(found, [2, 40], rtol=1e-9)
    assert x.tolist() == [1.0, 2.0]


def test_steps_grow_with_the_number():
    assert good_step(np.float64(1000.0)) == pytest.approx(1000 * good_step(np.float64(0.5)))
    assert good_step(np.float64(1), "forward") < good_step(np.float64(1))


def test_refusals():
    with pytest.raises(ArgumentError, match="centred"):
        numerical_gradient(np.sum, np.ones(2), method="centered")
    with pytest.raises(ArgumentError, match="above 0"):
        numerical_gradient(np.sum, np.ones(2), h=0.0)
    with pytest.raises(ShapeError, match="one number"):
        numerical_gradient(lambda x: x, np.ones(2))
    with pytest.raises(DTypeError, match="no neighbours"):
        numerical_gradient(np.sum, np.ones(2, int))
