"""A trial: the program that will run, run on copies of everything that it reads and writes.

Parameters, slots, buffers, gradients and random generators are as before afterwards, whatever
happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.random import Generator
from backlight.engine.tensor import Tensor
from backlight.native.bound import Bound
from backlight.native.inspecting.truth import closure
from backlight.native.running.program import Program
from backlight.native.tracing.graph import (
    Argument,
    Constant,
    Graph,
    Node,
    Scalar,
    Write,
    key_of,
)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Point:
    """The numbers of every leaf of a graph, copied: where a function is looked at."""

    numbers: dict[Any, Array]

    @classmethod
    def of_call(cls, bound: Bound, leaves: Sequence[Any]) -> Point:
        """What a call with these arguments would meet; random keys are drawn and given back."""
        source = bound.traced.graph
        found: dict[Any, Array] = {}
        with _generators_kept(source):
            for node in source.scalars:
                if isinstance(node.leaf, Scalar):
                    found[key_of(node.leaf)] = np.array(node.leaf.ask(), node.dtype)
        seen = [*source.results(), *source.results(looked_at=True)]
        seen += [node for one in source.passes for node in (one.root, *sum(one.pairs, ()))]
        every = [node.leaf for node in closure(source.nodes, seen) if node.leaf is not None]
        every += [slot.leaf for slot in bound.compilation.lowered.slots if slot.leaf is not None]
        every += [write.state for write in source.writes if _is_memory(write)]
        for leaf in every:
            key = key_of(leaf)
            if key in found or isinstance(leaf, (Constant, Scalar)):
                continue
            if isinstance(leaf, Argument):
                given = leaves[leaf.place]
                found[key] = np.array(given._value if isinstance(given, Tensor) else given)
            else:
                found[key] = np.array(leaf.get(leaves))
        return cls(found)

    def moved(self, seed: int, share: float) -> Point:
        """A point nearby: each float multiplied by 1 + share·ε, ε standard normal."""
        found = {}
        for place, (key, value) in enumerate(self.numbers.items()):
            if value.dtype.kind == "f":
                noise = philox.normal(seed, place, value.shape, np.float64)
                found[key] = np.asarray(value * (1 + share * noise), value.dtype)
            else:
                found[key] = value
        return Point(found)

    def bindings(self, source: Graph) -> dict[Node, Array]:
        """The numbers of each leaf of the graph."""
        return {
            node: self.numbers[key_of(node.leaf)]
            for node in source.nodes
            if node.leaf is not None and key_of(node.leaf) in self.numbers
        }


def written(source: Graph) -> list[Write]:
    """The writes that have numbers, in the order of a program's results."""
    return [write for write in source.writes if write.node is not None]


def _is_memory(write: Write) -> bool:
    """Whether a write overwrites numbers, instead of putting a new tensor in a place."""
    return write.node is not None and write.state.kind not in ("gradient", "attribute")


def before(write: Write, point: Point) -> Array | None:
    """The numbers that a write replaces; None if there are none of that kind."""
    return point.numbers.get(write.state.key) if _is_memory(write) else None


@dataclass(frozen=True)
class Run:
    """What a run of a program left: 0 or the number of the check that stopped it, and results."""

    code: int
    results: list[Array]


def run(bound: Bound, point: Point) -> Run:
    """Run the program on copies of a point's numbers.

    Returns
    -------
    Run
        With the outputs, then what is written; no results where the program stopped at a check.
    """
    return run_compilation(bound.compilation, bound.program, bound.threads, point)


def run_compilation(compilation: Any, program: Program, threads: int | None, point: Point) -> Run:
    """The same for a compilation that is not bound to memory."""
    copies: dict[int, Array] = {}
    saved = list(program._bound)
    try:
        for slot in compilation.lowered.slots:
            if isinstance(slot.leaf, Constant):
                copies[slot.number] = np.array(slot.leaf.value, slot.dtype)
            else:
                copies[slot.number] = slot.laid(point.numbers[key_of(slot.leaf)])
            address = copies[slot.number].__array_interface__["data"][0]
            program.bind(slot.number, address)
        for number, node in compilation.returned.items():
            copies[number] = np.empty(node.shape, node.dtype)
            program.bind(number, copies[number].__array_interface__["data"][0])
        if not program._bound[compilation.error]:
            program.bind(compilation.error, program.table.error_address)
        code = program.run(threads)
        results = [] if code else _results(compilation, program, copies)
        return Run(code, results)
    finally:
        for number, address in enumerate(saved):
            if address:
                program.bind(number, address)


def _results(compilation: Any, program: Program, copies: Mapping[int, Array]) -> list[Array]:
    source = compilation.graph
    nodes = [*source.outputs, *(write.node for write in written(source))]
    found = []
    for place, ((array, offset), node) in enumerate(zip(compilation.results, nodes, strict=False)):
        if array.slot is not None:
            flat = np.ravel(copies[array.slot], "K").view(np.uint8)
            kind = np.dtype(node.dtype)
            numbers = flat[offset : offset + node.size * kind.itemsize].view(kind).copy()
        else:
            numbers = np.array(program.view(array, (node.size,), node.dtype, offset))
        found.append(compilation.seen(place, numbers, node.shape))
    return found


@contextmanager
def _generators_kept(source: Graph) -> Iterator[None]:
    """Random generators that the graph draws from go on from where they were."""
    owners = (
        getattr(node.leaf.ask, "__self__", None)
        for node in source.scalars
        if isinstance(node.leaf, Scalar)
    )
    generators = {id(one): one for one in owners if isinstance(one, Generator)}
    saved = [(one, one.state_dict()) for one in generators.values()]
    try:
        yield
    finally:
        for generator, state in saved:
            generator.load_state_dict(state)
