"""A numerical slope across a kink proves nothing, and must not stop a training."""

import numpy as np
import pytest

import backlight as bl
from backlight.errors import CompileCheckError
from backlight.gates import TABLE
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role


def test_a_relu_at_zero_raises_no_alarm():
    w = bl.nn.Parameter(bl.zeros(4))
    rule = bl.optim.SGD([w], lr=0.1)

    def step(x):
        rule.zero_grad()
        loss = bl.relu(x * w).sum()
        loss.backward()
        rule.step()
        return loss

    told = []
    program = bl.compile(step, check=True)
    program.listen = told.append
    program(bl.tensor(np.array([1.0, -1.0, 2.0, 3.0], np.float32)))
    (inspection,) = told
    assert any("kink of" in one and "relu" in one for one in inspection.unchecked)


def test_a_wrong_rule_is_found_all_the_same():
    class Bent(Elementwise):
        """max(x, 0) + x²/2, with a wrong rule away from its kink."""

        role = Role.SCALER
        formula = "maximum(x, 0) + x**2/2"
        kinks = "x == 0: slope 0"

        def forward(self, np, x):
            return np.maximum(x, 0) + x * x / 2

        def backward(self, upstream, x, output):
            return (upstream * (TABLE["where"](x > 0, 1.0, 0.0) + 2 * x),)  # x would be right

        def branch(self, np, x):
            return np.sign(x)

    bent = Bent()
    try:
        w = bl.nn.Parameter(bl.tensor([0.5, -1.0, 2.0]))

        @bl.compile(check=True)
        def step(x):
            w.grad = None
            loss = bent(x * w).sum()
            loss.backward()
            return loss

        with pytest.raises(CompileCheckError, match="another slope"):
            step(bl.tensor([1.0, 2.0, 3.0]))
    finally:
        TABLE.pop("bent")
