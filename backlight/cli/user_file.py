"""path/to/file.py:name on the command line: a function, model or gate of the user's own.

What goes wrong inside the file is the user's to mend, and is told as such: the file, the line and
the exception in one paragraph.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlight.errors import BacklightError, UsageError, nearest

if TYPE_CHECKING:
    from backlight.check.report import Report

_LONGEST = 300


@dataclass(frozen=True)
class _Named:
    """A function whose given inputs keep their names in the table."""

    text: str
    names: tuple[str, ...]
    function: Callable[..., Any]

    def __call__(self, *inputs: Any) -> Any:
        return self.function(**dict(zip(self.names, inputs, strict=True)))


def is_file(target: str) -> bool:
    """Whether the target names something in a Python file."""
    return target.rpartition(":")[0].endswith(".py")


def is_gate(found: Any) -> bool:
    """Whether it is a gate."""
    from backlight.gates.gate import Gate

    return isinstance(found, Gate)


def checked(
    target: str, found: Any, settings: Sequence[str], check: Callable[[Any, Any, Any], Report]
) -> Report:
    """What `check` says of what a file has: with the inputs given, or its own case.

    Parameters
    ----------
    check : callable
        Of a function, its inputs and a loss or None.
    """
    from backlight.expression import read_values

    values = read_values(settings)
    if isinstance(found, type):
        raise UsageError(
            target,
            got=f"the class {found.__name__}",
            needs="one of its instances",
            remedy=f"Write for example it = {found.__name__}() in the file, and check that.",
        )
    if values:
        function, inputs, loss = *_with_values(target, found, values), None
    else:
        function, inputs, loss = _case(target, found)
    with mistakes(target):
        return check(function, inputs, loss)


def imported(target: str) -> Any:
    """What the file has under the name behind the colon."""
    path, _, name = target.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise UsageError(
            target,
            got="no such file",
            needs="path/to/file.py:name",
            remedy=f"Check the path; it is looked for in {Path.cwd()}.",
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise UsageError(
            target,
            got="a file that is not Python",
            needs="a .py file",
            remedy="Give the path of a Python file.",
        )
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent.resolve()))
    try:
        with mistakes(target):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent.resolve()))
    if not hasattr(module, name):
        known = [one for one in vars(module) if not one.startswith("_")]
        raise UsageError(
            target,
            got=f"no {name!r} in {file.name}",
            needs="a name in it",
            remedy=nearest(name, known),
        )
    return getattr(module, name)


@contextmanager
def mistakes(target: str) -> Iterator[None]:
    """Tell an exception inside the block as a mistake of the file's."""
    try:
        yield
    except (BacklightError, MemoryError):
        raise
    except (Exception, SystemExit) as problem:
        file = Path(target.rpartition(":")[0]).resolve()
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(problem.__traceback__)
            if Path(frame.filename).resolve() == file
        ]
        place = f" in line {lines[-1]}" if lines else ""
        told = " ".join(str(problem).split())[:_LONGEST]
        raise UsageError(
            target,
            got=f"{type(problem).__name__}{place}: {told}".rstrip(": "),
            needs="code that runs",
            remedy=f"Mend {file.name}; --debug shows the whole traceback.",
        ) from problem


def _with_values(
    target: str, found: Any, values: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What is to be called, and its inputs in order, from inputs given by name."""
    if not callable(found):
        raise UsageError(
            target,
            got=type(found).__name__,
            needs="a function, model or gate",
            remedy="Name one of the file's.",
        )
    module = hasattr(found, "named_parameters")
    if is_gate(found):
        names = list(values) if found.variadic else list(found.inputs)
        required = names
    else:
        names, required = _parameters(found.forward if module else found)
    if module and len(values) == len(required) == 1:  # one input needs no name
        return found, tuple(values.values())
    for name in values:
        if name not in names:
            raise UsageError(
                target,
                got=f"a value for {name}",
                needs="names of its arguments",
                remedy=nearest(name, names),
            )
    missing = [name for name in required if name not in values]
    if missing:
        raise UsageError(
            target,
            got=f"no value for {', '.join(missing)}",
            needs=f"values for {', '.join(required)}",
            remedy=f"Write for example {missing[0]}=3 behind it.",
        )
    given = tuple(name for name in names if name in values)
    inputs = tuple(values[name] for name in given)
    return (found if module or is_gate(found) else _Named(target, given, found)), inputs


def _case(target: str, found: Any) -> tuple[Callable[..., Any], Any, Any]:
    """The function or model, inputs and loss that a function answers with, or that lie there."""
    case = found
    if callable(found) and not hasattr(found, "named_parameters"):
        _, required = _parameters(found)
        if required:
            raise UsageError(
                target,
                got="no inputs",
                needs=f"values for {', '.join(required)}",
                remedy=f"Write {' '.join(f'{name}=…' for name in required)} behind it.",
            )
        with mistakes(target):
            case = found()
    if not isinstance(case, tuple) or len(case) not in (2, 3) or not callable(case[0]):
        raise UsageError(
            target,
            got=f"{type(case).__name__}, and no inputs",
            needs="(function, inputs) or (model, inputs, loss), or inputs given as name=value",
            remedy="Return such a tuple from the function, or write x=… behind it.",
        )
    return case[0], case[1], case[2] if len(case) == 3 else None


def _parameters(function: Any) -> tuple[list[str], list[str]]:
    """The names of its parameters, and those that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [], []
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in named], [p.name for p in named if p.default is p.empty]
