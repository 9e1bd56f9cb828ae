"""Jacobians in words, numbers and shades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.explain.circuit.boxes import cells
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import exact, memory, numbers
from backlight.explain.circuit.table import table
from backlight.explain.circuit.told import names, symbol
from backlight.explain.jacobian import LARGEST, Jacobian, jacobian
from backlight.words import say

WRITTEN = 10
"""Rows and columns up to which the numbers themselves are shown."""
SHADED = 64
_SHADES = " ░▒▓█"


def jacobian_told(
    circuit: Circuit, language: str | None = None, *, gate: int | str | None = None
) -> str:
    """The output's Jacobian by every input, and the local one of every gate by every wire.

    With `gate`, that of this gate alone, by each of its wires.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> told = jacobian_told(circuit("relu(x)", x=[-1, 2]), "en")
    >>> print(told)
    Jacobian ∂f/∂x, 2×2: a row for each number of f, a column for each of x.
    4 entries, 32 bytes in float64. 75% of its entries are 0.
    Structure: diagonal: number i of the output depends on number i of the input alone.
      0  0
      0  1
    On the diagonal, zeros: 1, ones: 1, other numbers: 0.
    upstream × Jacobian = [0, 1], the gradient that x gets.
    """
    called = names(circuit)
    if gate is not None:
        return _of_gate(circuit, circuit.find(gate), called, language)
    inputs = [node for node in circuit.leaves if node.index in circuit.reached]
    if not circuit.nodes[circuit.output].wants_gradient:
        inputs = []
    told = [
        _one(circuit, jacobian(circuit, node.index), called, language)
        for node in inputs
        if node.index != circuit.output
    ]
    if not told:
        return say("circuit.jacobian.nowhere", language)
    if len(circuit.gates) > 1:
        told.insert(0, _local_table(circuit, called, language))
    return "\n\n".join(told)


def heat_map(entries: Array) -> str:
    """A matrix as numbers if it is small, else as shades by size, averaged to at most 64 columns.

    Examples
    --------
    >>> print(heat_map(np.eye(3)))
      1  0  0
      0  1  0
      0  0  1
    """
    if max(entries.shape) <= WRITTEN:
        written = [[exact(float(f"{x:.4g}")) for x in row] for row in entries]
        width = max((cells(cell) for row in written for cell in row), default=1)
        return "\n".join("  " + "  ".join(cell.rjust(width) for cell in row) for row in written)
    small = np.nan_to_num(np.abs(entries), nan=np.inf)
    for axis in (0, 1):
        step = -(-small.shape[axis] // SHADED)
        edges = np.arange(0, small.shape[axis], step)
        small = np.maximum.reduceat(small, edges, axis=axis)
    largest = float(np.max(small, where=np.isfinite(small), initial=0.0)) or 1.0
    shares = np.minimum(small, largest) / largest  # what is not finite is as dark as the largest
    levels = np.ceil(shares * (len(_SHADES) - 1)).astype(int)
    return "\n".join("  │" + "".join(_SHADES[level] for level in row) + "│" for row in levels)


def _one(circuit: Circuit, found: Jacobian, called: tuple[str, ...], language: str | None) -> str:
    """Its facts, with the matrix between its structure and its numbers."""
    told = facts(circuit, found, called, language)
    if found.entries is not None and found.count > 1:
        told.insert(3 + (found.same_as >= 0), heat_map(found.entries))
    return "\n".join(told)


def facts(
    circuit: Circuit, found: Jacobian, called: Sequence[str], language: str | None = None
) -> list[str]:
    """What is known of a Jacobian, in sentences.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> layer = circuit("relu(x)", x=[-1, 2])
    >>> facts(layer, jacobian(layer, "x"), names(layer), "en")[3]
    'On the diagonal, zeros: 1, ones: 1, other numbers: 0.'
    """

    def words(entry: str, **values: Any) -> str:
        return say(f"circuit.jacobian.{entry}", language, **values)

    output, input = called[found.output], called[found.input]
    size = {"rows": f"{found.rows:,}", "columns": f"{found.columns:,}"}
    counted = words(
        "counted",
        entries=f"{found.count:,}",
        bytes=memory(found.bytes),
        dtype=circuit.nodes[found.output].value.dtype,
    )
    if found.zeros:
        counted += " " + words("zeros", share=f"{_percent(found.zeros)}")
    lines = [words("title", output=output, input=input, **size), counted]
    lines.append(words("structure_line", structure=_structure(found, language)))
    if found.same_as >= 0:
        lines.append(words("same_as", name=called[found.same_as]))
    if found.diagonal is not None:
        ones = int(np.count_nonzero(found.diagonal == 1))
        zeros = int(np.count_nonzero(found.diagonal == 0))
        lines.append(
            words(
                "on_diagonal",
                zeros=f"{zeros:,}",
                ones=f"{ones:,}",
                others=f"{found.diagonal.size - zeros - ones:,}",
            )
        )
    lines.append(words("vjp", product=numbers(found.product), input=input))
    if found.entries is None:
        entry = "refused" if found.count > LARGEST else "not_formed"
        lines.append(words(entry, bytes=memory(found.bytes), time=f"{found.seconds * 1e3:.3g} ms"))
    return lines


def _of_gate(circuit: Circuit, node: Node, called: tuple[str, ...], language: str | None) -> str:
    """The Jacobian of a gate by each wire that a gradient passes."""
    passing = node.inputs if node.wants_gradient else ()
    wires = [i for i in dict.fromkeys(passing) if i in circuit.reached]
    told = [_one(circuit, jacobian(circuit, i, node.index), called, language) for i in wires]
    return "\n\n".join(told) or say("circuit.jacobian.nowhere", language)


def _structure(found: Jacobian, language: str | None) -> str:
    count, rows, columns = found.blocks
    return say(
        f"circuit.jacobian.{found.structure}",
        language,
        count=f"{count:,}",
        rows=f"{rows:,}",
        columns=f"{columns:,}",
        shift="×".join(str(shift) for shift in found.shifts),
    )


def _local_table(circuit: Circuit, called: tuple[str, ...], language: str | None) -> str:
    rows = []
    for node in circuit.gates:
        if not node.wants_gradient:
            continue
        wires = [i for i in dict.fromkeys(node.inputs) if i in circuit.reached]
        for number, wire in enumerate(wires):
            found = jacobian(circuit, wire, node.index)
            first = number == 0
            rows.append(
                [
                    called[node.index] if first else "",
                    symbol(circuit, node.index) if first else "",
                    called[wire],
                    f"{found.rows:,}×{found.columns:,}",
                    memory(found.bytes),
                    say(f"circuit.structure.{found.structure}", language),
                    "–" if found.zeros is None else _percent(found.zeros),
                ]
            )
    heads = ["gate", "", "wire", "size", "bytes", "structure", "zeros"]
    shown = [say(f"circuit.heading.{key}", language) if key else "" for key in heads]
    title = say("circuit.jacobian.gates", language)
    return f"{title}\n{table(shown, rows, right=[3, 4, 6])}"


def _percent(share: float) -> str:
    """A share of 1 in percent; never 100% when something is left."""
    if 0.9995 < share < 1:
        return f"{100 * share:.6g}%"
    return f"{100 * share:.3g}%"
