"""A circuit walked through, one gate at a time: forward with values, backward with gradients.

The sentences follow from a gate's role, which is a tested promise about its Jacobian; so a gate of
the user's own is told as well as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backlight.explain.circuit.circuit import Circuit, Node
from backlight.explain.circuit.clause import Clauses
from backlight.explain.circuit.kink import kink_of
from backlight.explain.circuit.number import label, numbers
from backlight.explain.circuit.told import names, symbol, told_role, wires
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
        self.clauses = Clauses(circuit, self.names, language)

    def say(self, entry: str, **values: Any) -> str:
        return say(f"circuit.{entry}", self.language, **values)

    def forward(self, node: Node) -> str:
        return self.say(
            "step.forward",
            symbol=symbol(self.circuit, node.index),
            inputs=self.clauses.listed([i for i in node.inputs if i >= 0], " = "),
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
            entry = "force.one_of" if pulled == 1 else "force.some"
            if 1 < pulled == gradient.size:
                entry = "force.both" if pulled == 2 else "force.all"
            count, whole = f"{pulled:,}", f"{gradient.size:,}"
            return self.say(entry, name=name, count=count, whole=whole, size=largest)
        entry = "force.up" if gradient > 0 else "force.down"
        return self.say(entry, name=name, size=largest)

    def gate(self, node: Node) -> str:
        """What the gate does with the upstream gradient, by its role."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        sign = symbol(self.circuit, node.index)
        role = node.gate.role
        if role in (Role.WALL, Role.SOURCE):
            return self.say(f"lead.{role.name.lower()}", symbol=sign)
        clauses = [self.clauses.of(node, wire) for wire in wires(self.circuit, node.index)]
        if not clauses:
            return self.say("lead.constants", symbol=sign)
        lead = told_role(self.circuit, node.index).name.lower()
        told = self.say(f"lead.{lead}", symbol=sign, clauses="; ".join(clauses))
        kink = kink_of(self.circuit, node.index)
        return f"{told} {self.say(f'lead.{kink}', symbol=sign)}" if kink else told


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text
