"""Embeddings: many pictures in the plane, near each other where the network finds them alike.

Principal components are the directions in which the centred points spread most: the right
singular vectors of the centred matrix. t-SNE (van der Maaten and Hinton 2008) keeps neighbours
together and says nothing of distances between groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, RangeError, nearest
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import MARKERS, Style, style

Array = np.ndarray[Any, Any]

METHODS = ("pca", "tsne")
PIXELS = "pixels"
"""The layer's name that stands for the picture itself."""


@dataclass(frozen=True)
class Embedding:
    """Points of the plane for rows of numbers.

    Attributes
    ----------
    method, layer : str
    points : ndarray (n, 2)
    explained : ndarray (2,)
        PCA: the parts of the variance along the axes. t-SNE: empty.
    """

    method: str
    layer: str
    points: Array
    explained: Array


def principal_components(rows: Any, count: int = 2) -> tuple[Array, Array, Array]:
    """Coordinates, directions and explained parts of the variance, by SVD in float64.

    X − mean = U·S·Vᵀ: the coordinates are U·S, the directions the rows of Vᵀ, and the variance
    along direction i is S_i²/(n − 1). Each direction is turned so that its largest number is
    positive, which makes the picture the same every time.

    Parameters
    ----------
    rows : array_like (n, d)
    count : int
        How many, at most min(n, d).

    Raises
    ------
    RangeError
        Fewer than two rows, or more components than there are.

    Examples
    --------
    >>> points, directions, parts = principal_components([[0, 0], [3, 4], [6, 8]])
    >>> directions[0].round(3).tolist(), parts.round(3).tolist()
    ([0.6, 0.8], [1.0, 0.0])
    """
    data = np.asarray(rows, np.float64)
    if data.ndim != 2 or len(data) < 2 or not 1 <= count <= min(data.shape):
        raise RangeError(
            "principal components",
            got=f"{count} of an array of shape {data.shape}",
            needs="at least two rows, and at most as many components as rows and columns",
            remedy="Pass more examples.",
        )
    centred = data - data.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    turn = np.sign(right[np.arange(len(right)), abs(right).argmax(axis=1)])
    turn[turn == 0] = 1
    parts = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    return (left * sizes * turn)[:, :count], (right * turn[:, None])[:count], parts[:count]


def embedding(
    classifier: Classifier,
    pictures: Any,
    *,
    method: str = "pca",
    layer: str | None = None,
    perplexity: float = 30.0,
    seed: int = 0,
) -> Embedding:
    """Pictures in the plane, by what a layer makes of them.

    Parameters
    ----------
    classifier : Classifier
    pictures : ndarray (n, …)
        Numbers in [0, 1].
    method : {"pca", "tsne"}
    layer : str, optional
        A layer's path, or "pixels" for the pictures themselves; by default what the last layer
        is given.
    perplexity : float
        Of t-SNE: about how many neighbours count; less than n.
    seed : int
        Of t-SNE.

    Raises
    ------
    ArgumentError
        Unknown method or layer.
    RangeError
        Too few pictures.
    """
    if method not in METHODS:
        raise ArgumentError(
            "embedding",
            got=f"method={method!r}",
            needs="a known method",
            remedy=nearest(method, METHODS),
        )
    images = np.asarray(pictures, np.float32)
    path = _before_last(classifier) if layer is None else layer
    if path == PIXELS:
        rows = images.reshape(len(images), -1)
    else:
        classifier.layer(path)
        found = classifier.in_batches(("reach", path), lambda p: classifier.reach(path, p), images)
        rows = np.asarray(found).reshape(len(images), -1)
    if method == "pca":
        points, _, parts = principal_components(rows)
        return Embedding(method, path, points, parts)
    if len(images) < 5 or not 1 <= perplexity < len(images):
        raise RangeError(
            "t-SNE",
            got=f"{len(images)} pictures and perplexity {perplexity:g}",
            needs="at least 5 pictures, and a perplexity from 1 to below their number",
            remedy="Pass more pictures, or lower --perplexity.",
        )
    return Embedding(method, path, _tsne(rows, perplexity, seed), np.zeros(0))


def _tsne(rows: Array, perplexity: float, seed: int) -> Array:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Fifty components keep what matters of the neighbourhoods and are much faster.
    most = min(50, *rows.shape)
    short = principal_components(rows, most)[0] if rows.shape[1] > most else rows
    fit = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    # So many small steps that waiting for other threads costs more than they do; and sums
    # that do not depend on how many there are.
    with threadpool_limits(1):
        points: Array = fit.fit_transform(np.asarray(short, np.float32))
    return points


def _before_last(classifier: Classifier) -> str:
    layers = list(classifier.layers())
    return layers[-2] if len(layers) > 1 else PIXELS


def draw(
    classifier: Classifier,
    pictures: Any,
    labels: Any,
    found: Embedding,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The points by class on the left, the pictures at their places on the right.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look, images = style(theme, language), np.asarray(pictures)
    classes = np.asarray(labels)
    pixels = found.layer == PIXELS
    where = (
        look.say("embedding.pixels") if pixels else look.say("embedding.layer", layer=found.layer)
    )
    method = look.say(f"embedding.{found.method}")
    title = look.say("embedding.title", method=method, where=where, count=len(images))
    shown = images.ndim == 4
    size = (12.4 if shown else 7.2, 6.3)
    with look.page(*size, title, look.say(f"embedding.caption_{found.method}")) as figure:
        panels = figure.subplots(1, 2 if shown else 1, squeeze=False).ravel()
        for k, name in enumerate(classifier.classes):
            here = found.points[classes == k]
            panels[0].scatter(
                here[:, 0],
                here[:, 1],
                s=16,
                marker=MARKERS[k % len(MARKERS)],
                color=look.class_colour(k),
                linewidths=0,
                alpha=0.85,
                label=str(name),
            )
        for axes in panels:
            _frame(look, axes, found)
        panels[0].legend(fontsize=7.5, title=look.say("class"), ncols=2, loc="best", framealpha=0.6)
        if shown:
            _thumbnails(look, panels[1], images, classes, found)
    return figure


def _frame(look: Style, axes: Any, found: Embedding) -> None:
    low, high = found.points.min(axis=0), found.points.max(axis=0)
    pad = 0.05 * (high - low)
    axes.set_xlim(low[0] - pad[0], high[0] + pad[0])
    axes.set_ylim(low[1] - pad[1], high[1] + pad[1])
    if found.method == "pca":
        for side, part, place in zip("xy", found.explained, "12", strict=True):
            told = look.say("embedding.component", place=place, part=f"{part:.1%}")
            getattr(axes, f"set_{side}label")(told)
    else:
        axes.set_xticks([])
        axes.set_yticks([])


def _thumbnails(look: Style, axes: Any, images: Array, classes: Array, found: Embedding) -> None:
    """Pictures at their places, as many as fit without covering one another."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    low, high = found.points.min(axis=0), found.points.max(axis=0)
    places = (found.points - low) / np.maximum(high - low, 1e-12)
    taken = np.full((22, 22), -1)
    cells = np.minimum((places * 22).astype(int), 21)
    for one, (column, row) in enumerate(cells):
        if taken[row, column] < 0:
            taken[row, column] = one
    zoom = 17.0 / max(images.shape[2:])
    for one in taken[taken >= 0]:
        picture = np.clip(images[one], 0, 1)
        shade = np.broadcast_to(picture, (3, *picture.shape[1:])) if len(picture) == 1 else picture
        box = AnnotationBbox(
            OffsetImage(shade.transpose(1, 2, 0), zoom=zoom, interpolation="nearest"),
            tuple(found.points[one]),
            pad=0.06,
            bboxprops={"edgecolor": look.class_colour(int(classes[one])), "linewidth": 1.2},
        )
        axes.add_artist(box)
