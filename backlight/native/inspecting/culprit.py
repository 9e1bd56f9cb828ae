"""The culprit: the first gate at which compiled code leaves the truth, by layer and line.

The graph is compiled again with every intermediate value as a result, and each gate's is compared
with the gate's formula on the *compiled* inputs, in float64: so an error is blamed on the gate
that makes it, and not on those that pass it on. Where a gate goes wrong only together with what it
is fused with, the place is found by halving: which values are still right in a program that has
one of them as one more result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backlight.native.inspecting.trial import Point, run_compilation
from backlight.native.inspecting.truth import Budget, OutOfTimeError, apply, evaluate, widened
from backlight.native.machine_code.machine import Target
from backlight.native.pipeline import compiled
from backlight.native.tracing.graph import Constant, Graph, Node

Array = np.ndarray[Any, Any]

_SURE = (1e-2, 1e-3, 1e-4)
"""Errors as a share of the largest number, from those that no rounding makes to smaller ones."""
_CLOSE = 1e-3


def first_wrong(
    source: Graph, point: Point, target: Target, threads: int | None, budget: Budget
) -> tuple[Node, str] | None:
    """The first gate whose compiled value is not what it makes of its compiled inputs.

    Returns
    -------
    (Node, str) or None
        The gate, and the likely mistake in words ("" if nothing known fits). None where each gate
        by itself is right.
    """
    gates = [node for node in source.needed() if node.gate is not None]
    values = _program_values(source, gates, point, target, threads)
    if values is None:
        return None
    numbers = point.bindings(source)
    errors: list[tuple[float, Node, str]] = []
    for node in gates:
        budget.look()
        given = [_wide(x, values, numbers) for x in node.inputs]
        aim = apply(node, given, wide=True)
        errors.append((_error(values[node], aim), node, _mistake(values[node], aim)))
    for bound in _SURE:
        for error, node, mistake in errors:
            if error > bound:
                return node, mistake
    return None


def halved(
    source: Graph, point: Point, target: Target, threads: int | None, budget: Budget
) -> Node | None:
    """The first gate that is wrong in a program with the results of `source` and its value."""
    gates = [node for node in source.needed() if node.gate is not None and node.size]
    aims = evaluate(gates, point.bindings(source), source.nodes, wide=True, budget=budget)

    def wrong(place: int) -> bool:
        budget.look()
        node = gates[place]
        values = _program_values(source, [node], point, target, threads, alone=False)
        return values is None or _error(values[node], aims[node]) > _CLOSE

    right, left = -1, len(gates)
    try:
        while left - right > 1:
            middle = (left + right) // 2
            if wrong(middle):
                left = middle
            else:
                right = middle
    except OutOfTimeError:
        return None
    return gates[left] if left < len(gates) else None


def _program_values(
    source: Graph,
    nodes: Sequence[Node],
    point: Point,
    target: Target,
    threads: int | None,
    *,
    alone: bool = True,
) -> dict[Node, Array] | None:
    """What a program computes for these nodes; `alone`, or besides all that it is for."""
    rest = replace(source, writes=[], checks=[], outputs=list(nodes))
    if not alone:
        rest = replace(rest, outputs=[*nodes, *source.outputs, *_written(source)])
    compilation = compiled(rest, target, f"check of {source.name}")
    found = run_compilation(compilation, compilation.program, threads, point)
    return None if found.code else dict(zip(nodes, found.results, strict=False))


def _written(source: Graph) -> list[Node]:
    return [write.node for write in source.writes if write.node is not None]


def _wide(x: Any, values: dict[Node, Array], numbers: dict[Node, Array]) -> Any:
    if isinstance(x, Node):
        if isinstance(x.leaf, Constant):
            return widened(x.leaf.value)
        return widened(values[x] if x in values else numbers[x])
    return widened(x) if isinstance(x, np.generic) else x


def _error(found: Array, aim: Array) -> float:
    """Largest difference as a share of the largest number; 1 for other whole numbers."""
    if found.shape != aim.shape:
        return float("inf")
    if aim.dtype.kind != "f":
        return float(np.any(found != aim))
    sound = np.isfinite(aim) & (np.abs(aim) < np.finfo(found.dtype).max)
    if not np.isfinite(found[sound]).all():
        return float("inf")
    with np.errstate(all="ignore"):
        off = np.max(np.abs(found - aim), initial=0.0, where=sound)
        size = np.max(np.abs(aim), initial=0.0, where=sound)
    return float(off / size) if size else float(off > 0)


def _mistake(found: Array, aim: Array) -> str:
    """In words, what is wrong with the numbers, if it is something simple."""
    if aim.dtype.kind != "f" or found.shape != aim.shape or not np.isfinite(found).all():
        return ""
    size = float(np.max(np.abs(aim), initial=0.0))
    if not size:
        return "numbers where there are none: a mask is missing"

    def same(one: Array, other: Array) -> bool:
        return bool(np.all(np.abs(one - other) <= _CLOSE * size))

    if same(found, aim):
        return ""
    if same(found, -aim):
        return "the sign"
    if not found.any():
        return "nothing is computed: all zeros"
    if aim.ndim >= 2 and aim.shape[-1] == aim.shape[-2] and same(found, np.swapaxes(aim, -1, -2)):
        return "transposed"
    factor = float(np.sum(found * aim) / np.sum(aim * aim))
    if factor and same(found, factor * aim):
        return f"{factor:.6g} times too large"
    kept = np.abs(aim) > _CLOSE * size
    if same(found[kept], aim[kept]):
        return "numbers where there are none: a mask is missing"
    wrong = np.abs(found - aim) > _CLOSE * size
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{int(wrong.sum()):,} of {aim.size:,} numbers, the first at {list(first)}: "
        f"{found[first]:.6g} instead of {aim[first]:.6g}"
    )
