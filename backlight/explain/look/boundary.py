"""Decision boundaries: which class a network gives to every point of the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import RangeError, ShapeError
from backlight.explain.look.classifier import Classifier, softmax_of
from backlight.explain.look.style import MARKERS, style

Array = np.ndarray[Any, Any]

MARGIN = 0.12
"""How far beyond the points the plane goes on, as a part of their extent."""


@dataclass(frozen=True)
class Boundary:
    """The network's answers on a grid.

    Attributes
    ----------
    across, up : ndarray (n,)
        Where the grid's columns and rows are.
    scores, probabilities : ndarray (n, n, K)
        Rows from the bottom.
    """

    across: Array
    up: Array
    scores: Array
    probabilities: Array

    @property
    def classes(self) -> Array:
        """The class with the highest score at each place."""
        found: Array = self.scores.argmax(axis=-1)
        return found


def boundary(classifier: Classifier, points: Any, resolution: int = 240) -> Boundary:
    """The network's answers on a square grid around points of the plane.

    Parameters
    ----------
    classifier : Classifier
        Of inputs with two features.
    points : array_like (n, 2)
        What the grid goes around.
    resolution : int
        Places along each axis, 2 to 2,000.

    Raises
    ------
    ShapeError
        If the network's inputs do not lie in a plane.
    RangeError
        A resolution outside its range.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> found = boundary(classifier(nn.Linear(2, 3), 3, (2,)), [[0, 0], [1, 1]], 10)
    >>> found.scores.shape
    (10, 10, 3)
    """
    if classifier.shape != (2,):
        raise ShapeError(
            "boundary",
            got=f"a network of inputs with shape {classifier.shape}",
            needs="inputs with two features, which lie in a plane",
            remedy="Train one with `backlight train --data spiral --model mlp`.",
        )
    if not 2 <= resolution <= 2000:
        raise RangeError(
            "boundary",
            got=f"resolution={resolution}",
            needs="2 to 2,000 places along each axis",
            remedy="Leave it out: 240.",
        )
    data = np.asarray(points, np.float64)
    low, high = data.min(axis=0), data.max(axis=0)
    centre, half = (low + high) / 2, (high - low).max() * (0.5 + MARGIN) or 1.0
    across, up = (np.linspace(one - half, one + half, resolution) for one in centre)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    run = classifier.program("plane", classifier.forward)
    scores = np.asarray(run(grid)._value).reshape(resolution, resolution, -1)
    return Boundary(across, up, scores, softmax_of(scores))


def draw(
    classifier: Classifier,
    found: Boundary,
    points: Any,
    labels: Any,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The plane, a colour a class and paler where its lead is small, with the points on it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    data, classes = np.asarray(points), np.asarray(labels)
    right = float((classifier.scores(data).argmax(axis=1) == classes).mean())
    caption = look.say("boundary.caption", right=f"{right:.1%}", count=f"{len(data):,}")
    with look.page(6.3, 6.2, look.say("boundary.title"), caption) as figure:
        axes = figure.subplots()
        axes.imshow(
            _regions(look, found),
            origin="lower",
            extent=(found.across[0], found.across[-1], found.up[0], found.up[-1]),
            interpolation="bilinear",
        )
        ordered = np.sort(found.probabilities, axis=-1)
        lead = ordered[..., -1] - ordered[..., -2]
        mesh = (found.across, found.up)
        for k in range(found.scores.shape[-1]):
            others = np.delete(found.scores, k, axis=-1).max(axis=-1)
            ahead = found.scores[..., k] - others
            if ahead.min() < 0 < ahead.max():
                axes.contour(*mesh, ahead, levels=[0], colors=look.theme.ink, linewidths=1.1)
        axes.contour(
            *mesh, lead, levels=[0.5], colors=look.theme.faint, linewidths=0.6, linestyles=":"
        )
        for k, name in enumerate(classifier.classes):
            here = data[classes == k]
            axes.scatter(
                here[:, 0],
                here[:, 1],
                s=22,
                marker=MARKERS[k % len(MARKERS)],
                color=look.class_colour(k),
                edgecolors=look.theme.paper,
                linewidths=0.6,
                label=str(name),
            )
        axes.set_xlabel("x₁")
        axes.set_ylabel("x₂")
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), title=look.say("class"), fontsize=8
        )
    return figure


def _regions(look: Any, found: Boundary) -> Array:
    """Colours (n, n, 3): the class's, the more of the paper the nearer the boundary."""
    from matplotlib.colors import to_rgb

    paper = np.array(to_rgb(look.theme.paper))
    colours = np.array([to_rgb(look.class_colour(k)) for k in range(found.scores.shape[-1])])
    ordered = np.sort(found.probabilities, axis=-1)
    lead = (ordered[..., -1] - ordered[..., -2])[..., None]
    strength = 0.10 + 0.34 * lead
    mixed: Array = paper * (1 - strength) + colours[found.classes] * strength
    return mixed
