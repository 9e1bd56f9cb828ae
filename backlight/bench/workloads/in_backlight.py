"""A classifier's training step in Backlight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import backlight
from backlight.bench.workload import Material, Ready
from backlight.bench.workloads.network import Classifier, Convolution, Flatten, Linear, Pool


def step(given: Material, run: Callable[..., Any], classifier: Classifier, **options: Any) -> Ready:
    """Forward, loss, backward and update as one function, which `run` compiles or leaves."""
    nn = backlight.nn
    model = network(classifier)
    names = [name for name, _ in model.named_parameters()]
    model.load_state_dict(dict(zip(names, given["weights"], strict=True)))
    descent = backlight.optim.SGD(
        model.parameters(), lr=classifier.rate, momentum=classifier.momentum
    )
    loss_function = nn.CrossEntropyLoss() if classifier.classes > 1 else nn.BCEWithLogitsLoss()
    x, y = backlight.tensor(given["x"]), backlight.tensor(given["y"])

    def train(x: Any, y: Any) -> Any:
        descent.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        descent.step()
        return loss

    program = run(train, **options)
    return Ready(lambda: program(x, y), lambda loss: [loss.item()])


def network(classifier: Classifier) -> Any:
    """The layers as modules."""
    nn = backlight.nn
    layers: list[Any] = []
    for layer in classifier.layers:
        if isinstance(layer, Convolution):
            layers.append(
                nn.Conv2d(
                    layer.inputs,
                    layer.outputs,
                    layer.size,
                    stride=layer.stride,
                    padding=layer.padding,
                )
            )
        elif isinstance(layer, Linear):
            layers.append(nn.Linear(layer.inputs, layer.outputs))
        elif isinstance(layer, Pool):
            layers.append(nn.MaxPool2d(layer.size, layer.stride))
        else:
            layers.append(nn.Flatten() if isinstance(layer, Flatten) else nn.ReLU())
    return nn.Sequential(*layers)
