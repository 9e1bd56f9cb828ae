"""Examples put together to a batch, from arrays or from any sequence of pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.data.dataset import DataSet, Examples
from backlight.data.draw import Draw
from backlight.data.image_folder import Gathered, ImageFolder
from backlight.errors import ArgumentError, BacklightError, DataError, ShapeError

Array = np.ndarray[Any, Any]
Note = Callable[[int], None]
Gather = Callable[[Array, Note, Draw], Gathered]


def gatherer(source: Any) -> Gather:
    """A function from positions to a batch as it is stored, for what a loader may be given.

    Parameters
    ----------
    source : Examples, ImageFolder, or a sequence
        A sequence has `__len__` and `__getitem__`, which gives pairs (input, label).

    Raises
    ------
    ArgumentError
        Anything else; a whole DataSet.

    Examples
    --------
    >>> gather = gatherer([([1.0, 2.0], 0), ([3.0, 4.0], 1)])
    >>> gather(np.array([1, 0]), lambda example: None, Draw(0, 0, [1, 0])).labels
    array([1, 0])
    """
    if isinstance(source, DataSet):
        raise ArgumentError(
            "DataLoader",
            got=f"the data set {source.name} with all its splits",
            needs="the examples of one split",
            remedy="Pass dataset.train, dataset.validation or dataset.test",
        )
    if isinstance(source, ImageFolder):
        return source.gather
    if isinstance(source, Examples):
        return lambda indices, _, __: Gathered(
            indices, source.inputs[indices], source.labels[indices], []
        )
    if (
        not (hasattr(source, "__len__") and hasattr(source, "__getitem__"))
        or isinstance(source, (dict, str, bytes, np.ndarray))
        or _is_two_arrays(source)
    ):
        raise ArgumentError(
            "DataLoader",
            got=f"examples of type {type(source).__name__}",
            needs="Examples, or a sequence of pairs (input, label)",
            remedy="Pass Examples(inputs, labels)",
        )
    return lambda indices, note, _: Gathered(indices, *_collate(source, indices, note), [])


def _is_two_arrays(source: Any) -> bool:
    """Whether this is (inputs, labels) and not a list of pairs."""
    return isinstance(source, (tuple, list)) and any(
        isinstance(item, np.ndarray) for item in source[:1]
    )


def _collate(source: Any, indices: Array, note: Note) -> tuple[Array, Array]:
    inputs: list[Array] = []
    labels: list[Array] = []
    for index in indices.tolist():
        note(index)
        try:
            example, label = _pair(source[index])
        except Exception as error:
            raise naming(error, f"example {index}") from error
        if inputs and (example.shape != inputs[0].shape or label.shape != labels[0].shape):
            raise ShapeError(
                f"example {index}",
                got=f"shapes {example.shape} and {label.shape}",
                needs=f"{inputs[0].shape} and {labels[0].shape}, as example {indices[0]}",
                remedy="Resize, crop or pad the examples to one shape",
            )
        inputs.append(example)
        labels.append(label)
    return np.stack(inputs), np.stack(labels)


def _pair(item: Any) -> tuple[Array, Array]:
    if not (isinstance(item, (tuple, list)) and len(item) == 2):
        raise DataError(
            "a sequence of examples",
            got=f"an item of type {type(item).__name__}",
            needs="pairs (input, label)",
            remedy="Return both from __getitem__",
        )
    example, label = np.asarray(item[0]), np.asarray(item[1])
    if example.dtype.kind not in "buif" or label.dtype.kind not in "buif":
        raise DataError(
            "a sequence of examples",
            got=f"an input of {example.dtype} and a label of {label.dtype}",
            needs="numbers",
            remedy="Encode texts and classes as numbers",
        )
    return example, label


def naming(error: Exception, where: str) -> BacklightError:
    """The error, told of a place: Backlight's own keep their class, others become DataError."""
    if isinstance(error, BacklightError):
        return error.within(f"{where}: {error.subject}")
    said = f": {error}" if str(error) else ""
    return DataError(
        where,
        got=f"{type(error).__name__}{said}",
        needs="an example that can be read and transformed",
        remedy="Look at this example by itself, or leave it out",
    )
