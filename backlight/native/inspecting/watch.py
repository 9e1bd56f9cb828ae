"""Watch: when a program is inspected: before its first call, and then now and then.

The time between two inspections is such that they take less than a hundredth of the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, CompileCheckError
from backlight.native.bound import Bound
from backlight.native.inspecting.inspection import BUDGET, Inspection, inspect
from backlight.native.inspecting.trial import Run, written

Array = np.ndarray[Any, Any]

SHARE = 0.005
"""Of the time, at most, that inspections after the first may take, by this estimate."""

Listener = Callable[[Inspection], None]


class Watch:
    """Inspects one program.

    Parameters
    ----------
    bound : Bound
    every : int, optional
        Calls between inspections; 0 for none after the first; None to let their cost decide.
    budget : float
        Seconds for the first inspection.
    listen : callable, optional
        Told of each inspection.

    Attributes
    ----------
    last : Inspection or None
    count : int
        Inspections so far.
    seconds : float
        What they took.
    """

    def __init__(
        self,
        bound: Bound,
        every: int | None = None,
        budget: float = BUDGET,
        listen: Listener | None = None,
    ) -> None:
        self._bound = bound
        self._every = every
        self._budget = budget
        self._listen = listen
        self._left: float = 0
        self._step = math.inf
        self.last: Inspection | None = None
        self.count = 0
        self.seconds = 0.0

    def due(self) -> bool:
        """Count a call; whether it is one before which to inspect."""
        self._left -= 1
        return self._left < 0

    def early(self) -> bool:
        """Whether the next call is not one; it is counted then."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def run(self, leaves: Sequence[Any], times: int) -> Any:
        """Inspect, then run; nothing is changed where something is wrong.

        Raises
        ------
        CompileCheckError
            If the program does not compute what its gates say.
        """
        bound, first = self._bound, self.count == 0
        found = inspect(bound, leaves, budget=self._budget, thorough=first)
        self.last = found
        self.count += 1
        self.seconds += found.seconds
        if self._listen is not None:
            self._listen(found)
        if not found.ok:
            raise found.error()
        tried, found.tried = found.tried, None
        began = time.perf_counter()
        result = bound.run(leaves, times)
        self._step = min(self._step, (time.perf_counter() - began) / times)
        if times == 1 and tried is not None and not tried.code:
            _same_bits(bound, leaves, tried)
        self._left = self._pause(found.seconds) / (times if self._every is None else 1)
        return result

    def _pause(self, seconds: float) -> float:
        """Calls until the next inspection."""
        if self._every is not None:
            return self._every - 1 if self._every else math.inf
        if self.last is not None and any("takes too long" in one for one in self.last.unchecked):
            return math.inf
        return math.ceil(seconds / (SHARE * max(self._step, 1e-7)))


def checked_every(every: Any) -> int | None:
    """A number of calls, or None.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if every is None or (isinstance(every, int) and not isinstance(every, bool) and every >= 0):
        return every
    raise ArgumentError(
        "compile",
        got=f"check_every={every!r}",
        needs="a whole number of calls ≥ 0, or None",
        remedy="0 inspects once, before the first call; None chooses by the cost.",
    )


def _same_bits(bound: Bound, leaves: Sequence[Any], tried: Run) -> None:
    """What was run on the memory itself must be what was tried on copies, bit for bit."""
    source = bound.traced.graph
    for write, numbers in zip(written(source), tried.results[len(source.outputs) :], strict=True):
        if write.state.kind in ("gradient", "attribute"):
            continue
        now = np.asarray(write.state.get(leaves))
        if now.tobytes() != numbers.astype(now.dtype).tobytes():
            raise CompileCheckError(
                f"the compiled {source.name}",
                got=f"other bits in {write.state.kind} {write.state.name} than the same program "
                "left in a copy",
                needs="the same bits from the same numbers",
                remedy="This is a mistake of Backlight's compiler: run it with compile=False "
                "(--no-compile) and report it with this message.",
            )
