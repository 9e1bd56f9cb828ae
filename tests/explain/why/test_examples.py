"""Examples of the batch: their parts add up to the gradient, whichever way they are found."""

import math

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.explain.why import why
from backlight.explain.why.examples import batch_of, pushes
from tests.explain.why.network import LABELS, convnet, loss_of, perceptron, region, rows


def alone(model, inputs, parameter, example, count):
    """The gradient that one example brings, by a backward pass of its own."""
    parameter.grad = None
    loss = nn.CrossEntropyLoss(reduction="none")(model(inputs), bl.tensor(LABELS[:count]))
    (loss[example] / count).backward()
    return parameter.grad.numpy()


@pytest.mark.parametrize("layer", [0, 3, 6])
def test_parts_are_what_each_example_brings(layer):
    model = convnet()
    inputs = rows(4, 1, 8, 8)
    weight = model[layer].weight
    seen = region(loss_of(model, inputs), weight)
    place = tuple(0 for _ in weight.shape)
    found = pushes(seen, place)
    assert (found.batch, found.mixed) == (4, False)
    for push in found.pushes:
        own = alone(model, inputs, weight, push.example, 4)
        assert push.amount == pytest.approx(own[place], rel=1e-9, abs=1e-15)
        assert push.size == pytest.approx(float(np.sqrt((own**2).sum())), rel=1e-9)
    assert abs(found.remainder) < 1e-14
    amounts = [push.amount for push in found.pushes]
    assert amounts == sorted(amounts, reverse=True)


def test_a_batch_normalisation_mixes_examples():
    model = perceptron(nn.BatchNorm1d(6), nn.Tanh())
    inputs = rows(8, 4)
    seen = region(loss_of(model, inputs), model[0].weight)
    found = pushes(seen, (1, 2))
    assert found.mixed
    for push in found.pushes:
        own = alone(model, inputs, model[0].weight, push.example, 8)
        assert push.amount == pytest.approx(own[1, 2], rel=1e-6, abs=1e-12)
    assert abs(found.remainder) < 1e-12


def test_a_whole_tensor_is_pushed_along_its_gradient():
    model = perceptron(nn.Tanh())
    seen = region(loss_of(model, rows(8, 4)), model[0].weight)
    found = pushes(seen)
    assert math.fsum(push.amount for push in found.pushes) == pytest.approx(found.total)
    assert 0 <= found.cancelled <= 1


def test_a_penalty_is_no_example():
    model = perceptron(nn.Tanh())
    loss = loss_of(model, rows(8, 4)) + 0.3 * (model[0].weight ** 2).sum()
    reason = why(loss, model[0].weight, (1, 2))
    penalty = 0.6 * float(model[0].weight._value[1, 2])
    assert reason.pushes.remainder == pytest.approx(penalty, rel=1e-9)
    assert "not from these examples" in reason.in_words("en")


def test_no_batch():
    seen = region(
        (x := bl.tensor(np.ones(3), requires_grad=True)).sum() * 2.0,
        x,
    )
    assert batch_of(seen) is None
    assert pushes(seen) is None


def test_examples_that_do_not_stand_in_rows():
    """Time comes first here, and each weight is used at every step."""
    bl.manual_seed(0)
    recurrent, head = nn.LSTM(3, 5).double(), nn.Linear(5, 3).double()
    loss = nn.CrossEntropyLoss()(head(recurrent(rows(6, 4, 3))[0][-1]), bl.tensor([0, 1, 2, 0]))
    for parameter in recurrent.parameters():
        found = pushes(region(loss, parameter), tuple(0 for _ in parameter.shape))
        assert found.batch == 4
        assert abs(found.remainder) <= 1e-12 * sum(push.size for push in found.pushes)
