"""A training step of AlexNet in one column, on images of 3×227×227, batch 16.

Krizhevsky, Sutskever and Hinton 2012, without its two columns, response normalisation and dropout.
"""

from __future__ import annotations

from functools import partial

from backlight.bench.ours import both_ways
from backlight.bench.workload import Target, Workload
from backlight.bench.workloads import in_backlight, in_jax, in_torch
from backlight.bench.workloads.network import (
    Classifier,
    Convolution,
    Flatten,
    Linear,
    Pool,
    Relu,
)

ALEXNET = Classifier(
    (
        Convolution(3, 96, 11, stride=4),
        Relu(),
        Pool(3, 2),
        Convolution(96, 256, 5, padding=2),
        Relu(),
        Pool(3, 2),
        Convolution(256, 384, 3, padding=1),
        Relu(),
        Convolution(384, 384, 3, padding=1),
        Relu(),
        Convolution(384, 256, 3, padding=1),
        Relu(),
        Pool(3, 2),
        Flatten(),
        Linear(256 * 6 * 6, 4096),
        Relu(),
        Linear(4096, 4096),
        Relu(),
        Linear(4096, 1000),
    ),
    (3, 227, 227),
    batch=16,
    classes=1000,
    rate=0.001,
)

WORKLOADS = [
    Workload(
        name="alexnet",
        title="AlexNet 227×227, batch 16",
        material=ALEXNET.material,
        contenders={
            **both_ways(partial(in_backlight.step, classifier=ALEXNET)),
            **in_torch.variants(ALEXNET),
            "jax": partial(in_jax.step, classifier=ALEXNET),
        },
        targets=(Target(0.6),),
        flop=ALEXNET.flop,
        compared=2,
        tolerance=1e-3,
        slow=("torch compile",),
    )
]
