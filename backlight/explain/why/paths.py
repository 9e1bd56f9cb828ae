"""The paths from one number to the output, and what each contributes to its gradient.

The gradient of a number is a sum over all paths of the product of the local gradients along each.
A trained network has more paths than could be listed, so they are grown from the number towards
the output: the beginning with the largest contribution is followed, by its largest branches, to the
end, then the largest that is left. What a beginning will contribute with all its continuations is
known before they are: the product so far times the gradient that arrived where it stands. So
nothing is estimated, and what is not listed is an exact remainder.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array
from backlight.explain.why.region import Region

Place = tuple[int, ...]
_WIDTH = 64  # of a gate's many outputs, the largest contributions that are followed


@dataclass(frozen=True)
class Step:
    """One gate on a path: where it came out, and the two factors there.

    Attributes
    ----------
    node : int
        The gate's number.
    place : tuple of int
        Which number of its output.
    local : float
        ∂(this number)/∂(the number before it).
    upstream : float
        ∂output/∂(this number), over all ways on.
    """

    node: int
    place: Place
    local: float
    upstream: float


@dataclass(frozen=True)
class Path:
    """A way from the number to the output; its contribution is the product of its local gradients.

    Attributes
    ----------
    steps : tuple of Step
        From the number to the output.
    contribution : float
        Π local × the upstream gradient at the output.
    """

    steps: tuple[Step, ...]
    contribution: float


@dataclass(frozen=True)
class Use:
    """What arrives at a number from one gate that reads it: Σ local × upstream.

    Attributes
    ----------
    node, wire : int
        The gate, and on which of its wires it reads the number.
    terms : tuple of Step
        The largest summands, by the size of local × upstream.
    count : int
        How many summands are not 0.
    total, positive, negative : float
        The sum, and the sums of the positive and of the negative summands.
    """

    node: int
    wire: int
    terms: tuple[Step, ...]
    count: int
    total: float
    positive: float
    negative: float


@dataclass(frozen=True)
class Account:
    """A gradient taken apart: paths, uses, and what is left.

    Attributes
    ----------
    gradient : float
        What is accounted for.
    uses : tuple of Use
        By gate that reads the number; their totals add up to the gradient.
    paths : tuple of Path
        The largest that were found, largest first.
    remainder : float
        gradient − Σ contributions: what all other paths bring together.
    count : int or None
        How many paths there are that bring anything; None if they are too many to count.
    rounding : float
        How far the parts, each computed for itself, miss the gradient of the backward pass.
    """

    gradient: float
    uses: tuple[Use, ...]
    paths: tuple[Path, ...]
    remainder: float
    count: int | None
    rounding: float

    @property
    def cancelled(self) -> float:
        """Which part of what the uses bring cancels: 0 nothing, 1 all of it."""
        size = sum(use.positive - use.negative for use in self.uses)
        return 0.0 if size == 0 else 1 - abs(self.gradient) / size


@dataclass
class _Branches:
    """The continuations of a path through one gate, largest first, and how many were taken."""

    node: int
    order: Array
    local: Array
    contributions: Array
    product: float
    before: tuple[Step, ...]
    taken: int = 0

    @property
    def next(self) -> float:
        return abs(float(self.contributions[self.taken]))


def paths(region: Region, place: Place, most: int = 10, effort: int = 300) -> Account:
    """Take the gradient of one number apart.

    Parameters
    ----------
    region : Region
        The circuit, seen from the tensor.
    place : tuple of int
        Which of its numbers.
    most : int
        How many paths to list.
    effort : int
        How many gates may be asked for a column of their Jacobian.

    Returns
    -------
    Account

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> account = paths(Region(circuit("x*y + x", x=2, y=3), 0), ())
    >>> [path.contribution for path in account.paths], account.remainder
    ([3.0, 1.0], 0.0)
    """
    gradient = region.gradient
    total = 0.0 if gradient is None else float(gradient[place])
    found: list[Path] = []
    dropped: list[float] = []
    waiting: list[tuple[float, int, _Branches]] = []
    number = itertools.count()

    def follow(index: int, at: Place, product: float, before: tuple[Step, ...]) -> int:
        """Along the largest branches to the output; the others wait. How many gates were asked."""
        asked = 0
        while index != region.circuit.output:
            asked += 1
            ways = _branches(region, index, at, product, before, dropped)
            if not ways:
                return asked
            best = max(ways, key=lambda branches: branches.next)
            step, product = _taken(region, best)
            for branches in ways:
                put(branches)
            index, at, before = best.node, step.place, (*before, step)
        found.append(Path(before, product * float(region.circuit.upstream[at])))
        return asked

    def put(branches: _Branches) -> None:
        if branches.taken < len(branches.order):
            heapq.heappush(waiting, (-branches.next, next(number), branches))

    asked = follow(region.target, place, 1.0, ())
    while waiting and len(found) < most and asked < effort:
        _, _, branches = heapq.heappop(waiting)
        step, product = _taken(region, branches)
        put(branches)
        asked += follow(branches.node, step.place, product, (*branches.before, step))
    found.sort(key=lambda path: -abs(path.contribution))
    listed = [path.contribution for path in found]
    left = [float(x) for _, _, b in waiting for x in b.contributions[b.taken :]] + dropped
    exhausted = not waiting and not any(dropped)
    return Account(
        total,
        tuple(_uses(region, place)),
        tuple(found),
        total - math.fsum(listed),
        len(found) if exhausted else _count(region),
        total - math.fsum(listed + left),
    )


def _branches(
    region: Region,
    index: int,
    at: Place,
    product: float,
    before: tuple[Step, ...],
    dropped: list[float],
) -> list[_Branches]:
    """The ways on from a number, by gate that reads it; the small ones are summed up."""
    made = []
    for reader, wire in region.readers(index):
        local = region.column(reader, wire, at)
        upstream = _flat(region.gradients[reader])
        with np.errstate(all="ignore"):
            contributions = product * local * upstream
        order = np.arange(1) if local.size == 1 else _largest(contributions, _WIDTH)
        rest = contributions.copy()
        rest[order] = 0
        dropped.append(float(np.sum(rest)))
        if len(order):
            made.append(
                _Branches(reader, order, local[order], contributions[order], product, before)
            )
    return made


def _taken(region: Region, branches: _Branches) -> tuple[Step, float]:
    """The next of the branches as a step, and the product of local gradients up to there."""
    rank = branches.taken
    branches.taken += 1
    shape = region.node(branches.node).shape
    at = _place(branches.order[rank], shape)
    upstream = region.gradients[branches.node]
    local = float(branches.local[rank])
    step = Step(branches.node, at, local, 0.0 if upstream is None else float(upstream[at]))
    return step, branches.product * local


def _uses(region: Region, place: Place, terms: int = 5) -> list[Use]:
    """The gradient as a sum over the gates that read the number, each a sum over its outputs."""
    made = []
    for reader, wire in region.readers(region.target):
        local = region.column(reader, wire, place)
        upstream = _flat(region.gradients[reader])
        with np.errstate(all="ignore"):
            products = local * upstream
        shape = region.node(reader).shape
        largest = tuple(
            Step(reader, _place(i, shape), float(local[i]), float(upstream[i]))
            for i in _largest(products, terms)
        )
        made.append(
            Use(
                reader,
                wire,
                largest,
                int(np.count_nonzero(products)),
                float(np.sum(products)),
                float(np.sum(products[products > 0])),
                float(np.sum(products[products < 0])),
            )
        )
    return made


def _count(region: Region) -> int | None:
    """The number of paths in a circuit of single numbers; None in any other."""
    if any(region.node(index).value.size != 1 for index in (region.target, *region.way)):
        return None
    ways = {region.circuit.output: 1}
    for index in reversed([region.target, *region.way]):
        if index != region.circuit.output:
            ways[index] = sum(ways.get(reader, 0) for reader, _ in region.readers(index))
    return ways[region.target]


def _largest(numbers: Array, count: int) -> Array:
    """The places of the largest numbers by size, largest first; zeros are left out."""
    sizes = np.abs(numbers)
    alive = np.flatnonzero(sizes)
    if len(alive) > count:
        alive = alive[np.argpartition(-sizes[alive], count)[:count]]
    return np.asarray(alive[np.lexsort((alive, -sizes[alive]))])


def _flat(array: Any) -> Array:
    return np.asarray(array, np.float64).ravel()


def _place(flat: Any, shape: tuple[int, ...]) -> Place:
    return tuple(int(i) for i in np.unravel_index(int(flat), shape)) if shape else ()
