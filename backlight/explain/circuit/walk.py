"""A circuit walked through, one gate at a time: forward with values, backward with gradients.

The sentences follow from a gate's role, which is a tested promise about its Jacobian; so a gate of
the user's own is told as well as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import label, numbers, shape
from backlight.explain.circuit.told import Wire, names, symbol, told_role, wires
from backlight.gates.gate import Role
from backlight.words import say


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the walk.

    Attributes
    ----------
    direction : {"forward", "backward"}
        In which pass.
    node : int
        The gate that works, or the leaf whose gradient is complete.
    sentence : str
        What happens.
    lit : tuple of int
        The nodes whose value (forward) or gradient (backward) is known once it has happened.
    """

    direction: Literal["forward", "backward"]
    node: int
    sentence: str
    lit: tuple[int, ...]


def steps(circuit: Circuit, language: str | None = None) -> tuple[Step, ...]:
    """Every gate forward, then every gate backward, then every input's sum.

    Parameters
    ----------
    circuit : Circuit
        What is told.
    language : str, optional
        "en" or "ko"; by default the one that is spoken.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> for step in steps(circuit("(x+y)*z", x=-2, y=5, z=-4), "en"):
    ...     print(step.direction, step.sentence)
    forward The + gate takes x = −2.00, y = 5.00 and makes x+y = 3.00.
    forward The × gate takes x+y = 3.00, z = −4.00 and makes f = −12.00.
    backward The backward pass starts at f with the gradient 1.00.
    backward The × gate switches its inputs: x+y gets upstream 1.00 × z −4.00 = −4.00; \
z gets upstream 1.00 × x+y 3.00 = 3.00.
    backward x+y wants to go down with force 4.00. The + gate distributes: x gets upstream −4.00 \
unchanged; y gets upstream −4.00 unchanged.
    backward x wants to go down with force 4.00.
    backward y wants to go down with force 4.00.
    backward z wants to go up with force 3.00.
    """
    teller = _Teller(circuit, language)
    forward = [
        Step("forward", node.index, teller.forward(node), (node.index,)) for node in circuit.gates
    ]
    first = Step("backward", circuit.output, teller.start(), (circuit.output,))
    backward = [
        Step("backward", node.index, teller.backward(node), tuple(sorted(set(node.inputs))))
        for node in reversed(circuit.gates)
        if circuit.gradients[node.index] is not None
    ]
    last = [
        Step("backward", node.index, teller.collected(node), (node.index,))
        for node in circuit.leaves
        if node.wants_gradient
    ]
    return (*forward, first, *backward, *last)


def force(circuit: Circuit, what: int | str, language: str | None = None) -> str:
    """Which way a value is pulled, to make the output larger, and how strongly.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> force(circuit("(x+y)*z", x=-2, y=5, z=-4), "x", "en")
    'x wants to go down with force 4.00.'
    """
    return _Teller(circuit, language).force(circuit.find(what))


class _Teller:
    """Finds the words for one circuit in one language."""

    def __init__(self, circuit: Circuit, language: str | None) -> None:
        self.circuit = circuit
        self.language = language
        self.names = names(circuit)

    def say(self, entry: str, **values: Any) -> str:
        return say(f"circuit.{entry}", self.language, **values)

    def forward(self, node: Node) -> str:
        return self.say(
            "step.forward",
            symbol=symbol(self.circuit, node.index),
            inputs=self.listed([i for i in node.inputs if i >= 0], " = "),
            name=self.names[node.index],
            value=numbers(node.value, label),
        )

    def start(self) -> str:
        return self.say(
            "step.start",
            name=self.names[self.circuit.output],
            upstream=numbers(self.circuit.upstream, label),
        )

    def backward(self, node: Node) -> str:
        """The sum if the value was used several times, the force on it, and what its gate does."""
        told = [self.sum(node)]
        if node.index != self.circuit.output:
            told.append(self.force(node))
        return " ".join(filter(None, [*told, self.gate(node)]))

    def collected(self, node: Node) -> str:
        return " ".join(filter(None, [self.sum(node), self.force(node)]))

    def sum(self, node: Node) -> str:
        """How the gradient of a value that is used several times comes together; "" if not."""
        found = [
            self.circuit.shares(gate)[wire] for gate, wire in self.circuit.consumers[node.index]
        ]
        shares = [share for share in found if share is not None]
        total = self.circuit.gradients[node.index]
        if len(shares) < 2 or total is None:
            return ""
        if node.value.ndim:
            return self.say(
                "step.sum_array",
                name=self.names[node.index],
                count=len(shares),
                total=numbers(total, label),
            )
        return self.say(
            "step.sum",
            name=self.names[node.index],
            count=len(shares),
            shares=" + ".join(_bracketed(label(share)) for share in shares),
            total=label(total),
        )

    def force(self, node: Node) -> str:
        gradient = self.circuit.gradients[node.index]
        name = self.names[node.index]
        if gradient is None:
            return self.say("force.silent", name=name)
        if not gradient.any():
            return self.say("force.none", name=name)
        largest = label(np.max(np.abs(gradient)))
        if gradient.ndim:
            pulled = int(np.count_nonzero(gradient))
            return self.say("force.many", name=name, count=f"{pulled:,}", size=largest)
        entry = "force.up" if gradient > 0 else "force.down"
        return self.say(entry, name=name, size=largest)

    def gate(self, node: Node) -> str:
        """What the gate does with the upstream gradient, by its role."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        sign = symbol(self.circuit, node.index)
        role = node.gate.role
        if role in (Role.WALL, Role.SOURCE):
            return self.say(f"lead.{role.name.lower()}", symbol=sign)
        clauses = [self.clause(node, wire) for wire in wires(self.circuit, node.index)]
        if not clauses:
            return self.say("lead.constants", symbol=sign)
        lead = told_role(self.circuit, node.index).name.lower()
        return self.say(f"lead.{lead}", symbol=sign, clauses="; ".join(clauses))

    def clause(self, node: Node, wire: Wire) -> str:
        """What one wire gets."""
        upstream = self.circuit.gradients[node.index]
        name = self.names[wire.source]
        if wire.product is None or upstream is None:
            return self.say("wire.nothing", name=name)
        known = {
            "name": name,
            "upstream": numbers(upstream, label),
            "product": numbers(wire.product, label),
        }
        if node.value.ndim or wire.product.ndim:
            return self.array_clause(node, wire, upstream, known)
        return self.number_clause(node, wire, known)

    def number_clause(self, node: Node, wire: Wire, known: dict[str, str]) -> str:
        assert node.gate is not None  # noqa: S101 - told to the type checker
        assert wire.local is not None  # noqa: S101
        role, local = node.gate.role, float(wire.local)
        if role is Role.DISTRIBUTOR and local == 1:
            return self.say("wire.same", name=known["name"], upstream=known["upstream"])
        if role is Role.DISTRIBUTOR and local == -1:
            return self.say("wire.turned", **known)
        if role is Role.ROUTER:
            if local == 0:
                return self.say("wire.nothing", name=known["name"])
            return self.say("wire.all", name=known["name"], upstream=known["upstream"])
        if role is Role.SWITCHER:
            others = [i for place, i in enumerate(node.inputs) if place != wire.place and i >= 0]
            if others:
                told = " × ".join(map(self.named_number, others))
                return self.say("wire.switched", others=told, **known)
        return self.say("wire.scaled", local=label(local), **known)

    def array_clause(self, node: Node, wire: Wire, upstream: Array, known: dict[str, str]) -> str:
        assert node.gate is not None  # noqa: S101 - told to the type checker
        assert wire.product is not None  # noqa: S101
        role, product = node.gate.role, wire.product
        if not product.any():
            return self.say("wire.nothing", name=known["name"])
        if role in (Role.DISTRIBUTOR, Role.ROUTER) and product.shape == upstream.shape:
            if np.array_equal(product, upstream):
                return self.say("wire.same", name=known["name"], upstream=known["upstream"])
            if np.array_equal(product, -upstream):
                return self.say("wire.turned", **known)
        if role is Role.DISTRIBUTOR and upstream.ndim == 0:
            return self.say("wire.copied", name=known["name"], upstream=known["upstream"])
        if role is Role.ROUTER:
            return self.say(
                "wire.routed",
                name=known["name"],
                count=f"{np.count_nonzero(product):,}",
                size=f"{product.size:,}",
            )
        if role is Role.MOVER:
            return self.say(
                "wire.moved",
                name=known["name"],
                upstream=known["upstream"],
                shape=shape(product.shape),
            )
        if role is Role.SWITCHER:
            others = [i for place, i in enumerate(node.inputs) if place != wire.place and i >= 0]
            return self.say("wire.switched_array", others=self.listed(others), **known)
        if wire.local is not None:
            return self.say("wire.scaled", local=numbers(wire.local, label), **known)
        return self.say("wire.array", name=known["name"], product=known["product"])

    def listed(self, indices: list[int], sign: str = " ") -> str:
        return ", ".join(self.named_number(index, sign) for index in indices)

    def named_number(self, index: int, sign: str = " ") -> str:
        """A node with its value; an unnamed constant is its own name."""
        node = self.circuit.nodes[index]
        if node.kind == "constant" and not node.name:
            return numbers(node.value, label)
        return f"{self.names[index]}{sign}{numbers(node.value, label)}"


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text
