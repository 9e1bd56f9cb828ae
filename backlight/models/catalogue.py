"""How a model is found by its name: each page registers its builder here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backlight.errors import ArgumentError, nearest

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Built:
    """A model with the loss it is trained by.

    `initial_loss` is what the loss should be before learning, when all classes look alike:
    ln C for cross-entropy, C − 1 for the Weston–Watkins hinge.
    """

    module: Any
    loss: Any
    initial_loss: float
    probabilistic: bool


@dataclass(frozen=True)
class Plan:
    """What a builder may look at: the shape of one input, the classes and the wishes."""

    shape: Shape
    classes: int
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0


_builders: dict[str, Callable[[Plan], Built]] = {}


def named(name: str) -> Callable[[Callable[[Plan], Built]], Callable[[Plan], Built]]:
    """Register a builder under the name that `--model` takes."""

    def register(builder: Callable[[Plan], Built]) -> Callable[[Plan], Built]:
        _builders[name] = builder
        return builder

    return register


def names() -> list[str]:
    """The models that can be built, in order of their pages."""
    return list(_builders)


def build(
    name: str, shape: Sequence[int], classes: int, hidden: Sequence[int] = (), dropout: float = 0.0
) -> Built:
    """The model called `name` for inputs of this shape.

    Parameters
    ----------
    name : str
        One of `names()`.
    shape : sequence of int
        Shape of one input: (C, H, W) for images, (D,) for features.
    classes : int
        Number of classes, at least 2.
    hidden : sequence of int
        Widths of the fully connected hidden layers; empty takes the model's own.
    dropout : float
        Probability with which a hidden unit is dropped while training.

    Raises
    ------
    ArgumentError
        If there is no such model, or it cannot take such inputs.

    Examples
    --------
    >>> built = build("softmax", (3, 32, 32), classes=10)
    >>> sum(p.size for p in built.module.parameters())
    30730
    """
    if name not in _builders:
        raise ArgumentError(
            "model", got=repr(name), needs="a known model", remedy=nearest(name, _builders)
        )
    for place, width in enumerate(hidden):
        if width < 1:
            raise ArgumentError(
                f"hidden layer {place + 1}",
                got=f"{width} units",
                needs="at least 1",
                remedy="Give widths such as 128 or 512,256.",
            )
    return _builders[name](Plan(tuple(shape), classes, tuple(hidden), dropout))
