"""What a sweep chooses from: a range or a list for some of the settings of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backlight.errors import UsageError
from backlight.train.settings import Settings

_RANGE = re.compile(r"(?P<low>[^.:]+(?:\.[0-9]+[^.:]*)?)\.\.(?P<high>[^:]+)(?::(?P<scale>\w+))?")
_STEPS = 5
"""Values that a grid takes from a range."""
_WIDE = 10
"""A range whose ends differ by this factor is searched on a logarithmic scale."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones where the setting is whole."""

    low: float
    high: float
    log: bool
    whole: bool

    def grid(self) -> list[Any]:
        """A few values from end to end, evenly spaced on its scale."""
        if self.log:
            first, last = math.log(self.low), math.log(self.high)
            values = [math.exp(first + (last - first) * i / (_STEPS - 1)) for i in range(_STEPS)]
            values[0], values[-1] = self.low, self.high
        else:
            values = [self.low + (self.high - self.low) * i / (_STEPS - 1) for i in range(_STEPS)]
        return sorted({round(value) for value in values}) if self.whole else values

    def __str__(self) -> str:
        scale = "log" if self.log else "linear"
        return f"{self.low:g}..{self.high:g}, {scale}"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def grid(self) -> list[Any]:
        """All of them."""
        return list(self.values)

    def __str__(self) -> str:
        return ", ".join(shown(value) for value in self.values)


Space = dict[str, Range | Choice]


def shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return "x".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_space(texts: Sequence[str]) -> Space:
    """The space of settings that texts such as `lr=1e-4..1e-1` describe.

    ==============================  ============================================================
    `lr=1e-4..1e-1`                 a range; logarithmic, since its ends differ by 10 or more
    `dropout=0..0.5`                a range, linear; `:log` and `:linear` behind it decide it
    `model=softmax,svm`             one of several values
    `hidden=64,128x64`              widths of layers are joined by x
    ==============================  ============================================================

    Raises
    ------
    UsageError
        If a setting is unknown, given twice, or a value is not allowed for it.

    Examples
    --------
    >>> space = read_space(["lr=1e-4..1e-1", "hidden=64,128x64"])
    >>> space["lr"], space["hidden"].values
    (Range(low=0.0001, high=0.1, log=True, whole=False), ([64], [128, 64]))
    """
    space: Space = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise UsageError(
                "sweep",
                got=text[:80],
                needs="a setting with a range or a list, as in lr=1e-4..1e-1 or model=mlp,svm",
                remedy="Write NAME=LOW..HIGH or NAME=VALUE,VALUE.",
            )
        key, found = _entry(name.strip().lstrip("-"), values)
        if key in space:
            raise UsageError(
                "sweep",
                got=f"{key} twice",
                needs="each setting once",
                remedy="Leave one of them out.",
            )
        space[key] = found
    if not space:
        raise UsageError(
            "sweep",
            got="no settings to choose",
            needs="at least one, as in lr=1e-4..1e-1",
            remedy="Name a setting with a range or a list.",
        )
    return space


def _entry(name: str, values: str) -> tuple[str, Range | Choice]:
    ends = _RANGE.fullmatch(values)
    if ends is None:
        texts = values.split(",")
        widths = name.replace("-", "_") == "hidden"
        checked = [_checked(name, one.replace("x", ",") if widths else one) for one in texts]
        found = tuple(list(v) if isinstance(v, tuple) else v for _, v in checked)
        return checked[0][0], Choice(found)
    (key, low), (_, high) = _checked(name, ends["low"]), _checked(name, ends["high"])
    if isinstance(low, bool) or not isinstance(low, int | float):
        raise UsageError(
            f"sweep over {name}",
            got=f"the range {values}",
            needs="a list: this setting is no number",
            remedy=f"Write {name}=VALUE,VALUE.",
        )
    scale = ends["scale"]
    if scale not in (None, "log", "linear"):
        raise UsageError(
            f"sweep over {name}",
            got=f"the scale {scale!r}",
            needs="log or linear",
            remedy=f"Write {name}={ends['low']}..{ends['high']}:log.",
        )
    log = scale == "log" or (scale is None and low > 0 and high / low >= _WIDE)
    if not low < high or (log and low <= 0):
        raise UsageError(
            f"sweep over {name}",
            got=f"the range {values}",
            needs="a low end below the high one" + (", above 0 for a log scale" if log else ""),
            remedy=f"Write {name}=LOW..HIGH.",
        )
    return key, Range(low, high, log, isinstance(low, int) and isinstance(high, int))


def _checked(name: str, text: str) -> tuple[str, Any]:
    ((key, value),) = Settings.from_mapping({name: text.strip()}, "the sweep").items()
    return key, value


def suggested(space: Mapping[str, Range | Choice], trial: Any) -> dict[str, Any]:
    """The settings that a trial of the library proposes."""
    found: dict[str, Any] = {}
    for name, options in space.items():
        if isinstance(options, Choice):
            labels = [shown(value) for value in options.values]
            found[name] = options.values[labels.index(trial.suggest_categorical(name, labels))]
        elif options.whole:
            low, high = int(options.low), int(options.high)
            found[name] = trial.suggest_int(name, low, high, log=options.log)
        else:
            found[name] = trial.suggest_float(name, options.low, options.high, log=options.log)
    return found
