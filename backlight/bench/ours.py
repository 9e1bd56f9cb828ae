"""Backlight as a contender: the same function compiled, or eager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import backlight
from backlight.bench.peer import COMPILED, EAGER
from backlight.bench.workload import Prepare, Ready
from backlight.errors import ArgumentError, MissingExtraError


def has_compiler() -> bool:
    """Whether this Backlight can compile here."""
    return hasattr(backlight, "compile") and find_spec("llvmlite") is not None


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`backlight.compile(function)`."""
    if not has_compiler():
        raise MissingExtraError(
            COMPILED,
            got="no compiler",
            needs="llvmlite, which makes the machine code",
            remedy="Run `pip install llvmlite`, or add --eager.",
        )
    program: Callable[..., Any] = backlight.compile(function, **options)
    return program


def eager(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """The function itself; what only a compiler can do is refused."""
    if options:
        raise ArgumentError(
            EAGER,
            got=", ".join(f"{name}={value!r}" for name, value in options.items()),
            needs="the compiler for that",
            remedy="Leave --eager out for this workload.",
        )
    return function


def repeated(function: Callable[..., Any], times: int) -> Callable[..., Any]:
    """So many steps in one call: inside the program where it can, else in a loop."""
    if hasattr(function, "repeat"):
        inside: Callable[..., Any] = function.repeat(times)
        return inside

    def loop(*arguments: Any) -> Any:
        for _ in range(times - 1):
            function(*arguments)
        return function(*arguments)

    return loop


def both_ways(prepare: Callable[..., Ready]) -> Mapping[str, Prepare]:
    """Backlight's two contenders, from the one function that prepares them."""
    return {COMPILED: partial(prepare, run=compiled), EAGER: partial(prepare, run=eager)}
