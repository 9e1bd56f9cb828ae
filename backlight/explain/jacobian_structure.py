"""What a Jacobian is made of: zeros, blocks, diagonals, a kernel that slides.

Of a matrix that is there, by looking; of a large one by the kinds of its gates and by a few
products with it, which is all that backpropagation ever does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.jacobian_axes import Shape, of_rows, paired, sliding
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role


@dataclass(frozen=True)
class Known:
    """What was found of a Jacobian; see `Jacobian` for its fields."""

    structure: str = "unknown"
    entries: Array | None = None
    diagonal: Array | None = None
    zeros: float | None = None
    blocks: tuple[int, int, int] = (0, 0, 0)
    shifts: Shape = ()


class Pull:
    """Maps an upstream gradient at one node to the gradient at another: v ↦ vᵀJ."""

    def __init__(self, circuit: Circuit, source: int, target: int) -> None:
        self.circuit = circuit
        self.source = source
        self.target = target
        below = {source}
        for node in circuit.nodes[source + 1 : target + 1]:
            if not below.isdisjoint(node.inputs):
                below.add(node.index)
        self.below = frozenset(below)
        self.between = [
            node for node in reversed(circuit.gates) if node.index in below and node.index <= target
        ]

    def __call__(self, upstream: Any) -> Array:
        """Give upstream × Jacobian, of the input's shape."""
        arrived: dict[int, Array] = {self.target: np.asarray(upstream)}
        for node in self.between:
            here = arrived.get(node.index)
            if here is None or node.index == self.source:
                continue
            handed = self.circuit.handed(node.index, here, self.below)
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


def of_entries(entries: Array, output: Shape, input: Shape) -> Known:
    """The structure of a matrix that is there, between arrays of these shapes."""
    zeros = float(np.mean(entries == 0)) if entries.size else 1.0
    rows, columns = entries.shape
    blocks = _blocks(entries)
    product = of_rows(entries, input)
    shifts: Shape = ()
    if not entries.any():
        structure = "empty"
    elif rows == columns > 1 and np.count_nonzero(entries) == np.count_nonzero(np.diag(entries)):
        structure = "diagonal"
    elif _selecting(entries):
        structure = "permutation" if rows == columns and _selecting(entries.T) else "selection"
    elif _toeplitz(entries):
        structure = "toeplitz"
    elif shifts := sliding(product, output, input):
        structure, blocks = "convolution", (0, 0, 0)
    elif blocks[0]:
        structure = "block"
    elif pairs := paired(product, output, input):
        structure, blocks = "sorted", _sizes(pairs, output, input)
    elif np.isin(entries, (-1.0, 0.0, 1.0)).all() and rows > 1:
        structure = "sign"
    else:
        structure = "dense" if zeros == 0 else "sparse"
    diagonal = np.diag(entries) if structure == "diagonal" else None
    blocks = blocks if structure in ("block", "sorted") else (0, 0, 0)
    return Known(structure, entries, diagonal, zeros, blocks, shifts)


def _sizes(pairs: list[tuple[int, int]], output: Shape, input: Shape) -> tuple[int, int, int]:
    """How many blocks pairs of axes make, and the size of one."""
    count = math.prod(output[axis] for axis, _ in pairs)
    return count, math.prod(output) // count, math.prod(input) // count


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


def same_as(circuit: Circuit, pull: Pull, known: Known, source: Node, target: Node) -> int:
    """Which value on the other wire of the last gate the matrix is; −1 if none."""
    path = pull.path()
    if (
        path is None
        or len(path) != 1
        or target.gate is None
        or target.gate.role is not Role.SWITCHER
        or not target.value.size
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


def by_gates(circuit: Circuit, pull: Pull, source: Node, target: Node) -> Known:
    """The structure of a large one, from the kinds of the gates and a few products."""
    path = pull.path()
    size = target.value.size
    if path is not None:
        kinds = [_kind(circuit, node, pull) for node in path]
        if all(kind == "diagonal" for kind in kinds) and target.shape == source.shape:
            return _diagonal(pull, target)
        if all(kind in ("moved", "routed") for kind in kinds):
            return _selection(pull, source, target)
        same = same_as(circuit, pull, Known(), source, target)
        if same >= 0:
            zeros = 1 - np.count_nonzero(circuit.nodes[same].value) / (size * source.value.size)
            return Known("sparse" if zeros else "dense", zeros=float(zeros))
    shifts = sliding(pull, target.shape, source.shape)
    pairs = [] if shifts else paired(pull, target.shape, source.shape)
    if not shifts and not pairs:
        return Known()
    sizes = _sizes(pairs, target.shape, source.shape)
    if sizes[1:] == (1, 1) and all(one == other for one, other in pairs):
        return _diagonal(pull, target)
    alone = path is not None and len(path) == 1
    empty = _zeros(circuit, pull, source, target) if alone else None
    if shifts:
        return Known("convolution", zeros=empty, shifts=shifts)
    structure = "block" if _leading(pairs, target.shape, source.shape) else "sorted"
    return Known(structure, zeros=empty, blocks=sizes)


def _diagonal(pull: Pull, target: Node) -> Known:
    diagonal = pull(np.ones(target.shape)).ravel()
    zeros = 1 - np.count_nonzero(diagonal) / diagonal.size**2
    return Known("diagonal", None, diagonal, float(zeros))


def _leading(pairs: list[tuple[int, int]], output: Shape, input: Shape) -> bool:
    """Whether the axes in pairs are the first ones of both: then blocks lie along the diagonal."""
    first = [axis for axis, size in enumerate(output) if size > 1][: len(pairs)]
    other = [axis for axis, size in enumerate(input) if size > 1][: len(pairs)]
    return pairs == list(zip(first, other, strict=False))


def _zeros(circuit: Circuit, pull: Pull, source: Node, target: Node) -> float | None:
    """The share of zeros where every entry is one number of another input, as in a product.

    With a 1 for each such number, upstream × Jacobian counts entries instead of adding them up.
    """
    gate = target.gate
    if gate is None or gate.role is not Role.SWITCHER or target.inputs.count(source.index) != 1:
        return None
    values = [None if i < 0 else circuit.nodes[i].value for i in target.inputs]
    marked = [
        x if x is None or i == source.index else np.asarray(x != 0, x.dtype)
        for i, x in zip(target.inputs, values, strict=True)
    ]
    place = target.inputs.index(source.index)

    def counted(upstream: Array) -> Array | None:
        with no_grad():
            share = gate.backward(upstream, *marked, target.value, **target.attributes)[place]
            share = share() if callable(share) else share
        return None if share is None else np.asarray(share, np.float64)

    row = np.zeros(target.shape)
    row.flat[row.size // 2] = 1.0
    one, every = counted(row), counted(np.ones(target.shape))
    if one is None or every is None or not np.isin(one, (0.0, 1.0)).all():
        return None
    if np.count_nonzero(one) != np.count_nonzero(pull(row)):
        return None
    return 1 - float(np.sum(every)) / (target.value.size * source.value.size)


def _kind(circuit: Circuit, node: Node, pull: Pull) -> str:
    """What a gate's own Jacobian by the wire on the path looks like."""
    assert node.gate is not None  # noqa: S101 - told to the type checker
    inside = {one.index for one in pull.between} | {pull.source}
    wire = next(i for i in node.inputs if i in inside)
    if isinstance(node.gate, Elementwise) and circuit.nodes[wire].shape == node.shape:
        return "diagonal"
    if node.gate.role is Role.MOVER:
        return "moved"
    return "routed" if node.gate.role is Role.ROUTER else ""


def _selection(pull: Pull, source: Node, target: Node) -> Known:
    """Zeros and ones, one a row: found by sending numbered rows back."""
    numbered = np.arange(1.0, target.value.size + 1)
    ones = pull(np.ones(target.shape)).ravel()
    whole = target.value.size == source.value.size and bool((ones == 1).all())
    used = float(np.sum(np.minimum(ones, 1)))
    if used and float(np.sum(pull(numbered.reshape(target.shape)))) <= 0:
        return Known()
    zeros = 1 - float(np.sum(ones)) / (target.value.size * source.value.size)
    return Known("permutation" if whole else "selection", zeros=zeros)
