"""What a gate costs besides its arithmetic, eager: a chain of 1,000 products of single numbers.

Forward and backward; times are told for one gate.
"""

from __future__ import annotations

from typing import Any

import backlight
from backlight.bench.peer import EAGER
from backlight.bench.workload import Material, Ready, Workload

GATES = 1000


def material() -> Material:
    """The factor of every product."""
    return {"factor": 1.001}


def chain(x: Any, factor: Any) -> Any:
    """The product of x and the factor, the factor, the factor, …"""
    for _ in range(GATES):
        x = x * factor
    return x


def ours(given: Material) -> Ready:
    """Backlight."""
    x = backlight.tensor(1.0, requires_grad=True)
    factor = backlight.tensor(given["factor"], requires_grad=True)

    def step() -> Any:
        x.grad = factor.grad = None
        chain(x, factor).backward()
        return x.grad

    return Ready(step, lambda gradient: [gradient.numpy()], GATES)


def torch(given: Material) -> Ready:
    """PyTorch."""
    import torch

    x = torch.tensor(1.0, requires_grad=True)
    factor = torch.tensor(given["factor"], requires_grad=True)

    def step() -> Any:
        x.grad = factor.grad = None
        chain(x, factor).backward()
        return x.grad

    return Ready(step, lambda gradient: [gradient.numpy()], GATES)


WORKLOADS = [
    Workload(
        name="gate",
        title="a gate on single numbers, eager",
        material=material,
        contenders={EAGER: ours, "torch": torch},
    )
]
