"""Where the influence of a number ends: which gate made a gradient zero, and how.

The number is moved a little and its movement followed from gate to gate by J·v. Where a movement
comes to a gate and does not leave it, its way ends. Movements are kept with an exponent of their
own, so that none of them vanishes by being small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backlight import philox
from backlight.explain.circuit.circuit import Array
from backlight.explain.why.region import Region, norm
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

Place = tuple[int, ...]
_SEED = 20_221_121
_TINY = {"f4": 2e-6, "f8": 1e-13}
"""Relative to what came together: below it a sum is rounding, not a result."""


@dataclass(frozen=True)
class Stop:
    """Where the influence of a number ends: why its gradient is 0.

    Attributes
    ----------
    node : int
        The gate whose output no longer depends on it.
    wire : int
        The wire on which the influence arrives.
    kind : str
        "closed" (a piece of the gate that is 0 all along), "flat" (a slope of 0), "saturated",
        "routed" (other numbers were chosen), "dropped" (by chance), "zeros" (multiplied by 0),
        "cancelled" (its effects on several places add up to nothing), "walled", "upstream" (the
        backward pass starts with 0) or "underflow" (too small for its type).
    places : int
        How many numbers arrive there and are all stopped.
    other : int
        For "zeros", the node that is 0 there; −1 otherwise.
    value : float or None
        For an elementwise gate that is flat, the first of the numbers that arrive.
    """

    node: int
    wire: int
    kind: str
    places: int
    other: int = -1
    value: float | None = None


@dataclass(frozen=True)
class Moving:
    """How a node moves when the target does: directions × 2**exponent, the largest about 1."""

    along: Array
    exponent: int = 0

    @property
    def places(self) -> Array:
        """Where it moves at all."""
        return np.asarray(self.along != 0)

    @property
    def count(self) -> int:
        """How many of its numbers move."""
        return int(np.count_nonzero(self.along))


def stops(region: Region, place: Place | None = None) -> list[Stop]:
    """Where the influence of the target ends on its way to the output.

    If none of it arrives at the output, the gradient is 0, and these are the gates that made it so.

    Parameters
    ----------
    place : tuple of int, optional
        One number of the target; all of it (along a random direction) if not given.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> (stop,) = stops(Region(circuit("relu(w*x) * v", w=2, x=-1, v=3), 0))
    >>> stop.node, stop.kind
    (3, 'closed')
    """
    moving, found = movement(region, place)
    output = region.circuit.output
    if output not in moving:
        return found
    count = moving[output].count
    if not np.any(region.circuit.upstream):
        return [Stop(output, 0, "upstream", count)]
    lost = _underflow(region, moving)
    if lost is not None:
        return [Stop(lost, 0, "underflow", count)]
    return [_cancelling(region, moving)]


def cancels(region: Region) -> bool:
    """Whether a random movement of the target is cancelled wherever it goes, but for rounding."""
    moving, found = movement(region, None)
    return region.circuit.output not in moving and {stop.kind for stop in found} == {"cancelled"}


def movement(region: Region, place: Place | None) -> tuple[dict[int, Moving], list[Stop]]:
    """How every node moves when the target does, and where the movement ends."""
    start = region.node(region.target)
    direction = np.asarray(philox.normal(_SEED, 0, start.shape, np.float64))
    if place is not None:
        direction = np.zeros(start.shape)
        direction[place] = 1
    moving = {region.target: Moving(np.asarray(direction, start.value.dtype))}
    found: list[Stop] = []
    for index in region.way:
        step = _through(region, index, moving)
        if isinstance(step, Moving):
            moving[index] = step
        elif step is not None:
            found.append(step)
    return moving, found


def _through(region: Region, index: int, moving: dict[int, Moving]) -> Moving | Stop | None:
    """How a gate's output moves; where it does not although something came, why."""
    node = region.circuit.nodes[index]
    arriving = [(w, i) for w, i in enumerate(node.inputs) if i in moving]
    if not arriving:
        return None
    parts = {w: region.pushed(index, w, moving[i].along) for w, i in arriving}
    passed = {
        w: Moving(np.asarray(part), moving[node.inputs[w]].exponent)
        for w, part in parts.items()
        if part is not None and np.any(part)
    }
    wire, source = arriving[0]
    count = moving[source].count
    real = {w: part for w, part in passed.items() if not _rounding(region, index, w, part, moving)}
    total = _sum(list(real.values()))
    if total is not None and norm(total.along) > _tiny(total.along) * _size(total, real):
        return _scaled(total)
    if passed:
        return Stop(index, next(iter(passed)), "cancelled", count)
    if all(part is None for part in parts.values()):
        return Stop(index, wire, "walled", count)
    return _nothing(region, index, wire, moving[source])


def _sum(parts: list[Moving]) -> Moving | None:
    """Movements added, at the largest of their exponents."""
    if not parts:
        return None
    top = max(part.exponent for part in parts)
    arrays = [np.ldexp(part.along, part.exponent - top) for part in parts]
    with np.errstate(all="ignore"):
        return Moving(np.asarray(np.sum(arrays, axis=0)), top)


def _size(total: Moving, parts: dict[int, Moving]) -> float:
    """How large the sum would be if nothing cancelled; 0 for a single part."""
    if len(parts) < 2:
        return 0.0
    return sum(math.ldexp(norm(p.along), p.exponent - total.exponent) for p in parts.values())


def _scaled(moving: Moving) -> Moving:
    """The same movement with its largest number between 1/2 and 1."""
    largest = float(np.max(np.abs(moving.along)))
    if not math.isfinite(largest):
        return moving
    shift = math.frexp(largest)[1]
    return Moving(np.ldexp(moving.along, -shift), moving.exponent + shift)


def _tiny(array: Array) -> float:
    return _TINY.get(array.dtype.str[1:], 2e-6)


def _rounding(
    region: Region, index: int, wire: int, passed: Moving, moving: dict[int, Moving]
) -> bool:
    """Whether what passes is only what rounding left of a cancellation between places."""
    if region.diagonal(index, wire) is not None:
        return False
    moved = moving[region.circuit.nodes[index].inputs[wire]]
    if moved.count < 2:
        return False
    usual, alone = _by_chance(region, index, wire, moved)
    if usual is None:
        return False
    return norm(passed.along) <= _tiny(passed.along) * norm(usual) / alone * norm(moved.along)


def _by_chance(region: Region, index: int, wire: int, moved: Moving) -> tuple[Array | None, float]:
    """What the gate does to a random movement of the same places, and how large that one is."""
    chance = np.asarray(philox.normal(_SEED, 1, moved.along.shape, np.float64))
    direction = np.where(moved.places, chance, 0).astype(moved.along.dtype)
    return region.pushed(index, wire, direction), norm(direction) or 1.0


def _nothing(region: Region, index: int, wire: int, moved: Moving) -> Stop:
    """Why a gate lets nothing of a movement through."""
    node = region.circuit.nodes[index]
    usual, _ = _by_chance(region, index, wire, moved)
    if usual is not None and np.any(usual):
        return Stop(index, wire, "cancelled", moved.count)
    kind = why_flat(region, index, wire)
    others = [i for w, i in enumerate(node.inputs) if w != wire and i >= 0]
    if kind == "zeros":
        silent = [i for i in others if not np.all(region.node(i).value)]
        other = min(silent, key=lambda i: norm(region.node(i).value), default=-1)
        return Stop(index, wire, kind, moved.count, other)
    value = region.node(node.inputs[wire]).value
    single = isinstance(node.gate, Elementwise) and value.shape == moved.along.shape
    first = float(value[moved.places][0]) if single and kind == "flat" else None
    return Stop(index, wire, kind, moved.count, value=first)


def why_flat(region: Region, index: int, wire: int) -> str:
    """The kind of zero that a gate's local gradient is, by what the gate declares."""
    node = region.circuit.nodes[index]
    assert node.gate is not None  # noqa: S101 - told to the type checker
    role = node.gate.role
    if type(node.gate).__module__.endswith(".random"):
        return "dropped"
    if role is Role.SQUASH:
        return "saturated"
    if role is Role.SWITCHER:
        return "zeros"
    several = any(w != wire and i >= 0 for w, i in enumerate(node.inputs))
    shape = region.node(node.inputs[wire]).shape
    if role is Role.ROUTER:
        return "routed" if several or shape != node.shape else "closed"
    return "routed" if role in (Role.MOVER, Role.DISTRIBUTOR) else "flat"


def _underflow(region: Region, moving: dict[int, Moving]) -> int | None:
    """The gate behind which a gradient that is not 0 became too small for its type."""
    for index in reversed([region.target, *region.way]):
        if index not in moving or index == region.circuit.output:
            continue
        if _arrives(region, index, moving[index]):
            continue
        for reader, _ in region.readers(index):
            if reader in moving and _arrives(region, reader, moving[reader]):
                return reader
    return None


def _arrives(region: Region, index: int, moved: Moving) -> bool:
    """Whether a gradient that is not 0 has come to where a node moves."""
    gradient = region.gradients[index]
    return gradient is not None and bool(np.any(gradient[moved.places]))


def _cancelling(region: Region, moving: dict[int, Moving]) -> Stop:
    """The gate where what came together is smallest beside what could have come."""
    left = {}
    for index in region.way:
        for wire, source in enumerate(region.circuit.nodes[index].inputs):
            if index not in moving or source not in moving:
                continue
            usual, alone = _by_chance(region, index, wire, moving[source])
            if usual is None or not np.any(usual):
                continue
            size = norm(usual) / alone * norm(moving[source].along)
            came = math.ldexp(
                norm(moving[index].along), moving[index].exponent - moving[source].exponent
            )
            left[index] = came / size
    node = min(left, key=lambda index: left[index], default=region.circuit.output)
    return Stop(node, 0, "cancelled", moving[node].count if node in moving else 0)
