"""A training step of the 2-layer net 3072-100-10, batch 256: eager Backlight beside NumPy by hand.

Both do the same work: forward, softmax cross-entropy, backward, a step of gradient descent, in
float32. Losses are compared before anything is timed; the runs are interleaved; medians are told.

    python bench/two_layer_net.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np

import backlight
from backlight import nn, optim

BATCH, INPUTS, HIDDEN, CLASSES, RATE = 256, 3072, 100, 10, 1e-2
REPEATS = 60


def by_hand(x, y, w1, b1, w2, b2):
    """The step written out in NumPy, as the course's assignments have it."""
    hidden = np.maximum(x @ w1.T + b1, 0)
    scores = hidden @ w2.T + b2
    scores -= scores.max(axis=1, keepdims=True)
    probabilities = np.exp(scores)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(probabilities[rows, y]).mean()
    probabilities[rows, y] -= 1
    probabilities /= len(y)
    d_hidden = probabilities @ w2
    d_hidden[hidden <= 0] = 0
    gradients = (
        d_hidden.T @ x,
        d_hidden.sum(axis=0),
        probabilities.T @ hidden,
        probabilities.sum(axis=0),
    )
    for parameter, gradient in zip((w1, b1, w2, b2), gradients, strict=True):
        parameter -= RATE * gradient
    return float(loss)


def main() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((BATCH, INPUTS), np.float32)
    y = random.integers(0, CLASSES, BATCH)
    model = nn.Sequential(nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES))
    weights = [np.array(p.detach().numpy()) for p in model.parameters()]
    descent = optim.SGD(model.parameters(), lr=RATE)
    loss_function = nn.CrossEntropyLoss()
    inputs, labels = backlight.tensor(x), backlight.tensor(y)

    def by_backlight() -> float:
        loss = loss_function(model(inputs), labels)
        descent.zero_grad()
        loss.backward()
        descent.step()
        return loss.item()

    for step in range(5):
        hand, ours = by_hand(x, y, *weights), by_backlight()
        if abs(hand - ours) > 1e-4 * abs(hand):
            raise SystemExit(f"the losses differ at step {step}: {hand} and {ours}")
    times: dict[str, list[float]] = {"numpy": [], "backlight": []}
    for _ in range(REPEATS):
        for name, run in (("numpy", lambda: by_hand(x, y, *weights)), ("backlight", by_backlight)):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    hand, ours = (statistics.median(times[name]) * 1e3 for name in ("numpy", "backlight"))
    print(f"NumPy by hand {hand:.2f} ms   Backlight eager {ours:.2f} ms   ratio {ours / hand:.2f}")


if __name__ == "__main__":
    main()
