"""What a Jacobian has of the axes of its output and input: places apart, kernels that slide.

Every number of an output has a place along each axis, and so has every number of an input. Where
what is at place k of one depends on place k of the other alone, the Jacobian falls into blocks.
Where a row's numbers move along with the place, the Jacobian is Toeplitz: a convolution. Both are
found by a few products with rows, so that nothing needs to be formed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backlight import philox
from backlight.explain.circuit.circuit import Array

Shape = tuple[int, ...]
Product = Callable[[Array], Array]
"""upstream ↦ upstream × Jacobian, in the shapes of output and input."""

FURTHEST = 4
"""Places by which a row may move from one place of the output to the next."""
CLOSE = {np.dtype(np.float32): 1e-4}
"""How near numbers must be to be the same; 1e-9 if not said."""
FEW = 4


def of_rows(entries: Array, input: Shape) -> Product:
    """Products with a matrix that is there.

    Examples
    --------
    >>> of_rows(np.eye(2), (2,))(np.array([3.0, 4.0])).tolist()
    [3.0, 4.0]
    """

    def product(upstream: Array) -> Array:
        with np.errstate(all="ignore"):
            made: Array = upstream.reshape(-1) @ entries
        return made.reshape(input)

    return product


def paired(product: Product, output: Shape, input: Shape) -> list[tuple[int, int]]:
    """Pairs of axes, of the output and of the input, along which each place depends on its own.

    Examples
    --------
    >>> product = of_rows(np.diag([1.0, 2.0, 3.0]), (3,))
    >>> paired(product, (3,), (3,))
    [(0, 0)]
    """
    found: list[tuple[int, int]] = []
    for axis, size in enumerate(output):
        for other, same in enumerate(input):
            free = all(other != taken for _, taken in found)
            if size == same > 1 and free and _apart(product, output, axis, other):
                found.append((axis, other))
                break
    return found


def _apart(product: Product, output: Shape, axis: int, other: int) -> bool:
    """Whether a place along an axis of the output reaches that place of the input alone."""
    alive = False
    for place in _some(output[axis]):
        upstream = np.zeros(output)
        row = np.moveaxis(upstream, axis, 0)
        row[place] = np.linspace(1, 2, row[place].size).reshape(row[place].shape)
        back = np.moveaxis(product(upstream).copy(), other, 0)
        alive = alive or bool(back.any())
        back[place] = 0
        if back.any():
            return False
    return alive


def sliding(product: Product, output: Shape, input: Shape) -> Shape:
    """By how many places a row moves from one place of the output to the next, axis by axis.

    Of arrays as (examples, channels, places …): 0 along an axis where the output has one place.

    Returns
    -------
    tuple of int
        () if rows do not move, or leave no zeros.

    Examples
    --------
    >>> rows = np.array([[1.0, -2, 1, 0], [0, 1, -2, 1]])
    >>> sliding(of_rows(rows, (1, 1, 4)), (1, 1, 2), (1, 1, 4))
    (1,)
    """
    if len(output) != len(input) or len(output) < 3 or 0 in (*output, *input):
        return ()
    found = []
    for axis in range(2, len(output)):
        if output[axis] == 1:
            found.append(0)
            continue
        step = _step(product, output, input, axis)
        if not step:
            return ()
        found.append(step)
    return tuple(found) if any(found) else ()


def _step(product: Product, output: Shape, input: Shape, axis: int) -> int:
    """By how much every row moves along an axis; 0 if it does not, or leaves no zeros."""
    steps = list(range(1, min(FURTHEST, input[axis] - 1) + 1))
    empty = False
    for place in _places(output, axis):
        row = _row(product, output, place)
        following = _row(product, output, _next(place, axis))
        empty = empty or not row.all()
        steps = [step for step in steps if _moved(row, following, axis, step)]
        if not steps:
            return 0
    return steps[0] if empty else 0


def _moved(row: Array, following: Array, axis: int, step: int) -> bool:
    """Whether the following row is the row, moved; what moves in at the border is its own."""
    before = np.take(row, range(row.shape[axis] - step), axis)
    after = np.take(following, range(step, row.shape[axis]), axis)
    near = CLOSE.get(row.dtype, 1e-9)
    size = float(np.max(np.abs(row), initial=0.0))
    if not math.isfinite(size):
        return False
    return bool(before.any()) and np.allclose(before, after, rtol=near, atol=near * size)


def _row(product: Product, output: Shape, place: Shape) -> Array:
    unit = np.zeros(output)
    unit[place] = 1.0
    return product(unit)


def _next(place: Shape, axis: int) -> Shape:
    return (*place[:axis], place[axis] + 1, *place[axis + 1 :])


def _places(output: Shape, axis: int) -> Iterator[Shape]:
    """The first, the middle and the last place that has a next one, and some by chance."""
    sizes = np.array(output)
    sizes[axis] -= 1
    drawn: Any = philox.uniform(0, 77, (FEW, len(output)), np.float64)
    shares = [np.zeros(len(output)), np.full(len(output), 0.5), np.ones(len(output)), *drawn]
    seen = {tuple(int(x) for x in np.minimum(share * sizes, sizes - 1)) for share in shares}
    yield from sorted(seen)


def _some(count: int) -> Iterator[int]:
    yield from dict.fromkeys([0, count - 1, *map(int, philox.permutation(count, 5, count)[:2])])
