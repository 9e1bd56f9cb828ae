"""The account of a circuit in words: drawing, tables, and what else was asked for."""

from __future__ import annotations

from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.number import label, numbers
from backlight.explain.circuit.table import gate_table, input_table
from backlight.explain.circuit.text import text
from backlight.explain.circuit.told import (
    first_nonfinite,
    first_nonfinite_gradient,
    names,
    symbol,
)
from backlight.explain.circuit.walk import steps
from backlight.words import say

LARGEST = 150
"""Gates beyond which the table gate by gate is left out."""


def account(
    circuit: Circuit,
    width: int | None = None,
    language: str | None = None,
    *,
    colour: bool = False,
) -> str:
    """The value, the drawing, the table gate by gate, and every input's gradient.

    Parameters
    ----------
    circuit : Circuit
        What is told.
    width : int, optional
        Columns of the terminal; drawings wider than that are cut into bands.
    language : str, optional
        "en" or "ko"; by default the one that is spoken.
    colour : bool
        Whether the drawing is in the colours of a terminal.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(account(circuit("x + y", x=1, y=2), language="en").splitlines()[0])
    x + y = 3
    """
    last = circuit.nodes[circuit.output]
    title = circuit.text or names(circuit)[circuit.output]
    told = [f"{title} = {numbers(last.value)}"]
    if circuit.gates:
        told.append(text(circuit, width, language, colour=colour))
        told.append(say(f"circuit.drawing.{_legend(circuit)}", language))
    if 0 < len(circuit.gates) <= LARGEST:
        told.append(gate_table(circuit, language))
    told.append(input_table(circuit, language))
    told += nonfinite_told(circuit, language)
    return "\n\n".join(told)


def walked(circuit: Circuit, language: str | None = None) -> str:
    """Every step of the walk, numbered, under the headings of the two passes.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(walked(circuit("x*y", x=4, y=-3), "en").splitlines()[1])
     1  The × gate takes x = 4.00, y = −3.00 and makes f = −12.00.
    """
    lines: list[str] = []
    direction = ""
    for number, step in enumerate(steps(circuit, language), 1):
        if step.direction != direction:
            direction = step.direction
            lines.append(("\n" if lines else "") + say(f"circuit.heading.{direction}", language))
        lines.append(f"{number:2}  {step.sentence}")
    return "\n".join(lines)


def nonfinite_told(circuit: Circuit, language: str | None = None) -> list[str]:
    """Which gate made the first value and the first gradient that are not finite, if any.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> print(nonfinite_told(circuit("1/x", x=0), "en")[0])
    The 1/x gate makes f = ∞ out of 1.00, x = 0.00: the first value that is not finite.
    """
    called = names(circuit)
    told = []
    node = first_nonfinite(circuit)
    if node is not None:
        inputs = []
        for source in node.inputs:
            if source >= 0:
                own = circuit.nodes[source]
                shown = numbers(own.value, label)
                plain = own.kind == "constant" and not own.name
                inputs.append(shown if plain else f"{called[source]} = {shown}")
        told.append(
            say(
                "circuit.nonfinite.value",
                language,
                symbol=symbol(circuit, node.index),
                name=called[node.index],
                value=numbers(node.value, label),
                inputs=", ".join(inputs),
            )
        )
    found = first_nonfinite_gradient(circuit)
    if found is not None:
        gate, place = found
        product = circuit.shares(gate.index)[place]
        told.append(
            say(
                "circuit.nonfinite.gradient",
                language,
                symbol=symbol(circuit, gate.index),
                name=called[gate.inputs[place]],
                product="–" if product is None else numbers(product, label),
            )
        )
    return told


def _legend(circuit: Circuit) -> str:
    if any(node.value.ndim for node in circuit.nodes):
        return "legend_arrays"
    shared = any(len(circuit.consumers[node.index]) > 1 for node in circuit.leaves)
    return "legend_shares" if shared else "legend"
