"""Gradient descent and the course's derived sequences for f = x²/2 from 1 at rate 0.1."""

import numpy as np
import pytest

from backlight import optim
from backlight.engine.tensor import Tensor


def path(make, steps=3):
    x = Tensor(1.0, dtype=np.float64, requires_grad=True)
    rule, found = make([x]), []
    for _ in range(steps):
        rule.zero_grad()
        (x * x / 2).backward()
        rule.step()
        found.append(x.item())
    return found


@pytest.mark.parametrize(
    ("make", "expected", "tolerance"),
    [
        (lambda p: optim.GradientDescent(p, lr=0.1), [0.9, 0.81, 0.729], 1e-12),
        (lambda p: optim.SGD(p, lr=0.1), [0.9, 0.81, 0.729], 1e-12),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), [0.9, 0.72, 0.486], 1e-12),
        (
            lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
            [0.81, 0.5751, 0.327321],
            1e-12,
        ),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5), [0.9, 0.765, 0.60525], 1e-12),
        (lambda p: optim.Adagrad(p, lr=0.1, eps=1e-8), [0.9, 0.833103528, 0.780456183], 1e-8),
        (lambda p: optim.Adam(p, lr=0.1), [0.9, 0.80041223, 0.701586275], 1e-8),
        (
            lambda p: optim.Adam(p, lr=0.1, bias_correction=False),
            [0.683772334, 0.270206169, -0.162141207],
            1e-8,
        ),
    ],
)
def test_the_courses_sequences(make, expected, tolerance):
    np.testing.assert_allclose(path(make), expected, rtol=0, atol=tolerance)


def test_the_first_step_of_rmsprop_is_ten_times_the_rate():
    first, second, third = path(lambda p: optim.RMSprop(p, lr=0.1, alpha=0.99))
    assert first == pytest.approx(1e-7, rel=0.01)
    assert second == pytest.approx(-1e-9, abs=5e-10)
    assert third == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_courses_form_of_momentum_takes_the_same_path(nesterov):
    x, v, expected = 1.0, 0.0, []
    for _ in range(10):
        before, v = v, 0.9 * v - 0.1 * x
        x += -0.9 * before + 1.9 * v if nesterov else v
        expected.append(x)
    found = path(lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=nesterov), 10)
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("bend", [0.5, 1.0, 40.0])
def test_a_bowl_is_descended_if_and_only_if_the_rate_is_below_two_over_its_bend(bend):
    def losses(rate):
        x = Tensor(1.0, dtype=np.float64, requires_grad=True)
        rule, found = optim.GradientDescent([x], lr=rate), []
        for _ in range(200):
            rule.zero_grad()
            loss = 0.5 * bend * x * x
            loss.backward()
            found.append(loss.item())
            rule.step()
        return np.array(found)

    converging, diverging = losses(1.9 / bend), losses(2.1 / bend)
    assert (np.diff(converging) <= 0).all()
    assert converging[-1] < 1e-15
    assert (np.diff(diverging) > 0).all()
    assert diverging[-1] > 1e10


def test_at_an_exact_saddle_descent_rests_and_beside_it_rmsprop_escapes_sooner():
    def after(make, start):
        p = Tensor(np.array([0.5, start]), requires_grad=True)
        rule = make([p])
        for _ in range(50):
            rule.zero_grad()
            (p * p * Tensor(np.array([1.0, -1.0]))).sum().backward()
            rule.step()
        return p.detach().numpy()

    assert after(lambda p: optim.SGD(p, lr=0.01), 0.0)[1] == 0
    slow = abs(after(lambda p: optim.SGD(p, lr=0.01), 1e-6)[1])
    assert abs(after(lambda p: optim.RMSprop(p, lr=0.01), 1e-6)[1]) > 1000 * slow


def test_adamw_decays_apart_from_the_gradient():
    x = Tensor([2.0], dtype=np.float64, requires_grad=True)
    x.grad = Tensor([0.0], dtype=np.float64)
    optim.AdamW([x], lr=0.1, weight_decay=0.5).step()
    assert x.item() == pytest.approx(2.0 * 0.95, abs=1e-15)
