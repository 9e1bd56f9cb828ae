"""Choosing by the test set: the best of many guessers looks good, until it sees new examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import DataError
from backlight.studies.board import Board, percent
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

GUESSERS = 1000
TESTED = 1000
LEAST = 20


@dataclass(frozen=True)
class Peeking:
    """Guessers, measured twice.

    Attributes
    ----------
    tested, fresh : ndarray (guessers,)
        Accuracy on the test examples that one was chosen by, and on others.
    examples : tuple of int
        How many test and fresh examples there are.
    """

    tested: Array
    fresh: Array
    examples: tuple[int, int]

    @property
    def chosen(self) -> int:
        """The guesser that did best on the test examples."""
        return int(self.tested.argmax())

    @property
    def gap(self) -> float:
        """By how much the chosen one's test accuracy is better than its fresh one."""
        return float(self.tested[self.chosen] - self.fresh[self.chosen])


def peeking(labels: Array, guessers: int = GUESSERS, seed: int = 0) -> Peeking:
    """Classifiers that guess, the best one chosen on test examples and then shown fresh ones.

    Parameters
    ----------
    labels : array (count,)
        Half of them, at most 1,000, are the test set; the others are fresh.
    guessers : int
    seed : int

    Raises
    ------
    DataError
        With fewer than 20 labels.

    Examples
    --------
    >>> found = peeking(np.arange(4000) % 10)
    >>> found.gap > 0.02, bool(abs(found.fresh[found.chosen] - 0.1) < 0.03)
    (True, True)
    """
    truth = np.unique(labels, return_inverse=True)[1]
    if len(truth) < LEAST:
        raise DataError(
            "peeking",
            got=f"{len(truth)} labels",
            needs=f"at least {LEAST}",
            remedy="Use more examples.",
        )
    truth = truth[philox.permutation(seed, 0, len(truth))]
    count = min(TESTED, len(truth) // 2)
    classes = int(truth.max()) + 1
    right = []
    for turn in range(guessers):
        guesses = philox.uniform(seed, 1 + turn, (len(truth),)) * classes
        right.append(guesses.astype(int) == truth)
    hits = np.array(right)
    tested, fresh = hits[:, :count].mean(axis=1), hits[:, count:].mean(axis=1)
    return Peeking(
        tested,
        fresh,
        (count, len(truth) - count),
    )


def draw(board: Board, found: Peeking, name: str) -> Any:
    """How well the guessers did on the test set; the best one, there and on fresh examples."""
    best, fresh = (100 * one[found.chosen] for one in (found.tested, found.fresh))
    values = {
        "count": f"{len(found.tested):,}",
        "tested": f"{found.examples[0]:,}",
        "fresh": f"{found.examples[1]:,}",
        "gap": f"{100 * found.gap:.1f}",
        "data": name,
    }
    with board.titled("peeking", 7.8, 4.6, **values) as page:
        axes = page.subplots()
        step = 100 / found.examples[0]
        width = max(1, round(0.5 / step)) * step
        edges = np.arange(
            100 * found.tested.min() - width / 2,
            best + width,
            width,
        )
        counts, _, _ = axes.hist(
            100 * found.tested,
            bins=edges,
            color=board.theme.faint,
            alpha=0.6,
        )
        top = counts.max()
        marks = ((best, "peeking.best", 0.42, "value"), (fresh, "peeking.fresh", 1.12, "gradient"))
        for value, told, height, colour in marks:
            ink = getattr(board.theme, colour)
            axes.plot(
                [value, value],
                [0, height * top],
                color=ink,
                linewidth=1.8,
                linestyle="-" if colour == "value" else "--",
            )
            text = board.say(told, share=percent(value / 100))
            board.write(
                axes,
                value,
                height * top,
                text,
                va="bottom",
                color=ink,
            )
        axes.set(xlabel=board.say("accuracy"), ylabel=board.say("peeking.guessers"))
        axes.set_xlim(None, best + 0.22 * (best - edges[0]))
        axes.set_ylim(0, 1.3 * top)
    return page


@study("peeking", examples=10_000)
def _peeking(asked: Asked) -> Told:
    given = asked.material
    found = peeking(np.concatenate([given.labels, given.held_labels]), seed=asked.seed)
    facts = {
        "test_accuracy_of_the_best": float(found.tested[found.chosen]),
        "its_accuracy_on_fresh_examples": float(found.fresh[found.chosen]),
        "gap": found.gap,
    }
    return draw(asked.board, found, given.name), facts
