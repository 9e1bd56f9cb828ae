"""What Backlight says to people, in their language: sentences by the name of their meaning.

A sentence is kept in `<language>/<part>.toml` under its meaning, with {places} for what changes:
`say("circuit.value", name="x")` is the entry `value` of `circuit.toml`. English is complete; a
sentence that another language lacks is said in English.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any

from backlight.errors import ArgumentError, nearest

LANGUAGES = {"en": "English", "ko": "한국어"}
"""Every language there is, by code, as it calls itself."""

_chosen: ContextVar[str | None] = ContextVar("language", default=None)


def language() -> str:
    """The language that is spoken: the one set, else BACKLIGHT_LANG, else the locale's, else en.

    Examples
    --------
    >>> language() in LANGUAGES
    True
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    for name in ("BACKLIGHT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        wanted = os.environ.get(name, "").replace("-", "_").partition("_")[0].lower()
        if wanted:
            return wanted if wanted in LANGUAGES else "en"
    return "en"


def set_language(code: str | None) -> None:
    """Speak this language from now on; None for the surroundings' own.

    Raises
    ------
    ArgumentError
        If there is no such language.

    Examples
    --------
    >>> set_language("ko")
    >>> say("circuit.heading.value")
    '값'
    >>> set_language(None)
    """
    _chosen.set(None if code is None else _known(code))


@contextmanager
def speaking(code: str | None) -> Iterator[None]:
    """Speak a language inside a block; None changes nothing.

    Raises
    ------
    ArgumentError
        If there is no such language.

    Examples
    --------
    >>> with speaking("ko"):
    ...     say("circuit.heading.value")
    '값'
    """
    if code is None:
        yield
        return
    token = _chosen.set(_known(code))
    try:
        yield
    finally:
        _chosen.reset(token)


def say(meaning: str, code: str | None = None, /, **values: Any) -> str:
    """The sentence of this meaning, with the values in their places.

    Parameters
    ----------
    meaning : str
        Part and entry, with dots between: "circuit.heading.value".
    code : str, optional
        Of a language. Default: the one that is spoken.
    **values
        What stands in the sentence's places.

    Raises
    ------
    ArgumentError
        If no catalogue has the meaning, or there is no such language.
    """
    return template(meaning, code).format_map(values)


def template(meaning: str, code: str | None = None, /) -> str:
    """The sentence of this meaning as it is kept, its places open."""
    spoken = _known(code) if code is not None else language()
    part, _, entry = meaning.partition(".")
    for tongue in (spoken, "en"):
        found = catalogue(tongue, part).get(entry)
        if found is not None:
            return found
    raise ArgumentError(
        "the catalogue of words",
        got=f"the meaning {meaning!r}",
        needs="one that it holds",
        remedy=nearest(entry, catalogue("en", part)).partition(" Known:")[0],
    )


@cache
def catalogue(code: str, part: str) -> Mapping[str, str]:
    """The sentences of one part in one language, by entry; empty if there is no such file."""
    kept = files("backlight.words").joinpath(code, f"{part}.toml")
    if not part.isidentifier() or not kept.is_file():
        return {}
    return dict(_flat(tomllib.loads(kept.read_text(encoding="utf-8"))))


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Entries of nested tables, under their dotted names."""
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{above}{key}.")
        else:
            found.append((above + key, str(value)))
    return found


def _known(code: str) -> str:
    if code in LANGUAGES:
        return code
    raise ArgumentError(
        "language",
        got=repr(code),
        needs=f"one of {', '.join(LANGUAGES)}",
        remedy=nearest(code, LANGUAGES),
    )
