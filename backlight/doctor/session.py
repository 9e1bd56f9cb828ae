"""What was seen of a training script while it ran: calls, losses, steps, and closer looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Circuit, Node
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

Array = np.ndarray[Any, Any]

INTERRUPTED = "Ctrl-C"
"""Why a script was not watched to its end, where its user ended it."""
EDGE = 0.01
"""How near to an end of its range, as a share of it, a squashing unit counts as saturated."""


@dataclass
class Activation:
    """One activation gate in one look: what its units did on the examples of the batch.

    Attributes
    ----------
    layer : str
        Path of the layer, or the gate's name with its number.
    squashes : bool
        Whether the gate is a squash (sigmoid, tanh); else it can be dead (ReLU).
    silent : array of bool
        Units that gave 0, or an end of their range, for every example.
    deviation, gradient : float
        Standard deviation of the outputs; root mean square of the gradient that arrived.
    """

    layer: str
    gate: str
    squashes: bool
    silent: Array
    saturated: float
    deviation: float
    gradient: float
    examples: int


@dataclass
class Look:
    """A closer look at one backward pass.

    Attributes
    ----------
    circuit : Circuit or None
        The whole pass; kept for the first looks and the newest, which experiments replay.
    scores : int
        The circuit's node that the model answered with; −1 if it is not known.
    gradients, sizes : dict
        Root mean square of each parameter's gradient, and of the parameter.
    unreached : list of str
        Parameters that ask for a gradient and get none from this loss.
    ratios : dict
        ‖Δw‖/‖w‖ of the update that followed, for each matrix or filter bank.
    uphill : bool or None
        Whether that update went along the gradient, and not against it.
    """

    step: int
    loss: float
    circuit: Circuit | None
    scores: int
    gradients: dict[str, float]
    sizes: dict[str, float]
    unreached: list[str]
    activations: list[Activation]
    ratios: dict[str, float] = field(default_factory=dict)
    uphill: bool | None = None


@dataclass
class Evaluated:
    """A call of the model outside of training: its inputs and the modes it was made in."""

    inputs: Array
    training: bool
    recording: bool
    step: int
    place: str
    random: tuple[str, ...] = ()
    model: int = 0


@dataclass
class Session:
    """Everything that was seen, in the order in which it was seen.

    Attributes
    ----------
    inputs, targets, trained : lists
        One entry a batch trained on: its arrays, and (updates before it, id of the model).
    updates : dict of int to int
        How often each optimiser stepped, by its id.
    shrunk : list of float
        Size of the gradients at an update, as a share of what the backward pass had left.
    calls : int
        The most calls of models that one loss was made of.
    sample : (module, array) or None
        A model that takes one array, and such an array.
    """

    models: list[Any] = field(default_factory=list)
    optimizers: list[Any] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Array] = field(default_factory=dict)
    called: set[int] = field(default_factory=set)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    targets: list[Array] = field(default_factory=list)
    trained: list[tuple[int, int]] = field(default_factory=list)
    updates: dict[int, int] = field(default_factory=dict)
    shrunk: list[float] = field(default_factory=list)
    calls: int = 0
    sample: tuple[Any, Array] | None = None
    evaluated: list[Evaluated] = field(default_factory=list)
    backwards: int = 0
    steps: int = 0
    manual: bool = False
    alternates: bool = False
    stale: int = 0
    empty_steps: int = 0
    zeroed_before_step: int = 0
    training_calls: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    places: dict[str, str] = field(default_factory=dict)
    error: BaseException | None = None
    stopped: str = ""

    @property
    def first(self) -> Look | None:
        """The first look, before the first update."""
        return self.looks[0] if self.looks else None

    @property
    def last(self) -> Look | None:
        """The newest look."""
        return self.looks[-1] if self.looks else None

    def modules(self) -> Iterator[tuple[str, Any]]:
        """(path, module) of every part of every model that was called."""
        for model in self.models:
            yield from model.named_modules()


def activations(circuit: Circuit) -> list[Activation]:
    """What the activation gates of a circuit did: those that squash, and those that can be dead."""
    found: list[Activation] = []
    for node in circuit.gates:
        if not is_activation(node):
            continue
        values = np.asarray(node.value)
        if values.ndim < 2 or values.shape[0] < 2 or not values.size:
            continue
        upstream = circuit.gradients[node.index]
        squashes = node.gate is not None and node.gate.role is Role.SQUASH
        units = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
        quiet = _ends(units) if squashes else units == 0
        name = node.gate.name if node.gate else ""
        found.append(
            Activation(
                node.layer or f"{name} {len(found) + 1}",
                name,
                squashes,
                np.asarray(quiet.all(axis=0)),
                float(quiet.mean()),
                float(units.std(dtype=np.float64)),
                0.0 if upstream is None else root_mean_square(upstream),
                len(values),
            )
        )
    return found


def is_activation(node: Node) -> bool:
    """Whether a gate is an activation: one input, by places, a squash or a router with a flat."""
    gate = node.gate
    if not isinstance(gate, Elementwise) or sum(i >= 0 for i in node.inputs) != 1:
        return False
    return gate.role in (Role.SQUASH, Role.ROUTER) and node.wants_gradient


def _ends(units: Array) -> Array:
    """Where a squashing gate is at an end of its range: 0…1, or −1…1 where it goes below 0."""
    low, high = (-1.0, 1.0) if units.min() < 0 else (0.0, 1.0)
    margin = EDGE * (high - low)
    at_an_end: Array = (units < low + margin) | (units > high - margin)
    return at_an_end


def root_mean_square(values: Any) -> float:
    """√(mean of squares), in float64; 0 for nothing."""
    wide = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(wide * wide))) if wide.size else 0.0
