"""The Landscape screen: the loss along a line and over a plane of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.explain.landscape import direction
from backlight.explain.landscape.slice import line, plane
from backlight.studio.desk import Ask, asked
from backlight.studio.nets import FRESH, loaded, runs_with_checkpoints
from backlight.studio.toys import player
from backlight.train import checkpoint

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]
DIRECTIONS = ("random", "path", "downhill")
MOST_POINTS = 61
MOST_EXAMPLES = 300
TOY = "toy"


@asked("landscape.choices")
def choices(ask: Ask) -> Any:
    """What a landscape can be of."""
    return {
        "runs": runs_with_checkpoints(ask),
        "directions": DIRECTIONS,
        "normalise": direction.NORMALISATIONS,
    }


@asked("landscape.compute", slow=True)
def compute(ask: Ask) -> Any:
    """The losses over the plane, those along the first direction, and the way of training."""
    module, loss, inputs, labels, weights, points = _subject(ask)
    kind = ask.one_of("direction", DIRECTIONS, "random")
    count, span = ask.whole("points", 5, MOST_POINTS, 31), ask.number("span", 1e-3, 10, 1.0)
    normalise = ask.one_of("normalise", direction.NORMALISATIONS, "filters")
    seed = ask.whole("seed", 0, 2**31, 0)
    second = direction.random_direction(weights, seed, 1, normalise)
    way: Any = None
    centre, reach = (0.0, 0.0), (span, span)
    if kind == "path":
        found = direction.path(points)
        first, second = found.first, found.second
        way = found.coordinates
        centre, reach = _around(way)
    elif kind == "downhill":
        first = direction.downhill(module, loss, inputs, labels)
    else:
        first = direction.random_direction(weights, seed, 0, normalise)
    across = centre[0] + np.linspace(-reach[0], reach[0], count)
    up = centre[1] + np.linspace(-reach[1], reach[1], count)

    def tell(done: int, whole: int) -> None:
        ask.check()
        ask.progress(done / whole, None)

    flat = line(module, loss, inputs, labels, first, across, origin=weights)
    made = plane(module, loss, inputs, labels, first, second, across, up, origin=weights, tell=tell)
    return {
        "across": made.across,
        "up": made.up,
        "losses": made.losses,
        "line": flat.losses,
        "path": way,
        "direction": kind,
        "examples": len(labels),
        "here": float(line(module, loss, inputs, labels, first, [0.0], origin=weights).losses[0]),
    }


def _subject(ask: Ask) -> Any:
    """A net, its loss, examples, weights, and the weights that training went through."""
    of = ask.text("of", TOY, 300)
    if of == TOY:
        toy = player(ask).toy
        with toy.lock:
            weights, points = direction.weights_of(toy.net), list(toy.path)
        return toy.net, toy.loss, toy.inputs, toy.labels, weights, points
    net = loaded(Ask(ask.studio, ask.name, {"run": of}, ask.language))
    inputs, labels = net.inputs[:MOST_EXAMPLES], net.labels[:MOST_EXAMPLES]
    points = []
    if net.name != FRESH and net.checkpoints is not None and ask.given.get("direction") == "path":
        for place in sorted(checkpoint.found(net.checkpoints)):
            arrays = checkpoint.load(place).arrays
            points.append(
                {name: arrays[f"model/{name}"] for name in direction.weights_of(net.module)}
            )
    return net.module, net.loss, inputs, labels, direction.weights_of(net.module), points


def _around(way: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middle of a way and how far it reaches, with a margin; never flat."""
    low, high = way.min(axis=0), way.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2 * 1.3
    half = np.maximum(half, max(0.25 * float(half.max()), 0.05))
    return (float(middle[0]), float(middle[1])), (float(half[0]), float(half[1]))
