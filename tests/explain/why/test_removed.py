"""A zero is answered with the gate that made it; so is a part that was removed."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.explain import circuit
from backlight.explain.why import why
from backlight.explain.why.region import Region
from backlight.explain.why.removed import removals
from backlight.explain.why.stopped import stops
from tests.explain.why.network import convnet, loss_of, perceptron, region, rows


@pytest.mark.parametrize(
    ("formula", "values", "gate", "kind"),
    [
        ("relu(x)*y", {"x": -2, "y": 3}, "relu", "closed"),
        ("maximum(x, y)", {"x": 1, "y": 3}, "maximum", "routed"),
        ("clip(x, -1, 1) * y", {"x": 5, "y": 2}, "clip", "closed"),
        ("x*y", {"x": 5, "y": 0}, "multiply", "zeros"),
        ("sigmoid(x)*y", {"x": 800, "y": 2}, "sigmoid", "saturated"),
        ("tanh(x)*y", {"x": 30, "y": 2}, "tanh", "saturated"),
        ("x - x + y", {"x": 5, "y": 2}, "subtract", "cancelled"),
        ("relu(tanh(x)*y)", {"x": 0.5, "y": -1}, "relu", "closed"),
    ],
)
def test_the_gate_that_made_it_zero(formula, values, gate, kind):
    reason = why(formula, "x", **values)
    assert reason.outcome == "zero"
    assert [reason.circuit.nodes[stop.node].gate.name for stop in reason.stops] == [gate]
    assert reason.stops[0].kind == kind
    for language in ("en", "ko"):
        assert gate in reason.in_words(language)


def test_a_dead_unit():
    model = perceptron(nn.ReLU())
    model[0].bias._value[2] = -100.0
    loss = loss_of(model, rows(8, 4))
    reason = why(loss, model[0].weight, (2, 1))
    assert (reason.outcome, reason.stops[0].kind, reason.stops[0].places) == ("zero", "closed", 8)
    assert reason.circuit.nodes[reason.stops[0].node].gate.name == "relu"
    alive = why(loss, model[0].weight)
    found = next(one for one in alive.removals if one.kind == "closed")
    assert found.units == 6
    assert found.dead >= 1
    assert "dead" in str(alive.in_words("en"))


def test_the_shares_are_counted():
    model = perceptron(nn.ReLU())
    inputs = rows(8, 4)
    loss = loss_of(model, inputs)
    hidden = model[0](inputs).detach().numpy()
    (found,) = removals(region(loss, model[0].weight), 8)
    assert found.places == int((hidden <= 0).sum())
    assert found.of == hidden.size
    assert found.dead == int((hidden <= 0).all(axis=0).sum())
    assert (found.examples, found.batch) == (int((hidden <= 0).all(axis=1).sum()), 8)
    (own,) = removals(region(loss, model[0].weight), 8, (3, 1))
    assert (own.places, own.of) == (int((hidden[:, 3] <= 0).sum()), 8)
    assert (own.examples, own.batch) == (own.places, 8)
    told = why(loss, model[0].weight, (3, 1)).in_words("en")
    assert f"In {own.examples} of 8 examples nothing gets through." in told


def test_a_pixel_that_is_always_zero():
    """The digits' border: its weights get no gradient, because they multiply zeros."""
    model = perceptron(nn.ReLU())
    inputs = rows(8, 4)
    inputs._value[:, 3] = 0
    reason = why(loss_of(model, inputs), model[0].weight, (1, 3))
    (stop,) = reason.stops
    assert (stop.kind, reason.circuit.nodes[stop.node].gate.name) == ("zeros", "linear")
    assert reason.circuit.nodes[stop.other].shape == (8, 4)


def test_a_saturated_unit_and_pooling():
    model = convnet()
    model[3].weight._value *= 300
    loss = loss_of(model, rows(4, 1, 8, 8))
    found = {one.kind: one for one in removals(region(loss, model[0].weight), 4)}
    assert set(found) == {"closed", "routed", "saturated"}
    assert found["saturated"].part > 0.5
    assert found["routed"].part > 0.5


def test_a_bias_before_a_batch_normalisation():
    """It is taken out again: the gradient is 0 but for rounding, and that is said."""
    for dtype, numbers in (("double", np.float64), ("single", np.float32)):
        model = perceptron(nn.BatchNorm1d(6), nn.ReLU(), dtype=dtype)
        loss = loss_of(model, rows(8, 4, dtype=numbers))
        for entry in (None, 2):
            reason = why(loss, model[0].bias, entry)
            assert reason.outcome == "zero", (dtype, entry)
            names = [reason.circuit.nodes[stop.node].gate.name for stop in reason.stops]
            assert names == ["batch_norm"]
            assert reason.stops[0].kind == "cancelled"
            assert "but for rounding" in reason.in_words("en")


def test_dropout_is_told():
    model = perceptron(nn.Tanh(), nn.Dropout(0.5))
    loss = loss_of(model, rows(8, 4))
    kinds = {one.kind for one in removals(region(loss, model[0].weight), 8)}
    assert "dropped" in kinds


def test_upstream_and_underflow():
    x = bl.tensor([1e-30, 1.0], requires_grad=True)
    silent = circuit(x * 3.0, upstream=[0.0, 0.0], names={"x": x})
    assert [stop.kind for stop in stops(Region(silent, 0))] == ["upstream"]
    tiny = (x * 1e-30) * 1e-30
    reason = why(tiny.sum(), x)
    assert reason.outcome == "zero"
    assert reason.stops[0].kind in ("underflow", "zeros")


def test_every_zero_of_a_network_has_an_answer():
    model = convnet()
    inputs = rows(4, 1, 8, 8)
    inputs._value[:, :, 0, :] = 0
    loss = loss_of(model, inputs)
    asked = 0
    for parameter in model.parameters():
        seen = region(loss, parameter)
        for place in [tuple(p) for p in np.argwhere(seen.gradient == 0)][:4]:
            assert stops(seen, place), place
            asked += 1
    for stop in stops(region(loss_of(model, inputs * 0.0), model[0].weight)):
        assert stop.kind == "zeros"
        asked += 1
    assert asked
