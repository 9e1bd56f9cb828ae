"""Gradients of first and second order against central differences of every element."""

from __future__ import annotations

import numpy as np

from backlight.engine.derivative import grad
from backlight.engine.tensor import Tensor
from backlight.gates.gate import Role, gates


def differences(function, xs):
    """The central difference of a scalar function by every number of every array."""
    slopes = []
    for which, x in enumerate(xs):
        slope = np.zeros(x.shape)
        for place in np.ndindex(*x.shape):
            step = 1e-5 * max(1.0, abs(x[place]))
            ends = []
            for sign in (1, -1):
                moved = [np.array(one) for one in xs]
                moved[which][place] += sign * step
                ends.append((function(*moved), moved[which][place]))
            slope[place] = (ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1])
        slopes.append(slope)
    return slopes


def gap(a, b):
    return np.abs(a - b).max(initial=0) / max(
        np.abs(a).max(initial=0), np.abs(b).max(initial=0), 1e-3
    )


def check_gradients(function, xs, first=1e-7, second=1e-6):
    """`function` of tensors, at float64 arrays: its gradient, and the gradient of that."""
    random = np.random.default_rng(7)
    upstream = random.standard_normal(np.shape(function(*xs)))
    weights = [random.standard_normal(x.shape) for x in xs]

    def scalar(*values):
        return float(np.sum(np.asarray(function(*values)) * upstream))

    def pulled(*values):
        *values, above = values
        wires = [Tensor(value, requires_grad=True) for value in values]
        return [g.numpy() for g in grad(function(*wires), wires, above)]

    found = pulled(*xs, upstream)
    for g, x, numeric in zip(found, xs, differences(scalar, xs), strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype
        assert gap(g, numeric) <= first

    def slope(*values):
        return sum(float(np.sum(g * w)) for g, w in zip(pulled(*values), weights, strict=True))

    wires = [Tensor(value, requires_grad=True) for value in xs]
    above = Tensor(upstream, requires_grad=True)
    gradients = grad(function(*wires), wires, above, create_graph=True)
    total = sum((g * w).sum() for g, w in zip(gradients, weights, strict=True))
    for g, numeric in zip(
        grad(total, [*wires, above]), differences(slope, [*xs, upstream]), strict=True
    ):
        assert gap(g.numpy(), numeric) <= second


def check_sample(gate, sample):
    """Shape, type, purity and gradients of a gate on one of its own samples."""
    attributes = gate.bind(sample.inputs, sample.attributes)[1]
    before = [None if x is None else np.array(x) for x in sample.inputs]
    output = np.asarray(gate(*sample.inputs, **sample.attributes))
    shapes = [None if x is None else np.shape(x) for x in sample.inputs]
    assert output.shape == gate.shape(*shapes, **attributes)
    dtypes = [None if x is None else x.dtype for x in sample.inputs]
    assert output.dtype == gate.dtype(*dtypes, **attributes)
    again = gate(*[None if x is None else Tensor(x) for x in sample.inputs], **sample.attributes)
    assert again.numpy().tobytes() == output.tobytes()
    if gate.role not in (Role.WALL, Role.SOURCE):
        places = [i for i, x in enumerate(sample.inputs) if x is not None and x.dtype.kind == "f"]

        def function(*values):
            wires = list(sample.inputs)
            for place, value in zip(places, values, strict=True):
                wires[place] = value
            return gate(*wires, **sample.attributes)

        check_gradients(function, [sample.inputs[place] for place in places])
        if hasattr(gate, "parts"):
            unfolded = np.asarray(gate.parts(*sample.inputs, **attributes))
            np.testing.assert_allclose(unfolded, output, rtol=1e-13, atol=1e-13)
    for x, was in zip(sample.inputs, before, strict=True):
        assert np.array_equal(x, was)


def samples_of(*modules):
    """Every sample of every gate declared in these modules, with a name for each."""
    names = {module.__name__ for module in modules}
    cases = [
        (gate, sample)
        for gate in gates()
        if type(gate).__module__ in names
        for sample in gate.samples()
    ]
    return {"argvalues": cases, "ids": [f"{gate.name}: {sample}" for gate, sample in cases]}
