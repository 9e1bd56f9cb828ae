"""Composite gates opened: σ into ×−1, exp, +1, 1/x, by the gate's own `parts`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from backlight.engine.mode import enable_grad
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, BacklightError, nearest
from backlight.explain.circuit.circuit import Call, Circuit, Node
from backlight.explain.circuit.record import circuit as recorded
from backlight.explain.circuit.told import names

DEEPEST = 8
LARGEST = 2_000
"""Nodes beyond which nothing more is opened."""


def unfolded(circuit: Circuit, only: Sequence[str] = ()) -> Circuit:
    """The circuit with composite gates replaced by the gates that they stand for.

    What a gate was unfolded into is drawn in a frame of its own.

    Parameters
    ----------
    circuit : Circuit
        What is unfolded.
    only : sequence of str
        Which gates: what they are called (sigmoid), their symbol (σ), or the value they make (f).
        What they are made of stays folded unless it is named as well. Default: all, and all inside.

    Returns
    -------
    Circuit
        With the same value and the same gradients.

    Raises
    ------
    ArgumentError
        If `only` names nothing that can be unfolded.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> opened = unfolded(circuit("sigmoid(x)", x=1))
    >>> [node.gate.name for node in opened.gates]
    ['negative', 'exp', 'add', 'reciprocal']
    >>> opened = unfolded(circuit("sigmoid(x) * softplus(x)", x=1), only=["σ"])
    >>> [node.gate.name for node in opened.gates]
    ['negative', 'exp', 'add', 'reciprocal', 'softplus', 'multiply']
    """
    if only:
        return _only(circuit, only)
    for _ in range(DEEPEST):
        opened = _Opening(circuit, None).done()
        if opened is circuit or len(opened) > LARGEST:
            break
        circuit = opened
    return circuit


def composite(node: Node) -> bool:
    """Whether a node's gate has parts to be unfolded into."""
    return node.gate is not None and hasattr(node.gate, "parts")


def called(circuit: Circuit, node: Node) -> frozenset[str]:
    """Everything that a composite gate answers to: its names, its symbol, and its value's name."""
    assert node.gate is not None  # noqa: S101 - told to the type checker
    spelled = {node.gate.name, node.gate.symbol, *node.gate.aliases}
    made = names(circuit)[node.index]
    spelled.add(made)
    if node.gate.symbol and made.startswith(f"{node.gate.symbol}("):
        spelled.add(node.gate.name + made.removeprefix(node.gate.symbol))  # sigmoid(x) for σ(x)
    return frozenset(spelled - {""})


def _only(circuit: Circuit, wanted: Sequence[str]) -> Circuit:
    """Level by level, what is wanted; each name must be met at some level."""
    met: set[str] = set()
    seen: set[str] = set()
    for _ in range(DEEPEST):
        chosen: set[int] = set()
        for node in filter(composite, circuit.gates):
            answers = called(circuit, node)
            seen |= answers
            met |= answers.intersection(wanted)
            chosen |= set() if answers.isdisjoint(wanted) else {node.index}
        opened = _Opening(circuit, chosen).done()
        if opened is circuit or len(opened) > LARGEST:
            break
        circuit = opened
    for name in wanted:
        if name not in met:
            raise ArgumentError(
                "unfold",
                got=f"the name {name[:60]!r}",
                needs=f"a composite gate of this circuit: {', '.join(sorted(seen)) or 'none'}",
                remedy=nearest(name, sorted(seen)) if seen else "Leave it out.",
            )
    return circuit


class _Opening:
    """One level of unfolding: of all composite gates, or of those that are chosen."""

    def __init__(self, circuit: Circuit, chosen: Collection[int] | None) -> None:
        self.circuit = circuit
        self.chosen = chosen
        self.nodes: list[Node] = []
        self.calls = list(circuit.calls)
        self.place: dict[int, int] = {}
        """Where the value of each old node is among the new ones."""

    def done(self) -> Circuit:
        """The opened circuit; the one given if nothing can be opened."""
        changed = False
        for node in self.circuit.nodes:
            wanted = self.chosen is None or node.index in self.chosen
            parts = self._parts(node) if wanted and composite(node) else None
            if parts is None:
                self.place[node.index] = self._keep(node, self.place, node.call, node.layer)
            else:
                changed = True
                self._open(node, *parts)
        if not changed:
            return self.circuit
        old = self.circuit
        output = self.place[old.output]
        return Circuit(tuple(self.nodes), output, old.upstream, old.text, tuple(self.calls))

    def _keep(self, node: Node, place: dict[int, int], call: int, layer: str) -> int:
        wires = tuple(place[i] if i >= 0 else -1 for i in node.inputs)
        number = len(self.nodes)
        self.nodes.append(replace(node, index=number, inputs=wires, call=call, layer=layer))
        return number

    def _open(self, node: Node, parts: Circuit, wires: dict[int, int]) -> None:
        """Its parts in the node's place, inside a call of their own."""
        assert node.gate is not None  # noqa: S101 - told to the type checker
        title = node.gate.symbol or node.gate.name
        path = ".".join(filter(None, [node.layer, title]))
        self.calls.append(Call(path, "", node.call, 0, 0))
        place = {own: self.place[source] for own, source in wires.items()}
        for part in parts.nodes:
            if part.index not in place:
                place[part.index] = self._keep(part, place, len(self.calls) - 1, path)
        last = place[parts.output]
        self.place[node.index] = last
        self.nodes[last] = replace(self.nodes[last], name=node.name)

    def _parts(self, node: Node) -> tuple[Circuit, dict[int, int]] | None:
        """What the gate's parts do with its inputs, and which of their leaves those are."""
        given: list[Tensor | None] = []
        for source in node.inputs:
            if source < 0:
                given.append(None)
                continue
            tensor = Tensor.share(self.circuit.nodes[source].value)
            tensor.requires_grad = self.circuit.nodes[source].value.dtype.kind == "f"
            tensor.name = f"{source}"
            given.append(tensor)
        try:
            with enable_grad():
                made = node.gate.parts(*given, **node.attributes)  # type: ignore[union-attr]
        except BacklightError:  # of true and false, the whole may be known and its parts not
            return None
        if not isinstance(made, Tensor) or made._gate is None:
            return None
        parts = recorded(made)
        known = {str(source) for source in node.inputs if source >= 0}
        wires = {leaf.index: int(leaf.name) for leaf in parts.leaves if leaf.name in known}
        return parts, wires
