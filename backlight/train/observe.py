"""What is watched while a model trains: gradient norms, update ratios, activations.

Source: CS231n, "Neural networks 3": an update should be about 1e−3 of the weights it changes;
histograms of activations show units that are dead or saturated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.gates.family import Elementwise
from backlight.gates.gate import Role

Array = np.ndarray[Any, Any]
BINS = 30
MOST_VALUES = 16_384
"""Numbers of a layer that its histogram, mean and deviation are taken of."""
SATURATED = 0.99
"""A squashing unit beyond this share of its range, for every example, counts as saturated."""


class Updates:
    """How far one step moves each parameter, as a share of its own size.

    Made before the step, asked after it.
    """

    def __init__(self, module: Any) -> None:
        self._before = {name: p._value.copy() for name, p in module.named_parameters()}

    def ratios(self, module: Any) -> dict[str, float]:
        """‖Δw‖ / ‖w‖ a parameter; parameters that were zero are left out."""
        found = {}
        for name, p in module.named_parameters():
            before = self._before[name].astype(np.float64)
            size = float(np.linalg.norm(before))
            if size > 0:
                found[name] = float(np.linalg.norm(p._value - before)) / size
        return found


def activations(module: Any, inputs: Array) -> dict[str, dict[str, Any]]:
    """Histogram, mean, deviation, zeros, dead and saturated units of each activation layer.

    A unit is a channel of an image layer or a feature of a vector layer. Dead: zero for every
    example (of a layer that routes, such as ReLU). Saturated: within 1% of an end of its range for
    every example (of a layer that squashes, such as sigmoid).
    """
    was_training = module.training
    module.eval()
    found = {}
    try:
        with no_grad(), _outputs(module) as outputs:
            module(Tensor.share(inputs))
        for path, (role, values) in outputs.items():
            found[path] = _describe(role, values)
    finally:
        module.train(was_training)
    return found


@contextmanager
def _outputs(module: Any) -> Iterator[dict[str, tuple[Role, Array]]]:
    seen: dict[str, tuple[Role, Array]] = {}
    handles = []

    def keep(path: str, gate: Any) -> Any:
        def hook(_layer: Any, _inputs: Any, output: Any) -> None:
            seen[path] = (gate.role, np.asarray(output._value))

        return hook

    for path, layer in module.named_modules():
        gate = getattr(layer, "gate", None)
        if isinstance(gate, Elementwise):
            handles.append(layer.register_forward_hook(keep(path, gate)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _describe(role: Role, values: Array) -> dict[str, Any]:
    # Evenly spaced ones of very many: a histogram needs no more. The distance is odd, so that it
    # does not meet the same pixel of every channel.
    flat = values.ravel()[:: (values.size // MOST_VALUES) | 1].astype(np.float64)
    low, high = float(flat.min()), float(flat.max())
    counts, edges = np.histogram(flat, bins=BINS, range=(low, high if high > low else low + 1))
    # Examples along axis 0; whatever is not the unit's own axis is folded into them.
    others = tuple(axis for axis in range(values.ndim) if axis != 1)
    record = {
        "counts": counts.tolist(),
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "mean": float(flat.mean()),
        "std": float(flat.std()),
        "units": int(values.shape[1] if values.ndim > 1 else values.shape[-1]),
        "zero": float((flat == 0).mean()),
        "dead": None,
        "saturated": None,
    }
    if role is Role.SQUASH:
        span = _range_of(float(values.min()))
        edge = (np.abs(values - span[0]) < (1 - SATURATED)) | (
            np.abs(values - span[1]) < (1 - SATURATED)
        )
        record["saturated"] = float(edge.all(axis=others).mean())
    else:
        record["dead"] = float((values == 0).all(axis=others).mean())
    return record


def _range_of(low: float) -> tuple[float, float]:
    """The ends of a squashing function: 0…1, or −1…1 where it goes below 0."""
    return (-1.0, 1.0) if low < 0 else (0.0, 1.0)
