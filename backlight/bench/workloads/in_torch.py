"""A classifier's training step in PyTorch: eager or compiled, either layout, autocast.

The update is PyTorch's fused one, which is its fastest here.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from backlight.bench.workload import Material, Prepare, Ready
from backlight.bench.workloads.network import Classifier, Convolution, Flatten, Linear, Pool


def step(
    given: Material,
    classifier: Classifier,
    channels_last: bool = False,
    compiled: bool = False,
    bfloat16: bool = False,
) -> Ready:
    """Forward, loss, backward, update."""
    import torch
    from torch.nn import functional

    model = network(classifier)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), given["weights"], strict=True):
            parameter.copy_(torch.from_numpy(weight))
    x, y = torch.from_numpy(given["x"]), torch.from_numpy(given["y"])
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    descent = torch.optim.SGD(
        model.parameters(), lr=classifier.rate, momentum=classifier.momentum, fused=True
    )
    forward = torch.compile(model) if compiled else model
    loss_function = (
        functional.cross_entropy
        if classifier.classes > 1
        else functional.binary_cross_entropy_with_logits
    )
    mixed = partial(torch.autocast, "cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext

    def train() -> Any:
        descent.zero_grad()
        with mixed():
            loss = loss_function(forward(x), y)
        loss.backward()
        descent.step()
        return loss.item()

    return Ready(train)


def network(classifier: Classifier) -> Any:
    """The layers as modules."""
    from torch import nn

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


def variants(classifier: Classifier) -> dict[str, Prepare]:
    """Every way a user of PyTorch would try; layouts only where there are images."""
    found: dict[str, Prepare] = {"torch": partial(step, classifier=classifier)}
    images = len(classifier.shape) == 3
    if images:
        found["torch channels-last"] = partial(step, classifier=classifier, channels_last=True)
    found["torch compile"] = partial(
        step, classifier=classifier, compiled=True, channels_last=images
    )
    return found
