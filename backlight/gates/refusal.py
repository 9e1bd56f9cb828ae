"""Why a gate could not be applied: its own words, its shape rule's, or NumPy's in ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from backlight.errors import BacklightError, DTypeError, ShapeError

if TYPE_CHECKING:
    from backlight.gates.gate import Gate

MISTAKES = (
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    KeyError,
    ArithmeticError,
    MemoryError,
)
"""What a formula raises when it is given what it cannot take; ours are among them."""


def computed(np: Any) -> bool:
    """Whether arrays of this namespace have values to look at; a compiler's have none yet."""
    return np is numpy


def explained(
    gate: Gate, values: Any, attributes: dict[str, Any], problem: Exception, source: str = ""
) -> BacklightError:
    """The error to show for `problem`, which `gate` raised on `values`.

    Parameters
    ----------
    source : str
        A sentence on where the inputs came from, if it is known.
    """
    if isinstance(problem, BacklightError):
        return _told(gate, problem, source)
    try:
        gate.shape(
            *(None if value is None else numpy.shape(value) for value in values), **attributes
        )
    except BacklightError as refusal:
        return _told(gate, refusal, source)
    except MISTAKES:
        pass  # the shape rule stumbles over the same thing: tell it in NumPy's words
    got = ", ".join(
        "nothing" if value is None else f"{_shape(value)} {kind_of(value)}" for value in values
    )
    settings = ", ".join(f"{name}={value!r}" for name, value in attributes.items())
    error = ShapeError if isinstance(problem, (ValueError, IndexError)) else DTypeError
    return error(
        f"gate {gate.name}",
        got=f"{got or 'no inputs'} and {settings or 'no settings'}; {problem}",
        needs=f"inputs of {gate.formula}",
        source=source,
        remedy="Check the shapes and types of what is passed in.",
    )


def kind_of(value: Any) -> str:
    """The element type of an array, or the type of a Python number."""
    return str(value.dtype) if hasattr(value, "dtype") else type(value).__name__


def _shape(value: Any) -> str:
    try:
        return str(numpy.shape(value))
    except ValueError:  # rows of different lengths
        return "ragged"


def _told(gate: Gate, error: BacklightError, source: str) -> BacklightError:
    """The refusal with where its inputs came from, under this gate's name and not a part's."""
    # A gate that serves another (the winners of a pooling) speaks in that one's name.
    if getattr(gate, "subject", gate.name) not in str(error):
        return error.within(f"gate {gate.name}", source)
    return error if error.source or not source else error.within(error.subject, source)
