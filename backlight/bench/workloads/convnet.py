"""A training step of a small convolutional network: its time, compile time and memory.

conv 32 – conv 32 – pool – conv 64 – conv 64 – pool – 512 – 10, all convolutions 3×3 with padding 1,
on images of 3×32×32; in float32, and with products of bfloat16.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from backlight.bench.ours import both_ways
from backlight.bench.workload import Kind, Target, Workload
from backlight.bench.workloads import in_backlight, in_jax, in_tinygrad, in_torch
from backlight.bench.workloads.network import (
    Classifier,
    Convolution,
    Flatten,
    Linear,
    Pool,
    Relu,
)

CONVNET = Classifier(
    (
        Convolution(3, 32, 3, padding=1),
        Relu(),
        Convolution(32, 32, 3, padding=1),
        Relu(),
        Pool(2, 2),
        Convolution(32, 64, 3, padding=1),
        Relu(),
        Convolution(64, 64, 3, padding=1),
        Relu(),
        Pool(2, 2),
        Flatten(),
        Linear(64 * 8 * 8, 512),
        Relu(),
        Linear(512, 10),
    ),
    (3, 32, 32),
    batch=64,
    classes=10,
    rate=0.001,
)

STEP = Workload(
    name="convnet",
    title="convnet, batch 64",
    material=CONVNET.material,
    contenders={
        **both_ways(partial(in_backlight.step, classifier=CONVNET)),
        **in_torch.variants(CONVNET),
        "jax": partial(in_jax.step, classifier=CONVNET),
        "tinygrad": partial(in_tinygrad.step, classifier=CONVNET),
    },
    targets=(Target(0.65),),
    flop=CONVNET.flop,
    compared=5,
    tolerance=1e-3,
    quick=True,
    slow=("torch compile", "tinygrad"),
)

BFLOAT16 = Workload(
    name="convnet-bfloat16",
    title="convnet, batch 64, bfloat16",
    material=CONVNET.material,
    contenders={
        **both_ways(partial(in_backlight.step, classifier=CONVNET, precision="bfloat16")),
        "torch autocast": partial(in_torch.step, classifier=CONVNET, bfloat16=True),
        "torch autocast channels-last": partial(
            in_torch.step, classifier=CONVNET, bfloat16=True, channels_last=True
        ),
        "torch autocast compile": partial(
            in_torch.step, classifier=CONVNET, bfloat16=True, channels_last=True, compiled=True
        ),
    },
    targets=(Target(0.7),),
    flop=CONVNET.flop,
    bfloat16=True,
    compared=5,
    tolerance=0.05,
    slow=("torch autocast compile",),
)

COMPILE = replace(
    STEP,
    name="compile",
    title="convnet, first step, cold",
    targets=(Target(limit=2.0),),
    kind=Kind.FIRST_CALL,
    quick=False,
)
CACHED = replace(
    COMPILE,
    name="compile-cached",
    title="convnet, first step, cached",
    targets=(Target(limit=0.2),),
    kind=Kind.CACHED_CALL,
)
MEMORY = replace(
    STEP,
    name="memory",
    title="convnet training, peak memory",
    targets=(Target(0.5, ("torch",)),),
    kind=Kind.MEMORY,
    quick=False,
)

WORKLOADS = [STEP, BFLOAT16, COMPILE, CACHED, MEMORY]
