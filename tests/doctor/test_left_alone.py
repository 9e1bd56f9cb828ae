"""Whether examples are answered one by one, and whether a model is left as it was."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn, tensor
from backlight.doctor.left_alone import left_as_it_was, touched_by_others
from backlight.doctor.probe import NotChecked
from backlight.nn import functional as F

INPUTS = np.random.RandomState(0).randn(12, 6).astype(np.float32)


class Model(nn.Module):
    """A layer with a function around it."""

    def __init__(self, around):
        super().__init__()
        self.layer, self.around = nn.Linear(6, 6), around

    def forward(self, x):
        return self.around(self.layer, x)


def attends(layer, x):
    hidden = layer(x)
    return hidden + F.softmax(hidden @ hidden.T, axis=1) @ hidden


@pytest.mark.parametrize(
    "around",
    [
        lambda layer, x: layer(x).relu(),
        lambda layer, x: layer(x.T.reshape(6, len(x)).T),
        lambda layer, x: layer(x) - layer(x).mean(axis=0),
        attends,
    ],
    ids=["row by row", "transposed and back", "centred over the batch", "attention over a set"],
)
def test_what_does_not_depend_on_the_order_is_well(around):
    assert touched_by_others(Model(around), INPUTS) == 0.0


@pytest.mark.parametrize(
    "around",
    [
        lambda layer, x: layer(x.T.reshape(len(x), 6)),
        lambda layer, x: F.cumsum(layer(x), axis=0),
        lambda layer, x: layer(x) + F.roll(layer(x), 1, 0),
    ],
    ids=["reshaped", "summed along the batch", "the neighbour's"],
)
def test_what_mixes_examples_is_seen(around):
    assert touched_by_others(Model(around), INPUTS) > 0.05


def test_batch_norm_and_dropout_rest_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    assert touched_by_others(model, INPUTS) == 0.0
    assert model.training


@pytest.mark.parametrize(
    "around",
    [
        lambda layer, x: F.dropout(layer(x), 0.5),
        lambda layer, x: layer(x).sum(),
        lambda layer, x: layer(x[:, :3]),
        lambda layer, x: layer.missing(x),
    ],
    ids=["draws", "one number", "refuses", "breaks"],
)
def test_what_cannot_be_told_is_not_checked(around):
    with pytest.raises(NotChecked):
        touched_by_others(Model(around), INPUTS)


def spoil(model):
    model(tensor(INPUTS)).sum().backward()
    nn.init.zeros_(model[0].weight)
    model.eval()
    bl.randn(7)
    raise ZeroDivisionError


def test_a_model_is_left_as_it_was_even_after_an_error():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    bl.manual_seed(5)
    drawn = bl.randn(3).tolist()
    bl.manual_seed(5)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError), left_as_it_was(model):
        spoil(model)
    after = {name: value.numpy() for name, value in model.state_dict().items()}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert model.training
    assert model[0].weight.grad is None
    assert bl.randn(3).tolist() == drawn
