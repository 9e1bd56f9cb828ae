"""What each stop saw: neighbours with their differences, templates, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.compare.figure import Cell, Figure
from backlight.compare.measure import Result
from backlight.data import DataSet
from backlight.estimators import KNeighborsClassifier
from backlight.estimators.features import BagOfPatches
from backlight.train.page.pictures import display_range, example_picture, weight_picture

Array = np.ndarray[Any, Any]
_SHOWN = 5
_MOST_TEMPLATES = 16
_MOST_PATCHES = 24


def figures(result: Result, data: DataSet, shape: tuple[int, ...]) -> list[Figure]:
    """The stop's own picture, if it has one, and images that it got wrong."""
    makers = {"neighbours": _neighbours, "templates": _templates, "words": _words}
    own = None
    if result.stop.picture:
        own = makers[result.stop.picture](result.estimator, data, shape)
    return [one for one in (own, mistakes(result, data)) if one is not None]


def _neighbours(estimator: KNeighborsClassifier, data: DataSet, shape: tuple[int, ...]) -> Figure:
    """A few test images, each with the one it was taken for, and their difference."""
    test, train = data.test, data.train
    assert test is not None  # noqa: S101 - the road is walked with a test split
    extent = display_range(train.inputs[:2000])
    queries = test.inputs[:_SHOWN].reshape(_SHOWN, -1)
    _, places = estimator.kneighbors(queries, 1)
    rows = []
    for place, (query, found) in enumerate(zip(queries, places[:, 0], strict=True)):
        near = train.inputs[found]
        difference = np.abs(query.reshape(shape).astype(np.float64) - near.astype(np.float64))
        right = train.labels[found] == test.labels[place]
        rows.append(
            [
                Cell(
                    data.classes[test.labels[place]],
                    example_picture(query.reshape(shape), extent),
                ),
                Cell("−"),
                Cell(
                    data.classes[train.labels[found]],
                    example_picture(near, extent),
                    miss=not right,
                ),
                Cell("="),
                Cell(
                    f"Σ {difference.sum():,.0f}",
                    example_picture(difference, (0.0, extent[1] - extent[0])),
                ),
            ]
        )
    return Figure(
        rows, "A test image, the training image nearest to it, and |difference| by pixels."
    )


def _templates(estimator: Any, data: DataSet, shape: tuple[int, ...]) -> Figure | None:
    """The first layer's weights as pictures: one a class in a linear classifier."""
    layers = [one for one in estimator.module_.parameters() if one.ndim > 1]
    weights = layers[0].detach().numpy()
    if weights.ndim == 2 and weights.shape[1] != int(np.prod(shape)):
        return None
    names: list[str]
    if weights.ndim == 2 and len(layers) == 1:
        names = list(data.classes)
        caption = "Each class's weights as a picture: what it looks for; the neutral colour is 0."
    else:
        norms = np.sqrt((weights.reshape(len(weights), -1) ** 2).sum(axis=1))
        weights = weights[np.argsort(-norms)[:_MOST_TEMPLATES]]
        names = [f"{norm:.2f}" for norm in -np.sort(-norms)[:_MOST_TEMPLATES]]
        caption = "The first layer's units with the largest weights, and ‖w‖ of each."
    pictures = [weight_picture(one.reshape(shape) if one.ndim == 1 else one) for one in weights]
    cells = [Cell(name, source) for source, name in zip(pictures, names, strict=True)]
    return Figure([cells], caption)


def _words(estimator: Any, data: DataSet, shape: tuple[int, ...]) -> Figure | None:
    """The typical patches that a bag of patches counts."""
    del data
    union = estimator[0][0]
    parts = [part for _, part in union.transformer_list if isinstance(part, BagOfPatches)]
    if not parts:
        return None
    side = parts[0].patch
    pictures = parts[0].words_[:_MOST_PATCHES].reshape(-1, shape[0], side, side)
    cells = [Cell(str(place), weight_picture(one)) for place, one in enumerate(pictures)]
    return Figure([cells], "Typical patches, whose counts in each quarter are features.")


def mistakes(result: Result, data: DataSet) -> Figure | None:
    """Some test images that it got wrong, with what it said."""
    test = data.test
    assert test is not None  # noqa: S101
    wrong = np.flatnonzero(result.predicted != test.labels)[:8]
    if not len(wrong):
        return None
    extent = display_range(data.train.inputs[:2000])
    cells = [
        Cell(
            f"{data.classes[test.labels[place]]} → {data.classes[int(result.predicted[place])]}",
            example_picture(test.inputs[place], extent),
            miss=True,
        )
        for place in wrong
    ]
    return Figure([cells], "Mistakes: true class → its answer.")


def confusions(result: Result, data: DataSet) -> Array:
    """How often each true class (row) was taken for each class (column)."""
    test = data.test
    assert test is not None  # noqa: S101
    count = len(data.classes)
    places = test.labels * count + result.predicted.astype(np.int64)
    return np.bincount(places, minlength=count * count).reshape(count, count)


def hardest(result: Result, data: DataSet, most: int = 3) -> str:
    """The classes it confuses most, in words."""
    pairs = confusions(result, data)
    np.fill_diagonal(pairs, 0)
    order = np.argsort(-pairs, axis=None)[:most]
    told = [
        f"{data.classes[true]} taken for {data.classes[answer]} ({pairs[true, answer]}×)"
        for true, answer in zip(*np.unravel_index(order, pairs.shape), strict=True)
        if pairs[true, answer]
    ]
    return "; ".join(told) if told else "no mistakes"
