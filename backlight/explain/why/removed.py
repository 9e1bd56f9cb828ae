"""What removed a gradient: the places where a gate let nothing of it through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlight.engine.mode import no_grad
from backlight.explain.circuit.circuit import Array
from backlight.explain.why.region import Region
from backlight.explain.why.stopped import movement, why_flat
from backlight.gates.gate import Role

Place = tuple[int, ...]
SATURATED = 0.01  # of the slope in the middle


@dataclass(frozen=True)
class Removal:
    """A gate that removed part of the gradient on its way to the target.

    Attributes
    ----------
    node, source : int
        The gate, and the value it kept the gradient from.
    kind : str
        "closed" (on a piece of the gate that is 0 all along), "flat" (a slope that happens to be
        0), "saturated" (under 1% of the largest slope), "routed" (another number was chosen),
        "zeros" (multiplied by zeros), "dropped" (by chance).
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
    moving = None if place is None else movement(region, place)[0]
    for index in reversed(region.way):
        upstream = region.gradients[index]
        if upstream is None or not np.any(upstream):
            continue
        for source, share in region.shares(index).items():
            reached = np.ones(share.shape, bool)
            if moving is not None:
                reached = moving[source].places if source in moving else ~reached
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
    kind = why_flat(region, index, wires[0])
    bound = SATURATED * _steepest(region, index) if kind == "saturated" else 0.0
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
        int(units.sum()) if kind == "closed" else 0,
        units.size,
        int((some & ~through).sum()),
        int(some.sum()),
    )


def _units(shut: Array) -> Array:
    """Which units are shut in all examples: features of rows, channels of images."""
    axes = (0, *range(2, shut.ndim))
    return np.asarray(shut.all(axis=axes))


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
