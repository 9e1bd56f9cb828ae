"""Hooks: functions called before or after a module's forward, until they are removed."""

from __future__ import annotations

import itertools
from typing import Any, Self

from backlight.engine.tracing import changed

_numbers = itertools.count()


class Hook:
    """A registered hook; `remove()` takes it away, and so does the end of a `with` block."""

    def __init__(self, book: dict[int, Any], function: Any) -> None:
        self._book = book
        self._number = next(_numbers)
        book[self._number] = function
        changed()

    def remove(self) -> None:
        """Call the hook no more."""
        self._book.pop(self._number, None)
        changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
