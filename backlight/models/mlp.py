"""The multi-layer perceptron: s = W₂·max(0, W₁·x), and deeper.

Source: CS231n, "Neural networks". He initialisation keeps the variance through ReLU layers; the
last layer is drawn ten times smaller, so that all classes start out alike.
"""

from __future__ import annotations

import math
from typing import Any

from backlight import nn
from backlight.models.catalogue import Built, Plan, named

DEFAULT_HIDDEN = (128,)


def head(model: nn.Sequential, inputs: int, widths: tuple[int, ...], plan: Plan) -> nn.Sequential:
    """Append fully connected layers of these widths, then one score a class, to `model`."""
    layers = list(model)
    for width in widths:
        layer = started(nn.Linear(inputs, width), math.sqrt(2 / inputs))
        layers += [layer, nn.ReLU()]
        if plan.dropout:
            layers.append(nn.Dropout(plan.dropout))
        inputs = width
    return nn.Sequential(*layers, started(nn.Linear(inputs, plan.classes), 0.1 / math.sqrt(inputs)))


def started(layer: Any, deviation: float) -> Any:
    """The layer with normal weights of this standard deviation and biases of 0."""
    nn.init.normal_(layer.weight, std=deviation)
    nn.init.zeros_(layer.bias)
    return layer


@named("mlp")
def mlp(plan: Plan) -> Built:
    """Flatten, then fully connected ReLU layers: 128 units unless told otherwise."""
    widths = plan.hidden or DEFAULT_HIDDEN
    model = head(nn.Sequential(nn.Flatten()), math.prod(plan.shape), widths, plan)
    return Built(model, nn.CrossEntropyLoss(), math.log(plan.classes), probabilistic=True)
