"""From fused steps to calls: which memory every array gets, and what may be written in place.

Arrays that come from outside are read where they are. What a program leaves in a state (a
parameter, a slot of the optimiser) is computed straight into it where nobody needs the old numbers
any more: steps that only update states are put last, so that this is nearly always so. Otherwise
it is computed beside and copied at the end.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.native.contraction.contract import Contractions, Precision
from backlight.native.contraction.nearest import nearest_calls
from backlight.native.kernels.border import Border
from backlight.native.kernels.fuse import (
    Alias,
    Contraction,
    Host,
    Join,
    Search,
    Step,
    read_by_contraction,
)
from backlight.native.kernels.guard import Guard
from backlight.native.kernels.loop_kernel import LoopKernel
from backlight.native.kernels.transposition import Transposition
from backlight.native.lowering import loops
from backlight.native.lowering.loops import Node
from backlight.native.lowering.strides import row_major
from backlight.native.machine_code.machine import Target
from backlight.native.running.program import Array, Call, Place


@dataclass
class Schedule:
    """Calls in order, and where each result lies afterwards.

    Attributes
    ----------
    calls : list of Call
    places : dict from Node to (Array, int)
        Of every node that is in memory.
    slots : dict from int to Array
    causes : list of Step or None
        For each call, the step that it is a part of.
    """

    calls: list[Call] = field(default_factory=list)
    causes: list[Step | None] = field(default_factory=list)
    places: dict[Node, Place] = field(default_factory=dict)
    slots: dict[int, Array] = field(default_factory=dict)


def schedule(
    steps: Sequence[Step],
    nodes: Sequence[Node],
    written: dict[Node, int],
    returned: dict[Node, int],
    complaints: Sequence[Node],
    error: int,
    target: Target,
    precision: Precision,
) -> Schedule:
    """Give every array its memory, and make the calls.

    Parameters
    ----------
    steps : sequence
        As `fuse` orders them.
    nodes : sequence of Node
        All nodes of the program.
    written : dict from Node to int
        Results that go into a state's slot.
    returned : dict from Node to int
        Large results that have a slot of their own.
    complaints : sequence of Node
        What each check found (see `fuse.complaint`): looked at before any state is written.
    error : int
        The slot of the word in which the number of a failed check is noted.
    target : Target
    precision : Precision
    """
    return _Scheduler(nodes, written, returned, target, precision).run(steps, complaints, error)


class _Scheduler:
    def __init__(
        self,
        nodes: Sequence[Node],
        written: dict[Node, int],
        returned: dict[Node, int],
        target: Target,
        precision: Precision,
    ) -> None:
        self.made = Schedule()
        self.target = target
        self.written = written
        self.returned = returned
        for node in nodes:
            if node.op == "input":
                slot = node.attributes["slot"]
                self.made.places[node] = (self._slot(slot, node.nbytes), 0)
            elif node.size == 0:  # no step computes it, and yet it may be read or returned
                self.made.places[node] = (Array(0, _label(node)), 0)
        shared = _read_often(nodes)
        self.contractions = Contractions(target, self.made.places.get, precision, shared)
        self.copies: list[Call] = []
        self.padded: dict[Node, Node] = {}

    def _slot(self, number: int, nbytes: int) -> Array:
        if number not in self.made.slots:
            self.made.slots[number] = Array(nbytes, f"slot {number}", number)
        return self.made.slots[number]

    def run(self, steps: Sequence[Step], complaints: Sequence[Node], error: int) -> Schedule:
        """Everything but updates, the look at the checks, the updates, the copies into states."""
        first, last = _updates_apart(self._directly_padded(steps), self.written)
        self._joined([*first, *last])
        self.checked = not complaints
        self._all(first, last)
        self.checked = True
        if complaints:
            operands = [self.made.places[node] for node in complaints]
            operands.append((self._slot(error, 8), 0))
            look = Guard(len(complaints))
            self.made.calls.append(Call(look, operands, "look at the checks", stops=True))
            self._caused(None)
        self._all(last, [])
        for node, slot in self.written.items():
            if self.made.places[node][0].slot != slot and node.size:
                self._copy(node, slot)
        self.made.calls += self.copies
        self._caused(None)
        return self.made

    def _all(self, steps: list[Step], after: list[Step]) -> None:
        for number, step in enumerate(steps):
            if isinstance(step, Alias):
                self._alias(step)
            elif isinstance(step, Join):
                self._join(step)
            elif isinstance(step, Host):
                self._host(step)
            elif isinstance(step, Search):
                queries, points = (self.made.places[x] for x in step.node.inputs)
                to = self._array(step.node)
                self.made.calls += nearest_calls(step.node, queries, points, to, self.target)
            elif isinstance(step, Contraction):
                self._contraction(step)
            else:
                self._loops(step, [*steps[number + 1 :], *after])
            self._caused(step)

    def _caused(self, step: Step | None) -> None:
        """Note what the calls are a part of that have been made since."""
        self.made.causes += [step] * (len(self.made.calls) - len(self.made.causes))

    def _array(self, node: Node) -> Place:
        if node not in self.made.places:
            slot = self.returned.get(node)
            array = Array(node.nbytes, _label(node)) if slot is None else None
            self.made.places[node] = (array or self._slot(slot or 0, node.nbytes), 0)
        return self.made.places[node]

    def _joined(self, steps: Sequence[Step]) -> None:
        """Let the parts of a join be computed in their places, where each has one place only."""
        fixed = {*self.written, *self.returned}
        made = {node for step in steps for node in _made_by(step)}
        for step in reversed(steps):  # a join of joins is one array
            if isinstance(step, Join):
                array, offset = self._array(step.node)
                for part in step.node.inputs:
                    if part in made and part not in self.made.places and part not in fixed:
                        self.made.places[part] = (array, offset)
                    offset += part.nbytes

    def _join(self, step: Join) -> None:
        array, offset = self._array(step.node)
        for part in step.node.inputs:
            if self.made.places[part] != (array, offset) and part.size:
                self._copied(part, (array, offset), self.made.calls)
            offset += part.nbytes

    def _alias(self, step: Alias) -> None:
        array, offset = self.made.places[step.source]
        self.made.places[step.node] = (array, offset + step.offset * step.node.dtype.itemsize)

    def _loops(self, step: Any, later: Sequence[Step]) -> None:
        for place, node in enumerate(step.outputs):
            slot = self.written.get(node)
            if slot is None or node in self.made.places or not self.checked:
                continue  # a state keeps its numbers until every check has held
            if self._free(slot, step, place, later):
                self.made.places[node] = (self._slot(slot, node.nbytes), 0)
        operands = [self.made.places[node] for node in step.inputs]
        operands += [self._array(node) for node in step.outputs]
        self.made.calls.append(Call(step, operands, _label(step.outputs[0])))

    def _free(self, slot: int, step: Any, output: int, later: Sequence[Step]) -> bool:
        """Whether nobody needs the old numbers of a state when this step writes the new ones."""
        array = self._slot(slot, 0)
        for place, node in enumerate(step.inputs):
            allowed = (place, output) in getattr(step, "may_alias", ())
            if self.made.places[node][0] is array and not allowed:
                return False
        for one in later:
            for node in _read_by(one):
                found = self.made.places.get(node)
                if found is not None and found[0] is array:
                    return False
        return all(
            self.made.places.get(node, (None,))[0] is not array
            for node in self.written
            if node is not step.outputs[output]
        )

    def _directly_padded(self, steps: Sequence[Step]) -> list[Step]:
        """Drop the copies of convolutions into zeros: they are computed there, all but the zeros.

        That is possible where nobody else reads the result without its margins.
        """
        readers: dict[Node, int] = {}
        for step in steps:
            for node in _read_by(step):
                readers[node] = readers.get(node, 0) + 1
        made = {
            step.output
            for step in steps
            if isinstance(step, Contraction) and step.node.op in ("convolve", "convolve_by_data")
        }
        fixed = {*self.written, *self.returned}
        kept = []
        for step in steps:
            pad = _copied_into_zeros(step)
            inside = pad.inputs[0] if pad is not None else None
            if pad is None or inside is None:
                kept.append(step)
            elif inside in made and readers[inside] == 1 and inside not in fixed:
                self.padded[inside] = pad
            else:
                kept.append(step)
        return kept

    def _contraction(self, step: Contraction) -> None:
        output = step.output
        pad = self.padded.get(output)
        if pad is None:
            to, strides = self._array(output), None
        else:
            array, offset = self._array(pad)
            steps = row_major(pad.shape)
            top, left = pad.attributes["before"][1:3]
            bottom = pad.shape[1] - output.shape[1] - top
            right = pad.shape[2] - output.shape[2] - left
            n, height, width, channels = pad.shape
            border = Border((n, height, width, channels), (top, bottom, left, right), pad.dtype)
            self.made.calls.append(
                Call(border, [(array, offset)], f"zeros around {_label(output)}", free=True)
            )
            inside = (top * steps[1] + left * steps[2]) * pad.dtype.itemsize
            to, strides = (array, offset + inside), steps[:3]
        self.made.calls += self.contractions.calls(step.node, output, to, strides, step.epilogue)

    def _host(self, step: Host) -> None:
        node = step.node
        given = [self.made.places[x] for x in node.inputs]
        to = self._array(node)

        def run(addresses: Sequence[int]) -> None:
            arrays = [
                _array_at(address, x.shape, x.dtype)
                for address, x in zip(addresses, (*node.inputs, node), strict=True)
            ]
            arrays[-1][...] = loops.evaluate(node, arrays[:-1])

        self.made.calls.append(Call(None, [*given, to], f"NumPy: {_label(node)}", run))

    def _copy(self, node: Node, slot: int) -> None:
        """A result that could not be computed in its state is copied there at the end."""
        self._copied(node, (self._slot(slot, node.nbytes), 0), self.copies)

    def _copied(self, node: Node, to: Place, calls: list[Call]) -> None:
        source = Node("input", [], node.shape, node.dtype, {"slot": -1})
        same = Node("cast", [source], node.shape, node.dtype)
        copy = LoopKernel([[same]], 0, [same], {source})
        calls.append(Call(copy, [self.made.places[node], to], f"copy {_label(node)}"))


def _copied_into_zeros(step: Step) -> Node | None:
    """The padded images that a step makes of others without margins, if that is all it does."""
    if not isinstance(step, LoopKernel) or len(step.outputs) != 1 or len(step.inputs) != 1:
        return None
    node = step.outputs[0]
    plain = node.op == "pad" and node.attributes["value"] == 0 and node.inputs[0] is step.inputs[0]
    inner = plain and node.ndim == 4 and not node.attributes["before"][0]
    if not inner or node.attributes["before"][3] or node.shape[3] != node.inputs[0].shape[3]:
        return None
    return node if node.shape[0] == node.inputs[0].shape[0] else None


def _made_by(step: Step) -> list[Node]:
    """What a step leaves in memory of its own."""
    if isinstance(step, Alias):
        return []
    if isinstance(step, Contraction):
        return [step.output]
    return [step.node] if isinstance(step, Host | Search | Join) else list(step.outputs)


def _read_often(nodes: Sequence[Node]) -> set[Node]:
    """Inputs of the program that are the second matrix of more than one product."""
    count: dict[Node, int] = {}
    for node in nodes:
        if node.op == "product":
            base = node.inputs[1]
            while base.op in ("transpose", "reshape", "slice"):
                base = base.inputs[0]
            count[base] = count.get(base, 0) + 1
    return {node for node, times in count.items() if times > 2 and node.op == "input"}


def _updates_apart(
    steps: Sequence[Step], written: dict[Node, int]
) -> tuple[list[Step], list[Step]]:
    """Steps, and those that only update states, which come last: nobody needs the old numbers."""
    read = {node for step in steps for node in _read_by(step)}

    def updates(step: Step) -> bool:
        return isinstance(step, LoopKernel | Transposition) and all(
            node in written and node not in read for node in step.outputs
        )

    return [s for s in steps if not updates(s)], [s for s in steps if updates(s)]


def _read_by(step: Step) -> list[Node]:
    if isinstance(step, Alias):
        return [step.source]
    if isinstance(step, Host | Search | Join):
        return list(step.node.inputs)
    if isinstance(step, Contraction):
        given = [read_by_contraction(step.node, place) for place in range(len(step.node.inputs))]
        return [*given, *step.epilogue.inputs]
    return list(step.inputs)


def _label(node: Node) -> str:
    return f"{node.op} {node.origin}".strip()


def _array_at(address: int, shape: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
    """Memory as an array; nothing is copied."""
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.empty(shape, kind)
    memory = (ctypes.c_char * (count * kind.itemsize)).from_address(address)
    return np.frombuffer(memory, kind).reshape(shape)
