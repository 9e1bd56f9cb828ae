"""Splits: which examples are learned from, which are chosen by, and which are looked at once.

Every choice is a pure function of the seed and of the labels, so that a resumed run, or a
colleague, holds out the same examples. They are drawn at random, not cut from the end, unless that
is asked for: image folders come sorted by class, and their end is one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from backlight import philox
from backlight.data.dataset import DataSet
from backlight.data.number import seed_number, whole_number
from backlight.errors import ArgumentError, DataError

Array = np.ndarray[Any, Any]

# Streams of the same seed that are used for nothing else: initial weights count theirs from 0.
_HOLD_OUT = 0xDB << 56
_FOLDS = 0xDC << 56
_BOOTSTRAP = 0xDD << 56


def split(
    dataset: DataSet,
    validation: float | int | None = 0.15,
    test: float | int | None = 0.15,
    seed: int = 0,
    stratified: bool = True,
    *,
    shuffle: bool = True,
) -> DataSet:
    """The data set with train, validation and test splits; the ones it has are kept.

    Parameters
    ----------
    dataset : DataSet
        Its missing splits are taken out of its train split.
    validation, test : float, int or None
        A fraction of the train split as it came, above 0 and below 1; or a number of examples,
        1 or more; None takes none. A `test` is not used where the data set has a test split.
    seed : int
        0 … 2⁶⁴−1: another seed holds out other examples.
    stratified : bool
        Keep the share of every class in each split, to within one example.
    shuffle : bool
        False holds out the *last* examples, test behind validation, as the course does with the
        last 1,000 of CIFAR-10's 50,000. Refused where that would hold out a single class.

    Returns
    -------
    DataSet

    Raises
    ------
    ArgumentError
        A fraction of 0, 1 or more; splits that leave nothing to learn from.
    DataError
        A class with fewer examples than there are splits, where `stratified`; held-out examples of
        one class, where not `shuffle`.

    Examples
    --------
    >>> from backlight.data.dataset import Examples
    >>> sorted_by_class = Examples(np.zeros((100, 4)), np.arange(100) // 50)
    >>> data = split(DataSet("two", ("a", "b"), sorted_by_class))
    >>> [len(examples) for examples in data.splits.values()]
    [70, 15, 15]
    >>> np.bincount(data.validation.labels).tolist()
    [8, 7]
    """
    subject = f"split of {dataset.name}"
    labels = dataset.train.labels
    wanted = (None if dataset.validation else validation, None if dataset.test else test)
    if shuffle:
        chosen = _three_ways(
            len(labels), *wanted, seed, labels if stratified else None, subject, dataset.classes
        )
    else:
        chosen = _last(len(labels), *wanted, subject)
        _refuse_one_class(labels, chosen[1:], subject, dataset.classes)
    train, held_validation, held_test = chosen
    return DataSet(
        name=dataset.name,
        classes=dataset.classes,
        source=dataset.source,
        train=dataset.train if len(train) == len(labels) else dataset.train[train],
        validation=dataset.train[held_validation] if len(held_validation) else dataset.validation,
        test=dataset.train[held_test] if len(held_test) else dataset.test,
    )


def train_validation_test_indices(
    n: int,
    validation: float | int | None = 0.15,
    test: float | int | None = 0.15,
    seed: int = 0,
    labels: Any = None,
) -> tuple[Array, Array, Array]:
    """Three arrays of positions, in random order, that together hold 0 … n−1 once each.

    Parameters
    ----------
    n : int
        Number of examples.
    validation, test : float, int or None
        A fraction of n, a number of examples, or None for an empty split.
    seed : int
        0 … 2⁶⁴−1.
    labels : array-like of shape (n,), optional
        With labels the splits are stratified.

    Returns
    -------
    tuple of three int64 arrays
        Train, validation, test.

    Examples
    --------
    >>> train, validation, test = train_validation_test_indices(10, validation=2, test=0.3)
    >>> len(train), len(validation), len(test)
    (5, 2, 3)
    """
    return _three_ways(whole_number(n, "n", "split", 1), validation, test, seed, labels, "split")


def stratified_indices(
    labels: Any,
    sizes: Sequence[int],
    seed: int = 0,
    *,
    subject: str = "stratified split",
    classes: Sequence[str] | None = None,
) -> list[Array]:
    """Positions for each size, every class with its share in each, and the rest as last.

    A class of nₖ among n examples gets size·nₖ/n of a split, rounded so that the sizes come out
    (largest remainder) and so that every split, the rest included, has one of each class at least.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Class of each example, of any type that sorts.
    sizes : sequence of int
        Sizes of the splits, together less than n.
    seed : int
        0 … 2⁶⁴−1.
    subject : str
        What the messages call the split.
    classes : sequence of str, optional
        Names of the classes 0 … K−1, for the messages.

    Returns
    -------
    list of int64 arrays, one more than `sizes`

    Raises
    ------
    DataError
        A class with fewer examples than there are splits.

    Examples
    --------
    >>> held_out, rest = stratified_indices([0, 0, 0, 0, 1, 1], [3])
    >>> np.asarray([0, 0, 0, 0, 1, 1])[held_out].tolist().count(1)
    1
    """
    names, numbers, counts = _classes(labels, subject, classes)
    n, parts = len(numbers), len(sizes) + 1
    _refuse_rare(names, counts, parts, subject, f"{parts} splits")
    order = philox.permutation(seed_number(seed, subject), _HOLD_OUT, n)
    chosen, left, free = [], counts, order
    for place, size in enumerate(sizes):
        if size < len(counts):
            raise ArgumentError(
                subject,
                got=f"a split of {size} examples for {len(counts)} classes",
                needs="at least one example of each class in each split",
                remedy="Make the split larger, or pass stratified=False",
            )
        taken = _allocate(left, size, keep=parts - 1 - place)
        # The rank of each example among those of its class, in the random order.
        by_class = np.argsort(numbers[free], kind="stable")
        rank = np.empty(len(free), np.int64)
        starts = np.cumsum(left) - left
        rank[by_class] = np.arange(len(free)) - np.repeat(starts, left)
        inside = rank < taken[numbers[free]]
        chosen.append(free[inside])
        left, free = left - taken, free[~inside]
    return [*chosen, free]


def kfold(n: int, k: int, seed: int = 0, labels: Any = None) -> list[tuple[Array, Array]]:
    """Pairs (train, held out) of positions, k of them; each example is held out exactly once.

    Parameters
    ----------
    n : int
        Number of examples.
    k : int
        Number of folds, 2 … n. Their sizes differ by one at most.
    seed : int
        0 … 2⁶⁴−1.
    labels : array-like of shape (n,), optional
        With labels each class is dealt out evenly over the folds.

    Returns
    -------
    list of k pairs of int64 arrays

    Raises
    ------
    ArgumentError
        k below 2 or above n.
    DataError
        A class with fewer than k examples.

    Examples
    --------
    >>> for train, held_out in kfold(5, 2):
    ...     print(len(train), len(held_out))
    2 3
    3 2
    """
    n, k = whole_number(n, "n", "kfold", 1), whole_number(k, "k", "kfold", 2)
    if k > n:
        raise ArgumentError(
            "kfold",
            got=f"k = {k} folds of {n} examples",
            needs="an example or more in each fold",
            remedy=f"Choose k between 2 and {n}",
        )
    order = philox.permutation(seed_number(seed, "kfold"), _FOLDS, n)
    if labels is not None:
        names, numbers, counts = _classes(labels, "kfold", None)
        _check_length(numbers, n, "kfold")
        _refuse_rare(names, counts, k, "kfold", f"{k} folds")
        order = order[np.argsort(numbers[order], kind="stable")]
    # Dealt like cards, one to each fold in turn: a class is spread as evenly as it can be.
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % k
    return [(np.flatnonzero(fold != j), np.flatnonzero(fold == j)) for j in range(k)]


def bootstrap(n: int, seed: int = 0, repeats: int = 1) -> Iterator[tuple[Array, Array]]:
    """Pairs (sample, out of bag): n draws with replacement, and the positions never drawn.

    An example stays out of the bag with probability (1 − 1/n)ⁿ → 1/e, about 36.8%.

    Parameters
    ----------
    n : int
        Number of examples, 2 or more. Of very few, all may be drawn: the bag's outside is empty.
    seed : int
        0 … 2⁶⁴−1. The sample of repeat r does not depend on how many repeats are asked for.
    repeats : int
        How many samples, 1 or more.

    Yields
    ------
    sample, out_of_bag : int64 arrays

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.

    Examples
    --------
    >>> sample, out_of_bag = next(bootstrap(1000))
    >>> len(sample), bool(340 < len(out_of_bag) < 400)
    (1000, True)
    """
    n = whole_number(n, "n", "bootstrap", 2)
    repeats = whole_number(repeats, "repeats", "bootstrap", 1)
    seed = seed_number(seed, "bootstrap")
    return (_resample(n, seed, repeat) for repeat in range(repeats))


def _resample(n: int, seed: int, repeat: int) -> tuple[Array, Array]:
    words = philox.integers(seed, _BOOTSTRAP | repeat, n).astype(np.uint64)
    # Whole-number scaling: a product of a 32-bit word and n, its upper half, is below n always.
    sample = ((words * np.uint64(n)) >> np.uint64(32)).astype(np.int64)
    drawn = np.zeros(n, bool)
    drawn[sample] = True
    return sample, np.flatnonzero(~drawn)


def _three_ways(
    n: int,
    validation: float | int | None,
    test: float | int | None,
    seed: int,
    labels: Any,
    subject: str,
    classes: Sequence[str] | None = None,
) -> tuple[Array, Array, Array]:
    sizes = _sizes(n, validation, test, subject)
    if labels is None:
        order = philox.permutation(seed_number(seed, subject), _HOLD_OUT, n)
        held_test, held_validation, train = np.split(order, [sizes[1], sizes[1] + sizes[0]])
        return train, held_validation, held_test
    _check_length(labels, n, subject)
    wanted = [size for size in sizes if size]
    chosen = iter(stratified_indices(labels, wanted, seed, subject=subject, classes=classes))
    none = np.empty(0, np.int64)
    held = [next(chosen) if size else none for size in sizes]
    return next(chosen), held[0], held[1]


def _last(
    n: int, validation: float | int | None, test: float | int | None, subject: str
) -> tuple[Array, Array, Array]:
    sizes = _sizes(n, validation, test, subject)
    cuts = [n - sizes[0] - sizes[1], n - sizes[1]]
    train, held_validation, held_test = np.split(np.arange(n), cuts)
    return train, held_validation, held_test


def _sizes(
    n: int, validation: float | int | None, test: float | int | None, subject: str
) -> tuple[int, int]:
    sizes = (_size(validation, n, "validation", subject), _size(test, n, "test", subject))
    if sum(sizes) >= n:
        raise ArgumentError(
            subject,
            got=f"{sizes[0]} validation and {sizes[1]} test examples of {n}",
            needs="at least one example left to learn from",
            remedy="Ask for smaller splits, or read more data",
        )
    return sizes


def _size(share: Any, n: int, name: str, subject: str) -> int:
    if share is None:
        return 0
    if isinstance(share, (float, np.floating)):
        if not 0 < share < 1:
            raise ArgumentError(
                subject,
                got=f"{name}={share}",
                needs="a fraction above 0 and below 1",
                remedy="Pass a whole number to ask for that many examples, None for no such split",
            )
        # At least one: a fraction was asked for, so there is such a split.
        return max(1, round(n * float(share)))
    size = whole_number(share, name, subject, 1)
    if size >= n:
        raise ArgumentError(
            subject,
            got=f"{name}={size} of {n} examples",
            needs="a split smaller than the data it is taken from",
            remedy="Ask for fewer, or for a fraction such as 0.15",
        )
    return size


def _allocate(counts: Array, size: int, keep: int) -> Array:
    """How many of each class: its share, largest remainders first, 1 at least, leaving `keep`."""
    quota = size * counts / counts.sum()
    taken: Array = np.clip(np.floor(quota).astype(np.int64), 1, counts - keep)
    while (missing := size - int(taken.sum())) != 0:
        step = 1 if missing > 0 else -1
        open_to = taken < counts - keep if step > 0 else taken > 1
        if not open_to.any():
            raise ArgumentError(
                "stratified split",
                got=f"a split of {size} of {int(counts.sum())} examples",
                needs=f"{keep} or more of each class left for the other splits",
                remedy="Make the split smaller, or pass stratified=False",
            )
        # The class that is furthest behind its share, or ahead of it, is moved by one.
        taken[np.argmax(np.where(open_to, step * (quota - taken), -np.inf))] += step
    return taken


def _classes(
    labels: Any, subject: str, names: Sequence[str] | None
) -> tuple[list[str], Array, Array]:
    values = np.asarray(labels)
    if values.ndim != 1 or not len(values):
        raise DataError(
            subject,
            got=f"labels of shape {values.shape}",
            needs="shape (n,), n ≥ 1",
            remedy="Give each example the label of its class",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        first = int(np.argmax(~np.isfinite(values)))
        raise DataError(
            subject,
            got=f"a label that is not finite, {values[first]} at [{first}]",
            needs="the class of each example",
            remedy="Remove those examples",
        )
    present, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    known = [repr(names[int(value)]) if names else repr(value.item()) for value in present]
    return known, numbers, counts


def _refuse_rare(names: list[str], counts: Array, needed: int, subject: str, why: str) -> None:
    rare = np.flatnonzero(counts < needed)
    if len(rare):
        told = ", ".join(
            f"{names[k]} with {counts[k]} example{'s' * int(counts[k] > 1)}" for k in rare[:5]
        )
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        raise DataError(
            subject,
            got=f"class {told}{more}",
            needs=f"at least {needed} of each class, one for each of {why}",
            remedy="Add examples, leave that class out, or do not stratify "
            "(stratified=False; labels=None)",
        )


def _refuse_one_class(
    labels: Array, held: Sequence[Array], subject: str, classes: Sequence[str]
) -> None:
    if labels.min() == labels.max():
        return
    for part in held:
        if len(part) > 1 and labels[part].min() == labels[part].max():
            raise DataError(
                subject,
                got=f"{len(part)} last examples that are all of class "
                f"{classes[int(labels[part[0]])]!r}: the data is sorted by class",
                needs="held-out examples of several classes",
                remedy="Leave shuffle=True",
            )


def _check_length(labels: Any, n: int, subject: str) -> None:
    if len(labels) != n:
        raise DataError(
            subject,
            got=f"{len(labels)} labels for {n} examples",
            needs="one label for each example",
            remedy="Pass the labels of this data",
        )
