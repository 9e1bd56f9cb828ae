"""Gradients at kinks, ties and edges, where no difference can say what is right: as stated."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.check.finding import floating
from backlight.engine.tensor import Tensor
from backlight.gates import TABLE
from backlight.gates.gate import Gate

Edge = tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]

EDGES: list[Edge] = [
    # gate, inputs, attributes, gradients of the sum of the outputs
    ("maximum", ([1.0, np.nan, 2.0], [1.0, 1.0, 3.0]), {}, ([1, 1, 0], [0, 0, 1])),
    ("minimum", ([1.0, np.nan, 2.0], [1.0, 1.0, 3.0]), {}, ([1, 1, 1], [0, 0, 0])),
    ("absolute", ([0.0, -2.0],), {}, ([0, -1],)),
    ("clip", ([1.0, -1.0, 2.0],), {"low": -1, "high": 1}, ([1, 1, 0],)),
    ("hypot", ([0.0, 3.0], [0.0, 4.0]), {}, ([0, 0.6], [0, 0.8])),
    ("hypot", ([3.0, 0.0], [0.0, 2.0]), {}, ([1, 0], [0, 1])),
    ("power", ([0.0, 2.0, 0.0], [2.0, 0.0, 0.0]), {}, ([0, 0, 0], [0, np.log(2), 0])),
    ("power", ([0.0, 0.0], [1.0, 3.0]), {}, ([1, 0], [0, 0])),
    ("relu", ([0.0, -1.0, 2.0],), {}, ([0, 0, 1],)),
    ("leaky_relu", ([0.0],), {"slope": 0.25}, ([0.25],)),
    ("prelu", ([0.0, 2.0], [0.25, 0.25]), {}, ([0.25, 1], [0, 0])),
    ("elu", ([0.0],), {"alpha": 2.0}, ([2],)),
    ("selu", ([0.0],), {}, ([1.7580993408473766],)),
    ("xlogy", ([0.0, 0.0, 2.0], [0.0, 2.0, 1.0]), {}, ([0, np.log(2), 0], [0, 0, 2])),
    ("xlogy", ([2.0, 1.0], [0.0, 2.0]), {}, ([-np.inf, np.log(2)], [np.inf, 0.5])),
    ("entropy", ([1.0, 0.0],), {"axis": 0}, ([-1, 0],)),
    ("entropy", ([0.0, 0.25, 0.75],), {"axis": 0}, ([0, -1 - np.log(0.25), -1 - np.log(0.75)],)),
    ("kl_divergence", ([0.0, 1.0], [0.0, 1.0]), {"axis": 0}, ([0, 1], [0, -1])),
    ("kl_divergence", ([0.0, 1.0], [0.5, 0.5]), {"axis": 0}, ([0, 1 + np.log(2)], [0, -2])),
    ("binary_cross_entropy", ([0.0, 1.0], [0.0, 1.0]), {"reduction": "sum"}, ([1, -1], None)),
    (
        "binary_cross_entropy",
        ([0.0, 1.0], [1.0, 0.0]),
        {"reduction": "sum"},
        ([-np.inf, np.inf], None),
    ),
    ("binary_cross_entropy", ([0.0, 0.5], [0.0, 1.0]), {"reduction": "sum"}, ([1, -2], None)),
    ("logsumexp", ([np.inf, 0.0],), {}, ([1, 0],)),
    ("logsumexp", ([-np.inf, -np.inf],), {}, ([0, 0],)),
    ("logsumexp", ([1000.0, -1000.0],), {}, ([1, 0],)),
    ("logsumexp", ([-1000.0, -1000.0],), {}, ([0.5, 0.5],)),
    ("sqrt", ([4.0],), {}, ([0.25],)),
    ("one_vs_rest_hinge", ([1.0, -1.0, 0.5], np.array(0)), {"reduction": "sum"}, ([0, 0, 1],)),
    (
        "cross_entropy",
        ([[0.0, 0.0]], np.array([0]), [1.0, 1.0]),
        {"reduction": "sum"},
        ([[-0.5, 0.5]], None, [np.log(2), 0]),
    ),
    (
        "multiclass_hinge",
        ([[[2.0, 0.0], [2.5, 5.0]]], np.array([[0, 0]])),
        {"reduction": "none"},
        ([[[-1, -1], [1, 1]]],),
    ),
    ("multiclass_hinge", ([2.0, 1.0, 2.0], np.array(0)), {"reduction": "sum"}, ([-1, 0, 1],)),
]


def found_gradients(edge: Edge) -> list[Any]:
    name, inputs, attributes, _ = edge
    wires = [Tensor(np.asarray(x), requires_grad=floating(np.asarray(x))) for x in inputs]
    output = TABLE[name](*wires, **attributes)
    output.backward(np.ones(output.shape))
    return [None if wire.grad is None else wire.grad.numpy() for wire in wires]


def as_stated(edge: Edge) -> bool:
    return all(
        expected is None or (found is not None and np.allclose(found, expected, atol=1e-12))
        for found, expected in zip(found_gradients(edge), edge[3], strict=False)
    )


def all_as_stated(gate: Gate) -> bool:
    """Whether the gate has its stated gradient at every edge; an exception is a no."""
    for edge in EDGES:
        if edge[0] != gate.name:
            continue
        try:
            if not as_stated(edge):
                return False
        except Exception:  # a mutant may fail in any way
            return False
    return True
