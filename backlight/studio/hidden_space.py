"""What the hidden layers make of the plane: its points and lines, as the last layer sees them.

The last layer is linear: in its own space it separates with straight lines. Where that space has
more than two dimensions it is shown on the plane of the points' largest spread (PCA).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import nn
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.studio.toy import Toy

Array = np.ndarray[Any, Any]
LATTICE = 21
FIELD = 40
_MARGIN = 0.12


@dataclass
class HiddenSpace:
    """One picture after the other, each turned to be as near as can be to the last."""

    basis: Array | None = None

    def of(self, toy: Toy) -> dict[str, Any] | None:
        """The warped points, the warped lattice, and the classes there; None without hidden layers.

        Packed one after the other: points (n, 2), lattice (LATTICE², 2), field (FIELD², classes).
        """
        children = list(toy.net.named_children())
        if len(children) < 2:
            return None
        path, last = children[-1]
        hidden = _through([child for _, child in children[:-1]], toy.inputs)
        lines = _through([child for _, child in children[:-1]], toy.grid(LATTICE))
        if not (np.isfinite(hidden).all() and np.isfinite(lines).all()):
            return None
        width = hidden.shape[1]
        middle = hidden.mean(axis=0) if width > 2 else np.zeros(width)
        self.basis = _basis(hidden - middle, self.basis)
        points, lattice = ((one - middle) @ self.basis.T for one in (hidden, lines))
        box = _box(points)
        field = _field(last, middle, self.basis, box)
        spread = float(((hidden - hidden.mean(axis=0)) ** 2).sum())
        shown = float(((points - points.mean(axis=0)) ** 2).sum())
        return {
            "floats": np.concatenate([points.ravel(), lattice.ravel(), field.ravel()]),
            "sizes": [len(points), LATTICE, FIELD, toy.classes],
            "box": box,
            "path": path,
            "width": width,
            "share": shown / spread if spread else 1.0,
        }


def _through(layers: list[Any], inputs: Array) -> Array:
    value: Any = Tensor.share(inputs)
    with no_grad():
        for layer in layers:
            value = layer(value)
    return np.asarray(value.numpy(), np.float64)


def _basis(centred: Array, before: Array | None) -> Array:
    """Two directions: the units themselves if there are two, else those of the largest spread."""
    width = centred.shape[1]
    if width <= 2:
        return np.eye(2, width)
    found = np.linalg.svd(centred, full_matrices=False)[2][:2]
    if before is None or before.shape != found.shape:
        return np.asarray(found)
    # The signs and the turn of principal components are arbitrary: take those of the last picture.
    left, _, right = np.linalg.svd(before @ found.T)
    return np.asarray(left @ right @ found)


def _box(points: Array) -> list[float]:
    """A square around the points: left, bottom, right, top."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) * (0.5 + _MARGIN), 1e-3)
    return [*(middle - half).tolist(), *(middle + half).tolist()]


def _field(last: nn.Module, middle: Array, basis: Array, box: list[float]) -> Array:
    """Probability of each class on a grid of that plane, the top row first."""
    left, bottom, right, top = box
    x, y = np.meshgrid(np.linspace(left, right, FIELD), np.linspace(top, bottom, FIELD))
    places = np.stack([x.ravel(), y.ravel()], axis=1) @ basis + middle
    with no_grad():
        scores = np.asarray(last(Tensor.share(places.astype(np.float32))).numpy(), np.float64)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
