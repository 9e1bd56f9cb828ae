"""Register tiles over two axes: how large, and the loops that cover a grid with them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backlight.native.machine_code.emit import I64, Code
from backlight.native.machine_code.machine import Target

_MOST_VECTORS = 5
_MOST_ROWS = 28


@dataclass(frozen=True)
class Patch:
    """Rows × columns of a grid whose sums are held in registers together."""

    rows: int
    columns: int


@functools.cache
def choose(
    target: Target, size: tuple[int, int], vectors: int, steps: int, most: int = _MOST_ROWS
) -> Patch:
    """The best patch for a grid, beside this many vectors: fewest cycles for `steps` products.

    It has `most` places at most.

    Examples
    --------
    >>> from backlight.native.machine_code.machine import named
    >>> choose(named("avx512"), (13, 13), 2, 2304)
    Patch(rows=1, columns=13)
    """
    return _best(target, size, vectors, steps, most)[1]


def cycles(target: Target, size: tuple[int, int], vectors: int, steps: int) -> float:
    """How many the best patch takes for the whole grid."""
    return _best(target, size, vectors, steps, _MOST_ROWS)[0]


def widest(
    target: Target, lanes: int, grids: list[tuple[tuple[int, int], int]], filters: int
) -> int:
    """The number of vectors a panel of filters should have, for grids with so many steps."""
    best = (float("inf"), 1)
    for vectors in range(1, min(_MOST_VECTORS, -(-filters // lanes)) + 1):
        blocks = -(-filters // (vectors * lanes))
        cost = blocks * sum(cycles(target, size, vectors, steps) for size, steps in grids)
        best = min(best, (cost, vectors))
    return best[1]


def cover(code: Code, size: int, step: int, body: Callable[[Any, int], None]) -> None:
    """Loops over `size` places, `step` at a time, and the rest: `body(first, how many)`."""
    whole, left = divmod(size, step)
    if whole == 1:
        body(I64(0), step)
    elif whole:

        def turn(place: Any) -> None:
            body(place, step)

        code.loop(0, whole * step, step, turn)
    if left:
        body(I64(whole * step), left)


@functools.cache
def _best(
    target: Target, size: tuple[int, int], vectors: int, steps: int, most: int
) -> tuple[float, Patch]:
    # One register more for the number of A, and one for the product without a multiply-add.
    spare = target.registers - vectors - 1 - (not target.fma)
    most = max(1, min(most, spare // vectors))
    best = (float("inf"), 0, Patch(1, 1))
    for rows in range(1, min(size[0], most) + 1):
        if rows > 1 and size[1] > 16:
            break
        for columns in range(1, min(size[1], most // rows) + 1):
            cost = 0.0
            for some, times in _parts(size[0], rows):
                for few, again in _parts(size[1], columns):
                    cost += times * again * _cycles(some * few, vectors, steps)
            best = min(best, (cost, rows, Patch(rows, columns)), key=lambda one: one[:2])
    return best[0], best[2]


def _parts(size: int, step: int) -> list[tuple[int, int]]:
    whole, left = divmod(size, step)
    return [(step, whole)] * bool(whole) + [(left, 1)] * bool(left)


def _cycles(rows: int, vectors: int, steps: int) -> float:
    """Two multiply-adds and two loads a cycle, four cycles' latency; then stores and addresses."""
    step = max(rows * vectors / 2, (rows + vectors) / 2, 4.0)
    return steps * step + 20 + rows * vectors
