"""Circuits of every kind that is drawn, for the tests of the drawing."""

import numpy as np

from backlight import nn, tensor
from backlight.explain import circuit


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.before = nn.Linear(width, width)
        self.after = nn.Linear(width, width)

    def forward(self, x):
        return x + self.after(self.before(x).relu())


def data(*shape):
    return tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def neuron():
    return circuit("sigmoid(a*x + b*y + c)", a=1, b=2, c=-3, x=-1, y=3)


def shared():
    x, y = tensor(0.5, requires_grad=True), tensor(-2.0, requires_grad=True)
    h = (x * y).tanh()
    return circuit(h * h + h.exp() / (h - y), names={"x": x, "y": y})


def often(times=20):
    x, y = tensor(0.5, requires_grad=True), tensor(-2.0, requires_grad=True)
    h = (x * y).tanh()
    out = h
    for _ in range(times):
        out = out * h
    return circuit(out, names={"x": x, "y": y})


def mlp():
    model = nn.Sequential(
        nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    return circuit((model(data(5, 3)) ** 2).sum())


def residual(blocks=12):
    model = nn.Sequential(nn.Linear(3, 4), *[Residual(4) for _ in range(blocks)], nn.Linear(4, 2))
    return circuit(nn.CrossEntropyLoss()(model(data(5, 3)), np.array([0, 1, 1, 0, 1])))


def recurrent():
    return circuit(nn.LSTM(4, 5, batch_first=True)(data(2, 20, 4))[0].sum())


def hundred_layers():
    layers, channels = [], 1
    for number in range(50):
        width = 4 + number % 7
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width)]
        layers += [nn.ReLU()] if number % 3 else []
        channels = width
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, 10))
    return circuit(nn.CrossEntropyLoss()(model(data(2, 1, 4, 4)), np.array([1, 2])))


class Inside(nn.Module):
    """A network that is inside of another: one frame around nearly everything."""

    def __init__(self, layers):
        super().__init__()
        self.net = nn.Sequential(*layers)
        self.last = nn.Linear(24, 2)

    def forward(self, x):
        return self.last(self.net(x))


def framed():
    layers = []
    for number in range(40):
        layers += [nn.Linear(4 + number // 2, 4 + (number + 1) // 2), nn.Tanh()]
    return circuit(nn.CrossEntropyLoss()(Inside(layers)(data(5, 4)), np.array([0, 1, 1, 0, 1])))


def deep(activation, scale, depth=20):
    """Twenty equal layers, with weights of a size that makes the gradient vanish or explode."""
    random = np.random.default_rng(0)
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(16, 16), activation()]
        weight = scale * random.normal(size=(16, 16))
        layers[-2].load_state_dict(
            {"weight": weight.astype(np.float32), "bias": np.zeros(16, np.float32)}
        )
    model = nn.Sequential(*layers, nn.Linear(16, 2))
    return circuit(nn.CrossEntropyLoss()(model(data(5, 16)), np.array([0, 1, 1, 0, 1])))


def long_row(count=3000):
    x = tensor(0.5, requires_grad=True)
    y = x
    for number in range(count):
        y = y.sin() if number % 7 else y * x
    return circuit(y, names={"x": x})


KINDS = {
    "neuron": neuron,
    "shared": shared,
    "often": often,
    "mlp": mlp,
    "residual": residual,
    "recurrent": recurrent,
    "hundred_layers": hundred_layers,
    "framed": framed,
    "long_row": long_row,
}
