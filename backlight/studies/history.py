"""1957 … 2012: what failed and what mended it, each trained anew and seen.

1957: one neuron learns what a line separates; the exclusive or (XOR) is beyond it. 1986: a hidden
layer and the chain rule learn it. Then six hidden layers: hardly any gradient arrives at the first
ones, and nothing is learned; 2006: layers learned one by one begin well; 2012: ReLUs and a start
made for them need no such help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import value_and_grad
from backlight.estimators import Perceptron
from backlight.gates.activation import sigmoid
from backlight.gates.binary import binary_cross_entropy_with_logits
from backlight.studies.board import Board, percent
from backlight.studies.boltzmann import pretrain
from backlight.studies.deep_stack import EPOCHS, HIDDEN, RATES, STARTS, Descent, descent
from backlight.studies.material import Material
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
WANTED = {"OR": (0, 1, 1, 1), "AND": (0, 0, 0, 1), "XOR": (0, 1, 1, 0)}
PASSES = 8
HIDDEN_UNITS = 2
STEPS = 600
BEGINNINGS = 8
LEARNED = 0.02
"""A loss of XOR that says: learned."""
RATE = 2.0
YEARS = {"small": "1991", "pretrained": "2006", "relu": "2012"}


@dataclass(frozen=True)
class Exclusive:
    """A network with two hidden sigmoids that has learned the exclusive or.

    Attributes
    ----------
    weights : tuple of array
        (3, 2) into the hidden units and (3,) out of them; the last row is the bias.
    losses : list of float
        Before each step.
    """

    weights: tuple[Array, Array]
    losses: list[float]

    def chance(self, points: Array) -> Array:
        """The probability of 1 at points (count, 2)."""
        return np.asarray(sigmoid(logits(*self.weights, points)))


@dataclass(frozen=True)
class History:
    """What came out of each year's experiment.

    Attributes
    ----------
    perceptrons : dict of str to Perceptron
        Of OR, AND and XOR, shown in order, from zero weights.
    exclusive : Exclusive
    descents : tuple of Descent
        Of the six-layer network: small weights, pre-trained, ReLU.
    """

    perceptrons: dict[str, Perceptron]
    exclusive: Exclusive
    descents: tuple[Descent, ...]


def perceptrons(passes: int = PASSES) -> dict[str, Perceptron]:
    """Rosenblatt's rule on three functions of two bits.

    Examples
    --------
    >>> found = perceptrons(6)
    >>> found["OR"].mistakes_, found["XOR"].mistakes_
    ([1, 2, 1, 0], [2, 3, 4, 4, 4, 4])
    """
    return {
        name: Perceptron(epochs=passes, shuffle=False).fit(CORNERS, wanted)
        for name, wanted in WANTED.items()
    }


def logits(inner: Any, outer: Any, points: Any) -> Any:
    """The score of two hidden sigmoids at points (count, 2)."""
    hidden = sigmoid(points @ inner[:2] + inner[2])
    return hidden @ outer[:HIDDEN_UNITS] + outer[HIDDEN_UNITS]


def exclusive(steps: int = STEPS, seed: int = 0) -> Exclusive:
    """Learn XOR by backpropagation through a hidden layer of two; the first start that does.

    Two hidden units are just enough, and a start in two may end in a local minimum: half of the
    corners right, the others at ½.
    """
    tried: list[Exclusive] = []
    while len(tried) < BEGINNINGS:
        tried.append(_begun(steps, seed, len(tried)))
        if tried[-1].losses[-1] < LEARNED:
            break
    return min(tried, key=lambda one: one.losses[-1])


def _begun(steps: int, seed: int, start: int) -> Exclusive:
    wanted = np.array(WANTED["XOR"], float)

    def loss(inner: Any, outer: Any) -> Any:
        return binary_cross_entropy_with_logits(logits(inner, outer, CORNERS), wanted)

    slopes_of = value_and_grad(loss, argnums=(0, 1))
    inner = 2 * philox.normal(seed, 2 * start, (3, HIDDEN_UNITS), np.float64)
    outer = 2 * philox.normal(seed, 2 * start + 1, (HIDDEN_UNITS + 1,), np.float64)
    losses = []
    for _ in range(steps):
        value, (inner_slope, outer_slope) = slopes_of(inner, outer)
        losses.append(float(value))
        inner = inner - RATE * np.asarray(inner_slope)
        outer = outer - RATE * np.asarray(outer_slope)
    return Exclusive((inner, outer), losses)


def history(
    given: Material,
    hidden: Sequence[int] = HIDDEN,
    epochs: int = EPOCHS,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> History:
    """Every experiment.

    Parameters
    ----------
    given : Material
        Examples for the deep network, numbers in [0, 1].
    hidden : sequence of int
        Its hidden layers.
    epochs : int
    rates : sequence of float
        Each start takes the better one.
    seed : int
    """
    learned = pretrain(given.train, hidden, seed=seed)
    descents = tuple(
        descent(
            given,
            start,
            learned,
            hidden,
            rates,
            epochs,
            seed,
        )
        for start in STARTS
    )
    return History(perceptrons(), exclusive(), descents)


def draw(board: Board, found: History, given: Material) -> Any:
    """Five panels, a year each, and what each deep network came to."""
    depth = len(found.descents[0].arriving) - 1
    with board.titled(
        "history",
        11.4,
        7.4,
        depth=depth,
        data=given.name,
    ) as page:
        grid = page.subplots(2, 3, height_ratios=[1, 1.1])
        _mistakes(board, grid[0, 0], found)
        _plane(board, grid[0, 1], found.perceptrons["XOR"].predict)
        grid[0, 1].set_title(board.say("history.line"))
        _plane(board, grid[0, 2], found.exclusive.chance)
        grid[0, 2].set_title(board.say("history.hidden"))
        _gradients(board, grid[1, 0], found)
        _losses(board, grid[1, 1], found)
        _answers(board, grid[1, 2], found)
    return page


def _mistakes(board: Board, axes: Any, found: History) -> None:
    for place, (name, one) in enumerate(found.perceptrons.items()):
        axes.plot(
            range(1, len(one.mistakes_) + 1),
            one.mistakes_,
            marker="o",
            label=name,
            **board.curve(place),
        )
    axes.set(
        ylim=(-0.2, 4.6),
        xlabel=board.say("history.pass"),
        ylabel=board.say("history.mistakes"),
    )
    axes.set_title(board.say("history.neuron"))
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.6))
    axes.grid()


def _plane(board: Board, axes: Any, answer: Any) -> None:
    """The answer at every place of the plane, and what is wanted at the four corners."""
    line = np.linspace(-0.35, 1.35, 121)
    across, up = np.meshgrid(line, line)
    shown = np.asarray(answer(np.c_[across.ravel(), up.ravel()]), float).reshape(across.shape)
    axes.contourf(
        across,
        up,
        shown,
        levels=np.linspace(0, 1, 11),
        colors=[board.mix(board.class_colour(0), 0.45 - 0.09 * k) for k in range(5)]
        + [board.mix(board.class_colour(1), 0.09 + 0.09 * k) for k in range(5)],
    )
    if shown.min() < 0.5 < shown.max():
        axes.contour(
            across,
            up,
            shown,
            levels=[0.5],
            colors=board.theme.ink,
            linewidths=1.4,
        )
    board.points(axes, CORNERS, np.array(WANTED["XOR"]), 90)
    for (x, y), wanted in zip(CORNERS, WANTED["XOR"], strict=True):
        board.write(axes, x + 0.14, y + 0.13, str(wanted))
    axes.set(xticks=[0, 1], yticks=[0, 1], aspect="equal")


def _gradients(board: Board, axes: Any, found: History) -> None:
    for place, one in enumerate(found.descents):
        layers = range(1, len(one.arriving) + 1)
        axes.semilogy(
            layers,
            one.arriving,
            marker="o",
            markersize=4,
            **board.curve(place),
        )
    last = len(found.descents[0].arriving)
    quarter = found.descents[0].arriving[-1] * 0.25 ** np.arange(last)[::-1]
    axes.semilogy(
        range(1, last + 1),
        quarter,
        color=board.theme.faint,
        linewidth=1,
        label=board.say("history.quarter"),
    )
    axes.set(xlabel=board.say("history.layer"), ylabel=board.say("history.gradient"))
    axes.set_title(board.say("history.vanishing"))
    axes.legend(loc="lower right")
    axes.grid()


def _losses(board: Board, axes: Any, found: History) -> None:
    for place, one in enumerate(found.descents):
        axes.plot(
            range(1, len(one.losses) + 1),
            one.losses,
            **board.curve(place),
        )
    axes.set(
        ylim=(0, None),
        xlabel=board.say("activations.epoch"),
        ylabel=board.say("activations.loss"),
    )
    axes.set_title(board.say("history.training"))
    axes.grid()


def _answers(board: Board, axes: Any, found: History) -> None:
    shares = [100 * one.accuracy for one in found.descents]
    bars = board.bars(
        axes,
        [board.say(f"history.{one.start}") for one in found.descents],
        shares,
        [percent(one.accuracy) for one in found.descents],
    )
    for place, bar in enumerate(bars):
        bar.set_color(board.curve(place)["color"])
    axes.set(xlim=(0, 130), xticks=[0, 50, 100], xlabel=board.say("accuracy"))
    axes.set_title(board.say("history.outcome"))


@study("history")
def _history(asked: Asked) -> Told:
    given = asked.material
    found = history(given, seed=asked.seed)
    facts: dict[str, Any] = {
        f"{name}_mistakes": one.mistakes_ for name, one in found.perceptrons.items()
    }
    facts["XOR_with_hidden_layer"] = found.exclusive.losses[-1]
    facts["table"] = [
        {
            "year": YEARS[one.start],
            "start": one.start,
            "first_layer_gradient": one.arriving[0],
            "last_layer_gradient": one.arriving[-1],
            "last_loss": one.losses[-1],
            "accuracy": one.accuracy,
        }
        for one in found.descents
    ]
    return draw(asked.board, found, given), facts
