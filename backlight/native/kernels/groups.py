"""Kept nodes that one kernel computes together.

Two kinds of groups are made, by merging neighbours for as long as that is possible:

- maps of one shape, each of which reads the others only at its own place;
- nodes that share their leading axes, the rows, with folds along the row among them: softmax and
  its gradient, a loss, a normalisation. What is in the group is read only within the same row, so
  that a row is finished while it is in the cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backlight.native.kernels.footprint import Footprint, indices, symbols_for
from backlight.native.kernels.places import Space
from backlight.native.lowering.loops import CONTRACTIONS, Node, Shape

MOST_NODES = 120
MOST_STREAMS = 12
"""Arrays that one kernel walks through at once, of arrays beyond the cache: a processor fetches
ahead for so many, and for more it waits."""
LARGE = 2**18
"""Bytes of such an array."""
MOST_OPERANDS = 32
MOST_SCRATCH = 65536
FEW_ROWS = 16
LITTLE = 1 << 15
ROW = 64
"""Elements from which a row is worth a loop of its own."""
_APART = (*CONTRACTIONS, "input", "host", "nearest", "scan", "scatter", "join")


@dataclass
class Read:
    """How a kept node is read by another.

    Attributes
    ----------
    in_row : bool
        Only in the reader's own row.
    same : bool
        Only at the reader's own place.
    """

    in_row: bool = True
    same: bool = True


@dataclass(eq=False)
class Group:
    """Kept nodes that one kernel computes.

    Attributes
    ----------
    members : list of Node
        In an order in which they can be computed.
    rows : int or None
        How many leading axes count the rows; None for maps of one shape.
    """

    members: list[Node]
    rows: int | None = None
    nodes: int = 1
    rank: int = 0


def fold_rows(node: Node) -> int | None:
    """How many leading axes count the rows that a node folds, or folds along; None of others."""
    if node.op != "fold":
        return None
    axes, rank = node.attributes["axes"], node.inputs[0].ndim
    if axes and axes == tuple(range(rank - len(axes), rank)):
        return rank - len(axes)
    return len(axes) if folds_columns(node) else None


def _joint_rows(left: Node, right: Node) -> int | None:
    """The rows of two maps: None for one shape; those of small maps that differ in their rows'
    length, the parts of a join along the last axis and the join; else −1.
    """
    if left.shape == right.shape:
        return None
    rows = left.ndim - 1
    alike = rows > 0 and left.ndim == right.ndim and left.shape[:rows] == right.shape[:rows]
    short = min(left.shape[-1:] + right.shape[-1:], default=0)
    many = math.prod(left.shape[:rows]) >= FEW_ROWS
    return rows if alike and many and short >= ROW and right.size <= 2 * LITTLE else -1


def folds_columns(node: Node) -> bool:
    """Whether a node folds many rows into one: a bias's gradient, a batch's mean."""
    if node.op != "fold" or not node.ndim or node.attributes["by"] in ("argmax", "argmin"):
        return False
    axes, x = node.attributes["axes"], node.inputs[0]
    leading = axes == tuple(range(len(axes)))
    rows = math.prod(x.shape[: len(axes)])
    return leading and rows >= 2 * FEW_ROWS and x.size >= LITTLE // 2 and node.size <= 1 << 16


class Grouping:
    """Merges kept nodes into groups.

    Parameters
    ----------
    kept : sequence of Node
        In an order in which they can be computed.
    apart : collection of Node
        Kept nodes that are no loops: contractions' outputs, aliases.
    upright : collection of Node
        Short folds that are computed as maps are: a vector of results at a time.
    late : collection of Node
        Kept nodes that must not be written before everything else is computed: new numbers of
        states. They share kernels with each other only.
    """

    def __init__(
        self,
        kept: Sequence[Node],
        apart: Collection[Node],
        late: Collection[Node] = (),
        upright: Collection[Node] = (),
    ) -> None:
        self.late, self.upright = set(late), set(upright)
        self.kept, self.memory = list(kept), set(kept)
        self.apart = {node for node in kept if node.op in _APART or node.size == 0} | set(apart)
        self.position = {node: place for place, node in enumerate(self.kept)}
        self._reads: dict[tuple[Node, int], dict[Node, Read]] = {}
        self.order: list[Group | None] = [
            Group([node], rank=place) for place, node in enumerate(self.kept)
        ]
        self.group = {group.members[0]: group for group in self.order if group is not None}
        self.needs: dict[Node, list[Node]] = {}
        self.readers: dict[Node, list[Node]] = {node: [] for node in self.kept}
        for node in self.kept:
            found = self._needed(node)
            self.needs[node] = found
            for x in found:
                self.readers[x].append(node)
            if node not in self.apart:
                rows = self.fold_rows(node)
                group = self.group[node]
                group.rows = rows
                group.nodes = self._count(node)

    def fold_rows(self, node: Node) -> int | None:
        """How many leading axes count the rows that a kept node folds or folds along."""
        return None if node in self.upright else fold_rows(node)

    # ── what reads what ────────────────────────────────────────────────────────────────────

    def _needed(self, node: Node) -> list[Node]:
        """The kept nodes that must be there before a kept node is computed."""
        found: dict[Node, None] = {}
        seen: set[Node] = set()
        waiting = list(node.inputs)
        while waiting:
            x = waiting.pop()
            if x in seen:
                continue
            seen.add(x)
            if x in self.memory:
                found[x] = None
            else:
                waiting.extend(x.inputs)
        return list(found)

    def _count(self, node: Node) -> int:
        seen: set[Node] = set()
        waiting = [node]
        while waiting:
            x = waiting.pop()
            if x not in seen and (x is node or x not in self.memory):
                seen.add(x)
                waiting.extend(x.inputs)
        return len(seen)

    def reads(self, node: Node, rows: int) -> dict[Node, Read]:
        """How a node reads others, if its first `rows` axes are rows."""
        found = self._reads.get((node, rows))
        if found is None:
            found = self._reads[node, rows] = self._looked(node, rows)
        return found

    def _looked(self, node: Node, rows: int) -> dict[Node, Read]:
        footprint = Footprint(self.memory, Space())
        fold = self.fold_rows(node) == rows
        shape = node.inputs[0].shape if fold else node.shape
        symbols = symbols_for(shape)
        own = indices(symbols, shape)
        if fold:
            footprint.walk(node.inputs[0], own)
        else:
            footprint.walk(node, own, inside=True)
        found: dict[Node, Read] = {}
        for x, at in footprint.reads:
            read = found.setdefault(x, Read())
            read.in_row &= x.shape[:rows] == shape[:rows] and at[:rows] == own[:rows]
            read.same &= x.shape == shape and at == own
        return found

    # ── merging ────────────────────────────────────────────────────────────────────────────

    def merged(self) -> list[Group]:
        """The groups, in an order in which they can be computed."""
        for _ in range(2):
            for node in self.kept:
                for x in self.needs[node]:
                    self._try(self.group[x], self.group[node])
            for node in self.kept:
                readers = [one for one in self.readers[node] if one not in self.apart]
                for left, right in itertools.pairwise(readers):
                    self._try(self.group[left], self.group[right])
        return [group for group in self.order if group is not None]

    def _try(self, left: Group, right: Group) -> None:
        if left is right or left.members[0] in self.apart or right.members[0] in self.apart:
            return
        if left.nodes + right.nodes > MOST_NODES:
            return
        if (left.members[0] in self.late) != (right.members[0] in self.late):
            return
        members = sorted({*left.members, *right.members}, key=self.position.__getitem__)
        rows = self._common_rows(left, right)
        if rows != -1 and self._fits(members, rows):
            self._join(left, right, members, rows)

    def _common_rows(self, left: Group, right: Group) -> int | None:
        """The rows of both; −1 if they have none in common."""
        if left.rows is None and right.rows is None:
            return _joint_rows(left.members[0], right.members[0])
        given = {one.rows for one in (left, right) if one.rows is not None}
        return given.pop() if len(given) == 1 else -1

    def _fits(self, members: Sequence[Node], rows: int | None) -> bool:
        inside = set(members)
        if rows is None and members[0].nbytes >= LARGE:
            streams = {x for node in members for x in self.reads(node, 0) if x.size > 1}
            if len(streams | inside) > MOST_STREAMS:
                return False
        if rows is None:
            return all(
                read.same
                for node in members
                for x, read in self.reads(node, 0).items()
                if x in inside
            )
        shape = self._row_shape(members, rows)
        whole = max(x.size for node in members for x in (node, *self._fold_input(node, rows)))
        if math.prod(shape) < FEW_ROWS and whole > LITTLE:
            return False
        operands: set[Node] = set()
        for node in members:
            if self._given(node, rows).shape[:rows] != shape or node.size == 0:
                return False
            if node in self.upright and node.ndim == rows:
                return False
            for x, read in self.reads(node, rows).items():
                operands.add(x)
                if x in inside and (not read.in_row or folds_columns(x)):
                    return False
        return len(operands | inside) <= MOST_OPERANDS

    def _given(self, node: Node, rows: int) -> Node:
        return node.inputs[0] if self.fold_rows(node) == rows else node

    def _fold_input(self, node: Node, rows: int) -> tuple[Node, ...]:
        return (node.inputs[0],) if self.fold_rows(node) == rows else ()

    def _row_shape(self, members: Sequence[Node], rows: int) -> Shape:
        for node in members:
            if self.fold_rows(node) == rows:
                return node.inputs[0].shape[:rows]
        return members[0].shape[:rows]

    def _between(self, first: Group, last: Group) -> tuple[list[Group], list[Group]] | None:
        """What stands between two groups and comes before them as one, and what comes after.

        None if something needs the first and is needed by the last. What needs the first and what
        the last needs are looked for in turns: the smaller of the two decides.
        """
        behind: set[Group] = set()
        ahead: set[Group] = set()
        down, up = [first], [last]
        while down and up:
            group = down.pop()
            for node in group.members:
                for reader in self.readers[node]:
                    one = self.group[reader]
                    if one is last and group is not first:
                        return None
                    if one is not group and one not in behind and one.rank < last.rank:
                        behind.add(one)
                        down.append(one)
            group = up.pop()
            for node in group.members:
                for x in self.needs[node]:
                    one = self.group[x]
                    if one is first and group is not last:
                        return None
                    if one is not group and one not in ahead and one.rank > first.rank:
                        ahead.add(one)
                        up.append(one)
        window = [one for one in self.order[first.rank + 1 : last.rank] if one is not None]
        if not down:
            return [one for one in window if one not in behind], [o for o in window if o in behind]
        return [one for one in window if one in ahead], [o for o in window if o not in ahead]

    def _join(self, left: Group, right: Group, members: list[Node], rows: int | None) -> None:
        first, last = sorted((left, right), key=lambda group: group.rank)
        between = self._between(first, last)
        if between is None:
            return
        group = Group(members, rows, left.nodes + right.nodes)
        for node in members:
            self.group[node] = group
        placed: list[Group | None] = [*between[0], group, *between[1]]
        placed += [None] * (last.rank - first.rank + 1 - len(placed))
        self.order[first.rank : last.rank + 1] = placed
        for place, one in enumerate(placed):
            if one is not None:
                one.rank = first.rank + place

    # ── stages ─────────────────────────────────────────────────────────────────────────────

    def stages(self, group: Group, wanted: Collection[Node]) -> tuple[list[list[Node]], list[Node]]:
        """The roots of each stage of a group's kernel, and those that it stores.

        Parameters
        ----------
        wanted : collection of Node
            What is needed in memory outside of any kernel of loops.
        """
        inside, rows = set(group.members), group.rows or 0
        level: dict[Node, int] = {}
        for node in group.members:
            level[node] = 0
            for x, read in self.reads(node, rows).items():
                if x in inside:
                    same = read.same and not self._folds_row(x, group)
                    level[node] = max(level[node], level[x] + (not same))
        stored = [
            node
            for node in group.members
            if node in wanted or any(one not in inside for one in self.readers[node])
        ]
        found: dict[tuple[int, Shape], list[Node]] = {}
        for node in group.members:
            fold = self._folds_row(node, group)
            if node in stored or fold or self._later(node, group, level):
                inner = (node.inputs[0] if fold else node).shape[rows:]
                found.setdefault((level[node], inner), []).append(node)
        return [found[key] for key in sorted(found, key=lambda key: key[0])], stored

    def _folds_row(self, node: Node, group: Group) -> bool:
        return group.rows is not None and self.fold_rows(node) == group.rows

    def _later(self, node: Node, group: Group, level: dict[Node, int]) -> bool:
        """Whether a later stage reads a node."""
        inside = set(group.members)
        return any(one in inside and level[one] > level[node] for one in self.readers[node])
