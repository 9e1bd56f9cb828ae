"""Linear probes: the classes are easier to read from layer to layer of a trained network."""

import numpy as np
import pytest

import backlight as bl
from backlight import nn, optim
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


def test_some_layers(trained, points):
    found = depth_probe(trained, *points, layers=["3"])
    assert [(probe.layer, probe.features) for probe in found] == [("input", 2), ("3 (ReLU)", 32)]
    with pytest.raises(ArgumentError, match="Known: 0, 1, 2, 3, 4"):
        depth_probe(trained, *points, layers=["9"])
