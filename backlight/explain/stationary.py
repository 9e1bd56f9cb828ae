"""What a point with gradient zero is: a minimum, a maximum, a saddle or a plateau."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import grad, hessian
from backlight.engine.tensor import Tensor
from backlight.explain.circuit.circuit import Array

_FLAT = 1e-9  # of the largest curvature, or of 1: below, an eigenvalue counts as 0
_SLOPE = 1e-6
_PROBES = 400


@dataclass(frozen=True)
class Stationary:
    """A point, and what the curvature there says it is.

    Attributes
    ----------
    kind : str
        "minimum", "maximum", "saddle", "plateau" (flat in all directions that do not curve), or
        "not stationary".
    value : float
        The function there.
    slope : float
        Norm of the gradient.
    eigenvalues : array
        Of the Hessian, ascending: the curvature along its own directions.
    lower : tuple of (array, float), optional
        A point found at random at which the function is lower: then a minimum is not global.
    """

    kind: str
    value: float
    slope: float
    eigenvalues: Array
    lower: tuple[Array, float] | None = None

    def __str__(self) -> str:
        """Verdict, curvatures, and whether something lower is known."""
        curved = ", ".join(f"{x:.4g}" for x in self.eigenvalues[:6])
        told = f"{self.kind}: value {self.value:.6g}, gradient {self.slope:.1e}"
        told += f", curvatures [{curved}]"
        if self.kind == "minimum" and self.lower is not None:
            place = ", ".join(f"{x:.3g}" for x in np.ravel(self.lower[0])[:4])
            told += f"; not the global one: {self.lower[1]:.6g} at [{place}]"
        return told


def stationary(f: Callable[[Any], Any], x: Any, *, radius: float = 10.0) -> Stationary:
    """Classify a point by gradient and Hessian: a gradient of zero alone says little.

    Where all curvatures are positive it is a minimum, where all are negative a maximum, where both
    occur a saddle. Along directions of curvature 0 the function itself is looked at nearby.

    Parameters
    ----------
    f : callable
        A function of a tensor to a single number.
    x : array_like
        The point.
    radius : float
        How far around it something lower is looked for.

    Examples
    --------
    >>> stationary(lambda v: v[0] ** 2 - v[1] ** 2, [0.0, 0.0]).kind
    'saddle'
    >>> stationary(lambda v: (v * v).sum(), [0.0, 0.0]).kind
    'minimum'
    >>> stationary(lambda v: (v.relu() ** 2).sum(), [-3.0, -2.0]).kind
    'plateau'

    Source: Dauphin et al., Identifying and attacking the saddle point problem, 2014.
    """
    point = np.asarray(getattr(x, "_value", x), np.float64)
    value = _value(f, point)
    gradient = np.asarray(grad(f)(Tensor(point)).numpy(), np.float64)
    size = point.size
    matrix = np.asarray(hessian(f, Tensor(point)).numpy(), np.float64).reshape(size, size)
    eigenvalues, directions = np.linalg.eigh((matrix + matrix.T) / 2)
    slope = float(np.sqrt(np.sum(gradient**2)))
    scale = max(1.0, float(np.max(np.abs(eigenvalues), initial=0.0)))
    if slope > _SLOPE * scale:
        return Stationary("not stationary", value, slope, eigenvalues)
    signs = {int(np.sign(one)) if abs(one) > _FLAT * scale else 0 for one in eigenvalues}
    if 0 in signs:
        flat = [
            directions[:, i].reshape(point.shape)
            for i, one in enumerate(eigenvalues)
            if abs(one) <= _FLAT * scale
        ]
        signs = (signs - {0}) | _nearby(f, point, value, flat)
    kind = {
        frozenset(): "plateau",
        frozenset({1}): "minimum",
        frozenset({-1}): "maximum",
    }.get(frozenset(signs), "saddle")
    return Stationary(kind, value, slope, eigenvalues, _lower(f, point, value, radius))


def _nearby(f: Callable[[Any], Any], point: Array, value: float, flat: list[Array]) -> set[int]:
    """The signs of what the function does along directions without curvature."""
    signs = set()
    for direction in flat:
        for step in (1e-3, 1e-2, 1e-1):
            for way in (step, -step):
                change = _value(f, point + way * direction) - value
                if abs(change) > 1e-14 * max(1.0, abs(value)):
                    signs.add(int(np.sign(change)))
    return signs


def _lower(
    f: Callable[[Any], Any], point: Array, value: float, radius: float
) -> tuple[Array, float] | None:
    """The lowest of many random points around, if it is lower."""
    best = None
    for probe in range(_PROBES):
        reach = radius * (1 + probe) / _PROBES
        place = point + reach * philox.normal(7, probe, point.shape, np.float64)
        found = _value(f, place)
        if found < (value if best is None else best[1]) - 1e-12 * max(1.0, abs(value)):
            best = place, found
    return best


def _value(f: Callable[[Any], Any], point: Array) -> float:
    found = f(Tensor(point))
    return float(np.asarray(getattr(found, "_value", found)))
