"""The Look inside screen: what a net sees of a picture, layer by layer and pixel by pixel."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from backlight.errors import UsageError
from backlight.explain.look.adversary import adversary
from backlight.explain.look.class_image import class_images
from backlight.explain.look.classifier import ANSWERS
from backlight.explain.look.dream import dream
from backlight.explain.look.exciting import exciting
from backlight.explain.look.features import features
from backlight.explain.look.occlusion import occlusion
from backlight.explain.look.resize import resize
from backlight.explain.look.saliency import METHODS, saliency
from backlight.studio.desk import Ask, asked
from backlight.studio.nets import Net, loaded, png, runs_with_checkpoints

Array = np.ndarray[Any, Any]
MOST_MAPS = 24
LARGEST_DREAM = 96
LONGEST_PICTURE = 900_000


@asked("look.choices")
def choices(ask: Ask) -> Any:
    """Runs, methods, answers."""
    return {"runs": runs_with_checkpoints(ask), "methods": METHODS, "answers": ANSWERS}


@asked("look.open", slow=True)
def opened(ask: Ask) -> Any:
    """A picture, what the net answers, and what each layer makes of it."""
    net, example, picture = _picture(ask)
    shares = net.subject.probabilities(picture[None])[0]
    found = features(net.subject, picture)
    layers, parts = [], []
    for one in found:
        maps = one.values if one.spatial else one.values.reshape(1, 1, -1)
        shown = maps[:MOST_MAPS]
        layers.append(
            {
                "path": one.path,
                "kind": one.kind,
                "count": int(maps.shape[0] if one.spatial else one.values.size),
                "shape": list(shown.shape),
                "maps": one.spatial,
                "dead": int(one.dead.sum()),
                "still": one.dead[:MOST_MAPS] if one.spatial else [],
            }
        )
        parts.append(shown.astype(np.float32).ravel())
    return {
        "example": example,
        "examples": len(net.labels),
        "picture": png(picture),
        "wants": list(picture.shape),
        "label": None if "pixels" in ask.given else int(net.labels[example]),
        "classes": net.classes,
        "probabilities": shares,
        "layers": layers,
        "floats": np.concatenate(parts) if parts else np.zeros(0, np.float32),
    }


@asked("look.saliency", slow=True)
def salient(ask: Ask) -> Any:
    """Which pixels the answer depends on, by one of five methods."""
    net, _, picture = _picture(ask)
    found = saliency(
        net.subject,
        picture,
        _target(ask, net),
        method=ask.one_of("method", METHODS, "gradient"),
        answer=ask.one_of("answer", ANSWERS, "score"),
        samples=32,
    )
    return {
        "floats": found.map.astype(np.float32),
        "signed": found.signed,
        "target": found.target,
        "value": found.value,
        "method": found.method,
        "total": found.total,
        "difference": found.difference,
        "layer": found.layer,
    }


@asked("look.occlusion", slow=True)
def occluded(ask: Ask) -> Any:
    """How much the answer falls when a patch is covered."""
    net, _, picture = _picture(ask)
    found = occlusion(net.subject, picture, _target(ask, net))
    return {
        "floats": found.drop.astype(np.float32),
        "target": found.target,
        "value": found.value,
        "patch": found.patch,
    }


@asked("look.adversary", slow=True)
def adversarial(ask: Ask) -> Any:
    """A picture that is hardly changed and is taken for another class."""
    net, _, picture = _picture(ask)
    epsilon = ask.number("epsilon", 0, 1, 0)
    found = (
        adversary(net.subject, picture, method="fast", epsilon=epsilon)
        if epsilon
        else adversary(net.subject, picture)
    )
    change = found.change
    return {
        "picture": png(found.picture),
        "floats": change.mean(axis=0).astype(np.float32),
        "before": found.before,
        "after": found.after,
        "sure_before": float(found.probabilities_before[found.before]),
        "sure_after": float(found.probabilities_after[found.after]),
        "largest": found.largest,
        "relative": found.relative,
        "flipped": found.flipped,
    }


@asked("look.classes", slow=True)
def class_pictures(ask: Ask) -> Any:
    """For every class the picture that its score likes best."""
    net = loaded(ask, images=True)
    found = class_images(net.subject, steps=ask.whole("steps", 1, 400, 120))
    return [
        {"class": one.target, "picture": png(one.picture), "probability": one.probability}
        for one in found[:40]
    ]


@asked("look.unit", slow=True)
def unit(ask: Ask) -> Any:
    """The pictures that excite a unit most, with what it sees of each."""
    net = loaded(ask, images=True)
    layer = ask.text("layer", None, 200)
    found = exciting(net.subject, net.pictures, layer, [ask.whole("unit", 0, 100_000)], 9)[0]
    return {
        "layer": layer,
        "unit": found.unit,
        "active": found.active,
        "field": str(found.field),
        "size": list(net.pictures.shape[2:]),
        "pictures": [
            {
                "picture": png(net.pictures[place]),
                "value": float(value),
                "box": list(box),
                "label": int(net.labels[place]),
            }
            for place, value, box in zip(found.places, found.values, found.boxes, strict=True)
        ],
    }


@asked("look.dream", slow=True)
def dreamt(ask: Ask) -> Any:
    """A picture in which a layer sees more of what it sees; shown while it grows."""
    net, _, picture = _picture(ask)
    height, width = net.pictures.shape[2:]
    scale = max(1, LARGEST_DREAM // max(height, width))
    large = resize(picture, (height * scale, width * scale))
    layer = ask.text("layer", "", 200) or None

    def tell(done: int, whole: int, picture: Array) -> None:
        ask.check()
        ask.progress(done / max(whole, 1), png(picture) if done % 4 == 0 else None)

    found = dream(
        net.subject,
        np.clip(large, 0, 1),
        layer,
        octaves=ask.whole("octaves", 1, 5, 3),
        steps=ask.whole("steps", 1, 60, 16),
        rate=ask.number("rate", 1e-4, 0.2, 0.01),
        jitter=ask.whole("jitter", 0, 16, 4),
        tell=tell,
    )
    return {
        "picture": png(found.picture),
        "layer": found.layer,
        "before": found.before,
        "after": found.after,
    }


def _picture(ask: Ask) -> tuple[Net, int, Array]:
    """The net, the number of the example, and the picture: that one, or one of the user's own."""
    net = loaded(ask, images=True)
    if "pixels" in ask.given:
        return net, 0, _own(ask.text("pixels", None, LONGEST_PICTURE), net.pictures.shape[1:])
    example = ask.whole("example", 0, len(net.labels) - 1, 0)
    return net, example, net.pictures[example]


def _own(text: str, shape: tuple[int, ...]) -> Array:
    """A picture that the page has read from a file: a byte a number, in base64.

    Raises
    ------
    UsageError
        If it is not of the net's size.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    channels, height, width = shape
    if len(content) != channels * height * width:
        raise UsageError(
            "the picture",
            got=f"{len(content):,} numbers",
            needs=f"{width}×{height} pixels with {channels} numbers each, as the net has learned",
            remedy="Choose a picture of this size, or let the page fit it.",
        )
    return (np.frombuffer(content, np.uint8).reshape(shape) / np.float32(255)).astype(np.float32)


def _target(ask: Ask, net: Net) -> int | None:
    given = ask.given.get("target")
    return None if given is None else ask.whole("target", 0, len(net.classes) - 1)
