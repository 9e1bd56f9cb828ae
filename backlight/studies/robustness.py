"""What a shift, a turn, light, a hole or lost colours do to each classifier.

A picture is numbers, and all of them change when its subject moves or the light does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from backlight.compare.road import chosen_stops
from backlight.studies.board import Board
from backlight.studies.material import Material
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

MODELS = ("knn-l2", "softmax", "two-layer", "convnet")
"""Stops of the road that are examined."""

GREY = (0.299, 0.587, 0.114)
"""How bright red, green and blue look."""


def shifted(pictures: Array) -> Array:
    """An eighth of the width to the right, the left edge repeated."""
    steps = max(1, pictures.shape[3] // 8)
    moved = np.roll(pictures, steps, axis=3)
    moved[..., :steps] = pictures[..., :1]
    return moved


def rotated(pictures: Array, degrees: float = 15.0) -> Array:
    """Turned around the middle."""
    height, width = pictures.shape[2:]
    down, across = (
        np.indices((height, width)) - np.array([height - 1, width - 1])[:, None, None] / 2
    )
    angle = np.deg2rad(degrees)
    rows = np.cos(angle) * down - np.sin(angle) * across + (height - 1) / 2
    columns = np.sin(angle) * down + np.cos(angle) * across + (width - 1) / 2
    return _between(
        pictures,
        np.clip(rows, 0, height - 1),
        np.clip(columns, 0, width - 1),
    )


def _between(pictures: Array, rows: Array, columns: Array) -> Array:
    """The pictures at places between their pixels: the four around are mixed."""
    top, left = (np.floor(one).astype(int) for one in (rows, columns))
    bottom = np.minimum(top + 1, pictures.shape[2] - 1)
    right = np.minimum(left + 1, pictures.shape[3] - 1)
    down, across = rows - top, columns - left
    above = pictures[:, :, top, left] * (1 - across) + pictures[:, :, top, right] * across
    below = pictures[:, :, bottom, left] * (1 - across) + pictures[:, :, bottom, right] * across
    return np.asarray(above * (1 - down) + below * down)


def brighter(pictures: Array) -> Array:
    """A quarter of white added."""
    return np.clip(pictures + 0.25, 0, 1)


def darker(pictures: Array) -> Array:
    """Half as bright."""
    return 0.5 * pictures


def occluded(pictures: Array) -> Array:
    """A grey square over a quarter of the width, in the middle."""
    covered = pictures.copy()
    rows, columns = (_middle(size, 4) for size in pictures.shape[2:])
    covered[:, :, rows, columns] = 0.5
    return covered


def cropped(pictures: Array) -> Array:
    """The middle three quarters, enlarged."""
    height, width = pictures.shape[2:]
    rows = (
        np.linspace(
            height * 0.125,
            height * 0.875 - 1,
            height,
        )
        .round()
        .astype(int)
    )
    columns = (
        np.linspace(
            width * 0.125,
            width * 0.875 - 1,
            width,
        )
        .round()
        .astype(int)
    )
    return np.asarray(pictures[:, :, rows[:, None], columns])


def grey(pictures: Array) -> Array:
    """Without colours: each channel as bright as all together look."""
    light = np.einsum(
        "nchw,c->nhw",
        pictures,
        np.array(GREY, pictures.dtype),
    )
    return np.repeat(light[:, None], len(GREY), axis=1)


def negative(pictures: Array) -> Array:
    """White for black: 1 − x, of bytes 255 − x."""
    return np.asarray(1 - pictures)


def _middle(size: int, part: int) -> slice:
    half = max(1, size // (2 * part))
    return slice(size // 2 - half, size // 2 + half)


CHANGES: dict[str, Callable[[Array], Array]] = {
    "plain": lambda pictures: pictures,
    "shifted": shifted,
    "rotated": rotated,
    "brighter": brighter,
    "darker": darker,
    "occluded": occluded,
    "cropped": cropped,
    "grey": grey,
    "negative": negative,
}
"""What is done to the pictures, by name; `grey` only where there are colours."""


@dataclass(frozen=True)
class Robustness:
    """Accuracies under changes.

    Attributes
    ----------
    models, changes : tuple of str
    accuracies : ndarray (models, changes)
    """

    models: tuple[str, ...]
    changes: tuple[str, ...]
    accuracies: Array

    def of(self, model: str, change: str) -> float:
        """The accuracy of a model under a change."""
        return float(self.accuracies[self.models.index(model), self.changes.index(change)])


def robustness(given: Material, models: Mapping[str, Any]) -> Robustness:
    """The accuracy of fitted classifiers on held-out pictures, as they are and changed.

    Parameters
    ----------
    given : Material
        Of pictures.
    models : mapping of str to estimator
        Fitted on rows like `given.train`.

    Raises
    ------
    DataError
        If the examples are no pictures.
    """
    given.need_images("robustness")
    colours = given.shape[0] == len(GREY)
    names = tuple(name for name in CHANGES if colours or name != "grey")
    pictures = given.pictures(given.held)
    table = []
    for model in models.values():
        found = []
        for name in names:
            rows = CHANGES[name](pictures).reshape(len(pictures), -1).astype(np.float32)
            found.append(float((model.predict(rows) == given.held_labels).mean()))
        table.append(found)
    return Robustness(
        tuple(models),
        names,
        np.array(table),
    )


def fitted(given: Material, names: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """Stops of the road with their first setting (kNN: k = 5), fitted on the training rows.

    Where there are colours, a softmax classifier that sees none stands beside them.
    """
    models = {}
    for stop in chosen_stops(names):
        settings = [{"k": 5}] if stop.name.startswith("knn") else stop.settings
        estimator = stop.make(given.shape, **settings[0])
        models[stop.name] = estimator.fit(given.train, given.labels)
    if given.shape[0] == len(GREY) and "softmax" in models:
        linear = chosen_stops(["softmax"])[0].make(given.shape, alpha=1e-4)
        colourless = FunctionTransformer(_grey_rows, kw_args={"shape": given.shape})
        both = make_pipeline(colourless, linear)
        models["softmax on grey"] = both.fit(given.train, given.labels)
    return models


def _grey_rows(rows: Array, shape: tuple[int, ...]) -> Array:
    return np.asarray(grey(rows.reshape(-1, *shape))[:, 0].reshape(len(rows), -1))


def draw(board: Board, given: Material, found: Robustness, example: int = 0) -> Any:
    """A changed picture a column, and below the accuracy of each model on such pictures."""
    columns, rows = len(found.changes), len(found.models)
    pictures = given.pictures(given.held[example : example + 1])
    values = {"count": len(given.held), "data": given.name}
    height = 2.5 + 0.42 * rows
    with board.titled(
        "robustness",
        1.5 + 0.98 * columns,
        height,
        **values,
    ) as page:
        above, below = page.subfigures(
            2,
            1,
            height_ratios=[1.25, 0.42 * rows],
        )
        panels = above.subplots(
            1,
            columns + 1,
            width_ratios=[1.5, *[1] * columns],
        )
        panels[0].axis("off")
        for axes, name in zip(panels[1:], found.changes, strict=True):
            board.picture(axes, CHANGES[name](pictures)[0])
            axes.set_title(board.say(f"robustness.{name}"), loc="center")
        axes = board.canvas(
            below.subplots(),
            columns + 1.5,
            0.5 * rows,
        )
        axes.set_aspect("auto")
        _table(board, axes, found)
    return page


def _table(board: Board, axes: Any, found: Robustness) -> None:
    """Accuracies in squares, redder the more of the plain accuracy is lost."""
    from matplotlib.patches import Rectangle

    for row, model in enumerate(found.models):
        y = 0.5 * (len(found.models) - row - 1)
        board.write(
            axes,
            1.4,
            y + 0.24,
            model,
            ha="right",
        )
        plain = found.of(model, found.changes[0])
        for column, share in enumerate(found.accuracies[row]):
            lost = max(0.0, 1 - share / plain) if plain else 0.0
            colour = board.mix(board.theme.gradient, 0.6 * lost)
            corner = (column + 1.5, y)
            axes.add_patch(
                Rectangle(
                    corner,
                    0.97,
                    0.46,
                    facecolor=colour,
                    edgecolor="none",
                )
            )
            board.write(
                axes,
                column + 1.985,
                y + 0.23,
                f"{share:.0%}",
            )


@study("robustness", examples=2000)
def _robustness(asked: Asked) -> Told:
    given = asked.material
    given.need_images("robustness")
    given = given.first(None, 1000)
    found = robustness(given, fitted(given))
    table = [
        {
            "model": model,
            **dict(
                zip(
                    found.changes,
                    map(float, row),
                    strict=True,
                )
            ),
        }
        for model, row in zip(
            found.models,
            found.accuracies,
            strict=True,
        )
    ]
    index = min(asked.index, len(given.held) - 1)
    return draw(
        asked.board,
        given,
        found,
        max(index, 0),
    ), {"table": table}
