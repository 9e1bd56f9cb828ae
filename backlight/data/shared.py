"""Arrays from a worker process to its parent through shared memory that leaves nothing behind.

The worker makes a segment; the parent opens it when it is first named, and takes its name away at
once, so that the system frees it with the last of the two processes, however they end. Between the
two moments Python's resource tracker knows the name.
"""

from __future__ import annotations

import contextlib
import math
import shutil
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np

from backlight.errors import DataError

Array = np.ndarray[Any, Any]
Outline = tuple[str, int, list[tuple[tuple[int, ...], str]]]
"""Name of a segment, its place in the ring, shape and type of each array in it."""

_ALIGNED = 64
_FOLDER = Path("/dev/shm")  # noqa: S108 - looked at for its free space only


class Outbox:
    """The worker's side: a ring of segments, each written again once it was read.

    Parameters
    ----------
    prefix : str
        What the segments' names begin with.
    places : int
        Size of the ring: messages that may wait to be read.
    """

    def __init__(self, prefix: str, places: int) -> None:
        self._prefix, self._made, self._turn = prefix, 0, 0
        self._ring: list[SharedMemory | None] = [None] * places

    def put(self, arrays: list[Array]) -> Outline:
        """Copy arrays into the next segment, which is made larger if need be.

        Raises
        ------
        DataError
            Where the system's shared memory is full.
        """
        place = self._turn % len(self._ring)
        self._turn += 1
        size = _offsets([array.nbytes for array in arrays])[-1]
        segment = self._ring[place]
        if segment is None or segment.size < size:
            if segment is not None:
                segment.close()
            segment = self._ring[place] = self._new(size)
        for start, array in zip(_offsets([a.nbytes for a in arrays]), arrays, strict=False):
            view: Array = np.ndarray(array.shape, array.dtype, segment.buf, start)
            view[...] = array
            del view
        outline = [(array.shape, array.dtype.str) for array in arrays]
        return segment.name, place, outline

    def _new(self, size: int) -> SharedMemory:
        # A write beyond what there is would kill the process without a word.
        if _FOLDER.is_dir() and (free := shutil.disk_usage(_FOLDER).free) < size:
            raise DataError(
                "a worker of DataLoader",
                got=f"{free >> 20} MiB of free shared memory",
                needs=f"{(size >> 20) + 1} MiB for a batch",
                remedy="Give the container more (docker run --shm-size=2g), or use smaller "
                "batches, fewer workers, or num_workers=0",
            )
        self._made += 1
        return SharedMemory(segment_name(self._prefix, self._made), create=True, size=max(size, 1))

    def close(self) -> None:
        """Let go of all segments, and of the names of those that nobody has opened."""
        for segment in filter(None, self._ring):
            segment.close()
            with contextlib.suppress(FileNotFoundError):
                segment.unlink()


class Inbox:
    """The parent's side: reads what a worker's Outbox holds."""

    def __init__(self, prefix: str) -> None:
        self._prefix, self._seen = prefix, 0
        self._ring: dict[int, SharedMemory] = {}

    def take(self, outline: Outline) -> list[Array]:
        """The arrays, copied."""
        name, place, arrays = outline
        segment = self._ring.get(place)
        if segment is None or segment.name != name:
            if segment is not None:
                segment.close()
            segment = self._ring[place] = SharedMemory(name)
            segment.unlink()
            self._seen += 1
        sizes = [math.prod(shape) * np.dtype(kind).itemsize for shape, kind in arrays]
        found = []
        for start, (shape, kind) in zip(_offsets(sizes), arrays, strict=False):
            view: Array = np.ndarray(shape, kind, segment.buf, start)
            found.append(view.copy())
            del view
        return found

    def close(self, unread: int) -> None:
        """Let go of all; of up to `unread` segments that were made and not named, the names too."""
        for segment in self._ring.values():
            segment.close()
        self._ring.clear()
        for number in range(self._seen + 1, self._seen + unread + 1):
            with contextlib.suppress(FileNotFoundError):
                left = SharedMemory(segment_name(self._prefix, number))
                left.close()
                left.unlink()


def segment_name(prefix: str, number: int) -> str:
    """The name of a worker's segment; short, for macOS allows 30 characters."""
    return f"{prefix}-{number}"


def _offsets(sizes: list[int]) -> list[int]:
    """Where each array begins, and the end of the last."""
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // _ALIGNED) * _ALIGNED)
    return starts
