"""Linear probes: the classes are easier to read from layer to layer of a trained network."""

import itertools

import numpy as np
import pytest

import backlight as bl
from backlight import nn, optim
from backlight.data.digits import load_digits
from backlight.data.toy import spiral
from backlight.errors import ArgumentError
from backlight.explain.depth_probe import depth_probe


def network():
    bl.manual_seed(1)
    return nn.Sequential(
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)
    )


@pytest.fixture(scope="module")
def points():
    data = spiral(per_class=100, seed=5).train
    order = np.random.default_rng(0).permutation(len(data))
    inputs = np.asarray(data.inputs, np.float32)[order]
    labels = np.asarray(data.labels)[order]
    return inputs[:200], labels[:200], inputs[200:], labels[200:]


@pytest.fixture(scope="module")
def trained(points):
    model = network()
    update = optim.Adam(model.parameters(), lr=1e-2)
    x, y = bl.tensor(points[0]), bl.tensor(points[1])
    for _ in range(250):
        loss = nn.CrossEntropyLoss()(model(x), y)
        update.zero_grad()
        loss.backward()
        update.step()
    return model


def test_accuracy_rises_with_depth(trained, points):
    found = depth_probe(trained, *points)
    assert [probe.layer for probe in found] == [
        "input",
        "0 (Linear)",
        "1 (ReLU)",
        "2 (Linear)",
        "3 (ReLU)",
        "4 (Linear)",
    ]
    bent = [probe.accuracy for probe in found if "ReLU" in probe.layer or probe.layer == "input"]
    assert bent == sorted(bent)
    assert bent[-1] > bent[0] + 0.3
    # A linear layer alone makes nothing easier to read than it was.
    assert found[1].accuracy <= found[0].accuracy + 0.05


def test_it_is_training_that_does_it(trained, points):
    untrained = depth_probe(network(), *points)[4].accuracy
    assert depth_probe(trained, *points)[4].accuracy > untrained


def test_the_same_numbers_each_time(trained, points):
    assert depth_probe(trained, *points) == depth_probe(trained, *points)
    assert trained.training


@pytest.fixture(scope="module")
def digits():
    """A small convolutional network that has learned to read digits, and those digits."""
    data = load_digits()
    every = np.asarray(data.train.inputs, np.float32) / 8 - 1
    pictures, held = every[:1200], every[1200:]
    labels, kept = np.split(np.asarray(data.train.labels), [1200])
    bl.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    update = optim.Adam(model.parameters(), lr=3e-3)
    for step in range(150):
        rows = np.arange(64 * step, 64 * (step + 1)) % len(pictures)
        loss = nn.CrossEntropyLoss()(model(bl.tensor(pictures[rows])), bl.tensor(labels[rows]))
        update.zero_grad()
        loss.backward()
        update.step()
    return model, pictures, labels, held, kept


def test_a_trained_convnet_analyses_its_input_in_stages(digits):
    """With equally few numbers from each layer, no step is lost but by chance, and much is won."""
    found = depth_probe(*digits, layers=["1", "4", "7"], features=16)
    assert [probe.features for probe in found] == [16] * 4
    for before, after in itertools.pairwise(found):
        assert after.accuracy >= before.accuracy - before.error, (before, after)
    assert found[-1].accuracy > found[0].accuracy + 2 * found[0].error


def test_a_wide_layer_wins_by_its_width(digits):
    """Why the numbers must be as many: all 192 of a layer are easier to read than 16 of them."""
    wide = depth_probe(*digits, layers=["4"])[1]
    narrow = depth_probe(*digits, layers=["4"], features=16)[1]
    assert (wide.features, narrow.features) == (192, 16)
    assert wide.accuracy > narrow.accuracy


def test_components_are_the_same_from_either_side(digits):
    """Fewer examples than numbers or not: the same leading components."""
    model, pictures, labels, held, kept = digits
    few = depth_probe(model, pictures[:200], labels[:200], held, kept, ["1"], 16)[1]
    assert few.features == 16
    assert 0.5 < few.accuracy < 1


def test_some_layers(trained, points):
    found = depth_probe(trained, *points, layers=["3"])
    assert [(probe.layer, probe.features) for probe in found] == [("input", 2), ("3 (ReLU)", 32)]
    with pytest.raises(ArgumentError, match="Known: 0, 1, 2, 3, 4"):
        depth_probe(trained, *points, layers=["9"])
