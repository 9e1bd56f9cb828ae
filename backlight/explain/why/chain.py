"""The gradient budget: the chain of gates from the output to a value, and what each did to it.

Going back from the output, every gate multiplies the size (the norm) of the gradient by a factor.
The factors are ratios of neighbouring norms, so their product is the whole ratio exactly, and
their logarithms add up. Each factor is split again by its cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backlight.explain.circuit.circuit import Array, Node
from backlight.explain.why.examples import each_example
from backlight.explain.why.region import Place, Region, norm
from backlight.explain.why.stopped import why_flat
from backlight.gates.gate import TABLE, Role

CAUSES = (
    "closed",
    "slope",
    "weights",
    "routing",
    "mixing",
    "normalisation",
    "pooling",
    "dropout",
    "loss",
    "copying",
    "walled",
    "cancellation",
    "summing",
    "fork",
    "clip",
    "entry",
)
"""Why a factor is not 1, by the name of the sentence that says it (`why.cause.…`)."""

_BY_ROLE = {
    Role.SCALER: "slope",
    Role.SQUASH: "slope",
    Role.SWITCHER: "weights",
    Role.ROUTER: "routing",
    Role.MIXER: "mixing",
    Role.DISTRIBUTOR: "copying",
    Role.MOVER: "copying",
    Role.WALL: "walled",
    Role.SOURCE: "walled",
}

_BY_PAGE = {
    "normalisation": "normalisation",
    "deviation": "normalisation",
    "pooling": "pooling",
    "average_pooling": "pooling",
    "adaptive_pooling": "pooling",
    "random": "dropout",
    "loss": "loss",
    "hinge": "loss",
    "regression": "loss",
    "divergence": "loss",
}
"""Causes that go by the page of the table on which the gate is declared, before its role."""


@dataclass(frozen=True)
class Cause:
    """One reason for a change of the gradient's size, as a factor."""

    name: str
    factor: float


@dataclass(frozen=True)
class Link:
    """One gate of the chain.

    Attributes
    ----------
    node : int
        The gate; −1 where it is none: the clipping of the whole gradient, and the part that one
        number is of it.
    source : int
        The value it handed the gradient to.
    before, after : float
        The norm of the gradient at the gate's output, and at the value.
    causes : tuple of Cause
        Their factors multiply to `factor`.
    """

    node: int
    source: int
    before: float
    after: float
    causes: tuple[Cause, ...]

    @property
    def factor(self) -> float:
        """After / before; 0 where nothing is left."""
        return self.after / self.before if self.before else 0.0


@dataclass(frozen=True)
class Budget:
    """The chain of gates, and an exact account of what the gradient lost and won.

    Attributes
    ----------
    links : tuple of Link
        From the output to the value.
    start, end : float
        Norms of the gradient at both ends, or the size of the one number that was asked about; end
        = start × Π factors.
    """

    links: tuple[Link, ...]
    start: float
    end: float

    def by_cause(self) -> dict[str, float]:
        """The product of the factors of each cause that is not 1, in the order of `CAUSES`."""
        found: dict[str, float] = {}
        for link in self.links:
            for cause in link.causes:
                found[cause.name] = found.get(cause.name, 1.0) * cause.factor
        return {name: found[name] for name in CAUSES if not _one(found.get(name, 1.0))}


def budget(
    region: Region,
    batch: int | None = None,
    clip: float | None = None,
    place: Place | None = None,
) -> Budget:
    """The chain from the output to the target, along the largest gradients.

    Parameters
    ----------
    region : Region
        The circuit, seen from the value.
    batch : int, optional
        The number of examples, if there are any: then a sum over them is split into the size of
        what they bring and what cancels between them.
    clip : float, optional
        The largest norm of the gradient of all parameters together, to which training clips it.
    place : tuple of int, optional
        One number of the value: then the last factor says which part of the whole it is.

    Returns
    -------
    Budget

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> chain = budget(Region(circuit("sigmoid(w*x)", w=2, x=-1), 0))
    >>> [(link.node, round(link.factor, 4)) for link in chain.links]
    [(3, 0.105), (2, 1.0)]
    """
    links: list[Link] = []
    start = norm(region.circuit.upstream)
    # Found from the value upwards: whoever handed it most was handed something itself.
    source = region.target
    while source != region.circuit.output:
        shares = {at: region.shares(at)[source] for at, _ in region.readers(source)}
        at = max(shares, key=lambda one: norm(shares[one]))
        links.insert(0, _link(region, at, source, shares[at], batch))
        source = at
    end = links[-1].after if links else start
    if clip is not None:
        links.append(_clipping(region, clip, end))
        end = links[-1].after
    if place is not None and end and region.node(region.target).value.size > 1:
        links.append(_alone(region, place, end))
        end = links[-1].after
    return Budget(tuple(links), start, end)


def _link(region: Region, at: int, source: int, share: Array, batch: int | None) -> Link:
    upstream, arrived = region.gradients[at], region.gradients[source]
    before, handed, after = norm(upstream), norm(share), norm(arrived)
    causes = list(_causes(region, at, source, share, batch)) if before else []
    if handed and after != handed:
        causes.append(Cause("fork", after / handed))
    return Link(at, source, before, after, tuple(cause for cause in causes if cause.factor != 1))


def _causes(
    region: Region, at: int, source: int, share: Array, batch: int | None
) -> Iterator[Cause]:
    """The factor of one gate, ‖share‖ / ‖upstream‖, as a product by cause."""
    node = region.circuit.nodes[at]
    upstream = np.asarray(region.gradients[at], np.float64)
    before, handed = norm(upstream), norm(share)
    assert node.gate is not None  # noqa: S101 - told to the type checker
    page = type(node.gate).__module__.rpartition(".")[2]
    name = _BY_PAGE.get(page, _BY_ROLE[node.gate.role])
    wires = [wire for wire, one in enumerate(node.inputs) if one == source]
    diagonal = region.diagonal(at, wires[0]) if len(wires) == 1 else None
    if diagonal is not None and name == "mixing":
        name = "slope"
    if diagonal is not None and why_flat(region, at, wires[0]) == "closed":
        passing = norm(np.where(diagonal == 0, 0.0, upstream))
        if passing != before:
            yield Cause("closed", passing / before)
        yield Cause(name, handed / passing if passing else 1.0)
        return
    parts = each_example(region, at, source, batch) if _summed(region, node, source, batch) else []
    together = math.fsum(norm(part) for part in parts)
    if together > handed:
        yield Cause(name, together / before)
        yield Cause("cancellation", handed / together)
        return
    terms = region.terms(at, wires[0]) if len(wires) == 1 and not parts else None
    if terms is not None:
        together = norm(_fitted(np.abs(terms), region.node(source).shape))
    if together > handed:
        yield Cause(name, together / before)
        yield Cause("summing", handed / together)
        return
    yield Cause(name, handed / before)


def _summed(region: Region, node: Node, source: int, batch: int | None) -> bool:
    """Whether the gate adds up over the examples what it hands to this value."""
    shape = region.node(source).shape
    over = batch is not None and node.shape[:1] == (batch,)
    return over and region.node(source).kind != "gate" and shape != node.shape


def _clipping(region: Region, clip: float, before: float) -> Link:
    """What is left after all parameters' gradients were scaled to a largest norm."""
    every = [
        norm(gradient)
        for node, gradient in zip(region.whole.nodes, region.whole.gradients, strict=True)
        if node.kind in ("parameter", "input") and gradient is not None
    ]
    size = norm(np.array(every))
    factor = min(1.0, clip / size) if size else 1.0
    causes = (Cause("clip", factor),) if factor != 1 else ()
    return Link(-1, region.target, before, before * factor, causes)


def _alone(region: Region, place: Place, before: float) -> Link:
    """One number beside the norm of the gradient that it is part of."""
    whole = np.asarray(region.gradient, np.float64)
    factor = abs(float(whole[place])) / (norm(whole) or 1.0)
    causes = (Cause("entry", factor),) if factor != 1 else ()
    return Link(-1, region.target, before, before * factor, causes)


def _fitted(terms: Array, shape: tuple[int, ...]) -> Array:
    return np.asarray(TABLE["sum_to"](terms, shape=shape))


def _one(factor: float) -> bool:
    return abs(factor - 1) < 1e-12
