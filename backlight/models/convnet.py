"""A small convolutional network: [CONV–RELU–CONV–RELU–POOL] twice, then fully connected.

Source: the layer patterns of CS231n, "Convolutional networks"; 3×3 kernels with padding 1 keep the
size, 2×2 pooling halves it.
"""

from __future__ import annotations

import math

from backlight import nn
from backlight.errors import ArgumentError
from backlight.models.catalogue import Built, Plan, named
from backlight.models.mlp import head, started

DEFAULT_HIDDEN = (128,)
SMALL_IMAGE = 16
"""Images up to this size get half as many channels and one convolution before each pooling."""


@named("convnet")
def convnet(plan: Plan) -> Built:
    """Two blocks of 3×3 convolutions with 2×2 max pooling, and a fully connected head."""
    if len(plan.shape) != 3:
        raise ArgumentError(
            "model convnet",
            got=f"inputs of shape {plan.shape}",
            needs="images of shape (channels, height, width)",
            remedy="Use --model mlp for data that are not images.",
        )
    channels, height, width = plan.shape
    if min(height, width) < 4:
        raise ArgumentError(
            "model convnet",
            got=f"images of {height}×{width}",
            needs="at least 4×4: it halves the size twice",
            remedy="Use --model mlp, or larger images.",
        )
    small = max(height, width) <= SMALL_IMAGE
    layers: list[nn.Module] = []
    for filters in (16, 32) if small else (32, 64):
        for _ in range(1 if small else 2):
            layers += [convolution(channels, filters), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2, rounding="floor"))
        height, width = height // 2, width // 2
    layers.append(nn.Flatten())
    widths = plan.hidden or DEFAULT_HIDDEN
    model = head(nn.Sequential(*layers), channels * height * width, widths, plan)
    return Built(model, nn.CrossEntropyLoss(), math.log(plan.classes), probabilistic=True)


def convolution(channels: int, filters: int) -> nn.Module:
    """A 3×3 convolution that keeps the size, He-initialised."""
    layer: nn.Module = started(
        nn.Conv2d(channels, filters, 3, padding=1), math.sqrt(2 / (9 * channels))
    )
    return layer
