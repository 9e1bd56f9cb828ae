"""Two runs of a function compared: what they share, what each made anew, and what differs.

Memory that both runs read is from outside, and is read again at each call. What each run made anew
with equal numbers is a constant. Anything else cannot be compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.errors import TraceError
from backlight.native.tracing.graph import Constant, Node, State, stretched
from backlight.native.tracing.recorder import Recorder

Array = np.ndarray[Any, Any]


def settle(first: Recorder, second: Recorder) -> set[tuple[Any, ...]]:
    """Make constants of what `first` made anew; refuse runs that differ.

    Returns
    -------
    set
        The keys of the states that became constants.

    Raises
    ------
    TraceError
        Naming the first difference and its line.
    """
    mine, theirs = first.graph, second.graph
    partner: dict[Node, Node] = {}
    fresh: set[tuple[Any, ...]] = set()
    for one, other in zip(mine.nodes, theirs.nodes, strict=False):
        lasting = isinstance(other.leaf, State) and first.own.get(one) == other.leaf.key
        if lasting:  # made by the first run for all that follow, such as a table made when needed
            one.leaf = other.leaf
        difference = "" if lasting else _difference(one, other, partner, fresh)
        if difference:
            raise _impure(first.graph.name, one, difference)
        partner[one] = other
    if len(mine.nodes) != len(theirs.nodes):
        longer = max(mine.nodes, theirs.nodes, key=len)
        extra = longer[min(len(mine.nodes), len(theirs.nodes))]
        raise _impure(mine.name, extra, "is applied in one run and not in the other")
    if [partner.get(node) for node in mine.outputs] != theirs.outputs:
        raise _impure(mine.name, (mine.outputs or mine.nodes)[0], "is a result of one run only")
    _compare_plain(first, second)
    _drop_fresh(first, second, fresh)
    return fresh


def _difference(
    one: Node, other: Node, partner: dict[Node, Node], fresh: set[tuple[Any, ...]]
) -> str:
    """In words, what two nodes at the same place of two runs do not share; "" if nothing."""
    if one.gate is not other.gate or type(one.leaf) is not type(other.leaf):
        return f"is {other.told()} in the next run"
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return f"has shape {other.shape} and type {other.dtype} in the next run"
    if one.attributes != other.attributes:
        return f"has the constants {other.attributes} in the next run"
    for mine, theirs in zip(one.inputs, other.inputs, strict=False):
        if isinstance(mine, Node):
            if partner.get(mine) is not theirs:
                return "has other inputs in the next run"
        elif not _same_number(mine, theirs):
            return f"takes the number {mine} in one run and {theirs} in the next"
    if isinstance(one.leaf, Constant) and isinstance(other.leaf, Constant):
        if not _same(one.leaf.value, other.leaf.value):
            return "holds other numbers in the next run"
        one.leaf = Constant(stretched(one.leaf.value))
    if isinstance(one.leaf, State) and isinstance(other.leaf, State):
        return _settle_state(one, one.leaf, other.leaf, fresh)
    return ""


def _settle_state(node: Node, mine: State, theirs: State, fresh: set[tuple[Any, ...]]) -> str:
    if mine.key == theirs.key:
        return ""
    if mine.kind not in ("tensor", "array") or mine.kind != theirs.kind:
        return "is other memory in the next run"
    here, there = mine.get(()), theirs.get(())
    if here.__array_interface__ == there.__array_interface__:
        return ""  # views of one memory, taken anew
    if not _same(here, there):
        return "holds other numbers in the next run"
    fresh.add(mine.key)
    node.leaf = Constant(stretched(here))
    return ""


def _compare_plain(first: Recorder, second: Recorder) -> None:
    """An attribute that is set must be set to the same in each run."""
    for key, (module, name, _, after) in first.plain.items():
        again = second.plain.get(key)
        now = module.__dict__.get(name) if again is None else again[3]
        if now is after:
            continue
        try:
            equal = type(now) is type(after) and bool(now == after)
        except (TypeError, ValueError):
            equal = False
        if not equal:
            raise TraceError(
                f"the attribute {name!r} of {type(module).__name__}",
                got=f"another value in each run ({after!r:.40}, then {now!r:.40})",
                needs="to be the same: the compiled function runs no Python",
                remedy="Keep what changes in a buffer (register_buffer) and change it in place, "
                "or change it outside the compiled function.",
            )


def _drop_fresh(first: Recorder, second: Recorder, fresh: set[tuple[Any, ...]]) -> None:
    """Writes into what the run itself made reach nobody."""
    mine = {write.state.key for write in first.graph.writes}
    theirs = {write.state.key for write in second.graph.writes}
    for write in second.graph.writes:
        if write.state.key in first.own.values() and write.state.key not in mine:
            raise TraceError(
                f"{first.graph.name}: {write.state.kind} {write.state.name}",
                got="memory that its first run makes and that later runs change",
                needs="memory that is there before it is compiled",
                remedy="Run the function once before compiling it, or make the tensor outside.",
            )
    first.graph.writes = [
        write
        for write in first.graph.writes
        if write.state.key in theirs and write.state.key not in fresh
    ]


def _same_number(mine: Any, theirs: Any) -> bool:
    if type(mine) is not type(theirs):
        return False
    return bool(mine == theirs) or (mine != mine and theirs != theirs)


def _same(mine: Array, theirs: Array) -> bool:
    return mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes()


def _impure(name: str, node: Node, difference: str) -> TraceError:
    where = str(node.origin) or name
    return TraceError(
        f"{where}: {node.title()}, traced twice,",
        got=f"two different graphs: it {difference}",
        needs="a function that does the same each time it is run",
        remedy="Pass what changes from call to call (random numbers, times, counters, the length "
        "of a list) as a tensor argument, and draw random numbers with backlight's functions",
    )
