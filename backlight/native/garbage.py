"""Python's search for circles of garbage, which rests while a program is made.

Graphs of a hundred thousand nodes stay alive until the program is there. Each search looks at all
of them and finds nothing: a third of the time that a long recurrence took to compile.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Resting:
    """How many are within, and whether the search was on before the first."""

    lock = threading.Lock()
    within = 0
    before = False


@contextmanager
def uncollected() -> Iterator[None]:
    """Within this block no garbage is searched for; what is counted is freed at once as ever.

    Examples
    --------
    >>> import gc
    >>> with uncollected():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    with _Resting.lock:
        if _Resting.within == 0:
            _Resting.before = gc.isenabled()
            gc.disable()
        _Resting.within += 1
    try:
        yield
    finally:
        with _Resting.lock:
            _Resting.within -= 1
            if _Resting.within == 0 and _Resting.before:
                gc.enable()
