"""Data sets by length and item, their subsets, and random splits."""

import numpy as np
import pytest

from backlight import tensor
from backlight.data import DataLoader, Dataset, Subset, TensorDataset, random_split
from backlight.errors import ArgumentError, RangeError, ShapeError

PAIRS = TensorDataset(np.arange(20.0).reshape(10, 2), np.arange(10))


def test_a_loader_takes_them():
    part = Subset(TensorDataset(tensor(np.eye(4)), tensor([3, 2, 1, 0])), [3, 1, 1])
    ((inputs, labels),) = DataLoader(part, batch_size=3)
    assert labels.tolist() == [0, 2, 2]
    assert np.array_equal(inputs, np.eye(4)[[3, 1, 1]])
    assert isinstance(PAIRS, Dataset)
    assert not isinstance(3, Dataset)


@pytest.mark.parametrize(
    ("lengths", "sizes"),
    [([7, 3], [7, 3]), ([0.75, 0.25], [8, 2]), ([0.3, 0.3, 0.4], [3, 3, 4]), ([10, 0], [10, 0])],
)
def test_parts_share_nothing_and_miss_nothing(lengths, sizes):
    parts = random_split(PAIRS, lengths, seed=5)
    assert [len(part) for part in parts] == sizes
    assert sorted(int(label) for part in parts for _, label in part) == list(range(10))
    again = random_split(PAIRS, lengths, seed=5)
    assert [part.indices for part in parts] == [part.indices for part in again]


def test_the_seed_matters():
    assert random_split(PAIRS, [5, 5])[0].indices != random_split(PAIRS, [5, 5], seed=1)[0].indices


@pytest.mark.parametrize(
    "lengths", [[5, 4], [0.5, 0.4], [-1, 11], [1.5, -0.5], [float("nan"), 1.0], []]
)
def test_lengths_that_do_not_add_up(lengths):
    with pytest.raises(ArgumentError, match="random_split"):
        random_split(PAIRS, lengths)


def test_refusals():
    with pytest.raises(ShapeError, match=r"\(3, 3\) and \(2,\)"):
        TensorDataset(np.eye(3), [0, 1])
    with pytest.raises(ShapeError):
        TensorDataset(1.0, 2)
    with pytest.raises(RangeError, match="index 10 at position 1"):
        Subset(PAIRS, [0, 10])
    with pytest.raises(RangeError):
        Subset(PAIRS, [-1])
    with pytest.raises(IndexError):
        PAIRS[10]
