"""What a page may ask for: functions by name, each with its checked parameters.

A function registers itself with `@asked("circuit.open")`. It is handed an `Ask`, reads its
parameters through it, and answers with plain values or arrays. Nothing else can be called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.errors import UsageError, nearest
from backlight.studio.work import Stopped
from backlight.words import LANGUAGES, say

if TYPE_CHECKING:
    from backlight.studio.studio import Studio

Array = np.ndarray[Any, Any]
LONGEST_TEXT = 2_000
MOST_NUMBERS = 64 * 64
MOST_OPEN = 400


@dataclass
class Ask:
    """One question of a page.

    Attributes
    ----------
    studio : Studio
        What outlives the question.
    name : str
        What is asked for.
    given : dict
        The parameters, as they came: anything at all.
    language : str
        In which to answer.
    progress : callable
        Told the share that is done, 0–1, and anything worth showing meanwhile.
    stopped : callable
        Whether nobody waits for the answer any more.
    """

    studio: Studio
    name: str
    given: dict[str, Any]
    language: str = "en"
    progress: Callable[[float, Any], None] = lambda _share, _shown: None
    stopped: Callable[[], bool] = lambda: False

    def text(self, name: str, default: str | None = None, longest: int = LONGEST_TEXT) -> str:
        """A text of limited length."""
        value = self.given.get(name, default)
        if not isinstance(value, str):
            raise self.refuse(name, value, "a text")
        if len(value) > longest:
            raise self.refuse(name, f"{len(value):,} characters", f"at most {longest:,}")
        return value

    def one_of(self, name: str, known: Any, default: str | None = None) -> str:
        """One of the known names."""
        value = self.text(name, default, 200)
        if value not in known:
            raise UsageError(
                name, got=repr(value), needs="a known name", remedy=nearest(value, known)
            )
        return value

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A finite number within bounds."""
        value = self.given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(name, value, "a number")
        if not (math.isfinite(value) and least <= value <= most):
            raise self.refuse(name, f"{value:g}", f"a number from {least:g} to {most:g}")
        return float(value)

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        value = self.number(name, least, most, default)
        if value != int(value):
            raise self.refuse(name, f"{value:g}", "a whole number")
        return int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.given.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(name, value, "true or false")
        return value

    def array(self, name: str, value: Any) -> Array:
        """Finite numbers in an array of at most 64×64."""
        try:
            if np.asarray(value).dtype.kind not in "iuf":
                raise TypeError
            found = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise self.refuse(name, "what is no array of numbers", "numbers") from None
        if found.size > MOST_NUMBERS or found.ndim > 4:
            raise self.refuse(name, f"{found.size:,} numbers", f"at most {MOST_NUMBERS:,}")
        if not np.isfinite(found).all():
            raise self.refuse(name, "a number that is not finite", "finite numbers")
        return found

    def mapping(self, name: str, most: int) -> dict[str, Any]:
        """An object with a limited number of keys."""
        value = self.given.get(name, {})
        if not isinstance(value, dict) or len(value) > most:
            raise self.refuse(name, value, f"an object of at most {most} entries")
        return value

    def opened(self) -> tuple[str, ...] | None:
        """The layers of a drawing that are open, by key; None for as many as fit."""
        keys = self.given.get("open")
        if keys is None:
            return None
        if not isinstance(keys, list) or len(keys) > MOST_OPEN:
            raise self.refuse("open", keys, f"a list of at most {MOST_OPEN} keys")
        return tuple(str(key)[:300] for key in keys)

    def say(self, meaning: str, **values: Any) -> str:
        """A sentence in the page's language."""
        return say(meaning, self.language, **values)

    def check(self) -> None:
        """Stop here if nobody waits for the answer."""
        if self.stopped():
            raise Stopped

    def refuse(self, name: str, got: Any, needs: str) -> UsageError:
        """The error of a parameter."""
        told = got if isinstance(got, str) else f"a {type(got).__name__}"
        return UsageError(
            f"{self.name}, {name},", got=told, needs=needs, remedy="Change it on the page."
        )


Function = Callable[[Ask], Any]


@dataclass(frozen=True)
class Entry:
    """A function that a page may call: whether it takes seconds, and what it is called."""

    name: str
    function: Function
    slow: bool = False


@dataclass
class Desk:
    """Every function that a page may call, by name."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def find(self, name: Any) -> Entry:
        """The function of this name.

        Raises
        ------
        UsageError
            If there is none.
        """
        entry = self.entries.get(name) if isinstance(name, str) else None
        if entry is None:
            raise UsageError(
                "the studio",
                got=f"the call {str(name)[:60]!r}",
                needs="one that it knows",
                remedy="Reload the page.",
            )
        return entry


DESK = Desk()


def asked(name: str, *, slow: bool = False) -> Callable[[Function], Function]:
    """Let pages call a function by this name; `slow` ones have a thread of their own."""

    def register(function: Function) -> Function:
        DESK.entries[name] = Entry(name, function, slow)
        return function

    return register


def language_of(code: Any) -> str:
    """The language if there is such a one, else English."""
    return code if isinstance(code, str) and code in LANGUAGES else "en"
