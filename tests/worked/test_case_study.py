"""The course's case study: its training log, both runs, to the printed digits.

CS231n, "Minimal neural network case study", prints these losses without a seed. They come out of
NumPy's legacy generator seeded with 0: the spiral is drawn, then weights of the linear classifier
until the fourth draw, then those of the network.
"""

import numpy as np
import pytest

import backlight
from backlight import nn, optim
from backlight.data.toy import spiral

LINEAR = [
    1.096956,
    0.917265,
    0.851503,
    0.822336,
    0.807586,
    0.799448,
    0.794681,
    0.791764,
    0.789920,
    0.788726,
    0.787938,
    0.787409,
    0.787049,
    0.786803,
    0.786633,
    0.786514,
    0.786431,
    0.786373,
    0.786331,
    0.786302,
]
NETWORK = [
    1.098744,
    0.294946,
    0.259301,
    0.248310,
    0.246170,
    0.245649,
    0.245491,
    0.245400,
    0.245335,
    0.245292,
]
REGULARISATION = 1e-3
STEP = 1.0


@pytest.fixture(scope="module")
def drawn():
    """The spiral and the random numbers that follow it in the same stream."""
    random = np.random.RandomState(0)
    points, classes = 100, 3
    inputs = np.zeros((points * classes, 2))
    labels = np.zeros(points * classes, np.int64)
    for j in range(classes):
        rows = range(points * j, points * (j + 1))
        radius = np.linspace(0.0, 1, points)
        angle = np.linspace(j * 4, (j + 1) * 4, points) + random.randn(points) * 0.2
        inputs[rows] = np.c_[radius * np.sin(angle), radius * np.cos(angle)]
        labels[rows] = j
    linear = [0.01 * random.randn(2, 3) for _ in range(4)][-1]
    first = 0.01 * random.randn(2, 100)
    second = 0.01 * random.randn(100, 3)
    return inputs, labels, linear, first, second


def regularised(loss, *weights):
    """Data loss + ½λ‖W‖², as the course has it."""
    for w in weights:
        loss = loss + 0.5 * REGULARISATION * (w * w).sum()
    return loss


def test_the_toy_data_are_the_spiral_of_the_course(drawn):
    data = spiral()
    np.testing.assert_array_equal(np.asarray(data.train.labels), drawn[1])
    np.testing.assert_allclose(data.train.inputs, drawn[0], rtol=0, atol=1e-7)


def test_linear_classifier_by_tensors(drawn):
    inputs, labels, start, _, _ = drawn
    x, y = backlight.tensor(inputs), backlight.tensor(labels)
    w = backlight.tensor(start, requires_grad=True)
    b = backlight.tensor(np.zeros((1, 3)), requires_grad=True)
    printed = []
    for step in range(200):
        loss = regularised(backlight.cross_entropy(x @ w + b, y), w)
        if step % 10 == 0:
            printed.append(loss.item())
        loss.backward()
        with backlight.no_grad():
            for p in (w, b):
                p -= STEP * p.grad
                p.grad = None
    assert [f"{loss:.6f}" for loss in printed] == [f"{loss:.6f}" for loss in LINEAR]
    right = ((x @ w + b).detach().numpy().argmax(axis=1) == labels).mean()
    assert round(right, 2) == 0.49
    assert right == pytest.approx(0.4933333)


def test_network_by_layers_and_optimiser(drawn):
    inputs, labels, _, first, second = drawn
    x, y = backlight.tensor(inputs), backlight.tensor(labels)
    model = nn.Sequential(nn.Linear(2, 100), nn.ReLU(), nn.Linear(100, 3)).double()
    with backlight.no_grad():
        for layer, weight in ((model[0], first), (model[2], second)):
            layer.weight.copy_(weight.T)  # the course stores (inputs, outputs)
            layer.bias.zero_()
    loss_function = nn.CrossEntropyLoss()
    descent = optim.SGD(model.parameters(), lr=STEP)
    printed = []
    for step in range(9001):
        loss = regularised(loss_function(model(x), y), model[0].weight, model[2].weight)
        if step % 1000 == 0:
            printed.append(loss.item())
        descent.zero_grad()
        loss.backward()
        descent.step()
    exact = 7  # iterations 0 … 6000; after that rounding in another order shows in the sixth digit
    assert [f"{loss:.6f}" for loss in printed[:exact]] == [f"{v:.6f}" for v in NETWORK[:exact]]
    np.testing.assert_allclose(printed[exact:], NETWORK[exact:], rtol=0, atol=5e-6)
    right = (model(x).detach().numpy().argmax(axis=1) == labels).mean()
    assert right == pytest.approx(0.98, abs=0.005)
