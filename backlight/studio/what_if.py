"""The screen of a whole net: a pixel, a weight or a gate dragged, and everything else follows."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backlight.studio.desk import Ask, asked
from backlight.studio.live_net import GATE, PIXEL, WEIGHT, Answer, LiveNet
from backlight.studio.nets import Net, loaded, png, runs_with_checkpoints

Array = np.ndarray[Any, Any]
MOST_EDITS = 16
_KEPT = 4


@dataclass
class Held:
    """The net that is being dragged, with the last answers."""

    net: Net
    live: LiveNet
    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)


@asked("net.choices")
def choices(ask: Ask) -> Any:
    """The runs that there are."""
    return runs_with_checkpoints(ask)


@asked("net.open", slow=True)
def opened(ask: Ask) -> Any:
    """Load a net and compile it; what its layers and parameters are."""
    net = loaded(ask, images=True)
    held = ask.studio.held.get("what_if")
    if not isinstance(held, Held) or held.net is not net:
        held = Held(net, LiveNet(net.module, net.loss))
        ask.studio.held["what_if"] = held
    example = ask.whole("example", 0, len(net.labels) - 1, 0)
    answer = _answer(held, example, [])
    return {
        "example": example,
        "examples": len(net.labels),
        "label": int(net.labels[example]),
        "classes": net.classes,
        "picture": png(net.pictures[example]),
        "shape": list(net.inputs.shape[1:]),
        "layers": [
            {"path": path, "kind": layer.describe(), "shape": list(answer.values[path].shape[1:])}
            for path, layer in held.live.layers
        ],
        "weights": [
            {"name": name, "shape": list(value.shape)} for name, value in held.live.weights.items()
        ],
    }


@asked("net.drag")
def dragged(ask: Ask) -> Any:
    """The net with some numbers changed: its answer, every layer's sizes, one layer's maps."""
    held = ask.studio.held.get("what_if")
    if not isinstance(held, Held):
        raise ask.refuse("run", "no net", "one that is open: reload the page")
    example = ask.whole("example", 0, len(held.net.labels) - 1, 0)
    edits = _edits(ask, held, example, ask.given.get("edits", []))
    answer = _answer(held, example, edits)
    path = ask.one_of("layer", ["x", *[path for path, _ in held.live.layers]], "x")
    values, slopes = answer.values[path][0], answer.slopes[path][0]
    powers = np.exp(answer.scores.astype(np.float64) - float(answer.scores.max()))
    found = {
        "loss": answer.loss,
        "probabilities": powers / powers.sum(),
        "layers": [_size(answer, path) for path in ["x", *[path for path, _ in held.live.layers]]],
        "layer": path,
        "floats": np.stack([values.ravel(), slopes.ravel()]),
        "map": list(values.shape),
    }
    if edits:
        found["chosen"] = _chosen(held, example, edits, answer)
    return found


@asked("net.strongest")
def strongest(ask: Ask) -> Any:
    """Of the image, a parameter or a layer: the number with the largest gradient."""
    held = ask.studio.held.get("what_if")
    if not isinstance(held, Held):
        raise ask.refuse("run", "no net", "one that is open: reload the page")
    example = ask.whole("example", 0, len(held.net.labels) - 1, 0)
    answer = _answer(held, example, [])
    name = ask.one_of("name", list(answer.slopes))
    index = int(np.abs(answer.slopes[name]).argmax())
    return _number(answer, name, index)


@asked("net.number")
def number(ask: Ask) -> Any:
    """One number of the image, a parameter or a layer, with its range."""
    held = ask.studio.held.get("what_if")
    if not isinstance(held, Held):
        raise ask.refuse("run", "no net", "one that is open: reload the page")
    answer = _answer(held, ask.whole("example", 0, len(held.net.labels) - 1, 0), [])
    name = ask.one_of("name", list(answer.slopes))
    return _number(answer, name, ask.whole("index", 0, answer.slopes[name].size - 1))


def _number(answer: Answer, name: str, index: int) -> dict[str, Any]:
    value = answer.values[name]
    reach = 2 * float(np.abs(value).max()) or 1.0
    place = np.unravel_index(index, value.shape)
    return {
        "name": name,
        "index": index,
        "count": value.size,
        "place": [int(one) for one in (place[1:] if len(value) == 1 and value.ndim > 1 else place)],
        "value": float(value.ravel()[index]),
        "gradient": float(answer.slopes[name].ravel()[index]),
        "reach": reach,
    }


def _edits(ask: Ask, held: Held, example: int, given: Any) -> list[tuple[str, str, int, float]]:
    """The changes that the page wants: (kind, name, index, value)."""
    if not isinstance(given, list) or len(given) > MOST_EDITS:
        raise ask.refuse("edits", given, f"a list of at most {MOST_EDITS}")
    paths = [path for path, _ in held.live.layers]
    edits = []
    for one in given:
        part = Ask(ask.studio, ask.name, one if isinstance(one, dict) else {}, ask.language)
        kind = part.one_of("kind", (PIXEL, WEIGHT, GATE))
        known = {PIXEL: ["x"], WEIGHT: list(held.live.weights), GATE: paths}[kind]
        name = part.one_of("name", known)
        size = {
            PIXEL: held.net.inputs[example].size,
            WEIGHT: held.live.weights[name].size if kind == WEIGHT else 0,
            GATE: held.live.added[name].size if kind == GATE else 0,
        }[kind]
        edits.append(
            (kind, name, part.whole("index", 0, size - 1), part.number("value", -1e6, 1e6))
        )
    return edits


def _answer(held: Held, example: int, edits: list[tuple[str, str, int, float]]) -> Answer:
    """The net's answer with the edits made, and unmade afterwards."""
    key = json.dumps([example, edits])
    found = held.answers.get(key)
    if found is not None:
        return found
    image = held.net.inputs[example].copy()
    before = []
    base = _answer(held, example, []) if edits else None
    for kind, name, index, value in edits:
        where = {PIXEL: image, WEIGHT: held.live.weights.get(name), GATE: held.live.added.get(name)}
        numbers = where[kind].reshape(-1)
        before.append((numbers, index, float(numbers[index])))
        own = base.values[name].ravel()[index] if kind == GATE and base is not None else 0.0
        numbers[index] = value - own
    try:
        found = held.live.answer(image, int(held.net.labels[example]))
    finally:
        for numbers, index, old in reversed(before):
            numbers[index] = old
    held.answers[key] = found
    while len(held.answers) > _KEPT:
        unedited = json.dumps([example, []])
        oldest = next(one for one in held.answers if one != unedited)
        del held.answers[oldest]
    return found


def _chosen(
    held: Held, example: int, edits: list[tuple[str, str, int, float]], now: Answer
) -> dict[str, Any]:
    """What the gradient foresaw for the last edit, and what came."""
    _, name, index, value = edits[-1]
    before = _answer(held, example, edits[:-1])
    start, slope = before.values[name].ravel()[index], before.slopes[name].ravel()[index]
    return {
        "gradient": float(now.slopes[name].ravel()[index]),
        "predicted": float(slope) * (value - float(start)),
        "true": now.loss - before.loss,
    }


def _size(answer: Answer, path: str) -> list[Any]:
    value, slope = answer.values[path], answer.slopes[path]
    return [
        path,
        float(np.abs(value).mean(dtype=np.float64)),
        float(np.abs(slope).mean(dtype=np.float64)),
        float((slope == 0).mean()),
    ]
