"""What the derived checks of a gate answer with, and how its samples become cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.check.case import Case
from backlight.engine.tensor import Tensor
from backlight.gates.gate import Gate, Role, Sample

Array = np.ndarray[Any, Any]
SILENT = (Role.WALL, Role.SOURCE)
SMALL = 1e-3
"""Gradients below this part of the upstream are compared as if they were this large: a sum of
upstream numbers that cancels is rounded by the size of its terms."""


@dataclass(frozen=True)
class Finding:
    """A promise of a gate's declaration that does not hold.

    Parameters
    ----------
    gate, check, sample : str
        Which gate, which promise, and on which sample.
    told : str
        What was found and what should be.
    input, element
        The input and the place in it, where there is one.
    """

    gate: str
    check: str
    sample: str
    told: str
    input: str = ""
    element: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """Gate, check, sample, place and what was found, in a line."""
        place = self.input + (f"[{', '.join(map(str, self.element))}]" if self.element else "")
        return (
            f"{self.gate}, {self.check}, sample ({self.sample})"
            + (f", {place}" if place else "")
            + f": {self.told}"
        )


def floating(value: Any) -> bool:
    """Whether a sample's input is an array that carries a gradient."""
    return isinstance(value, (np.ndarray, np.floating)) and np.asarray(value).dtype.kind == "f"


def names(gate: Gate, sample: Sample) -> list[str]:
    """A name for every input of a sample."""
    if gate.variadic:
        return [f"{gate.inputs[0]} {place}" for place in range(len(sample.inputs))]
    return list(gate.inputs[: len(sample.inputs)])


def attributes_of(gate: Gate, sample: Sample) -> dict[str, Any]:
    """Every attribute, those that the sample leaves out by their default."""
    return gate.bind(tuple(sample.inputs), dict(sample.attributes))[1]


def tensors(sample: Sample, dtype: Any = np.float64) -> list[Any]:
    """The sample's arrays as tensors, floating ones as leaves; numbers and None as they are."""
    return [
        Tensor(x, dtype=dtype, requires_grad=True)
        if floating(x)
        else Tensor(x)
        if isinstance(x, (np.ndarray, np.generic))
        else x
        for x in sample.inputs
    ]


def case_of(gate: Gate, sample: Sample, seed: int = 0) -> Case | None:
    """The gate on a sample as a case; None if nothing can be differentiated."""
    wires = tensors(sample)
    leaves = {
        name: wire
        for name, wire in zip(names(gate, sample), wires, strict=True)
        if isinstance(wire, Tensor) and wire.requires_grad
    }
    if gate.role in SILENT or not leaves:
        return None
    case = Case(lambda: gate(*wires, **sample.attributes), leaves, seed=seed)
    return case if case.outputs and case.outputs[0].requires_grad else None


def gradients(
    gate: Gate, wires: list[Any], attributes: dict[str, Any], cotangent: Any
) -> tuple[Any, list[Array | None]]:
    """The gate's output on tensors, and the gradient of each floating input."""
    from_leaves = [wire for wire in wires if isinstance(wire, Tensor)]
    for leaf in from_leaves:
        leaf.grad = None
    output = gate(*wires, **attributes)
    if output.requires_grad:
        output.backward(cotangent)
    return output._value, [
        None if not isinstance(wire, Tensor) or wire.grad is None else wire.grad._value
        for wire in wires
    ]
