"""Where the intermediate arrays of a program lie: one block, planned before the first run.

Every array is known with its size and with the steps between which it lives. Arrays that do not
live at the same time share memory. So the peak is known, and can be refused, before anything runs.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""
_FEW = 400
"""Buffers that are worth planning a second time."""


@dataclass
class Buffer:
    """An intermediate array: its size, and the steps at which it is first and last used."""

    nbytes: int
    first: int
    last: int
    label: str = ""
    offset: int = -1


def plan(buffers: Sequence[Buffer]) -> int:
    """Give every buffer its offset; answers the size of the block, in bytes.

    Two ways are tried, and the smaller block is taken: in the order of the steps, and, where there
    are not too many, the largest buffers first.

    Examples
    --------
    >>> a, b, c = Buffer(100, 0, 1), Buffer(100, 1, 2), Buffer(100, 2, 3)
    >>> plan([a, b, c]), a.offset, b.offset, c.offset
    (256, 0, 128, 0)
    """
    size = _in_order(buffers)
    if len(buffers) <= _FEW:
        places = [one.offset for one in buffers]
        other = _largest_first(buffers)
        if other < size:
            return other
        for buffer, offset in zip(buffers, places, strict=True):
            buffer.offset = offset
    return size


def _largest_first(buffers: Sequence[Buffer]) -> int:
    """Each buffer, by size, at the lowest place that is free for as long as it lives."""
    placed: list[Buffer] = []  # by offset
    for buffer in sorted(buffers, key=lambda one: (-one.nbytes, one.first)):
        length, start = _rounded(buffer.nbytes), 0
        last = max(buffer.last, buffer.first)
        for other in placed:
            if other.first > last or max(other.last, other.first) < buffer.first:
                continue
            if other.offset >= start + length:
                break
            start = max(start, other.offset + _rounded(other.nbytes))
        buffer.offset = start
        bisect.insort(placed, buffer, key=lambda one: one.offset)
    return max((one.offset + _rounded(one.nbytes) for one in buffers), default=0)


def _in_order(buffers: Sequence[Buffer]) -> int:
    """A walk through the steps.

    A buffer takes the smallest free stretch that holds it, and gives it back after its last step;
    neighbouring free stretches become one.
    """
    free = _Stretches()
    ends: dict[int, list[Buffer]] = {}
    now = -1
    for buffer in sorted(buffers, key=lambda one: (one.first, -one.nbytes)):
        while now < buffer.first:
            for gone in ends.pop(now, ()):
                free.give(gone.offset, _rounded(gone.nbytes))
            now += 1
        buffer.offset = free.take(_rounded(buffer.nbytes))
        ends.setdefault(max(buffer.last, buffer.first), []).append(buffer)
    return free.size


class _Stretches:
    """Free stretches of a block that grows at its end."""

    def __init__(self) -> None:
        self.size = 0
        self._starts: list[int] = []
        self._lengths: dict[int, int] = {}

    def take(self, length: int) -> int:
        """The start of a stretch of this length, the smallest that is large enough."""
        fits = [start for start in self._starts if self._lengths[start] >= length]
        if fits:
            start = min(fits, key=lambda one: self._lengths[one])
            rest = self._lengths.pop(start) - length
            place = bisect.bisect_left(self._starts, start)
            if rest:
                self._starts[place] = start + length
                self._lengths[start + length] = rest
            else:
                del self._starts[place]
            return start
        if self._starts and self._starts[-1] + self._lengths[self._starts[-1]] == self.size:
            start = self._starts.pop()  # a free stretch at the end grows with the block
            del self._lengths[start]
        else:
            start = self.size
        self.size = start + length
        return start

    def give(self, start: int, length: int) -> None:
        """Take back a stretch, and join it with free neighbours."""
        place = bisect.bisect_left(self._starts, start)
        if place < len(self._starts) and self._starts[place] == start + length:
            length += self._lengths.pop(self._starts.pop(place))
        if place:
            before = self._starts[place - 1]
            if before + self._lengths[before] == start:
                self._lengths[before] += length
                return
        self._starts.insert(place, start)
        self._lengths[start] = length


def largest(buffers: Sequence[Buffer], count: int = 5) -> str:
    """The largest buffers in words, for the message that there is too little memory."""
    found = sorted(buffers, key=lambda one: -one.nbytes)[:count]
    return "; ".join(f"{one.label} {readable(one.nbytes)}" for one in found)


def readable(nbytes: float) -> str:
    """Bytes in words.

    Examples
    --------
    >>> readable(3 * 2**20)
    '3.0 MiB'
    """
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def _rounded(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
