"""Two classes: logistic regression's boundary, and σ as a smooth step between them.

p = σ(s) with s = s₁ − s₀; of two classes softmax is exactly that. p ≥ ½ where s ≥ 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import DataError
from backlight.estimators import LinearClassifier
from backlight.gates.activation import sigmoid
from backlight.studies.board import Board, percent
from backlight.studies.material import Material
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Binary:
    """Logistic regression of two classes.

    Attributes
    ----------
    model : LinearClassifier
    names : tuple of str
        Class 0 and class 1.
    rows, labels : array
        Examples that it has learned from, and 0 or 1.
    scores, probabilities : array (count,)
        s, and σ(s) = softmax's second probability.
    """

    model: LinearClassifier
    names: tuple[str, str]
    rows: Array
    labels: Array
    scores: Array
    probabilities: Array

    @property
    def accuracy(self) -> float:
        """Share of the examples that are told right."""
        return float(((self.scores >= 0) == self.labels).mean())

    @property
    def agree(self) -> float:
        """Share of the examples for which p ≥ ½ says the same as s ≥ 0."""
        return float(((self.probabilities >= 0.5) == (self.scores >= 0)).mean())


def binary(given: Material, pair: tuple[int, int] = (0, 1), seed: int = 0) -> Binary:
    """Logistic regression of two of the classes.

    Raises
    ------
    DataError
        If one of them has no examples.
    """
    for one in pair:
        if not (given.labels == one).any():
            raise DataError(
                "binary",
                got=f"no examples of class {one} in {given.name}",
                needs="examples of both classes",
                remedy="Choose a pair of classes that are there, or more examples.",
            )
    chosen = np.isin(given.labels, pair)
    rows = given.train[chosen]
    labels = (given.labels[chosen] == pair[1]).astype(int)
    model = LinearClassifier(alpha=1e-3, random_state=seed).fit(rows, labels)
    names = (given.classes[pair[0]], given.classes[pair[1]])
    scores = model.decision_function(rows)
    return Binary(
        model,
        names,
        rows,
        labels,
        scores,
        model.predict_proba(rows)[:, 1],
    )


def draw(board: Board, found: Binary, name: str) -> Any:
    """The boundary in the plane, or scores where there are more features; σ over the step."""
    values = {"accuracy": percent(found.accuracy), "count": len(found.rows), "data": name}
    with board.titled("binary", 10.6, 4.7, **values) as page:
        left, right = page.subplots(1, 2)
        if found.rows.shape[1] == 2:
            _plane(board, left, found)
        else:
            _histogram(board, left, found)
        _step(board, right, found)
    return page


def _plane(board: Board, axes: Any, found: Binary) -> None:
    low, high = found.rows.min(axis=0), found.rows.max(axis=0)
    margin = 0.1 * float((high - low).max())
    sides = [np.linspace(a - margin, b + margin, 161) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*sides), axis=-1)
    scores = found.model.decision_function(grid.reshape(-1, 2).astype(np.float32))
    scores = scores.reshape(grid.shape[:2])
    shares = np.asarray(sigmoid(scores.astype(np.float64)))
    colours = [board.mix(board.class_colour(k), 0.3) for k in (0, 1)]
    axes.contourf(
        *sides,
        shares,
        levels=[0, 0.5, 1],
        colors=colours,
    )
    axes.contour(
        *sides,
        shares,
        levels=[0.1, 0.9],
        colors=board.theme.faint,
        linestyles=":",
    )
    axes.contour(
        *sides,
        scores,
        levels=[0],
        colors=board.theme.ink,
        linewidths=1.8,
    )
    axes.contour(
        *sides, shares, levels=[0.5], colors=board.theme.gradient, linestyles="--", linewidths=1.2
    )
    board.points(
        axes,
        found.rows,
        found.labels,
        22,
    )
    axes.set(aspect="equal", title=board.say("binary.boundary"))


def _histogram(board: Board, axes: Any, found: Binary) -> None:
    edges = np.linspace(
        found.scores.min(),
        found.scores.max(),
        41,
    )
    for k, hatch in ((0, None), (1, "//")):
        axes.hist(
            found.scores[found.labels == k],
            bins=edges,
            alpha=0.65,
            hatch=hatch,
            color=board.class_colour(k),
            label=found.names[k],
            edgecolor=board.theme.paper,
        )
    axes.axvline(
        0,
        color=board.theme.ink,
        linewidth=1.6,
    )
    axes.set(xlabel=board.say("binary.score"), ylabel=board.say("binary.count"))
    axes.set_title(board.say("binary.scores"))
    axes.legend()


def _step(board: Board, axes: Any, found: Binary) -> None:
    most = min(12.0, float(np.quantile(np.abs(found.scores), 0.98)))
    across = np.linspace(-most, most, 401)
    axes.plot(
        across,
        (across >= 0).astype(float),
        "--",
        color=board.theme.gradient,
        linewidth=1.6,
        label=board.say("binary.step"),
    )
    axes.plot(
        across, np.asarray(sigmoid(across)), color=board.theme.value, linewidth=2.2, label="σ(s)"
    )
    for k, marker in ((0, "o"), (1, "s")):
        own = found.scores[found.labels == k]
        own = own[np.abs(own) <= most]
        jitter = 0.05 * (philox.uniform(0, k, own.shape) - 0.5)
        axes.scatter(
            own,
            k + jitter,
            s=14,
            marker=marker,
            color=board.class_colour(k),
            alpha=0.6,
            linewidths=0,
            label=found.names[k],
        )
    axes.plot(
        [0, 0],
        [0, 1],
        color=board.theme.faint,
        linewidth=0.8,
    )
    axes.plot(
        0,
        0.5,
        "D",
        color=board.theme.ink,
        markersize=6,
        zorder=5,
    )
    board.write(
        axes,
        0.04 * most,
        0.47,
        board.say("binary.half"),
        ha="left",
        va="top",
    )
    axes.set(xlabel=board.say("binary.score"), ylabel=board.say("binary.probability"))
    axes.set(ylim=(-0.08, 1.08), title=board.say("binary.curves"))
    axes.legend(
        loc="center right",
        bbox_to_anchor=(1.0, 0.3),
        fontsize=8.5,
    )
    axes.grid()


@study("binary", data="moons", examples=400)
def _binary(asked: Asked) -> Told:
    given = asked.material
    found = binary(given, seed=asked.seed)
    facts = {
        "classes": " / ".join(found.names),
        "accuracy": found.accuracy,
        "half_is_zero": found.agree,
    }
    return draw(asked.board, found, given.name), facts
