"""Derivatives of functions and gates of one's own, compiled."""

import numpy as np

import backlight as bl
from backlight import nn
from backlight.engine.derivative import grad, hessian, jacobian
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role
from backlight.native.compile import compile
from tests.native.compiled import same, tensor


def test_gradients_jacobians_and_hessians():
    w = tensor((3, 3), 8)

    def f(x):
        return (bl.tanh(w @ x) ** 3).sum() + bl.logsumexp(x * 2)

    def vector(x):
        return bl.sin(w @ x) * x

    x = tensor(3)
    for make in (lambda v: grad(f)(v), lambda v: jacobian(vector, v), lambda v: hessian(f, v)):
        same(compile(make)(x), make(x))

    def third(v):
        return grad(lambda y: (grad(lambda z: (grad(f)(z) ** 2).sum())(y) ** 2).sum())(v)

    same(compile(third)(x), third(x), 1e-9)


def test_climbing_the_gradient_of_an_image():
    bl.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    net.to(np.float64)

    def climb(image):
        score = net(image)[0, 1]
        (slope,) = grad(score, [image])
        return image.detach() + 0.1 * slope, score.detach()

    image = tensor((1, 1, 8, 8)).requires_grad_()
    compiled = compile(climb)
    for _ in range(3):
        (found, score), (wanted, other) = compiled(image), climb(image)
        same(found, wanted)
        same(score, other)
        image = wanted.detach().requires_grad_()


def test_an_elementwise_gate_of_ones_own_is_native():
    class Wiggle(Elementwise):
        """x·sin(x)."""

        role = Role.SCALER
        formula = "x*sin(x)"

        def forward(self, np, x):
            return x * np.sin(x)

        def backward(self, upstream, x, output):
            return (upstream * (bl.sin(x) + x * bl.cos(x)),)

    wiggle = Wiggle()
    try:
        x = tensor((3, 4)).requires_grad_()

        def f(x):
            y = wiggle(x)
            return y.detach(), grad(y.sum(), [x])[0]

        compiled = compile(f)
        for found, wanted in zip(compiled(x), f(x), strict=True):
            same(found, wanted)
        assert "NumPy" not in compiled.stages["calls"]
    finally:
        TABLE.pop("wiggle")


def test_a_gate_without_native_form_is_run_by_numpy_and_reported():
    class Sorted(Elementwise):
        """Sorted along the last axis: nothing that loops know."""

        role = Role.WALL
        formula = "sort(x)"

        def forward(self, np, x):
            return np.sort(x, axis=-1)

    gate = Sorted()
    try:
        compiled = compile(lambda x: gate(x * 2) + 1)
        x = tensor((3, 5))
        for _ in range(2):
            same(compiled(x), np.sort(x.numpy() * 2, axis=-1) + 1)
        assert "NumPy: " in compiled.stages["calls"]
    finally:
        TABLE.pop("sorted")
