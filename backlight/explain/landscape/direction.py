"""Directions in the space of all weights, along which a loss is looked at.

A direction is as long as the weights themselves, so that one step along it is a change by the size
of the weights, whatever the network. Filter-normalised, that holds for every filter by itself,
which makes slices of different networks comparable: a ReLU network computes the same with large
weights as with small ones. Source: Li, Xu, Taylor, Studer and Goldstein 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import grad
from backlight.engine.tensor import as_tensor
from backlight.errors import ArgumentError, RangeError, nearest

Array = np.ndarray[Any, Any]
Weights = Mapping[str, Array]

NORMALISATIONS = ("weights", "filters")
"""As long as all weights together; or each filter as long as the filter it is added to."""


@dataclass(frozen=True)
class Path:
    """Where training went, in the plane that holds most of it.

    Attributes
    ----------
    first, second : dict of str to ndarray
        The directions of the plane, each as long as the weights at its end.
    coordinates : ndarray (n, 2)
        Each checkpoint along them, counted from the last, which is at (0, 0).
    explained : ndarray (2,)
        The part of the movement that each direction holds.
    """

    first: dict[str, Array]
    second: dict[str, Array]
    coordinates: Array
    explained: Array


def weights_of(module: Any) -> dict[str, Array]:
    """Copies of a module's parameters, by path."""
    return {name: np.array(one._value) for name, one in module.named_parameters()}


def length(weights: Weights) -> float:
    """√Σ w², in float64.

    Examples
    --------
    >>> length({"a": np.array([3.0]), "b": np.array([4.0])})
    5.0
    """
    return float(np.sqrt(sum(float((w.astype(np.float64) ** 2).sum()) for w in weights.values())))


def random_direction(
    weights: Weights, seed: int = 0, stream: int = 0, normalise: str = "weights"
) -> dict[str, Array]:
    """A direction drawn from the normal distribution, and given the length of the weights.

    Parameters
    ----------
    weights : mapping of str to ndarray
    seed, stream : int
        The same give the same direction; another stream of a seed, an independent one.
    normalise : {"weights", "filters"}
        "weights": ‖d‖ = ‖W‖. "filters": ‖d_f‖ = ‖W_f‖ for each filter (row of a matrix), and 0
        for biases and scales.

    Raises
    ------
    ArgumentError
        Another word for `normalise`.

    Examples
    --------
    >>> weights = {"w": np.array([[3.0, 4.0], [0.0, 2.0]])}
    >>> found = random_direction(weights, normalise="filters")
    >>> np.linalg.norm(found["w"], axis=1).round(6).tolist()
    [5.0, 2.0]
    """
    _check(normalise)
    drawn = {}
    for place, (name, values) in enumerate(weights.items()):
        key = 2**20 * (stream + 1) + place
        draw = philox.normal(seed, key, values.shape).astype(np.float64)
        if normalise == "filters":
            draw = _filterwise(draw, values)
        drawn[name] = draw.astype(values.dtype)
    return drawn if normalise == "filters" else scaled(drawn, length(weights))


def scaled(direction: Weights, size: float) -> dict[str, Array]:
    """The direction with another length; one of length 0 stays as it is."""
    factor = size / (length(direction) or 1.0)
    return {name: (one * factor).astype(one.dtype) for name, one in direction.items()}


def between(first: Weights, last: Weights) -> dict[str, Array]:
    """Last − first: along it 0 is the first point and 1 is the last.

    Raises
    ------
    ArgumentError
        If they are not the weights of one kind of model.
    """
    shapes = [{name: one.shape for name, one in side.items()} for side in (first, last)]
    if shapes[0] != shapes[1]:
        names = sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()})
        raise ArgumentError(
            "landscape",
            got=f"weights of different models: {', '.join(names[:4])}",
            needs="two points of one model",
            remedy="Choose runs with the same --model, data and widths.",
        )
    return {name: last[name] - first[name] for name in first}


def downhill(module: Any, loss: Any, inputs: Any, targets: Any) -> dict[str, Array]:
    """The negative gradient of the loss, given the length of the weights."""
    parameters = dict(module.named_parameters())
    value = loss(module(as_tensor(inputs)), as_tensor(targets))
    found = grad(value, list(parameters.values()))
    slope = {name: -np.asarray(one._value) for name, one in zip(parameters, found, strict=True)}
    return scaled(slope, length(weights_of(module)))


def path(points: Sequence[Weights]) -> Path:
    """The plane that holds most of a path through weight space, by PCA of its checkpoints.

    The rows are the checkpoints minus the last; their two largest principal directions (not
    centred, so that the last point lies in the plane) are found from the small matrix of inner
    products, without forming one row of all weights for each direction.

    Parameters
    ----------
    points : sequence of mappings
        At least three checkpoints, oldest first.

    Raises
    ------
    RangeError
        If there are fewer than three, or they do not move.
    """
    if len(points) < 3:
        raise RangeError(
            "the path of training",
            got=f"{len(points)} checkpoints",
            needs="at least three",
            remedy="Train for more epochs, or use --replay to repeat the run and keep each.",
        )
    last = points[-1]
    moves = [between(last, one) for one in points[:-1]]
    flat = np.stack(
        [np.concatenate([one.ravel().astype(np.float64) for one in m.values()]) for m in moves]
    )
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(-values)[:2]
    if values[order[0]] <= 0:
        raise RangeError(
            "the path of training",
            got="checkpoints that are all the same",
            needs="weights that moved",
            remedy="Train with a larger learning rate.",
        )
    size, directions = length(last), []
    for k in order:
        row = vectors[:, k] @ flat
        row = row / (np.linalg.norm(row) or 1.0)
        # From the start towards the end, so that the picture does not flip between runs.
        row = -row if row @ flat[0] < 0 else row
        directions.append(row)
    coordinates = np.stack([flat @ row / size for row in directions], axis=1)
    return Path(
        unflattened(directions[0] * size, last),
        unflattened(directions[1] * size, last),
        np.concatenate([coordinates, np.zeros((1, 2))]),
        np.maximum(values[order], 0) / max(float(values.clip(0).sum()), 1e-300),
    )


def _filterwise(draw: Array, values: Array) -> Array:
    if values.ndim < 2:
        return np.zeros_like(draw)
    axes = tuple(range(1, values.ndim))
    own = np.sqrt((values.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    found: Array = draw * own / np.sqrt((draw**2).sum(axis=axes, keepdims=True))
    return found


def unflattened(row: Array, like: Weights) -> dict[str, Array]:
    """One row of all weights as arrays by path, with the shapes and types of `like`.

    Examples
    --------
    >>> unflattened(np.array([1.0, 2.0, 3.0]), {"w": np.zeros((1, 2)), "b": np.zeros(1)})
    {'w': array([[1., 2.]]), 'b': array([3.])}
    """
    found: dict[str, Array] = {}
    start = 0
    for name, one in like.items():
        found[name] = row[start : start + one.size].reshape(one.shape).astype(one.dtype)
        start += one.size
    return found


def _check(normalise: str) -> None:
    if normalise not in NORMALISATIONS:
        raise ArgumentError(
            "direction",
            got=f"normalise={normalise!r}",
            needs="weights or filters",
            remedy=nearest(normalise, NORMALISATIONS),
        )
