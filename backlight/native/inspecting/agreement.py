"""Agreement: a program's results beside eager's and the truth, each with what rounding explains.

A result may be off by twice what eager is off, or by a floor for its type; where rounding is
magnified (a gradient that is a small difference of large numbers), by what inputs that differ in
their last digits make of it. What a step writes is judged by how it changes it: an update that is
wrong must not hide behind the size of the weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FLOOR = {4: 2e-5, 8: 1e-10}
"""Of the largest number of a result, by its bytes: what summing in another order may do."""
_ROUNDINGS = 4
_MAGNIFIED = 8.0
_WITHOUT_TRUTH = 50.0
"""How many floors off eager is no cause for doubt, where there is no truth to judge by."""


@dataclass(frozen=True)
class Row:
    """One result of a program.

    Attributes
    ----------
    name : str
        "result 0", or what is written: "tensor fc1.weight".
    error : float
        Largest difference from the truth, as a share of the largest number (or largest change).
    eager : float
        The same for eager execution.
    allowed : float
        The error up to which rounding explains it.
    distance : float
        ‖difference‖ / ‖truth‖, which a few numbers do not decide.
    """

    name: str
    error: float
    eager: float
    allowed: float
    distance: float

    @property
    def ok(self) -> bool:
        """Whether rounding explains the error."""
        return self.error <= self.allowed

    def __str__(self) -> str:
        """Name, error, what eager is off by, and what is allowed."""
        return (
            f"{self.name}: off by {self.error:.1e}, eager by {self.eager:.1e}, "
            f"allowed {self.allowed:.1e}"
        )


def compared(
    name: str,
    found: Array,
    eager: Array,
    truth: Array | None,
    before: Array | None = None,
    others: Sequence[Array] = (),
) -> Row:
    """A row for one result.

    Parameters
    ----------
    found, eager : array
        The program's numbers and eager's.
    truth : array, optional
        In float64; without it eager stands for it, and the bar is lower.
    before : array, optional
        What the result replaces: then its change is what counts.
    others : sequence of array
        Eager's numbers at inputs that differ in their last digits.

    Examples
    --------
    >>> right = np.array([1.0, 2.0])
    >>> compared("y", -right, right, right).ok, compared("y", right, right, right).ok
    (False, True)
    """
    aim = np.asarray(eager if truth is None else truth, np.float64)
    kind = eager.dtype
    if kind.kind != "f":
        off = float(np.max(found != eager, initial=0)) * float(np.max(found != aim, initial=0))
        moved = any(np.any(other != eager) for other in others)
        return Row(name, off, 0.0, 1.0 if moved else 0.0, off)
    sound = np.isfinite(aim) & np.isfinite(eager)
    if not np.isfinite(found[sound]).all():
        return Row(name, float("inf"), 0.0, 0.0, float("inf"))
    change = aim if before is None else aim - before
    largest = _largest(change, sound)
    scale = largest or _largest(aim, sound) or 1.0
    rounding = _ROUNDINGS * float(np.finfo(kind).eps) * _largest(aim, sound)
    floor = FLOOR[kind.itemsize] * (1.0 if truth is not None else _WITHOUT_TRUTH)
    off, own = _largest(found - aim, sound), _largest(eager - aim, sound)
    spread = max((_largest(other - aim, sound) for other in others), default=0.0)
    allowed = max(2 * own, floor * largest + rounding, _MAGNIFIED * spread)
    length = float(np.linalg.norm(change[sound])) or scale
    distance = float(np.linalg.norm((found - aim)[sound])) / length
    return Row(name, off / scale, own / scale, allowed / scale, distance)


def _largest(numbers: Array, among: Array) -> float:
    with np.errstate(all="ignore"):
        return float(np.max(np.abs(numbers), initial=0.0, where=among))
