"""Which nodes become one kernel: the steps of a program, from its nodes.

A node is *kept* in memory if something needs it there; everything else is computed where it is
used. Kept are the outputs of the program, what contractions and NumPy read and write, folds, what
many use and is dear to compute.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.kernels import places
from backlight.native.kernels.epilogue import Epilogue, reach
from backlight.native.kernels.folds import UNROLLED, folded_shape
from backlight.native.kernels.footprint import Footprint, Memory, indices, symbols_for
from backlight.native.kernels.groups import Grouping, fold_rows
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.kernels.places import Space
from backlight.native.kernels.scan_kernel import ScanKernel, ScatterKernel
from backlight.native.kernels.transposition import Transposition, transposition
from backlight.native.lowering.loops import CONTRACTIONS, ELEMENTWISE, VIEWS, Node, ordered, users
from backlight.native.lowering.strides import strided

FINE = 2**30
"""What `complaint` is where the condition of a check holds everywhere."""
_DEAR = 3.0
_DEAREST = 48
_NUMBERS = 24.0  # what depends on no data is the same for a whole row, or for a whole vector
_COSTS = {
    "divide": 4, "sqrt": 4, "exp": 10, "log": 12, "tanh": 14, "power": 40, "expm1": 14,
    "log1p": 14, "sin": 20, "cos": 20, "tan": 25, "floor_divide": 8, "remainder": 10,
}  # fmt: skip


@dataclass(eq=False)
class Contraction:
    """A product or convolution, and what is made of its sums before they are stored."""

    node: Node
    output: Node
    epilogue: Epilogue


@dataclass(eq=False)
class Host:
    """A gate that NumPy computes."""

    node: Node


@dataclass(eq=False)
class Search:
    """The nearest points of queries, by kernels of their own."""

    node: Node


@dataclass(eq=False)
class Join:
    """Arrays one after the other in memory; each is computed where it belongs, or copied there."""

    node: Node


@dataclass(eq=False)
class Alias:
    """A node that is part of another's memory: its first element is element `offset` there."""

    node: Node
    source: Node
    offset: int


Step = (
    LoopKernel
    | Transposition
    | ScanKernel
    | ScatterKernel
    | Contraction
    | Host
    | Search
    | Join
    | Alias
)


def complaint(check: Node) -> Node:
    """The first element, in row-major order, for which a check does not hold; else `FINE`."""
    x, holds = check.inputs
    count = check.size
    kind = np.dtype(np.int32)
    flat = Node("reshape", (Node("expand", (holds,), x.shape, bool),), (count,), bool)
    place = Node("place", (), (count,), kind, {"axis": 0})
    fine = Node("constant", (), (), kind, {"value": FINE})
    failed = Node("where", (flat, fine, place), (count,), kind)
    return Node("fold", (failed,), (), kind, {"by": "min", "axes": (0,)}, check.origin)


def fuse(outputs: Sequence[Node], late: Collection[Node] = ()) -> list[Step]:
    """The steps that compute the outputs, in an order in which they can run.

    Parameters
    ----------
    outputs : sequence of Node
    late : collection of Node
        Outputs that must not be written before all others are computed: new numbers of states,
        which checks may still forbid.
    """
    return _Fusion(outputs, late).steps()


class _Fusion:
    def __init__(self, outputs: Sequence[Node], late: Collection[Node]) -> None:
        self.late = late
        self.outputs = list(dict.fromkeys(outputs))
        self.nodes = ordered(self.outputs)
        self.uses = users(self.nodes)
        self.kept: dict[Node, None] = dict.fromkeys(n for n in self.nodes if n.op == "input")
        for node in self.outputs:
            self.kept[node] = None
        self.exits: dict[Node, Node] = {}
        self.between: dict[Node, set[Node]] = {}
        self._contractions()
        self._required()
        self._parts()
        self._costly()
        self.upright = {node for node in self.kept if self._upright(node)}
        self.aliases = self._found_aliases()

    # ── what is kept ───────────────────────────────────────────────────────────────────────

    def _contractions(self) -> None:
        kept = set(self.outputs)
        taken: set[Node] = set()
        for node in self.nodes:
            if node.op in CONTRACTIONS:
                last, region = reach(node, self.uses, kept, taken)
                self.exits[last] = node
                self.kept[last] = None
                self.between[last] = _behind(last, region - {node})
                taken |= self.between[last]

    def _required(self) -> None:
        for node in self.nodes:
            if node.op in CONTRACTIONS:
                for place in range(len(node.inputs)):
                    self.kept[read_by_contraction(node, place)] = None
            if node.op in ("host", "nearest", "join"):
                self.kept.update(dict.fromkeys((node, *node.inputs)))
            if node.op in ("scan", "scatter"):
                self.kept[node] = None
            if node.op == "fold" and not self._inlined(node):
                self.kept[node] = None

    def _parts(self) -> None:
        """Keep runs of arrays that are in memory anyway.

        A part at another place is then another address for the same kernel, and steps over the
        parts of a sequence share their code.
        """
        for node in self.nodes:
            if node.op in VIEWS:
                continue
            for x in node.inputs:
                base, cut = x, False
                while base.op in ("slice", "reshape") and base not in self.kept:
                    cut = cut or base.op == "slice"
                    base = base.inputs[0]
                stays = base in self.exits or base.op in ("input", "join", "host", "scan")
                part = cut and stays and base in self.kept and x.size > 1
                if part and aliased(x, self.kept) is not None:
                    self.kept[x] = None

    def _inlined(self, node: Node) -> bool:
        """Whether a fold is so short that it is computed where it is used."""
        if self._upright(node):
            # Two folds of the same windows are one kernel: the maximum and where it is.
            others = [one for one in self.uses[node.inputs[0]] if one.op == "fold"]
            return len(self.uses[node]) == 1 and len(others) == 1
        short = math.prod(folded_shape(node)) <= UNROLLED
        last = node.inputs[0].ndim - 1 in node.attributes["axes"]
        return short and len(self.uses[node]) == 1 and not last

    def _upright(self, node: Node) -> bool:
        """Whether a short fold reads neighbours for neighbouring results: windows of pixels."""
        if node.op != "fold" or not node.ndim or math.prod(folded_shape(node)) > UNROLLED:
            return False
        space, symbols = Space(), symbols_for(node.shape)
        source = node.inputs[0]
        while source.op in VIEWS and source not in self.kept:  # what is behind moves in step
            source = source.inputs[0]
        footprint = Footprint({source}, space)
        footprint.walk(node, indices(symbols, node.shape), inside=True)
        last = symbols[-1]
        return node.shape[-1] > 1 and all(
            places.flat(at, x.shape).factor(last) in (0, 1) for x, at in footprint.reads
        )

    def _costly(self) -> None:
        """Keep what would be computed more than once at too high a price."""
        cost: dict[Node, float] = {}
        size: dict[Node, int] = {}
        inside = self._in_epilogues()
        data: dict[Node, bool] = {}
        for node in self.nodes:
            data[node] = node in self.kept or any(data[x] for x in node.inputs)
            if node in self.kept or not node.inputs:
                cost[node], size[node] = 0.0, 1
                continue
            own = _COSTS.get(node.op, 1) if node.op in ELEMENTWISE else 0.2
            own = 2.0 if node.op == "gather" else own
            times = math.prod(folded_shape(node)) if node.op == "fold" else 1
            cost[node] = own + times * sum(cost[x] for x in node.inputs)
            size[node] = 1 + sum(size[x] for x in node.inputs)
            if node in inside or (not data[node] and cost[node] < _NUMBERS):
                continue
            again = cost[node] * self._repetitions(node) if cost[node] > _DEAR else 0.0
            if (again > _DEAR and node.op not in VIEWS) or size[node] > _DEAREST:
                self.kept[node] = None
                cost[node], size[node] = 0.0, 1

    def _in_epilogues(self) -> set[Node]:
        """What epilogues compute on their way from the sums to the last of their nodes."""
        return {node for some in self.between.values() for node in some}

    def _repetitions(self, node: Node) -> float:
        """How often each element is computed again if it is not kept: broadcast, in windows."""
        reads = sum(self._reads(user, node) for user in dict.fromkeys(self.uses[node]))
        return reads / max(node.size, 1) - 1.0

    def _reads(self, user: Node, node: Node) -> float:
        """How many elements of a node one of its users asks for."""
        if user.op in VIEWS:
            return sum(self._reads(one, user) for one in dict.fromkeys(self.uses[user]))
        if user.op == "fold":
            return node.size
        if user.op in ("gather", "scatter") and node is not user.inputs[0]:
            return node.size
        return user.size

    # ── steps ──────────────────────────────────────────────────────────────────────────────

    def _found_aliases(self) -> dict[Node, Alias]:
        found = {}
        for node in list(self.kept):
            if node.op in ("reshape", "slice", "expand", "transpose", "check"):
                alias = aliased(node, self.kept)
                if alias is not None:
                    found[node] = alias
        return found

    def _step(self, node: Node) -> Step | None:
        memory = self.kept
        if node.op == "input" or (node.size == 0 and node.op != "host"):
            return None
        if node in self.aliases:
            return self.aliases[node]
        if node in self.exits:
            contraction = self.exits[node]
            return Contraction(contraction, node, Epilogue(contraction, node, memory))
        if node.op == "host":
            return Host(node)
        if node.op == "nearest":
            return Search(node)
        if node.op == "join":
            return Join(node)
        if node.op == "scan":
            return ScanKernel(node, memory)
        if node.op == "scatter":
            return ScatterKernel(node, memory)
        if node in self.upright:
            return LoopKernel([[node]], 0, [node], memory)
        if _folds_last(node):
            return LoopKernel([[node]], node.ndim, [node], memory)
        turned = transposition(node, memory)
        if turned is not None:
            return turned
        return LoopKernel([[node]], fold_rows(node) or 0, [node], memory)

    def _alone(self) -> set[Node]:
        """Kept nodes that are no part of a group."""
        found = {*self.aliases, *self.exits}
        for node in self.kept:
            if node.op != "fold" or fold_rows(node) is not None or node in self.upright:
                continue
            if _folds_last(node) or math.prod(folded_shape(node)) > UNROLLED:
                found.add(node)
        return found

    def steps(self) -> list[Step]:
        """The steps, in an order in which they can run."""
        kept = [node for node in self.nodes if node in self.kept]
        apart = self._alone()
        grouping = Grouping(kept, apart, self.late, self.upright)
        wanted = {*self.outputs}
        found: list[Step] = []
        for group in grouping.merged():
            if len(group.members) == 1:
                step = self._step(group.members[0])
            else:
                stages, stored = grouping.stages(group, wanted)
                roots = {root for stage in stages for root in stage}
                memory = Memory(self.kept, less=set(group.members) - roots)
                step = LoopKernel(stages, group.rows or 0, stored, memory)
            if step is not None:
                found.append(step)
            if isinstance(step, LoopKernel):
                found.extend(step.combining())
        return found


def _behind(last: Node, region: set[Node]) -> set[Node]:
    """The nodes of a region that the last one needs, itself included."""
    found: set[Node] = set()
    waiting = [last] if last in region else []
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(x for x in node.inputs if x in region)
    return found


def _folds_last(node: Node) -> bool:
    return node.op == "fold" and node.inputs[0].ndim - 1 in node.attributes["axes"]


def read_by_contraction(node: Node, place: int) -> Node:
    """What must be in memory for a contraction's input: itself, or what it is a view of."""
    x = node.inputs[place]
    if place and node.op in ("convolve", "convolve_by_data"):
        return x  # filters are packed from a run of memory
    found = strided(x, lambda one: one.op not in ("transpose", "expand", "slice", "reshape"))
    if found is None:
        return x
    image = node.op == "convolve_by_weight" or (node.op != "product" and place == 0)
    if image and x.shape[-1] > 1 and found.strides[-1] != 1:
        return x
    return found.base


def aliased(node: Node, memory: Container[Node]) -> Alias | None:
    """The run of another node's memory that a view is, if it is one."""
    symbols, space = symbols_for(node.shape), Space()
    at = indices(symbols, node.shape)
    footprint = Footprint(memory, space)
    footprint.walk(node, at, inside=True)
    reads = list(footprint.reads)
    moves = all(one.op in VIEWS or one.op == "check" for one in footprint.computed)
    if not moves or len(reads) != 1 or footprint.bound:
        return None
    if any(one.op == "pad" for one in footprint.computed):
        return None  # what is padded may be read beside itself, even at a place without symbols
    source, where = reads[0]
    apart = places.flat(where, source.shape) - places.flat(at, node.shape)
    return None if apart.terms else Alias(node, source, apart.constant)


def described(steps: Sequence[Step]) -> list[Any]:
    """One line a step, as `backlight lower` prints them."""
    lines = []
    for step in steps:
        name = type(step).__name__
        if isinstance(step, Alias | Host | Search | Join):
            lines.append(f"{name} {step.node}")
        elif isinstance(step, Contraction):
            lines.append(f"{name} {step.node} → {step.output}")
        else:
            lines.append(f"{name} {step.inputs} → {step.outputs}, {step.chunks} chunks")
    return lines
