"""Tables of text: columns as wide as their widest cell, Korean letters two wide."""

from __future__ import annotations

from collections.abc import Sequence

from backlight.explain.circuit.boxes import cells
from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import exact, numbers
from backlight.explain.circuit.told import names, symbol, told_role, wires
from backlight.words import say

_GAP = 2


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows under their heads, set with spaces; `right` are the columns that end together.

    Examples
    --------
    >>> print(table(["name", "값"], [["x", "1"], ["weight", "-2"]], right=[1]))
    name    값
    ──────────
    x        1
    weight  -2
    """
    widths = [max(cells(cell) for cell in column) for column in zip(heads, *rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        found = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - cells(cell))
            found.append(space + cell if place in right else cell + space)
        return (" " * _GAP).join(found).rstrip()

    rule = "─" * (sum(widths) + _GAP * (len(widths) - 1))
    return "\n".join([line(heads), rule, *map(line, rows)])


def gate_table(circuit: Circuit, language: str | None = None) -> str:
    """Gate by gate: value, upstream gradient, and for each wire local × upstream = product.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(gate_table(circuit("x*y", x=4, y=-3), "en"))
    gate     value  upstream  wire  local  product  role
    ────────────────────────────────────────────────────────
    f     ×    −12         1  x        −3       −3  switcher
                              y         4        4
    """
    called = names(circuit)
    rows = []
    for node in circuit.gates:
        upstream = circuit.gradients[node.index]
        first = [
            called[node.index],
            symbol(circuit, node.index),
            numbers(node.value),
            _or_dash(upstream),
        ]
        role = say(f"circuit.role.{told_role(circuit, node.index).name.lower()}", language)
        found = [
            [
                called[wire.source],
                _local(wire.local, wire.product, node.shape),
                _or_dash(wire.product),
            ]
            for wire in wires(circuit, node.index)
        ] or [["", "", ""]]
        rows.append([*first, *found[0], role])
        rows += [["", "", "", "", *more, ""] for more in found[1:]]
    heads = [_head("gate", language), ""]
    heads += [_head(key, language) for key in ("value", "upstream", "wire", "local", "product")]
    return table([*heads, _head("role", language)], rows, right=[2, 3, 5, 6])


def input_table(circuit: Circuit, language: str | None = None) -> str:
    """Every input with its value and gradient, and how the gradient adds up over its uses.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(input_table(circuit("a*a + b", a=3, b=1), "en"))
    input  value  gradient  sum over its uses
    ─────────────────────────────────────────
    a          3         6  3 + 3
    b          1         1
    """
    called = names(circuit)
    rows = []
    for node in circuit.leaves:
        if not node.wants_gradient:
            continue
        shares = [circuit.shares(gate)[wire] for gate, wire in circuit.consumers[node.index]]
        known = [share for share in shares if share is not None]
        told = " + ".join(_bracketed(numbers(share)) for share in known) if len(known) > 1 else ""
        rows.append(
            [
                called[node.index],
                numbers(node.value),
                _or_dash(circuit.gradients[node.index]),
                told,
            ]
        )
    keys = ["input", "value", "gradient", "paths"]
    if not any(row[3] for row in rows):
        keys, rows = keys[:3], [row[:3] for row in rows]
    return table([_head(key, language) for key in keys], rows, right=[1, 2])


def _local(local: Array | None, product: Array | None, made: tuple[int, ...]) -> str:
    """The local gradient, or the size of the matrix that it is."""
    if local is not None:
        return numbers(local)
    if product is None:
        return "–"
    rows = 1
    for size in made:
        rows *= size
    return f"J {rows:,}×{product.size:,}"


def _or_dash(value: Array | None) -> str:
    return "–" if value is None else numbers(value, exact)


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _head(key: str, language: str | None) -> str:
    return say(f"circuit.heading.{key}", language)
