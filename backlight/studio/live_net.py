"""A whole net as one native program from its image, weights and gates to every value and gradient.

To each layer's output a number of the user's own is added, usually 0: so a gate can be dragged like
a pixel or a weight, and the gradient by that number is the gradient of the gate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import backlight
from backlight.engine.derivative import value_and_grad
from backlight.nn.functional_call import functional_call

Array = np.ndarray[Any, Any]
PIXEL, WEIGHT, GATE = "pixel", "weight", "gate"


@dataclass(frozen=True)
class Answer:
    """Every value and gradient of a net for one example.

    Attributes
    ----------
    loss : float
    values, slopes : dict of str to ndarray
        Of the image ("x"), of every layer's output by its path, and of every parameter.
    scores : ndarray (classes,)
    """

    loss: float
    values: dict[str, Array]
    slopes: dict[str, Array]
    scores: Array


@dataclass
class LiveNet:
    """A sequential net that is computed anew, forward and backward, at every change.

    Parameters
    ----------
    module : Sequential
        In evaluation mode; its own weights are not touched.
    loss : callable
        Of scores and labels.
    """

    module: Any
    loss: Any
    weights: dict[str, Array] = field(init=False)
    added: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.module.eval()
        self.layers = list(self.module.named_children())
        self.weights = {name: np.array(p._value) for name, p in self.module.named_parameters()}
        self._program: Any = backlight.compile(self._computed)

    def answer(self, image: Array, label: int) -> Answer:
        """Every value and gradient for an image (channels, height, width) of this class."""
        x = image[None]
        if not self.added:
            self.added = self._zeros(x)
        paths = [path for path, _ in self.layers]
        loss, values, slopes = self._program(
            x, np.array([label]), *[self.added[path] for path in paths], *self.weights.values()
        )
        arrays = [np.array(one.numpy()) for one in slopes]
        named = dict(zip(["x", *paths, *self.weights], arrays, strict=True))
        found = {path: np.array(one.numpy()) for path, one in zip(paths, values, strict=True)}
        return Answer(
            float(loss.item()), {"x": x, **found, **self.weights}, named, found[paths[-1]][0]
        )

    def _zeros(self, x: Array) -> dict[str, Array]:
        """Nothing added to any layer; the shapes are those that the layers make of the image."""
        value: Any = backlight.tensor(x)
        zeros = {}
        with backlight.no_grad():
            for path, layer in self.layers:
                value = layer(value)
                zeros[path] = np.zeros(value.shape, np.float32)
        return zeros

    def _computed(self, x: Any, label: Any, *rest: Any) -> Any:
        def scalar(x: Any, *rest: Any) -> Any:
            return self.loss(self._forward(x, rest)[-1], label)

        loss, slopes = value_and_grad(scalar, tuple(range(1 + len(rest))))(x, *rest)
        return loss, tuple(self._forward(x, rest)), tuple(slopes)

    def _forward(self, x: Any, rest: Any) -> list[Any]:
        """The output of every layer, with what is added to it."""
        count = len(self.layers)
        weights = dict(zip(self.weights, rest[count:], strict=True))
        values = []
        for (path, layer), added in zip(self.layers, rest[:count], strict=True):
            own = {
                name.removeprefix(f"{path}."): value
                for name, value in weights.items()
                if name.startswith(f"{path}.")
            }
            x = functional_call(layer, own, (x,)) + added
            values.append(x)
        return values
