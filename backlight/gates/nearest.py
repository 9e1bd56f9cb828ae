"""The k nearest points of every query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backlight.errors import ArgumentError, ShapeError
from backlight.gates.distance import BLOCK, by_difference, cdist, minkowski, squared
from backlight.gates.family import Structural, draw
from backlight.gates.gate import Role, Sample
from backlight.gates.target import as_float
from backlight.shapes import Shape, whole

_LIST = 1 << 24
"""Distances that are in memory at once, or those of one query."""

_SLACK = 4e-16
"""Errors of products, a number of each vector, in parts of the squared lengths, at most."""


class Nearest(Structural):
    """The places of the k points that are nearest to each query, the nearest first.

    Of equal distances the lower index is nearer. A point whose distance is infinite or NaN is near
    to nobody: a row with too few ends in −1. Distances are never all in memory, whatever the number
    of points. Eagerly they are exact to float64; compiled, L1 and L2 distances are those of the
    inputs' type, computed and compared by one kernel, and others are left to NumPy.

    Parameters
    ----------
    queries, points : array
        (n, d) and (m, d).
    k : int
        How many, from 1 to m.
    p : float
        Order of the distance, as of `cdist`.

    Returns
    -------
    array of int64
        (n, k).

    Raises
    ------
    ShapeError
        If the inputs are no matrices of equally many columns.
    ArgumentError
        If k is less than 1 or more than there are points, or p is negative.

    Examples
    --------
    >>> import numpy as np
    >>> nearest(np.array([[0.9]]), np.array([[5.0], [1.0], [0.0]]), 2).tolist()
    [[1, 2]]
    """

    role = Role.WALL
    formula = "argtopk(cdist(queries, points, p), k, largest=False)"
    result = "index"
    source = "CS231n, image classification notes"

    def forward(self, np: Any, queries: Any, points: Any, *, k: int, p: float = 2.0) -> Any:
        queries, points = as_float(np, queries), as_float(np, points)
        shape = self.shape(queries.shape, points.shape, k=k, p=p)
        found = np.empty(shape, np.int64)
        rows = max(1, _LIST // len(points))
        for row in range(0, shape[0], rows):
            some = queries[row : row + rows]
            search = _by_product if p == 2 else _by_difference
            search(np, some, points, k, p, found[row : row + rows])
        return found

    def lower(self, np: Any, queries: Any, points: Any, *, k: int, p: float = 2.0) -> Any:
        """One operation of its own."""
        queries, points = as_float(np, queries), as_float(np, points)
        shape = self.shape(queries.shape, points.shape, k=k, p=p)
        if not queries.size:
            return np.broadcast_to(np.arange(k), shape)
        if p not in (1, 2):
            return self.forward(np, queries, points, k=k, p=p)
        return np.nearest(queries, points, k, "l1" if p == 1 else "l2")

    def shape(self, queries: Shape, points: Shape, *, k: int, p: float = 2.0) -> Shape:
        """A row of k for each query."""
        if len(queries) != 2 or len(points) != 2:
            raise ShapeError(
                self.name,
                got=f"shapes {queries} and {points}",
                needs="(n, d) and (m, d): a row for each query, and for each point",
                remedy="Reshape images to (count, -1); a single query is q[None].",
            )
        cdist.shape(queries, points, p=p)
        if not 1 <= whole(self.name, "k", k) <= points[0]:
            raise ArgumentError(
                self.name,
                got=f"k={k} among {points[0]} points",
                needs="at least 1, and no more than there are points",
                remedy="Ask for fewer neighbours, or give more points.",
            )
        return (queries[0], k)

    def samples(self) -> Iterator[Sample]:
        """Euclid's and Manhattan's, one and all, few numbers and none."""
        for stream, (first, second, k, p) in enumerate(
            [
                ((3, 4), (5, 4), 2, 2.0),
                ((3, 4), (5, 4), 5, 1.0),
                ((20, 9), (70, 9), 3, 2.0),
                ((1, 1), (4, 1), 1, 1.0),
                ((0, 3), (2, 3), 1, 2.0),
                ((2, 0), (3, 0), 2, 2.0),
            ]
        ):
            inputs = draw(first, 740 + stream), draw(second, 750 + stream)
            yield Sample(inputs, {"k": k, "p": p})


def _by_difference(np: Any, queries: Any, points: Any, k: int, p: float, found: Any) -> None:
    """All distances of some queries, and the first of them in order."""
    distances = np.empty((len(queries), len(points)), np.float64)
    by_difference(np, queries, points, p, distances)
    for row, line in enumerate(distances):
        line[~np.isfinite(line)] = np.inf
        places = np.flatnonzero(line <= np.partition(line, k - 1)[k - 1])
        order = np.argsort(line[places], kind="stable")[:k]
        found[row] = np.where(np.isfinite(line[places[order]]), places[order], -1)


def _by_product(np: Any, queries: Any, points: Any, k: int, p: float, found: Any) -> None:
    """As by differences, which are taken only of points that may be near."""
    squares = np.empty((len(queries), len(points)), np.float64)
    doubts = np.empty_like(squares)
    rows = max(k, BLOCK // max(1, points.shape[1]))
    own = np.sum(np.square(queries, dtype=np.float64), axis=-1)
    for first in range(0, len(points), rows):
        some = np.asarray(points[first : first + rows], np.float64)
        squares[:, first : first + rows] = squared(np, queries, some)[0]
        doubts[:, first : first + rows] = own[:, None] + np.sum(some * some, axis=-1)
    doubts *= _SLACK * (points.shape[1] + 8)
    for row, line in enumerate(squares):
        # NaN and infinity are looked at again: differences of large numbers may be finite.
        low, high = line - doubts[row], line + doubts[row]
        high[~np.isfinite(high)] = np.inf
        edge = np.partition(high, k - 1)[k - 1]
        places = np.flatnonzero(~(low > edge))
        exact = np.empty((1, len(places)))
        for begin in range(0, len(places), rows):
            near = np.asarray(points[places[begin : begin + rows]], np.float64)
            apart = near - np.asarray(queries[row], np.float64)
            exact[0, begin : begin + rows] = minkowski(np, apart, p, False)
        exact[~np.isfinite(exact)] = np.inf
        order = np.argsort(exact[0], kind="stable")[:k]
        found[row] = np.where(np.isfinite(exact[0][order]), places[order], -1)


nearest = Nearest()
