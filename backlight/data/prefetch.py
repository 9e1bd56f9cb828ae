"""Running an iterator ahead of its consumer, in a thread that always ends.

The thread puts what it makes on a shelf of a few places and sleeps while the shelf is full. When
the consumer stops, for whatever reason, the shelf is closed and the thread ends at its next look.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Generator
from typing import Generic, TypeVar

from backlight.errors import DataError

Item = TypeVar("Item")

# Waiting in short steps lets Ctrl-C through on every platform.
_STEP = 0.2
_PATIENCE = 1.0


class Progress:
    """What the thread is at, so that the consumer can tell slow from stuck."""

    def __init__(self) -> None:
        self.count = 0
        self.example = -1

    def note(self, example: int) -> None:
        """Say that work on an example begins."""
        self.example = example
        self.count += 1


def ahead(
    source: Generator[Item, None, None],
    depth: int,
    progress: Progress,
    timeout: float | None = 30.0,
) -> Generator[Item, None, None]:
    """The items of `source`, made up to `depth` ahead in a thread.

    Parameters
    ----------
    source : generator
        Run in the thread; an exception of it is raised here, in its turn. Closed at the end.
    depth : int
        Items that may wait, 1 or more.
    progress : Progress
        What `source` notes its progress in.
    timeout : float, optional
        Seconds without an item and without progress after which it counts as stuck.

    Raises
    ------
    DataError
        Where the thread is stuck; the message names the example.

    Examples
    --------
    >>> list(ahead((n * n for n in range(4)), 2, Progress()))
    [0, 1, 4, 9]
    """
    shelf: _Shelf[Item] = _Shelf(depth)
    # Settings that belong to the caller's context, such as numpy.errstate, hold in the thread too.
    thread = threading.Thread(
        target=contextvars.copy_context().run,
        args=(_fill, source, shelf),
        name="backlight-loader",
        daemon=True,
    )
    thread.start()
    try:
        yield from shelf.items(progress, timeout)
    finally:
        shelf.close()
        thread.join(_PATIENCE)


def _fill(source: Generator[Item, None, None], shelf: _Shelf[Item]) -> None:
    try:
        for item in source:
            if not shelf.put(item):
                break
        source.close()
        shelf.finish(None)
    except BaseException as error:
        shelf.finish(error)


class _Shelf(Generic[Item]):
    def __init__(self, depth: int) -> None:
        self._changed = threading.Condition()
        self._ready: deque[Item] = deque()
        self._depth = depth
        self._closed = False
        self._finished = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Add an item as soon as there is a place; False when nobody wants it any more."""
        with self._changed:
            while len(self._ready) >= self._depth and not self._closed:
                self._changed.wait()
            if not self._closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._closed

    def finish(self, error: BaseException | None) -> None:
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()

    def items(self, progress: Progress, timeout: float | None) -> Generator[Item, None, None]:
        while True:
            with self._changed:
                self._wait(progress, timeout)
                if not self._ready:
                    error, self._error = self._error, None
                    break
                item = self._ready.popleft()
                self._changed.notify_all()
            yield item
        if error is not None:
            raise error

    def _wait(self, progress: Progress, timeout: float | None) -> None:
        seen, since = progress.count, time.monotonic()
        while not self._ready and not self._finished:
            self._changed.wait(_STEP)
            if progress.count != seen:
                seen, since = progress.count, time.monotonic()
            elif timeout is not None and time.monotonic() - since > timeout:
                raise DataError(
                    "DataLoader, thread backlight-loader",
                    got=f"no answer from example {progress.example} in {timeout:g} s",
                    needs="examples that can be read in that time",
                    remedy="Look at this example by itself, or pass a longer timeout, or None",
                )
