"""A closer look at one backward pass: its circuit, its batch, and what the gradients were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from backlight.doctor.session import Look, Session, activations, root_mean_square
from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.record import circuit

Array = np.ndarray[Any, Any]
SCORES = "the model's answer"


def look_at(loss: Any, session: Session, output: Any) -> Look:
    """Look closely at the backward pass that is about to begin at this loss."""
    with np.errstate(all="ignore"):
        return _looked(loss, session, output)


def _looked(loss: Any, session: Session, output: Any) -> Look:
    names: dict[str, Any] = dict(session.parameters)
    answer = _answer(output)
    if answer is not None:
        names[SCORES] = answer
    drawn = _frozen_in_time(circuit(loss, names=names))
    by_name = {node.name: node for node in drawn.leaves if node.kind != "constant"}
    gradients, sizes, unreached = {}, {}, []
    for name, parameter in session.parameters.items():
        sizes[name] = root_mean_square(parameter._value)
        node = by_name.get(name)
        found = None if node is None else drawn.gradients[node.index]
        if found is not None:
            gradients[name] = root_mean_square(found)
        elif parameter.requires_grad:
            unreached.append(name)
    scores = next((node.index for node in drawn.nodes if node.name == SCORES), -1)
    if scores < 0:
        scores = _scores_of(drawn)
    return Look(
        session.steps,
        float(loss._value),
        drawn,
        scores,
        gradients,
        sizes,
        unreached,
        activations(drawn),
    )


def _answer(output: Any) -> Any:
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    return output if isinstance(output, Tensor) and output._gate is not None else None


def _frozen_in_time(drawn: Circuit) -> Circuit:
    """The circuit with copies of the parameters, which an update is about to change in place."""
    nodes = tuple(
        node if node.kind in ("gate", "constant") else replace(node, value=np.array(node.value))
        for node in drawn.nodes
    )
    return replace(drawn, nodes=nodes)


def _scores_of(drawn: Circuit) -> int:
    """Without a module: what the loss compares with the targets."""
    for node in reversed(drawn.gates):
        if "reduction" in node.attributes and node.inputs[0] >= 0:
            return node.inputs[0]
    return -1


def batch_of(ordered: list[Tensor], output: Any, inputs: Any) -> tuple[Array, Array] | None:
    """The inputs and targets of a loss, from its history; None if they cannot be told.

    Targets are what a loss gate was given beside the scores; of hand-written losses, the whole
    numbers, or else the constants with as many rows as the scores, that come after the scores.
    """
    answer = _answer(output)
    gates = [node for node in ordered if node._gate is not None]
    targets = _targets(gates, answer)
    if targets is None or targets.ndim == 0:
        return None
    rows = len(targets)
    if not isinstance(inputs, np.ndarray) or inputs.ndim == 0 or len(inputs) != rows:
        inputs = next(
            (
                x
                for node in gates
                for x in _constants(node)
                if x.ndim and len(x) == rows and x is not targets
            ),
            None,
        )
    return None if inputs is None else (inputs, targets)


def _targets(gates: list[Tensor], answer: Any) -> Array | None:
    rows = None if answer is None else answer.shape[0] if answer.ndim else None
    floating: Array | None = None
    for node in reversed(gates):
        if node is answer:
            break
        if "reduction" in node._attributes and len(node._inputs or ()) > 1:
            return _array(node._inputs[1])  # type: ignore[index]
        for found in _constants(node):
            if rows is not None and (found.ndim == 0 or len(found) != rows):
                continue
            if found.dtype.kind in "iu" and not _counts_up(found):
                return found
            if found.dtype.kind == "f" and found.ndim and found.size > 1 and answer is not None:
                floating = found
    return floating


def _counts_up(found: Array) -> bool:
    return found.ndim == 1 and bool((found == np.arange(len(found))).all())


def _constants(node: Tensor) -> Iterator[Array]:
    for x in node._inputs or ():
        if isinstance(x, Tensor):
            if not x.requires_grad and isinstance(x._value, np.ndarray):
                yield x._value
        elif isinstance(x, np.ndarray):
            yield x


def _array(x: Any) -> Array:
    return np.asarray(getattr(x, "_value", x))
