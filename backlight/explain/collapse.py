"""Why without a nonlinearity many layers are worth one: stacked linear maps multiplied out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.record import circuit
from backlight.nn.linear import Linear
from backlight.nn.module import Module

_SEED = 1969  # Minsky and Papert, Perceptrons
_SCALES = (1.0, 0.1, 10.0, 100.0)
_TRIES = 16
_BENT = 1e-9  # relative; rounding is far below in float64


@dataclass(frozen=True)
class Collapsed:
    """A stack of linear layers as one: f(x) = x @ matrixᵀ + bias.

    Attributes
    ----------
    matrix : array, shape (outputs, inputs)
    bias : array, shape (outputs,)
    layers : tuple of array
        The matrices that were multiplied, first layer first; one if they were not told apart.
    error : float
        The largest relative difference between the stack and the one matrix, on random inputs.
    """

    matrix: Array
    bias: Array
    layers: tuple[Array, ...]
    error: float

    def __call__(self, x: Any) -> Array:
        """The one layer applied to rows of inputs."""
        return np.asarray(np.asarray(x, np.float64) @ self.matrix.T + self.bias)

    def __str__(self) -> str:
        """Sizes before and after, and how equal they are."""
        sizes = " · ".join("×".join(map(str, layer.shape)) for layer in reversed(self.layers))
        one = "×".join(map(str, self.matrix.shape))
        count = len(self.layers)
        return (
            f"{count} linear layer{'s' if count > 1 else ''} ({sizes}) equal one ({one}): "
            f"the largest relative difference is {self.error:.1e}"
        )


@dataclass(frozen=True)
class Witness:
    """Two points that show that a function is not linear: f(a) + f(b) ≠ f(a + b) + f(0).

    Attributes
    ----------
    a, b : array
        The points.
    apart, together : array
        f(a) + f(b), and f(a + b) + f(0).
    gates : tuple of str
        The gates of the circuit that are not linear.
    """

    a: Array
    b: Array
    apart: Array
    together: Array
    gates: tuple[str, ...]

    def __str__(self) -> str:
        """The two points and the two sums, short."""
        because = f" ({', '.join(self.gates)})" if self.gates else ""
        return (
            f"f(a) + f(b) = {_short(self.apart)} but f(a + b) + f(0) = {_short(self.together)} "
            f"at a = {_short(self.a)}, b = {_short(self.b)}{because}"
        )


def collapse(model: Module | Callable[[Any], Any], inputs: Any = None) -> Collapsed:
    """Multiply stacked linear layers into one, and prove that it is the same.

    W₃(W₂(W₁x + b₁) + b₂) + b₃ = (W₃W₂W₁)x + (W₃W₂b₁ + W₃b₂ + b₃): h(x) = c·x three times is c³·x.

    Parameters
    ----------
    model : Module or callable
        Takes rows of inputs; computed in float64, in evaluation mode, on a copy.
    inputs : int or tuple of int, optional
        Shape of one input; found from the first linear layer if not given.

    Returns
    -------
    Collapsed

    Raises
    ------
    ArgumentError
        If it is not linear: with two points that show it, and the gates that are to blame.

    Examples
    --------
    >>> print(collapse(lambda x: 2 * (2 * (2 * x)), 1).matrix)
    [[8.]]

    Source: CS231n, notes on neural networks 1: the nonlinearity is where we get the wiggle.
    """
    own = copy.deepcopy(model).double().eval() if isinstance(model, Module) else model
    shape = _shape(own, inputs)
    found = witness(own, shape)
    if found is not None:
        raise ArgumentError(
            "collapse",
            got=str(found),
            needs="a linear model, for which both are the same",
            remedy="With a nonlinearity between them, layers are worth more than one: keep them.",
        )
    offset = _at(own, np.zeros((1, *shape)))[0]
    units = np.eye(int(np.prod(shape)))
    matrix = (_at(own, units.reshape(-1, *shape)) - offset).T
    layers = _stacked(own)
    if layers:
        matrix, offset = _multiplied(layers, own)
    error = _difference(own, shape, matrix, offset)
    return Collapsed(matrix, offset, tuple(layers) or (matrix,), error)


def witness(model: Callable[[Any], Any], inputs: int | tuple[int, ...]) -> Witness | None:
    """Two points at which f(a) + f(b) ≠ f(a + b) + f(0); None if none of many tried does.

    Examples
    --------
    >>> import backlight
    >>> found = witness(backlight.relu, 1)
    >>> bool(abs(found.apart - found.together).max() > 0)
    True
    """
    shape = (inputs,) if isinstance(inputs, int) else tuple(inputs)
    worst, most = None, _BENT
    for turn in range(_TRIES):
        scale = _SCALES[turn % len(_SCALES)]
        # Rounded, so that a person can check the witness by hand.
        a, b = (
            np.round(scale * philox.normal(_SEED, 2 * turn + k, shape, np.float64), 2)
            for k in (0, 1)
        )
        if turn < len(_SCALES):
            b = -a  # the simplest: one point and its mirror image
        rows = _at(model, np.stack([a, b, a + b, np.zeros(shape)]))
        apart, together = rows[0] + rows[1], rows[2] + rows[3]
        size = float(np.max(np.abs(rows), initial=1e-300))
        bent = float(np.max(np.abs(apart - together), initial=0.0)) / size
        if bent > most or np.isnan(bent):
            worst, most = Witness(a, b, apart, together, ()), bent
            break
    if worst is None:
        return None
    gates = _bent_gates(model, worst.a)
    return Witness(worst.a, worst.b, worst.apart, worst.together, gates)


def _bent_gates(model: Callable[[Any], Any], a: Array) -> tuple[str, ...]:
    """The gates on the way from the input that are not linear in it."""
    x = Tensor(a[None], dtype=np.float64, requires_grad=True)
    drawn = circuit(model(x), names={"x": x})
    start = drawn.find("x").index
    leads, bent = {start}, []
    for node in drawn.gates:
        moving = [wire for wire, i in enumerate(node.inputs) if i in leads]
        if moving:
            leads.add(node.index)
            if node.gate is not None and not _is_linear(drawn, node, moving):
                bent.append(node.gate.name)
    return tuple(dict.fromkeys(bent))


def _is_linear(drawn: Circuit, node: Node, moving: list[int]) -> bool:
    """Whether g(a) + g(b) = g(a + b) + g(0) in the inputs that move, the others held."""
    gate = node.gate
    assert gate is not None  # noqa: S101 - told to the type checker

    def at(stream: int | None) -> list[Any]:
        return [
            None
            if i < 0
            else drawn.nodes[i].value
            if wire not in moving
            else np.zeros(drawn.nodes[i].shape)
            if stream is None
            else 3 * philox.normal(_SEED, 100 + 2 * wire + stream, drawn.nodes[i].shape, np.float64)
            for wire, i in enumerate(node.inputs)
        ]

    first, second = at(0), at(1)
    both = [
        x + y if wire in moving else x
        for wire, (x, y) in enumerate(zip(first, second, strict=True))
    ]
    values = [gate.compute(given, node.attributes) for given in (first, second, both, at(None))]
    with np.errstate(all="ignore"):
        gap = np.abs(values[0] + values[1] - values[2] - values[3])
        return bool(np.all(gap <= _BENT * max(1.0, float(np.max(np.abs(values), initial=0.0)))))


def _shape(model: Any, inputs: Any) -> tuple[int, ...]:
    if inputs is not None:
        return (inputs,) if isinstance(inputs, int) else tuple(inputs)
    first = _stacked(model, every=False) if isinstance(model, Module) else []
    if first:
        return (first[0].shape[1],)
    raise ArgumentError(
        "collapse",
        got="a model without a linear layer, and no shape of its inputs",
        needs="the shape of one input",
        remedy="Write for example collapse(model, 64).",
    )


def _stacked(model: Any, every: bool = True) -> list[Array]:
    """The matrices of a stack of linear layers; empty if it has other layers (or no layers)."""
    if not isinstance(model, Module):
        return []
    leaves = [module for module in model.modules() if not list(module.children())]
    linear = [module for module in leaves if isinstance(module, Linear)]
    if every and len(linear) != len(leaves):
        return []
    return [np.asarray(module.weight._value, np.float64) for module in linear]


def _multiplied(layers: list[Array], model: Any) -> tuple[Array, Array]:
    """…W₃W₂W₁ and the bias that goes with it."""
    linear = [module for module in model.modules() if isinstance(module, Linear)]
    matrix, offset = np.eye(layers[0].shape[1]), np.zeros(layers[0].shape[1])
    for weight, module in zip(layers, linear, strict=True):
        bias = 0.0 if module.bias is None else np.asarray(module.bias._value)
        matrix, offset = weight @ matrix, weight @ offset + bias
    return matrix, np.asarray(offset)


def _difference(model: Any, shape: tuple[int, ...], matrix: Array, offset: Array) -> float:
    rows = philox.normal(_SEED, 99, (8, *shape), np.float64)
    stack, one = _at(model, rows), rows.reshape(8, -1) @ matrix.T + offset
    size = float(np.max(np.abs(stack), initial=1e-300))
    return float(np.max(np.abs(stack - one), initial=0.0)) / size


def _at(model: Callable[[Any], Any], rows: Array) -> Array:
    """What the model answers to rows of inputs, each answer in one row."""
    with no_grad():
        found = model(Tensor(rows, dtype=np.float64))
    value = np.asarray(getattr(found, "_value", found), np.float64)
    return value.reshape(len(rows), -1)


def _short(array: Array) -> str:
    row = np.ravel(array)
    told = ", ".join(f"{x:.4g}" for x in row[:4])
    return f"[{told}{', …' if row.size > 4 else ''}]"
