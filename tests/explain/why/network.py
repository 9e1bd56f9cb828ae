"""Small networks with their loss, and one of their tensors turned into a region."""

from __future__ import annotations

import numpy as np

import backlight as bl
from backlight import nn
from backlight.explain import circuit
from backlight.explain.why.region import Region

RNG = np.random.default_rng(11)
LABELS = np.arange(8) % 3


def rows(*shape, dtype=np.float64):
    return bl.tensor(RNG.normal(size=shape).astype(dtype))


def perceptron(*middle, dtype="double"):
    """A network of two linear layers with these layers between, in float64."""
    bl.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 6), *middle, nn.Linear(6, 3))
    return model.double() if dtype == "double" else model


def convnet():
    bl.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).double()


def loss_of(model, inputs):
    return nn.CrossEntropyLoss()(model(inputs), bl.tensor(LABELS[: len(inputs)]))


def region(loss, parameter):
    drawn = circuit(loss, names={"asked": parameter})
    return Region(drawn, drawn.find("asked").index)
