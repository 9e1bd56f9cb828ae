"""What a study works on: rows of numbers in [0, 1] with their labels, to learn from and to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight.data import DataSet
from backlight.errors import DataError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Material:
    """Examples as rows.

    Attributes
    ----------
    name : str
        Of the data set.
    classes : tuple of str
    shape : tuple of int
        Of an example: (channels, height, width), or (features,).
    train, labels : array
        Rows (count, features) in float32 and class numbers (count,).
    held, held_labels : array
        Examples that nothing is learned from.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: Array
    labels: Array
    held: Array
    held_labels: Array

    @property
    def images(self) -> bool:
        """Whether the examples are pictures."""
        return len(self.shape) == 3

    def first(self, count: int | None, held: int | None = None) -> Material:
        """Only the first examples; all where there are fewer.

        Examples
        --------
        >>> rows = np.zeros((9, 4), np.float32)
        >>> many = Material("toy", ("a", "b"), (4,), rows, np.zeros(9, int), rows, np.zeros(9, int))
        >>> small = many.first(5, 2)
        >>> len(small.train), len(small.held_labels)
        (5, 2)
        """
        return replace(
            self,
            train=self.train[:count],
            labels=self.labels[:count],
            held=self.held[:held],
            held_labels=self.held_labels[:held],
        )

    def pictures(self, rows: Array) -> Array:
        """Rows as pictures (count, channels, height, width)."""
        return rows.reshape(len(rows), *self.shape)

    def need_images(self, who: str) -> None:
        """Refuse examples that are no pictures."""
        if not self.images:
            raise DataError(
                f"study {who}",
                got=f"examples of shape {self.shape} from {self.name}",
                needs="pictures",
                remedy="Use --data digits, mnist, cifar10 or folder:PATH.",
            )


def material(data: DataSet, count: int | None = None) -> Material:
    """Training and validation examples of a split data set; pictures are scaled to [0, 1].

    Parameters
    ----------
    data : DataSet
        With a validation split.
    count : int, optional
        Take only the first training examples. Default: all.

    Examples
    --------
    >>> from backlight.data import load
    >>> from backlight.data.split import split
    >>> found = material(split(load("digits"), 0.15, 0.15))
    >>> found.train.shape, found.shape, float(found.train.max())
    ((1257, 64), (1, 8, 8), 1.0)

    Raises
    ------
    DataError
        If it has no validation split, or numbers that are not finite.
    """
    if data.validation is None:
        raise DataError(
            "material",
            got=f"{data.name} without a validation split",
            needs="examples that nothing is learned from",
            remedy="Split it first: backlight.data.split.split(data, 0.15, 0.15).",
        )
    train, held = np.asarray(data.train.inputs[:count]), np.asarray(data.validation.inputs)
    shape = tuple(train.shape[1:])
    low, scale = 0.0, 1.0
    if len(shape) == 3:
        low = min(0.0, float(train.min()))
        scale = _whitest(float(train.max())) - low
    rows = [
        (one.reshape(len(one), -1).astype(np.float32) - np.float32(low)) / np.float32(scale)
        for one in (train, held)
    ]
    if not all(np.isfinite(one).all() for one in rows):
        raise DataError(
            "material",
            got=f"numbers in {data.name} that are not finite",
            needs="finite numbers",
            remedy="Remove or repair those examples.",
        )
    return Material(
        data.name,
        tuple(map(str, data.classes)),
        shape,
        rows[0],
        np.asarray(data.train.labels[:count]),
        rows[1],
        np.asarray(data.validation.labels),
    )


def _whitest(most: float) -> float:
    """What counts as white where this is the largest number: 1, 16 (digits) or 255."""
    return next((white for white in (1.0, 16.0, 255.0) if most <= white), most)


def centred(rows: Array, *others: Array) -> Sequence[Array]:
    """Rows less the mean of the first ones, with a constant 1 behind each (the bias trick).

    Examples
    --------
    >>> [one.tolist() for one in centred(np.array([[0.0], [2.0]]))]
    [[[-1.0, 1.0], [1.0, 1.0]]]
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    return [np.c_[one - mean, np.ones(len(one))] for one in (rows, *others)]
