"""Jacobians on the Circuit screen: told in words, and as matrices whose rows can be picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.errors import UsageError
from backlight.explain.circuit.circuit import Circuit
from backlight.explain.circuit.told import names
from backlight.explain.jacobian import jacobian
from backlight.explain.jacobian_told import jacobian_told
from backlight.studio.desk import Ask

MOST_PRODUCTS = 100_000
"""Of a gate with an upstream gradient, for one answer: some seconds."""
MOST_MAPS = 12


def jacobian_of(ask: Ask, circuit: Circuit) -> str:
    """In full where it is small, its structure in words where it is large."""
    if _gate(ask, circuit) is not None:
        return jacobian_told(circuit, ask.language, gate=_gate(ask, circuit))
    _refuse_what_takes_long(circuit)
    return jacobian_told(circuit, ask.language)


def jacobian_maps(ask: Ask, circuit: Circuit) -> list[dict[str, Any]]:
    """Each Jacobian that is formed, with its upstream gradient and upstream × Jacobian.

    Those of one gate by its wires; without a node, those of the formula by its inputs.
    """
    gate = _gate(ask, circuit)
    target = circuit.output if gate is None else gate
    if gate is None:
        _refuse_what_takes_long(circuit)
        sources = tuple(node.index for node in circuit.leaves)
    else:
        sources = circuit.nodes[gate].inputs
    reached = [i for i in dict.fromkeys(sources) if i in circuit.reached and i != target]
    called = names(circuit)
    made = []
    for source in reached[:MOST_MAPS]:
        found = jacobian(circuit, source, target)
        if found.entries is None:
            continue
        upstream = circuit.gradients[target]
        if upstream is None:
            upstream = np.ones(circuit.nodes[target].shape)
        made.append(
            {
                "output": called[target],
                "input": called[source],
                "output_shape": list(circuit.nodes[target].shape),
                "input_shape": list(circuit.nodes[source].shape),
                "entries": found.entries.ravel(),
                "upstream": np.asarray(upstream).ravel(),
                "product": np.asarray(found.product).ravel(),
            }
        )
    return made


def _gate(ask: Ask, circuit: Circuit) -> int | None:
    """The gate that is asked about; None for the whole formula."""
    if ask.given.get("node") is None:
        return None
    return circuit.find(ask.whole("node", 0, len(circuit.nodes) - 1)).index


def _refuse_what_takes_long(circuit: Circuit) -> None:
    rows = circuit.nodes[circuit.output].value.size
    products = rows * len(circuit.gates) * len(circuit.leaves)
    if products > MOST_PRODUCTS:
        raise UsageError(
            "the Jacobian of the whole circuit",
            got=f"about {products:,} products",
            needs=f"at most {MOST_PRODUCTS:,}",
            remedy="Choose a gate: its own Jacobian is told at any size.",
        )
