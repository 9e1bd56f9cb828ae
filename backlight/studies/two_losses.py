"""The same scores under two losses: the SVM is content with a margin, softmax never is.

Source: CS231n, linear classification notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.gates.hinge import multiclass_hinge
from backlight.gates.loss import cross_entropy
from backlight.gates.softmax import softmax
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

SCORES = ((10.0, -2.0, 3.0), (10.0, -100.0, -100.0), (10.0, 9.0, 9.0))
"""Scores of the lecture; the first class is right."""

COLD_AND_WARM = (1.0, -2.0, 0.0)
"""Scores whose probabilities are looked at as they are, and halved."""


@dataclass(frozen=True)
class Verdict:
    """Two losses of the same scores.

    Attributes
    ----------
    scores : tuple of float
    hinge, cross_entropy : float
    """

    scores: tuple[float, ...]
    hinge: float
    cross_entropy: float


def two_losses(scores: Sequence[Sequence[float]] = SCORES, right: int = 0) -> list[Verdict]:
    """Hinge (margin 1, summed over the other classes) and cross-entropy of rows of scores.

    Examples
    --------
    >>> [(one.hinge, round(one.cross_entropy, 6)) for one in two_losses()]
    [(0.0, 0.000918), (0.0, 0.0), (0.0, 0.551445)]
    """
    found = []
    for row in scores:
        one = np.asarray(row, np.float64)[None]
        label = np.array([right])
        hinge, entropy = float(multiclass_hinge(one, label)), float(cross_entropy(one, label))
        found.append(
            Verdict(
                tuple(map(float, row)),
                hinge,
                entropy,
            )
        )
    return found


def by_lead(most: float = 6.0, places: int = 241) -> tuple[Array, Array, Array]:
    """Both losses of scores (lead, 0) as the right class leads by −most … most.

    Examples
    --------
    >>> lead, hinge, entropy = by_lead()
    >>> bool((hinge[lead >= 1] == 0).all()), bool((entropy > 0).all())
    (True, True)
    """
    lead = np.linspace(-most, most, places)
    rows = [two_losses([(one, 0.0)])[0] for one in lead]
    return lead, np.array([r.hinge for r in rows]), np.array([r.cross_entropy for r in rows])


def draw(board: Board, found: list[Verdict]) -> Any:
    """The losses by the lead of the right class, and a table of both for the same scores."""
    with board.titled("two-losses", 10.6, 4.6) as page:
        left, right = page.subplots(1, 2, width_ratios=[1, 1.15])
        lead, hinge, entropy = by_lead()
        left.plot(
            lead,
            hinge,
            "--",
            color=board.theme.gradient,
            linewidth=2,
            label="SVM",
        )
        left.plot(
            lead,
            entropy,
            color=board.theme.value,
            linewidth=2,
            label="softmax",
        )
        left.set(xlabel=board.say("two-losses.lead"), ylabel=board.say("two-losses.loss"))
        left.set_title(board.say("two-losses.curves"))
        left.legend()
        left.grid()
        _table(board, right, found)
    return page


def _table(board: Board, axes: Any, found: list[Verdict]) -> None:
    rows = len(found) + 5
    board.canvas(axes, 7.2, float(rows))
    axes.set_aspect("auto")
    line = rows - 0.7
    heads = [(1.7, "two-losses.scores"), (4.2, ""), (6.0, "")]
    board.write(
        axes,
        heads[0][0],
        line,
        board.say(heads[0][1]),
        color=board.theme.faint,
    )
    board.write(
        axes,
        4.2,
        line,
        "SVM",
        color=board.theme.gradient,
    )
    board.write(
        axes,
        6.0,
        line,
        "softmax",
        color=board.theme.value,
    )
    for one in found:
        line -= 1
        board.write(
            axes,
            1.7,
            line,
            _numbers(one.scores),
        )
        board.write(
            axes,
            4.2,
            line,
            f"{one.hinge:.4g}",
        )
        board.write(
            axes,
            6.0,
            line,
            f"{one.cross_entropy:.4g}".replace("-", "−"),
        )
    line -= 1.2
    board.write(
        axes,
        0,
        line,
        board.say("two-losses.halved"),
        ha="left",
        color=board.theme.faint,
    )
    for share in (1.0, 0.5):
        line -= 1
        scores = share * np.asarray(COLD_AND_WARM)
        board.write(
            axes,
            1.7,
            line,
            _numbers(scores),
        )
        told = "(" + ", ".join(f"{one:.4f}" for one in np.asarray(softmax(scores))) + ")"
        board.write(axes, 5.1, line, told)


def _numbers(values: Any) -> str:
    return "(" + ", ".join(f"{one:g}".replace("-", "−") for one in values) + ")"


@study("two-losses", data="")
def _two_losses(asked: Asked) -> Told:
    found = two_losses()
    table = [
        {"scores": str(one.scores), "hinge": one.hinge, "cross_entropy": one.cross_entropy}
        for one in found
    ]
    return draw(asked.board, found), {"table": table}
