"""Graph: a traced function as gates in order, between the leaves they read and what comes out.

Everything is plain data that can be printed. What a graph means is stated by `interpret`: the
gates' own formulas, run by NumPy, one after the other.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import numpy as np

from backlight.engine.apply import settled
from backlight.errors import GraphError
from backlight.gates.gate import Gate
from backlight.quiet import restore, silence

Array = np.ndarray[Any, Any]
DType = np.dtype[Any]
Shape = tuple[int, ...]


class Origin(NamedTuple):
    """Where a gate was applied: the layer by its path, and the line of the user's code."""

    layer: str = ""
    file: str = ""
    line: int = 0
    back: bool = False
    """Whether it belongs to the gradient of what was computed there."""

    def __str__(self) -> str:
        """conv1, model.py:31; or: gradient of conv1, model.py:31."""
        place = f"{self.file.rpartition(os.sep)[2]}:{self.line}" if self.file else ""
        text = ", ".join(filter(None, (self.layer, place)))
        return f"gradient of {text}" if self.back and text else text


# ── leaves ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Argument:
    """The numbers of an argument: the `place`-th leaf of what the function is called with."""

    place: int
    name: str


@dataclass(frozen=True, eq=False)
class State:
    """Memory outside the function that it reads or writes: a parameter, a buffer, a slot.

    Attributes
    ----------
    kind : str
        "tensor", "array", "slot", "gradient", "argument" or "attribute".
    key : tuple
        What it is, for comparing: two states of one key are one memory.
    holder : object
        The tensor, array or module that it belongs to; of an "argument" its place.
    get : callable
        `get(leaves)`, with the leaves of the arguments of a call, answers with the array. The
        same array each time as long as `engine.tracing.version` has not changed, but for
        gradients and attributes.
    put : callable
        `put(leaves, numbers)` replaces the numbers, or the gradient; it notes the change.
    """

    kind: str
    key: tuple[Any, ...]
    name: str
    holder: Any
    get: Callable[[Sequence[Any]], Array]
    put: Callable[[Sequence[Any], Any], None]


@dataclass(frozen=True, eq=False)
class Scalar:
    """A number, or a small array, that the host is asked for at each call, in the graph's order."""

    name: str
    ask: Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that never change. Equal ones may be one number stretched, with strides of 0."""

    value: Array


def stretched(value: Array) -> Array:
    """Equal numbers as one number with strides of 0; others as they are, copied."""
    if not any(value.strides) and value.size:
        return value
    if value.size > 1:
        rows = np.ascontiguousarray(value).view(np.uint8).reshape(value.size, -1)
        if (rows == rows[0]).all():
            return np.broadcast_to(value.ravel()[0], value.shape)
    return np.array(value)


Leaf = Argument | State | Scalar | Constant


def key_of(leaf: Leaf) -> Any:
    """What a leaf is, so that two leaves of one memory have one key."""
    if isinstance(leaf, State):
        return leaf.key
    return ("argument", leaf.place) if isinstance(leaf, Argument) else ("leaf", id(leaf))


class Node:
    """A gate applied, or a leaf.

    Attributes
    ----------
    gate : Gate or None
        None for a leaf.
    inputs : tuple
        Nodes, or Python and NumPy numbers, or None, one a wire of the gate.
    attributes : dict
        The constants written on the gate; all hashable.
    shape, dtype
        Of the output.
    origin : Origin
        Who applied it, and where.
    leaf : Argument, State, Scalar, Constant or None
        What a leaf is.
    """

    __slots__ = ("attributes", "dtype", "gate", "inputs", "leaf", "origin", "shape")

    def __init__(
        self,
        gate: Gate | None,
        inputs: tuple[Any, ...],
        attributes: dict[str, Any],
        shape: Shape,
        dtype: DType,
        origin: Origin,
        leaf: Leaf | None = None,
    ) -> None:
        self.gate = gate
        self.inputs = inputs
        self.attributes = attributes
        self.shape = shape
        self.dtype = dtype
        self.origin = origin
        self.leaf = leaf

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def title(self) -> str:
        """What it is called in listings: the gate, or the leaf's kind and name."""
        if self.gate is not None:
            return self.gate.name
        if isinstance(self.leaf, Argument):
            return f"argument {self.leaf.name}"
        if isinstance(self.leaf, State):
            return f"{self.leaf.kind} {self.leaf.name}".rstrip()
        if isinstance(self.leaf, Scalar):
            return f"number {self.leaf.name}"
        return "constant"

    def told(self) -> str:
        """What it is and where it was made, for messages."""
        what = f"gate {self.gate.name}" if self.gate is not None else self.title()
        return f"{what} ({self.origin})" if str(self.origin) else what

    def __repr__(self) -> str:
        return f"<{self.title()} {self.dtype} {self.shape}>"


# ── the graph ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class Write:
    """At the end of a call, `state` takes the numbers of `node`; None empties a gradient."""

    state: State
    node: Node | None


@dataclass(frozen=True, eq=False)
class Check:
    """A truth value that must hold. Where it does not, nothing is written and `fail` raises.

    `sure`, if given, is one that is found with less work and never holds where `node` does not:
    a program looks at that one first, and only where it fails is `node` computed, by `interpret`.
    """

    node: Node
    fail: Callable[[], NoReturn]
    sure: Node | None = None

    @property
    def looked_at(self) -> Node:
        """What a program computes of it."""
        return self.node if self.sure is None else self.sure


@dataclass(frozen=True, eq=False)
class Pass:
    """A backward pass: from `root`, one number, to the gradients of leaves, as (leaf, gradient)."""

    root: Node
    pairs: tuple[tuple[Node, Node], ...]


@dataclass
class Graph:
    """A function of tensors, written down.

    Attributes
    ----------
    name : str
        The function's.
    nodes : list of Node
        Leaves and gates, inputs before what uses them.
    outputs : list of Node
        The tensors of the result.
    writes : list of Write
        What changes; applied after everything was computed, and only if every check holds.
    checks : list of Check
    scalars : list of Node
        The leaves to ask the host for, each once a call, in this order, needed or not.
    passes : list of Pass
        The backward passes from one number, for checks.
    walls : set of Node
        What has no history although an input has one: behind it no gradient was asked for.
    """

    name: str = ""
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    scalars: list[Node] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    walls: set[Node] = field(default_factory=set)

    def results(self, *, looked_at: bool = False) -> list[Node]:
        """All that has to be computed: outputs, what is written, checks.

        Of the checks the conditions themselves, or what a program looks at in their place.
        """
        written = [write.node for write in self.writes if write.node is not None]
        checks = [check.looked_at if looked_at else check.node for check in self.checks]
        return [*self.outputs, *written, *checks]

    def needed(self, *, looked_at: bool = False) -> list[Node]:
        """The nodes that the results need, in order."""
        wanted = set(self.results(looked_at=looked_at))
        kept = []
        for node in reversed(self.nodes):
            if node in wanted:
                kept.append(node)
                wanted.update(x for x in node.inputs if isinstance(x, Node))
        return kept[::-1]

    def __str__(self) -> str:
        """One line a node, then what is checked, written and returned."""
        names: dict[Node, str] = {}
        lines = [f"graph {self.name}:" if self.name else "graph:"]
        for number, node in enumerate(self.nodes):
            names[node] = f"%{number}"
            lines.append(_line(node, names))
        lines += [f"check {names[check.node]}" for check in self.checks]
        for write in self.writes:
            value = "none" if write.node is None else names[write.node]
            lines.append(f"write {write.state.kind} {write.state.name} = {value}")
        lines.append("return " + ", ".join(names[node] for node in self.outputs))
        return "\n".join(lines)


def _line(node: Node, names: Mapping[Node, str]) -> str:
    given = ", ".join(names[x] if isinstance(x, Node) else _number(x) for x in node.inputs)
    settings = ", ".join(f"{name}={value}" for name, value in node.attributes.items())
    inside = "; ".join(part for part in (given, settings) if part)
    call = f"{node.title()}({inside})" if node.gate is not None else node.title()
    if isinstance(node.leaf, Constant):
        call += f" {_shown(node.leaf.value)}"
    line = f"{names[node]} = {call} : {node.dtype} {node.shape}"
    where = str(node.origin)
    return f"{line:<72}  # {where}" if where else line


def _number(x: Any) -> str:
    return "–" if x is None else f"{x:g}" if isinstance(x, float) else str(x)


def _shown(value: Array) -> str:
    if value.size and not any(value.strides):
        return _number(value.ravel()[0].item())
    return _number(value.item()) if value.size == 1 else "[…]"


# ── what it means ──────────────────────────────────────────────────────────────────────────


def compute(node: Node, given: Sequence[Any]) -> Any:
    """The output of one gate on arrays and numbers, exactly as the eager engine computes it."""
    gate = node.gate
    if gate is None:
        raise GraphError(
            f"the graph's {node.title()}",
            got="no numbers",
            needs="numbers for every leaf",
            remedy="Bind it before interpreting.",
        )
    token = silence()
    try:
        output = gate.forward(np, *given, **node.attributes)
    finally:
        restore(token)
    if not hasattr(output, "dtype"):
        output = np.asarray(output)
    return settled(gate, list(given), node.attributes, output, output.dtype)


def interpret(
    wanted: Iterable[Node], bindings: Mapping[Node, Any], nodes: Sequence[Node]
) -> list[Any]:
    """The values of `wanted`: the reference for every later stage of the compiler.

    Parameters
    ----------
    wanted : iterable of Node
    bindings : mapping
        Numbers for every leaf but constants.
    nodes : sequence of Node
        The graph's, in order, as `Graph.needed` gives them.
    """
    values: dict[Node, Any] = dict(bindings)
    for node in nodes:
        if node in values:
            continue
        if isinstance(node.leaf, Constant):
            values[node] = node.leaf.value
            continue
        given = [values[x] if isinstance(x, Node) else _plain(x) for x in node.inputs]
        values[node] = compute(node, given)
    return [values[node] for node in wanted]


def _plain(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, np.generic) else x
