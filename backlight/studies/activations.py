"""Which activation? The same network and budget with each: accuracy, dead units, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight.estimators import NeuralNetClassifier
from backlight.estimators.network import ACTIVATIONS
from backlight.studies.board import Board, percent
from backlight.studies.material import Material
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

HIDDEN = (100, 100)
EPOCHS = 15
RATE = 3e-3


@dataclass(frozen=True)
class Trial:
    """A network with one activation.

    Attributes
    ----------
    name : str
    accuracy : float
        On held-out examples.
    dead : float
        Share of hidden units that answer with the same number to every training example.
    seconds : float
        Of training.
    losses : list of float
        Mean training loss of each epoch.
    """

    name: str
    accuracy: float
    dead: float
    seconds: float
    losses: list[float]


def activations(
    given: Material,
    names: Sequence[str] = tuple(ACTIVATIONS),
    hidden: Sequence[int] = HIDDEN,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> list[Trial]:
    """Train the same network with each activation on the same budget.

    Parameters
    ----------
    given : Material
    names : sequence of str
        Activations of `NeuralNetClassifier`.
    hidden : sequence of int
    epochs : int
    seed : int
        The same for all: of the first weights and the order of the examples.
    """
    found = []
    for name in names:
        model = NeuralNetClassifier(
            tuple(hidden), activation=name, epochs=epochs, learning_rate=RATE, random_state=seed
        )
        begin = time.perf_counter()
        model.fit(given.train, given.labels)
        seconds = time.perf_counter() - begin
        accuracy = float((model.predict(given.held) == given.held_labels).mean())
        share = dead_units(model, given.train[:1000])
        found.append(
            Trial(
                name,
                accuracy,
                share,
                seconds,
                list(model.loss_curve_),
            )
        )
    return found


def dead_units(model: NeuralNetClassifier, rows: Array) -> float:
    """Share of the hidden units whose answer is the same for all rows.

    Examples
    --------
    >>> rows = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], np.float32)
    >>> model = NeuralNetClassifier((4,), epochs=1, random_state=0).fit(rows, [0, 1, 1])
    >>> weight = model.module_[0].bias
    >>> weight.data = weight.data * 0 - 100
    >>> dead_units(model, rows)
    1.0
    """
    kinds = tuple(ACTIVATIONS.values())
    flowing = backlight.as_tensor((rows - model._mean) * model._scale)
    dead, units = 0, 0
    with backlight.no_grad():
        for layer in model.module_:
            flowing = layer(flowing)
            if isinstance(layer, kinds):
                spread = np.ptp(flowing.numpy(), axis=0)
                dead, units = dead + int((spread == 0).sum()), units + len(spread)
    return dead / max(units, 1)


def draw(board: Board, found: list[Trial], given: Material) -> Any:
    """Loss curves, and accuracy with dead units and time."""
    values = {"epochs": len(found[0].losses), "count": len(given.train), "data": given.name}
    with board.titled(
        "activations",
        10.8,
        4.6,
        **values,
    ) as page:
        left, right = page.subplots(1, 2)
        for place, one in enumerate(found):
            epochs = range(1, len(one.losses) + 1)
            left.plot(
                epochs,
                one.losses,
                label=one.name,
                **board.curve(place),
            )
        left.set(xlabel=board.say("activations.epoch"), ylabel=board.say("activations.loss"))
        left.set_ylim(0, None)
        left.legend()
        left.grid()
        told = [_told(board, one) for one in found]
        shares = [100 * one.accuracy for one in found]
        bars = board.bars(
            right,
            [one.name for one in found],
            shares,
            told,
        )
        for place, bar in enumerate(bars):
            bar.set_color(board.curve(place)["color"])
        right.set(
            xlim=(0, 190),
            xticks=[0, 50, 100],
            xlabel=board.say("accuracy"),
        )
    return page


def _told(board: Board, one: Trial) -> str:
    dead = percent(one.dead, 0)
    more = board.say(
        "activations.more",
        dead=dead,
        seconds=f"{one.seconds:.2g}",
    )
    return f"{percent(one.accuracy)}, {more}"


@study("activations")
def _activations(asked: Asked) -> Told:
    given = asked.material
    found = activations(given, seed=asked.seed)
    table = [
        {
            "activation": one.name,
            "accuracy": one.accuracy,
            "dead": one.dead,
            "seconds": one.seconds,
        }
        for one in found
    ]
    return draw(asked.board, found, given), {"table": table}
