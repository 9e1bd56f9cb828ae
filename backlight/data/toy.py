"""Small data sets in the plane whose decision boundaries can be drawn.

`spiral` repeats the random numbers of the published case study; the others draw from the
counter-based generator, so that a seed gives the same points everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.data.dataset import DataSet, Examples
from backlight.errors import ArgumentError
from backlight.philox import normal, uniform

Array = np.ndarray[Any, Any]


def spiral(
    per_class: int = 100,
    classes: int = 3,
    noise: float = 0.2,
    seed: int | np.random.RandomState = 0,
) -> DataSet:
    """Interleaved arms of a spiral, float64 (classes · per_class, 2): arm k holds class k.

    Point i of arm k has radius r = i/(n−1) and angle t = 4(k + r) + noise · N(0, 1), and lies at
    (r sin t, r cos t).

    Parameters
    ----------
    per_class : int
        Points of each arm, at least 2.
    classes : int
        Arms, at least 2.
    noise : float
        Standard deviation of the angle in radians, at least 0.
    seed : int or RandomState
        Of NumPy's legacy generator, whose numbers never change. A RandomState goes on being
        drawn from: the case study's weights are the draws that follow the spiral's.

    Examples
    --------
    >>> spiral()
    DataSet('spiral': 3 classes, train 300 × (2,), from the formula, seed 0)

    Source: Stanford CS231n, "Putting it together: minimal neural network case study".
    """
    _check("spiral", per_class, noise)
    if classes < 2:
        raise ArgumentError(
            "spiral", got=f"{classes} classes", needs="at least 2", remedy="Ask for more arms."
        )
    random = seed if isinstance(seed, np.random.RandomState) else np.random.RandomState(seed)
    arms = []
    for k in range(classes):
        radius = np.linspace(0.0, 1, per_class)
        angle = np.linspace(k * 4, (k + 1) * 4, per_class) + random.randn(per_class) * noise
        arms.append(np.c_[radius * np.sin(angle), radius * np.cos(angle)])
    told = "a running generator" if isinstance(seed, np.random.RandomState) else f"seed {seed}"
    return _data("spiral", arms, told)


def circles(per_class: int = 100, noise: float = 0.1, seed: int = 0) -> DataSet:
    """A ring of radius 1 around a ring of radius ½, with Gaussian noise on both coordinates.

    Examples
    --------
    >>> rings = circles(noise=0.0).train
    >>> np.unique(np.hypot(*rings.inputs.T).round(6)).tolist()
    [0.5, 1.0]
    """
    _check("circles", per_class, noise)
    rings = []
    for k, radius in enumerate((1.0, 0.5)):
        angle = 2 * np.pi * uniform(seed, 2 * k, (per_class,), np.float64)
        rings.append(
            radius * np.c_[np.cos(angle), np.sin(angle)]
            + noise * normal(seed, 2 * k + 1, (per_class, 2), np.float64)
        )
    return _data("circles", rings, f"seed {seed}")


def moons(per_class: int = 100, noise: float = 0.1, seed: int = 0) -> DataSet:
    """Two half circles, each reaching into the other: (cos t, sin t), (1 − cos t, ½ − sin t).

    Examples
    --------
    >>> moons(50).train.labels.sum()
    np.int64(50)
    """
    _check("moons", per_class, noise)
    angle = np.linspace(0.0, np.pi, per_class)
    halves = [np.c_[np.cos(angle), np.sin(angle)], np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]]
    return _data(
        "moons",
        [
            half + noise * normal(seed, k, (per_class, 2), np.float64)
            for k, half in enumerate(halves)
        ],
        f"seed {seed}",
    )


def xor(per_class: int = 100, noise: float = 0.1, seed: int = 0) -> DataSet:
    """Points around the corners (±1, ±1); class 1 where the signs differ: no line parts them.

    Examples
    --------
    >>> xor(2, noise=0.0).train.inputs.tolist()
    [[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]]
    """
    _check("xor", per_class, noise)
    corners = np.array([[[-1.0, -1.0], [1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    return _data(
        "xor",
        [
            np.resize(pair, (per_class, 2)) + noise * normal(seed, k, (per_class, 2), np.float64)
            for k, pair in enumerate(corners)
        ],
        f"seed {seed}",
    )


def blobs(per_class: int = 100, classes: int = 3, noise: float = 0.3, seed: int = 0) -> DataSet:
    """Gaussian clouds around centres spread evenly on the unit circle: lines part them.

    Examples
    --------
    >>> blobs(2, classes=2, noise=0.0).train.inputs.round(6).tolist()
    [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]
    """
    _check("blobs", per_class, noise)
    if classes < 2:
        raise ArgumentError(
            "blobs", got=f"{classes} classes", needs="at least 2", remedy="Ask for more clouds."
        )
    angle = 2 * np.pi * np.arange(classes) / classes
    centres = np.c_[np.cos(angle), np.sin(angle)]
    return _data(
        "blobs",
        [
            centre + noise * normal(seed, k, (per_class, 2), np.float64)
            for k, centre in enumerate(centres)
        ],
        f"seed {seed}",
    )


#: The plane's data sets by name.
TOYS: dict[str, Callable[[], DataSet]] = {
    "spiral": spiral,
    "circles": circles,
    "moons": moons,
    "xor": xor,
    "blobs": blobs,
}


def _check(name: str, per_class: int, noise: float) -> None:
    if per_class < 2:
        raise ArgumentError(
            name,
            got=f"{per_class} points for each class",
            needs="at least 2",
            remedy="Ask for more points.",
        )
    if not 0 <= noise < np.inf:
        raise ArgumentError(
            name,
            got=f"noise {noise}",
            needs="a finite number from 0 on",
            remedy="Choose a standard deviation such as 0.1.",
        )


def _data(name: str, groups: list[Array], told: str) -> DataSet:
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    classes = tuple(str(k) for k in range(len(groups)))
    return DataSet(
        name, classes, Examples(np.concatenate(groups), labels), source=f"the formula, {told}"
    )
