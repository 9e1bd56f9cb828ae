"""Jacobians on a page: matrices whose cells answer which inputs an output depends on."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import exact
from backlight.explain.circuit.told import names
from backlight.explain.jacobian import Jacobian, jacobian
from backlight.explain.jacobian_told import facts
from backlight.words import catalogue
from backlight.words import language as spoken

MOST = 12
"""Inputs whose Jacobians are shown."""
WIDEST = 64
"""Columns of a matrix, or of an array, up to which its cells are drawn."""
WORDS = ("title", "cell", "none", "output", "input", "pick")


def jacobian_maps(circuit: Circuit, language: str | None = None) -> dict[str, Any]:
    """The Jacobian of the output by every input, as data for jacobian.js.

    Returns
    -------
    dict
        "words", and "maps": for each its "facts" in sentences and, where it is small, "cells" (rows
        of numbers as written), "shades" (each −1…1, by the largest), and the "output" and "input":
        name and rows × columns in which its numbers stand.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> made = jacobian_maps(circuit("relu(x)", x=[-1, 2]), "en")["maps"][0]
    >>> made["cells"], made["input"]
    ([['0', '0'], ['0', '1']], {'name': 'x', 'rows': 1, 'columns': 2})
    """
    inputs = [node.index for node in circuit.leaves if node.index in circuit.reached]
    whole = circuit.nodes[circuit.output].wants_gradient
    made = [
        _map(circuit, jacobian(circuit, index), language)
        for index in inputs[:MOST]
        if whole and index != circuit.output
    ]
    known = dict(catalogue("en", "drawing")) | dict(catalogue(language or spoken(), "drawing"))
    words = {key: known[f"jacobian.{key}"] for key in WORDS}
    return {"words": words, "maps": made}


def _map(circuit: Circuit, found: Jacobian, language: str | None) -> dict[str, Any]:
    called = names(circuit)
    output, input = circuit.nodes[found.output], circuit.nodes[found.input]
    told: dict[str, Any] = {
        "facts": facts(circuit, found, called, language),
        "output": _grid(called[found.output], output.value),
        "input": _grid(called[found.input], input.value),
    }
    entries = found.entries
    if entries is None or max(entries.shape) > WIDEST * 4:
        return told
    largest = float(np.max(np.abs(entries), initial=0.0, where=np.isfinite(entries))) or 1.0
    with np.errstate(all="ignore"):
        shades = np.nan_to_num(np.clip(entries / largest, -1, 1))
    return told | {
        "cells": [[exact(float(f"{x:.4g}")) for x in row] for row in entries],
        "shades": [[round(float(x), 3) for x in row] for row in shades],
    }


def _grid(name: str, value: Array) -> dict[str, Any]:
    """How an array's numbers stand on a page: its last axis across, the others down."""
    columns = value.shape[-1] if value.ndim else 1
    return {"name": name, "rows": value.size // max(columns, 1), "columns": columns}
