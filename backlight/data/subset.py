"""Data sets as PyTorch's users write them: anything with a length whose items are pairs.

The loader takes every such object; the classes here save writing the common ones. `Examples` does
the same for whole arrays and is quicker, since a batch of it is one indexing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from backlight import philox
from backlight.data.number import seed_number, whole_number
from backlight.errors import ArgumentError, RangeError, ShapeError

# A stream of its own, so that a split and an epoch's order of one seed are independent.
_STREAM = 0x5B << 56


@runtime_checkable
class Dataset(Protocol):
    """What a data set is: a length, and a pair (input, label) for each place from 0 on.

    A subclass only needs to define the two.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def __getitem__(self, index):
    ...         return np.array([index]), index**2
    >>> Squares()[3]
    (array([3]), 9)
    """

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """The pair at a place."""
        ...


class TensorDataset(Dataset):
    """Pairs of two tensors or arrays, along their first axis; their memory is shared.

    Parameters
    ----------
    inputs, labels : array_like
        As long as one another.

    Raises
    ------
    ShapeError
        If the lengths differ, or one has no axis.

    Examples
    --------
    >>> pairs = TensorDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> len(pairs), pairs[1][0].tolist(), int(pairs[1][1])
    (2, [3.0, 4.0], 1)
    """

    def __init__(self, inputs: Any, labels: Any) -> None:
        self.inputs, self.labels = np.asarray(inputs), np.asarray(labels)
        if self.inputs.shape[:1] != self.labels.shape[:1] or not self.inputs.ndim:
            raise ShapeError(
                "TensorDataset",
                got=f"shapes {self.inputs.shape} and {self.labels.shape}",
                needs="first axes of equal length: one label for each input",
                remedy="Check which rows belong together.",
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.inputs[index], self.labels[index]


class Subset(Dataset):
    """The examples of a data set at some places, in their order.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Places 0 … len(dataset) − 1; one may come twice.

    Raises
    ------
    RangeError
        If a place is outside the data set.

    Examples
    --------
    >>> part = Subset(TensorDataset(np.eye(3), [5, 6, 7]), [2, 0])
    >>> len(part), int(part[0][1])
    (2, 7)
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices
        for position, index in enumerate(indices):
            if not 0 <= index < len(dataset):
                raise RangeError(
                    "Subset",
                    got=f"index {index} at position {position}",
                    needs=f"places from 0 to {len(dataset) - 1}",
                    remedy="Correct the indices.",
                )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]


def random_split(dataset: Dataset, lengths: Sequence[float], seed: int = 0) -> list[Subset]:
    """Parts of a data set that share no example, drawn at random.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int, or of float
        Sizes that add up to all examples; or shares that add up to 1, whose remainder goes to the
        first parts, one each.
    seed : int
        The same seed gives the same parts on every machine.

    Raises
    ------
    ArgumentError
        If the sizes do not add up.

    Examples
    --------
    >>> parts = random_split(TensorDataset(np.eye(10), np.arange(10)), [0.8, 0.2])
    >>> [len(part) for part in parts], len({int(label) for part in parts for _, label in part})
    ([8, 2], 10)
    """
    sizes = _sizes(lengths, len(dataset))
    order = philox.permutation(seed_number(seed, "random_split"), _STREAM, len(dataset)).tolist()
    parts, start = [], 0
    for size in sizes:
        parts.append(Subset(dataset, order[start : start + size]))
        start += size
    return parts


def _sizes(lengths: Sequence[float], count: int) -> list[int]:
    if any(isinstance(length, float) for length in lengths):
        if all(length >= 0 for length in lengths) and math.isclose(math.fsum(lengths), 1.0):
            # A hair is added so that 0.29 of 100 is 29, and not 28.999….
            sizes = [math.floor(length * count + 1e-9) for length in lengths]
            for place in range(count - sum(sizes)):
                sizes[place % len(sizes)] += 1
            return sizes
    else:
        sizes = [whole_number(length, "a length", "random_split") for length in lengths]
        if sum(sizes) == count:
            return sizes
    raise ArgumentError(
        "random_split",
        got=f"lengths {list(lengths)} for {count} examples",
        needs=f"whole numbers that add up to {count}, or shares that add up to 1",
        remedy="Correct the lengths.",
    )
