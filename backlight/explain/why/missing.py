"""Why no gradient arrives at all: a constant, a wall, a copy that was detached, or no use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.engine.apply import watch
from backlight.engine.backward import _history
from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Circuit
from backlight.gates.gate import Gate, Role


@dataclass(frozen=True)
class Missing:
    """Why a value has no gradient.

    Attributes
    ----------
    kind : str
        "constant" (it does not ask for one), "whole" (whole numbers have none), "wall" (a gate that
        passes none), "detached" (its numbers were used without their history), "unused" (the
        output does not depend on it), "recording" (computed inside no_grad).
    gate : str
        The gate that passes none, for "wall" and "recording"; for "detached", the value whose
        numbers were used without their history.
    """

    kind: str
    gate: str = ""


@dataclass
class Recording:
    """Every gate that was applied in a block, also those that no gradient passes.

    Examples
    --------
    >>> from backlight import tensor
    >>> x = tensor(0.3, requires_grad=True, name="x")
    >>> with Recording() as recording:
    ...     y = x.round() * 2.0
    >>> recording.barrier(x, y)
    ('wall', 'round')
    """

    applied: list[tuple[Gate, tuple[Any, ...], Tensor]] = field(default_factory=list)

    def __enter__(self) -> Recording:
        self._watch = watch(self._note)
        self._watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.__exit__(*error)

    def _note(
        self, gate: Gate, inputs: Any, _values: Any, _attributes: dict[str, Any], output: Tensor
    ) -> None:
        self.applied.append((gate, tuple(inputs), output))

    def barrier(self, x: Tensor, output: Tensor) -> tuple[str, str] | None:
        """What kept the gradient of x away: (kind, gate); None if x was not used for the output."""
        leads = {id(output)}
        for _, inputs, made in reversed(self.applied):
            if id(made) in leads:
                leads |= {id(one) for one in inputs if isinstance(one, Tensor)}
        made_from = {id(x)}
        for gate, inputs, made in self.applied:
            if made_from.isdisjoint(map(id, inputs)):
                continue
            if id(made) in leads and not made.requires_grad:
                silent = gate.role in (Role.WALL, Role.SOURCE) or made.dtype.kind != "f"
                return ("wall" if silent else "recording"), gate.name
            made_from.add(id(made))
        return None


def missing(
    circuit: Circuit,
    target: int | None,
    barrier: tuple[str, str] | None = None,
) -> Missing:
    """Why a value's gradient is None.

    Parameters
    ----------
    target : int or None
        Its node; None if the circuit has none for it.
    barrier : (str, str), optional
        What a recording of all gates found, or a search for detached copies.
    """
    if barrier is not None:
        return Missing(*barrier)
    if target is not None:
        node = circuit.nodes[target]
        if node.value.dtype.kind != "f":
            return Missing("whole")
        if node.kind == "constant":
            return Missing("constant")
        handing = [circuit.nodes[reader] for reader, _ in circuit.consumers[target]]
        for reader in handing:
            if circuit.gradients[reader.index] is not None and reader.gate is not None:
                return Missing("wall", reader.gate.name)
        return Missing("unused")
    return Missing("unused")


def cut_off(output: Tensor, x: Tensor) -> tuple[str, str] | None:
    """Where x was left behind: a value made from it that the output uses detached.

    A detached copy remembers whose numbers it holds, and that value how it was made.

    Examples
    --------
    >>> from backlight import tensor
    >>> x, y = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)
    >>> cut_off((x * 5).detach() * y, x)
    ('detached', 'multiply')
    """
    waiting = [output]
    seen = {id(output)}
    while waiting:
        for made in _history([waiting.pop()])[0]:
            for one in made._inputs or ():
                behind = one._base if isinstance(one, Tensor) and not one._wanted else None
                if behind is None or id(behind) in seen or not behind._wanted:
                    continue
                if behind is x:
                    return "detached", x.name or "x"
                if any(past is x for past in _history([behind])[0]):
                    return "detached", _called(behind)
                seen.add(id(behind))
                waiting.append(behind)
    return None


def _called(tensor: Tensor) -> str:
    layer = (tensor._notes or {}).get("origin")
    gate = tensor._gate.name if tensor._gate is not None else ""
    return f"{tensor.name or gate} ({layer.path})" if layer else tensor.name or gate


def detached_copies(circuit: Circuit, among: frozenset[int]) -> list[tuple[int, int]]:
    """Constants that are copies of nodes without their history: (constant, the node)."""
    found = []
    for node in circuit.leaves:
        if node.kind != "constant" or node.value.dtype.kind != "f":
            continue
        for index in among:
            value = circuit.nodes[index].value
            if value.shape == node.value.shape and np.shares_memory(value, node.value):
                found.append((node.index, index))
                break
    return found
