"""Whether a gate stands exactly at a kink, where it has no single slope, or at a tie of winners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from backlight.errors import BacklightError
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

MOST = 64
"""Numbers of a wire that are moved one by one."""
NEAR = 1e-9
"""How far a value is moved, as a share of its size: float32 values as wide numbers."""


def kink_of(circuit: Circuit, what: int | str) -> Literal["", "tie", "kink"]:
    """Where a gate stands: "tie" of equal winners, "kink" at another corner, "" where it is smooth.

    Found by trying: at a kink, the smallest move of an input makes a piecewise formula choose
    another of its pieces.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> [kink_of(circuit("max(x, y)", x=2, y=y), 2) for y in (1, 2)]
    ['', 'tie']
    >>> kink_of(circuit("relu(x)", x=[-1, 0]), 1)
    'kink'
    """
    node = circuit.find(what)
    gate = node.gate
    if gate is None or not gate.kinks or not node.value.size:
        return ""
    given: list[Any] = [None if i < 0 else circuit.nodes[i].value for i in node.inputs]
    given = [x.astype(np.float64) if x is not None and x.dtype.kind == "f" else x for x in given]
    usual = _pieces(node, given)
    for place, source in enumerate(node.inputs):
        if source < 0 or source not in circuit.reached:
            continue
        with np.errstate(all="ignore"):
            moves = list(_moves(given[place], isinstance(gate, Elementwise)))
        for moved in moves:
            there = _pieces(node, [*given[:place], moved, *given[place + 1 :]])
            if usual is not None and there is not None and not np.array_equal(usual, there):
                competing = len(node.inputs) > 1 or not isinstance(gate, Elementwise)
                return "tie" if gate.role is Role.ROUTER and competing else "kink"
    return ""


def _moves(value: Array, together: bool) -> Iterator[Array]:
    """The value moved up and down by very little: all numbers at once, or one after the other."""
    step = NEAR * np.maximum(np.abs(value), 1e-3)
    if together:
        yield value + step
        yield value - step
        return
    for number in range(min(value.size, MOST)):
        for sign in (1, -1):
            moved = value.copy()
            moved.flat[number] += sign * step.flat[number]
            yield moved


def _pieces(node: Node, given: list[Any]) -> Any:
    """Which piece of the formula every number falls in; None if the gate does not say."""
    assert node.gate is not None  # noqa: S101 - told to the type checker
    try:
        with np.errstate(all="ignore"):
            return node.gate.branch(np, *given, **node.attributes)
    except (BacklightError, TypeError, ValueError, IndexError):
        return None
