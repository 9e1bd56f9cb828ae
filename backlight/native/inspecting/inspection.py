"""Inspection: a compiled program tried on copies, beside eager, float64 and numerical slopes.

Three witnesses, none of which the compiler made: the gates' formulas run by NumPy (that is eager
execution), the same in float64 (the truth, from which rounding is measured), and the loss a little
ahead and behind. What could not be looked at is listed: "not checked" is a result.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.errors import CompileCheckError
from backlight.native.bound import Bound
from backlight.native.inspecting import culprit, slope
from backlight.native.inspecting.agreement import Row, compared
from backlight.native.inspecting.narrow import Narrow
from backlight.native.inspecting.slope import Slope
from backlight.native.inspecting.trial import Point, Run, before, run, written
from backlight.native.inspecting.truth import Budget, OutOfTimeError, evaluate

Array = np.ndarray[Any, Any]

BUDGET = 5.0
"""Seconds that an inspection may take, unless told otherwise."""
SEARCH = 30.0
"""Seconds more to find the gate, once something is wrong."""
_STIRRED = 3
_ELSEWHERE = 2
_NEARBY = 1e-2
_WIDE_COST = 3.0
_KINK = 1e-2


@dataclass
class Inspection:
    """What was looked at, and what was found.

    Attributes
    ----------
    rows : list of Row
        Each result of the program, the worst first.
    slopes : list of Slope
    culprit : str
        The first gate that is wrong, with layer and line.
    mistake : str
        The likely mistake, in words.
    unchecked : list of str
        What could not be looked at, and why.
    notes : list of str
        What was found on the way and is no mistake.
    seconds : float
    excused : bool
        Whether what disagrees is explained by a note.
    tried : Run or None
        What the program left in the copies.
    """

    label: str
    rows: list[Row] = field(default_factory=list)
    slopes: list[Slope] = field(default_factory=list)
    culprit: str = ""
    mistake: str = ""
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    excused: bool = False
    tried: Run | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. What was not checked is no failure."""
        return (self.excused or all(row.ok for row in self.rows)) and all(
            one.ok for one in self.slopes
        )

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        """One line of what agrees, then what does not and what was not checked."""
        wrong = [row for row in self.rows if not row.ok] if not self.ok else []
        lines = [
            f"{self.label}: {len(self.rows) - len(wrong)} of {len(self.rows)} results agree with "
            f"eager and float64, {sum(one.ok for one in self.slopes)} of {len(self.slopes)} "
            f"numerical slopes ({self.seconds:.2f} s)"
        ]
        lines += [f"wrong: {row}" for row in wrong]
        lines += [f"wrong: {one}" for one in self.slopes if not one.ok]
        if self.culprit:
            lines.append(
                f"first wrong: {self.culprit}" + (f": {self.mistake}" if self.mistake else "")
            )
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"not checked: {one}" for one in self.unchecked]
        return "\n".join(lines)

    def error(self) -> CompileCheckError:
        """The error that says what is wrong and what to do."""
        bad = next((row for row in self.rows if not row.ok), None)
        if bad is None or self.excused:
            line = next(one for one in self.slopes if not one.ok)
            return CompileCheckError(
                f"the gradient rules in {self.label}",
                got=f"another slope than the numbers have: {line}",
                needs="the gradient of what is computed",
                remedy="Find the rule with backlight.check.gradcheck; if it is meant so, use "
                "check=False.",
            )
        return CompileCheckError(
            f"the compiled {self.label}",
            got=f"{bad.name} off by {bad.error:.1e} of its largest "
            f"{'change' if bad.name[:6] != 'result' else 'number'} (eager is off by "
            f"{bad.eager:.1e})",
            needs=f"at most {bad.allowed:.1e}, which rounding explains",
            source=(
                f"The first wrong value is that of {self.culprit}"
                + (f" ({self.mistake})" if self.mistake else "")
                + "."
                if self.culprit
                else "No gate is wrong by itself."
            ),
            remedy="This is a mistake of Backlight's compiler: nothing was changed; run it with "
            "compile=False (--no-compile) and report it with this message.",
        )


def inspect(
    bound: Bound, leaves: Sequence[Any], *, budget: float = BUDGET, thorough: bool = True
) -> Inspection:
    """Try the program for these arguments on copies of everything that it touches.

    Parameters
    ----------
    bound : Bound
    leaves : sequence
        The leaves of the arguments.
    budget : float
        Seconds. What they do not suffice for is listed as not checked.
    thorough : bool
        With the truth in float64 and numerical slopes; without, eager only (and more if that
        disagrees).

    Returns
    -------
    Inspection
    """
    began = time.perf_counter()
    found = Inspection(f"{bound.traced.graph.name or 'function'}")
    clock = Budget(budget)
    try:
        point = Point.of_call(bound, leaves)
        _compare(bound, point, found, clock, thorough)
    except OutOfTimeError:
        found.unchecked.append(f"the rest: {budget:g} s did not suffice")
    found.seconds = time.perf_counter() - began
    return found


def _compare(bound: Bound, point: Point, found: Inspection, clock: Budget, thorough: bool) -> None:
    found.tried = made = run(bound, point)
    if made.code:
        found.unchecked.append("this call: a condition of the function does not hold in it")
        return
    began = time.perf_counter()
    try:
        eager = _values(bound, point, clock)
    except OutOfTimeError:
        found.unchecked.append("every result: one step without the compiler takes too long")
        return
    took = time.perf_counter() - began
    truth = gradients = None
    if thorough and took * _WIDE_COST < clock.left:
        truth, gradients = _truth(bound, point, clock)
    elif thorough:
        found.unchecked.append("results in float64, which would take too long")
    found.rows = _rows(bound, point, made, eager, truth)
    if not all(row.ok for row in found.rows):
        _explain(bound, point, made, eager, found)
    if thorough and found.ok:
        _measure(bound, point, gradients, found, took, clock)


# ── beside eager and the truth ─────────────────────────────────────────────────────────────


def _values(bound: Bound, point: Point, clock: Budget | None, *, wide: bool = False) -> list[Array]:
    source = bound.traced.graph
    wanted = [*source.outputs, *(w.node for w in written(source) if w.node is not None)]
    narrow = None
    if bound.precision.bfloat16 and not wide:
        narrow = Narrow(bound.compilation.target, bound.precision.winograd)
    values = evaluate(
        wanted, point.bindings(source), source.nodes, wide=wide, narrow=narrow, budget=clock
    )
    return [values[node] for node in wanted]


def _truth(bound: Bound, point: Point, clock: Budget) -> tuple[list[Array], dict[Any, Array]]:
    """The results in float64, and the gradients of every backward pass."""
    source = bound.traced.graph
    wanted = [*source.outputs, *(w.node for w in written(source) if w.node is not None)]
    gradients = [gradient for one in source.passes for _, gradient in one.pairs]
    values = evaluate(
        [*wanted, *gradients], point.bindings(source), source.nodes, wide=True, budget=clock
    )
    return [values[node] for node in wanted], {node: values[node] for node in gradients}


def _rows(
    bound: Bound,
    point: Point,
    made: Run,
    eager: Sequence[Array],
    truth: Sequence[Array] | None,
    others: Sequence[Sequence[Array]] = (),
) -> list[Row]:
    source = bound.traced.graph
    count = len(source.outputs)
    named = [(f"result {place}" if count > 1 else "result", None) for place in range(count)]
    named += [
        (f"{write.state.kind} {write.state.name}", before(write, point))  # type: ignore[misc]
        for write in written(source)
    ]
    rows = [
        compared(
            name,
            made.results[k],
            eager[k],
            None if truth is None else truth[k],
            old,
            [other[k] for other in others],
        )
        for k, (name, old) in enumerate(named)
    ]
    return sorted(rows, key=lambda row: (row.ok, -row.error))


def _explain(
    bound: Bound, point: Point, made: Run, eager: Sequence[Array], found: Inspection
) -> None:
    """Something is off: by rounding that is magnified, by a kink in reach, or by a mistake?"""
    truth = _values(bound, point, None, wide=True)
    others = [_values(bound, point.moved(seed, 2.0**-23), None) for seed in range(_STIRRED)]
    found.rows = _rows(bound, point, made, eager, truth, others)
    if all(row.ok for row in found.rows):
        found.notes.append("rounding is magnified here; eager is off as far")
        return
    for seed in range(_ELSEWHERE):
        if _fine_at(bound, point.moved(_STIRRED + seed, _NEARBY)):
            found.excused = True
            found.notes.append("a decision at a kink fell the other way; nearby all agrees")
            return
    _search(bound, point, found)


def _fine_at(bound: Bound, point: Point) -> bool:
    made = run(bound, point)
    if made.code:
        return False
    eager, truth = _values(bound, point, None), _values(bound, point, None, wide=True)
    return all(row.ok for row in _rows(bound, point, made, eager, truth))


def _search(bound: Bound, point: Point, found: Inspection) -> None:
    """Name the gate; a program whose gates are all right and that is nearly right is excused."""
    source, target, clock = bound.traced.graph, bound.compilation.target, Budget(SEARCH)
    try:
        wrong = culprit.first_wrong(source, point, target, bound.threads, clock)
        if wrong is not None:
            found.culprit, found.mistake = wrong[0].told(), wrong[1]
            return
        if all(row.ok or row.distance <= _KINK for row in found.rows):
            found.excused = True
            found.notes.append("decisions at kinks fell the other way; each gate is right")
            return
        node = culprit.halved(source, point, target, bound.threads, clock)
        if node is not None:
            found.culprit = f"{node.told()}, together with what it is fused with"
    except OutOfTimeError:
        found.notes.append(f"the gate was not found within {SEARCH:g} s")


# ── beside the numbers' own slope ──────────────────────────────────────────────────────────


def _measure(
    bound: Bound, point: Point, gradients: Any, found: Inspection, took: float, clock: Budget
) -> None:
    source = bound.traced.graph
    passes = [one for one in source.passes if slope.can_be_measured(source, one)]
    if len(passes) < len(source.passes):
        found.unchecked.append("the slope of a loss through something detached")
    if not source.passes:
        return
    if gradients is None or took * _WIDE_COST * 2 * slope.LINES > clock.left:
        found.unchecked.append("numerical slopes, which would take too long")
        return
    numbers = point.bindings(source)
    for one in passes:
        try:
            slopes = slope.measured(source, one, numbers, gradients, clock)
        except OutOfTimeError:
            found.unchecked.append("numerical slopes: the time ran out")
            return
        # A relu at 0, say, has no slope: what a difference across it says proves nothing.
        found.slopes += [one for one in slopes if one.ok or not one.kink]
        kinks = {one.kink for one in slopes if one.kink and not one.ok}
        found.unchecked += [f"a slope across a kink of {kink}" for kink in sorted(kinks)]
