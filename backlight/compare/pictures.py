"""What each stop saw: neighbours with their differences, templates, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.compare.measure import Result
from backlight.data import DataSet
from backlight.estimators import KNeighborsClassifier
from backlight.train.page.markup import Markup, element
from backlight.train.page.pictures import display_range, example_picture, weight_picture

Array = np.ndarray[Any, Any]
_SHOWN = 5
_MOST_TEMPLATES = 16


def picture(result: Result, data: DataSet, shape: tuple[int, ...]) -> Markup | None:
    """The stop's own picture, or None."""
    if result.stop.picture == "neighbours":
        return _neighbours(result.estimator, data, shape)
    if result.stop.picture == "templates":
        return _templates(result.estimator, data, shape)
    return None


def _figure(rows: list[list[Markup]], caption: str) -> Markup:
    lines = [element("div", row, class_="strip") for row in rows]
    return element("figure", lines, element("figcaption", caption), class_="pictures")


def _image(source: str, words: str, kind: str = "") -> Markup:
    return element(
        "span",
        element("img", src=source, alt=words, width=48, height=48),
        element("small", words),
        class_=f"cell {kind}".strip(),
    )


def _neighbours(estimator: KNeighborsClassifier, data: DataSet, shape: tuple[int, ...]) -> Markup:
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
                _image(
                    example_picture(query.reshape(shape), extent),
                    data.classes[test.labels[place]],
                ),
                element("span", "−", class_="between"),
                _image(
                    example_picture(near, extent),
                    data.classes[train.labels[found]],
                    "" if right else "miss",
                ),
                element("span", "=", class_="between"),
                _image(
                    example_picture(difference, (0.0, extent[1] - extent[0])),
                    f"Σ {difference.sum():,.0f}",
                ),
            ]
        )
    return _figure(
        rows, "A test image, the training image nearest to it, and |difference| by pixels."
    )


def _templates(estimator: Any, data: DataSet, shape: tuple[int, ...]) -> Markup | None:
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
    cells = [_image(source, name) for source, name in zip(pictures, names, strict=True)]
    return _figure([cells], caption)


def mistakes(result: Result, data: DataSet) -> Markup | None:
    """Some test images that it got wrong, with what it said."""
    test = data.test
    assert test is not None  # noqa: S101
    wrong = np.flatnonzero(result.predicted != test.labels)[:8]
    if not len(wrong):
        return None
    extent = display_range(data.train.inputs[:2000])
    cells = [
        _image(
            example_picture(test.inputs[place], extent),
            f"{data.classes[test.labels[place]]} → {data.classes[int(result.predicted[place])]}",
            "miss",
        )
        for place in wrong
    ]
    return _figure([cells], "Mistakes: true class → its answer.")


def hardest(result: Result, data: DataSet, most: int = 3) -> str:
    """The classes it confuses most, in words."""
    test = data.test
    assert test is not None  # noqa: S101
    count = len(data.classes)
    pairs = np.bincount(
        test.labels * count + result.predicted.astype(np.int64), minlength=count * count
    ).reshape(count, count)
    np.fill_diagonal(pairs, 0)
    order = np.argsort(-pairs, axis=None)[:most]
    told = [
        f"{data.classes[true]} taken for {data.classes[answer]} ({pairs[true, answer]}×)"
        for true, answer in zip(*np.unravel_index(order, pairs.shape), strict=True)
        if pairs[true, answer]
    ]
    return "; ".join(told) if told else "no mistakes"
