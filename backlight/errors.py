"""Errors that say who, what came, what was needed, where it came from and what to do.

Every error of the project is made from the same four answers, so that no message can leave one
out. The command line prints them as a paragraph; a notebook shows the same text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class BacklightError(Exception):
    """Base of every error that Backlight raises on purpose.

    Parameters
    ----------
    subject : str
        Who complains: the gate, the layer by its path in the model, the option, the file.
    got : str
        What it was given, with shapes, values and positions.
    needs : str
        What it would have accepted.
    remedy : str
        What to do about it, as an instruction.
    source : str, optional
        Where the value came from.

    Examples
    --------
    >>> print(ShapeError("add", got="shapes (2,) and (3,)", needs="shapes that broadcast",
    ...                  remedy="Reshape one of them."))
    add got shapes (2,) and (3,).
      It needs shapes that broadcast.
      Reshape one of them.
    """

    def __init__(
        self, subject: str, *, got: str, needs: str, remedy: str, source: str = ""
    ) -> None:
        self.subject = subject
        self.got = got
        self.needs = needs
        self.remedy = remedy
        self.source = source
        super().__init__(subject, got, needs, remedy, source)

    def __str__(self) -> str:
        """The message: subject and what it got, what it needs, where from, what to do."""
        lines = [_sentence(f"{self.subject} got {self.got}")]
        lines.append(
            " ".join(filter(None, [_sentence(f"It needs {self.needs}"), _sentence(self.source)]))
        )
        lines.append(_sentence(self.remedy))
        return "\n  ".join(line for line in lines if line)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the four answers, so that errors cross process borders whole."""
        return _rebuild, (type(self), self.subject, self.got, self.needs, self.remedy, self.source)

    def within(self, subject: str, source: str = "") -> BacklightError:
        """The same error told by an outer layer: `subject` replaces the gate's bare name."""
        return type(self)(
            subject,
            got=self.got,
            needs=self.needs,
            remedy=self.remedy,
            source=self.source or source,
        )


class ShapeError(BacklightError, ValueError):
    """Shapes that do not fit a gate or layer."""


class DTypeError(BacklightError, TypeError):
    """A value whose type of element is not one that a gate or layer computes with."""


class RangeError(BacklightError, IndexError):
    """An index or a label outside its range."""


class ArgumentError(BacklightError, ValueError):
    """An argument of a layer, optimiser or function that is not allowed."""


class UsageError(BacklightError, ValueError):
    """A command-line option or setting that is unknown or not allowed."""


class DataError(BacklightError, ValueError):
    """Data that is missing, damaged, foreign or not usable for training."""


class CheckpointError(BacklightError, ValueError):
    """A checkpoint or run folder that is missing, damaged, foreign or of another model."""


class GraphError(BacklightError, RuntimeError):
    """A backward pass that cannot be made: not a scalar, freed, or a value changed in place."""


class TraceError(GraphError):
    """A function that cannot be compiled as it is written; the message names the line."""


class CompileCheckError(GraphError):
    """Compiled code that does not compute what the gates say; the message names the first gate."""


class NonFiniteError(BacklightError, ArithmeticError):
    """A loss, gradient or update that is NaN or infinite."""


class ExpressionError(BacklightError, ValueError):
    """A formula that cannot be read; the message puts a caret under the place."""


class GateError(BacklightError, TypeError):
    """A gate whose declaration is not complete or contradicts itself."""


class MissingExtraError(BacklightError, ImportError):
    """An optional library that is not installed; the message holds the command that installs it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the closest of `known` and lists them all.

    Examples
    --------
    >>> nearest("adamm", ["sgd", "adam"])
    "Did you mean 'adam'? Known: sgd, adam."
    """
    options = [str(option) for option in known]
    close = difflib.get_close_matches(str(name), options, n=1, cutoff=0.5)
    suggestion = f"Did you mean {close[0]!r}? " if close else ""
    return f"{suggestion}Known: {', '.join(options)}."


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".?!:" else text + "."


def _rebuild(
    kind: type[BacklightError], subject: str, got: str, needs: str, remedy: str, source: str
) -> BacklightError:
    return kind(subject, got=got, needs=needs, remedy=remedy, source=source)
