"""The stages of the compiler, one after the other, each from one printable form to the next.

graph → loops → simplified → layout → steps → calls → program. Every stage is a pure function; what
it made is kept, so that it can be printed and tested by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.engine.memory_format import STORED, WRITTEN
from backlight.native.contraction.contract import FULL, Precision, mistake
from backlight.native.kernels import fuse
from backlight.native.lowering import lower, simplify
from backlight.native.lowering.divide import divided
from backlight.native.lowering.joins import in_runs
from backlight.native.lowering.layout import channels_last
from backlight.native.lowering.loops import (
    LEAVES,
    VIEWS,
    Node,
    Provenance,
    gates_of,
    ordered,
    printed,
)
from backlight.native.lowering.narrow import narrowed
from backlight.native.lowering.sums import gathered
from backlight.native.machine_code import codebook
from backlight.native.machine_code.build import assembly
from backlight.native.machine_code.machine import Target
from backlight.native.returned import LARGE
from backlight.native.running import memory
from backlight.native.running.program import Array, Program
from backlight.native.running.schedule import schedule
from backlight.native.tracing import graph

STAGES = ("graph", "loops", "simplified", "layout", "steps", "calls", "memory", "llvm", "assembly")
"""What can be printed, in order."""


@dataclass(eq=False)
class Slot:
    """Memory from outside: which leaf of the graph it holds; None for what the program returns.

    With `last`, images N, C, H, W whose memory is channels last.
    """

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    leaf: Any = None
    label: str = ""
    last: bool = False

    def lies(self, array: Any) -> bool:
        """Whether an array has its numbers in the order that the program reads."""
        stored = array.transpose(STORED) if self.last else array
        return bool(stored.flags.c_contiguous)

    def laid(self, array: Any) -> np.ndarray[Any, Any]:
        """A copy of an array, of this type and in the order that the program reads."""
        if not self.last:
            return np.array(array, self.dtype, order="C")
        return np.array(array.transpose(STORED), self.dtype, order="C").transpose(WRITTEN)

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(eq=False)
class Lowered:
    """A graph as loop nodes.

    Attributes
    ----------
    outputs : list of Node
        The graph's outputs, then what is written, then what its checks say.
    slots : list of Slot
    written : list of int or None
        For each of the outputs, the slot it is written to.
    checks : int
        How many of the outputs, at the end, are conditions of the graph's checks.
    last : set of int
        The outputs that are images whose memory is channels last.
    """

    outputs: list[Node]
    slots: list[Slot]
    written: list[int | None]
    checks: int = 0
    last: set[int] = field(default_factory=set)


@dataclass(eq=False)
class Compilation:
    """What every stage made of a graph.

    Attributes
    ----------
    returned : dict
        Slots of large results, with the node that is written there.
    seconds : dict
        What each stage took.
    causes : list
        For each call, the step that it is a part of; None for what belongs to no step.
    """

    graph: graph.Graph
    target: Target
    lowered: Lowered
    forms: dict[str, Any]
    program: Program
    results: list[tuple[Array, int]]
    complaints: list[tuple[Array, int]]
    error: int
    returned: dict[int, Node]
    seconds: dict[str, float]
    causes: list[fuse.Step | None]

    def seen(self, place: int, array: Any, shape: tuple[int, ...]) -> Any:
        """An output from its numbers in memory: with its shape, whatever their order."""
        if place not in self.lowered.last:
            return array.reshape(shape)
        n, c, h, w = shape
        return array.reshape((n, h, w, c)).transpose(WRITTEN)

    def text(self, stage: str) -> str:
        """A stage as text; for "llvm" and "assembly" every kernel of the program."""
        if stage in ("loops", "simplified", "layout"):
            return printed(self.forms[stage])
        if stage == "graph":
            return str(self.graph)
        if stage == "steps":
            return "\n".join(fuse.described(self.forms["steps"]))
        if stage == "calls":
            return "\n".join(_call(number, call) for number, call in enumerate(self.program.calls))
        if stage == "memory":
            return _memory(self.program)
        return "\n".join(self.kernels(stage).values())

    def kernels(self, stage: str) -> dict[Any, str]:
        """The text of every kernel by its key, in "llvm" or "assembly"."""
        kernels = {call.kernel.key: call.kernel for call in self.program.calls if call.kernel}
        texts = {key: codebook.text(kernel, self.target) for key, kernel in kernels.items()}
        if stage == "assembly":
            texts = {key: assembly(text, self.target) for key, text in texts.items()}
        return texts


def compiled(
    source: graph.Graph,
    target: Target,
    label: str,
    precision: Precision = FULL,
    last: Collection[Any] = (),
) -> Compilation:
    """Take a graph through all stages; `last` are the keys of leaves that lie channels last."""
    seconds: dict[str, float] = {}

    def timed(stage: str, make: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        made = make()
        seconds[stage] = time.perf_counter() - began
        return made

    lowered: Lowered = timed("loops", lambda: lower_graph(source, last))
    forms: dict[str, Any] = {"loops": lowered.outputs}
    forms["simplified"] = timed("simplified", lambda: gathered(simplify.simplified(forms["loops"])))
    forms["layout"] = timed("layout", lambda: in_runs(channels_last(forms["simplified"], target)))
    return scheduled(source, lowered, forms, target, label, precision, seconds, timed)


def scheduled(
    source: graph.Graph,
    lowered: Lowered,
    forms: dict[str, Any],
    target: Target,
    label: str,
    precision: Precision,
    seconds: dict[str, float],
    timed: Callable[[str, Callable[[], Any]], Any],
) -> Compilation:
    """From nodes in their layout to a program."""
    outputs: list[Node] = list(forms["layout"])
    checks = [node for node in ordered(outputs) if node.op == "check"]
    count = len(outputs) - lowered.checks
    found = [_failure(node) for node in outputs[count:]]
    complaints = found + [fuse.complaint(check) for check in checks]
    outputs = _copied(outputs[:count], lowered.written)
    everything = divided(narrowed([*outputs, *complaints]))
    outputs, complaints = everything[:count], everything[count:]
    written = _written(outputs, lowered.written[:count])
    steps = timed("steps", lambda: fuse.fuse(everything, written))
    forms["steps"] = steps
    error = len(lowered.slots)
    returned = _returned(outputs, written, error + 1)
    made = timed(
        "calls",
        lambda: schedule(
            steps, ordered(everything), written, returned, complaints, error, target, precision
        ),
    )
    results = [made.places[node] for node in outputs]
    kept = [array for array, _ in [*results, *(made.places[node] for node in complaints)]]
    program = timed(
        "program",
        lambda: Program(
            made.calls, error + 1 + len(returned), target, list(dict.fromkeys(kept)), label
        ),
    )
    return Compilation(
        source,
        target,
        lowered,
        forms,
        program,
        results,
        [made.places[node] for node in complaints],
        error,
        {slot: node for node, slot in returned.items()},
        seconds,
        made.causes,
    )


def _copied(outputs: Sequence[Node], written: Sequence[int | None]) -> list[Node]:
    """Results that are a state as it was before it is written: copied, before it is."""
    slots = {slot for slot in written if slot is not None}

    def copied(node: Node, slot: int | None) -> Node:
        source = node
        while source.op in VIEWS or source.op == "check":
            source = source.inputs[0]
        if source.op != "input" or slot is not None or source.attributes["slot"] not in slots:
            return node
        return Node("cast", [node], node.shape, node.dtype, {}, node.origin)

    return [copied(node, slot) for node, slot in zip(outputs, written, strict=False)]


def _returned(outputs: Sequence[Node], written: dict[Node, int], first: int) -> dict[Node, int]:
    """Slots for large results that are computed, so that they need not be copied."""
    large = [
        node
        for node in dict.fromkeys(outputs)
        if node.nbytes >= LARGE and node not in written and node.op not in (*VIEWS, *LEAVES)
    ]
    return {node: first + place for place, node in enumerate(large)}


def _written(outputs: Sequence[Node], slots: Sequence[int | None]) -> dict[Node, int]:
    """Which node goes into which slot; a node that goes into several is computed once."""
    written: dict[Node, int] = {}
    for node, slot in zip(outputs, slots, strict=True):
        if slot is not None and node not in written:
            written[node] = slot
        elif slot is not None:
            raise mistake(node)
    return written


# ── from the graph ─────────────────────────────────────────────────────────────────────────


def lower_graph(source: graph.Graph, last: Collection[Any] = ()) -> Lowered:
    """Every gate of a graph as loop nodes, every leaf as a slot or a constant."""
    slots: list[Slot] = []
    by_key: dict[Any, Slot] = {}
    nodes: dict[graph.Node, Node] = {}
    numbers = {node: number for number, node in enumerate(source.nodes)}

    def slot_for(key: Any, node: Any, leaf: Any, label: str) -> Slot:
        if key not in by_key:
            kind = np.dtype(node.dtype)
            by_key[key] = Slot(len(slots), node.shape, kind, leaf, label, key in last)
            slots.append(by_key[key])
        return by_key[key]

    for node in source.needed(looked_at=True):
        if node.gate is None:
            nodes[node] = _leaf(node, slot_for, Provenance(node.title(), [numbers[node]]))
        else:
            wires = [nodes[x] if isinstance(x, graph.Node) else x for x in node.inputs]
            came = Provenance(node.gate.name, [numbers[node]])
            made = lower.lower_gate(node.gate, wires, node.attributes, came)
            if made.dtype != node.dtype:  # whoever reads the result goes by the graph
                made = Node("cast", [made], made.shape, node.dtype, {}, made.origin)
            nodes[node] = made
            origin = str(node.origin)
            if origin and nodes[node].origin == node.gate.name:
                nodes[node].origin = Provenance(f"{came} {origin}", gates_of(nodes[node].origin))
    outputs = [nodes[node] for node in source.outputs]
    written: list[int | None] = [None] * len(outputs)
    taken = {id(node) for node in outputs}
    turned: set[int] = set()
    for write in source.writes:
        if write.node is None:
            continue
        value = nodes[write.node]
        if id(value) in taken or value.op in ("input", "constant"):
            # A node of its own: one value may be written to several places, or returned too.
            came = Provenance("write", gates_of(value.origin))
            value = Node("cast", [value], value.shape, value.dtype, {}, came)
        taken.add(id(value))
        if write.state.kind not in ("gradient", "attribute") and write.state.key in last:
            value = _stored(value)
            turned.add(len(outputs))
        outputs.append(value)
        if write.state.kind in ("gradient", "attribute"):
            written.append(None)
        else:
            found = slot_for(write.state.key, write.node, write.state, write.state.name)
            written.append(found.number)
    if any(slot.last for slot in slots):  # images come channels last, and go so too
        for place in range(len(source.outputs)):
            if outputs[place].ndim == 4:
                outputs[place] = _stored(outputs[place])
                turned.add(place)
    checks = list(dict.fromkeys(check.looked_at for check in source.checks))
    outputs += [nodes[node] for node in checks]
    written += [None] * len(checks)
    return Lowered(outputs, slots, written, len(checks), turned)


def _stored(node: Node) -> Node:
    """Images N, C, H, W in the order in which they lie channels last."""
    shape = tuple(node.shape[axis] for axis in STORED)
    return Node("transpose", [node], shape, node.dtype, {"axes": STORED}, node.origin)


def _leaf(node: graph.Node, slot_for: Callable[..., Slot], came: Provenance) -> Node:
    leaf = node.leaf
    if isinstance(leaf, graph.Constant):
        value = leaf.value
        if value.size == 1 or not any(value.strides):
            number = value.ravel()[0] if value.size else value.dtype.type(0)
            one = Node("constant", [], (), value.dtype, {"value": number.item()})
            if not value.shape:
                return one
            return Node("expand", [one], value.shape, value.dtype, {}, Provenance("", came.gates))
        key: Any = ("constant", id(value))
    else:
        key = graph.key_of(leaf)  # type: ignore[arg-type]  # only leaves come here
    slot = slot_for(key, node, leaf, node.title())
    shape = tuple(node.shape[axis] for axis in STORED) if slot.last else node.shape
    made = Node("input", [], shape, node.dtype, {"slot": slot.number}, came)
    if not slot.last:
        return made
    return Node("transpose", [made], node.shape, node.dtype, {"axes": WRITTEN}, came)


def _failure(holds: Node) -> Node:
    """For a truth value, what `fuse.complaint` says of a check."""
    kind = np.dtype(np.int32)
    fine = Node("constant", [], (), kind, {"value": fuse.FINE})
    wrong = Node("constant", [], (), kind, {"value": 0})
    flat = Node("reshape", [holds], (), bool) if holds.shape else holds
    return Node(
        "where", [flat, fine, wrong], (), kind, {}, Provenance("check", gates_of(holds.origin))
    )


# ── as text ────────────────────────────────────────────────────────────────────────────────


def _call(number: int, call: Any) -> str:
    operands = ", ".join(
        (f"slot {array.slot}" if array.slot is not None else f"@{array.buffer.offset}")
        + (f"+{offset}" if offset else "")
        for array, offset in call.operands
    )
    if call.kernel is None:
        return f"{number:4} {call.label}({operands})"
    return f"{number:4} {call.label}({operands})  {call.kernel.chunks} chunks"


def _memory(program: Program) -> str:
    lines = [f"{memory.readable(program.nbytes)} for {len(program.buffers)} arrays"]
    for one in sorted(program.buffers, key=lambda one: (one.first, one.offset)):
        size = memory.readable(one.nbytes)
        lines.append(f"@{one.offset:<12} {size:>10}  calls {one.first}–{one.last}  {one.label}")
    return "\n".join(lines)
