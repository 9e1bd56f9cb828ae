"""What becomes of a contraction's sums before they are stored.

Bias, activation, mask, residual: nodes of the same shape as the contraction, computed from its
sums while they are in registers, are no pass over memory of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Any

from llvmlite import ir

from backlight.native.kernels import places
from backlight.native.kernels.expression import FREE, Expressions, Guard
from backlight.native.kernels.folds import INT64
from backlight.native.kernels.footprint import Footprint, Memory, indices, symbols_for
from backlight.native.kernels.loop_kernel import structure
from backlight.native.kernels.places import ZERO, Index, Space, Symbol
from backlight.native.lowering.loops import CONTRACTIONS, ELEMENTWISE, Node
from backlight.native.machine_code.emit import Code, Number

LONGEST = 24
"""Nodes in one epilogue, at most."""


class Epilogue:
    """Computes `output` from the sums of `contraction`, wherever it stands.

    Attributes
    ----------
    inputs : list of Node
        What else is read: the further operands, in order.
    key : hashable
        Equal keys write equal code.
    """

    def __init__(self, contraction: Node, output: Node, memory: Container[Node]) -> None:
        self.contraction, self.output = contraction, output
        footprint = Footprint(Memory(memory, {contraction}), Space())
        symbols = symbols_for(output.shape)
        footprint.walk(output, indices(symbols, output.shape), inside=output is not contraction)
        reads = dict.fromkeys(node for node, _ in footprint.reads)
        self.inputs = [node for node in reads if node is not contraction]
        leaves = [contraction, *self.inputs]
        roots = [] if output is contraction else [output]
        self.key = ("epilogue", structure([tuple(roots)], leaves))

    def write(
        self, code: Code, sums: Number, where: Sequence[Any], mask: Any, extra: Sequence[Any]
    ) -> Number:
        """The numbers to be stored of a vector of sums.

        Parameters
        ----------
        where : sequence of 64-bit values
            Coordinates of lane 0; of more leading axes than one, their flat number first.
        mask : Number or None
            Which lanes are real.
        extra : sequence of addresses
            Of `inputs`.
        """
        if self.output is self.contraction:
            return sums
        bases = dict(zip(self.inputs, extra, strict=True))
        expressions = Expressions(code, bases, Space(), sums.lanes)
        shape = self.output.shape
        lead = len(shape) - len(where) + 1
        sizes = (_product(shape[:lead]), *shape[lead:])
        found = [_index(code, value, size) for value, size in zip(where, sizes, strict=True)]
        if sums.lanes > 1:
            found[-1] = found[-1] + places.of(expressions.lane)
        at = (*expressions.space.apart(found[0], shape[:lead]), *found[1:])
        at = tuple(i if n > 1 else ZERO for i, n in zip(at, shape, strict=True))
        expressions.held[self.contraction, at] = sums
        return expressions.at(self.output, at, FREE if mask is None else Guard(None, mask))


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _index(code: Code, value: Any, size: int) -> Index:
    if isinstance(value, int):
        return Index(value)
    if isinstance(value, ir.Constant):
        return Index(int(value.constant))
    number = value if isinstance(value, Number) else Number(code, value, INT64, 1)
    return places.of(Symbol(0, max(size - 1, 0), number))


def reach(
    contraction: Node,
    uses: dict[Node, list[Node]],
    kept: Collection[Node],
    taken: Collection[Node] = (),
) -> tuple[Node, set[Node]]:
    """The last node that can be computed before the sums of a contraction are stored.

    With it the nodes that were found on the way there.

    Parameters
    ----------
    uses : dict
        The users of every node.
    kept : collection of Node
        Nodes that must be in memory whatever happens: outputs of the program.
    taken : collection of Node
        Nodes that another contraction computes.
    """
    region, best = {contraction}, contraction
    waiting = list(uses.get(contraction, ()))
    while waiting and len(region) < LONGEST:
        free = [node for node in dict.fromkeys(waiting) if node not in taken]
        ready = [node for node in free if _joins(node, contraction)]
        if not ready:
            break
        node = ready[0]
        waiting = [one for one in waiting if one is not node]
        if node in region:
            continue
        region.add(node)
        waiting.extend(uses.get(node, ()))
        exits = [x for x in region if x in kept or any(u not in region for u in uses.get(x, ()))]
        if len(exits) == 1:
            best = exits[0]
        if any(x in kept for x in region):
            break
    return best, region


def _joins(node: Node, contraction: Node) -> bool:
    if node.op not in ELEMENTWISE or node.shape != contraction.shape:
        return False
    return all(x.op not in CONTRACTIONS or x is contraction for x in node.inputs)
