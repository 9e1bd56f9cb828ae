"""What a probe is: a question put to the evidence, declared once, found by its name.

A probe is a function decorated with `@probe`. It looks at the evidence and answers with `fault`,
`warning` or `fine`, or raises `NotChecked` with the reason. What it expects and what to do are
sentences under its name in `words/*/doctor.toml`. There is no second list of probes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from backlight.doctor.evidence import Evidence


class Level(IntEnum):
    """How close to the cause a probe looks. A fault explains those of all levels above its own."""

    CAUSE = 0
    STATE = 1
    RATE = 2
    SIGN = 3


@dataclass(frozen=True)
class Answer:
    """A verdict with its number and the values of its sentences."""

    verdict: Verdict
    number: float | None = None
    values: dict[str, Any] | None = None


class NotChecked(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by a probe that cannot say anything here; `reason` is an entry of the words."""

    def __init__(self, reason: str, **values: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values


@dataclass(frozen=True)
class Probe:
    """A declared probe: its name, how deep it looks, and the function that looks."""

    name: str
    level: Level
    look: Callable[[Evidence], Answer]

    def __call__(self, seen: Evidence) -> Finding:
        """The finding on this evidence."""
        try:
            with np.errstate(all="ignore"):
                answer = self.look(seen)
        except NotChecked as why:
            return Finding(self.name, Verdict.UNCHECKED, values=why.values, reason=why.reason)
        except (ArithmeticError, LookupError, TypeError, ValueError) as problem:
            # A script may do what no probe foresaw: that is said, and the others still answer.
            told = f"{type(problem).__name__}: {problem}"[:200]
            return Finding(self.name, Verdict.UNCHECKED, values={"told": told}, reason="failed")
        return Finding(self.name, answer.verdict, answer.number, answer.values or {})


PROBES: dict[str, Probe] = {}
"""Every declared probe by its name, in the order in which they are asked."""


def probe(level: Level) -> Callable[[Callable[[Evidence], Answer]], Probe]:
    """Declare a probe: its function's name is the probe's, its docstring says what it looks at."""

    def declare(look: Callable[[Evidence], Answer]) -> Probe:
        made = Probe(look.__name__, level, look)
        PROBES[made.name] = made
        return made

    return declare


def fault(number: float | None = None, **values: Any) -> Answer:
    """Something is wrong: training cannot work as it is meant."""
    return Answer(Verdict.FAULT, number, values)


def warning(number: float | None = None, **values: Any) -> Answer:
    """Something is unusual, and may be meant."""
    return Answer(Verdict.WARNING, number, values)


def fine(number: float | None = None, **values: Any) -> Answer:
    """All is as expected; values are those of the sentence `well`, where the probe has one."""
    return Answer(Verdict.OK, number, values)
