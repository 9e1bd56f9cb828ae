"""The numerical gradient beside each analytic one: of inputs, and of every value in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backlight import philox
from backlight.check.difference import Line, Prober, Reading
from backlight.check.judging import Rule, compare, largest_of
from backlight.check.kink import Winners
from backlight.check.report import Row
from backlight.check.verdict import Verdict
from backlight.explain.circuit.circuit import Array, Circuit, Node
from backlight.explain.circuit.number import exact
from backlight.explain.circuit.table import table
from backlight.explain.circuit.told import names
from backlight.gates.gate import Gate
from backlight.words import say

ALL = 16
SOME = 4
"""Of a larger array, so many numbers are compared, the largest gradient among them."""
_ROUNDING = 1e-13
_CHOOSES = ("bool", "index")


@dataclass(frozen=True)
class Compared:
    """The comparison of one node, worst number first.

    Attributes
    ----------
    node : int
        The node whose gradient was measured.
    rows : tuple of Row
        Analytic and numerical gradient, error bar and verdict, number by number.
    """

    node: int
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether none of its numbers is wrong."""
        return not any(row.verdict.failed for row in self.rows)


def compared(circuit: Circuit) -> tuple[Compared, ...]:
    """Nudge every value of the circuit, and see how much the output changes.

    Computed in float64 from the recorded values on; the verdicts and error bars are those of
    `backlight.check`.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> found = compared(circuit("x*y", x=4, y=-3))
    >>> [(one.rows[0].analytic, round(one.rows[0].numeric, 6), one.ok) for one in found]
    [(-3.0, -3.0, True), (4.0, 4.0, True)]
    """
    found = []
    scale = max((largest_of(g) for g in circuit.gradients if g is not None), default=0.0)
    for node in circuit.nodes:
        gradient = circuit.gradients[node.index]
        if gradient is None or not node.wants_gradient or node.index == circuit.output:
            continue
        if node.index not in circuit.reached:
            continue
        found.append(_measured(circuit, node, gradient, scale))
    return tuple(found)


def numeric_told(circuit: Circuit, language: str | None = None) -> tuple[str, bool]:
    """The comparison as a table, and whether no gradient is wrong.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> told, ok = numeric_told(circuit("x*y", x=4, y=-3), "en")
    >>> print(told.splitlines()[-1], ok)
    Gradients that agree with the numerical ones: 2. True
    """
    if not np.isfinite(circuit.nodes[circuit.output].value).all():
        return say("circuit.numeric.nonfinite", language), True
    called = names(circuit)
    found = compared(circuit)
    rows = []
    wrong = unsettled = 0
    for one in found:
        for row in one.rows:
            place = f"[{', '.join(map(str, row.index))}]" if row.index else ""
            verdict = say(f"circuit.verdict.{row.verdict.name.lower()}", language)
            if row.verdict is Verdict.KINK:
                verdict = say("circuit.numeric.kink", language, gate=row.kink)
            rows.append(
                [
                    called[one.node] + place,
                    exact(row.analytic),
                    f"{exact(row.numeric)} ± {row.noise:.0e}",
                    f"{row.error:.1e}",
                    verdict,
                ]
            )
            wrong += row.verdict.failed
            unsettled += row.verdict in (Verdict.KINK, Verdict.NOT_CHECKED, Verdict.OUTSIDE)
    heads = [say("circuit.heading.value", language)]
    heads += [
        say(f"circuit.heading.{key}", language)
        for key in ("analytic", "numeric", "error", "verdict")
    ]
    last = "all_well" if not wrong else "wrong"
    told = say(f"circuit.numeric.{last}", language, count=wrong or len(rows) - unsettled)
    if unsettled:
        told += " " + say("circuit.numeric.unsettled", language, count=unsettled)
    return f"{table(heads, rows, right=[1, 2, 3])}\n{told}", not wrong


def _measured(circuit: Circuit, node: Node, gradient: Array, scale: float) -> Compared:
    replay = _Replay(circuit, node)
    prober = Prober(replay.read, np.asarray(circuit.upstream, np.float64).ravel())
    rule = Rule(_ROUNDING * scale)
    largest = largest_of(gradient)
    with np.errstate(all="ignore"):
        rows = [
            compare(
                prober,
                Line(replay.start, place),
                "",
                place,
                float(gradient[place]),
                largest,
                rule,
            )
            for place in _places(gradient)
            if np.isfinite(node.value[place])  # what is not finite has no neighbours
        ]
    return Compared(node.index, tuple(sorted(rows, key=lambda row: -row.error)))


def _places(gradient: Array) -> list[tuple[int, ...]]:
    """Every number of a small array; of a large one the largest gradient and a few drawn."""
    if gradient.size <= ALL:
        return list(np.ndindex(gradient.shape))
    drawn = philox.permutation(gradient.size, SOME, gradient.size)[: SOME - 1]
    flat = dict.fromkeys([int(np.argmax(np.abs(gradient))), *map(int, drawn)])
    return [tuple(int(i) for i in np.unravel_index(one, gradient.shape)) for one in flat]


class _Replay:
    """The circuit from one value on, in float64, and which way each choice in it went."""

    def __init__(self, circuit: Circuit, start: Node) -> None:
        self.circuit = circuit
        self.start: Array = np.array(start.value, np.float64)
        self.values = [
            node.value.astype(np.float64) if node.value.dtype.kind == "f" else node.value
            for node in circuit.nodes
        ]
        self.values[start.index] = self.start
        self.after: list[Node] = []
        moved = {start.index}
        for node in circuit.nodes[start.index + 1 :]:
            if not moved.isdisjoint(node.inputs):
                moved.add(node.index)
                self.after.append(node)

    def read(self) -> Reading:
        winners: Winners = []
        for node in self.after:
            assert node.gate is not None  # noqa: S101 - told to the type checker
            given = [None if i < 0 else self.values[i] for i in node.inputs]
            made = np.asarray(node.gate.compute(given, node.attributes))
            self.values[node.index] = made
            if type(node.gate).branch is not Gate.branch:
                with np.errstate(all="ignore"):
                    branch = node.gate.branch(np, *given, **node.attributes)
                if branch is not None:
                    winners.append((node.gate.name, np.asarray(branch)))
            elif node.gate.result in _CHOOSES:
                winners.append((node.gate.name, made))
        last = self.values[self.circuit.output]
        return Reading(np.array(last, np.float64).ravel(), winners)
