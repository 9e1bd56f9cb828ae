"""A feed-forward network as data: the layers that every framework builds in its own words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.bench.workload import Material


@dataclass(frozen=True)
class Convolution:
    """Square filters over images."""

    inputs: int
    outputs: int
    size: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True)
class Linear:
    """A fully connected layer."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Pool:
    """The largest of each window."""

    size: int
    stride: int


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Flatten:
    """All axes but the first become one, in the order channels, height, width."""


Layers = Sequence[Convolution | Linear | Pool | Relu | Flatten]


@dataclass(frozen=True)
class Classifier:
    """A network, what it learns from, and how.

    Attributes
    ----------
    layers : sequence
    shape : tuple of int
        One example's.
    batch, classes : int
        With one class the labels are 0 and 1, and the loss is the logistic one.
    rate, momentum : float
        Of gradient descent: v ← momentum·v + gradient, w ← w − rate·v.
    """

    layers: Layers
    shape: tuple[int, ...]
    batch: int
    classes: int
    rate: float = 0.01
    momentum: float = 0.9

    def material(self) -> Material:
        """Inputs, labels and He-initialised weights, each array as PyTorch lays it out."""
        random = np.random.default_rng(0)
        x = random.standard_normal((self.batch, *self.shape), np.float32)
        labels = random.integers(0, max(self.classes, 2), self.batch)
        weights: list[Any] = []
        for layer in self.layers:
            if isinstance(layer, (Convolution, Linear)):
                shape = _weight_shape(layer)
                scale = np.float32(math.sqrt(2 / math.prod(shape[1:])))
                weights += [
                    scale * random.standard_normal(shape, np.float32),
                    np.zeros(layer.outputs, np.float32),
                ]
        targets = labels if self.classes > 1 else labels[:, None].astype(np.float32)
        return {"x": x, "y": targets, "weights": weights}

    @property
    def flop(self) -> float:
        """Operations of a training step's products: forward, and twice as much backward.

        The first layer's gradient by its input is not needed, and not counted.
        """
        total, first = 0.0, True
        shape = self.shape
        for layer in self.layers:
            products = 0
            if isinstance(layer, Convolution):
                height, width = (
                    _windows(side + 2 * layer.padding, layer.size, layer.stride)
                    for side in shape[1:]
                )
                products = math.prod(_weight_shape(layer)) * height * width
                shape = (layer.outputs, height, width)
            elif isinstance(layer, Pool):
                sides = (_windows(side, layer.size, layer.stride) for side in shape[1:])
                shape = (shape[0], *sides)
            elif isinstance(layer, Flatten):
                shape = (math.prod(shape),)
            elif isinstance(layer, Linear):
                products = layer.inputs * layer.outputs
                shape = (layer.outputs,)
            if products:
                total += 2.0 * self.batch * products * (2 if first else 3)
                first = False
        return total


def _weight_shape(layer: Convolution | Linear) -> tuple[int, ...]:
    if isinstance(layer, Linear):
        return layer.outputs, layer.inputs
    return layer.outputs, layer.inputs, layer.size, layer.size


def _windows(side: int, size: int, stride: int) -> int:
    return (side - size) // stride + 1
