"""The loader: every example once an epoch, the same bits however it is run, and no stuck thread."""

import _thread
import gc
import json
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.data import loader
from backlight.data.augment import ColorJitter, RandomHorizontalFlip, RandomShift
from backlight.data.dataset import DataSet, Examples
from backlight.data.normalize import Normalize
from backlight.data.transform import Compose
from backlight.errors import ArgumentError, CheckpointError, DataError, ShapeError

AUGMENT = Compose(
    [RandomShift(2), RandomHorizontalFlip(), ColorJitter(0.3, 0.3), Normalize(100.0, 50.0)]
)


def DataLoader(*given, **settings):
    """A loader that shuffles, as most of these tests are about."""
    return loader.DataLoader(*given, **{"shuffle": True, **settings})


def test_the_defaults_are_those_of_pytorch():
    plain = loader.DataLoader(numbered(3))
    assert [labels.tolist() for _, labels in plain] == [[0], [1], [2]]


def numbered(n):
    """Examples whose input says their position."""
    return Examples(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % 3)


def pictures(n):
    values = np.random.default_rng(1).integers(0, 256, (n, 3, 6, 6)).astype(np.uint8)
    return Examples(values, np.arange(n) % 5)


def bits(batches):
    return [(inputs.tobytes(), labels.tobytes()) for inputs, labels in batches]


def seen(batches):
    return [int(value) for inputs, _ in batches for value in inputs[:, 0]]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "backlight-loader"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert not loader_threads()


@given(st.integers(1, 70), st.data())
@settings(max_examples=60)
def test_every_example_once_an_epoch(n, data):
    size = data.draw(st.integers(1, n))
    loader = DataLoader(
        numbered(n),
        size,
        shuffle=data.draw(st.booleans()),
        seed=data.draw(st.integers(0, 2**64 - 1)),
        prefetch=data.draw(st.sampled_from([0, 1, 3])),
    )
    for epoch in range(2):
        assert loader.epoch == epoch
        batches = list(loader)
        assert len(batches) == len(loader) == -(-n // size)
        assert sorted(seen(batches)) == list(range(n))
        for inputs, labels in batches:
            assert inputs.dtype == np.float32
            assert labels.dtype == np.int64
            assert inputs.flags.c_contiguous
            assert (labels == inputs[:, 0].astype(int) % 3).all()


def test_drop_last_leaves_full_batches_only():
    loader = DataLoader(numbered(10), 4, drop_last=True)
    assert [len(labels) for _, labels in loader] == [4, 4]
    assert len(loader) == 2
    assert len(list(DataLoader(numbered(8), 4, drop_last=True))) == 2


def test_order_is_a_function_of_seed_and_epoch():
    first, second = DataLoader(numbered(50), 8, seed=3), DataLoader(numbered(50), 25, seed=3)
    epochs = [seen(first) for _ in range(3)]
    assert epochs == [seen(second) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs[0] != seen(DataLoader(numbered(50), 8, seed=4))
    first.set_epoch(1)
    assert seen(first) == epochs[1]
    plain = DataLoader(numbered(50), 8, shuffle=False)
    assert seen(plain) == seen(plain) == list(range(50))


@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 99), st.sampled_from([1, 2, 5]))
@settings(max_examples=25)
def test_prefetching_changes_no_bit(n, size, seed, prefetch):
    size = min(size, n)
    plain, early = (
        DataLoader(pictures(n), size, seed=seed, transform=AUGMENT, prefetch=depth)
        for depth in (0, prefetch)
    )
    for _ in range(2):
        assert bits(plain) == bits(early)


def test_augmentation_is_bound_to_the_example():
    """Other batch sizes and orders show the same augmented image in the same epoch."""

    def by_example(**options):
        examples = Examples(pictures(20).inputs, np.arange(20))
        return {
            int(label): image.tobytes()
            for inputs, labels in DataLoader(examples, seed=1, transform=AUGMENT, **options)
            for image, label in zip(inputs, labels, strict=True)
        }

    expected = by_example(batch_size=20, shuffle=False)
    assert by_example(batch_size=3) == expected
    assert by_example(batch_size=1, prefetch=0) == expected


def test_augmentation_changes_from_epoch_to_epoch():
    loader = DataLoader(pictures(20), 20, shuffle=False, transform=AUGMENT)
    first, second = bits(loader), bits(loader)
    assert first != second
    loader.set_epoch(0)
    assert bits(loader) == first


@given(st.integers(3, 30), st.integers(1, 7), st.booleans(), st.sampled_from([0, 2]), st.data())
@settings(max_examples=60)
def test_resuming_anywhere_gives_the_batches_that_would_have_come(
    n, size, drop_last, prefetch, data
):
    def make(depth=0):
        return DataLoader(
            pictures(n),
            min(size, n),
            seed=7,
            transform=AUGMENT,
            drop_last=drop_last,
            prefetch=depth,
        )

    straight, whole = make(), []
    for _ in range(3):
        whole += bits(straight)
    stop = data.draw(st.integers(0, len(whole)))
    got, loader = [], make(prefetch)
    while len(got) < stop:
        for inputs, labels in loader:
            got += bits([(inputs, labels)])
            if len(got) == stop:
                break
    state = json.loads(json.dumps(loader.state_dict()))
    resumed = make(prefetch)
    resumed.load_state_dict(state)
    while resumed.epoch < 3:
        got += bits(resumed)
    assert got == whole


def test_killed_ten_times_in_one_epoch():
    whole = seen(DataLoader(numbered(40), 2))
    loader, got = DataLoader(numbered(40), 2), []
    for kill in range(10):
        for inputs, labels in loader:
            got += seen([(inputs, labels)])
            if kill < 9 and loader.position % 2 == 0:
                break
        state = loader.state_dict()
        loader = DataLoader(numbered(40), 2)
        loader.load_state_dict(state)
    assert got == whole
    assert (loader.epoch, loader.position) == (1, 0)


def test_resuming_reads_nothing_of_what_is_past():
    asked = []

    class Recorded:
        def __len__(self):
            return 12

        def __getitem__(self, index):
            asked.append(index)
            return [float(index)], 0

    loader = DataLoader(Recorded(), 3, prefetch=0)
    loader.load_state_dict({**loader.state_dict(), "epoch": 5, "position": 2})
    assert len(list(loader)) == 2
    assert sorted(asked) == sorted(loader.order(5)[6:].tolist())


def test_state_counts_what_was_handed_out_and_not_what_was_made():
    loader = DataLoader(numbered(20), 2, prefetch=5)
    batches = iter(loader)
    next(batches)
    time.sleep(0.05)
    assert loader.position == 1
    batches.close()
    assert loader.state_dict()["position"] == 1


def test_epoch_after_leaving_early_after_the_last_batch_and_after_set_epoch():
    loader = DataLoader(numbered(6), 2)
    first = seen([next(iter(loader))])
    assert loader.epoch == 0
    assert seen(loader)[:2] == first  # looking at a batch changes nothing
    assert loader.epoch == 1
    for _ in zip(range(3), loader, strict=False):  # takes the last batch and asks no further
        pass
    assert (loader.epoch, loader.position) == (1, 3)
    next(iter(loader))
    assert loader.epoch == 2
    # A training loop that names its epochs keeps the position it has just loaded.
    resumed = DataLoader(numbered(6), 2)
    resumed.load_state_dict({**resumed.state_dict(), "epoch": 4, "position": 2})
    resumed.set_epoch(4)
    assert len(list(resumed)) == 1
    resumed.load_state_dict({**resumed.state_dict(), "epoch": 4, "position": 2})
    resumed.set_epoch(5)
    assert len(list(resumed)) == 3
    resumed.set_epoch(5)
    assert (resumed.epoch, resumed.position) == (5, 0)


def test_two_loops_at_once_see_the_same_batches():
    loader = DataLoader(numbered(10), 3)
    for left, right in zip(loader, loader, strict=True):
        assert bits([left]) == bits([right])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"length": 11}, "length 11"),
        ({"batch_size": 4}, "batch_size 4"),
        ({"seed": 1}, "seed 1"),
        ({"shuffle": 0}, "shuffle 0"),
        ({"position": 99}, "position 99"),
        ({"epoch": -1}, "epoch -1"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change, said):
    loader = DataLoader(numbered(10), 2)
    before = loader.state_dict()
    with pytest.raises(CheckpointError, match=said):
        loader.load_state_dict({**before, **change})
    assert loader.state_dict() == before


class Pairs:
    """A data set as PyTorch's are; some of its items may be broken."""

    def __init__(self, n, broken=None):
        self.n, self.broken = n, broken or {}

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index in self.broken:
            return self.broken[index]()
        return np.full((1, 2, 2), index, np.uint8), index


def fail(error):
    raise error


@pytest.mark.parametrize("prefetch", [0, 2])
def test_any_sequence_of_pairs(prefetch):
    batches = list(DataLoader(Pairs(10), 4, seed=2, prefetch=prefetch))
    assert sorted(int(label) for _, labels in batches for label in labels) == list(range(10))
    for inputs, labels in batches:
        assert inputs.dtype == np.float32
        assert labels.dtype == np.int64
        assert inputs.shape[1:] == (1, 2, 2)
        assert (inputs[:, 0, 0, 0] == labels).all()
    assert len(list(DataLoader([([1.0], True), ([2.0], False)], 1))) == 2
    targets = next(iter(DataLoader([([1.0], 0.5), ([2.0], 1.5)], 2, shuffle=False)))[1]
    assert targets.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize(
    ("item", "kind", "said"),
    [
        (lambda: fail(OSError("disk gone")), DataError, "OSError: disk gone"),
        (lambda: fail(StopIteration()), DataError, "StopIteration"),
        (
            lambda: fail(
                DataError("x.png", got="half a file", needs="a whole one", remedy="Copy it")
            ),
            DataError,
            "x.png got half a file",
        ),
        (lambda: (np.zeros((1, 3, 3)), 0), ShapeError, r"\(1, 3, 3\)"),
        (lambda: np.zeros(5), DataError, "ndarray"),
        (lambda: ("text", 0), DataError, "<U4"),
    ],
)
def test_a_broken_example_is_named(prefetch, item, kind, said):
    loader = DataLoader(Pairs(10, {7: item}), 5, shuffle=False, prefetch=prefetch)
    batches = iter(loader)
    next(batches)
    with pytest.raises(kind, match=r"batch 1 of epoch 0.*example 7") as caught:
        next(batches)
    assert said.replace("\\", "") in str(caught.value)
    assert loader.position == 1


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_transform_that_fails_names_the_example(prefetch):
    def transform(batch, draw):
        if (batch == 7).any():
            raise ZeroDivisionError("seven")
        return batch

    with pytest.raises(DataError, match=r"example 7 in batch .*ZeroDivisionError: seven"):
        list(DataLoader(numbered(10), 4, transform=transform, prefetch=prefetch))
    with pytest.raises(ShapeError, match=r"result of shape \(2, 1\)"):
        list(
            DataLoader(
                numbered(3),
                3,
                prefetch=prefetch,
                transform=lambda batch, draw: np.concatenate([batch, batch])[:2],
            )
        )


def test_interrupt_in_the_thread_arrives_as_itself():
    with pytest.raises(KeyboardInterrupt):
        list(DataLoader(Pairs(4, {2: lambda: fail(KeyboardInterrupt())}), 2))


def test_ctrl_c_while_waiting_ends_the_loop_and_the_thread():
    release = threading.Event()
    loader = DataLoader(Pairs(4, {2: lambda: release.wait(10)}), 2, shuffle=False)
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(loader)
    assert loader.position == 1
    release.set()
    for thread in [*loader_threads(), timer]:
        thread.join(5)


def test_a_loop_left_early_stops_the_thread():
    for _ in DataLoader(numbered(1000), 1, prefetch=3):
        assert loader_threads()
        break
    gc.collect()
    assert not loader_threads()
    batches = iter(DataLoader(numbered(1000), 1))
    next(batches)
    batches.close()
    assert not loader_threads()
    batches = iter(DataLoader(numbered(1000), 1))
    next(batches)
    with pytest.raises(RuntimeError, match="loop"):
        batches.throw(RuntimeError("loop"))
    assert not loader_threads()


def test_the_thread_stays_within_its_depth():
    asked = []

    class Recorded(Pairs):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    batches = iter(DataLoader(Recorded(100), 1, prefetch=3))
    next(batches)
    time.sleep(0.1)
    assert len(asked) <= 1 + 3 + 1  # handed out, waiting, and in the thread's hands
    batches.close()


def test_a_hanging_example_is_reported_and_not_waited_for():
    release = threading.Event()

    def hang():
        release.wait(20)
        return np.zeros((1, 2, 2)), 0

    loader = DataLoader(Pairs(6, {4: hang}), 2, shuffle=False, timeout=0.3)
    began = time.monotonic()
    with pytest.raises(DataError, match=r"example 4 in 0\.3 s"):
        list(loader)
    assert time.monotonic() - began < 5
    release.set()
    for thread in loader_threads():
        thread.join(5)


def test_slow_examples_are_not_taken_for_stuck():
    class Slow(Pairs):
        def __getitem__(self, index):
            time.sleep(0.1)
            return super().__getitem__(index)

    assert len(list(DataLoader(Slow(6), 6, timeout=0.35))) == 1  # 0.6 s, in steps of 0.1


@pytest.mark.parametrize("size", [0, -1, 11, 2.0, True, "4", None])
def test_batch_sizes_that_cannot_be(size):
    with pytest.raises(ArgumentError, match=r"batch_size=.* for a split of 10 examples"):
        DataLoader(numbered(10), size)


def test_bad_arguments():
    with pytest.raises(DataError, match="0 examples"):
        DataLoader(Examples(np.zeros((0, 2)), np.zeros(0, int)))
    with pytest.raises(DataError, match="0 examples"):
        DataLoader([])
    whole = DataSet("two", ("a", "b"), numbered(10)[[0, 1]])
    with pytest.raises(ArgumentError, match=r"dataset\.train"):
        DataLoader(whole)
    for wrong in (np.zeros((5, 2)), (np.zeros((5, 2)), np.zeros(5)), {}, "text", 5, iter([])):
        with pytest.raises(ArgumentError, match="Examples"):
            DataLoader(wrong)
    for options, said in [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**64}, "seed"),
        ({"prefetch": -1}, "prefetch=-1"),
        ({"transform": 3}, "transform=3"),
    ]:
        with pytest.raises(ArgumentError, match=said):
            DataLoader(numbered(10), 2, **options)
    with pytest.raises(ArgumentError, match="epoch=-1"):
        DataLoader(numbered(10), 2).set_epoch(-1)


def test_numpys_settings_hold_in_the_thread():
    def transform(batch, draw):
        return np.log(batch)

    with np.errstate(divide="ignore"):
        assert len(list(DataLoader(numbered(4), 4, transform=transform))) == 1
    with np.errstate(divide="raise"), pytest.raises(DataError, match=r"example 0 .*divide by zero"):
        list(DataLoader(numbered(4), 4, transform=transform))


def test_batches_are_not_windows_on_the_data():
    examples = numbered(4)
    for inputs, labels in DataLoader(examples, 4, shuffle=False):
        inputs[:] = -1
        labels[:] = -1
    assert examples.inputs[:, 0].tolist() == [0, 1, 2, 3]
    assert examples.labels.min() == 0
    assert "epoch 0" in repr(DataLoader(examples, 4))
