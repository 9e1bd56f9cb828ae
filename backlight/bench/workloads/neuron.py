"""One σ neuron learns one example: forward, backward and a step, in a call or 1,000 in a call.

f = σ(w₀x₀ + w₁x₁ + w₂), loss (f − 1)², w ← w − η·∂loss/∂w; the example of CS231n's lecture on
backpropagation. Micrograd and PyTorch have no way to put steps into one call, and loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways, repeated
from backlight.bench.workload import Material, Ready, Target, Workload

RATE = 0.01
MANY = 1000


def material() -> Material:
    """The lecture's weights (2, −3, −3) and inputs (−1, −2), with a 1 for the last weight."""
    return {
        "w": np.array([2, -3, -3], np.float32),
        "x": np.array([-1, -2, 1], np.float32),
    }


def ours(given: Material, run: Callable[..., Any], steps: int) -> Ready:
    """Backlight: a parameter, the loss, an optimiser."""
    w = backlight.nn.Parameter(backlight.tensor(given["w"]))
    x = backlight.tensor(given["x"])
    descent = backlight.optim.SGD([w], lr=RATE)

    def step(x: Any) -> Any:
        descent.zero_grad()
        loss = (backlight.sigmoid((w * x).sum()) - 1) ** 2
        loss.backward()
        descent.step()
        return loss

    program = run(step)
    if steps > 1:
        program = repeated(program, steps)
    return Ready(lambda: program(x), lambda loss: [loss.item()], steps)


def micrograd(given: Material, steps: int) -> Ready:
    """Micrograd, with the exponential that its author adds in his lecture."""
    from micrograd.engine import Value

    def exp(x: Any) -> Any:
        out = Value(math.exp(x.data), (x,), "exp")

        def backward() -> None:
            x.grad += out.data * out.grad

        out._backward = backward
        return out

    w0, w1, w2 = weights = [Value(float(one)) for one in given["w"]]
    x0, x1, _ = (float(one) for one in given["x"])

    def step() -> float:
        loss = ((1 + exp(-(w0 * x0 + w1 * x1 + w2))) ** -1 - 1) ** 2
        for one in weights:
            one.grad = 0
        loss.backward()
        for one in weights:
            one.data -= RATE * one.grad
        return float(loss.data)

    return Ready(_loop(step, steps), steps=steps)


def torch(given: Material, steps: int) -> Ready:
    """PyTorch, eager."""
    import torch

    w = torch.from_numpy(given["w"].copy()).requires_grad_()
    x = torch.from_numpy(given["x"])

    def step() -> Any:
        loss = (torch.sigmoid(torch.dot(w, x)) - 1) ** 2
        (gradient,) = torch.autograd.grad(loss, w)
        with torch.no_grad():
            w.sub_(gradient, alpha=RATE)
        return loss

    return Ready(_loop(step, steps), lambda loss: [loss.item()], steps)


def jax(given: Material, steps: int) -> Ready:
    """JAX, compiled; many steps are a loop inside the program."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    x = jnp.asarray(given["x"])

    def loss_of(w: Any, x: Any) -> Any:
        return (jax.nn.sigmoid(jnp.dot(w, x)) - 1) ** 2

    def descend(w: Any, x: Any) -> Any:
        loss, gradient = jax.value_and_grad(loss_of)(w, x)
        return w - RATE * gradient, loss

    def many(w: Any, x: Any) -> Any:
        start = (w, jnp.float32(0))
        return lax.fori_loop(0, steps, lambda _, state: descend(state[0], x), start)

    program = jax.jit(descend if steps == 1 else many, donate_argnums=0)
    held = [jnp.array(given["w"])]

    def step() -> Any:
        held[0], loss = program(held[0], x)
        return loss.block_until_ready()

    return Ready(step, steps=steps)


def _loop(step: Callable[[], Any], steps: int) -> Callable[[], Any]:
    if steps == 1:
        return step

    def loop() -> Any:
        for _ in range(steps - 1):
            step()
        return step()

    return loop


def _workload(steps: int) -> Workload:
    one = steps == 1
    return Workload(
        name="neuron" if one else f"neuron-{steps}",
        title="σ neuron, a step a call" if one else f"σ neuron, one of {steps:,} in a call",
        material=material,
        contenders={
            **both_ways(partial(ours, steps=steps)),
            "micrograd": partial(micrograd, steps=steps),
            "torch": partial(torch, steps=steps),
            "jax": partial(jax, steps=steps),
        },
        targets=(Target(0.1, ("micrograd",)), Target(0.02, ("torch",)))
        if one
        else (Target(0.01, ("micrograd",)),),
        compared=5 if one else 2,
        quick=True,
    )


WORKLOADS = [_workload(1), _workload(MANY)]
