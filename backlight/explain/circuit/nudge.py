"""A small step, and what the gradient says of it: f(x + Δ) ≈ f(x) + g·Δ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, nearest
from backlight.explain.circuit.circuit import Array, Circuit
from backlight.explain.circuit.number import exact, numbers
from backlight.explain.circuit.replay import replayed
from backlight.explain.circuit.table import table
from backlight.explain.circuit.told import names
from backlight.words import say

SMALLER = 3
_EXACT = 1e-12


@dataclass(frozen=True)
class Nudge:
    """A step that was taken: where to, what was predicted, what came.

    Attributes
    ----------
    step : float or None
        How far along the gradient; None if inputs were chosen.
    moves : mapping of int to array
        What was added to each input.
    before, after : float
        The output, weighted by upstream and summed.
    predicted : float
        g·Δ, the sum of gradient times move.
    """

    step: float | None
    moves: Mapping[int, Array]
    before: float
    after: float
    predicted: float

    @property
    def true(self) -> float:
        """The change that came."""
        return self.after - self.before

    @property
    def missed(self) -> float:
        """By how much the prediction was wrong; 0 within rounding."""
        off = self.true - self.predicted
        size = max(abs(self.before), abs(self.after), abs(self.predicted))
        return 0.0 if abs(off) <= _EXACT * size else off


def along_gradient(circuit: Circuit, step: float) -> Nudge:
    """Move every input by step × its gradient: uphill, or downhill for a negative step.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> taken = along_gradient(circuit("x*y", x=-2, y=3), 0.01)
    >>> round(taken.after, 4), round(taken.predicted, 4), round(taken.true, 4)
    (-5.8706, 0.13, 0.1294)
    """
    if not np.isfinite(step) or step == 0:
        raise ArgumentError(
            "nudge",
            got=f"a step of {step}",
            needs="a number other than 0",
            remedy="Write 0.01 for a step uphill, −0.01 for one downhill.",
        )
    moves = {}
    for node in circuit.leaves:
        gradient = circuit.gradients[node.index]
        if gradient is not None and node.wants_gradient:
            moves[node.index] = step * gradient
    return _taken(circuit, step, moves)


def of_inputs(circuit: Circuit, chosen: Mapping[str, Any]) -> Nudge:
    """Move the chosen inputs by what is given, and let the others be.

    Raises
    ------
    ArgumentError
        If there is no such input, or its move has another shape.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> taken = of_inputs(circuit("x*y", x=4, y=-3), {"x": 0.001})
    >>> round(taken.before + taken.predicted, 6), round(taken.after, 6)
    (-12.003, -12.003)
    """
    moves = {}
    known = [node.name for node in circuit.leaves if node.wants_gradient and node.name]
    for name, move in chosen.items():
        if name not in known:
            raise ArgumentError(
                "nudge",
                got=f"the input {name!r}",
                needs=f"one of {', '.join(known)}",
                remedy=nearest(name, known),
            )
        node = circuit.find(name)
        try:
            moves[node.index] = np.broadcast_to(np.asarray(move, float), node.shape)
        except ValueError:
            raise ArgumentError(
                "nudge",
                got=f"a move of shape {np.shape(move)} for {name}",
                needs=f"one number, or shape {node.shape}",
                remedy=f"Write {name}=0.01 to move all its numbers.",
            ) from None
    return _taken(circuit, None, moves)


def smaller(circuit: Circuit, nudge: Nudge) -> list[Nudge]:
    """The same step, and steps ten and a hundred times smaller."""
    found = [nudge]
    for power in range(1, SMALLER):
        moves = {index: move / 10**power for index, move in nudge.moves.items()}
        step = None if nudge.step is None else nudge.step / 10**power
        found.append(_taken(circuit, step, moves))
    return found


def nudge_told(circuit: Circuit, nudge: Nudge, language: str | None = None) -> str:
    """The step in words and numbers: every input, the value, and how the miss shrinks.

    Examples
    --------
    >>> from backlight.explain import circuit
    >>> drawn = circuit("x*y", x=4, y=-3)
    >>> print(nudge_told(drawn, of_inputs(drawn, {"x": 0.001}), "en"))
    Moved: x +0.001.
    input  before   step  after
    ───────────────────────────
    x           4  0.001  4.001
    The value goes from −12 to −12.003: predicted g·Δ −0.003, true −0.003.
    The prediction is exact: along this step the circuit is linear.
    """

    def words(entry: str, **values: Any) -> str:
        return say(f"circuit.nudge.{entry}", language, **values)

    called = names(circuit)
    if nudge.step is None:
        moved = ", ".join(f"{called[i]} {_signed(move)}" for i, move in nudge.moves.items())
        lines = [words("chosen", inputs=moved)]
    else:
        entry = "uphill" if nudge.step > 0 else "downhill"
        lines = [words(entry, step=exact(abs(nudge.step)))]
    heads = [
        say(f"circuit.heading.{key}", language) for key in ("input", "before", "step", "after")
    ]
    rows = [
        [
            called[i],
            numbers(circuit.nodes[i].value),
            numbers(move),
            numbers(circuit.nodes[i].value + move),
        ]
        for i, move in nudge.moves.items()
    ]
    lines.append(table(heads, rows, right=[1, 2, 3]))
    lines.append(
        words(
            "result",
            before=exact(nudge.before),
            after=exact(nudge.after),
            predicted=exact(nudge.predicted),
            true=exact(nudge.true),
        )
    )
    return "\n".join([*lines, *_shrinking(circuit, nudge, language)])


def _shrinking(circuit: Circuit, nudge: Nudge, language: str | None) -> list[str]:
    """How what the prediction misses falls with the step."""

    def words(entry: str, **values: Any) -> str:
        return say(f"circuit.nudge.{entry}", language, **values)

    if nudge.missed == 0:
        return [words("exact")]
    tried = smaller(circuit, nudge)
    heads = [
        say(f"circuit.heading.{key}", language) for key in ("step", "predicted", "true", "off")
    ]
    rows = [
        [
            exact(one.step if one.step is not None else 10.0**-power),
            exact(one.predicted),
            exact(one.true),
            exact(one.missed),
        ]
        for power, one in enumerate(tried)
    ]
    if nudge.step is None:
        for power, row in enumerate(rows):
            row[0] = f"Δ/{10**power:,}"
    lines = [words("shrinks"), table(heads, rows, right=[0, 1, 2, 3])]
    if tried[-1].missed:
        ratio = abs(tried[-2].missed / tried[-1].missed)
        if 50 < ratio < 200:
            lines.append(words("ratio", ratio=f"{ratio:.0f}"))
    if nudge.step is not None:
        lines.append(words("steepest"))
    return lines


def _taken(circuit: Circuit, step: float | None, moves: Mapping[int, Array]) -> Nudge:
    there = {index: circuit.nodes[index].value + move for index, move in moves.items()}
    with np.errstate(all="ignore"):
        after = replayed(circuit, there)[circuit.output]
        before = circuit.nodes[circuit.output].value
        predicted = 0.0
        for index, move in moves.items():
            gradient = circuit.gradients[index]
            predicted += 0.0 if gradient is None else float(np.sum(gradient * move))
        return Nudge(
            step,
            moves,
            float(np.sum(before * circuit.upstream)),
            float(np.sum(after * circuit.upstream)),
            predicted,
        )


def _signed(move: Array) -> str:
    """A move with its sign; an array in brackets as it is."""
    told = numbers(move)
    return told if told[0] in "−[" or move.ndim else f"+{told}"
