"""Layer normalisation of 4096×512 with weight and bias, and its three gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload

ROWS, WIDTH, EPSILON = 4096, 512, 1e-5


def material() -> Material:
    """Normal inputs, weight, bias and upstream gradient."""
    random = np.random.default_rng(0)
    shapes = {"x": (ROWS, WIDTH), "w": (WIDTH,), "b": (WIDTH,), "upstream": (ROWS, WIDTH)}
    return {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def ours(given: Material, run: Callable[..., Any]) -> Ready:
    """Backlight: the output, and the product of the upstream gradient with the Jacobian."""
    arguments = [backlight.tensor(given[name]) for name in ("x", "w", "b", "upstream")]
    layer_norm = backlight.nn.functional.layer_norm

    def both(x: Any, w: Any, b: Any, upstream: Any) -> Any:
        y, pull = backlight.vjp(lambda x, w, b: layer_norm(x, (WIDTH,), w, b, EPSILON), x, w, b)
        return (y, *pull(upstream))

    program = run(both)
    return Ready(lambda: program(*arguments), _all)


def torch(given: Material, compiled: bool = False) -> Ready:
    """PyTorch: the functional layer, backward."""
    import torch
    from torch.nn import functional

    x, w, b = (torch.from_numpy(given[name]).requires_grad_() for name in ("x", "w", "b"))
    upstream = torch.from_numpy(given["upstream"])
    layer = torch.compile(functional.layer_norm) if compiled else functional.layer_norm

    def step() -> Any:
        y = layer(x, (WIDTH,), w, b, EPSILON)
        return (y.detach(), *torch.autograd.grad(y, (x, w, b), upstream))

    return Ready(step, _all)


def torch_compile(given: Material) -> Ready:
    """PyTorch's compiler over the same."""
    return torch(given, compiled=True)


def jax(given: Material) -> Ready:
    """JAX: output and gradients, compiled."""
    import jax
    import jax.numpy as jnp

    x, w, b, upstream = (jnp.asarray(given[name]) for name in ("x", "w", "b", "upstream"))

    def normalise(x: Any, w: Any, b: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred * centred).mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + EPSILON) * w + b

    def both(x: Any, w: Any, b: Any, upstream: Any) -> Any:
        y, pull = jax.vjp(normalise, x, w, b)
        return (y, *pull(upstream))

    program = jax.jit(both)
    return Ready(lambda: jax.block_until_ready(program(x, w, b, upstream)), _all)


def _all(answer: Any) -> list[Any]:
    return [np.asarray(one) for one in answer]


WORKLOADS = [
    Workload(
        name="layer-norm",
        title="layer norm 4096×512",
        material=material,
        contenders={
            **both_ways(ours),
            "torch": torch,
            "torch compile": torch_compile,
            "jax": jax,
        },
        targets=(Target(0.8),),
        slow=("torch compile",),
    )
]
