"""Splits: nothing lost, nothing twice, every class where it should be, bad input named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.data.dataset import DataSet, Examples
from backlight.data.split import (
    bootstrap,
    kfold,
    split,
    stratified_indices,
    train_validation_test_indices,
)
from backlight.errors import ArgumentError, DataError


def sorted_data(per_class=100, classes=10, **splits):
    labels = np.repeat(np.arange(classes), per_class)
    inputs = np.arange(len(labels), dtype=np.float32)[:, None]
    return DataSet(
        "sorted", tuple(f"c{k}" for k in range(classes)), Examples(inputs, labels), **splits
    )


def positions(examples):
    return examples.inputs[:, 0].astype(int).tolist()


@given(st.integers(2, 300), st.data())
def test_three_ways_hold_every_position_once(n, data):
    validation = data.draw(st.one_of(st.none(), st.integers(1, n - 1), st.floats(0.01, 0.45)))
    room = (
        n
        - 1
        - (
            0
            if validation is None
            else max(1, round(n * validation))
            if isinstance(validation, float)
            else validation
        )
    )
    test = data.draw(st.one_of(st.none(), *([st.integers(1, room)] if room > 0 else [])))
    if room < 0:
        return
    parts = train_validation_test_indices(n, validation, test, seed=data.draw(st.integers(0, 9)))
    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    assert len(parts[0]) > 0
    assert len(parts[2]) == (test or 0)
    assert all(part.dtype == np.int64 for part in parts)


@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=8),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0.1, 0.15, 0.3]),
)
def test_stratified_parts_have_every_class_in_its_share(counts, seed, share):
    labels = np.repeat(np.arange(len(counts)), counts)
    size = max(len(counts), round(share * len(labels)))
    first, second, rest = stratified_indices(labels, [size, size], seed)
    assert sorted(np.concatenate([first, second, rest]).tolist()) == list(range(len(labels)))
    assert len(first) == len(second) == size
    for part in (first, second, rest):
        assert np.bincount(labels[part], minlength=len(counts)).min() >= 1
    if min(counts) * size >= len(labels):  # no class below one example a share
        off = np.bincount(labels[first]) - size * np.array(counts) / len(labels)
        assert np.abs(off).max() <= 1 + 1e-9


def test_a_large_part_leaves_some_of_a_small_class_for_the_others():
    labels = np.array([0] * 3 + [1] * 30)
    parts = stratified_indices(labels, [28, 2])
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[1, 27], [1, 1], [1, 2]]


def test_split_of_data_sorted_by_class_is_not_one_class():
    data = split(sorted_data())
    assert [len(part) for part in data.splits.values()] == [700, 150, 150]
    assert np.bincount(data.train.labels).tolist() == [70] * 10
    assert np.bincount(data.validation.labels).tolist() == [15] * 10
    everything = [place for part in data.splits.values() for place in positions(part)]
    assert sorted(everything) == list(range(1000))
    # Not stratified, still drawn from everywhere; and not sorted inside the part.
    loose = split(sorted_data(), stratified=False)
    assert len(np.unique(loose.validation.labels)) == 10
    assert len(np.unique(loose.validation.labels[:20])) > 3


def test_the_first_examples_of_a_stratified_part_are_mixed():
    assert len(np.unique(split(sorted_data()).train.labels[:50])) > 5


def test_same_seed_same_split_whatever_numpy_draws():
    first = split(sorted_data(), seed=5)
    np.random.seed(1)
    again, other = split(sorted_data(), seed=5), split(sorted_data(), seed=6)
    assert positions(first.validation) == positions(again.validation)
    assert positions(first.validation) != positions(other.validation)


def test_existing_splits_are_kept():
    test = Examples(np.full((7, 1), -1, np.float32), np.zeros(7, int))
    data = split(sorted_data(test=test), validation=100, test=0.5)
    assert data.test is test
    assert (len(data.train), len(data.validation)) == (900, 100)
    whole = sorted_data(test=test, validation=test)
    assert split(whole).train is whole.train


def test_the_last_thousand_when_asked_for():
    labels = np.arange(5000) % 10
    data = DataSet(
        "cifar",
        tuple("abcdefghij"),
        Examples(np.arange(5000.0)[:, None], labels),
        test=Examples(np.zeros((1, 1)), np.zeros(1, int)),
    )
    assert positions(split(data, validation=1000, shuffle=False).validation) == list(
        range(4000, 5000)
    )
    with pytest.raises(DataError, match=r"all of class 'c9'.*sorted by class"):
        split(sorted_data(), validation=None, test=50, shuffle=False)


def test_none_makes_no_split():
    data = split(sorted_data(), validation=None)
    assert data.validation is None
    assert len(data.test) == 150


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, -0.1, float("nan"), 0, -3, True, "0.1"])
def test_impossible_shares_are_refused_by_name(share):
    with pytest.raises(ArgumentError, match=r"test="):
        split(sorted_data(), test=share)


def test_splits_larger_than_the_data():
    with pytest.raises(ArgumentError, match="validation=1000 of 1000"):
        split(sorted_data(), validation=1000)
    with pytest.raises(ArgumentError, match="600 validation and 400 test examples of 1000"):
        split(sorted_data(), validation=600, test=400)
    with pytest.raises(ArgumentError, match="700 validation and 700 test"):
        split(sorted_data(), validation=0.7, test=0.7)


def test_a_class_of_one_cannot_be_stratified():
    data = DataSet(
        "rare",
        ("cat", "dog", "emu"),
        Examples(np.zeros((21, 1)), np.array([0] * 10 + [1] * 10 + [2])),
    )
    with pytest.raises(DataError, match="class 'emu' with 1 example"):
        split(data)
    assert len(split(data, stratified=False).test) == 3
    with pytest.raises(ArgumentError, match="2 examples for 3 classes"):
        split(DataSet("x", ("a", "b", "c"), Examples(np.zeros((30, 1)), np.arange(30) % 3)), test=2)


@given(st.integers(2, 100), st.integers(2, 10), st.integers(0, 5))
def test_folds_hold_out_each_example_once(n, k, seed):
    if k > n:
        with pytest.raises(ArgumentError, match=f"k = {k} folds of {n}"):
            kfold(n, k, seed)
        return
    folds = kfold(n, k, seed)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(n))
    sizes = [len(held) for _, held in folds]
    assert max(sizes) - min(sizes) <= 1
    for train, held in folds:
        assert sorted([*train.tolist(), *held.tolist()]) == list(range(n))


def test_stratified_folds_spread_each_class():
    labels = np.repeat([0, 1, 2], [50, 13, 7])
    for _, held in kfold(70, 5, labels=labels):
        counts = np.bincount(labels[held], minlength=3)
        assert counts[0] == 10
        assert counts[1] in (2, 3)
        assert counts[2] in (1, 2)
    with pytest.raises(DataError, match="class 1 with 1 example"):
        kfold(5, 2, labels=[0, 0, 0, 0, 1])
    with pytest.raises(DataError, match="3 labels for 5"):
        kfold(5, 2, labels=[0, 0, 1])
    with pytest.raises(ArgumentError, match="k=1"):
        kfold(5, 1)


@given(st.integers(2, 200), st.integers(0, 100))
@settings(max_examples=30)
def test_bootstrap_samples_and_what_is_outside(n, seed):
    for sample, outside in bootstrap(n, seed, repeats=3):
        assert len(sample) == n
        assert sample.min() >= 0
        assert sample.max() < n
        assert sorted({*sample.tolist(), *outside.tolist()}) == list(range(n))
        assert not {*sample.tolist()} & {*outside.tolist()}


def test_bootstrap_share_and_independence_of_repeats():
    pairs = list(bootstrap(5000, seed=1, repeats=20))
    share = np.mean([len(outside) for _, outside in pairs]) / 5000
    assert abs(share - np.exp(-1)) < 0.005
    assert not (pairs[0][0] == pairs[1][0]).all()
    assert (next(bootstrap(5000, seed=1))[0] == pairs[0][0]).all()
    with pytest.raises(ArgumentError, match="n=1"):
        bootstrap(1)
    with pytest.raises(ArgumentError, match="seed"):
        bootstrap(5, seed=2**64)
