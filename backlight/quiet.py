"""IEEE arithmetic without NumPy's warnings: 1/0 is infinite, and `why` says where it began.

`numpy.errstate` costs 0.7 µs each time, more than the product of two scalars. What it does is set
a context variable; setting the variable itself costs a sixth. The variable is found by looking at
what `errstate` changes; where it is not found (another NumPy), `errstate` itself is used.
"""

from __future__ import annotations

import contextvars
from typing import Any

import numpy as np


def _find() -> tuple[contextvars.ContextVar[Any], Any] | None:
    before = dict(contextvars.copy_context().items())
    with np.errstate(all="ignore"):
        inside = dict(contextvars.copy_context().items())
    changed = [
        (variable, value)
        for variable, value in inside.items()
        if variable not in before or before[variable] is not value
    ]
    return changed[0] if len(changed) == 1 else None


_found = _find()


def silence() -> Any:
    """Stop NumPy's floating-point warnings; hand the result to `restore`."""
    if _found is not None:
        return _found[0].set(_found[1])
    return np.seterr(all="ignore")


def restore(token: Any) -> None:
    """Warn again as before."""
    if _found is not None:
        _found[0].reset(token)
    else:
        np.seterr(**token)
