"""Threads in which the studio computes, so that it answers everybody meanwhile.

One thread for what takes milliseconds (a drag), one for what takes seconds (a landscape), whose
queue is short: a page that asks for more is told how many wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from backlight.errors import UsageError

MOST_WAITING = 2
_QUICK_WAITING = 64
Task = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Stopped(BaseException):
    """Raised inside a task whose answer nobody waits for any more."""


class Worker:
    """One thread that takes tasks in their order.

    Parameters
    ----------
    name : str
        Of the thread.
    waiting : int
        How many tasks may wait.
    """

    def __init__(self, name: str, waiting: int) -> None:
        self._waiting = waiting
        self._tasks: deque[Task] = deque()
        self._busy = self._ended = False
        self._changed = threading.Condition()
        # A daemon, for it must not keep the program alive after Ctrl-C.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def do(self, task: Callable[[], Any]) -> Any:
        """What the task answers with, computed in the thread.

        A task that is cancelled while it waits gives its place to others.

        Raises
        ------
        UsageError
            If too many are waiting; the message says how many.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._changed:
            others = self._busy + len(self._tasks) - 1
            if others >= self._waiting:
                raise UsageError(
                    "the studio",
                    got=f"a task while {others} others are waiting",
                    needs=f"at most {self._waiting}",
                    remedy="Wait for one of them, or cancel it.",
                )
            self._tasks.append((task, answer))
            self._changed.notify()
        try:
            return await answer
        finally:
            with self._changed, contextlib.suppress(ValueError):
                self._tasks.remove((task, answer))

    def close(self) -> None:
        """Take no more tasks."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._tasks or self._ended)
                if self._ended:
                    return
                task, answer = self._tasks.popleft()
                self._busy = True
            loop = answer.get_loop()
            try:
                found = task()
            except (Exception, Stopped) as problem:
                _tell(loop, answer, None, problem)
            else:
                _tell(loop, answer, found, None)
            del task, answer  # not kept until the next one comes


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[Any],
    found: Any,
    problem: BaseException | None,
) -> None:
    def settle() -> None:
        if answer.done():
            return
        if isinstance(problem, Stopped):
            answer.cancel()
        elif problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(found)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the server has ended meanwhile
        return


def quick() -> Worker:
    """The thread for drags."""
    return Worker("studio-quick", _QUICK_WAITING)


def slow() -> Worker:
    """The thread for pictures that take seconds."""
    return Worker("studio-slow", MOST_WAITING)
