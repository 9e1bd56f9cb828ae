"""Labels as numbers of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.errors import DataError

Array = np.ndarray[Any, Any]


def check_same_kind(who: str, y: Array, classes: Array) -> None:
    """Refuse words beside numbers: which label is which would be a guess.

    Raises
    ------
    DataError
        If some labels are words and others are not.
    """
    if len(y) and len(classes) and _is_text(y) != _is_text(classes):
        raise DataError(
            who,
            got=f"labels such as {y[0]!r} beside {classes[0]!r}",
            needs="numbers, or words, but not both",
            remedy="Give every part of the data labels of one kind.",
        )


def coded(who: str, y: Array, classes: Array) -> Array:
    """The place of each label among the classes, which are sorted.

    Raises
    ------
    DataError
        If a label is none of them.

    Examples
    --------
    >>> coded("example", np.array(["b", "a"]), np.array(["a", "b"])).tolist()
    [1, 0]
    """
    check_same_kind(who, y, classes)
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unseen = classes[codes] != y
    if np.any(unseen):
        raise DataError(
            who,
            got=f"the label {np.asarray(y)[unseen][0]}, which is none of its classes",
            needs=f"labels among {', '.join(map(str, classes[:10]))}",
            remedy="Name all labels by classes=… at the first partial_fit, or fit anew.",
        )
    return codes.astype(np.int64)


def _is_text(labels: Array) -> bool:
    return isinstance(labels[:1].tolist()[0], str)
