"""Slices of a loss: its values along a line or over a plane through a point of weight space.

One compiled program blends the weights, W + a·d₁ + b·d₂, and computes the loss; a point of the
slice is one call of it, with nothing of Python between the gates. Points do not need one another:
each core has a program of its own and takes its share of them, so that no core waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import RangeError
from backlight.explain.landscape.direction import Weights, weights_of
from backlight.native import compile as native
from backlight.native.running.threads import checked, get_num_threads
from backlight.nn.functional_call import functional_call

Array = np.ndarray[Any, Any]

BATCH = 512
"""Most examples in one call of the program."""

MOST_POINTS = 1_000_000

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Slice:
    """A loss along one or two directions.

    Attributes
    ----------
    across : ndarray (n,)
        Distances a along the first direction.
    up : ndarray (m,)
        Distances b along the second; empty for a line.
    losses : ndarray (n,) or (m, n)
        In float64; not finite where the loss is not.
    """

    across: Array
    up: Array
    losses: Array

    @property
    def plane(self) -> bool:
        """Whether there are two directions."""
        return self.losses.ndim == 2


def line(
    module: Any,
    loss: Any,
    inputs: Any,
    targets: Any,
    direction: Weights,
    across: Any,
    *,
    origin: Weights | None = None,
    threads: int | None = None,
    tell: Tell | None = None,
) -> Slice:
    """L(W + a·d) for every a.

    Parameters
    ----------
    module : Module
        In evaluation mode; its own weights are not touched.
    loss : callable
        Of scores and targets, a mean over examples.
    inputs, targets : arrays
        The examples.
    direction : mapping of str to ndarray
        d, by path of the parameter.
    across : array_like (n,)
        The distances a.
    origin : mapping, optional
        W; by default the module's own.
    threads : int, optional
        Cores to use; all by default. The numbers are the same bits for any.
    tell : callable, optional
        Called with points done and points in all.

    Returns
    -------
    Slice

    Raises
    ------
    RangeError
        No points, no examples, or more than a million points.

    Examples
    --------
    >>> from backlight import nn
    >>> net, loss = nn.Linear(1, 1), nn.MSELoss()
    >>> _ = net.load_state_dict({"weight": [[1.0]], "bias": [0.0]})
    >>> ones = {"weight": np.ones((1, 1), np.float32), "bias": np.zeros(1, np.float32)}
    >>> one = np.ones((1, 1), np.float32)
    >>> line(net, loss, one, one, ones, [-1, 0, 1]).losses.tolist()
    [1.0, 0.0, 1.0]
    """
    places = np.asarray(across, np.float64).ravel()
    still = {name: np.zeros_like(one) for name, one in direction.items()}
    run = _Runner(module, loss, inputs, targets, direction, still, origin, threads)
    points = ((float(a), 0.0) for a in places)
    return Slice(places, np.zeros(0), run.over(points, len(places), tell))


def plane(
    module: Any,
    loss: Any,
    inputs: Any,
    targets: Any,
    first: Weights,
    second: Weights,
    across: Any,
    up: Any,
    *,
    origin: Weights | None = None,
    threads: int | None = None,
    tell: Tell | None = None,
) -> Slice:
    """L(W + a·d₁ + b·d₂) for every a and b; see `line`.

    Parameters
    ----------
    first, second : mappings of str to ndarray
        d₁ and d₂.
    across, up : array_like (n,) and (m,)
        The distances a and b.

    Returns
    -------
    Slice
        Its losses have a row for each b.
    """
    columns, rows = (np.asarray(one, np.float64).ravel() for one in (across, up))
    run = _Runner(module, loss, inputs, targets, first, second, origin, threads)
    points = ((float(a), float(b)) for b in rows for a in columns)
    losses = run.over(points, len(rows) * len(columns), tell)
    return Slice(columns, rows, losses.reshape(len(rows), len(columns)))


class _Runner:
    """The compiled loss as a function of the two distances."""

    def __init__(
        self,
        module: Any,
        loss: Any,
        inputs: Any,
        targets: Any,
        first: Weights,
        second: Weights,
        origin: Weights | None,
        threads: int | None,
    ) -> None:
        self._weights = dict(weights_of(module) if origin is None else origin)
        kinds = {name: one.dtype for name, one in self._weights.items()}
        self._first, self._second = (
            {name: np.asarray(side[name], kind) for name, kind in kinds.items()}
            for side in (first, second)
        )
        self._kind = next(iter(kinds.values()), np.dtype(np.float32))
        x, y = np.asarray(inputs), np.asarray(targets)
        if not len(x):
            raise RangeError(
                "landscape",
                got="no examples",
                needs="at least one",
                remedy="Raise --examples.",
            )
        size = -(-len(x) // -(-len(x) // BATCH))  # batches of one size: one program for all
        self._batches = [
            (x[start : start + size], y[start : start + size]) for start in range(0, len(x), size)
        ]

        def at(a: Any, b: Any, w: Any, d: Any, e: Any, inputs: Any, targets: Any) -> Any:
            blended = {name: w[name] + a * d[name] + b * e[name] for name in w}
            return loss(functional_call(module, blended, (inputs,)), targets)

        count = get_num_threads() if threads is None else checked(threads, "threads")
        self._programs = [native.compile(at, threads=1) for _ in range(count)]

    def over(self, points: Iterator[tuple[float, float]], count: int, tell: Tell | None) -> Array:
        """The losses at these points, in order."""
        if not 1 <= count <= MOST_POINTS:
            raise RangeError(
                "landscape",
                got=f"{count:,} points",
                needs=f"from 1 to {MOST_POINTS:,}",
                remedy="Lower --points.",
            )
        places, done, lock, stop = list(points), 0, threading.Lock(), threading.Event()
        found = np.empty(count)

        def share(worker: int) -> None:
            nonlocal done
            for place in range(worker, count, len(used)):
                if stop.is_set():
                    return
                found[place] = self._at(used[worker], *places[place])
                with lock:
                    done += 1
                    if tell is not None:
                        tell(done, count)

        used = self._programs[:count]
        for program in used:  # traced one after the other: the module is taken apart meanwhile
            self._at(program, *places[0])
        with ThreadPoolExecutor(len(used)) as pool:
            try:
                for _ in pool.map(share, range(len(used))):
                    pass
            finally:
                stop.set()
        return found

    def _at(self, program: Any, a: float, b: float) -> float:
        distances = (np.asarray(a, self._kind), np.asarray(b, self._kind))
        total, seen = 0.0, 0
        with np.errstate(over="ignore", invalid="ignore"):
            for inputs, targets in self._batches:
                value = program(
                    *distances, self._weights, self._first, self._second, inputs, targets
                )
                total += float(value.item()) * len(inputs)
                seen += len(inputs)
        return total / seen
