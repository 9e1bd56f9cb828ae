"""Approximate neighbours by a maintained library: most of them, in a fraction of the time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backlight import philox
from backlight.errors import ArgumentError, DataError, MissingExtraError, nearest
from backlight.estimators.search import Array, ExactSearch

KINDS = ("hnsw", "ivf")
WIDE, DIMENSIONS = 128, 64
"""Points of more numbers than the first are laid out by so many of their principal components."""
_REMEASURED = 20
"""Candidates, at least, whose true distances are compared then."""
_SAMPLES = 5_000


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError(
            "approximate neighbours",
            got="no faiss",
            needs="that library, which builds the index",
            remedy="Run: pip install 'backlight[ann]'",
        ) from None
    return faiss


class ApproximateSearch:
    """Finds most of the k nearest, by an index of faiss, in the role the notes give to FLANN.

    Points of more than 128 numbers are laid out by their first 64 principal components; of the
    candidates that are found so, the true distances are compared.

    Parameters
    ----------
    kind : {"hnsw", "ivf"}
        A graph that is walked from neighbour to neighbour (Malkov and Yashunin, 2016), or lists of
        the points around centres, of which a few are looked through.
    effort : int
        The larger, the more is found and the longer it takes: points that the walk keeps in view,
        or lists that are looked through.
    p : float
        2 only: these indices know Euclid's distance.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.
    ArgumentError
        If kind, effort or p is not one of these.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> search = ApproximateSearch("hnsw")  # doctest: +SKIP
    >>> search.add(points)  # doctest: +SKIP
    >>> search.find(points[:1], 1)[1]  # doctest: +SKIP
    array([[0]])
    """

    def __init__(self, kind: str = "hnsw", *, effort: int = 64, p: float = 2.0) -> None:
        if kind not in KINDS:
            raise ArgumentError(
                "ApproximateSearch",
                got=f"kind={kind!r}",
                needs=f"one of {', '.join(KINDS)}",
                remedy=nearest(str(kind), KINDS),
            )
        if isinstance(effort, bool) or not isinstance(effort, int) or effort < 1:
            raise ArgumentError(
                "ApproximateSearch",
                got=f"effort={effort!r}",
                needs="a whole number ≥ 1",
                remedy="Pass effort=64.",
            )
        if p != 2:
            raise ArgumentError(
                "ApproximateSearch",
                got=f"p={p!r}",
                needs="p=2: the index knows Euclid's distance only",
                remedy="Use the exact search for other distances.",
            )
        self.kind = kind
        self.effort = effort
        self._index: Any = None
        _faiss()

    def __len__(self) -> int:
        return 0 if self._index is None else int(self._index.ntotal)

    def add(self, points: Array) -> None:
        """Add points; an inverted file learns its centres from the first ones."""
        points = np.ascontiguousarray(points, np.float32)
        if self._index is None:
            self._index = self._made(points)
        self._index.add(points)

    def _made(self, points: Array) -> Any:
        faiss = _faiss()
        count, width = points.shape
        if width <= WIDE or count < 2 * DIMENSIONS:
            return self._plain(points)
        axes, mean = principal_components(points, DIMENSIONS)
        turn = faiss.LinearTransform(width, DIMENSIONS, True)
        faiss.copy_array_to_vector(axes.ravel(), turn.A)
        faiss.copy_array_to_vector(-axes @ mean, turn.b)
        turn.is_trained = True
        inside = faiss.IndexPreTransform(turn, self._plain((points - mean) @ axes.T))
        return faiss.IndexRefineFlat(inside)

    def _plain(self, points: Array) -> Any:
        """The index for points as they are, without them."""
        faiss = _faiss()
        count, width = points.shape
        if self.kind == "hnsw":
            index = faiss.IndexHNSWFlat(width, 32)
            index.hnsw.efConstruction = 200
            return index
        lists = max(1, min(int(4 * np.sqrt(count)), count // 39 or 1))  # faiss asks for 39 a centre
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(width), width, lists)
        index.train(np.ascontiguousarray(points))
        return index

    def find(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Distances and places of the nearest that were found, the nearest first; −1 for none."""
        if not 1 <= k <= len(self):
            raise ArgumentError(
                "ApproximateSearch",
                got=f"k={k} among {len(self)} points",
                needs="at least 1, and no more than there are points",
                remedy="Ask for fewer neighbours, or add more points.",
            )
        inner, candidates = self._inner(), k
        if inner is not self._index:
            factor = max(4, _REMEASURED // k)
            self._index.k_factor = factor
            candidates = min(factor * k, len(self))
        if self.kind == "hnsw":
            inner.hnsw.efSearch = max(self.effort, candidates)
        else:
            inner.nprobe = min(self.effort, inner.nlist)
        squares, places = self._index.search(np.ascontiguousarray(queries, np.float32), k)
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.maximum(squares.astype(np.float64), 0)), places

    def _inner(self) -> Any:
        """The index behind the principal components, or the only one."""
        faiss = _faiss()
        index = self._index
        if isinstance(index, faiss.IndexRefine):
            index = faiss.downcast_index(faiss.downcast_index(index.base_index).index)
        return index

    def save(self, path: str | Path) -> None:
        """Write the index to a file, in the library's format."""
        _faiss().write_index(self._index, str(path))

    @classmethod
    def load(cls, path: str | Path, kind: str = "hnsw", *, effort: int = 64) -> ApproximateSearch:
        """An index that `save` wrote.

        Raises
        ------
        DataError
            If the file is missing or damaged.
        """
        made = cls(kind, effort=effort)
        try:
            made._index = _faiss().read_index(str(path))
        except RuntimeError as problem:
            there = Path(path).exists()
            raise DataError(
                f"the index {path}",
                got="content that the library cannot read" if there else "no such file",
                needs="what ApproximateSearch.save wrote",
                remedy="Build it again from the points, and save it.",
            ) from problem
        return made


def principal_components(points: Array, count: int, seed: int = 0) -> tuple[Array, Array]:
    """The directions in which points differ most, and their mean.

    Found among 5,000 of them by products with random vectors (Halko, Martinsson and Tropp, 2011).

    Parameters
    ----------
    points : array (points, features)
    count : int
        How many directions.
    seed : int

    Returns
    -------
    array (count, features), array (features,)
        Float32; the directions are orthonormal, the first differ most.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 9.0, 3.0]
    >>> abs(principal_components(points, 2)[0]).round().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    some = points[:: max(1, len(points) // _SAMPLES)][:_SAMPLES].astype(np.float32)
    mean = some.mean(axis=0)
    some = some - mean
    wanted = min(count + 16, *some.shape)
    found = some.T @ (some @ philox.normal(seed, 0, (some.shape[1], wanted), np.float32))
    for _ in range(3):
        found = some.T @ (some @ np.linalg.qr(found)[0])
    basis = np.linalg.qr(found)[0]
    turned = np.linalg.svd(some @ basis, full_matrices=False)[2]
    return np.ascontiguousarray(turned[:count] @ basis.T, np.float32), mean


@dataclass(frozen=True)
class Row:
    """What an index brought: a row of the comparison.

    Attributes
    ----------
    name : str
    effort : int
        0 for the exact search.
    recall : float
        Share of the true k nearest that were found.
    build, query : float
        Seconds to build, and for a query.
    accuracy : float
        Share of the queries that their neighbours classify rightly; NaN without labels.
    """

    name: str
    effort: int
    recall: float
    build: float
    query: float
    accuracy: float = math.nan


def compare_searches(
    points: Array,
    queries: Array,
    k: int = 1,
    efforts: tuple[int, ...] = (1, 8, 64),
    labels: tuple[Array, Array] | None = None,
) -> list[Row]:
    """Recall, build time, query time and accuracy of the indices beside the exact search.

    Parameters
    ----------
    points, queries : array (count, features)
    k : int
    efforts : tuple of int
    labels : pair of arrays of int, optional
        Class numbers of the points and of the queries.

    Returns
    -------
    list of Row
        The exact search first.
    """
    exact = ExactSearch()
    begin = time.perf_counter()
    exact.add(points)
    build = time.perf_counter() - begin
    exact.find(queries, k)  # the first search of all also compiles and starts threads
    begin = time.perf_counter()
    _, truth = exact.find(queries, k)
    taken = (time.perf_counter() - begin) / len(queries)
    rows = [Row("exact", 0, 1.0, build, taken, _accuracy(truth, labels))]
    for kind in KINDS:
        search = ApproximateSearch(kind)
        begin = time.perf_counter()
        search.add(points)
        build = time.perf_counter() - begin
        search.find(queries, k)
        for effort in efforts:
            search.effort = effort
            begin = time.perf_counter()
            _, found = search.find(queries, k)
            taken = (time.perf_counter() - begin) / len(queries)
            hits = sum(
                len(set(ours) & set(theirs)) for ours, theirs in zip(found, truth, strict=True)
            )
            share = hits / truth.size
            rows.append(Row(kind, effort, share, build, taken, _accuracy(found, labels)))
    return rows


def _accuracy(found: Array, labels: tuple[Array, Array] | None) -> float:
    """Of a vote of the neighbours; of equal votes the first class wins."""
    if labels is None:
        return math.nan
    known, wanted = labels
    votes = [np.bincount(known[row[row >= 0]], minlength=1).argmax() for row in found]
    return float(np.mean(np.array(votes) == wanted))
