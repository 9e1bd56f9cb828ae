"""What removed a gradient: places where a gate let nothing through, and what made one zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlight import philox
from backlight.engine.mode import no_grad
from backlight.explain.circuit.circuit import Array
from backlight.explain.why.region import Region, norm
from backlight.gates.gate import Role

Place = tuple[int, ...]
SATURATED = 0.01  # of the slope in the middle
_SEED = 20_221_121
_TINY = {"f4": 2e-6, "f8": 1e-13}
"""Relative to what came together: below it a sum is rounding, not a result."""


@dataclass(frozen=True)
class Removal:
    """A gate that removed part of the gradient on its way to the target.

    Attributes
    ----------
    node, source : int
        The gate, and the value it kept the gradient from.
    kind : str
        "closed" (local gradient 0), "saturated" (under 1% of the largest slope), "routed" (another
        number was chosen), "zeros" (multiplied by zeros), "dropped" (by chance).
    places, of : int
        At how many places, of how many at which a gradient came (and that the number asked about
        reaches, if one was).
    dead : int
        Units closed in every example of the batch.
    units : int
        How many units there are; 0 where units are not told apart.
    examples, batch : int
        In how many examples nothing gets through here, of how many in which something could.
    """

    node: int
    source: int
    kind: str
    places: int
    of: int
    dead: int = 0
    units: int = 0
    examples: int = 0
    batch: int = 0

    @property
    def part(self) -> float:
        """Places / of."""
        return self.places / self.of if self.of else 0.0


@dataclass(frozen=True)
class Stop:
    """Where the influence of a number ends: why its gradient is exactly 0.

    Attributes
    ----------
    node : int
        The gate whose output no longer depends on it.
    wire : int
        The wire on which the influence arrives.
    kind : str
        "closed", "routed", "zeros", "saturated", "cancelled", "walled", "upstream" or "underflow".
    places : int
        How many numbers arrive there and are all stopped.
    other : int
        For "zeros", the node that is 0 there; −1 otherwise.
    """

    node: int
    wire: int
    kind: str
    places: int
    other: int = -1


def removals(region: Region, batch: int | None = None, place: Place | None = None) -> list[Removal]:
    """Every gate between output and target that let part of the gradient not through.

    Parameters
    ----------
    batch : int, optional
        The number of examples, if there are any.
    place : tuple of int, optional
        One number of the target: then only places that it reaches are counted.

    Examples
    --------
    >>> import numpy as np
    >>> from backlight.explain import circuit
    >>> region = Region(circuit("sum(relu(w*x))", w=np.array([1.0, -2.0]), x=3), 0)
    >>> [(found.kind, found.places, found.of) for found in removals(region)]
    [('closed', 1, 2)]
    """
    found = []
    moving = None if place is None else _movement(region, place)[0]
    for index in reversed(region.way):
        upstream = region.gradients[index]
        if upstream is None or not np.any(upstream):
            continue
        for source, share in region.shares(index).items():
            reached = np.ones(share.shape, bool)
            if moving is not None:
                reached = moving[source] != 0 if source in moving else ~reached
            removal = _removal(region, index, source, share, reached, batch)
            if removal is not None and removal.places:
                found.append(removal)
    return found


def _removal(
    region: Region, index: int, source: int, share: Array, reached: Array, batch: int | None
) -> Removal | None:
    node = region.circuit.nodes[index]
    assert node.gate is not None  # noqa: S101 - told to the type checker
    wires = [wire for wire, one in enumerate(node.inputs) if one == source]
    diagonal = region.diagonal(index, wires[0]) if len(wires) == 1 else None
    if diagonal is None:
        if node.gate.role is not Role.ROUTER:
            return None
        empty = reached & (share == 0)
        return Removal(index, source, "routed", int(empty.sum()), int(reached.sum()))
    came = reached & (np.asarray(region.gradients[index]) != 0)
    kind = _kind(region, index)
    bound = 0.0
    if node.gate.role is Role.SQUASH:
        kind, bound = "saturated", SATURATED * _steepest(region, index)
    hit = came & (np.abs(diagonal) <= bound)
    rows = batch is not None and hit.ndim > 1 and len(hit) == batch
    shut = np.abs(diagonal) <= bound
    units = _units(shut) if rows else np.zeros(0, bool)
    some = came.reshape(len(came), -1).any(axis=1) if rows else np.zeros(0, bool)
    through = (came & ~hit).reshape(len(came), -1).any(axis=1) if rows else some
    return Removal(
        index,
        source,
        kind,
        int(hit.sum()),
        int(came.sum()),
        int(units.sum()) if kind != "dropped" else 0,
        units.size,
        int((some & ~through).sum()),
        int(some.sum()),
    )


def _units(shut: Array) -> Array:
    """Which units are shut in all examples: features of rows, channels of images."""
    axes = (0, *range(2, shut.ndim))
    return np.asarray(shut.all(axis=axes))


def _kind(region: Region, index: int) -> str:
    """Why an elementwise gate's local gradient is 0 where it is."""
    gate = region.node(index).gate
    assert gate is not None  # noqa: S101 - told to the type checker
    if gate.role is Role.SWITCHER:
        return "zeros"
    if type(gate).__module__.endswith(".random"):
        return "dropped"
    several = len([i for i in region.node(index).inputs if i >= 0]) > 1
    return "routed" if gate.role is Role.ROUTER and several else "closed"


def _steepest(region: Region, index: int) -> float:
    """The slope of a squashing gate in the middle, by its own rule."""
    node = region.node(index)
    gate = node.gate
    assert gate is not None  # noqa: S101 - told to the type checker
    middle = np.zeros(1)
    with no_grad():
        output = gate.compute((middle,), node.attributes)
        (slope,) = gate.backward(np.ones(1), middle, output, **node.attributes)
    return float(np.abs(slope() if callable(slope) else slope).max())


def stops(region: Region, place: Place | None = None) -> list[Stop]:
    """Where the influence of the target ends on its way to the output.

    The target is moved a little, along a random direction or at one place, and the movement is
    followed from gate to gate by J·v. Where it comes to a gate and does not leave it, its way ends
    there. If none of it arrives at the output, the gradient is 0, and these are the gates that made
    it so.

    Parameters
    ----------
    place : tuple of int, optional
        One number of the target; all of it if not given.
    """
    moving, found = _movement(region, place)
    last = moving.get(region.circuit.output)
    if last is not None:
        silent = not np.any(region.circuit.upstream)
        kind = "upstream" if silent else "underflow"
        index = region.circuit.output if silent else _underflow(region)
        return [Stop(index, 0, kind, int(np.count_nonzero(last)))]
    return found


def _movement(region: Region, place: Place | None) -> tuple[dict[int, Array], list[Stop]]:
    """How every node moves when the target does, and where the movement ends."""
    start = region.node(region.target)
    direction = np.asarray(philox.normal(_SEED, 0, start.shape, np.float64))
    if place is not None:
        direction = np.zeros(start.shape)
        direction[place] = 1
    moving = {region.target: np.asarray(direction, start.value.dtype)}
    found: list[Stop] = []
    for index in region.way:
        stop, moved = _through(region, index, moving)
        if moved is not None:
            moving[index] = moved
        elif stop is not None:
            found.append(stop)
    return moving, found


def _through(
    region: Region, index: int, moving: dict[int, Array]
) -> tuple[Stop | None, Array | None]:
    """What moves behind a gate; where nothing does although something came, why."""
    node = region.circuit.nodes[index]
    arriving = [(w, i) for w, i in enumerate(node.inputs) if i in moving]
    if not arriving:
        return None, None
    parts = {w: region.pushed(index, w, moving[i]) for w, i in arriving}
    passed = {w: part for w, part in parts.items() if part is not None and np.any(part)}
    total = np.sum(list(passed.values()), axis=0) if passed else None
    wire, source = arriving[0]
    count = int(np.count_nonzero(moving[source]))
    if total is not None and not _rounding(region, index, total, passed, moving):
        return None, np.asarray(total)
    if total is not None:
        return Stop(index, next(iter(passed)), "cancelled", count), None
    if all(part is None for part in parts.values()):
        return Stop(index, wire, "walled", count), None
    kind, other = _why_zero(region, index, wire, moving[source])
    return Stop(index, wire, kind, count, other), None


def _rounding(
    region: Region,
    index: int,
    total: Array,
    passed: dict[int, Array],
    moving: dict[int, Array],
) -> bool:
    """Whether what is left of a movement is only what rounding left of a cancellation."""
    tiny = _TINY.get(total.dtype.str[1:], 2e-6)
    if len(passed) > 1:
        return norm(total) <= tiny * sum(norm(part) for part in passed.values())
    (wire,) = passed
    if region.diagonal(index, wire) is not None:
        return False
    source = region.circuit.nodes[index].inputs[wire]
    moved = moving[source]
    chance = np.asarray(philox.normal(_SEED, 1, moved.shape, np.float64), moved.dtype)
    usual = region.pushed(index, wire, np.where(moved == 0, 0, chance).astype(moved.dtype))
    if usual is None:
        return False
    alone = norm(usual) / (norm(np.where(moved == 0, 0, chance)) or 1.0)
    return norm(total) <= tiny * alone * norm(moved)


def _why_zero(region: Region, index: int, wire: int, arriving: Array) -> tuple[str, int]:
    node = region.circuit.nodes[index]
    assert node.gate is not None  # noqa: S101 - told to the type checker
    role = node.gate.role
    if role is Role.SQUASH:
        return "saturated", -1
    others = [i for w, i in enumerate(node.inputs) if w != wire and i >= 0]
    if role is Role.SWITCHER:
        silent = [i for i in others if not np.all(region.node(i).value)]
        return "zeros", min(silent, key=lambda i: norm(region.node(i).value), default=-1)
    if role is Role.MIXER:
        return "cancelled", -1
    chooses = role is Role.ROUTER and (others or arriving.shape != node.shape)
    if chooses or role in (Role.MOVER, Role.DISTRIBUTOR):
        return "routed", -1
    return "closed", -1


def _underflow(region: Region) -> int:
    """The gate behind which a gradient that is not 0 became too small for its type."""
    for index in reversed(region.way):
        upstream = region.gradients[index]
        shares = region.shares(index).values()
        if upstream is not None and np.any(upstream) and not any(map(np.any, shares)):
            return index
    return region.circuit.output
