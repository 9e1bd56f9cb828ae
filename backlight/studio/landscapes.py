"""The Landscape screen: the loss along a line and over a plane of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.explain.landscape import direction
from backlight.explain.landscape.slice import line, plane
from backlight.studio import run_files
from backlight.studio.desk import Ask, asked
from backlight.studio.nets import loaded, runs_with_checkpoints
from backlight.studio.toys import player
from backlight.train import checkpoint
from backlight.train.repeat import repeated
from backlight.train.run import Run

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]
DIRECTIONS = ("random", "between", "path", "downhill")
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


@dataclass
class Subject:
    """A net with its loss and examples, its weights, and those that training went through."""

    module: Any
    loss: Any
    inputs: Any
    labels: Any
    weights: Weights
    start: Weights
    way: Callable[[], list[Weights]]


@asked("landscape.compute", slow=True)
def compute(ask: Ask) -> Any:
    """The losses over the plane, those along the first direction, and the way of training."""
    kind = ask.one_of("direction", DIRECTIONS, "random")
    count, span = ask.whole("points", 5, MOST_POINTS, 31), ask.number("span", 1e-3, 10, 1.0)
    subject = _of_toy(ask) if ask.text("of", TOY, 300) == TOY else _of_run(ask)
    where = (subject.module, subject.loss, subject.inputs, subject.labels)
    first, second, weights, way = _directions(ask, kind, subject, where)
    centre, reach = (0.0, 0.0), (span, span)
    if way is not None:
        centre, reach = _around(way)
    elif kind == "between":
        centre, reach = (0.5, 0.0), (1.0, span)
    across = _through_zero(centre[0] + np.linspace(-reach[0], reach[0], count))
    up = _through_zero(centre[1] + np.linspace(-reach[1], reach[1], count))

    def tell(done: int, whole: int) -> None:
        ask.check()
        ask.progress(done / whole, None)

    flat = line(*where, first, across, origin=weights)
    made = plane(*where, first, second, across, up, origin=weights, tell=tell)
    return {
        "across": made.across,
        "up": made.up,
        "losses": made.losses,
        "line": flat.losses,
        "path": way,
        "direction": kind,
        "examples": len(subject.labels),
        "here": float(flat.losses[int(abs(across).argmin())]),
    }


def _directions(ask: Ask, kind: str, subject: Subject, where: Any) -> Any:
    """The first and second direction, the point they start at, and the way of training."""
    normalise = ask.one_of("normalise", direction.NORMALISATIONS, "filters")
    seed = ask.whole("seed", 0, 2**31, 0)
    weights = subject.weights
    if kind == "path":
        points = subject.way()
        found = direction.path(points)
        return found.first, found.second, points[-1], found.coordinates
    if kind == "between":
        first = direction.between(weights, subject.start)
    elif kind == "downhill":
        first = direction.downhill(*where)
    else:
        first = direction.random_direction(weights, seed, 0, normalise)
    return first, direction.random_direction(weights, seed, 1, normalise), weights, None


def _of_toy(ask: Ask) -> Subject:
    toy = player(ask).toy
    with toy.lock:
        weights, points = direction.weights_of(toy.net), list(toy.path)
    start = points[0] if points else weights
    return Subject(
        toy.net, toy.loss, toy.inputs, toy.labels, weights, start, lambda: [*points, weights]
    )


def _of_run(ask: Ask) -> Subject:
    net = loaded(Ask(ask.studio, ask.name, {"run": ask.text("of")}, ask.language))
    inputs, labels = net.inputs[:MOST_EXAMPLES], net.labels[:MOST_EXAMPLES]
    weights = direction.weights_of(net.module)
    start = weights if net.start is None else net.start

    def way() -> list[Weights]:
        if net.checkpoints is None:
            return [start]
        if ask.flag("again"):
            return _repeated(ask, net.name)
        kept = [checkpoint.load(place).arrays for place in checkpoint.found(net.checkpoints)]
        return [start, *({name: one[f"model/{name}"] for name in weights} for one in kept)]

    return Subject(net.module, net.loss, inputs, labels, weights, start, way)


def _repeated(ask: Ask, name: str) -> list[Weights]:
    def tell(done: int, whole: int) -> None:
        ask.check()
        ask.progress(done / max(whole, 1), None)

    return repeated(Run.open(run_files.find(ask.studio.runs, name).path).settings(), tell)


def _through_zero(places: Array) -> Array:
    """The places moved by less than a step, so that the point they are around is one of them."""
    moved: Array = places - places[abs(places).argmin()]
    return moved


def _around(way: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """The middle of a way and how far it reaches, with a margin; never flat."""
    low, high = way.min(axis=0), way.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2 * 1.3
    half = np.maximum(half, max(0.25 * float(half.max()), 0.05))
    return (float(middle[0]), float(middle[1])), (float(half[0]), float(half[1]))
