"""Whether gates remember how their outputs were made."""

from __future__ import annotations

import itertools
import threading
from types import TracebackType
from typing import Any


class _Mode(threading.local):
    recording = True


class _Changes:
    """When any value was last changed in place, by the clock: what is newer needs no look."""

    last = 0


mode = _Mode()
changes = _Changes()

clock = itertools.count(1)
"""Counts gate applications and in-place changes, so that it is known which came first."""


class _Recording:
    """Switches recording for a block or, as a decorator, for a function; may be nested."""

    def __init__(self, recording: bool) -> None:
        self._recording = recording
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(mode.recording)
        mode.recording = self._recording

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.recording = self._before.pop()

    def __call__(self, function: Any) -> Any:
        """`function`, run with this recording mode each time it is called."""
        import functools

        @functools.wraps(function)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            with type(self)(self._recording):
                return function(*arguments, **named)

        return wrapped


def no_grad() -> _Recording:
    """A block, or a decorator, in which gates remember nothing.

    Examples
    --------
    >>> from backlight import tensor
    >>> x = tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return _Recording(False)


def enable_grad() -> _Recording:
    """A block inside `no_grad` in which gates remember again."""
    return _Recording(True)


def is_grad_enabled() -> bool:
    """Whether gates remember how their outputs were made, in this thread."""
    return mode.recording
