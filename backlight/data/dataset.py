"""A data set: inputs, labels and the names of the classes, in splits, checked when it is made.

Whatever was read, from a published file or from a user's arrays, comes out in one form: inputs
as one array with an example a row, labels as int64 numbers 0 … K−1, and K class names. What does
not fit that form is refused here, with the count and the first position of what is wrong, so
that no later part has to ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from backlight.data.labels import label_numbers, refuse_label
from backlight.errors import DataError, RangeError

Array = np.ndarray[Any, Any]

_ROWS_AT_ONCE = 1 << 22  # elements looked at together, so that a check needs little memory


@dataclass(frozen=True, eq=False)
class Examples:
    """The inputs and labels of one split.

    Parameters
    ----------
    inputs : ndarray
        Images, uint8 or float32, shape (n, C, H, W); or features, floating, shape (n, features).
    labels : ndarray of int64, shape (n,)
        The class of each input, 0 … K−1.

    Raises
    ------
    DataError
        Where inputs and labels are not of one length, or there are none, or not arrays like that.
    RangeError
        Where a label is negative.

    Examples
    --------
    >>> two = Examples(np.zeros((2, 1, 8, 8), np.uint8), np.array([3, 1]))
    >>> len(two), two.shape
    (2, (1, 8, 8))
    >>> image, label = two[0]
    >>> label
    3
    >>> two[[1, 0, 1]].labels
    array([1, 3, 1])
    """

    inputs: Array
    labels: Array

    def __post_init__(self) -> None:
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        if labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise DataError(
                "Examples",
                got=f"labels of shape {labels.shape} and type {labels.dtype}",
                needs="whole numbers of shape (n,)",
                remedy="Pass the arrays through check_examples, which converts by stated rules.",
            )
        if inputs.dtype.kind not in "uif" or inputs.ndim < 2:
            raise DataError(
                "Examples",
                got=f"inputs of shape {inputs.shape} and type {inputs.dtype}",
                needs="numbers of shape (n, features) or (n, C, H, W)",
                remedy="Give every example a row; a single feature has shape (n, 1).",
            )
        _check_lengths(inputs, labels, "Examples")
        if len(labels) and labels.min() < 0:
            refuse_label(labels, labels < 0, "Examples", "labels 0 … K−1")
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.inputs.shape[1:])

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> tuple[Array, int]: ...

    @overload
    def __getitem__(self, index: slice | Array | Sequence[int]) -> Examples: ...

    def __getitem__(self, index: Any) -> Examples | tuple[Array, int]:
        """One pair (input, label) for a number; Examples for a slice, a list or an array."""
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            if not -len(self) <= index < len(self):
                raise RangeError(
                    "Examples",
                    got=f"index {index}",
                    needs=f"an index below {len(self)}",
                    remedy="Ask for an example that exists.",
                )
            return self.inputs[index], int(self.labels[index])
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.size == 0:
                index = index.astype(np.int64)
            if (
                index.dtype.kind in "iu"
                and index.size
                and (index.max() >= len(self) or index.min() < -len(self))
            ):
                raise RangeError(
                    "Examples",
                    got=f"indices from {index.min()} to {index.max()}",
                    needs=f"indices below {len(self)}",
                    remedy="Ask for examples that exist.",
                )
        return Examples(self.inputs[index], self.labels[index])

    def __iter__(self) -> Iterator[tuple[Array, int]]:
        """The pairs (input, label), in order."""
        for i in range(len(self)):
            yield self[i]

    def hash_into(self, digest: Any, split: str) -> None:
        """Hand shapes, element types, inputs and labels to a hash."""
        for values in (self.inputs, self.labels):
            digest.update(f"{split}{values.shape}{values.dtype.newbyteorder('<').str}".encode())
            # Row blocks, in one byte order: the same data has one fingerprint everywhere.
            for block in row_blocks(values):
                little = block.astype(block.dtype.newbyteorder("<"), copy=False)
                digest.update(np.ascontiguousarray(little).data)

    def __repr__(self) -> str:
        return f"Examples({len(self)} × {self.shape} {self.inputs.dtype})"


@dataclass(frozen=True, eq=False)
class DataSet:
    """A named data set with its classes and its splits.

    Parameters
    ----------
    name : str
        What a person calls it: "mnist".
    classes : tuple of str
        The name of class k at place k.
    train : Examples
        What is learned from.
    test : Examples, optional
        What is looked at once, at the end; None where it is still to be split from `train`.
    validation : Examples, optional
        What hyper-parameters are chosen on; None where it is still to be split from `train`.
    source : str
        Where it was read.

    Raises
    ------
    DataError
        Where a split is empty, inputs of two splits differ in shape, or there are fewer than two
        classes.
    RangeError
        Where a label has no class.

    Examples
    --------
    >>> train = Examples(np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    >>> data = DataSet("four", ("no", "yes"), train, source="arrays")
    >>> data
    DataSet('four': 2 classes, train 4 × (2,), from arrays)
    >>> data.fingerprint[:8]
    '1b4ae6c5'
    """

    name: str
    classes: tuple[str, ...]
    train: Examples
    test: Examples | None = None
    validation: Examples | None = None
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        if len(self.classes) < 2:
            only = f" ({self.classes[0]!r})" if self.classes else ""
            raise DataError(
                self.name,
                got=f"{len(self.classes)} class{only}",
                needs="at least two classes: a classifier has nothing to tell apart in one",
                remedy="Add examples of another class.",
                source=_read_from(self.source),
            )
        for split, examples in self.splits.items():
            subject = f"{self.name}, {split} split"
            if not len(examples):
                raise DataError(
                    subject,
                    got="no examples",
                    needs="at least one",
                    remedy="Check where the data set was read.",
                    source=_read_from(self.source),
                )
            if examples.shape != self.train.shape:
                raise DataError(
                    subject,
                    got=f"inputs of shape {examples.shape}",
                    needs=f"inputs of shape {self.train.shape}, as in the train split",
                    remedy="Read both splits in the same way.",
                    source=_read_from(self.source),
                )
            if examples.labels.max() >= len(self.classes):
                refuse_label(
                    examples.labels,
                    examples.labels >= len(self.classes),
                    subject,
                    f"labels 0 … {len(self.classes) - 1}, a name for each class",
                )

    @property
    def splits(self) -> dict[str, Examples]:
        """The splits that are there, by name, train first."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over classes, shapes, element types, inputs and labels of every split, in hex."""
        digest = hashlib.sha256(repr(self.classes).encode("utf-8", "surrogatepass"))
        for split, examples in self.splits.items():
            examples.hash_into(digest, split)
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {len(split)}" for name, split in self.splits.items())
        origin = f", from {self.source}" if self.source else ""
        return (
            f"DataSet({self.name!r}: {len(self.classes)} classes, {sizes} × "
            f"{self.train.shape}{origin})"
        )


def check_examples(
    inputs: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    *,
    subject: str = "data",
) -> tuple[Examples, tuple[str, ...]]:
    """Examples and class names from anything like arrays, converted by stated rules or refused.

    Inputs: uint8, float32 and float64 stay; other numbers and booleans become float32. NaN and
    infinity are refused. Labels: whole numbers of shape (n,) or (n, 1) stay; True and False are 1
    and 0; whole floating numbers (1.0) are taken as whole; rows that hold a single 1 (one-hot)
    give its column; texts are classes in alphabetical order, or in the order of `classes`.

    Parameters
    ----------
    inputs : array-like, shape (n, …)
        An example a row; (n,) is taken as one feature each.
    labels : array-like
        As above.
    classes : sequence of str, optional
        Names; without them the texts, or the numbers 0 … largest label.
    subject : str
        What the messages call the data.

    Returns
    -------
    Examples and tuple of str

    Raises
    ------
    DataError
        No examples, one class only, lengths that differ, NaN (count and first position), labels
        that no rule takes.
    RangeError
        A label below 0 or without a class.

    Examples
    --------
    >>> examples, classes = check_examples([[0.5], [1.5]], ["dog", "cat"])
    >>> examples.labels, classes
    (array([1, 0]), ('cat', 'dog'))
    """
    values = check_inputs(inputs, subject)
    if classes is not None and isinstance(classes, str):
        raise DataError(
            subject,
            got=f"classes as one text, {classes!r}",
            needs="a sequence of names",
            remedy="Pass a list of texts.",
        )
    numbers, names = label_numbers(labels, classes, subject)
    _check_lengths(values, numbers, subject)
    if not len(numbers):
        raise DataError(
            subject,
            got="no examples",
            needs="at least two, of different classes",
            remedy="Check what was read.",
        )
    if names is None:
        names = tuple(str(k) for k in range(int(numbers.max()) + 1))
    if numbers.min() < 0 or numbers.max() >= len(names):
        refuse_label(
            numbers,
            (numbers < 0) | (numbers >= len(names)),
            subject,
            f"labels 0 … {len(names) - 1}",
        )
    present = np.unique(numbers)
    if len(present) < 2:
        raise DataError(
            subject,
            got=f"{len(numbers)} examples, all of class {names[present[0]]!r}",
            needs="examples of at least two classes",
            remedy="Add another class; if the data is sorted by class, shuffle before cutting.",
        )
    return Examples(values, numbers), names


def check_inputs(inputs: Any, subject: str = "data") -> Array:
    """Inputs as a numeric array of two or more dimensions without NaN or infinity."""
    try:
        values = np.asarray(inputs)
    except ValueError as error:
        raise DataError(
            subject,
            got="rows of different length",
            needs="inputs of one shape",
            remedy="Resize or pad them.",
        ) from error
    if values.dtype.kind not in "buif":
        raise DataError(
            subject,
            got=f"inputs of type {values.dtype}",
            needs="numbers",
            remedy="Encode texts and categories as numbers first.",
        )
    if values.dtype not in (np.uint8, np.float32, np.float64):
        values = values.astype(np.float32)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim == 0:
        raise DataError(
            subject,
            got="a single number",
            needs="an array with an example a row",
            remedy="Pass inputs of shape (n, …).",
        )
    if values.dtype.kind == "f":
        _check_finite(values, subject)
    return values


def row_blocks(values: Array) -> Iterator[Array]:
    """The array in blocks of whole rows, each of a few million elements."""
    if not values.size:
        return
    rows = max(1, _ROWS_AT_ONCE * len(values) // values.size)
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


def _check_finite(values: Array, subject: str) -> None:
    bad, first, start = 0, None, 0
    for block in row_blocks(values):
        broken = ~np.isfinite(block)
        count = int(np.count_nonzero(broken))
        if count and first is None:
            place = np.unravel_index(int(np.argmax(broken)), block.shape)
            first = [start + int(place[0]), *(int(i) for i in place[1:])]
        bad += count
        start += len(block)
    if first is not None:
        value = values[tuple(first)]
        raise DataError(
            subject,
            got=f"{bad} of {values.size} inputs that are not finite; the first is "
            f"{value} at {first}",
            needs="finite numbers",
            remedy="Remove those examples or fill the gaps, for example with the column's mean.",
        )


def _check_lengths(inputs: Array, labels: Array, subject: str) -> None:
    if len(inputs) != len(labels):
        raise DataError(
            subject,
            got=f"{len(inputs)} inputs and {len(labels)} labels",
            needs="one label for each input",
            remedy="Check that both were read from the same place.",
        )


def _read_from(source: str) -> str:
    return f"It was read from {source}" if source else ""
