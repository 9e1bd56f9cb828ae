"""Worker processes that make a loader's batches, and that always end.

Batch p is made by worker p mod n, so that the order needs no sorting. A worker gets its next task
when a batch of its was taken, so no more than a few wait. Workers are new processes, never forks: a
fork of a process with native threads may hang. Each ends when its pipe closes, which the system
does even for a parent that was killed.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import pickle
import secrets
import signal
import time
import weakref
from collections.abc import Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from backlight.data.assembly import Assembly, Made
from backlight.data.shared import Inbox, Outbox
from backlight.errors import BacklightError, DataError

Array = np.ndarray[Any, Any]
Task = tuple[int, Array]

_STEP = 0.5
"""Seconds of one wait: Ctrl-C gets through in between on every platform."""
_LONGEST_START = 300.0
"""Seconds in which a worker must have started; on a busy machine with a large script it may be
slow."""
_PATIENCE = 2.0
_COUNT, _EXAMPLE, _STOP = range(3)
"""What the shared numbers of a worker say: examples begun, the one it is at, whether to end."""

_GUARD = (
    'Put what the script does under `if __name__ == "__main__":`, since every worker imports the '
    "script anew; or use num_workers=0"
)


class Crew:
    """Processes that make batches.

    Parameters
    ----------
    assembly : Assembly
        Sent to each of them.
    count : int
        How many, 1 or more.
    ahead : int
        Batches that each makes ahead, 1 or more.
    timeout : float, optional
        Seconds without progress after which a worker counts as stuck.

    Raises
    ------
    DataError
        If the examples or the transform cannot be sent to another process.
    """

    def __init__(self, assembly: Assembly, count: int, ahead: int, timeout: float | None) -> None:
        self._ahead, self._timeout = ahead, timeout
        self._workers: list[_Worker] = []
        _CREWS.add(self)
        token = secrets.token_hex(4)
        try:
            for number in range(count):
                self._workers.append(_Worker(assembly, number, f"bl{token}-{number}", ahead))
        except BaseException:
            self.close()
            raise

    def batches(self, tasks: Iterable[Task], epoch: int) -> Generator[tuple[int, Made], None, None]:
        """The batches of these (place, examples), in order.

        Raises
        ------
        BacklightError
            What a worker raised, when its batch's turn has come.
        DataError
            A worker that ended or does not answer, with the example it was at.
        """
        count, todo, handed = len(self._workers), iter(tasks), 0
        places: list[int] = []
        for _ in range(self._ahead * count):
            handed += self._hand_out(todo, handed % count, epoch, places)
        for turn, place in enumerate(places):  # grows as tasks are handed out
            worker = self._workers[turn % count]
            made = worker.receive(self._timeout)
            self._hand_out(todo, turn % count, epoch, places)
            yield place, made

    def _hand_out(self, todo: Iterator[Task], number: int, epoch: int, places: list[int]) -> int:
        for place, indices in todo:
            self._workers[number].send((indices, epoch, place))
            places.append(place)
            return 1
        return 0

    def close(self) -> None:
        """End all processes: asked first, killed if they do not."""
        for worker in self._workers:
            worker.ask_to_end()
        end = time.monotonic() + _PATIENCE
        for worker in self._workers:
            worker.close(end)
        self._workers.clear()

    def __del__(self) -> None:
        self.close()


_CREWS: weakref.WeakSet[Crew] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """End the workers in good order before Python's own clearing up kills them."""
    for crew in list(_CREWS):
        crew.close()


class _Worker:
    """One process, as its parent sees it."""

    def __init__(self, assembly: Assembly, number: int, prefix: str, ahead: int) -> None:
        if multiprocessing.current_process().daemon:
            raise DataError(
                "DataLoader",
                got="workers wanted in a daemon process, which may have no processes of its own",
                needs="a process that may",
                remedy="Use num_workers=0 here",
            )
        context = multiprocessing.get_context("spawn")
        self.number, self._ahead = number, ahead
        self._inbox = Inbox(prefix)
        self._numbers = context.RawArray("q", [0, -1, 0])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_work,
            args=(theirs, self._numbers, assembly, prefix, ahead),
            name=f"backlight-worker-{number}",
            daemon=True,
        )
        try:
            self._process.start()
        except RuntimeError as error:  # this process is itself still starting, as a worker
            raise DataError(
                "DataLoader",
                got="a script that starts workers while a worker reads it",
                needs="a script that only defines things when it is imported",
                remedy=_GUARD,
            ) from error
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise DataError(
                "DataLoader",
                got=f"examples or a transform that cannot be sent to a worker ({error})",
                needs="what `pickle` takes: classes and functions of a module, no lambda",
                remedy="Define them at the top level of a module, or use num_workers=0",
            ) from error
        except BrokenPipeError as error:
            raise DataError(
                f"DataLoader, worker {number}",
                got="the end of that process while it was sent the examples; its own words are "
                "on standard error",
                needs="a worker that starts",
                remedy=_GUARD,
            ) from error
        finally:
            theirs.close()

    def send(self, task: Any) -> None:
        with contextlib.suppress(OSError):  # a worker that ended is told when its turn comes
            self._connection.send(task)

    def receive(self, timeout: float | None) -> Made:
        """The next batch."""
        self._wait(timeout)
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, BacklightError):
            raise answer
        outline, bad = answer
        inputs, labels = self._inbox.take(outline)
        return Made(inputs, labels, bad)

    def _wait(self, timeout: float | None) -> None:
        seen, since = -1, time.monotonic()
        while not wait([self._connection, self._process.sentinel], _STEP):
            if self._numbers[_COUNT] != seen:
                seen, since = self._numbers[_COUNT], time.monotonic()
            limit = timeout if seen else _LONGEST_START
            if limit is not None and time.monotonic() - since > limit:
                raise DataError(
                    f"DataLoader, worker {self.number} (process {self._process.pid})",
                    got=f"no answer from example {self._numbers[_EXAMPLE]} in {limit:g} s",
                    needs="examples that can be read in that time",
                    remedy="Look at this example by itself, or pass a longer timeout, or None",
                )

    def _ended(self) -> DataError:
        """What to say of a process that is not there any more."""
        self._process.join(_PATIENCE)
        code, example = self._process.exitcode, self._numbers[_EXAMPLE]
        began = self._numbers[_COUNT] > 0
        doing = (
            f"at example {example}"
            if example >= 0
            else "before its first example; its own words are on standard error"
        )
        if code is not None and code < 0:
            try:
                cause = f"killed by signal {-code}, {signal.Signals(-code).name}"
            except ValueError:
                cause = f"killed by signal {-code}"
        else:
            cause = f"exit code {code}"
        remedy = (
            "If memory ran out, use fewer workers or smaller batches; else look at this example "
            "with num_workers=0"
        )
        return DataError(
            f"DataLoader, worker {self.number} (process {self._process.pid})",
            got=f"the end of that process, {cause}, {doing}",
            needs="a worker that lives until it is no longer needed",
            remedy=remedy if began else _GUARD,
        )

    def ask_to_end(self) -> None:
        self._numbers[_STOP] = 1
        self._connection.close()

    def close(self, end: float) -> None:
        if self._process.pid is not None:
            self._process.join(max(0.0, end - time.monotonic()))
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()
            self._process.close()
        self._inbox.close(unread=self._ahead)


class _Stopped(BaseException):
    """The parent wants no more batches."""


def _work(
    connection: Connection, numbers: Any, assembly: Assembly, prefix: str, ahead: int
) -> None:
    """What a worker does: one task after the other, until its pipe closes."""
    # Ctrl-C reaches all processes of a terminal; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outbox = Outbox(prefix, ahead)
    parent = os.getppid()

    def note(example: int) -> None:
        numbers[_EXAMPLE] = example
        numbers[_COUNT] += 1
        if numbers[_STOP] or os.getppid() != parent:
            raise _Stopped

    numbers[_COUNT] = 1
    try:
        while True:
            indices, epoch, place = connection.recv()
            connection.send(_answer(assembly, outbox, indices, epoch, place, note))
    except (EOFError, OSError, _Stopped):
        return
    finally:
        outbox.close()


def _answer(
    assembly: Assembly, outbox: Outbox, indices: Array, epoch: int, place: int, note: Any
) -> Any:
    try:
        made = assembly.make(indices, epoch, place, note)
        return outbox.put([made.inputs, made.labels]), made.bad
    except BacklightError as error:
        return error
    except MemoryError:
        return DataError(
            f"DataLoader, batch {place} of epoch {epoch}",
            got="no memory for it in a worker",
            needs=f"memory for {len(indices)} examples in each worker",
            remedy="Use fewer workers or smaller batches",
        )
