"""Where boxes and wires go: the one file that knows the layout engine, graphlay.

It needs nothing else of this package, so that it can be run as a program of its own, which reads a
request and writes the answer. A layout that takes too long is then stopped with the program.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def place(request: dict[str, Any]) -> dict[str, Any]:
    """Centres of the boxes, sizes of the frames, and the corners of every wire.

    Parameters
    ----------
    request : dict
        "boxes": [[width, height, frame]], "frames": [[width, frame]], "wires": [[source, target,
        weight]],
        "gaps": [across, down, lane, frame padding, frame header].

    Returns
    -------
    dict
        "boxes": [[x, y]], "frames": [[x, y, width, height]], "wires": [[[x, y], …]].

    Raises
    ------
    ValueError
        If the engine refuses the request.
    """
    import graphlay

    across, down, lane, padding, header = request["gaps"]
    count = len(request["boxes"])
    graph = graphlay.Graph()
    for width, height, frame in request["boxes"]:
        inside = {"parent": count + frame} if frame >= 0 else {}
        graph.node(width=width, height=height, **inside)
    for width, frame in request["frames"]:
        inside = {"parent": count + frame} if frame >= 0 else {}
        graph.node(width=width, height=header, **inside)
    leaving = {"offset": {"side": "right", "t": 0.0}}
    for source, target, weight in request["wires"]:
        graph.edge(source, target, weight=weight, source_port=leaving)
    options = {
        "effort": "balanced" if count <= 80 else "fast",
        "spacing": {
            "layer_gap": across,
            "node_gap": down,
            "dummy_gap": down,
            "isolated_gap": down,
            "port_gap": lane,
            "port_stroke_clear": lane,
            "bundle_lane_gap": lane,
            "stub": across / 2,
            "compound_padding": padding,
            "compound_header": header,
        },
        "routing": {"lane_gap": lane, "port_sides": "facing_only"},
    }
    answer = graphlay.layout(graph, options=options)
    corners = [[[point["x"], point["y"]] for point in edge["points"]] for edge in answer.edges]
    centres = [(node["center"]["x"], node["center"]["y"]) for node in answer.nodes]
    sizes = [(node["size"]["width"], node["size"]["height"]) for node in answer.nodes]
    return {
        "boxes": [list(centre) for centre in centres[:count]],
        "frames": [
            [x - width / 2, y - height / 2, width, height]
            for (x, y), (width, height) in zip(centres[count:], sizes[count:], strict=True)
        ],
        "wires": corners,
    }


if __name__ == "__main__":
    json.dump(place(json.load(sys.stdin)), sys.stdout)
