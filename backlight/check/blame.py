"""Which gate of a computation has a wrong backward rule, for which input, and what is the mistake.

Where a gradient fails its check, every gate on the way is measured alone: some columns of its
Jacobian by differences of its forward, on the values it was given, against what its rule answers
to a random upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight import philox
from backlight.check.case import Case
from backlight.check.hypotheses import Evidence, Place, explained
from backlight.check.report import Report
from backlight.engine.backward import _history
from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError
from backlight.gates.gate import TABLE, Gate

Array = np.ndarray[Any, Any]

_PLACES = 48  # numbers of an input that are measured
_LARGEST = 2_000_000  # numbers of Jacobian
_STEP = 1e-4  # of the five-point rule, whose error is h⁴
_SEED = 61


@dataclass(frozen=True)
class Blame:
    """A gate whose rule answers wrongly.

    Attributes
    ----------
    gate, input : str
        The gate, and the input whose gradient is wrong.
    element : tuple of int
        The number of the input with the largest error.
    mistake : str
        The likely mistake; "" if no hypothesis fits.
    """

    gate: str
    input: str
    element: Place
    mistake: str

    def __str__(self) -> str:
        """Gate, input and mistake in a few words."""
        told = f"gate {self.gate}, by {self.input}"
        return f"{told}: {self.mistake}" if self.mistake else told


def blame(outputs: Sequence[Tensor]) -> Blame | None:
    """The first gate, in the order in which they ran, whose rule is wrong; None if all are right.

    Parameters
    ----------
    outputs : sequence of Tensor
        Results with their history, in float64.
    """
    seen: set[tuple[str, str]] = set()
    for node in _history([one for one in outputs if one.requires_grad])[0]:
        if node._gate is None or node._inputs is None:
            continue
        values = [_array(x) for x in node._inputs]
        key = node._gate.name, repr([(v.shape, node._attributes) for v in values if v is not None])
        if key in seen:  # the same gate on other numbers: its rule is the same
            continue
        seen.add(key)
        wanted = [isinstance(x, Tensor) and x.requires_grad for x in node._inputs]
        found = blame_gate(node._gate, values, node._attributes, wanted)
        if found is not None:
            return found
    return None


def blame_gate(
    gate: Gate,
    values: Sequence[Array | None],
    attributes: dict[str, Any],
    wanted: Sequence[bool] | None = None,
    seed: int = _SEED,
) -> Blame | None:
    """The mistake in one gate's rule on these values; None if it is right, or cannot be measured.

    Examples
    --------
    >>> from backlight.gates import TABLE
    >>> blame_gate(TABLE["tanh"], [np.array([0.3, -0.5])], {}) is None
    True
    """
    for evidence, name in _evidence(gate, list(values), attributes, wanted, seed):
        if not evidence.right:
            gaps = np.abs(evidence.given - evidence.expected)
            worst = evidence.places[int(np.argmax(np.nan_to_num(gaps, nan=np.inf)))]
            return Blame(gate.name, name, worst, explained(evidence))
    return None


def located(report: Report, case: Any) -> Report:
    """The report with the gate that is to blame, and its mistake, in the rows that failed."""
    if report.ok or type(case) is not Case:  # compiled programs have no history of gates
        return report
    found = blame(case.results())
    if found is None:
        return report
    where = f"gate {found.gate}, by {found.input}"
    rows = [
        replace(row, gate=where, mistake=found.mistake or row.mistake)
        if row.verdict.failed
        else row
        for row in report.rows
    ]
    return replace(report, rows=rows)


def _evidence(
    gate: Gate,
    values: list[Array | None],
    attributes: dict[str, Any],
    wanted: Sequence[bool] | None,
    seed: int,
) -> Iterator[tuple[Evidence, str]]:
    """What is measured of each input that takes a gradient."""
    output = np.asarray(gate.compute(values, attributes))
    if output.dtype != np.float64 or not output.size:
        return  # coarser numbers would drown the differences
    # Not too near to 0 or 1, so that no factor hides.
    upstream = np.asarray(philox.normal(seed, 1, output.shape, np.float64))
    upstream = upstream + np.where(upstream < 0, -0.37, 0.37)
    answers = _answers(gate, values, output, attributes, upstream)
    names = gate.inputs + gate.inputs[-1:] * len(values)
    for wire, value in enumerate(values):
        asked = wanted[wire] if wanted is not None else names[wire] not in gate.selectors
        if value is None or not asked or value.dtype.kind != "f" or not value.size:
            continue
        answer = answers[wire]
        answer = np.zeros(value.shape) if answer is None else answer

        def measure(other: list[Any], place: Place, wire: int = wire) -> Array:
            return _column(gate, other, attributes, wire, place)

        places = _places(value, output.size, seed)
        columns = [measure(values, place) for place in places]
        sound = [i for i, column in enumerate(columns) if np.isfinite(column).all()]
        sound = [i for i in sound if not _kink(gate, values, attributes, wire, places[i])]
        if sound:
            yield (
                Evidence(
                    answer,
                    [places[i] for i in sound],
                    np.array([columns[i] for i in sound]),
                    upstream,
                    values,
                    wire,
                    output,
                    measure,
                    answers,
                ),
                names[wire] if not gate.variadic else f"{names[wire]} {wire}",
            )


def _answers(
    gate: Gate,
    values: list[Array | None],
    output: Array,
    attributes: dict[str, Any],
    upstream: Array,
) -> list[Array | None]:
    """What the rule hands to each wire, summed where it was broadcast, as the engine does."""
    found: list[Array | None] = []
    with no_grad(), np.errstate(all="ignore"):
        shares = gate.backward(upstream, *values, output, **attributes)
        for value, share in zip(values, shares, strict=True):
            share = share() if callable(share) and value is not None else share
            if share is None or value is None:
                found.append(None)
                continue
            share = np.asarray(share)
            if share.shape != value.shape:
                try:
                    share = np.asarray(TABLE["sum_to"](share, shape=value.shape))
                except (BacklightError, ValueError):
                    share = np.broadcast_to(share, value.shape)
            found.append(share)
    return found


def _column(
    gate: Gate, values: list[Any], attributes: dict[str, Any], wire: int, place: Place
) -> Array:
    """∂output/∂(one number of an input), by the five-point rule."""
    moved = list(values)
    moved[wire] = np.array(values[wire], np.float64)
    before = float(moved[wire][place])
    step = _STEP * max(1.0, abs(before))
    if gate.domain.get(gate.inputs[min(wire, len(gate.inputs) - 1)]):
        step = min(step, 1e-3 * abs(before) or step)

    def at(distance: float) -> Array:
        moved[wire][place] = before + distance
        return np.array(gate.compute(moved, attributes), np.float64)

    with np.errstate(all="ignore"):
        near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
        return np.asarray((8 * near - far) / (12 * step))


def _kink(
    gate: Gate, values: list[Any], attributes: dict[str, Any], wire: int, place: Place
) -> bool:
    """Whether a winner changes within the difference."""
    if type(gate).branch is Gate.branch:
        return False
    moved = list(values)
    moved[wire] = np.array(values[wire], np.float64)
    before = float(moved[wire][place])
    found = []
    with np.errstate(all="ignore"):
        for distance in (-2.5 * _STEP, 0.0, 2.5 * _STEP):
            moved[wire][place] = before + distance * max(1.0, abs(before))
            branch = gate.branch(np, *moved, **attributes)
            if branch is None:
                return False
            found.append(np.array(branch))
    return any(not np.array_equal(found[1], one) for one in found)


def _places(value: Array, outputs: int, seed: int) -> list[Place]:
    """All numbers of a small input, some of a large one."""
    count = max(4, min(_PLACES, _LARGEST // max(1, outputs)))
    if value.size <= count:
        return list(np.ndindex(value.shape))
    chosen = np.sort(philox.permutation(seed, value.size, value.size)[:count])
    return [tuple(int(i) for i in np.unravel_index(int(one), value.shape)) for one in chosen]


def _array(x: Any) -> Array | None:
    if x is None:
        return None
    value = np.asarray(getattr(x, "_value", x))
    return value.astype(np.float64) if value.dtype.kind == "f" else value
