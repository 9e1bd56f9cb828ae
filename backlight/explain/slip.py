"""The likely slip behind a wrong line of a backward pass written by hand.

Each slip that learners make leaves its mark on the number: a forgotten upstream gradient leaves the
local one, a lost path a part of the sum, a transposed matrix another product. They are tried in
order, on the circuit's own shares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from backlight.check.mistake import likely_mistake
from backlight.check.told import mistake
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import numbers
from backlight.gates.gate import Role
from backlight.words import say

_CLOSE = 1e-6
_PATHS = 12


def likely_slip(
    circuit: Circuit,
    name: str,
    part: Array,
    found: Array,
    expected: Array,
    language: str | None = None,
) -> str:
    """What would explain a wrong gradient, in words; "" if nothing known does.

    Parameters
    ----------
    circuit : Circuit
        The right one.
    name : str
        Whose gradient was written.
    part : array
        What the wrong line gives.
    found : array
        That and what earlier lines gave, added.
    expected : array
        The gradient.
    language : str, optional
        "en" or "ko".

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> neuron = circuit("(x+y)*z", x=-2, y=5, z=-4)
    >>> wrong = np.array(1.0)
    >>> likely_slip(neuron, "x", wrong, wrong, neuron.gradient("x"), "en")
    'the upstream gradient −4 is forgotten: this is the local gradient alone'
    """
    slips = _Slips(circuit, circuit.find(name), part, found, expected, language)
    return next(filter(None, (guess() for guess in slips.guesses())), "")


def shares_of(circuit: Circuit, index: int) -> list[Array]:
    """What every gate that reads a node hands to it."""
    found = [circuit.shares(gate)[wire] for gate, wire in circuit.consumers[index]]
    return [share for share in found if share is not None]


@dataclass(frozen=True)
class _Slips:
    circuit: Circuit
    node: Node
    part: Array
    found: Array
    expected: Array
    language: str | None

    def guesses(self) -> list[Callable[[], str]]:
        """Explanations to be tried, the most telling first."""
        return [
            self.transposed,
            self.not_summed,
            self.lost_path,
            self.forgotten_factor,
            self.swapped,
            self.sign,
            self.elsewhere,
            self.factor,
            self.shape,
        ]

    def words(self, entry: str, **values: Any) -> str:
        return say(f"circuit.exercise.{entry}", self.language, **values)

    def transposed(self) -> str:
        found = self.found
        turned = found.ndim == 2 and found.shape[0] > 1 and same(found.T, self.expected)
        other = any(same(self.part, one) for one in self.with_transposed())
        return self.words("transposed") if turned or other else ""

    def with_transposed(self) -> Iterator[Array]:
        """What would be handed over if a square matrix beside it were transposed."""
        for gate, wire in self.circuit.consumers[self.node.index]:
            node = self.circuit.nodes[gate]
            upstream = self.circuit.gradients[gate]
            for place, other in enumerate(node.inputs):
                if other < 0:
                    continue
                value = self.circuit.nodes[other].value
                square = value.ndim == 2 and value.shape[0] == value.shape[1]
                if place == wire or not square or upstream is None:
                    continue
                nodes = list(self.circuit.nodes)
                nodes[other] = replace(nodes[other], value=value.T)
                turned = Circuit(tuple(nodes), self.circuit.output, self.circuit.upstream)
                share = turned.handed(gate, upstream)[wire]
                if share is not None:
                    yield share

    def not_summed(self) -> str:
        wider = self.found.size > self.expected.size
        if wider and same(_summed(self.found, self.expected.shape), self.expected):
            return self.words("broadcast", name=self.node.name)
        return ""

    def lost_path(self) -> str:
        shares = shares_of(self.circuit, self.node.index)
        if len(shares) > 1 and partial(self.found, shares):
            return self.words("path", name=self.node.name, count=len(shares))
        return ""

    def forgotten_factor(self) -> str:
        """The local gradient without upstream, or upstream without the local gradient."""
        for gate, wire in self.circuit.consumers[self.node.index]:
            upstream = self.circuit.gradients[gate]
            if upstream is None:
                continue
            local = self.circuit.handed(gate, np.ones_like(upstream))[wire]
            if local is not None and same(self.part, local) and not np.all(upstream == 1):
                return self.words("upstream", upstream=numbers(upstream))
            if self.part.shape == upstream.shape and same(self.part, upstream):
                reader = self.circuit.nodes[gate].gate
                if reader is not None and reader.role is Role.ROUTER:
                    return self.words("mask", gate=reader.name)
                return self.words("local")
        return ""

    def swapped(self) -> str:
        """What another wire of a multiplying gate gets."""
        for gate, wire in self.circuit.consumers[self.node.index]:
            node = self.circuit.nodes[gate]
            if node.gate is None or node.gate.role is not Role.SWITCHER:
                continue
            for place, share in enumerate(self.circuit.shares(gate)):
                if place != wire and share is not None and same(self.part, share):
                    return self.words("own", other=self.circuit.nodes[node.inputs[place]].name)
        return ""

    def sign(self) -> str:
        shares = shares_of(self.circuit, self.node.index)
        turned = any(same(self.part, -share) and share.any() for share in shares)
        return self.words("sign") if turned or same(self.found, -self.expected) else ""

    def factor(self) -> str:
        """Twice, half, a sum for a mean, or another factor."""
        found, expected = self.found, self.expected
        if found.shape != expected.shape or not expected.any():
            return ""
        ratios = found[expected != 0] / expected[expected != 0]
        factor = float(np.median(ratios))
        if factor and np.allclose(found, factor * expected, rtol=1e-9, atol=0):
            return self.words("factor", factor=numbers(np.asarray(factor)))
        known = {place: float(expected[place]) for place in np.ndindex(expected.shape)}
        return mistake(likely_mistake(found, known, set()), self.language)

    def elsewhere(self) -> str:
        """The gradient of another value."""
        for index, gradient in enumerate(self.circuit.gradients):
            node = self.circuit.nodes[index]
            if index == self.node.index or gradient is None or not gradient.any():
                continue
            if node.gate is not None and same(self.part, gradient):
                other = node.name or f"{node.gate.name} #{index}"
                return self.words("elsewhere", other=other)
        return ""

    def shape(self) -> str:
        if self.found.shape == self.expected.shape:
            return ""
        found, expected = self.found.shape, self.expected.shape
        return self.words("shape", name=self.node.name, found=found, expected=expected)


def same(found: Any, expected: Any) -> bool:
    """Equal numbers, to six digits, of shapes that differ at most by axes of size 1."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.size != expected.size or np.squeeze(found).shape != np.squeeze(expected).shape:
        return False
    return bool(
        np.allclose(
            np.squeeze(found), np.squeeze(expected), rtol=_CLOSE, atol=1e-12, equal_nan=True
        )
    )


def partial(found: Array, shares: Sequence[Array]) -> bool:
    """Whether a number is the sum of some of the shares, not of all."""
    few = shares[:_PATHS]
    for count in range(1, len(few)):
        for chosen in combinations(few, count):
            if same(found, sum(chosen[1:], chosen[0])):
                return True
    return False


def _summed(found: Array, shape: tuple[int, ...]) -> Array:
    """Summed over the axes that `shape` lacks or has only 1 of."""
    while found.ndim > len(shape):
        found = found.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1 and found.shape[axis] != 1:
            found = found.sum(axis=axis, keepdims=True)
    return found
