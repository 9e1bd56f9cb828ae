"""The part of a circuit that lies between a value and the output: what it reads and hands on.

Everything that asks for reasons looks at a region: the same nodes with the same numbers, in which
one value alone asks for a gradient, so that no other gradient is computed on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backlight.engine.backward import propagate
from backlight.engine.mode import enable_grad, no_grad
from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.gates.family import Elementwise
from backlight.gates.gate import TABLE, Role

Place = tuple[int, ...]
_KEPT = 50_000  # numbers: a larger column is computed again when it is asked for again


class Region:
    """A circuit seen from one of its values.

    Parameters
    ----------
    circuit : Circuit
        The whole.
    target : int
        The node whose gradient is asked about.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> region = Region(circuit("(x+y)*z", x=-2, y=5, z=-4), 0)
    >>> float(region.gradient), [region.node(i).gate.name for i in region.way]
    (-4.0, ['add', 'multiply'])
    """

    def __init__(self, circuit: Circuit, target: int) -> None:
        self.whole = circuit
        self.target = target
        nodes = tuple(_asking(node, target) for node in circuit.nodes)
        self.circuit = Circuit(nodes, circuit.output, circuit.upstream, circuit.text)
        self.gradients = self.circuit.gradients
        self._diagonals: dict[tuple[int, int], Array | None] = {}
        self._columns: dict[tuple[int, int, Place], Array] = {}

    def node(self, index: int) -> Node:
        """The node of this number, as the whole circuit has it."""
        return self.whole.nodes[index]

    @property
    def gradient(self) -> Array | None:
        """The gradient of the target; None if none arrives."""
        return self.gradients[self.target]

    @property
    def reached(self) -> frozenset[int]:
        """The target and all that was made from it."""
        return self.circuit.reached

    @property
    def way(self) -> list[int]:
        """The gates between the target and the output, in the order in which they ran."""
        return [
            node.index
            for node in self.circuit.gates
            if node.index in self.reached and self.gradients[node.index] is not None
        ]

    def readers(self, index: int) -> list[tuple[int, int]]:
        """The gates that read a node and hand it a gradient: (their number, on which wire)."""
        return [
            (reader, wire)
            for reader, wire in self.circuit.consumers[index]
            if self.gradients[reader] is not None and self.circuit.shares(reader)[wire] is not None
        ]

    def shares(self, index: int) -> dict[int, Array]:
        """What a gate hands towards the target, by source; two wires from one source are added."""
        found: dict[int, Array] = {}
        node = self.circuit.nodes[index]
        for source, share in zip(node.inputs, self.circuit.shares(index), strict=False):
            if share is not None:
                found[source] = found[source] + share if source in found else share
        return found

    def diagonal(self, index: int, wire: int) -> Array | None:
        """The local gradient at each place of an elementwise gate; None for any other gate.

        Such a gate's Jacobian is zero but for its diagonal, which one backward step with an
        upstream of ones reads off.
        """
        key = index, wire
        if key not in self._diagonals:
            node = self.circuit.nodes[index]
            source = self.circuit.nodes[node.inputs[wire]]
            # A scaler hands each place upstream times a factor of that place: dropout, too.
            single = isinstance(node.gate, Elementwise) or (
                node.gate is not None and node.gate.role in (Role.SCALER, Role.SQUASH)
            )
            single = single and source.shape == node.shape
            self._diagonals[key] = (
                self.circuit.handed(index, np.ones(node.shape))[wire] if single else None
            )
        return self._diagonals[key]

    def terms(self, index: int, wire: int) -> Array | None:
        """What an elementwise gate hands to an input that was broadcast, before it is summed.

        None for any other gate or input.
        """
        node = self.circuit.nodes[index]
        source = self.circuit.nodes[node.inputs[wire]]
        if not isinstance(node.gate, Elementwise) or source.shape == node.shape:
            return None
        given = [None if i < 0 else self.circuit.nodes[i].value for i in node.inputs]
        given[wire] = np.broadcast_to(source.value, node.shape)
        upstream = np.asarray(self.gradients[index])
        with no_grad(), np.errstate(all="ignore"):
            share = node.gate.backward(upstream, *given, node.value, **node.attributes)[wire]
            share = np.asarray(share() if callable(share) else share)
        return share if share.shape == node.shape else None

    def column(self, reader: int, wire: int, at: Place) -> Array:
        """∂(every number of a gate's output)/∂(one number of an input), flat, in float64."""
        key = reader, wire, at
        if key not in self._columns:
            source = self.circuit.nodes[self.circuit.nodes[reader].inputs[wire]]
            direction = np.zeros(source.shape, source.value.dtype)
            direction[at] = 1
            diagonal = self.diagonal(reader, wire)
            if diagonal is not None:
                direction[at] = diagonal[at]
                pushed: Array | None = direction
            else:
                pushed = self.pushed(reader, wire, direction)
            if pushed is None:
                pushed = np.zeros(self.circuit.nodes[reader].shape)
            found = np.asarray(pushed, np.float64).ravel()
            if found.size > _KEPT:
                return found
            self._columns[key] = found
        return self._columns[key]

    def pushed(self, index: int, wire: int, direction: Array) -> Array | None:
        """J·v: how a gate's output moves when the input on one wire moves along `direction`.

        The matrix J is not formed. The backward rule u ↦ uᵀ·J is linear in u; its own gradient by
        u, with v as the upstream, is J·v. None if the gate hands nothing to this wire.
        """
        diagonal = self.diagonal(index, wire)
        if diagonal is not None:
            with np.errstate(all="ignore"):
                return np.asarray(diagonal * direction)
        node = self.circuit.nodes[index]
        shape = self.circuit.nodes[node.inputs[wire]].shape
        given = [None if i < 0 else self.circuit.nodes[i].value for i in node.inputs]
        assert node.gate is not None  # noqa: S101 - told to the type checker
        with enable_grad(), np.errstate(all="ignore"):
            upstream = Tensor(np.zeros(node.shape, node.value.dtype), requires_grad=True)
            share = node.gate.backward(upstream, *given, node.value, **node.attributes)[wire]
            share = share() if callable(share) and not isinstance(share, Tensor) else share
            if not isinstance(share, Tensor):
                return None
            if share.shape != shape:
                share = _fitted(share, shape)
            if not share.requires_grad:
                return np.zeros(node.shape, node.value.dtype)
            along = Tensor.share(np.asarray(direction, share.dtype))
            found = propagate([share], [along], [upstream])[0]
        if found is None:
            return np.zeros(node.shape, node.value.dtype)
        return np.asarray(found._value)


def sent(region: Region, starts: Mapping[int, Array]) -> dict[int, Array]:
    """The gradients that arrive when the backward pass starts at some nodes, with given upstreams.

    Parameters
    ----------
    starts : mapping of int to array
        The upstream gradient at each node to start from.

    Returns
    -------
    dict of int to array
        By node; only those that something arrives at.
    """
    arrived = dict(starts)
    for node in reversed(region.circuit.nodes):
        upstream = arrived.get(node.index)
        if upstream is None or node.gate is None:
            continue
        handed = region.circuit.handed(node.index, upstream)
        for source, share in zip(node.inputs, handed, strict=True):
            if share is not None:
                arrived[source] = arrived[source] + share if source in arrived else share
    return arrived


def norm(array: Any) -> float:
    """√Σx², without overflow or underflow of the squares.

    Examples
    --------
    >>> norm(np.array([3e-200, 4e-200]))
    5e-200
    """
    array = np.abs(np.asarray(array, np.float64))
    largest = float(np.max(array, initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return float(largest * np.sqrt(np.sum((array / largest) ** 2)))


def _asking(node: Node, target: int) -> Node:
    """The node with its wish for a gradient taken away, unless it is the target."""
    if node.index == target:
        return replace(node, kind="input", gate=None, inputs=())
    return replace(node, kind="constant") if node.kind in ("input", "parameter") else node


def _fitted(share: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        return TABLE["sum_to"](share, shape=shape)  # type: ignore[no-any-return]
    except ValueError:
        return TABLE["broadcast_to"](share, shape=shape)  # type: ignore[no-any-return]
