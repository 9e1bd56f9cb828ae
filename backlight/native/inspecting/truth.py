"""Truth: what a graph computes, by its gates' own formulas, in its own type or all in float64.

The first is eager execution. The second is what rounding is measured against: every float of the
leaves is widened, and nothing is rounded to less on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from backlight.gates.gate import Gate
from backlight.native.tracing.graph import Constant, Node, compute

Array = np.ndarray[Any, Any]


class OutOfTimeError(Exception):
    """The time that a check may take has run out."""


class Budget:
    """Seconds that may be spent, counted from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain; negative if too many were spent."""
        return self._end - time.perf_counter()

    def look(self) -> None:
        """Stop if there are none left.

        Raises
        ------
        OutOfTimeError
        """
        if self.left < 0:
            raise OutOfTimeError


def closure(nodes: Sequence[Node], wanted: Iterable[Node]) -> list[Node]:
    """Those of `nodes` that `wanted` need, in order."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if node in needed:
            kept.append(node)
            needed.update(x for x in node.inputs if isinstance(x, Node))
    return kept[::-1]


def evaluate(
    wanted: Sequence[Node],
    numbers: Mapping[Node, Any],
    nodes: Sequence[Node],
    *,
    wide: bool = False,
    narrow: Callable[[Node, Sequence[Any]], Any] | None = None,
    seen: Callable[[Node, Sequence[Any]], None] | None = None,
    budget: Budget | None = None,
) -> dict[Node, Array]:
    """The values of `wanted`, each gate by its formula; what is no longer needed is let go.

    Parameters
    ----------
    wanted : sequence of Node
    numbers : mapping
        Of every leaf but constants.
    nodes : sequence of Node
        In order, with everything that `wanted` need.
    wide : bool
        Compute in float64.
    narrow : callable, optional
        Computes the gates that contract, as a program does whose products are in bfloat16.
    seen : callable, optional
        Told of each gate with what it is given.
    budget : Budget, optional

    Raises
    ------
    OutOfTimeError
        If the budget ends first.
    """
    order = closure(nodes, wanted)
    last: dict[Node, int] = {}
    for place, node in enumerate(order):
        for x in node.inputs:
            if isinstance(x, Node):
                last[x] = place
    kept = set(wanted)
    values: dict[Node, Array] = {}
    for place, node in enumerate(order):
        if budget is not None:
            budget.look()
        if node.gate is None:
            values[node] = _leaf(node, numbers, wide)
            continue
        given = [_given(x, values, wide) for x in node.inputs]
        if seen is not None:
            seen(node, given)
        values[node] = apply(node, given, wide, narrow)
        for x in node.inputs:
            if isinstance(x, Node) and last[x] == place and x not in kept:
                values.pop(x, None)
    return {node: values[node] for node in kept}


def apply(node: Node, given: Sequence[Any], wide: bool, narrow: Any = None) -> Array:
    """One gate on numbers."""
    contracts = getattr(type(node.gate), "multiply_adds", None) is not Gate.multiply_adds
    if narrow is not None and node.gate is not None and contracts:
        return np.asarray(narrow(node, given))
    if not wide:
        return np.asarray(compute(node, given))
    gate: Any = node.gate
    if gate.name == "cast" and node.dtype.kind == "f":
        return np.asarray(given[0], np.float64)
    return widened(compute(node, given))


def rounded(value: Any) -> Any:
    """Numbers of float32 rounded to the 8 bits of bfloat16, half to even; others as they are.

    Examples
    --------
    >>> rounded(np.array([1.0, 1.00390625, 1.01171875], np.float32)).tolist()
    [1.0, 1.0, 1.015625]
    """
    array = np.asarray(value)
    if array.dtype != np.float32:
        return value
    bits = array.view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    near = (bits + (np.uint32(0x7FFF) + odd)) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(array), near, bits).astype(np.uint32).view(np.float32)


def widened(value: Any) -> Array:
    """Floats as float64; everything else as it is."""
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" and array.itemsize < 8 else array


def _leaf(node: Node, numbers: Mapping[Node, Any], wide: bool) -> Array:
    value = node.leaf.value if isinstance(node.leaf, Constant) else np.asarray(numbers[node])
    return widened(value) if wide else value


def _given(x: Any, values: Mapping[Node, Array], wide: bool) -> Any:
    if isinstance(x, Node):
        return values[x]
    if isinstance(x, np.generic):
        return widened(x) if wide else np.asarray(x)
    return x
