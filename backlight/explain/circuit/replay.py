"""A circuit computed again with some of its values changed; nothing else is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit


def replayed(circuit: Circuit, changed: Mapping[int, Any]) -> list[Array]:
    """The value of every node when the nodes in `changed` have other values.

    Gates that do not depend on them keep what they recorded; so a gate that draws random numbers
    draws the same ones.

    Parameters
    ----------
    circuit : Circuit
        What was recorded.
    changed : mapping of int to array
        New values by node; a gate among them is not computed but takes the value given.

    Returns
    -------
    list of array

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> neuron = circuit("x*y", x=4, y=-3)
    >>> float(replayed(neuron, {0: 5.0})[neuron.output])
    -15.0
    """
    values = [node.value for node in circuit.nodes]
    moved = set(changed)
    for index, value in changed.items():
        values[index] = np.asarray(value, values[index].dtype)
    for node in circuit.nodes:
        if node.gate is None or node.index in changed or moved.isdisjoint(node.inputs):
            continue
        given = [None if i < 0 else values[i] for i in node.inputs]
        values[node.index] = np.asarray(node.gate.compute(given, node.attributes))
        moved.add(node.index)
    return values
