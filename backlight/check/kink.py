"""Kinks found by a changed winner: which piece of each piecewise formula was taken.

A difference across a kink measures neither slope. It is recognised not by disagreeing with the
gradient, which a mistake does too, but by asking the gates: each gate with a kink says which branch
every number took, and a branch that differs between x − h, x and x + h lies across a kink.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backlight.engine.apply import watch
from backlight.gates.gate import Gate

Winners = list[tuple[str, Any]]
"""The gate's name and its branches, for each application that has any, in order."""

_CHOOSES = ("bool", "index")


class Recorder:
    """Writes down the winners of every gate applied inside its block.

    Examples
    --------
    >>> from backlight import tensor
    >>> def winners(x):
    ...     with Recorder() as recorder:
    ...         _ = tensor([x]).maximum(0.0)
    ...     return recorder.winners
    >>> changed([winners(1.0), winners(2.0)]), changed([winners(1.0), winners(-1.0)])
    ('', 'maximum')
    """

    def __init__(self) -> None:
        self.winners: Winners = []
        self._watch = watch(self._note)

    def __enter__(self) -> Recorder:
        self._watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.__exit__(*error)

    def _note(
        self, gate: Gate, _inputs: Any, values: Any, attributes: dict[str, Any], output: Any
    ) -> None:
        if type(gate).branch is not Gate.branch:
            with np.errstate(all="ignore"):
                branch = gate.branch(np, *values, **attributes)
            if branch is not None:
                self.winners.append((gate.name, np.asarray(branch)))
        elif gate.result in _CHOOSES:
            # What a comparison answers decides between the branches of a where further on.
            self.winners.append((gate.name, np.array(output._value)))


def choices(here: Winners, there: Winners) -> int:
    """How many numbers, of all gates, took another branch.

    Where a branch says who wins, a win that passes from one to another is one choice.
    """
    if len(here) != len(there):
        return len(here) + len(there)
    count = 0
    for (_, one), (_, other) in zip(here, there, strict=True):
        if one.shape != other.shape:
            return len(here) + len(there)
        if one.dtype == bool:
            count += max(int(np.sum(one & ~other)), int(np.sum(other & ~one)))
        else:
            count += int(np.sum(one != other))
    return count


def changed(measured: Sequence[Winners]) -> str:
    """The first gate whose winners are not the same in all; "" if there is none."""
    first, *rest = measured
    for other in rest:
        if len(other) != len(first):
            return "a gate that was not always applied"
        for (name, here), (_, there) in zip(first, other, strict=True):
            if not np.array_equal(here, there, equal_nan=here.dtype.kind == "f"):
                return name
    return ""
