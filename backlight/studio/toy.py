"""A small net that learns a data set of the plane, one step or many at a time, where it is seen.

It belongs to the server and not to a tab: a second tab sees the same net, and a reload or a lost
connection changes nothing.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backlight import nn, optim, philox
from backlight.data import toy as plane
from backlight.engine.mode import no_grad
from backlight.engine.random import default as generator
from backlight.engine.tensor import Tensor
from backlight.gates.rectifier import step
from backlight.nn.gate_layer import layer
from backlight.train.observe import activations

Array = np.ndarray[Any, Any]

ACTIVATIONS = ("ReLU", "LeakyReLU", "Tanh", "Sigmoid", "GELU", "Step", "Identity")
"""Step is the perceptron's, which no gradient passes; Identity is none at all."""
OWN = "own"
MOST_CLASSES = 8
MOST_POINTS = 2_000
GRID = 64
UNIT_GRID = 24
MOST_UNITS = 24
CURVE = 1_200
PATH = 60
_MARGIN = 0.25
_editions = itertools.count(1)
Step = layer("Step", step, __name__)


@dataclass(frozen=True)
class Choice:
    """What a toy is made of."""

    data: str = "spiral"
    points: int = 100
    noise: float = 0.2
    hidden: tuple[int, ...] = (16, 16)
    activation: str = "ReLU"
    optimizer: str = "adam"
    lr: float = 0.01
    batch: int = 32
    weight_decay: float = 0.0
    seed: int = 0
    own: tuple[tuple[float, float, int], ...] = ()
    """The points themselves (x, y, class) where the data are one's own."""


@dataclass
class Toy:
    """Data, net and rule, and where the training is.

    Parameters
    ----------
    choice : Choice
        What it is made of; the same choice trains to the same numbers.
    """

    choice: Choice
    step: int = 0
    problem: str = ""
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    path: list[dict[str, Array]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        choice = self.choice
        self.inputs, self.labels, self.classes = _points(choice)
        generator.manual_seed(choice.seed)
        self.net = _net(choice, self.classes)
        self.loss = nn.CrossEntropyLoss()
        self.rule = optim.from_name(
            choice.optimizer, self.net.named_parameters(), lr=choice.lr, **_decay(choice)
        )
        low, high = self.inputs.min(axis=0), self.inputs.max(axis=0)
        middle, half = (low + high) / 2, float((high - low).max()) * (0.5 + _MARGIN / 2)
        self.box = (*(middle - half).tolist(), *(middle + half).tolist())
        self.norms: dict[str, float] = {}
        self.ratios: dict[str, float] = {}
        self.edition = next(_editions)
        self.before = choice.activation
        self._order: Array = np.empty(0, np.int64)
        self.note()

    @property
    def epoch(self) -> float:
        """How often each example has been seen."""
        return self.step * min(self.choice.batch, len(self.labels)) / len(self.labels)

    def advance(self, watched: bool = False) -> float:
        """One step of training; `watched` also measures gradients and updates.

        A loss that is no number any more is said in `problem`, and no step follows it.
        """
        chosen = self._batch()
        self.rule.zero_grad()
        loss = self.loss(
            self.net(Tensor.share(self.inputs[chosen])), Tensor.share(self.labels[chosen])
        )
        value = float(loss.item())
        if not np.isfinite(value):
            self.problem = f"{value:g}"
            return value
        loss.backward()
        before: dict[str, Array] = {}
        if watched:
            for name, parameter in self.net.named_parameters():
                before[name] = parameter._value.copy()
                self.norms[name] = length(parameter.grad)
        self.rule.step()
        self.step += 1
        for name, parameter in self.net.named_parameters():
            if name in before:
                size = float(np.linalg.norm(before[name]))
                moved = float(np.linalg.norm(parameter._value - before[name]))
                self.ratios[name] = moved / size if size else 0.0
        return value

    def note(self) -> tuple[float, float]:
        """Loss and accuracy over all points now, added to the curve."""
        with no_grad():
            scores = self.net(Tensor.share(self.inputs))
            loss = float(self.loss(scores, Tensor.share(self.labels)).item())
        accuracy = float((scores.numpy().argmax(axis=1) == self.labels).mean())
        if not self.curve or self.curve[-1][0] != self.step:
            self.curve.append((self.step, loss, accuracy))
            self.path.append({name: p._value.copy() for name, p in self.net.named_parameters()})
        if len(self.path) > PATH:  # every second one, so that the way stays whole
            self.path = self.path[:-1:2] + self.path[-1:]
        if len(self.curve) > CURVE:  # every second one of the older half
            half = CURVE // 2
            self.curve = self.curve[:half:2] + self.curve[half:]
        return loss, accuracy

    def set_rate(self, lr: float) -> None:
        """Change the learning rate from the next step on."""
        for group in self.rule.param_groups:
            group["lr"] = lr
        self.choice = replace(self.choice, lr=lr)
        self.edition = next(_editions)

    def points(self) -> tuple[tuple[float, float, int], ...]:
        """The points as (x, y, class)."""
        rows = zip(self.inputs.tolist(), self.labels.tolist(), strict=True)
        return tuple((x, y, label) for (x, y), label in rows)

    def replace_points(self, inputs: Array, labels: Array) -> None:
        """Other points for the same net, which goes on learning from where it is."""
        self.inputs, self.labels = np.asarray(inputs, np.float32), np.asarray(labels, np.int64)
        self.choice = replace(self.choice, data=OWN, own=self.points())
        self._order = np.empty(0, np.int64)
        self.edition = next(_editions)

    def set_activation(self, name: str) -> None:
        """Another activation between the same layers, whose weights stay as they are."""
        for path, child in list(self.net.named_children()):
            if not isinstance(child, nn.Linear):
                setattr(self.net, path, _activation(name))
        if name != self.choice.activation:
            self.before = self.choice.activation
        self.choice = replace(self.choice, activation=name)
        self.edition = next(_editions)

    def field(self) -> Array:
        """Probability of each class over the plane: (GRID, GRID, classes), the top row first."""
        with no_grad():
            scores = self.net(Tensor.share(self.grid(GRID))).numpy()
        scores = scores - scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        shares: Array = powers / powers.sum(axis=1, keepdims=True)
        return shares.reshape(GRID, GRID, -1).astype(np.float32)

    def wrong(self) -> list[int]:
        """Which points are given another class than theirs."""
        with no_grad():
            scores = self.net(Tensor.share(self.inputs)).numpy()
        return [int(k) for k in np.flatnonzero(scores.argmax(axis=1) != self.labels)]

    def units(self) -> list[tuple[str, Array]]:
        """What each unit of each hidden layer answers over the plane: (path, (units, n, n))."""
        found: list[tuple[str, Array]] = []
        value: Any = Tensor.share(self.grid(UNIT_GRID))
        with no_grad():
            for path, layer in self.net.named_children():
                value = layer(value)
                if not isinstance(layer, nn.Linear) and len(found) < 4:
                    maps = value.numpy().T[:MOST_UNITS].reshape(-1, UNIT_GRID, UNIT_GRID)
                    found.append((path, maps))
        return found

    def grid(self, size: int) -> Array:
        """The points of a grid over the plane, row by row from the top."""
        left, bottom, right, top = self.box
        x, y = np.meshgrid(np.linspace(left, right, size), np.linspace(top, bottom, size))
        return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)

    def weights(self) -> list[tuple[str, Array]]:
        """Every matrix of the net with its bias, in the order of the layers."""
        return [(name, p._value) for name, p in self.net.named_parameters() if p.ndim == 2]

    def histograms(self) -> dict[str, dict[str, Any]]:
        """How the activations of each hidden layer are spread."""
        return activations(self.net, self.inputs)

    def example(self, index: int) -> Any:
        """The loss of one point, with its history."""
        x = Tensor(self.inputs[index : index + 1], requires_grad=True, name="x")
        return self.loss(self.net(x), Tensor.share(self.labels[index : index + 1])), x

    def _batch(self) -> Array:
        count, size = len(self.labels), min(self.choice.batch, len(self.labels))
        if len(self._order) < size:
            drawn = philox.permutation(self.choice.seed, 1_000 + self.step, count)
            self._order = np.concatenate([self._order, drawn])
        chosen, self._order = self._order[:size], self._order[size:]
        return chosen


def length(gradient: Any) -> float:
    """The length of a gradient; 0 where none arrives."""
    return 0.0 if gradient is None else float(np.linalg.norm(gradient._value))


def _points(choice: Choice) -> tuple[Array, Array, int]:
    """The points, their classes, and how many classes there are."""
    if choice.data == OWN:
        inputs = np.array([one[:2] for one in choice.own], np.float32)
        labels = np.array([one[2] for one in choice.own], np.int64)
        return inputs, labels, max(2, int(labels.max()) + 1)
    made = plane.TOYS[choice.data]
    data = made(per_class=choice.points, noise=choice.noise, seed=choice.seed)  # type: ignore[call-arg]
    inputs = np.asarray(data.train.inputs, np.float32)
    return inputs, np.asarray(data.train.labels), len(data.classes)


def _activation(name: str) -> Any:
    return Step() if name == "Step" else getattr(nn, name)()


def _net(choice: Choice, classes: int) -> Any:
    widths = (2, *choice.hidden)
    layers: list[Any] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight)
        nn.init.zeros_(linear.bias)  # type: ignore[arg-type]
        layers += [linear, _activation(choice.activation)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def _decay(choice: Choice) -> dict[str, float]:
    rule = optim.rules()[choice.optimizer]
    options = {"weight_decay": choice.weight_decay} if choice.weight_decay else {}
    if rule is optim.SGD:
        options["momentum"] = 0.9
    return options
