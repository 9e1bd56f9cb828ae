import numpy as np
import pytest

from backlight import nn, optim
from backlight.engine.tensor import Tensor
from backlight.train import observe
from backlight.train.step import parameter_norms


def test_gradient_norms_and_update_ratios():
    layer = nn.Linear(3, 2)
    layer(Tensor.share(np.ones((1, 3), np.float32))).sum().backward()
    norms = {name: norm.item() for name, norm in parameter_norms(layer).items()}
    assert norms == pytest.approx({"weight": 6**0.5, "bias": 2**0.5})
    before = np.linalg.norm(layer.weight.detach().numpy())
    watched = observe.Updates(layer)
    optim.GradientDescent(layer.named_parameters(), lr=0.1).step()
    assert watched.ratios(layer)["weight"] == pytest.approx(0.1 * 6**0.5 / before, rel=1e-4)


def test_parameters_that_were_zero_have_no_ratio():
    layer = nn.Linear(3, 2)
    nn.init.zeros_(layer.bias)
    assert "bias" not in observe.Updates(layer).ratios(layer)


def test_dead_units_are_counted():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
    nn.init.zeros_(model[0].weight)
    model[0].bias._value = np.array([-1, 1, -1, 1], np.float32)
    found = observe.activations(model, np.ones((5, 2), np.float32))["1"]
    assert found["dead"] == 0.5
    assert found["zero"] == 0.5
    assert found["units"] == 4
    assert sum(found["counts"]) == 20
    assert found["saturated"] is None


@pytest.mark.parametrize("layer", [nn.Sigmoid, nn.Tanh])
def test_saturated_units_are_counted(layer):
    model = nn.Sequential(nn.Linear(1, 4), layer())
    nn.init.zeros_(model[0].weight)
    model[0].bias._value = np.array([-20, 20, 0, 0.5], np.float32)
    found = observe.activations(model, np.ones((5, 1), np.float32))["1"]
    assert found["saturated"] == 0.5
    assert found["dead"] is None


def test_channels_of_images_are_units():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    nn.init.zeros_(model[0].weight)
    model[0].bias._value = np.array([-1, 1, 1], np.float32)
    found = observe.activations(model, np.ones((2, 1, 5, 5), np.float32))["1"]
    assert found["units"] == 3
    assert found["dead"] == pytest.approx(1 / 3)
