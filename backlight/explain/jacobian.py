"""Jacobians: in full where they are small, by their structure where they are large.

Rows are the output's numbers, columns the input's: entry [i, j] is ∂outputᵢ/∂inputⱼ.
Backpropagation multiplies the upstream gradient by this matrix and never forms it; nor does the
structure, which follows from the gates' kinds and from a few products.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from backlight.errors import ArgumentError
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import memory
from backlight.explain.jacobian_structure import Known, Pull, by_gates, of_entries, same_as

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
        "diagonal", "permutation", "selection", "block", "sorted" (blocks once rows and columns are
        sorted), "toeplitz", "convolution" (Toeplitz in blocks), "sign", "dense", "sparse", "empty"
        or "unknown".
    entries : array or None
        All entries, of shape (rows, columns), if there are at most 4,096, or one row.
    diagonal : array or None
        The diagonal, if it is all that there is.
    zeros : float or None
        The share of entries that are 0; None if not known.
    blocks : (int, int, int)
        How many blocks there are, and the size of one; (0, 0, 0) without blocks.
    shifts : tuple of int
        For a convolution: by how many places a row moves from one place of the output to the next,
        along each axis behind the channels.
    same_as : int
        The node whose value the matrix is; −1 if none.
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
    shifts: tuple[int, ...]
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
    pull = Pull(circuit, source.index, target.index)
    upstream = circuit.gradients[target.index]
    upstream = np.ones(target.shape) if upstream is None else upstream
    started = time.perf_counter()
    product = pull(upstream)
    seconds = time.perf_counter() - started
    rows, columns = target.value.size, source.value.size
    known = Known()
    if rows * columns <= SMALL or (rows == 1 and columns <= LARGEST):
        known = of_entries(_formed(pull, target, source), target.shape, source.shape)
    else:
        known = by_gates(circuit, pull, source, target)
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
        known.shifts,
        same_as(circuit, pull, known, source, target),
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
    return _formed(Pull(circuit, source.index, target.index), target, source)


def _formed(pull: Pull, target: Node, source: Node) -> Array:
    """Row by row: the product with each unit vector."""
    rows = np.zeros((target.value.size, source.value.size))
    unit = np.zeros(target.value.size)
    for number in range(target.value.size):
        unit[number] = 1.0
        rows[number] = pull(unit.reshape(target.shape)).ravel()
        unit[number] = 0.0
    return rows
