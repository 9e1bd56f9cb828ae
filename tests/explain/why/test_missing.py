"""No gradient at all: walls, detached copies, constants, what is not used."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.errors import ArgumentError, GraphError, RangeError
from backlight.explain.why import why
from tests.explain.why.network import loss_of, perceptron, rows


@pytest.mark.parametrize("gate", ["sign", "round", "floor", "step"])
def test_a_wall_is_named(gate):
    reason = why(f"{gate}(x) * y", "x", x=0.3, y=2)
    assert (reason.outcome, reason.missing.kind, reason.missing.gate) == ("none", "wall", gate)
    assert gate in reason.in_words("ko")


def test_a_wall_further_on():
    assert why("round(x*3) * y", "x", x=0.3, y=2).missing.gate == "round"
    assert why("argmax(x) * y", "x", x=np.array([1.0, 2.0]), y=2).missing.gate == "argmax"


def test_a_detached_value_is_named():
    model = perceptron(nn.ReLU())
    hidden = model[0](rows(8, 4))
    loss = (model[2](hidden.detach()) ** 2).sum()
    reason = why(loss, model[0].weight)
    assert (reason.outcome, reason.missing.kind) == ("none", "detached")
    assert reason.missing.gate.startswith("linear")
    # Behind another gate nothing is left to tell it by: both possibilities are said.
    further = why((model[2](hidden.detach().relu()) ** 2).sum(), model[0].weight)
    assert further.missing.kind == "unused"
    assert "detached on the way" in further.in_words("en")
    x = bl.tensor([1.0], requires_grad=True, name="x")
    y = bl.tensor([2.0], requires_grad=True)
    assert why((x.detach() * y).sum(), x).missing.gate == "x"


def test_a_partly_detached_value_is_remarked():
    x = bl.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3.0
    reason = why((h.detach() * h).sum(), x)
    assert reason.outcome == "number"
    assert len(reason.detached) == 1
    assert "detached copy" in reason.in_words("en")


def test_not_used_and_constant():
    x = bl.tensor(1.0, requires_grad=True, name="x")
    y = bl.tensor(2.0, requires_grad=True)
    assert why(y * 2.0, x).missing.kind == "unused"
    loss = loss_of(perceptron(nn.ReLU()), rows(8, 4))
    constant = next(n for n in why(loss).circuit.leaves if n.kind == "constant")
    assert why(loss, constant.index).missing.kind == "constant"


def test_mistakes_of_the_caller():
    model = perceptron(nn.ReLU())
    loss = loss_of(model, rows(8, 4))
    with pytest.raises(ArgumentError, match=r"0\.weight"):
        why(loss, "0.wieght")
    with pytest.raises(RangeError, match=r"shape \(6, 4\)"):
        why(loss, model[0].weight, (6, 0))
    with pytest.raises(RangeError, match="2 whole numbers"):
        why(loss, model[0].weight, 3)
    with pytest.raises(ArgumentError, match="Did you mean 'batch'"):
        why(loss, model[0].weight, bacth=3)
    with pytest.raises(ArgumentError, match="the name 'w'"):
        why("x*y", "w", x=1, y=2)
    with pytest.raises(GraphError, match="history"):
        why(bl.tensor(1.0), bl.tensor(2.0))
    assert why(loss, model[0].weight, (-1, -1)).entry == (5, 3)
