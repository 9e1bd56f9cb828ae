"""The search for nearest points as calls: packing, lengths, lists of segments, one list.

The points are read where they are, once for every group of queries; what is stored besides the
result is a packed copy of the queries, a length for each vector and the segments' lists.
"""

from __future__ import annotations

import math

import numpy as np

from backlight.native.contraction.distance import Nearest
from backlight.native.contraction.nearest_lists import INDEX, MergeNearest, SquaredNorms
from backlight.native.contraction.pack import Pack
from backlight.native.lowering.loops import Node
from backlight.native.machine_code.machine import Target
from backlight.native.running.program import Array, Call, Place


def nearest_calls(
    node: Node, queries: Place, points: Place, to: Place, target: Target
) -> list[Call]:
    """The calls that compute a `nearest` node.

    Parameters
    ----------
    node : Node
        With `k` and `metric`; its inputs are queries (n, d) and points (m, d), row-major.
    queries, points, to : (Array, int)
        Where the inputs are, and where the indices go.
    target : Target
    """
    (count, size), among = node.inputs[0].shape, node.inputs[1].shape[0]
    k, metric, dtype = node.attributes["k"], node.attributes["metric"], node.inputs[0].dtype
    search = Nearest(count, among, size, k, metric, dtype, target)
    pack = Pack(1, size, count, dtype, (0, 1, size), search.width)

    def memory(name: str, number: int, kind: np.dtype[np.generic] = dtype) -> Place:
        return Array(max(1, number) * kind.itemsize, f"{name} of {label}"), 0

    label = f"nearest {node.origin}".strip()
    panels = memory("packed queries", math.prod(pack.shape))
    found = [Call(pack, [queries, panels], f"pack for {label}")]
    norms = []
    for name, x, rows in (("points", points, among), ("queries", queries, count)):
        norms.append(memory(f"lengths of {name}", rows if metric == "l2" else 1))
        if metric == "l2":
            squares = SquaredNorms(rows, size, dtype)
            found.append(Call(squares, [x, norms[-1]], f"lengths of {name} for {label}"))
    lists = search.segments * count * k
    parts = [memory("distances", lists), memory("places", lists, INDEX)]
    found.append(Call(search, [points, panels, *norms, *parts], label))
    merge = MergeNearest(search.segments, count, size, k, metric, dtype)
    distances = memory("all distances", count * k)
    found.append(Call(merge, [points, queries, *parts, distances, to], f"one list for {label}"))
    return found
