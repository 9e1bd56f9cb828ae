"""Circuits to start from: the worked examples of the course, with their inputs."""

from __future__ import annotations

from typing import Any

EXAMPLES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("neuron", "sigmoid(a*x + b*y + c)", {"a": 1.0, "x": -1.0, "b": 2.0, "y": 3.0, "c": -3.0}),
    ("product", "x*y", {"x": 4.0, "y": -3.0}),
    ("sum", "x + y", {"x": 4.0, "y": -3.0}),
    ("maximum", "max(x, y)", {"x": 4.0, "y": 2.0}),
    ("two_gates", "(x + y)*z", {"x": -2.0, "y": 5.0, "z": -4.0}),
    ("nudged", "x*y", {"x": -2.0, "y": 3.0}),
    (
        "gate_by_gate",
        "1/(1 + exp(-(w0*x0 + w1*x1 + w2)))",
        {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0},
    ),
    ("staged", "(x + σ(y))/(σ(x) + (x + y)²)", {"x": 3.0, "y": -4.0}),
    (
        "patterns",
        "2*(x*y + max(z, w))",
        {"x": 3.0, "y": -4.0, "z": 2.0, "w": -1.0},
    ),
    ("many_paths", "x² + 3*x*sin(x)", {"x": 1.5}),
    (
        "norm_squared",
        "sum((W@x)²)",
        {"W": [[0.1, 0.5], [-0.3, 0.8]], "x": [0.2, 0.4]},
    ),
    (
        "linear",
        "W@x + b",
        {
            "W": [[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]],
            "x": [56.0, 231.0, 24.0, 2.0],
            "b": [1.1, 3.2, -1.2],
        },
    ),
    (
        "hinge",
        "sum(max(s - sum(s*y) + 1, 0)) - 1",
        {"s": [-2.85, 0.86, 0.28], "y": [0.0, 0.0, 1.0]},
    ),
    (
        "cross_entropy",
        "logsumexp(s) - sum(s*y)",
        {"s": [-2.85, 0.86, 0.28], "y": [0.0, 0.0, 1.0]},
    ),
    ("softmax", "softmax(s)", {"s": [-2.85, 0.86, 0.28]}),
    ("stable", "softmax(s)", {"s": [123.0, 456.0, 789.0]}),
)
"""(key of its name, formula, inputs)."""
