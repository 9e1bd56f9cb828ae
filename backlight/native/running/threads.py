"""How many threads a program runs on: the argument, BACKLIGHT_NUM_THREADS, or the processor."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

from backlight.errors import ArgumentError

MOST_THREADS = 256
"""More than this is refused: it is surely a mistake, and costs memory and time."""

_chosen: int | None = None


def set_num_threads(threads: int | None) -> None:
    """Choose how many threads compiled programs run on from now on.

    Parameters
    ----------
    threads : int, 1 to 256, or None
        None goes back to BACKLIGHT_NUM_THREADS or, without it, to one thread a core. More than
        there are cores is allowed, and slow. The results are the same bits for any number.

    Raises
    ------
    ArgumentError
        If it is not such a number.

    Examples
    --------
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(None)
    """
    global _chosen
    _chosen = None if threads is None else checked(threads, "threads")


def get_num_threads() -> int:
    """How many threads compiled programs run on.

    Raises
    ------
    ArgumentError
        If BACKLIGHT_NUM_THREADS is not a number from 1 to 256.
    """
    if _chosen is not None:
        return _chosen
    told = os.environ.get("BACKLIGHT_NUM_THREADS", "")
    if not told.strip():
        return min(cores(), MOST_THREADS)
    try:
        threads: object = int(told)
    except ValueError:
        threads = told
    return checked(threads, "BACKLIGHT_NUM_THREADS")


def checked(threads: object, subject: str) -> int:
    """The number, if it is one of threads.

    Raises
    ------
    ArgumentError
        If it is not a whole number from 1 to 256.
    """
    whole = isinstance(threads, int) and not isinstance(threads, bool)
    if not whole and hasattr(threads, "__index__") and not isinstance(threads, bool):
        threads, whole = int(threads.__index__()), True
    if not whole or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise ArgumentError(
            subject,
            got=repr(threads),
            needs=f"a whole number of threads from 1 to {MOST_THREADS}",
            remedy=f"This process may use {cores()} cores: {cores()} is a good choice",
        )
    return threads


@functools.cache
def cores() -> int:
    """Cores that this process may use: two threads of one core share its arithmetic.

    Respects the process's affinity, and the processor time a container is limited to.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = os.sched_getaffinity(0)
    else:
        allowed = set(range(os.cpu_count() or 1))
    whole = {_siblings(one) for one in allowed}
    return max(1, min(len(whole), _container_limit()))


def _siblings(processor: int) -> str:
    """A name that logical processors of the same core share."""
    place = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return place.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return str(processor)


def _container_limit() -> int:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        return MOST_THREADS
