"""Fully connected networks: the two moons, and two sizes on images of 32×32×3."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Prepare, Ready, Target, Workload
from backlight.bench.workloads import in_backlight, in_jax, in_tinygrad, in_torch
from backlight.bench.workloads.network import Classifier, Layers, Linear, Relu


def layers(*widths: int) -> Layers:
    """Linear layers with ReLU between them."""
    found: list[Linear | Relu] = []
    for inputs, outputs in pairwise(widths):
        found += [Linear(inputs, outputs), Relu()]
    return found[:-1]


MOONS = Classifier(layers(2, 16, 16, 1), (2,), batch=100, classes=1, rate=0.1, momentum=0.0)
TWO_LAYERS = Classifier(layers(3072, 100, 10), (3072,), batch=256, classes=10)
THREE_LAYERS = Classifier(layers(3072, 512, 512, 10), (3072,), batch=256, classes=10)


def by_hand(given: Material, classifier: Classifier) -> Ready:
    """The step of a net of two layers written out in NumPy, as the course's assignments have it."""
    x, y = given["x"], given["y"]
    weights = [one.copy() for one in given["weights"]]
    speeds = [np.zeros_like(one) for one in weights]
    rows = np.arange(len(y))

    def step() -> float:
        w1, b1, w2, b2 = weights
        hidden = np.maximum(x @ w1.T + b1, 0)
        scores = hidden @ w2.T + b2
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        loss = -np.log(probabilities[rows, y]).mean()
        probabilities[rows, y] -= 1
        probabilities /= len(y)
        by_hidden = probabilities @ w2
        by_hidden[hidden <= 0] = 0
        gradients = (
            by_hidden.T @ x,
            by_hidden.sum(axis=0),
            probabilities.T @ hidden,
            probabilities.sum(axis=0),
        )
        for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
            speed *= classifier.momentum
            speed += gradient
            weight -= classifier.rate * speed
        return float(loss)

    return Ready(step)


def _workload(name: str, title: str, classifier: Classifier, ratio: float) -> Workload:
    peers: dict[str, Prepare] = {
        **in_torch.variants(classifier),
        "jax": partial(in_jax.step, classifier=classifier),
    }
    if len(classifier.layers) == 3:
        peers["numpy"] = partial(by_hand, classifier=classifier)
    if classifier.classes > 1:
        peers["tinygrad"] = partial(in_tinygrad.step, classifier=classifier)
    return Workload(
        name=name,
        title=title,
        material=classifier.material,
        contenders={**both_ways(partial(in_backlight.step, classifier=classifier)), **peers},
        targets=(Target(ratio),),
        flop=classifier.flop,
        compared=5,
        tolerance=1e-3,
        quick=True,
        slow=tuple(name for name in ("torch compile", "tinygrad") if name in peers),
    )


WORKLOADS = [
    _workload("moons", "moons MLP 2-16-16-1, 100 points", MOONS, 0.1),
    _workload("net2", "net 3072-100-10, batch 256", TWO_LAYERS, 0.5),
    _workload("net3", "net 3072-512-512-10, batch 256", THREE_LAYERS, 0.7),
]
