"""3×3 convolutions, padding 1, in three geometries: forward, by the data, by the weights.

Backlight and PyTorch keep images as N, C, H, W or channels-last; JAX is given N, H, W, C, which
XLA likes best.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways, compiled
from backlight.bench.peer import COMPILED
from backlight.bench.workload import Material, Ready, Target, Workload

BATCH = 64
GEOMETRIES = {"conv32": (32, 32, 32), "conv64": (16, 64, 64), "conv3": (32, 3, 32)}
"""Height and width, channels in, channels out."""
PASSES = {"forward": "forward", "data": "by data", "weights": "by weights"}


def material(geometry: str) -> Material:
    """Images, filters, and the gradient that arrives from above."""
    size, inputs, outputs = GEOMETRIES[geometry]
    random = np.random.default_rng(0)
    return {
        "x": random.standard_normal((BATCH, inputs, size, size), np.float32),
        "w": random.standard_normal((outputs, inputs, 3, 3), np.float32) / np.float32(9 * inputs),
        "upstream": random.standard_normal((BATCH, outputs, size, size), np.float32),
    }


def ours(
    given: Material, run: Callable[..., Any], which: str, channels_last: bool = False
) -> Ready:
    """Backlight's three gates."""
    x, w, upstream = (backlight.tensor(given[name]) for name in ("x", "w", "upstream"))
    if channels_last:
        x, w, upstream = (one.contiguous(memory_format="channels_last") for one in (x, w, upstream))
    arguments: tuple[Any, ...]
    if which == "forward":
        arguments = (x, w)
        program = run(lambda x, w: backlight.conv2d(x, w, padding=1))
    elif which == "data":
        arguments = (upstream, w)
        size = tuple(x.shape[2:])
        program = run(lambda y, w: backlight.conv2d_by_data(y, w, size=size, padding=1))
    else:
        arguments = (upstream, x)
        program = run(lambda y, x: backlight.conv2d_by_weight(y, x, kernel_size=3, padding=1))
    return Ready(lambda: program(*arguments), lambda y: [y.numpy()])


def torch(given: Material, which: str, channels_last: bool) -> Ready:
    """PyTorch's own functions for the three passes."""
    import torch

    x, w, upstream = (torch.from_numpy(given[name]) for name in ("x", "w", "upstream"))
    if channels_last:
        x, w, upstream = (
            one.contiguous(memory_format=torch.channels_last) for one in (x, w, upstream)
        )
    backward = torch.ops.aten.convolution_backward
    common: tuple[Any, ...] = (None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    if which == "forward":
        return Ready(lambda: torch.conv2d(x, w, padding=1), lambda y: [y.numpy()])
    asked = [which == "data", which == "weights", False]
    place = 0 if which == "data" else 1
    return Ready(
        lambda: backward(upstream, x, w, *common, asked)[place], lambda gradient: [gradient.numpy()]
    )


def jax(given: Material, which: str) -> Ready:
    """JAX, channels last, compiled; the gradients by its own rules."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    x, upstream = (jnp.asarray(given[n].transpose(0, 2, 3, 1)) for n in ("x", "upstream"))
    w = jnp.asarray(given["w"].transpose(2, 3, 1, 0))

    def convolve(x: Any, w: Any) -> Any:
        names = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=names)

    if which == "forward":
        forward = jax.jit(convolve)
        return Ready(lambda: forward(x, w).block_until_ready(), _channels_first)
    if which == "data":
        by_data = jax.jit(lambda x, w, y: jax.vjp(lambda x: convolve(x, w), x)[1](y)[0])
        return Ready(lambda: by_data(x, w, upstream).block_until_ready(), _channels_first)
    by_weights = jax.jit(lambda x, w, y: jax.vjp(lambda w: convolve(x, w), w)[1](y)[0])
    return Ready(
        lambda: by_weights(x, w, upstream).block_until_ready(),
        lambda w: [np.asarray(w).transpose(3, 2, 0, 1)],
    )


def _channels_first(y: Any) -> list[Any]:
    return [np.asarray(y).transpose(0, 3, 1, 2)]


def _workload(geometry: str, which: str) -> Workload:
    size, inputs, outputs = GEOMETRIES[geometry]
    return Workload(
        name=f"{geometry}-{which}",
        title=f"conv 3×3 {size}×{size}, {inputs}→{outputs}, {PASSES[which]}",
        material=partial(material, geometry),
        contenders={
            **both_ways(partial(ours, which=which)),
            f"{COMPILED} channels-last": partial(
                ours, run=compiled, which=which, channels_last=True
            ),
            "torch": partial(torch, which=which, channels_last=False),
            "torch channels-last": partial(torch, which=which, channels_last=True),
            "jax": partial(jax, which=which),
        },
        targets=(Target(1.0),),
        flop=2.0 * BATCH * size * size * 9 * inputs * outputs,
        quick=(geometry, which) == ("conv32", "forward"),
    )


WORKLOADS = [_workload(geometry, which) for geometry in GEOMETRIES for which in PASSES]
