"""Why mini-batches work: examples are alike, and a few show the way of all.

Source: CS231n, optimization notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import value_and_grad
from backlight.gates.linear import linear
from backlight.gates.loss import cross_entropy
from backlight.studies.board import Board
from backlight.studies.material import Material, centred
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
REPEATS = 40
UNIQUE, COPIES = 1000, 1200
AT_ONCE = 40
"""Copies in memory at a time."""


@dataclass(frozen=True)
class Batches:
    """How a batch's gradient and loss compare with those of all examples.

    Attributes
    ----------
    sizes : tuple of int
    cosines : ndarray (sizes, repeats)
        Of the angle between the batch's gradient and the full one.
    noise : ndarray (sizes,)
        Standard deviation of the batch's loss.
    """

    sizes: tuple[int, ...]
    cosines: Array
    noise: Array


def _slope(given: Material, seed: int) -> tuple[Any, Array, Array]:
    """Loss and gradient at small random weights, the rows, and the weights."""
    rows = centred(given.train)[0].astype(np.float32)
    shape = (len(given.classes), rows.shape[1])
    weights = 0.01 * philox.normal(seed, 0, shape)
    slope = value_and_grad(lambda w, some, right: cross_entropy(linear(some, w), right))
    return slope, rows, weights


def _cosine(one: Array, other: Array) -> float:
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def batches(
    given: Material, sizes: Sequence[int] = SIZES, repeats: int = REPEATS, seed: int = 0
) -> Batches:
    """Cosine with the full gradient, and noise of the loss, of batches drawn by chance.

    Parameters
    ----------
    given : Material
        The loss is the mean cross-entropy of a linear classifier at small random weights.
    sizes : sequence of int
        Examples are drawn without replacement; sizes above their number are left out.
    repeats : int
        Batches of each size.
    seed : int
    """
    slope, rows, weights = _slope(given, seed)
    _, full = slope(weights, rows, given.labels)
    tried = tuple(size for size in sizes if size <= len(rows))
    cosines, noise = [], []
    for place, size in enumerate(tried):
        own, losses = [], []
        for turn in range(repeats):
            stream = 1 + place * repeats + turn
            chosen = philox.permutation(seed, stream, len(rows))[:size]
            loss, gradient = slope(
                weights,
                rows[chosen],
                given.labels[chosen],
            )
            own.append(_cosine(np.asarray(gradient), np.asarray(full)))
            losses.append(float(loss))
        cosines.append(own)
        noise.append(float(np.std(losses, ddof=1)))
    return Batches(
        tried,
        np.array(cosines),
        np.array(noise),
    )


def repeated(given: Material, copies: int = COPIES, seed: int = 0) -> float:
    """Cosine between the gradient on the first 1,000 examples and on `copies` copies of them.

    The gradient of all copies is summed over batches of many copies, as a pass over so large a
    data set would.

    Examples
    --------
    >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2) / 12
    >>> toy = Material("toy", ("a", "b"), (2,), rows, np.arange(6) % 2, rows, np.arange(6) % 2)
    >>> round(repeated(toy, 90), 6)
    1.0
    """
    few = given.first(UNIQUE)
    slope, rows, weights = _slope(few, seed)
    _, once = slope(weights, rows, few.labels)
    total = np.zeros(weights.shape)
    for first in range(0, copies, AT_ONCE):
        many = min(AT_ONCE, copies - first)
        tiled, right = np.tile(rows, (many, 1)), np.tile(few.labels, many)
        _, gradient = slope(weights, tiled, right)
        total += many / copies * np.asarray(gradient)
    return _cosine(total, np.asarray(once))


def draw(board: Board, found: Batches, same: float, given: Material) -> Any:
    """Cosine and noise against the batch size."""
    values = {
        "count": f"{len(given.train):,}",
        "copies": f"{COPIES:,}",
        "same": f"{same:.6f}",
        "data": given.name,
    }
    with board.titled(
        "batch-size",
        9.8,
        4.6,
        **values,
    ) as page:
        left, right = page.subplots(1, 2)
        low, middle, high = np.quantile(
            found.cosines,
            [0.1, 0.5, 0.9],
            axis=1,
        )
        left.fill_between(
            found.sizes,
            low,
            high,
            color=board.theme.value,
            alpha=0.2,
            linewidth=0,
        )
        left.plot(
            found.sizes,
            middle,
            "o-",
            color=board.theme.value,
            markersize=4,
        )
        left.axhline(
            1,
            color=board.theme.ink,
            linewidth=0.8,
        )
        left.set(ylim=(min(0.0, low.min()), 1.05), ylabel=board.say("batch-size.cosine"))
        left.set_title(board.say("batch-size.gradient"))
        right.loglog(
            found.sizes,
            found.noise,
            "o-",
            color=board.theme.gradient,
            markersize=4,
        )
        law = found.noise[0] / np.sqrt(found.sizes)
        right.loglog(
            found.sizes,
            law,
            "--",
            color=board.theme.ink,
            linewidth=1,
        )
        third = found.sizes[2], 1.5 * law[2]
        board.write(
            right,
            *third,
            "∝ 1/√B",
            ha="left",
        )
        right.set(ylabel=board.say("batch-size.deviation"), title=board.say("batch-size.noise"))
        for axes in (left, right):
            axes.set_xscale("log", base=2)
            axes.set_xticks(found.sizes, [str(size) for size in found.sizes])
            axes.minorticks_off()
            axes.set_xlabel(board.say("batch"))
            axes.grid()
    return page


@study("batch-size")
def _batch_size(asked: Asked) -> Told:
    given = asked.material
    found = batches(given, seed=asked.seed)
    same = repeated(given, seed=asked.seed)
    table = [
        {"batch": size, "cosine": float(np.median(own)), "loss_std": float(noise)}
        for size, own, noise in zip(
            found.sizes,
            found.cosines,
            found.noise,
            strict=True,
        )
    ]
    facts = {"cosine_of_repeated": same, "table": table}
    return draw(asked.board, found, same, given), facts
