"""Points at which a gradient check is hard: rounding, scale, kinks, edges."""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight.gates import TABLE

FUNCTIONS = {
    "tanh": (bl.tanh, [0.3, -0.7, 1.1]),
    "exp": (bl.exp, [0.3, -2.0, 3.0]),
    "relu": (bl.relu, [0.4, -1.0, 2.0]),
    "relu at 0": (bl.relu, [0.0, 1.0, -1.0]),
    "relu at 1e-7": (bl.relu, [1e-7, 0.5, -2.0]),
    "relu at 2e-5": (bl.relu, [2e-5, 0.5, -2.0]),
    "abs at 0": (bl.absolute, [0.0, 1.5, -0.3]),
    "sqrt near 0": (bl.sqrt, [1e-8, 1e-3, 1.0]),
    "log near 0": (bl.log, [1e-6, 0.5, 2.0]),
    "1/x near 0": (bl.reciprocal, [1e-4, -3e-5, 2.0]),
    "softmax": (lambda x: bl.softmax(x, axis=0), [0.3, -0.7, 1.1]),
    "sigmoid, saturated": (bl.sigmoid, [12.0, -15.0, 0.5]),
    "cos(1000 x)": (lambda x: bl.cos(1e3 * x), [0.3, 0.7, -0.1]),
    "max": (lambda x: bl.max(x), [0.3, 1.2, -0.4]),
    "max, tied": (lambda x: bl.max(x), [1.2, 1.2, -0.4]),
    "sin + 1e9": (lambda x: bl.sin(x) + 1e9, [0.3, 0.5, -0.4]),
}
SCALES = {"1e-8": 1e-8, "1": 1.0, "1e8": 1e8}
FAULTS = {"none": 1.0, "×2": 2.0, "sign": -1.0, "×1.01": 1.01}


class Scaled(type(TABLE["identity"])):
    """x, with a gradient that is too large by a factor."""

    factor = 1.0

    def backward(self, upstream, x, output):
        return (upstream * self.factor,)


def wrong(factor):
    gate = object.__new__(Scaled)
    gate.__dict__.update(TABLE["identity"].__dict__)
    gate.factor = factor
    return gate


def posed(name, scale, single, fault):
    """The function of this name, and where it is checked."""
    function, point = FUNCTIONS[name]
    gate = wrong(FAULTS[fault])

    def whole(x):
        x = gate(x)
        x = x.float() if single else x
        return function(x) * scale

    return whole, np.array(point)
