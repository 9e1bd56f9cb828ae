"""Where each line of a stage came from: the gates of the graph, by their numbers.

Two lines of two stages belong together if they share a gate. A gate that has no line left in a
later stage was simplified away, or computed together with an equal one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backlight.native.kernels.fuse import (
    Alias,
    Contraction,
    Host,
    Join,
    Search,
    Step,
    read_by_contraction,
)
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.lowering.loops import Node, gates_of, ordered
from backlight.native.pipeline import Compilation

Piece = tuple[int, frozenset[int]]
NOTHING: frozenset[int] = frozenset()


def pieces(compilation: Compilation, stage: str) -> list[Piece]:
    """The text of a stage, piece by piece: how many lines, and which gates they came from.

    Parameters
    ----------
    compilation : Compilation
    stage : str
        One of `pipeline.STAGES`. A piece is a line, and in "llvm" and "assembly" a kernel.

    Returns
    -------
    list of (int, frozenset of int)
        The gates' numbers are those in the graph's own text: 5 is the line that begins with %5.

    Examples
    --------
    >>> import backlight
    >>> f = backlight.compile(lambda x: backlight.relu(x * 2.0))
    >>> stages = f.lower(backlight.zeros(4))
    >>> print(stages["steps"])
    LoopKernel [<input float32[4]>] → [<maximum float32[4]>], 1 chunks
    >>> [sorted(gates) for _, gates in stages.pieces("steps")]
    [[1, 2]]
    """
    if stage == "graph":
        return _of_graph(compilation)
    if stage in ("loops", "simplified", "layout"):
        nodes = ordered(compilation.forms[stage])
        return [*((1, gates_of(node.origin)) for node in nodes), (1, NOTHING)]
    if stage == "steps":
        return [(1, _of_step(step)) for step in compilation.forms["steps"]]
    calls = [_of_step(step) for step in compilation.causes]
    if stage == "calls":
        return [(1, gates) for gates in calls]
    if stage == "memory":
        buffers = sorted(compilation.program.buffers, key=lambda one: (one.first, one.offset))
        return [(1, NOTHING), *((1, calls[one.first]) for one in buffers)]
    by_kernel: dict[Any, frozenset[int]] = {}
    for call, gates in zip(compilation.program.calls, calls, strict=True):
        if call.kernel is not None:
            by_kernel[call.kernel.key] = by_kernel.get(call.kernel.key, NOTHING) | gates
    texts = compilation.kernels(stage)
    return [(text.count("\n") + 1, by_kernel[key]) for key, text in texts.items()]


def _of_graph(compilation: Compilation) -> list[Piece]:
    graph = compilation.graph
    numbers = {node: number for number, node in enumerate(graph.nodes)}
    found = [NOTHING, *(frozenset([number]) for number in range(len(graph.nodes)))]
    found += [frozenset([numbers[check.node]]) for check in graph.checks]
    for write in graph.writes:
        found.append(NOTHING if write.node is None else frozenset([numbers[write.node]]))
    return [(1, gates) for gates in [*found, NOTHING]]


def _of_step(step: Step | None) -> frozenset[int]:
    """The gates that a step computes, or that it moves where it computes nothing."""
    if step is None:
        return NOTHING
    if isinstance(step, Alias | Host | Search | Join):
        return gates_of(step.node.origin)
    if isinstance(step, LoopKernel):
        return _together([*step.computed, *step.stored, *step.outputs])
    if isinstance(step, Contraction):
        places = range(len(step.node.inputs))
        read = {read_by_contraction(step.node, place) for place in places}
        return _together(_between([step.output], read | {*step.epilogue.inputs}))
    return _together(_between(step.outputs, {*step.inputs}))


def _between(outputs: Iterable[Node], inputs: set[Node]) -> list[Node]:
    """The nodes on the way from the inputs, without them, to the outputs."""
    found: dict[Node, None] = {}
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in found and node not in inputs:
            found[node] = None
            waiting.extend(node.inputs)
    return list(found)


def _together(nodes: Iterable[Node]) -> frozenset[int]:
    """The gates of all of them; what a constant was made for says nothing of who uses it."""
    return NOTHING.union(*(gates_of(node.origin) for node in nodes if node.op != "constant"))
