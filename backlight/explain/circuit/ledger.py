"""What each gate keeps for the backward pass, in bytes: the memory that training costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.errors import BacklightError
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import memory
from backlight.explain.circuit.table import table
from backlight.explain.circuit.told import names, symbol
from backlight.words import say


@dataclass(frozen=True, slots=True)
class Kept:
    """What one gate keeps.

    Attributes
    ----------
    node : int
        The gate.
    inputs : tuple of int
        The nodes among its inputs whose values its backward rule reads.
    output : bool
        Whether the rule reads the gate's own output.
    bytes : int
        Of all of these.
    """

    node: int
    inputs: tuple[int, ...]
    output: bool
    bytes: int


def ledger(circuit: Circuit) -> tuple[Kept, ...]:
    """For every gate, the values that its backward rule reads.

    An addition reads none, a multiplication both inputs, a sigmoid its output. The values of plain
    constants are not counted: they are not computed.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> [(one.inputs, one.output, one.bytes) for one in ledger(circuit("sigmoid(a*x)", a=1, x=2))]
    [((0, 1), False, 16), ((), True, 8)]
    """
    return tuple(_kept(circuit, node) for node in circuit.gates)


def total_kept(circuit: Circuit) -> int:
    """Bytes of all values that some gate keeps, each counted once."""
    found: set[int] = set()
    for one in ledger(circuit):
        found.update(one.inputs)
        if one.output:
            found.add(one.node)
    return sum(circuit.nodes[index].value.nbytes for index in found)


def ledger_told(circuit: Circuit, language: str | None = None) -> str:
    """The ledger as a table, with its total and the least that would do.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(ledger_told(circuit("sigmoid(a*x)", a=1, x=2), "en").splitlines()[2])
    a·x   ×  input a, x             16 bytes
    """
    called = names(circuit)

    def words(entry: str, **values: str) -> str:
        return say(f"circuit.ledger.{entry}", language, **values)

    rows = []
    for one in ledger(circuit):
        kept = []
        if one.inputs:
            kept.append(words("input", names=", ".join(called[i] for i in one.inputs)))
        if one.output:
            kept.append(words("output"))
        rows.append(
            [
                called[one.node],
                symbol(circuit, one.node),
                " + ".join(kept) or words("nothing"),
                memory(one.bytes),
            ]
        )
    heads = [say("circuit.heading.gate", language), ""]
    heads += [say(f"circuit.heading.{key}", language) for key in ("keeps", "bytes")]
    least = sum(node.value.nbytes for node in circuit.leaves if node.wants_gradient)
    return "\n".join(
        [
            table(heads, rows, right=[3]),
            words("total", total=memory(total_kept(circuit))),
            words("recompute", inputs=memory(least)),
        ]
    )


def _kept(circuit: Circuit, node: Node) -> Kept:
    if node.gate is None or node.index not in circuit.reached:
        return Kept(node.index, (), False, 0)
    read = values_read(circuit, node.index)
    inputs = tuple(
        dict.fromkeys(
            source
            for place, source in enumerate(node.inputs)
            if place in read
            and (circuit.nodes[source].value.ndim or circuit.nodes[source].kind != "constant")
        )
    )
    count = sum(circuit.nodes[i].value.nbytes for i in inputs)
    output = -1 in read
    return Kept(node.index, inputs, output, count + (node.value.nbytes if output else 0))


def values_read(circuit: Circuit, what: int | str) -> frozenset[int]:
    """Which of a gate's wires its backward rule reads the values of; −1 stands for its output.

    Found by trying: a rule that does not read a value answers the same whatever stands there.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> sorted(values_read(circuit("x*y", x=2, y=3), 2))
    [0, 1]
    >>> sorted(values_read(circuit("x+y", x=2, y=3), 2))
    []
    """
    node = circuit.find(what)
    values = [None if i < 0 else circuit.nodes[i].value for i in node.inputs]
    upstream = np.linspace(1, 2, node.value.size).reshape(node.shape).astype(node.value.dtype)
    usual = _answers(circuit, node, upstream, values, node.value)
    found = set()
    for place, value in enumerate([*values, node.value]):
        for other in () if value is None else _others(value):
            changed: list[Any] = [*values, node.value]
            changed[place] = other
            if _answers(circuit, node, upstream, changed[:-1], changed[-1]) != usual:
                found.add(place if place < len(values) else -1)
                break
    return frozenset(found)


def _others(value: Array) -> Iterator[Array]:
    """Arrays of the same kind with nothing in common with a value."""
    if value.dtype.kind != "f":
        yield np.zeros_like(value)
        yield np.ones_like(value)
        return
    for number in (np.nan, np.inf, -np.inf, 0.0):
        yield np.full_like(value, number)


def _answers(
    circuit: Circuit, node: Node, upstream: Array, values: list[Any], output: Array
) -> list[bytes] | None:
    """What the rule hands to each wire that wants a gradient, as bytes; None if it refuses."""
    assert node.gate is not None  # noqa: S101 - told to the type checker
    found = []
    try:
        with no_grad(), np.errstate(all="ignore"):
            shares = node.gate.backward(upstream, *values, output, **node.attributes)
            for source, share in zip(node.inputs, shares, strict=True):
                if source in circuit.reached:
                    share = share() if callable(share) else share
                    found.append(b"" if share is None else np.asarray(share).tobytes())
    except (BacklightError, ValueError, IndexError, TypeError):
        return None
    return found
