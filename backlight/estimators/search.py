"""The k nearest of many points: exact, in bounded memory, the same answer every time."""

from __future__ import annotations

from functools import cache
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
        places = np.empty((len(queries), k), np.int64)
        distances = np.empty((len(queries), k))
        compiled = len(queries) * points.size > _WORTH_COMPILING and self.p in (1.0, 2.0)
        for first in range(0, len(queries), _ROWS):
            some = queries[first : first + _ROWS]
            rows = slice(first, first + len(some))
            search = _program() if compiled else _nearest
            found = search(some, points, k, self.p)
            near = np.asarray(found.numpy() if hasattr(found, "numpy") else found)
            distances[rows], places[rows] = self._ordered(some, points, near)
        return distances, places

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
        exact = np.take_along_axis(exact, order, axis=1)
        if self._unit:
            exact = 0.5 * exact * exact  # of unit vectors, 1 − cos is half the squared distance
        return exact, np.take_along_axis(near, order, axis=1)


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
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths == 0, 1, lengths)
