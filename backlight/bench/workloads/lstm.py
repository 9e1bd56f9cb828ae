"""A training step of a character model: embedding, two LSTM layers of 256, scores; Adam.

64 steps, batch 32, 65 characters. Gates are in PyTorch's order: input, forget, cell, output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload

CHARACTERS, WIDTH, DEPTH, STEPS, BATCH = 65, 256, 2, 64, 32
RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8
PRODUCTS = DEPTH * 4 * WIDTH * 2 * WIDTH + WIDTH * CHARACTERS


def material() -> Material:
    """Text as numbers (step, example), the text one character later, and the weights by name."""
    random = np.random.default_rng(0)
    text = random.integers(0, CHARACTERS, (STEPS + 1, BATCH))
    bound = 1 / math.sqrt(WIDTH)

    def uniform(*shape: int) -> Any:
        return random.uniform(-bound, bound, shape).astype(np.float32)

    weights = {"embedding": random.standard_normal((CHARACTERS, WIDTH), np.float32)}
    for layer in range(DEPTH):
        weights[f"weight_ih_l{layer}"] = uniform(4 * WIDTH, WIDTH)
        weights[f"weight_hh_l{layer}"] = uniform(4 * WIDTH, WIDTH)
        weights[f"bias_ih_l{layer}"] = uniform(4 * WIDTH)
        weights[f"bias_hh_l{layer}"] = uniform(4 * WIDTH)
    weights["weight"] = uniform(CHARACTERS, WIDTH)
    weights["bias"] = uniform(CHARACTERS)
    return {"x": text[:-1], "y": text[1:], "weights": weights}


def state(weights: Material) -> dict[str, Any]:
    """The weights under the names of the modules, which Backlight and PyTorch share."""
    named = {f"lstm.{name}": one for name, one in weights.items() if "_l" in name}
    return {
        "embedding.weight": weights["embedding"],
        **named,
        "scores.weight": weights["weight"],
        "scores.bias": weights["bias"],
    }


def ours(given: Material, run: Callable[..., Any]) -> Ready:
    """Backlight: modules, Adam, one function."""
    nn = backlight.nn
    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(CHARACTERS, WIDTH),
            "lstm": nn.LSTM(WIDTH, WIDTH, DEPTH),
            "scores": nn.Linear(WIDTH, CHARACTERS),
        }
    )
    model.load_state_dict(state(given["weights"]))
    adam = backlight.optim.Adam(model.parameters(), lr=RATE, betas=BETAS, eps=EPSILON)
    loss_function = backlight.nn.CrossEntropyLoss()
    x, y = backlight.tensor(given["x"]), backlight.tensor(given["y"].reshape(-1))

    def train(x: Any, y: Any) -> Any:
        adam.zero_grad()
        hidden, _ = model["lstm"](model["embedding"](x))
        loss = loss_function(model["scores"](hidden.reshape(-1, WIDTH)), y)
        loss.backward()
        adam.step()
        return loss

    program = run(train)
    return Ready(lambda: program(x, y), lambda loss: [loss.item()])


def torch(given: Material) -> Ready:
    """PyTorch: its own LSTM, fused Adam."""
    import torch
    from torch import nn
    from torch.nn import functional

    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(CHARACTERS, WIDTH),
            "lstm": nn.LSTM(WIDTH, WIDTH, DEPTH),
            "scores": nn.Linear(WIDTH, CHARACTERS),
        }
    )
    weights = {name: torch.from_numpy(one) for name, one in state(given["weights"]).items()}
    model.load_state_dict(weights)
    adam = torch.optim.Adam(model.parameters(), RATE, BETAS, EPSILON, fused=True)
    x, y = torch.from_numpy(given["x"]), torch.from_numpy(given["y"]).reshape(-1)

    def train() -> Any:
        adam.zero_grad()
        hidden, _ = model["lstm"](model["embedding"](x))
        loss = functional.cross_entropy(model["scores"](hidden.reshape(-1, WIDTH)), y)
        loss.backward()
        adam.step()
        return loss.item()

    return Ready(train)


def jax(given: Material) -> Ready:
    """JAX: a scan a layer, the inputs' products made at once before it."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    weights = {name: jnp.asarray(one) for name, one in given["weights"].items()}
    x, y = jnp.asarray(given["x"]), jnp.asarray(given["y"])

    def layer(w: Any, x: Any, name: str) -> Any:
        inputs = x @ w[f"weight_ih_{name}"].T + w[f"bias_ih_{name}"] + w[f"bias_hh_{name}"]
        recurrent = w[f"weight_hh_{name}"].T

        def step(state: Any, from_input: Any) -> Any:
            hidden, cell = state
            i, f, g, o = jnp.split(from_input + hidden @ recurrent, 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        start = jnp.zeros((BATCH, WIDTH))
        return lax.scan(step, (start, start), inputs)[1]

    def loss_of(w: Any, x: Any, y: Any) -> Any:
        hidden = w["embedding"][x]
        for depth in range(DEPTH):
            hidden = layer(w, hidden, f"l{depth}")
        scores = jax.nn.log_softmax(hidden @ w["weight"].T + w["bias"])
        return -jnp.take_along_axis(scores, y[..., None], 2).mean()

    def train(w: Any, m: Any, v: Any, turn: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(w, x, y)
        one, two = BETAS
        m = jax.tree.map(lambda m, g: one * m + (1 - one) * g, m, g)
        v = jax.tree.map(lambda v, g: two * v + (1 - two) * g * g, v, g)
        rate, widen = RATE / (1 - one**turn), 1 / jnp.sqrt(1 - two**turn)
        w = jax.tree.map(lambda w, m, v: w - rate * m / (widen * jnp.sqrt(v) + EPSILON), w, m, v)
        return w, m, v, turn + 1, loss

    zeros = jax.tree.map(jnp.zeros_like, weights)
    held = [weights, zeros, jax.tree.map(jnp.zeros_like, weights), jnp.float32(1)]
    program = jax.jit(train, donate_argnums=(0, 1, 2, 3))

    def one_step() -> float:
        *held[:], loss = program(*held, x, y)
        return float(loss)

    return Ready(one_step)


WORKLOADS = [
    Workload(
        name="lstm",
        title="character LSTM 2×256, 64 steps",
        material=material,
        contenders={**both_ways(ours), "torch": torch, "jax": jax},
        targets=(Target(0.75),),
        flop=6.0 * STEPS * BATCH * PRODUCTS,
        compared=5,
        tolerance=1e-3,
    )
]
