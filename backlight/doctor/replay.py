"""A recorded pass run again with other numbers: what experiments on a script are made of.

The circuit holds every gate between parameters and loss. Replaying it with other parameters, other
scores or in float64 asks "what if" of the very loss that the script computed, whatever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from backlight.engine.apply import run
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Circuit

Array = np.ndarray[Any, Any]


class Replay:
    """The loss of a recorded pass as a function of some of its nodes.

    Parameters
    ----------
    circuit : Circuit
    wires : iterable of int
        The nodes that will be given; gates that depend on them are computed again.
    wide : bool
        Compute in float64.
    """

    def __init__(self, circuit: Circuit, wires: Any, *, wide: bool = False) -> None:
        self.circuit, self.wide = circuit, wide
        self.wires = tuple(wires)
        moving = set(self.wires)
        self._again = []
        for node in circuit.gates:
            if node.index not in moving and not moving.isdisjoint(node.inputs):
                moving.add(node.index)
                self._again.append(node)
        self._kept = [
            None if node.index in moving else self._value(node.value) for node in circuit.nodes
        ]

    def _value(self, value: Array) -> Array:
        floating = self.wide and value.dtype == np.float32
        return value.astype(np.float64) if floating else value

    def __call__(self, given: Mapping[int, Any]) -> Any:
        """The loss with these values on the wires; differentiable if they are."""
        values: list[Any] = list(self._kept)
        for index, value in given.items():
            values[index] = value if isinstance(value, Tensor) else Tensor.share(value)
        with np.errstate(all="ignore"):
            for node in self._again:
                inputs = tuple(None if i < 0 else values[i] for i in node.inputs)
                assert node.gate is not None  # noqa: S101 - told to the type checker
                values[node.index] = run(Tensor, node.gate, inputs, node.attributes)
        output = values[self.circuit.output]
        return output if isinstance(output, Tensor) else Tensor.share(np.asarray(output))

    def number(self, given: Mapping[int, Any]) -> float:
        """The loss as a number, without recording anything; NaN where a gate refuses."""
        with no_grad():
            return float(self(given)._value)


def parameters(circuit: Circuit) -> dict[int, Array]:
    """The leaves that a loss was differentiated by, with their values."""
    return {
        node.index: node.value
        for node in circuit.leaves
        if node.kind == "parameter" or (node.kind == "input" and node.name)
    }


def loss_at_scores(circuit: Circuit, scores: int) -> Callable[[Array], float]:
    """The loss as a function of the scores, everything else as it was."""
    again = Replay(circuit, [scores])
    return lambda values: again.number({scores: values})
