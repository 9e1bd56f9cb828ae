"""What a circuit's nodes are called, and what each gate does to each of its wires.

Names, symbols, local gradients and roles are decided here once; the drawing, the sentences, the
tables and the pages repeat them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import label, shape
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

LONGEST_NAME = 12
_SIGNS = {"add": ("+", 1), "subtract": ("−", 1), "multiply": ("·", 2), "divide": ("/", 2)}
_COMPARED = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_ATOM = 4


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire of a gate in the backward pass: upstream × local = product.

    Attributes
    ----------
    source : int
        The node it comes from.
    place : int
        Which wire of the gate it is, from 0.
    local : array or None
        ∂gate/∂wire where that is one number for each number of the wire; None if the local
        gradient is a matrix.
    product : array or None
        What the gate hands to the wire; None if no gradient passes.
    """

    source: int
    place: int
    local: Array | None
    product: Array | None


def names(circuit: Circuit) -> tuple[str, ...]:
    """What every node is called: its own name, else its formula if that is short, else q1, q2, ….

    The output without a name is called f, as in the lectures.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> names(circuit("sigmoid(a*x + 1)", a=2, x=1))
    ('a', 'x', 'a·x', '1', 'a·x+1', 'f')
    """
    known: tuple[str, ...] | None = circuit.__dict__.get("_names")
    if known is None:
        known = circuit.__dict__["_names"] = _names(circuit)
    return known


def _names(circuit: Circuit) -> tuple[str, ...]:
    taken = {node.name for node in circuit.nodes if node.name}
    found: list[str] = []
    written: list[tuple[str, int]] = []
    letter = _free("q", taken)
    count = 0
    for node in circuit.nodes:
        spelled, strength = _spelled(node, written)
        if node.gate is not None:
            count += 1
        if node.name:
            found.append(node.name)
            written.append((node.name, _ATOM))
        elif node.kind == "gate" and (len(spelled) > LONGEST_NAME or node.value.ndim > 2):
            name = f"{letter}{count}"
            found.append(name)
            written.append((name, _ATOM))
        else:
            found.append(spelled)
            written.append((spelled, strength))
    last = circuit.nodes[circuit.output]
    if not last.name and last.gate is not None:
        found[circuit.output] = _free("f", taken)
    return tuple(found)


def symbol(circuit: Circuit, what: int | str) -> str:
    """What stands in a gate's box; a number written on it belongs to it: +1, ×2, x².

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> drawn = circuit("1/(1+exp(-x))", x=1)
    >>> [symbol(drawn, node.index) for node in drawn.gates]
    ['×−1', 'exp', '+1', '1/x']
    """
    node = circuit.find(what)
    if node.gate is None:
        return ""
    plain = node.gate.symbol or node.gate.name
    number = written_on(circuit, what)
    if number is None:
        return plain
    value = float(circuit.nodes[node.inputs[number]].value)
    shown = _plain(value)
    if node.gate.name == "power":
        return {"2": "x²", "3": "x³"}.get(shown, f"x^{shown}")
    if node.gate.name == "divide":
        return f"/{shown}" if number == 1 else f"{shown}/x"
    if node.gate.name == "subtract":
        return f"−{shown}" if number == 1 else f"{shown}−x"
    return f"{plain}{shown}"


def written_on(circuit: Circuit, what: int | str) -> int | None:
    """The wire of a two-input gate whose constant number is shown in its box; None if none is."""
    node = circuit.find(what)
    known = (*_SIGNS, *_COMPARED, "power")
    if node.gate is None or node.gate.name not in known or len(node.inputs) != 2:
        return None
    sources = [circuit.nodes[i] for i in node.inputs]
    plain = [s.kind == "constant" and s.value.ndim == 0 and not s.name for s in sources]
    if plain == [False, True]:
        return 1
    return 0 if plain == [True, False] and node.gate.name in _SIGNS else None


def wires(circuit: Circuit, what: int | str) -> tuple[Wire, ...]:
    """Every wire of a gate through which a gradient can pass, with its two factors."""
    node = circuit.find(what)
    return tuple(_wires(circuit, node))


def _wires(circuit: Circuit, node: Node) -> Iterator[Wire]:
    upstream = circuit.gradients[node.index]
    if node.gate is None or upstream is None:
        return
    ones = circuit.handed(node.index, np.ones(node.shape)) if node.wants_gradient else ()
    for place, (source, share) in enumerate(
        zip(node.inputs, circuit.shares(node.index), strict=True)
    ):
        if source not in circuit.reached:
            continue
        local: Any = ones[place] if ones else None
        if local is not None and node.value.ndim:
            same = isinstance(node.gate, Elementwise) and local.shape == node.shape
            local = local if same else None
        yield Wire(source, place, local, share)


def told_role(circuit: Circuit, what: int | str) -> Role:
    """A gate's role as it works here: mixing a number with a constant is scaling it."""
    node = circuit.find(what)
    assert node.gate is not None  # noqa: S101 - told to the type checker
    role = node.gate.role
    if role is Role.MIXER and isinstance(node.gate, Elementwise):
        moved = [i for i in node.inputs if i in circuit.reached]
        return Role.SCALER if len(moved) == 1 else role
    return role


def first_nonfinite(circuit: Circuit) -> Node | None:
    """The first gate that made a NaN or an infinity out of finite inputs; None if there is none."""
    for node in circuit.gates:
        fed = [circuit.nodes[i].value for i in node.inputs if i >= 0]
        if _finite(node.value) or not all(map(_finite, fed)):
            continue
        return node
    return None


def first_nonfinite_gradient(circuit: Circuit) -> tuple[Node, int] | None:
    """The first gate of the backward pass that hands on what is not finite, and on which wire."""
    for node in reversed(circuit.gates):
        upstream = circuit.gradients[node.index]
        if upstream is None or not _finite(upstream):
            continue
        for place, share in enumerate(circuit.shares(node.index)):
            if share is not None and not _finite(share):
                return node, place
    return None


def _finite(value: Array) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())


def _spelled(node: Node, written: list[tuple[str, int]]) -> tuple[str, int]:
    """The formula of one node over its inputs' names, and how tightly it binds."""
    if node.gate is None:
        if node.value.ndim == 0:
            return _plain(float(node.value)), _ATOM if node.value >= 0 else 0
        return shape(node.shape), _ATOM
    inputs = [written[i] for i in node.inputs if i >= 0]
    if node.gate.name in _SIGNS and len(inputs) == 2:
        sign, strength = _SIGNS[node.gate.name]
        tight = strength + (node.gate.name in ("subtract", "divide"))
        return (
            f"{_within(inputs[0], strength)}{sign}{_within(inputs[1], tight)}",
            strength,
        )
    if node.gate.name in _COMPARED:
        return f"{_within(inputs[0], 1)}{node.gate.symbol}{_within(inputs[1], 1)}", 0
    if node.gate.name == "negative":
        return f"−{_within(inputs[0], 2)}", 1
    if node.gate.name == "absolute":
        return f"|{inputs[0][0]}|", _ATOM
    if node.gate.name == "reciprocal":
        return f"1/{_within(inputs[0], 3)}", 2
    if node.gate.name == "matmul":
        return f"{_within(inputs[0], 2)}@{_within(inputs[1], 3)}", 2
    raised = {"2": "²", "3": "³"}.get(inputs[-1][0]) if len(inputs) == 2 else None
    if node.gate.name == "square" or (node.gate.name == "power" and raised):
        return f"{_within(inputs[0], _ATOM)}{raised or '²'}", 3
    spelling = node.gate.symbol or node.gate.name
    spelling = spelling if spelling.isalnum() else node.gate.name
    return f"{spelling}({', '.join(text for text, _ in inputs)})", _ATOM


def _plain(value: float) -> str:
    """A number as it is written by hand: 2 rather than 2.00."""
    whole = abs(value) < 10_000 and value == round(value)
    return f"{value:.0f}".replace("-", "−") if whole else label(value)


def _within(written: tuple[str, int], strength: int) -> str:
    text, own = written
    return text if own >= strength else f"({text})"


def _free(name: str, taken: set[str]) -> str:
    while any(one == name or (one.startswith(name) and one[1:].isdigit()) for one in taken):
        name += "′"
    return name
