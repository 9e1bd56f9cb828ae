"""From a new process to a first array: importing the framework, and making a tensor of it."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any

from backlight.bench.peer import EAGER
from backlight.bench.workload import Kind, Material, Ready, Workload


def first_array(given: Material, module: str, maker: str) -> Ready:  # noqa: ARG001
    """Import, and make an array of ten ones."""
    make: Any = getattr(importlib.import_module(module), maker)
    array = make(10)
    return Ready(lambda: array, lambda made: [made.numpy() if hasattr(made, "numpy") else made])


def tinygrad(given: Material) -> Ready:  # noqa: ARG001
    """Import tinygrad, and compute an array of ten ones."""
    from tinygrad import Tensor

    array = Tensor.ones(10).contiguous().realize()
    return Ready(lambda: array, lambda made: [made.numpy()])


WORKLOADS = [
    Workload(
        name="start",
        title="start-up: import, first array",
        material=dict,
        contenders={
            EAGER: partial(first_array, module="backlight", maker="ones"),
            "torch": partial(first_array, module="torch", maker="ones"),
            "jax": partial(first_array, module="jax.numpy", maker="ones"),
            "tinygrad": tinygrad,
        },
        kind=Kind.START,
    )
]
