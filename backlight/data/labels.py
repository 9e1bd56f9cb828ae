"""Labels of any common form as class numbers 0 … K−1, by stated rules; the rest is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from backlight.errors import BacklightError, DataError, RangeError

Array = np.ndarray[Any, Any]

_LARGEST = 2**31  # no data set has more classes


def label_numbers(
    labels: Any, classes: Sequence[str] | None, subject: str
) -> tuple[Array, tuple[str, ...] | None]:
    """Class numbers (int64, n) and class names, None where neither labels nor `classes` name them.

    Examples
    --------
    >>> label_numbers([[0, 1], [1, 0]], None, "data")
    (array([1, 0]), ('0', '1'))
    >>> label_numbers([2.0, 0.0], None, "data")
    (array([2, 0]), None)
    """
    names = None if classes is None else tuple(str(name) for name in classes)
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise DataError(
            subject,
            got="labels of different length",
            needs="one label an example",
            remedy="Give each example one class.",
        ) from error
    if values.dtype.kind == "O":
        values = _uniform(values, subject)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.size and values.dtype.kind in "buif":
        return _one_hot_columns(values, subject), (
            tuple(str(k) for k in range(values.shape[1])) if names is None else names
        )
    if values.ndim != 1:
        raise DataError(
            subject,
            got=f"labels of shape {values.shape}",
            needs="shape (n,), (n, 1) or one-hot (n, classes)",
            remedy="Give each example one class.",
        )
    if values.dtype.kind in "US":
        return _text_numbers(values, names, subject)
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        broken = ~np.isfinite(values) | (values != np.round(values))
        if broken.any():
            refuse_label(values, broken, subject, "whole numbers")
        if values.size and np.abs(values).max() > _LARGEST:
            refuse_label(values, np.abs(values) > _LARGEST, subject, "labels below 2³¹")
    elif values.dtype.kind not in "bui":
        raise DataError(
            subject,
            got=f"labels of type {values.dtype}",
            needs="whole numbers, booleans or texts",
            remedy="Convert the labels.",
        )
    limit = _LARGEST if names is None else len(names)
    if values.size and (int(values.min()) < 0 or int(values.max()) >= limit):
        refuse_label(
            values,
            (values < 0) | (values >= limit),
            subject,
            f"labels 0 … {limit - 1}" if names is not None else "labels from 0 on",
        )
    numbers = values.astype(np.int64)
    if names is None and numbers.size and int(numbers.max()) >= max(1000, 10 * numbers.size):
        refuse_label(
            values,
            numbers == numbers.max(),
            subject,
            "labels that number the classes 0 … K−1 without large gaps",
        )
    return numbers, names


def _uniform(values: Array, subject: str) -> Array:
    kinds = {type(value).__name__ for value in values.reshape(-1)[:100_000]}
    if kinds == {"str"}:
        return values.astype(str)
    raise DataError(
        subject,
        got=f"labels of mixed or unknown types: {', '.join(sorted(kinds))}",
        needs="whole numbers, booleans or texts, all of one type",
        remedy="Convert the labels; an empty cell is not a class.",
    )


def _one_hot_columns(values: Array, subject: str) -> Array:
    broken = ((values != 0) & (values != 1)).any(axis=1) | ((values == 1).sum(axis=1) != 1)
    if broken.any():
        row = int(np.argmax(broken))
        raise DataError(
            subject,
            got=f"labels of shape {values.shape} whose row {row} is {values[row, :8].tolist()}",
            needs="a single 1 in each row (one-hot)",
            remedy="Pass class numbers of shape (n,), one class for each example.",
        )
    columns: Array = values.argmax(axis=1).astype(np.int64)
    return columns


def _text_numbers(
    values: Array, names: tuple[str, ...] | None, subject: str
) -> tuple[Array, tuple[str, ...]]:
    texts = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values
    present, numbers = np.unique(texts, return_inverse=True)
    if names is None:
        return numbers.astype(np.int64).reshape(-1), tuple(str(name) for name in present)
    place = {name: k for k, name in enumerate(names)}
    unknown = [str(name) for name in present if str(name) not in place]
    if unknown:
        row = int(np.argmax(texts == unknown[0]))
        raise RangeError(
            subject,
            got=f"label {unknown[0]!r} at row {row}",
            needs=f"one of {len(names)} classes: {', '.join(names[:12])}",
            remedy="Correct the label or add its class.",
        )
    table = np.array([place[str(name)] for name in present], np.int64)
    return table[numbers.reshape(-1)], names


def refuse_label(labels: Array, broken: Array, subject: str, needs: str) -> NoReturn:
    """Raise the error that names the first broken label, its row and how many there are."""
    row = int(np.argmax(broken))
    count = int(np.count_nonzero(broken))
    value = labels[row].item()
    kind: type[BacklightError] = RangeError
    if isinstance(value, float) and not (np.isfinite(value) and value == round(value)):
        kind = DataError
    more = f" ({count} such labels)" if count > 1 else ""
    raise kind(
        subject,
        got=f"label {value} at row {row}{more}",
        needs=needs,
        remedy="Correct or remove those examples; class numbers begin at 0.",
    )
