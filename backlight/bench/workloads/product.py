"""Matrix products of three shapes: square, wide sum, and tall."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload


def material(rows: int, inner: int, columns: int) -> Material:
    """Two matrices of normal numbers."""
    random = np.random.default_rng(0)
    a = random.standard_normal((rows, inner), np.float32)
    return {"a": a, "b": random.standard_normal((inner, columns), np.float32)}


def ours(given: Material, run: Callable[..., Any]) -> Ready:
    """`a @ b` of Backlight."""
    a, b = backlight.tensor(given["a"]), backlight.tensor(given["b"])
    product = run(lambda x, y: x @ y)
    return Ready(lambda: product(a, b), lambda c: [c.numpy()])


def numpy(given: Material) -> Ready:
    """NumPy, into an array that is there already."""
    a, b = given["a"], given["b"]
    out = np.empty((a.shape[0], b.shape[1]), np.float32)
    return Ready(lambda: np.matmul(a, b, out=out))


def torch(given: Material) -> Ready:
    """PyTorch, into a tensor that is there already."""
    import torch

    a, b = torch.from_numpy(given["a"]), torch.from_numpy(given["b"])
    out = torch.empty(a.shape[0], b.shape[1])
    return Ready(lambda: torch.mm(a, b, out=out), lambda c: [c.numpy()])


def jax(given: Material) -> Ready:
    """JAX, compiled."""
    import jax
    import jax.numpy as jnp

    a, b = jnp.asarray(given["a"]), jnp.asarray(given["b"])
    product = jax.jit(jnp.matmul)
    return Ready(lambda: product(a, b).block_until_ready())


def tinygrad(given: Material) -> Ready:
    """Tinygrad, compiled and captured."""
    from tinygrad import Device, Tensor, TinyJit

    a, b = Tensor(given["a"]).realize(), Tensor(given["b"]).realize()

    product = TinyJit(lambda x, y: (x @ y).realize())

    def step() -> Any:
        c = product(a, b)
        Device[Device.DEFAULT].synchronize()
        return c

    return Ready(step, lambda c: [c.numpy()])


def _workload(rows: int, inner: int, columns: int) -> Workload:
    shape = f"{rows}×{inner}×{columns}"
    same = rows == inner == columns
    return Workload(
        name=f"product-{rows}" if same else f"product-{rows}x{inner}x{columns}",
        title=f"matrix product {rows}³" if same else f"matrix product {shape}",
        material=partial(material, rows, inner, columns),
        contenders={
            **both_ways(ours),
            "numpy": numpy,
            "torch": torch,
            "jax": jax,
            "tinygrad": tinygrad,
        },
        targets=(Target(0.6, ("numpy", "torch")),),
        flop=2.0 * rows * inner * columns,
        quick=same,
        slow=("tinygrad",),
    )


WORKLOADS = [_workload(1024, 1024, 1024), _workload(256, 3072, 512), _workload(4096, 256, 64)]
