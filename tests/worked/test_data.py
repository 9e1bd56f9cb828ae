"""Data and evaluation (D rows), and what colour is worth to a linear classifier (L9, L10)."""

import warnings

import numpy as np
import pytest

import backlight
from backlight import models, optim
from backlight.data import DataSet, Examples, bootstrap, kfold, load_cifar10, load_mnist
from backlight.data.split import split
from backlight.errors import DataError
from backlight.train.held_out import SecondLookWarning, looks, record_look
from backlight.train.metrics import Evaluation
from backlight.train.run import Run
from backlight.train.settings import Settings

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_read = {}


@pytest.fixture
def cifar10(real_data):
    """Read once; skips where it is absent."""
    path = real_data("cifar10")
    if path not in _read:
        _read[path] = load_cifar10(path)
    return _read[path]


def test_D1_cifar10(cifar10):
    assert cifar10.train.inputs.shape == (50_000, 3, 32, 32)
    assert cifar10.train.inputs.dtype == np.uint8
    assert np.bincount(cifar10.train.labels).tolist() == [5000] * 10
    assert len(set(np.bincount(cifar10.test.labels).tolist())) == 1
    assert cifar10.classes == NAMES
    assert cifar10.train.inputs[0].size == 3072


@pytest.mark.parametrize("shuffle", [True, False])
def test_D1_split_of_49000_and_1000(cifar10, shuffle):
    """No class is missing among the 1,000, at random or cut from the end."""
    parts = split(cifar10, validation=1000, test=None, shuffle=shuffle)
    assert (len(parts.train), len(parts.validation)) == (49_000, 1_000)
    histogram = np.bincount(parts.validation.labels, minlength=10)
    assert histogram.min() >= 70
    assert histogram.sum() == 1000
    assert parts.test is cifar10.test
    if not shuffle:
        np.testing.assert_array_equal(parts.validation.inputs, cifar10.train.inputs[49_000:])


def test_D1_a_sorted_set_is_shuffled_or_refused():
    data = DataSet("sorted", ("a", "b"), Examples(np.zeros((100, 3)), np.repeat([0, 1], 50)))
    held = split(data, validation=20, test=None).validation
    assert np.bincount(held.labels).tolist() == [10, 10]
    with pytest.raises(DataError, match="sorted by class"):
        split(data, validation=20, test=None, shuffle=False)


def test_D1_mnist(real_data):
    data = load_mnist(real_data("mnist"))
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.shape == (1, 28, 28)
    assert np.bincount(data.train.labels)[:2].tolist() == [5923, 6742]


def test_D2_the_second_look_at_the_test_split_warns(tmp_path):
    run = Run.create(tmp_path / "run", Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert record_look(run, 10, 0.5, "end of training") == 1
    with pytest.warns(SecondLookWarning, match="validation"):
        assert record_look(run, 20, 0.6, "curiosity") == 2
    assert [look["accuracy"] for look in looks(run)] == [0.5, 0.6]


def test_D3_choosing_on_the_test_set_flatters():
    """The best of 1,000 guessers on 1,000 images is at least 2 points better there than it is."""
    rng = np.random.RandomState(0)
    labels = rng.randint(0, 10, 2000)
    guesses = rng.randint(0, 10, (1000, 2000))
    chosen = (guesses[:, :1000] == labels[:1000]).mean(axis=1).argmax()
    scores = np.eye(10)[guesses[chosen]]
    seen, fresh = (
        Evaluation(0.0, scores[part], labels[part]) for part in (slice(0, 1000), slice(1000, 2000))
    )
    assert seen.accuracy - fresh.accuracy >= 0.02


def test_D4_standard_error():
    """±1.5 points for 1,000 examples at an accuracy of 0.4."""
    labels = np.zeros(1000, np.int64)
    scores = np.tile([0.0, 1.0], (1000, 1))
    scores[:400, 0] = 2.0
    evaluation = Evaluation(0.0, scores, labels)
    assert evaluation.accuracy == 0.4
    assert round(100 * evaluation.standard_error, 1) == 1.5


def test_D5_five_folds_hold_out_each_example_once():
    held = [out for _, out in kfold(5000, 5)]
    assert [len(one) for one in held] == [1000] * 5
    np.testing.assert_array_equal(np.sort(np.concatenate(held)), np.arange(5000))


def test_D6_a_bootstrap_leaves_a_third_out_of_the_bag():
    left = [len(out) / 2000 for _, out in bootstrap(2000, repeats=20)]
    assert np.mean(left) == pytest.approx(1 / np.e, abs=0.005)


def trained(inputs, labels, epochs=6):
    """A softmax classifier on centred images."""
    backlight.manual_seed(0)
    built = models.build("softmax", inputs.shape[1:], classes=10)
    rule = optim.Adam(built.module.parameters(), lr=3e-4, weight_decay=1e-3)
    rng = np.random.RandomState(0)
    for _ in range(epochs):
        order = rng.permutation(len(labels))
        for rows in np.split(order, range(250, len(order), 250)):
            rule.zero_grad()
            built.loss(built.module(backlight.tensor(inputs[rows])), labels[rows]).backward()
            rule.step()
    return built.module


def accuracy(module, inputs, labels):
    scores = module(backlight.tensor(inputs)).detach().numpy()
    return float((scores.argmax(axis=1) == labels).mean())


def test_L9_L10_grey_is_harder_and_negatives_are_worse_than_chance(cifar10):
    """All of CIFAR-10 gives 42% in colour, 31–32% in grey and 3% on negatives; a fifth, less."""
    images = cifar10.train.inputs[:11_000].astype(np.float32)
    labels = cifar10.train.labels[:11_000]
    mean = images[:10_000].mean(axis=0)
    colour = (images - mean) / 64
    grey = np.tensordot(colour, np.array([0.299, 0.587, 0.114], np.float32), ((1,), (0,)))[:, None]
    module = trained(colour[:10_000], labels[:10_000])
    found = accuracy(module, colour[10_000:], labels[10_000:])
    assert found > 0.33
    in_grey = trained(grey[:10_000], labels[:10_000])
    assert accuracy(in_grey, grey[10_000:], labels[10_000:]) < found - 0.04
    negatives = (255 - images[10_000:] - mean) / 64
    assert accuracy(module, negatives, labels[10_000:]) < 0.08
