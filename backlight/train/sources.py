"""Where settings come from: flags over environment over a TOML file over the defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from backlight.errors import UsageError
from backlight.train.settings import Settings

LARGEST = 64 * 1024
"""Bytes of a settings file: larger ones are not settings."""
MOST_DOTS = 20
MOST_BRACKETS = 200
_SHOWN = 200
PREFIX = "BACKLIGHT_"


def gather(
    flags: Mapping[str, Any],
    config: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    base: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of a run: flags win over environment, file, and `base` (a resumed run's).

    Examples
    --------
    >>> gather({"lr": "0.01"}, environment={"BACKLIGHT_LR": "5", "BACKLIGHT_SEED": "3"}).seed
    3
    """
    merged: dict[str, Any] = dict(base or {})
    if config is not None:
        merged.update(read_settings(Path(config)))
    surroundings = os.environ if environment is None else environment
    for name in Settings.__dataclass_fields__:
        variable = PREFIX + name.upper()
        if variable in surroundings:
            merged.update(Settings.from_mapping({name: surroundings[variable]}, variable))
    merged.update(
        Settings.from_mapping({name: value for name, value in flags.items() if value is not None})
    )
    return Settings(**merged)


def read_settings(path: Path) -> dict[str, Any]:
    """The checked settings of a TOML file; what is wrong is told with its line.

    Raises
    ------
    UsageError
        If the file cannot be read, or a key is unknown or its value not allowed.
    """
    content = _content(path)
    table = _parsed(content, path)
    for key, value in table.items():
        Settings.from_mapping({key: value}, _place(content, path, key))
    return Settings.from_mapping(table, str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """A flat TOML table, read with limits so that a hostile file cannot eat the memory.

    Python's parser needs memory that grows with the square of a dotted key's length, and recurses
    on nesting; both are refused before it sees them.

    Raises
    ------
    UsageError
        If the file is missing, too large, not UTF-8, or not TOML.
    """
    return _parsed(_content(path), path)


def write_toml(values: Mapping[str, Any]) -> str:
    """Settings as the text of a TOML file."""
    return tomli_w.dumps(dict(values))


def _content(path: Path) -> str:
    try:
        if not path.is_file():
            raise _wrong(
                path,
                "no such file" if not path.exists() else "a path that is not a file",
                "Give the path of a TOML file.",
            )
        with path.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except UsageError:
        raise
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise _wrong(
            str(path)[:_SHOWN], f"an unreadable path ({reason})", "Give the path of a TOML file."
        ) from None
    if len(raw) > LARGEST:
        raise _wrong(path, f"more than {LARGEST} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise _wrong(
            f"{path}:{line}",
            f"a byte that is not UTF-8, 0x{raw[problem.start]:02x}",
            "Save it as UTF-8.",
        ) from None


def _parsed(content: str, path: Path) -> dict[str, Any]:
    # TOML ends a line at \n alone; splitlines() would also break at what a quoted key may hold.
    for place, line in enumerate(content.split("\n"), start=1):
        if line.count(".") > MOST_DOTS or line.count("[") + line.count("{") > MOST_DOTS:
            raise _wrong(f"{path}:{place}", "too many dots or brackets")
    if content.count("[") + content.count("{") > MOST_BRACKETS:
        raise _wrong(path, "too many brackets")
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as problem:
        place_told = re.search(r"at line (\d+)", str(problem))
        raise _wrong(
            f"{path}:{place_told[1]}" if place_told else path, f"text that is not TOML ({problem})"
        ) from None
    except (RecursionError, ValueError) as problem:
        raise _wrong(path, f"text that is not TOML ({problem})") from None


def _place(content: str, path: Path, key: str) -> str:
    """The file and the line on which a key of the table is given, as `file:line`."""
    begins = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    for number, line in enumerate(content.split("\n"), start=1):
        if begins.match(line):
            return f"{path}:{number}"
    return str(path)


def _wrong(place: str | Path, got: str, remedy: str = "Mend the file.") -> UsageError:
    return UsageError(
        f"config {place}", got=got, needs="a TOML file of `name = value` lines", remedy=remedy
    )
