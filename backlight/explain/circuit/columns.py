"""A plain layout that never fails: columns by depth. It stands in where the engine gives up."""

from __future__ import annotations

from typing import Any

Sizes = tuple[tuple[float, float, int], ...]
"""Width and height of every box, and the frame that it is in."""
Ends = tuple[tuple[int, int, int], ...]
"""Source and target of every wire, and how much it wants to be straight."""


def in_columns(boxes: Sizes, wires: Ends, gaps: tuple[float, ...]) -> dict[str, Any]:
    """Places for boxes and wires: wires run in lanes between columns, and through them in rows.

    Parameters
    ----------
    boxes, wires
        As in a request to the engine; there must be no loop.
    gaps : tuple of float
        Across, down, lane; what follows is about frames, which a plain layout has none of.

    Returns
    -------
    dict
        "boxes": centres; "frames": none; "wires": corners.
    """
    across, down, lane = gaps[:3]
    depth = _depths(len(boxes), wires)
    columns: list[list[tuple[int, int]]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for number, column in enumerate(depth):
        columns[column].append((number, -1))
    into: list[list[int]] = [[] for _ in columns]
    for number, (source, target, _) in enumerate(wires):
        for column in range(depth[source] + 1, depth[target] + 1):
            into[column].append(number)
            if column < depth[target]:  # it passes this column in a row of its own
                columns[column].append((-1, number))
    centres: list[list[float]] = [[0.0, 0.0] for _ in boxes]
    ways = [[[0.0, 0.0]] for _ in wires]
    x = 0.0
    for column, entries in enumerate(columns):
        heights = _wished(entries, into[column], wires, ways)
        lanes = {number: x + lane * (k + 1) for k, number in enumerate(into[column])}
        x += lane * len(lanes) + across
        widest = max((boxes[box][0] for box, _ in entries if box >= 0), default=0.0)
        y = down * (column % 3) / 2  # two columns at one height would let wires run into others
        for box, way in sorted(entries, key=heights.__getitem__):
            height = boxes[box][1] if box >= 0 else lane
            middle = y + height / 2
            y += height + down
            if box >= 0:
                centres[box] = [x + boxes[box][0] / 2, middle]
            else:
                ways[way] += _step(ways[way], lanes[way], [x, middle])
                ways[way].append([x + widest, middle])
        for number in into[column]:
            if depth[wires[number][1]] == column:
                box = wires[number][1]
                end = [centres[box][0] - boxes[box][0] / 2, centres[box][1]]
                ways[number] += _step(ways[number], lanes[number], end)
        for number, (source, _, _) in enumerate(wires):
            if depth[source] == column:
                middle = centres[source][1]
                ways[number] = [[centres[source][0] + boxes[source][0] / 2, middle]]
        x += widest + across
    return {"boxes": centres, "frames": [], "wires": ways}


def _step(way: list[list[float]], lane: float, end: list[float]) -> list[list[float]]:
    return [[lane, way[-1][1]], [lane, end[1]], end]


def _wished(
    entries: list[tuple[int, int]], into: list[int], wires: Ends, ways: list[list[list[float]]]
) -> dict[tuple[int, int], tuple[float, int]]:
    """Where every entry of a column would like to be: at the middle height of what enters it."""
    found = {}
    for place, (box, way) in enumerate(entries):
        numbers = [way] if box < 0 else [n for n in into if wires[n][1] == box]
        heights = [ways[number][-1][1] for number in numbers]
        # What nothing enters stays in the order in which it was given.
        found[box, way] = (sum(heights) / len(heights) if heights else 0.0, place)
    return found


def _depths(count: int, wires: Ends) -> list[int]:
    """For every box the length of the longest way to it."""
    leaving: dict[int, list[int]] = {}
    waiting = [0] * count
    for source, target, _ in wires:
        leaving.setdefault(source, []).append(target)
        waiting[target] += 1
    depth = [0] * count
    ready = [box for box in range(count) if not waiting[box]]
    while ready:
        box = ready.pop()
        for target in leaving.get(box, ()):
            depth[target] = max(depth[target], depth[box] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depth
