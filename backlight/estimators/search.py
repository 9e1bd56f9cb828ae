"""The k nearest of many points: exact, in bounded memory, the same answer every time."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np

import backlight
from backlight.errors import ArgumentError, nearest

Array = np.ndarray[Any, Any]
METRICS = ("minkowski", "euclidean", "manhattan", "cosine")

_WORTH_COMPILING = 1 << 26
"""Differences below which NumPy is done before a program would be compiled."""
_ROWS = 1024
"""Queries that are looked at in one call: enough for the cache, little enough for memory."""
_GATHERED = 1 << 24
"""Numbers of neighbours that are in memory at once while their distances are computed."""
_SPARE = 8
"""Neighbours that a rounded search finds beyond k, to see that rounding left none of the k out."""
_FAR = 16
"""Squared distance of the points from the origin, in parts of their spread, from which on they are
moved there before products are taken."""
_SAFE = 1e-15, 1e15
"""Largest numbers whose powers neither overflow nor vanish."""


class ExactSearch:
    """Finds the k nearest among points that may grow.

    Distances: Minkowski's (Σ |x − y|ᵖ)^(1/p), or 1 − cos of the angle. Of equal distances the point
    that was added first is nearer. The points are kept as they are (brute force); a query costs one
    pass over them.

    Parameters
    ----------
    metric : {"minkowski", "euclidean", "manhattan", "cosine"}
    p : float
        Order of Minkowski's distance, ≥ 0; unused by the others.

    Raises
    ------
    ArgumentError
        If the metric is unknown or p is negative or NaN.

    Examples
    --------
    >>> search = ExactSearch("manhattan")
    >>> search.add(np.array([[0.0, 0.0], [2.0, 2.0], [5.0, 5.0]]))
    >>> distances, places = search.find(np.array([[1.0, 2.0]]), 2)
    >>> distances.tolist(), places.tolist()
    ([[1.0, 3.0]], [[1, 0]])
    """

    def __init__(self, metric: str = "minkowski", p: float = 2.0) -> None:
        if metric not in METRICS:
            raise ArgumentError(
                "the search for neighbours",
                got=f"metric={metric!r}",
                needs=f"one of {', '.join(METRICS)}",
                remedy=nearest(str(metric), METRICS),
            )
        order = {"euclidean": 2.0, "manhattan": 1.0, "cosine": 2.0}.get(metric, p)
        if isinstance(order, bool) or not isinstance(order, int | float) or not order >= 0:
            raise ArgumentError(
                "the search for neighbours",
                got=f"p={p!r}",
                needs="a number ≥ 0: 1 for Manhattan, 2 for Euclid",
                remedy="Pass p=1 or p=2.",
            )
        self.p = float(order)
        self._unit = metric == "cosine"
        self._points: Array | None = None
        self._count = 0
        self._most = 0.0

    def __len__(self) -> int:
        return self._count

    @property
    def points(self) -> Array:
        """The points, a row each."""
        assert self._points is not None  # noqa: S101 - told to the type checker
        return self._points[: self._count]

    def add(self, points: Array) -> None:
        """Add points. The room doubles when it is full, so that adding many times stays cheap."""
        if self._unit:
            points = _unit(points)
        if self._points is None or self._count + len(points) > len(self._points):
            known = self._points
            kind = points.dtype if known is None else np.promote_types(known.dtype, points.dtype)
            room = len(points) if known is None else max(2 * self._count, self._count + len(points))
            self._points = np.empty((room, points.shape[1]), kind)
            if known is not None:
                self._points[: self._count] = known[: self._count]
        self._points[self._count : self._count + len(points)] = points
        self._count += len(points)
        self._most = max(self._most, float(max(points.max(initial=0), -points.min(initial=0))))
        self.__dict__.pop("_centre", None)

    @cached_property
    def _centre(self) -> Array | None:
        """The mean of the points, where they lie far from the origin."""
        unit = _power_of_two(self._most)
        mean, square = np.zeros(self.points.shape[1]), 0.0
        for first in range(0, len(self), _ROWS):
            part = self.points[first : first + _ROWS] / np.float64(unit)
            mean += part.sum(axis=0) / len(self)
            square += float(np.square(part).sum()) / len(self)
        away = float(mean @ mean)
        return mean * unit if away > _FAR * (square - away) else None

    def find(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Distances (float64) and places of the k nearest of each query, the nearest first.

        Raises
        ------
        ArgumentError
            If k is less than 1 or more than there are points.
        """
        points = self.points
        if self._unit:
            queries = _unit(queries)
        kind = np.promote_types(points.dtype, queries.dtype)
        points, queries = points.astype(kind, copy=False), queries.astype(kind, copy=False)
        unit = _power_of_two(max(self._most, float(np.max(np.abs(queries), initial=0))))
        if unit != 1:
            points, queries = points / kind.type(unit), queries / kind.type(unit)
        compiled = len(queries) * points.size > _WORTH_COMPILING and self.p in (1.0, 2.0)
        if compiled:
            distances, places = self._by_program(queries, points, k, unit)
        else:
            distances, places = self._by_numpy(queries, points, k)
        if self._unit:
            distances = 0.5 * distances * distances  # of unit vectors: half the squared distance
        elif self.p > 0:
            distances = distances * unit
        return distances, places

    def _by_numpy(self, queries: Array, points: Array, k: int) -> tuple[Array, Array]:
        """Exact to float64."""
        found = np.asarray(_nearest(queries, points, k, self.p))
        return self._ordered(queries, points, found)

    def _by_program(
        self, queries: Array, points: Array, k: int, unit: float
    ) -> tuple[Array, Array]:
        """By a program that rounds as the points' type does, and NumPy where that is not enough.

        Products round worse the farther points lie from the origin: far ones are moved there.
        """
        if self.p == 2 and self._centre is not None:
            centre = (self._centre / unit).astype(points.dtype)
            points, queries = points - centre, queries - centre
        more = min(k + _SPARE + k // 4, len(points))
        distances = np.empty((len(queries), k))
        places = np.empty((len(queries), k), np.int64)
        for first in range(0, len(queries), _ROWS):
            some = queries[first : first + _ROWS]
            near = _program()(some, points, more, self.p).numpy()
            lost = (near < 0).any(axis=1)
            apart, found = self._ordered(some, points, np.maximum(near, 0))
            if more < len(points):
                lost |= ~self._certain(some, apart[:, k - 1], apart[:, -1])
            if lost.any():
                apart[lost, :k], found[lost, :k] = self._by_numpy(some[lost], points, k)
            rows = slice(first, first + len(some))
            distances[rows], places[rows] = apart[:, :k], found[:, :k]
        return distances, places

    def _certain(self, queries: Array, kth: Array, last: Array) -> Array:
        """Whether no point that the program left out can be nearer than the k-th.

        Such a point q + δ has |δ| below the k-th distance, so that its length and with it the
        rounding of its distance are known; and it was left out for the last one that was found.
        """
        size = queries.shape[1]
        ends = np.finfo(queries.dtype)
        # Sums of 128 terms are added up; squares are summed in vectors of at least 16 bytes.
        terms = 144 + size / 128 + (size * ends.dtype.itemsize / 16 if self.p == 2 else 0)
        slack = float(ends.eps) / 2 * terms
        if self.p == 1:
            return np.asarray(last * (1 - slack) > kth * (1 + slack))
        length = np.linalg.norm(queries.astype(np.float64), axis=1)
        doubt = [2 * slack * (length**2 + (length + far) ** 2) for far in (kth, last)]
        return np.asarray(last**2 - doubt[1] > kth**2 + doubt[0])

    def _ordered(self, queries: Array, points: Array, near: Array) -> tuple[Array, Array]:
        """The same neighbours with exact distances, in their order."""
        near = np.sort(near, axis=1)  # so that a stable sort leaves the first of equals in front
        exact = np.empty(near.shape)
        step = max(1, _GATHERED // max(1, near.shape[1] * points.shape[1]))
        for first in range(0, len(near), step):
            some = slice(first, first + step)
            apart = points[near[some]].astype(np.float64) - queries[some, None]
            exact[some] = _minkowski(apart, self.p)
        order = np.argsort(exact, axis=1, kind="stable")
        return np.take_along_axis(exact, order, axis=1), np.take_along_axis(near, order, axis=1)


def _power_of_two(most: float) -> float:
    """What to divide by where powers of numbers up to `most` overflow or vanish; mostly 1."""
    if most == 0 or _SAFE[0] <= most <= _SAFE[1]:
        return 1.0
    return float(2.0 ** np.clip(np.frexp(most)[1], -1000, 1000))


def _nearest(queries: Any, points: Any, k: int, p: float) -> Any:
    return backlight.nearest(queries, points, k=k, p=p)


@cache
def _program() -> Any:
    """The search as one program for each shape; shared, and not part of anybody's pickle."""
    return backlight.compile(_nearest)


def _minkowski(apart: Array, p: float) -> Array:
    if p == 0:
        return np.asarray(np.count_nonzero(apart, axis=-1), np.float64)
    return np.asarray(np.linalg.norm(apart, p, axis=-1))


def _unit(rows: Array) -> Array:
    """Rows of length 1; a row of zeros has no direction and stays."""
    rows = rows.astype(np.promote_types(rows.dtype, np.float32), copy=False)
    most = np.max(np.abs(rows), axis=1, keepdims=True, initial=0)
    rows = rows / np.where(most == 0, 1, most)  # so that squares neither overflow nor vanish
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths))
