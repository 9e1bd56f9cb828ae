"""A circuit as JSON: every node with value, gradient, local gradients and role."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import length
from backlight.explain.circuit.told import names, symbol, told_role, wires

VERSION = 1
WRITTEN = 10_000
"""Numbers of the largest array that is written out."""


def json_form(circuit: Circuit) -> dict[str, Any]:
    """Plain lists, numbers and strings; NaN and infinities as the strings "NaN", "∞", "−∞".

    Returns
    -------
    dict
        "version", "formula", "output" (a node's number), "upstream", and "nodes": a list of
        "index", "kind", "name", "shape", "type", "value", "gradient"; for gates also "gate",
        "symbol", "role", "formula", "attributes" and "wires": a list of "source", "local" (null if
        it is a matrix) and "product". Arrays of more than 10,000 numbers are {"length": …}.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> form = json_form(circuit("x*y", x=4, y=-3))
    >>> form["nodes"][2]["wires"][0]
    {'source': 0, 'local': -3.0, 'product': -3.0}
    """
    called = names(circuit)
    nodes = []
    for node in circuit.nodes:
        told: dict[str, Any] = {
            "index": node.index,
            "kind": node.kind,
            "name": called[node.index],
            "shape": list(node.shape),
            "type": str(node.value.dtype),
            "value": _plain(node.value),
            "gradient": _plain(circuit.gradients[node.index]),
        }
        if node.gate is not None:
            told |= {
                "gate": node.gate.name,
                "symbol": symbol(circuit, node.index),
                "role": told_role(circuit, node.index).name.lower(),
                "formula": node.gate.formula,
                "attributes": {key: _attribute(one) for key, one in node.attributes.items()},
                "inputs": list(node.inputs),
                "layer": node.layer,
                "wires": [
                    {
                        "source": wire.source,
                        "local": _plain(wire.local),
                        "product": _plain(wire.product),
                    }
                    for wire in wires(circuit, node.index)
                ],
            }
        nodes.append(told)
    return {
        "version": VERSION,
        "formula": circuit.text,
        "output": circuit.output,
        "upstream": _plain(circuit.upstream),
        "nodes": nodes,
    }


def _plain(value: Array | None) -> Any:
    if value is None:
        return None
    if value.size > WRITTEN:
        return {"length": _finite(length(value))}
    return _nested(value.tolist())


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(one) for one in value]
    return _finite(value) if isinstance(value, float) else value


def _finite(number: float) -> float | str:
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "∞" if number > 0 else "−∞"


def _attribute(value: Any) -> Any:
    if isinstance(value, (bool, int, str, type(None))):
        return value
    if isinstance(value, (float, np.floating)):
        return _finite(float(value))
    if isinstance(value, (tuple, list)):
        return [_attribute(one) for one in value]
    return str(value)
