"""Slopes: the loss a little ahead and a little behind along a random line, beside its gradient.

One line goes through all numbers at once, so it costs two evaluations, whatever their count. In
float64, by the gates' formulas: that the compiled numbers are those is what `agreement` finds out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight import philox
from backlight.native.inspecting.truth import Budget, closure, evaluate
from backlight.native.tracing.graph import Graph, Node, Pass, State

Array = np.ndarray[Any, Any]

LINES = 2
STEPS = (1e-6, 1e-5, 1e-7)
"""Several, as a kink may lie within one."""
TOLERANCE = 1e-4
_SMALLEST = 1e-3


@dataclass(frozen=True)
class Slope:
    """A numerical slope along a line, beside the gradient's; `by` names what was moved.

    `kink` names a gate that has one within the step, where there is no slope to compare with.
    """

    by: str
    analytic: float
    numeric: float
    size: float
    noise: float
    kink: str = ""

    @property
    def ok(self) -> bool:
        """Whether they agree, but for rounding."""
        return abs(self.analytic - self.numeric) <= TOLERANCE * self.size + self.noise

    def __str__(self) -> str:
        """The gradient by fc1.weight is 0.31 along a line, the loss changes by −0.31."""
        return (
            f"along a random line through {self.by} the gradient says {self.analytic:.6g}, "
            f"and the loss changes by {self.numeric:.6g}"
        )


def can_be_measured(source: Graph, one: Pass) -> bool:
    """Whether the gradient is meant to be that of the root: nothing was detached on the way."""
    return not any(node in source.walls for node in closure(source.nodes, [one.root]))


def measured(
    source: Graph,
    one: Pass,
    numbers: Mapping[Node, Array],
    gradients: Mapping[Node, Array],
    budget: Budget,
) -> list[Slope]:
    """Slopes along random lines; where they disagree, one more for each leaf by itself.

    Those that disagree and have a kink within the smallest step say so, and prove nothing.

    Raises
    ------
    OutOfTimeError
        If the budget ends first.
    """
    pairs = [(leaf, gradients[gradient]) for leaf, gradient in one.pairs if leaf.size]
    found = [_slope(source, one.root, pairs, numbers, line, budget) for line in range(LINES)]
    if any(slope.ok for slope in found):
        return [slope for slope in found if slope.ok]
    alone = [_slope(source, one.root, [pair], numbers, LINES, budget) for pair in pairs]
    return [*found, *(slope for slope in alone if not slope.ok)]


def _slope(
    source: Graph,
    root: Node,
    pairs: list[tuple[Node, Array]],
    numbers: Mapping[Node, Array],
    line: int,
    budget: Budget,
) -> Slope:
    directions = {
        leaf: _direction(numbers[leaf], line, place) for place, (leaf, _) in enumerate(pairs)
    }
    parts = [gradient * directions[leaf] for leaf, gradient in pairs]
    analytic = float(sum(np.sum(part) for part in parts))
    size = float(np.sqrt(sum(np.sum(part * part) for part in parts)))
    by = pairs[0][0].title() if len(pairs) == 1 else f"all {len(pairs)} leaves"
    found = []
    for step in STEPS:
        ahead, behind = (
            _value(source, root, numbers, directions, side * step, budget) for side in (1, -1)
        )
        noise = 64 * np.finfo(np.float64).eps * max(abs(ahead), abs(behind), size * step) / step
        slope = Slope(by, analytic, (ahead - behind) / (2 * step), size, float(noise))
        if slope.ok:
            return slope
        found.append(slope)
    kink = _kink(source, root, numbers, directions, min(STEPS), budget)
    return replace(found[0], kink=kink)


def _kink(
    source: Graph,
    root: Node,
    numbers: Mapping[Node, Array],
    directions: Mapping[Node, Array],
    step: float,
    budget: Budget,
) -> str:
    """A gate whose formula has another branch ahead than behind; "" if there is none."""
    ahead: dict[Node, Any] = {}
    changed: list[Node] = []

    def note(node: Node, given: Any) -> None:
        ahead[node] = _branch(node, given)

    def compare(node: Node, given: Any) -> None:
        if not changed and not np.array_equal(ahead[node], _branch(node, given)):
            changed.append(node)

    for side, seen in ((1, note), (-1, compare)):
        moved = _moved(numbers, directions, side * step)
        evaluate([root], moved, source.nodes, wide=True, seen=seen, budget=budget)
    return changed[0].told() if changed else ""


def _branch(node: Node, given: Any) -> Any:
    """Which piece of a piecewise formula each number falls in."""
    gate: Any = node.gate
    found = gate.branch(np, *given, **node.attributes)
    return 0 if found is None else np.asarray(found)


def _direction(value: Array, line: int, place: int) -> Array:
    wide = np.asarray(value, np.float64)
    scale = max(float(np.sqrt(np.mean(wide * wide))), _SMALLEST)
    return np.asarray(scale * philox.normal(line, place, wide.shape, np.float64))


def _value(
    source: Graph,
    root: Node,
    numbers: Mapping[Node, Array],
    directions: Mapping[Node, Array],
    distance: float,
    budget: Budget,
) -> float:
    moved = _moved(numbers, directions, distance)
    found = evaluate([root], moved, source.nodes, wide=True, budget=budget)[root]
    return float(np.asarray(found).reshape(()))


def _moved(
    numbers: Mapping[Node, Array], directions: Mapping[Node, Array], distance: float
) -> dict[Node, Array]:
    """The leaves, so far along their directions."""
    moved = {**numbers}
    keys = {
        leaf.leaf.key: step for leaf, step in directions.items() if isinstance(leaf.leaf, State)
    }
    for leaf, value in numbers.items():  # two leaves may be one memory
        step = directions.get(leaf)
        if step is None and isinstance(leaf.leaf, State):
            step = keys.get(leaf.leaf.key)
        if step is not None:
            moved[leaf] = np.asarray(value, np.float64) + distance * step
    return moved
