"""What a gate hands to one of its wires, in words: a clause of a sentence of the backward pass.

Every clause says something that was looked at: that numbers are upstream's own, that they add up
over copies, that they are a product. Where none of the plain statements holds, the Jacobian is
named; so nothing is said of a gate, known or unknown, that is not so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import label, numbers, shape
from backlight.explain.circuit.told import Wire
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role
from backlight.words import say

_PRODUCTS = {
    "matmul": ("{upstream} @ {other}ᵀ", "{other}ᵀ @ {upstream}"),
    "linear": ("{upstream} @ {other}", "({upstream})ᵀ @ {other}"),
}
"""Products of matrices: what the first and the second wire get, a vector as a column or a row."""
_HANDING = (Role.DISTRIBUTOR, Role.ROUTER, Role.MOVER)
"""Roles that hand upstream's own numbers on, or sums of them."""


class Clauses:
    """Finds the words for the wires of one circuit in one language.

    Parameters
    ----------
    circuit : Circuit
        What is told.
    names : sequence of str
        What its nodes are called.
    language : str, optional
        "en" or "ko"; by default the one that is spoken.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> from backlight.explain.circuit.told import names, wires
    >>> drawn = circuit("sum(x + b)", x=[1, 2], b=3)
    >>> clauses = Clauses(drawn, names(drawn), "en")
    >>> for wire in wires(drawn, 2):
    ...     print(clauses.of(drawn.nodes[2], wire))
    x gets upstream [1, 1] unchanged
    b was stretched to (2) and gets the sum of what its copies get: 2.00
    """

    def __init__(self, circuit: Circuit, names: Sequence[str], language: str | None) -> None:
        self.circuit = circuit
        self.names = names
        self.language = language

    def of(self, node: Node, wire: Wire) -> str:
        """What one wire of a gate gets."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        upstream = self.circuit.gradients[node.index]
        if wire.product is None or upstream is None:
            return self._say("nothing", wire)
        if not wire.product.size or not upstream.size:
            return self._say("nothing", wire)
        if node.gate.role in _HANDING and not wire.product.any():
            return self._say("nothing", wire)
        if not node.value.ndim and not wire.product.ndim:
            return self._number(node, wire, upstream, wire.product)
        return self._array(node, wire, upstream, wire.product)

    def named_number(self, index: int, sign: str = " ") -> str:
        """A node with its value; an unnamed constant is its own name."""
        node = self.circuit.nodes[index]
        if node.kind == "constant" and not node.name:
            return numbers(node.value, label)
        return f"{self.names[index]}{sign}{numbers(node.value, label)}"

    def listed(self, indices: Sequence[int], sign: str = " ") -> str:
        """Nodes with their values, between commas."""
        return ", ".join(self.named_number(index, sign) for index in indices)

    # ── single numbers ─────────────────────────────────────────────────────────────────────

    def _number(self, node: Node, wire: Wire, upstream: Array, product: Array) -> str:
        assert node.gate is not None  # noqa: S101 - told to the type checker
        if node.gate.role in _HANDING and product == upstream:
            entry = "all" if node.gate.role is Role.ROUTER else "same"
            return self._say(entry, wire, upstream=upstream)
        if node.gate.role in _HANDING and product == -upstream:
            return self._say("turned", wire, upstream=upstream, product=product)
        if node.gate.role is Role.SWITCHER:
            others = self._factors(node, wire)
            values = [self.circuit.nodes[other].value for other in others]
            with np.errstate(all="ignore"):
                factor = np.prod(values) if others else np.nan
                whole = np.allclose(upstream * factor, product, rtol=1e-6, equal_nan=True)
            if others and whole:
                told = " × ".join(map(self.named_number, others))
                return self._say("switched", wire, upstream=upstream, product=product, others=told)
        assert wire.local is not None  # noqa: S101 - a number by a number
        return self._say("scaled", wire, upstream=upstream, local=wire.local, product=product)

    # ── arrays ─────────────────────────────────────────────────────────────────────────────

    def _array(self, node: Node, wire: Wire, upstream: Array, product: Array) -> str:
        assert node.gate is not None  # noqa: S101 - told to the type checker
        switches = node.gate.role is Role.SWITCHER
        others = self._factors(node, wire) if switches else []
        stretched = isinstance(node.gate, Elementwise) and product.shape != node.shape
        if others:
            return self._product(node, wire, others, stretched)
        if node.gate.role in _HANDING or (switches and len(node.inputs) > 1):  # a bias
            told = self._handed(wire, upstream, product, node.shape if stretched else None)
            if told:
                return told
        if wire.local is not None:
            return self._say("scaled", wire, upstream=upstream, local=wire.local, product=product)
        if stretched:
            return self._say("stretched_local", wire, shape=shape(node.shape), product=product)
        return self._by_jacobian(node, wire, upstream)

    def _handed(
        self, wire: Wire, upstream: Array, product: Array, stretched: tuple[int, ...] | None
    ) -> str:
        """Upstream's own numbers: all, some, in another place, or added up; "" if they are not."""
        if product.shape == upstream.shape and np.array_equal(product, upstream):
            return self._say("same", wire, upstream=upstream)
        if product.shape == upstream.shape and np.array_equal(product, -upstream):
            return self._say("turned", wire, upstream=upstream, product=product)
        if stretched is not None:
            return self._say("stretched", wire, shape=shape(stretched), product=product)
        handed = product[product != 0]
        if not handed.size:
            return self._say("nothing", wire)
        known = np.append(upstream, -upstream)
        if not np.isin(handed, known).all():
            return self._say("summed", wire, product=product)
        if handed.size < product.size:
            return self._some(wire, upstream, product, handed)
        if upstream.size == 1 and (product == upstream.ravel()[0]).all():
            return self._say("copied", wire, upstream=upstream)
        if product.size == upstream.size and np.array_equal(
            np.sort(handed), np.sort(upstream, None)
        ):
            return self._say("moved", wire, upstream=upstream, shape=shape(product.shape))
        return self._say("each", wire, product=product)

    def _some(self, wire: Wire, upstream: Array, product: Array, handed: Array) -> str:
        """A few numbers of a wire get something, the others nothing."""
        count, size = handed.size, product.size
        known = {"count": f"{count:,}", "size": f"{size:,}", "upstream": label(handed[0])}
        if count == 1:
            return self._say("picked_one", wire, **known)
        return self._say("picked" if upstream.size == 1 else "routed", wire, **known)

    def _product(self, node: Node, wire: Wire, others: Sequence[int], stretched: bool) -> str:
        """Upstream times the other inputs."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        upstream, product = self.circuit.gradients[node.index], wire.product
        known = {"upstream": upstream, "product": product, "others": self.listed(others)}
        if isinstance(node.gate, Elementwise):
            known["others"] = " × ".join(map(self.named_number, others))
            entry = "stretched_times" if stretched else "switched"
            return self._say(entry, wire, shape=shape(node.shape), **known)
        flat = all(self.circuit.nodes[i].value.ndim <= 2 for i in node.inputs if i >= 0)
        pattern = _PRODUCTS.get(node.gate.name, ())
        if flat and wire.place < len(pattern):
            formula = pattern[wire.place].format(
                upstream=self._word("upstream", upstream=numbers(upstream, label)),
                other=self.named_number(others[0]).split(" ")[0]
                if self._has_name(others[0])
                else self.named_number(others[0]),
            )
            return self._say("formula", wire, formula=formula, product=product)
        return self._say("made_of", wire, **known)

    def _has_name(self, index: int) -> bool:
        node = self.circuit.nodes[index]
        return node.kind != "constant" or bool(node.name)

    def _by_jacobian(self, node: Node, wire: Wire, upstream: Array) -> str:
        assert wire.product is not None  # noqa: S101 - told to the type checker
        return self._say(
            "array",
            wire,
            upstream=upstream,
            rows=f"{node.value.size:,}",
            columns=f"{wire.product.size:,}",
            product=wire.product,
        )

    def _factors(self, node: Node, wire: Wire) -> list[int]:
        """The other wires that this one's gradient is made of: found by trying, a bias is none."""
        others = [place for place, i in enumerate(node.inputs) if place != wire.place and i >= 0]
        if len(others) > 1:
            others = [place for place in others if self._depends(node, wire, place)]
        return [node.inputs[place] for place in others]

    def _depends(self, node: Node, wire: Wire, other: int) -> bool:
        """Whether what a wire gets would be another if another input were."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        given: list[Any] = [None if i < 0 else self.circuit.nodes[i].value for i in node.inputs]
        given[other] = np.full_like(given[other], np.nan)
        upstream = self.circuit.gradients[node.index]
        with np.errstate(all="ignore"):
            shares = node.gate.backward(upstream, *given, node.value, **node.attributes)
            share = shares[wire.place]
            share = share() if callable(share) else share
        return share is not None and bool(np.isnan(np.asarray(share)).any())

    # ── words ──────────────────────────────────────────────────────────────────────────────

    def _say(self, entry: str, wire: Wire, **values: Any) -> str:
        """An entry of [wire]; arrays among the values are written as numbers."""
        written = {
            key: numbers(value, label) if isinstance(value, (np.ndarray, np.generic)) else value
            for key, value in values.items()
        }
        return self._word(entry, name=self.names[wire.source], **written)

    def _word(self, entry: str, **values: Any) -> str:
        return say(f"circuit.wire.{entry}", self.language, **values)
