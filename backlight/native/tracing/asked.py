"""Numbers of the host in the memory of a program: learning rates, corrections, random keys.

They lie in one block, a row, so that many repetitions read them from as many rows. A steady number
is written again only when what it depends on has changed; one that no kernel reads never.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from backlight.engine.random import Generator
from backlight.native.tracing.graph import Node
from backlight.native.tracing.host_number import HostNumber, Source, Values

Array = np.ndarray[Any, Any]
Pairs = list[tuple[Callable[[Values], float], Array]]
_NEVER = object()


class Asked:
    """The host's numbers for one program.

    Parameters
    ----------
    nodes : sequence of Node
        The leaves to ask for, in order.
    needed : collection of Scalar
        Those that the program reads.

    Attributes
    ----------
    addresses : dict
        Where the program finds each number.
    fills : list of callable
        Each writes some of the numbers for this call.
    foreseen : bool
        Whether the numbers of later calls can be told now.
    """

    def __init__(self, nodes: Sequence[Node], needed: Collection[Any]) -> None:
        self._leaves: list[Any] = [node.leaf for node in nodes]
        owners = [getattr(leaf.ask, "__self__", None) for leaf in self._leaves]
        kept = [
            leaf in needed or not isinstance(owner, HostNumber)  # a key is drawn, read or not
            for leaf, owner in zip(self._leaves, owners, strict=True)
        ]
        self._views: dict[Any, Array] = {}
        self._starts: dict[int, int] = {}
        sizes = [-(-node.size * node.dtype.itemsize // 8) * 8 for node in nodes]
        whole = sum(size for size, held in zip(sizes, kept, strict=True) if held)
        self._row = np.zeros(max(whole, 8), np.uint8)
        self.address = int(self._row.__array_interface__["data"][0])
        start = 0
        for node, size, held in zip(nodes, sizes, kept, strict=True):
            if held:
                part = self._row[start : start + node.size * node.dtype.itemsize]
                view = part.view(node.dtype).reshape(node.shape)
                self._views[node.leaf] = view
                self._starts[id(view)] = start
                start += size
        self._sort(owners)

    def _sort(self, owners: Sequence[Any]) -> None:
        self.fills: list[Callable[[], None]] = []
        self._moving: list[tuple[Source, Pairs]] = []
        self._steady: list[Callable[[], None]] = []
        self._drawn: list[tuple[Generator, Callable[[], Any], Array]] = []
        self._before: list[tuple[Generator, dict[str, int]]] = []
        self.foreseen = True
        sources: dict[int, tuple[Source, list[HostNumber], Pairs]] = {}
        for leaf, owner in zip(self._leaves, owners, strict=True):
            view = self._views.get(leaf)
            if view is None:
                continue
            if isinstance(owner, HostNumber) and owner.source is not None and owner.read:
                entry = sources.setdefault(id(owner.source), (owner.source, [], []))
                entry[1].append(owner)
                entry[2].append((owner.read, view))
                continue
            self.fills.append(_asking(leaf.ask, view))
            if isinstance(owner, Generator):
                self._drawn.append((owner, leaf.ask, view))
            else:
                self.foreseen = False
        for source, numbers, pairs in sources.values():
            if all(number.steady for number in numbers):
                self._steady.append(_steady(source, pairs))
            else:
                self._moving.append((source, pairs))
                self.fills.append(_moving(source, pairs))
        self.fills += self._steady

    @property
    def addresses(self) -> dict[Any, int]:
        """Where the numbers lie, by their leaves."""
        return {leaf: self.address + self._starts[id(view)] for leaf, view in self._views.items()}

    def fill(self) -> None:
        """Ask for the numbers of one call."""
        for fill in self.fills:
            fill()

    def rows(self, times: int) -> Array | None:
        """The numbers of the next calls, a row for each; None if all rows are as the memory."""
        for fill in self._steady:
            fill()
        if not self._moving and not self._drawn:
            return None
        rows = np.empty((times, len(self._row)), np.uint8)
        rows[:] = self._row
        for source, pairs in self._moving:
            values = [source.later(calls) for calls in range(times)]
            for read, view in pairs:
                self._column(rows, view, [read(one) for one in values])
        generators = {id(one): one for one, _, _ in self._drawn}
        self._before = [(one, one.state_dict()) for one in generators.values()]
        keys = [[ask() for _, ask, _ in self._drawn] for _ in range(times)]
        for place, (_, _, view) in enumerate(self._drawn):
            self._column(rows, view, [one[place] for one in keys])
        return rows

    def _column(self, rows: Array, view: Array, numbers: list[Any]) -> None:
        column = np.array(numbers, view.dtype).reshape(len(rows), -1).view(np.uint8)
        start = self._starts[id(view)]
        rows[:, start : start + view.nbytes] = column

    def used(self, calls: int) -> None:
        """Say how many of the rows were used: generators go on from there."""
        for generator, before in self._before:
            each = sum(one is generator for one, _, _ in self._drawn)
            generator.load_state_dict({**before, "count": before["count"] + calls * each})

    def numbers(self) -> dict[Any, Any]:
        """The numbers of the call that was made last; also those that the program did not read."""
        return {
            leaf: np.array(self._views[leaf] if leaf in self._views else leaf.ask())
            for leaf in self._leaves
        }


def _asking(ask: Callable[[], Any], view: Array) -> Callable[[], None]:
    def fill() -> None:
        view[...] = ask()

    return fill


def _moving(source: Source, pairs: Pairs) -> Callable[[], None]:
    def fill() -> None:
        values = source.now()
        for read, view in pairs:
            view[...] = read(values)

    return fill


def _steady(source: Source, pairs: Pairs) -> Callable[[], None]:
    stamp, seen = source.stamp, _NEVER

    def fill() -> None:
        nonlocal seen
        found = stamp()
        if found is seen:
            return
        seen = _NEVER
        values = source.now()
        for read, view in pairs:
            view[...] = read(values)
        if isinstance(found, float | int):  # nothing whose value can change
            seen = found

    return fill
