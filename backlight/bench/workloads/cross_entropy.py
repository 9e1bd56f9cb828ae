"""Softmax with cross-entropy of 4096×1000 scores, and its gradient by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload

ROWS, CLASSES = 4096, 1000


def material() -> Material:
    """Normal scores and labels."""
    random = np.random.default_rng(0)
    scores = random.standard_normal((ROWS, CLASSES), np.float32)
    return {"scores": scores, "labels": random.integers(0, CLASSES, ROWS)}


def ours(given: Material, run: Callable[..., Any]) -> Ready:
    """Backlight: value and gradient of the loss."""
    scores, labels = backlight.tensor(given["scores"]), backlight.tensor(given["labels"])
    program = run(backlight.value_and_grad(backlight.cross_entropy))
    return Ready(lambda: program(scores, labels), _both)


def torch(given: Material, compiled: bool = False) -> Ready:
    """PyTorch: the functional loss, backward."""
    import torch
    from torch.nn import functional

    scores = torch.from_numpy(given["scores"]).requires_grad_()
    labels = torch.from_numpy(given["labels"])
    loss_function = (
        torch.compile(functional.cross_entropy) if compiled else functional.cross_entropy
    )

    def step() -> Any:
        loss = loss_function(scores, labels)
        return loss.detach(), torch.autograd.grad(loss, scores)[0]

    return Ready(step, _both)


def torch_compile(given: Material) -> Ready:
    """PyTorch's compiler over the same."""
    return torch(given, compiled=True)


def jax(given: Material) -> Ready:
    """JAX: value and gradient, compiled."""
    import jax
    import jax.numpy as jnp

    scores, labels = jnp.asarray(given["scores"]), jnp.asarray(given["labels"])

    def loss_of(scores: Any, labels: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1).mean()

    program = jax.jit(jax.value_and_grad(loss_of))
    return Ready(lambda: jax.block_until_ready(program(scores, labels)), _both)


def _both(answer: Any) -> list[Any]:
    return [np.asarray(one) for one in answer]


WORKLOADS = [
    Workload(
        name="cross-entropy",
        title="softmax + cross-entropy 4096×1000",
        material=material,
        contenders={
            **both_ways(ours),
            "torch": torch,
            "torch compile": torch_compile,
            "jax": jax,
        },
        targets=(Target(0.4),),
        quick=True,
        slow=("torch compile",),
    )
]
