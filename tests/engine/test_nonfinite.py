"""Where a NaN or an infinity was born: gate, layer, place and numbers, forward and backward."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn


def test_the_first_gate_and_the_place_are_named():
    x = bl.tensor([[1.0, 2.0], [3.0, 0.0]], requires_grad=True, name="x")
    place = bl.first_nonfinite(((x * 1).log() * 2).exp().sum() / 0.0)
    assert (place.gate, place.place, place.value) == ("log", (1, 1), -np.inf)
    assert "x > 0" in str(place)


def test_nothing_to_name():
    x = bl.tensor([1.0, 2.0], requires_grad=True)
    assert bl.first_nonfinite(x.log().sum()) is None
    assert bl.first_nonfinite_gradient(x.log().sum()) is None


@pytest.mark.parametrize("requires_grad", [True, False])
def test_an_input_that_is_not_finite_already(requires_grad):
    x = bl.tensor([1.0, np.nan], requires_grad=requires_grad, name="pixels")
    y = bl.tensor([1.0, 1.0], requires_grad=True)
    place = bl.first_nonfinite((x * y).sum())
    assert place.gate == "input"
    assert place.place == (1,)
    assert "pixels" in str(place)


class Logarithm(nn.Module):
    def forward(self, x):
        return x.log()


def test_the_layer_is_named_where_its_last_gate_is_to_blame():
    model = nn.Sequential(nn.ReLU(), Logarithm())
    place = bl.first_nonfinite(model(bl.tensor([[-1.0, 2.0]], requires_grad=True)).sum())
    assert (place.gate, place.place) == ("log", (0, 0))
    assert "Logarithm" in str(place)


def test_backward():
    x = bl.tensor([4.0, 0.0], requires_grad=True)
    loss = (x.sqrt() * 3).sum()
    place = bl.first_nonfinite_gradient(loss)
    assert (place.gate, place.place, place.value) == ("sqrt", (1,), np.inf)
    assert place.backward
    assert "upstream = 3.0" in str(place)
    loss.backward()  # asking has freed nothing
    assert x.grad.tolist() == [0.75, np.inf]


def test_a_sum_that_overflows_backward():
    x = bl.tensor([1e30], requires_grad=True)
    place = bl.first_nonfinite_gradient((x * x).sum(), 1e30)
    assert place.gate == "multiply"
