"""Jacobians: in full where they are small, by their structure where they are large.

Rows are the output's numbers, columns the input's: entry [i, j] is ∂outputᵢ/∂inputⱼ.
Backpropagation multiplies the upstream gradient by this matrix and never forms it; nor does the
structure, which follows from the gates' kinds and from a few products.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import memory
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

SMALL = 4_096
"""Entries up to which a Jacobian is formed without being asked for."""
LARGEST = 2**24
"""Entries that `full` forms at most."""


@dataclass(frozen=True)
class Jacobian:
    """What is known of one Jacobian.

    Attributes
    ----------
    output, input : int
        The nodes: ∂output/∂input.
    rows, columns : int
        Numbers of the output and of the input.
    itemsize : int
        Bytes of one entry.
    structure : str
        "diagonal", "permutation", "selection", "block", "toeplitz", "sign", "dense", "sparse",
        "empty" or "unknown".
    entries : array or None
        All entries, of shape (rows, columns), if there are at most 4,096.
    diagonal : array or None
        The diagonal, if it is all that there is.
    zeros : float or None
        The share of entries that are 0; None if not known.
    blocks : (int, int, int)
        How many blocks there are, and the size of one; (0, 0, 0) without blocks.
    product : array
        upstream × Jacobian, of the input's shape: what of its gradient comes through the output.
    seconds : float
        How long that product took.
    """

    output: int
    input: int
    rows: int
    columns: int
    itemsize: int
    structure: str
    entries: Array | None
    diagonal: Array | None
    zeros: float | None
    blocks: tuple[int, int, int]
    same_as: int
    product: Array
    seconds: float

    @property
    def count(self) -> int:
        """How many entries it has."""
        return self.rows * self.columns

    @property
    def bytes(self) -> int:
        """What all of them would take."""
        return self.count * self.itemsize


def jacobian(circuit: Circuit, input: int | str, output: int | str | None = None) -> Jacobian:
    """The Jacobian of one node of a circuit by another, formed only if it is small.

    Parameters
    ----------
    circuit : Circuit
        Where both are.
    input, output : int or str
        Numbers or names of nodes; the output is the circuit's own if not given.

    Raises
    ------
    ArgumentError
        If there is no such node, or no gradient reaches it.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> layer = circuit("relu(x)", x=np.linspace(-1, 2, 4096))
    >>> found = jacobian(layer, "x")
    >>> found.structure, found.count, found.entries is None
    ('diagonal', 16777216, True)
    >>> round(found.zeros, 6), float(np.mean(found.diagonal == 0)) > 0.3
    (0.999837, True)

    Source: CS231n, lecture 4: the Jacobian of a 4096-dimensional ReLU.
    """
    source = circuit.find(input)
    target = circuit.find(circuit.output if output is None else output)
    if source.index not in circuit.reached or not target.wants_gradient:
        raise ArgumentError(
            "jacobian",
            got=f"the node {input!r}, to which no gradient flows",
            needs="an input that the output depends on",
            remedy="Name an input or parameter.",
        )
    pull = _Pull(circuit, source.index, target.index)
    upstream = circuit.gradients[target.index]
    upstream = np.ones(target.shape) if upstream is None else upstream
    started = time.perf_counter()
    product = pull(upstream)
    seconds = time.perf_counter() - started
    rows, columns = target.value.size, source.value.size
    known = _Known()
    if rows * columns <= SMALL:
        known = _of_entries(_formed(pull, target, source))
    else:
        known = _by_gates(circuit, pull, source, target)
    return Jacobian(
        target.index,
        source.index,
        rows,
        columns,
        target.value.itemsize,
        known.structure,
        known.entries,
        known.diagonal,
        known.zeros,
        known.blocks,
        _same_as(circuit, pull, known, source, target),
        product,
        seconds,
    )


def full(circuit: Circuit, input: int | str, output: int | str | None = None) -> Array:
    """All entries, (rows, columns), up to 16 million of them.

    Raises
    ------
    ArgumentError
        If there are more; the message says how many, and how many bytes.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> full(circuit("W@x", W=[[1, 2], [3, 4]], x=[1, 1]), "x").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    source = circuit.find(input)
    target = circuit.find(circuit.output if output is None else output)
    count = target.value.size * source.value.size
    if count > LARGEST:
        raise ArgumentError(
            "jacobian",
            got=f"{count:,} entries, {memory(count * target.value.itemsize)}",
            needs=f"at most {LARGEST:,}",
            remedy="Multiply by it unformed, as backpropagation does: circuit.handed, vjp, jvp.",
        )
    return _formed(_Pull(circuit, source.index, target.index), target, source)


@dataclass(frozen=True)
class _Known:
    structure: str = "unknown"
    entries: Array | None = None
    diagonal: Array | None = None
    zeros: float | None = None
    blocks: tuple[int, int, int] = (0, 0, 0)


class _Pull:
    """Maps an upstream gradient at one node to the gradient at another: v ↦ vᵀJ."""

    def __init__(self, circuit: Circuit, source: int, target: int) -> None:
        self.circuit = circuit
        self.source = source
        self.target = target
        below = {source}
        for node in circuit.nodes[source + 1 : target + 1]:
            if not below.isdisjoint(node.inputs):
                below.add(node.index)
        self.between = [
            node for node in reversed(circuit.gates) if node.index in below and node.index <= target
        ]

    def __call__(self, upstream: Any) -> Array:
        arrived: dict[int, Array] = {self.target: np.asarray(upstream)}
        for node in self.between:
            here = arrived.get(node.index)
            if here is None or node.index == self.source:
                continue
            handed = self.circuit.handed(node.index, here)
            for source, share in zip(node.inputs, handed, strict=True):
                if share is not None and source >= 0:
                    known = arrived.get(source)
                    with np.errstate(all="ignore"):
                        arrived[source] = share if known is None else known + share
        found = arrived.get(self.source)
        return np.zeros(self.circuit.nodes[self.source].shape) if found is None else found

    def path(self) -> list[Node] | None:
        """The gates between, if they are in one row; None if the ways part."""
        row: list[Node] = []
        here = self.target
        while here != self.source:
            node = self.circuit.nodes[here]
            ways = [
                i for i in node.inputs if i == self.source or i in {n.index for n in self.between}
            ]
            if len(ways) != 1:
                return None
            row.append(node)
            here = ways[0]
        return row


def _formed(pull: _Pull, target: Node, source: Node) -> Array:
    """Row by row: the product with each unit vector."""
    rows = np.zeros((target.value.size, source.value.size))
    unit = np.zeros(target.value.size)
    for number in range(target.value.size):
        unit[number] = 1.0
        rows[number] = pull(unit.reshape(target.shape)).ravel()
        unit[number] = 0.0
    return rows


def _of_entries(entries: Array) -> _Known:
    """The structure of a matrix that is there."""
    zeros = float(np.mean(entries == 0)) if entries.size else 1.0
    rows, columns = entries.shape
    blocks = _blocks(entries)
    if not entries.any():
        structure = "empty"
    elif rows == columns > 1 and np.count_nonzero(entries) == np.count_nonzero(np.diag(entries)):
        structure = "diagonal"
    elif _selecting(entries):
        structure = "permutation" if rows == columns and _selecting(entries.T) else "selection"
    elif _toeplitz(entries):
        structure = "toeplitz"
    elif blocks[0]:
        structure = "block"
    elif np.isin(entries, (-1.0, 0.0, 1.0)).all() and rows > 1:
        structure = "sign"
    else:
        structure = "dense" if zeros == 0 else "sparse"
    diagonal = np.diag(entries) if structure == "diagonal" else None
    return _Known(
        structure, entries, diagonal, zeros, blocks if structure == "block" else (0, 0, 0)
    )


def _selecting(entries: Array) -> bool:
    """Whether every row holds at most one number, a 1."""
    return bool(
        np.isin(entries, (0.0, 1.0)).all()
        and (np.count_nonzero(entries, axis=1) <= 1).all()
        and entries.shape[0] > 1
    )


def _toeplitz(entries: Array) -> bool:
    """Whether every row is the row above, moved right by one place."""
    rows, columns = entries.shape
    if rows < 2 or columns < 3 or not (entries == 0).any():
        return False
    return bool(np.allclose(entries[1:, 1:], entries[:-1, :-1], rtol=1e-12, atol=0))


def _blocks(entries: Array) -> tuple[int, int, int]:
    """The finest division into equal blocks along the diagonal with zeros outside; else zeros."""
    rows, columns = entries.shape
    for count in range(math.gcd(rows, columns), 1, -1):
        if rows % count or columns % count:
            continue
        high, wide = rows // count, columns // count
        outside = entries.reshape(count, high, count, wide).copy()
        for number in range(count):
            outside[number, :, number] = 0
        if not outside.any():
            return count, high, wide
    return 0, 0, 0


def _same_as(circuit: Circuit, pull: _Pull, known: _Known, source: Node, target: Node) -> int:
    """Which value on the other wire of the last gate the matrix is; −1 if none."""
    path = pull.path()
    if (
        path is None
        or len(path) != 1
        or target.gate is None
        or target.gate.role is not Role.SWITCHER
    ):
        return -1
    for other in target.inputs:
        value = circuit.nodes[other].value if other >= 0 else None
        if value is None or value.shape != (target.value.size, source.value.size):
            continue
        row = np.zeros(target.shape)
        row.flat[-1] = 1.0
        if np.array_equal(pull(row).ravel(), value[-1]) and (
            known.entries is None or np.array_equal(known.entries, value)
        ):
            return other
    return -1


def _by_gates(circuit: Circuit, pull: _Pull, source: Node, target: Node) -> _Known:
    """The structure of a large one, from the kinds of the gates and a few products."""
    path = pull.path()
    if path is None:
        return _Known()
    kinds = [_kind(circuit, node, pull) for node in path]
    size = target.value.size
    if all(kind == "diagonal" for kind in kinds) and target.shape == source.shape:
        diagonal = pull(np.ones(target.shape)).ravel()
        zeros = 1 - np.count_nonzero(diagonal) / size**2
        return _Known("diagonal", None, diagonal, float(zeros))
    if all(kind in ("moved", "routed") for kind in kinds):
        return _selection(pull, source, target)
    same = _same_as(circuit, pull, _Known(), source, target)
    if same >= 0:
        zeros = 1 - np.count_nonzero(circuit.nodes[same].value) / (size * source.value.size)
        return _Known("sparse" if zeros else "dense", zeros=float(zeros))
    blocks = _linear_blocks(path, source, target)
    if blocks is not None:
        return blocks
    count = target.shape[0] if target.shape else 1
    if source.shape and count == source.shape[0] > 1 and _apart(pull, source, target):
        return _Known("block", blocks=(count, size // count, source.value.size // count))
    return _Known()


def _kind(circuit: Circuit, node: Node, pull: _Pull) -> str:
    """What a gate's own Jacobian by the wire on the path looks like."""
    assert node.gate is not None  # noqa: S101 - told to the type checker
    inside = {one.index for one in pull.between} | {pull.source}
    wire = next(i for i in node.inputs if i in inside)
    if isinstance(node.gate, Elementwise) and circuit.nodes[wire].shape == node.shape:
        return "diagonal"
    if node.gate.role is Role.MOVER:
        return "moved"
    return "routed" if node.gate.role is Role.ROUTER else ""


def _selection(pull: _Pull, source: Node, target: Node) -> _Known:
    """Zeros and ones, one a row: found by sending numbered rows back."""
    numbered = np.arange(1.0, target.value.size + 1)
    ones = pull(np.ones(target.shape)).ravel()
    whole = target.value.size == source.value.size and bool((ones == 1).all())
    used = float(np.sum(np.minimum(ones, 1)))
    if used and float(np.sum(pull(numbered.reshape(target.shape)))) <= 0:
        return _Known()
    zeros = 1 - float(np.sum(ones)) / (target.value.size * source.value.size)
    return _Known("permutation" if whole else "selection", zeros=zeros)


def _linear_blocks(path: list[Node], source: Node, target: Node) -> _Known | None:
    """One product of matrices, seen from one of its sides: the other matrix, again and again."""
    if len(path) != 1:
        return None
    node = path[0]
    assert node.gate is not None  # noqa: S101 - told to the type checker
    if node.gate.name not in ("matmul", "linear") or len(source.shape) < 1:
        return None
    place = node.inputs.index(source.index)
    weights = (node.gate.name == "linear" and place == 1) or (
        node.gate.name == "matmul" and place == 0
    )
    wide = source.shape[-1]
    count = math.prod(source.shape[:-1])
    if not weights and (node.gate.name == "matmul" and source.value.ndim > 1):
        return None  # columns lie apart in memory: blocks, but not along the diagonal
    if weights and node.gate.name == "linear" and target.value.ndim > 1:
        return None  # each weight meets every example
    if count < 2 or target.value.size % count:
        return None
    high = target.value.size // count
    zeros = 1 - 1 / count
    return _Known("block", zeros=zeros, blocks=(count, high, wide))


def _apart(pull: _Pull, source: Node, target: Node) -> bool:
    """Whether each example's output depends on that example alone, as a few products tell."""
    return all(_only(pull, place, source, target) for place in _some(target.shape[0]))


def _some(count: int) -> Iterator[int]:
    yield from dict.fromkeys([0, count - 1, *map(int, philox.permutation(count, 5, count)[:2])])


def _only(pull: _Pull, place: int, source: Node, target: Node) -> bool:
    upstream = np.zeros(target.shape)
    upstream[place] = np.linspace(1, 2, upstream[place].size).reshape(upstream[place].shape)
    back = pull(upstream)
    back[place] = 0
    return not back.any() and source.shape[0] == target.shape[0]
