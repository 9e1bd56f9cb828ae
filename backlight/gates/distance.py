"""Distances between all vectors of one set and all of another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from backlight import shapes
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.along import first_winner
from backlight.gates.arithmetic import power
from backlight.gates.choice import absolute, sign, where
from backlight.gates.family import Structural, draw
from backlight.gates.folding import rounded
from backlight.gates.gate import Role, Sample
from backlight.gates.joining import concatenate
from backlight.gates.reduction import sum as total
from backlight.gates.refusal import computed
from backlight.gates.target import as_float
from backlight.gates.view import expand_dims, transpose
from backlight.shapes import Shape

BLOCK = 1 << 21
"""Differences that are in memory at once."""

_DIRECT = 1 << 24
"""Differences up to which Euclid's distances are computed from them, however many vectors."""

_CLOSE = 1e-4
"""Squared distances below this part of the squared lengths are computed again."""

_TINY = 1e-140
"""Lengths below this may have lost squares to underflow."""

_NEAR = 1e-3
"""Points no further apart may have the kink at 0 inside a difference's step."""


class Cdist(Structural):
    """Minkowski distance of every vector of x from every vector of y: (Σ |x − y|ᵖ)^(1/p).

    p = 1 adds the differences up (Manhattan), 2 is Euclid's distance, infinity the largest
    difference, 0 counts the differences. A vector of x receives upstream · sign(x − y) ·
    (|x − y| / distance)ᵖ⁻¹ of each of its distances, and a vector of y the opposite.

    Distances are taken in float64, from differences, so that those of nearly equal vectors are
    right. Only many Euclidean ones (more than 16 million differences) come from a product,
    |x|² + |y|² − 2 x·y; of these, the ones that are small beside the lengths, and lose digits, are
    taken from differences after all. Memory stays small beside that of the result.

    Parameters
    ----------
    x, y : array
        (…, n, d) and (…, m, d); the leading axes are stretched to each other.
    p : float
        Order of the distance, from 0 to infinity.

    Returns
    -------
    array
        (…, n, m).

    Raises
    ------
    ShapeError
        If an input has less than two axes, or the vectors have different lengths.
    ArgumentError
        If p is negative or not a number.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]])
    >>> cdist(x, y).tolist(), cdist(x, y, p=1).tolist()
    ([[5.0, 1.0]], [[7.0, 1.0]])
    """

    role = Role.MIXER
    formula = "sum(abs(x[:, None] - y[None]) ** p) ** (1 / p)"
    kinks = (
        "equal points: gradient 0; p ≤ 1, equal coordinates: gradient 0; p = inf, equal largest "
        "differences: the gradient goes to the first"
    )
    result = "float"
    source = "CS231n, image classification notes"

    def forward(self, np: Any, x: Any, y: Any, *, p: float = 2.0) -> Any:
        x, y = as_float(np, x), as_float(np, y)
        shape = self.shape(x.shape, y.shape, p=p)
        kind = np.result_type(x, y)
        found = np.empty(shape, kind)
        x = np.broadcast_to(x, (*shape[:-1], x.shape[-1]))
        y = np.broadcast_to(y, (*shape[:-2], shape[-1], y.shape[-1]))
        many = p == 2 and shape[-2] * shape[-1] * x.shape[-1] > _DIRECT
        for lead in np.ndindex(shape[:-2]):
            (by_product if many else by_difference)(np, x[lead], y[lead], p, found[lead])
        return found

    def lower(self, np: Any, x: Any, y: Any, *, p: float = 2.0) -> Any:
        """From differences, none of which is stored."""
        x, y = as_float(np, x), as_float(np, y)
        self.shape(x.shape, y.shape, p=p)
        narrow = np.result_type(x, y) != np.float64
        wide = [one.astype(np.float64) for one in (x, y)]
        apart = np.expand_dims(wide[0], -2) - np.expand_dims(wide[1], -3)
        return rounded(minkowski(np, apart, p, narrow), x if narrow or x.dtype == np.float64 else y)

    def backward(self, upstream: Any, x: Any, y: Any, output: Any, *, p: float) -> Any:
        def turned(one: Any) -> Any:
            rank = len(one.shape)
            return transpose(one, axes=(*range(rank - 2), rank - 1, rank - 2))

        return (
            lambda: _pulled(upstream, x, y, output, p),
            lambda: _pulled(turned(upstream), y, x, turned(output), p),
        )

    def branch(self, np: Any, x: Any, y: Any, *, p: float) -> Any:
        """Signs of the differences where they matter; which is the largest."""
        apart = np.expand_dims(x, -2) - np.expand_dims(y, -3)
        if p <= 1:
            return np.sign(apart)
        if p == math.inf:
            return np.sign(apart) * first_winner.forward(np, np.abs(apart), axis=-1)
        return np.sign(apart) * (minkowski(np, apart, p, False)[..., None] < _NEAR)

    def shape(self, x: Shape, y: Shape, *, p: float = 2.0) -> Shape:
        """The stretched leading axes, the number of vectors of x, that of y."""
        if not p >= 0:
            raise ArgumentError(
                self.name,
                got=f"p={p}",
                needs="an order from 0 to infinity",
                remedy="Use 1 for the sum of differences, 2 for Euclid's distance.",
            )
        if min(len(x), len(y)) < 2 or x[-1] != y[-1]:
            raise ShapeError(
                self.name,
                got=f"shapes {x} and {y}",
                needs="(…, n, d) and (…, m, d): vectors of the same length as rows",
                remedy="Reshape them; a single vector is v[None].",
            )
        return (*shapes.broadcast(self.name, x[:-2], y[:-2]), x[-2], y[-2])

    def samples(self) -> Iterator[Sample]:
        """Every kind of order; stacks of sets; one vector; none; vectors of no numbers."""
        for stream, (first, second, p) in enumerate(
            [
                ((3, 4), (2, 4), 2.0),
                ((3, 4), (2, 4), 1.0),
                ((3, 4), (2, 4), math.inf),
                ((3, 2), (2, 2), 3.0),
                ((2, 3), (3, 3), 1.5),
                ((2, 3), (2, 3), 0.0),
                ((2, 1, 2, 3), (3, 4, 3), 2.0),
                ((1, 1), (1, 1), 2.0),
                ((0, 3), (2, 3), 2.0),
                ((2, 0), (3, 0), 1.0),
            ]
        ):
            yield Sample((draw(first, 760 + stream), draw(second, 780 + stream)), {"p": p})


def minkowski(np: Any, apart: Any, p: float, narrow: bool) -> Any:
    """The length of order p of vectors along the last axis, float64.

    Where a power over- or underflows, they are scaled by their largest number. Squares of `narrow`
    ones, which come from float32, do neither.
    """
    sizes = np.abs(apart)
    if p == 0:
        return np.sum(np.not_equal(apart, 0).astype(np.float64), axis=-1)
    if p == 1:
        return np.sum(sizes, axis=-1)
    if p == 2:
        plain = np.sqrt(np.sum(apart * apart, axis=-1))
        if narrow:
            return plain
        ordinary = (plain > _TINY) & (plain < math.inf)
        if computed(np) and ordinary.all():
            return plain
    if not apart.shape[-1]:
        return np.zeros(apart.shape[:-1], np.float64)
    top = np.max(sizes, axis=-1, keepdims=True)
    if p == math.inf:
        return np.squeeze(top, -1)
    scale = np.where((top > 0) & (top < math.inf), top, 1.0)
    parts = sizes / scale
    scale = np.squeeze(scale, -1)
    if p == 2:
        return np.where(ordinary, plain, scale * np.sqrt(np.sum(parts * parts, axis=-1)))
    return scale * np.power(np.sum(np.power(parts, p), axis=-1), 1.0 / p)


def by_difference(np: Any, x: Any, y: Any, p: float, found: Any) -> None:
    """Distances of the rows of two matrices, a block of differences at a time."""
    narrow = np.result_type(x, y) != np.float64
    size = max(1, x.shape[-1])
    columns = max(1, min(len(y), BLOCK // size))
    rows = max(1, BLOCK // (size * columns))
    for first in range(0, len(y), columns):
        some = np.asarray(y[first : first + columns], np.float64)
        for row in range(0, len(x), rows):
            apart = np.asarray(x[row : row + rows], np.float64)[:, None] - some
            found[row : row + rows, first : first + columns] = minkowski(np, apart, p, narrow)


def by_product(np: Any, x: Any, y: Any, p: float, found: Any) -> None:
    """Euclid's distances of the rows of two matrices, by products; small ones by differences."""
    rows = max(1, BLOCK // max(1, x.shape[-1]))
    for first in range(0, len(y), rows):
        some = y[first : first + rows]
        for row in range(0, len(x), rows):
            part = x[row : row + rows]
            squares, doubtful = squared(np, part, some)
            block = np.sqrt(squares)
            places = np.nonzero(doubtful)
            for begin in range(0, len(places[0]), rows):
                i, j = (one[begin : begin + rows] for one in places)
                apart = np.asarray(part[i], np.float64) - some[j]
                block[i, j] = minkowski(np, apart, p, False)
            found[row : row + rows, first : first + rows] = block


def squared(np: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Squared distances of rows, |x|² + |y|² − 2 x·y in float64, and which have lost digits."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    lengths = np.sum(x * x, axis=-1)[:, None] + np.sum(y * y, axis=-1)
    squares = np.maximum(lengths - 2.0 * np.matmul(x, y.T), 0.0)
    return squares, ~((squares > _CLOSE * lengths) & np.isfinite(lengths))


def _pulled(upstream: Any, x: Any, y: Any, output: Any, p: float) -> Any:
    """The gradient of the distances with respect to x, some rows of x at a time."""
    rows = max(1, 8 * BLOCK // max(1, math.prod(output.shape[:-2]) * math.prod(y.shape[-2:])))
    if x.shape[-2] <= rows:
        return _pulled_at_once(upstream, x, y, output, p)
    parts = [
        _pulled_at_once(
            upstream[..., row : row + rows, :],
            x[..., row : row + rows, :],
            y,
            output[..., row : row + rows, :],
            p,
        )
        for row in range(0, x.shape[-2], rows)
    ]
    return concatenate(parts, axis=-2)


def _pulled_at_once(upstream: Any, x: Any, y: Any, output: Any, p: float) -> Any:
    apart = expand_dims(x, axis=-2) - expand_dims(y, axis=-3)
    above, length = expand_dims(upstream, axis=-1), expand_dims(output, axis=-1)
    if p == 0:
        pull = sign(apart) * 0.0 * above
    elif p == 1:
        pull = sign(apart) * above
    elif p == math.inf:
        won = first_winner(absolute(apart), axis=-1)
        pull = where(won, sign(apart), 0.0) * above
    else:
        # At distance 0 all differences are 0, and so is what is made of them here.
        shares = apart / where(length == 0, 1.0, length)
        if p != 2:
            level = shares == 0
            sizes = absolute(where(level, 1.0, shares))
            shares = where(level, 0.0, sign(apart) * power(sizes, p - 1.0))
        pull = shares * above
    return total(pull, axis=-2)


cdist = Cdist()
