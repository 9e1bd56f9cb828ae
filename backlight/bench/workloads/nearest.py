"""The 5 nearest of 50,000 images to each of 1,000, by L2 and L1 distance, each 3,072 numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import backlight
from backlight.bench.ours import both_ways
from backlight.bench.workload import Material, Ready, Target, Workload

POINTS, QUERIES, WIDTH, NEAREST = 50_000, 1_000, 3_072, 5


def material() -> Material:
    """Normal numbers; what is compared are the distances found."""
    random = np.random.default_rng(0)
    points = random.standard_normal((POINTS, WIDTH), np.float32)
    return {"points": points, "queries": random.standard_normal((QUERIES, WIDTH), np.float32)}


def ours(given: Material, run: Callable[..., Any], p: int) -> Ready:
    """Backlight: the places of the nearest."""
    points, queries = backlight.tensor(given["points"]), backlight.tensor(given["queries"])

    def search(queries: Any, points: Any) -> Any:
        return backlight.nearest(queries, points, k=NEAREST, p=p)

    def distances(found: Any) -> list[Any]:
        near = given["points"][found.numpy()].astype(np.float64)
        return [np.linalg.norm(near - given["queries"][:, None], p, -1)]

    program = run(search)
    return Ready(lambda: program(queries, points), distances)


def faiss(given: Material, p: int) -> Ready:
    """A flat index of faiss; its L2 distances are squared."""
    import faiss

    metric = faiss.METRIC_L2 if p == 2 else faiss.METRIC_L1
    index = faiss.IndexFlatL2(WIDTH) if p == 2 else faiss.IndexFlat(WIDTH, metric)
    index.add(given["points"])
    queries = given["queries"]
    return Ready(
        lambda: index.search(queries, NEAREST),
        lambda found: [np.sort(np.sqrt(found[0]) if p == 2 else found[0])],
    )


def scikit_learn(given: Material, p: int) -> Ready:
    """Brute force of scikit-learn, on all processors."""
    from sklearn.neighbors import NearestNeighbors

    metric = "euclidean" if p == 2 else "manhattan"
    search = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute", metric=metric, n_jobs=-1)
    search.fit(given["points"])
    queries = given["queries"]
    return Ready(lambda: search.kneighbors(queries), lambda found: [np.sort(found[0])])


def _workload(p: int, ratio: float) -> Workload:
    return Workload(
        name=f"nearest-l{p}",
        title=f"5 nearest of 50,000×3072, L{p}",
        material=material,
        contenders={
            **both_ways(partial(ours, p=p)),
            "faiss": partial(faiss, p=p),
            "scikit-learn": partial(scikit_learn, p=p),
        },
        targets=(Target(ratio),),
        flop=2.0 * POINTS * QUERIES * WIDTH if p == 2 else 0.0,
    )


WORKLOADS = [_workload(2, 0.6), _workload(1, 0.3)]
