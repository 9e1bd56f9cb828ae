"""Are powers of two faster? Time of a training step for every batch size around 256."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import nn, optim, philox
from backlight.nn.functional import cross_entropy
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

SIZES = tuple(range(250, 261))
REPEATS = 60
HIDDEN = 256
CLEAR = 0.05
"""A difference below this share is within what a busy machine does."""


@dataclass(frozen=True)
class Times:
    """Seconds of a step by batch size.

    Attributes
    ----------
    sizes : tuple of int
    seconds : ndarray (sizes,)
        The fastest of many repetitions.
    """

    sizes: tuple[int, ...]
    seconds: Array

    @property
    def each(self) -> Array:
        """Seconds for an example."""
        return np.asarray(self.seconds / self.sizes)

    def gain(self, size: int = 256) -> float:
        """How much less an example costs at this size than at the median of the others."""
        place = self.sizes.index(size)
        others = float(np.median(np.delete(self.each, place)))
        return 1 - float(self.each[place]) / others


def batch_times(
    features: int, classes: int, sizes: Sequence[int] = SIZES, repeats: int = REPEATS
) -> Times:
    """Time of a compiled training step (two layers, SGD) for each batch size.

    The sizes take turns, so that what else the machine does falls on all of them; the fastest of
    the repetitions counts.

    Examples
    --------
    >>> found = batch_times(4, 2, sizes=(7, 8, 9), repeats=2)
    >>> found.seconds.shape, bool((found.seconds > 0).all())
    ((3,), True)
    """
    steps = [_step(features, classes, size) for size in sizes]
    fastest = np.full(len(steps), np.inf)
    for _ in range(repeats):
        for place, (step, inputs, labels) in enumerate(steps):
            begin = time.perf_counter()
            step(inputs, labels)
            fastest[place] = min(fastest[place], time.perf_counter() - begin)
    return Times(tuple(sizes), fastest)


def _step(features: int, classes: int, size: int) -> tuple[Any, Any, Any]:
    network = nn.Sequential(
        nn.Linear(features, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, classes),
    )
    update = optim.SGD(network.parameters(), lr=1e-3)

    @backlight.compile  # type: ignore[untyped-decorator]
    def step(inputs: Any, labels: Any) -> Any:
        update.zero_grad()
        loss = cross_entropy(network(inputs), labels)
        loss.backward()
        update.step()
        return loss.detach()

    inputs = backlight.as_tensor(philox.normal(0, size, (size, features)))
    labels = backlight.as_tensor(philox.integers(1, size, size).astype(np.int64) % classes)
    step(inputs, labels)
    return step, inputs, labels


def draw(board: Board, found: Times, features: int) -> Any:
    """Microseconds for an example, a bar a batch size; powers of two are hatched."""
    gain = found.gain()
    answer = "faster" if gain > CLEAR else "slower" if gain < -CLEAR else "same"
    values = {
        "answer": board.say(f"batch-time.{answer}", gain=f"{abs(gain):.1%}"),
        "features": f"{features:,}",
        "hidden": HIDDEN,
        "repeats": REPEATS,
    }
    with board.titled(
        "batch-time",
        8.2,
        4.4,
        **values,
    ) as page:
        axes = page.subplots()
        heights = 1e6 * found.each
        bars = axes.bar(
            range(len(heights)),
            heights,
            color=board.theme.faint,
            width=0.66,
        )
        for place, (size, bar) in enumerate(zip(found.sizes, bars, strict=True)):
            told = f"{heights[place]:.3g}"
            board.write(
                axes,
                place,
                1.01 * heights[place],
                told,
                va="bottom",
                size=9,
            )
            if size & (size - 1) == 0:
                bar.set(
                    facecolor=board.theme.value,
                    hatch="//",
                    edgecolor=board.theme.paper,
                )
        axes.set_xticks(range(len(heights)), [str(size) for size in found.sizes])
        axes.set(xlabel=board.say("batch"), ylabel=board.say("batch-time.each"))
        axes.set_ylim(0, 1.12 * heights.max())
    return page


@study("batch-time")
def _batch_time(asked: Asked) -> Told:
    given = asked.material
    features = given.train.shape[1]
    found = batch_times(features, len(given.classes))
    table = [
        {"batch": size, "step_microseconds": 1e6 * float(one), "each": 1e6 * float(each)}
        for size, one, each in zip(
            found.sizes,
            found.seconds,
            found.each,
            strict=True,
        )
    ]
    return draw(asked.board, found, features), {"gain_of_256": found.gain(), "table": table}
