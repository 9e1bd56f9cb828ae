"""What was mistyped on a command line, told as every other error is told."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from cyclopts import CycloptsError
from cyclopts.exceptions import (
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from backlight.errors import UsageError, nearest

_ALIKE = 0.65
"""How alike two names must be (0–1) before one is suggested for the other."""
_SHOWN = 80


def explained(problem: CycloptsError, commands: Iterable[str]) -> UsageError:
    """The error of this project that says what cyclopts found."""
    command = " ".join(problem.command_chain or ())
    program = f"backlight {command}".strip()
    listed = f"`{program} --help` lists them"
    if isinstance(problem, UnknownCommandError):
        given = (problem.unused_tokens or [""])[0]
        return UsageError(
            "backlight",
            got=f"the unknown command {cut(given)}",
            needs=f"one of its commands: {', '.join(commands)}",
            remedy=f"{_suggested(given, [*commands, '--help', '--version'])}"
            "`backlight --help` says what each does",
        )
    if isinstance(problem, UnknownOptionError):
        given = problem.token.keyword or problem.token.value
        known = [name for one in problem.argument_collection for name in one.names]
        return UsageError(
            program,
            got=f"the unknown option {cut(given)}",
            needs="one of its options",
            remedy=_suggested(given, known) + listed,
        )
    if isinstance(problem, RepeatArgumentError):
        return UsageError(
            program,
            got=f"the option {cut(problem.token.keyword or '')} twice",
            needs="each option once (--lr and --learning-rate are one)"
            if problem.token.keyword in ("--lr", "--learning-rate")
            else "each option once",
            remedy="Leave one of them out",
        )
    if isinstance(problem, UnusedCliTokensError):
        spare = problem.unused_tokens or []
        more = f" and {len(spare) - 1:,} more words" if len(spare) > 1 else ""
        return UsageError(
            program,
            got=f"{cut((spare or [''])[0])}{more}, which belongs to no option",
            needs="options such as --name value",
            remedy=f"Put the option's name before it; {listed}",
        )
    if isinstance(problem, MissingArgumentError) and problem.argument is not None:
        name = problem.keyword or problem.argument.name
        return UsageError(
            program,
            got=f"nothing for {name}",
            needs=f"a value for {name}",
            remedy=f"Write {name} and the value after it"
            if name.startswith("-")
            else f"Write {program} {name}",
        )
    return UsageError(
        program,
        got="a command line that cannot be read",
        needs=cut(str(problem)),
        remedy=f"See `{program} --help`",
    )


def cut(text: str) -> str:
    """A text in quotes, cut where it is very long."""
    told = repr(text[:_SHOWN])
    return told if len(text) <= _SHOWN else f"{told}… ({len(text):,} characters)"


def _suggested(given: str, known: Iterable[str]) -> str:
    """“Did you mean …? ”, if a known name is like what was given."""
    names = {name.lstrip("-"): name for name in known if name.startswith("--") or "-" not in name}
    bare = given[:_SHOWN].lstrip("-").replace("_", "-")
    close = difflib.get_close_matches(bare, names, n=1, cutoff=_ALIKE)
    if not close:
        close = [name for name in names if len(bare) > 1 and name.startswith(bare)][:1]
    return f"Did you mean {names[close[0]]}? " if close else ""


def refuse_options(command: Callable[..., Any], what: Iterable[str]) -> None:
    """Refuse unknown options among formulas, which may begin with a minus themselves.

    Raises
    ------
    UsageError
        If a part of `what` looks like an option, which `command` does not have.
    """
    parameters = inspect.signature(command).parameters.values()
    for token in what:
        if token.startswith("--") and token[2:3].isalpha():
            option = token.partition("=")[0]
            known = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
            raise UsageError(
                f"backlight {command.__name__}",
                got=f"the unknown option {cut(option)}",
                needs="an option it has",
                remedy=nearest(option, ["--" + name.replace("_", "-") for name in known]),
            )
