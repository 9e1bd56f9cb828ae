"""Small networks that the tests of pictures look at, with drawn weights or trained for a second."""

import functools

import numpy as np

from backlight import data, nn, optim, tensor
from backlight.data.normalize import Normalize
from backlight.engine import random
from backlight.explain.look.classifier import classifier


def linear(classes=3, shape=(1, 4, 4), **scale):
    random.default.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes))
    return classifier(net, classes, shape, **scale)


def convnet(shape=(3, 12, 12), classes=4, **scale):
    random.default.manual_seed(1)
    side = shape[1] // 2
    net = nn.Sequential(
        nn.Conv2d(shape[0], 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * side * side, classes),
    )
    return classifier(net, [f"class {k}" for k in range(classes)], shape, **scale)


def pictures(count=5, shape=(3, 12, 12), seed=0):
    return np.random.default_rng(seed).random((count, *shape)).astype(np.float32)


@functools.cache
def digits():
    """A convnet that has learnt scikit-learn's digits, their pictures in [0, 1], and labels."""
    loaded = data.load("digits").train
    normalize = Normalize.fit(loaded.inputs)
    random.default.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    rule = optim.Adam(net.parameters(), lr=5e-3)
    loss = nn.CrossEntropyLoss()
    inputs, labels = normalize(loaded.inputs), loaded.labels
    order = np.random.default_rng(0)
    for _ in range(60):
        rows = order.integers(0, 1500, 96)
        rule.zero_grad()
        loss(net(tensor(inputs[rows])), tensor(labels[rows])).backward()
        rule.step()
    subject = classifier(net, 10, (1, 8, 8), mean=normalize.mean, std=normalize.std, low=0, high=16)
    return subject, subject.pictures(loaded.inputs), labels
