"""Adam's update of 10 million parameters, ten arrays of a million, with gradients given.

Parameters and both moments are read and written, gradients read: 28 bytes a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload

ARRAYS, SIDE = 10, 1000
RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8


def material() -> Material:
    """Normal parameters and gradients."""
    random = np.random.default_rng(0)
    shape = (ARRAYS, SIDE, SIDE)
    return {
        "w": random.standard_normal(shape, np.float32),
        "g": random.standard_normal(shape, np.float32),
    }


def ours(given: Material, run: Callable[..., Any]) -> Ready:
    """Backlight's Adam."""
    parameters = [backlight.nn.Parameter(one) for one in given["w"]]
    gradients = [backlight.tensor(one) for one in given["g"]]
    adam = backlight.optim.Adam(parameters, lr=RATE, betas=BETAS, eps=EPSILON)

    def update(*gradients: Any) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        adam.step()
        adam.zero_grad()

    program = run(update)
    return Ready(
        lambda: program(*gradients), lambda _: [np.array(p.detach().numpy()) for p in parameters]
    )


def torch(given: Material, **way: bool) -> Ready:
    """PyTorch's Adam, fused or by lists."""
    import torch

    parameters = [torch.from_numpy(one.copy()).requires_grad_() for one in given["w"]]
    for parameter, gradient in zip(parameters, given["g"], strict=True):
        parameter.grad = torch.from_numpy(gradient)
    adam = torch.optim.Adam(parameters, RATE, BETAS, EPSILON, **way)
    return Ready(adam.step, lambda _: [p.detach().numpy() for p in parameters])


def jax(given: Material) -> Ready:
    """JAX: the formula over all arrays, compiled, in the memory of the old ones."""
    import jax
    import jax.numpy as jnp

    gradients = [jnp.array(one) for one in given["g"]]

    def update(w: Any, m: Any, v: Any, turn: Any, g: Any) -> Any:
        one, two = BETAS
        m = jax.tree.map(lambda m, g: one * m + (1 - one) * g, m, g)
        v = jax.tree.map(lambda v, g: two * v + (1 - two) * g * g, v, g)
        rate, widen = RATE / (1 - one**turn), 1 / jnp.sqrt(1 - two**turn)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (widen * jnp.sqrt(v) + EPSILON), w, m, v)
        return w, m, v, turn + 1

    program = jax.jit(update, donate_argnums=(0, 1, 2, 3))
    held = [
        [jnp.array(one) for one in given["w"]],
        [jnp.zeros_like(one) for one in gradients],
        [jnp.zeros_like(one) for one in gradients],
        jnp.float32(1),
    ]

    def step() -> Any:
        held[:] = jax.block_until_ready(program(*held, gradients))
        return held[0]

    return Ready(step, lambda w: w)


WORKLOADS = [
    Workload(
        name="adam",
        title="Adam, 10M parameters",
        material=material,
        contenders={
            **both_ways(ours),
            "torch fused": partial(torch, fused=True),
            "torch foreach": partial(torch, foreach=True),
            "jax": jax,
        },
        targets=(Target(1.0, ("torch",)),),
        traffic=28.0 * ARRAYS * SIDE * SIDE,
        compared=2,
        quick=True,
    )
]
