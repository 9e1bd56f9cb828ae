"""Loss curves and what they give away, each of a training that really ran."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.digits import load_digits
from backlight.engine.derivative import grad, value_and_grad
from backlight.explain.figures.registry import figure
from backlight.explain.figures.sheet import Array, Sheet, number
from backlight.gates.loss import cross_entropy
from backlight.gates.rectifier import relu

HIDDEN = 32
CHANCE = float(np.log(10))


@dataclass(frozen=True)
class Training:
    """How a small network of digits is trained."""

    name: str
    rate: float
    scale: float = 1.0
    batch: int = 100
    steps: int = 150
    examples: int = 600


TRAININGS = (
    Training("healthy", 0.5),
    Training("slow", 0.01),
    Training("wild", 6.0),
    Training("asleep", 0.5, scale=0.02),
    Training("noisy", 0.15, batch=2, steps=400),
    Training("overfit", 0.5, examples=60, batch=60, steps=300),
)


@figure("loss-curves", near="S1:142 S1:143")
def loss_curves(sheet: Sheet) -> Any:
    """Six trainings of one network: rate, initialisation, batch and data differ."""
    with sheet.titled("loss-curves", 10.2, 5.8) as page:
        for axes, training in zip(page.subplots(2, 3).flat, TRAININGS, strict=True):
            losses, held = followed(training)
            every = np.linspace(0, training.steps, len(held))
            axes.axhline(CHANCE, color=sheet.theme.faint, linestyle=":", linewidth=1)
            axes.plot(losses, color=sheet.theme.value, linewidth=1.4)
            axes.plot(every, held, "--", color=sheet.theme.classes[1], linewidth=1.8)
            axes.set_title(sheet.say(f"loss-curves.{training.name}"))
            axes.set(xlim=(0, training.steps), ylim=(0, 4.2))
            axes.grid()
        names = [sheet.say(f"loss-curves.{one}") for one in ("chance", "training", "validation")]
        page.axes[0].legend(
            page.axes[0].lines[:3],
            names,
            loc="upper right",
            fontsize=9,
        )
        for axes in page.axes[3:]:
            axes.set_xlabel(sheet.say("descent.step"))
        for axes in page.axes[::3]:
            axes.set_ylabel("L")
    return page


@cache
def followed(training: Training) -> tuple[Array, Array]:
    """The loss of every batch, and that of 400 other digits now and then."""
    train = load_digits().train
    rows = np.asarray(train.inputs[:1000], float).reshape(1000, -1) / 16
    labels = np.asarray(train.labels[:1000])
    sizes = ((rows.shape[1], HIDDEN), (HIDDEN, 10))
    weights = [
        training.scale
        * np.sqrt(2 / size[0])
        * philox.normal(
            2,
            place,
            size,
            np.float64,
        )
        for place, size in enumerate(sizes)
    ]

    def loss(first: Any, second: Any, inputs: Any, answers: Any) -> Any:
        return cross_entropy(relu(inputs @ first) @ second, answers)

    slopes_of = value_and_grad(loss, (0, 1))
    chances = philox.uniform(2, 9, (training.steps, training.batch), np.float64)
    chosen = np.floor(training.examples * chances).astype(int)
    whole = training.batch >= training.examples
    losses, held = [], []
    for step in range(training.steps):
        if step % 10 == 0:
            held.append(
                float(
                    loss(
                        weights[0],
                        weights[1],
                        rows[600:],
                        labels[600:],
                    ),
                ),
            )
        some = np.arange(training.examples) if whole else chosen[step]
        value, slopes = slopes_of(weights[0], weights[1], rows[some], labels[some])
        losses.append(float(value))
        weights = [
            one - training.rate * np.asarray(slope)
            for one, slope in zip(weights, slopes, strict=True)
        ]
    held.append(
        float(
            loss(
                weights[0],
                weights[1],
                rows[600:],
                labels[600:],
            ),
        ),
    )
    return np.array(losses), np.array(held)


@figure("batch-direction", near="S1:141 S1:140")
def batch_direction(sheet: Sheet) -> Any:
    """How well the gradient of a batch points where that of all examples does."""
    train = load_digits().train
    rows = np.asarray(train.inputs, float).reshape(len(train), -1) / 16
    labels = np.asarray(train.labels)
    weights = 0.1 * philox.normal(4, 0, (rows.shape[1], 10), np.float64)
    slope = grad(lambda w, x, y: cross_entropy(x @ w, y))
    whole = np.asarray(slope(weights, rows, labels)).ravel()
    sizes = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    angles = []
    for place, size in enumerate(sizes):
        chances = philox.uniform(4, 1 + place, (24, size), np.float64)
        some = np.floor(len(rows) * chances).astype(int)
        found = [
            np.asarray(
                slope(
                    weights,
                    rows[one],
                    labels[one],
                ),
            ).ravel()
            for one in some
        ]
        angles.append([_cosine(one, whole) for one in found])
    few = np.tile(np.arange(100), 12)
    copies = _cosine(
        np.asarray(slope(weights, rows[few], labels[few])).ravel(),
        np.asarray(slope(weights, rows[:100], labels[:100])).ravel(),
    )
    middle = np.median(angles, axis=1)
    at = number(round(float(middle[sizes.index(256)]), 3))
    with sheet.titled(
        "batch-direction",
        7.8,
        4.6,
        at=at,
        copies=number(round(copies, 6)),
    ) as page:
        axes = page.subplots()
        low, high = np.min(angles, axis=1), np.max(angles, axis=1)
        axes.fill_between(sizes, low, high, color=sheet.theme.value, alpha=0.16, linewidth=0)
        axes.semilogx(sizes, middle, "o-", base=2, color=sheet.theme.value, linewidth=2)
        axes.axhline(1, color=sheet.theme.faint, linestyle=":", linewidth=1)
        axes.set_xticks(sizes, [str(one) for one in sizes])
        axes.minorticks_off()
        axes.set(
            xlabel=sheet.say("batch-direction.size"),
            ylabel=sheet.say("batch-direction.cosine"),
            ylim=(0, 1.05),
            xlim=(1, 1024),
        )
        axes.grid()
    return page


def _cosine(one: Array, other: Array) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))
