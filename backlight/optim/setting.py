"""The settings of update rules and schedules: their names, ranges and the check of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from backlight.errors import ArgumentError, nearest

ALIASES = {"learning_rate": "lr"}
"""Other spellings of a setting that are accepted."""


@dataclass(frozen=True)
class Range:
    """What a setting may be: in words for the message, and as a test of a Python number."""

    needs: str
    allows: Callable[[float], bool]


POSITIVE = Range("a finite number above 0", lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Range("a finite number, 0 or above", lambda x: 0 <= x < math.inf)
DECAY = Range("a number in [0, 1)", lambda x: 0 <= x < 1)
PART = Range("a number in [0, 1]", lambda x: 0 <= x <= 1)

RANGES: dict[str, Range] = {
    "lr": POSITIVE,
    "momentum": DECAY,
    "dampening": PART,
    "weight_decay": NOT_NEGATIVE,
    "eps": POSITIVE,
    "alpha": DECAY,
    "rho": DECAY,
    "lr_decay": NOT_NEGATIVE,
    "initial_accumulator_value": NOT_NEGATIVE,
    "tolerance_grad": NOT_NEGATIVE,
    "tolerance_change": NOT_NEGATIVE,
}
SWITCHES = frozenset({"nesterov", "centered", "bias_correction"})


def number(subject: str, name: str, value: Any, allowed: Range) -> float:
    """`value` as a Python float within `allowed`.

    A Python float is a weak number: a NumPy one would turn float32 parameters into float64.

    Raises
    ------
    ArgumentError
        If it is not a number, or outside the range; NaN is outside every range.

    Examples
    --------
    >>> number("Adam", "lr", 1, POSITIVE)
    1.0
    """
    plain = isinstance(value, Real) and not isinstance(value, bool)
    if not plain or not allowed.allows(float(value)):
        remedy = f"Choose another {name}."
        if callable(value):
            remedy = "Give a number here, and the function to optim.LambdaLR(optimizer, function)."
        raise ArgumentError(
            subject, got=f"{name}={value!r}", needs=f"{name} as {allowed.needs}", remedy=remedy
        )
    return float(value)


def setting(subject: str, name: str, value: Any, ranges: Mapping[str, Range] = RANGES) -> Any:
    """The value of the setting `name` in the form that rules compute with, once it is allowed."""
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise ArgumentError(
                subject,
                got=f"{name}={value!r}",
                needs=f"{name} as True or False",
                remedy=f"Pass {name}=True or {name}=False.",
            )
        return value
    if name == "betas":
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ArgumentError(
                subject,
                got=f"betas={value!r}",
                needs="two numbers in [0, 1)",
                remedy="Pass betas=(0.9, 0.999).",
            )
        return tuple(number(subject, f"betas[{i}]", beta, DECAY) for i, beta in enumerate(value))
    return number(subject, name, value, ranges[name]) if name in ranges else value


def known(subject: str, given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """`given` with aliases spelled out, if every name in it is one of `names`.

    Raises
    ------
    ArgumentError
        If a name is unknown; the message suggests the nearest.
    """
    names = list(names)
    found: dict[str, Any] = {}
    for name, value in given.items():
        spelled = ALIASES.get(name, name) if name not in names else name
        if spelled not in names:
            raise ArgumentError(
                subject,
                got=f"the unknown option {name!r}",
                needs="options that it has",
                remedy=nearest(name, names),
            )
        if spelled in found:
            raise ArgumentError(
                subject,
                got=f"{spelled} twice, once as {name!r}",
                needs="each option once",
                remedy="Leave one of them out.",
            )
        found[spelled] = value
    return found
