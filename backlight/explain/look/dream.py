"""DeepDream: a photograph changed so that a layer sees more of what it sees in it.

Gradient ascent on the mean square of a layer's output, whose gradient there is that output itself,
on the photograph at several sizes (octaves), moved a little before every step. Source: Mordvintsev,
Olah and Tyka 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import value_and_grad
from backlight.errors import ArgumentError, RangeError, ShapeError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.exciting import receptive_field
from backlight.explain.look.resize import resize
from backlight.explain.look.style import style
from backlight.gates.choice import absolute, clip
from backlight.gates.reduction import mean

Array = np.ndarray[Any, Any]

MOST_PIXELS = 1 << 21


@dataclass(frozen=True)
class Dream:
    """A dreamt photograph.

    Attributes
    ----------
    picture : ndarray (C, H, W)
        Numbers in [0, 1].
    layer : str
        Whose mean square went up.
    before, after : float
        That mean square for the photograph and the dream, at full size.
    octaves : list of (height, width)
    energies : ndarray (octaves, steps)
        The mean square at each step.
    """

    picture: Array
    layer: str
    before: float
    after: float
    octaves: list[tuple[int, int]]
    energies: Array


def dream(
    classifier: Classifier,
    photograph: Any,
    layer: str | None = None,
    *,
    octaves: int = 4,
    factor: float = 1.4,
    steps: int = 20,
    rate: float = 0.005,
    jitter: int = 8,
    seed: int = 0,
    tell: Callable[[int, int, Array], None] | None = None,
) -> Dream:
    """Dream about a photograph of any size.

    p ← clip(p + rate · g / mean|g|, 0, 1) for `steps` steps at each size, smallest first; detail
    that the smaller size could not hold is put back.

    Parameters
    ----------
    classifier : Classifier
    photograph : array_like (C, H, W)
        Numbers in [0, 1], as many channels as the network takes.
    layer : str, optional
        A convolution or what follows it; by default the last with maps.
    octaves : int ≥ 1
    factor : float > 1
        From one size to the next.
    steps : int ≥ 1
        At each size.
    rate : float > 0
        Mean absolute change of a step, as a part of the picture's range.
    jitter : int ≥ 0
        Most pixels by which the picture is moved before a step.
    seed : int
    tell : callable, optional
        Called with octave, step and picture after each step.

    Raises
    ------
    ShapeError
        Another number of channels, or a photograph that is too small or too large.
    ArgumentError
        A layer without maps.
    RangeError
        A setting outside its range.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 2))
    >>> photograph = np.random.default_rng(0).random((1, 12, 10))
    >>> found = dream(classifier(net, 2, (1, 4, 4)), photograph, "0", octaves=2, steps=3)
    >>> found.picture.shape, found.after > found.before
    ((1, 12, 10), True)
    """
    if octaves < 1 or not factor > 1 or steps < 1 or not rate > 0 or jitter < 0:
        raise RangeError(
            "dream",
            got=f"octaves={octaves}, factor={factor:g}, steps={steps}, rate={rate:g}",
            needs="octaves ≥ 1, factor > 1, steps ≥ 1, rate > 0 and jitter ≥ 0",
            remedy="Leave them out.",
        )
    original = _checked(classifier, photograph)
    path = _dreaming_layer(classifier, layer)
    apart = receptive_field(classifier, path).stride or (1, 1)
    sizes = _sizes(original.shape[1:], octaves, factor, max(classifier.shape[1:]))

    def energy(p: Any) -> Any:
        out = classifier.reach(path, p)
        return mean(out * out)

    def climb(p: Any, r: Any) -> Any:
        value, slope = value_and_grad(energy)(p)
        return value, clip(p + r * slope / (mean(absolute(slope)) + 1e-12), 0.0, 1.0)

    run = classifier.program(("dream", path), climb)
    speed = np.asarray(rate, np.float32)
    moves = philox.uniform(seed, 0, (len(sizes), steps, 2)) * (2 * jitter + 1)
    moves = np.floor(moves).astype(int) - jitter
    picture = resize(original, sizes[0])
    energies = np.zeros((len(sizes), steps))
    for octave, size in enumerate(sizes):
        base = resize(original, size)
        if octave:
            smaller = resize(resize(original, sizes[octave - 1]), size)
            picture = resize(picture, size) + base - smaller
        picture = np.clip(picture, 0, 1)
        for step in range(steps):
            move = moves[octave, step]
            whole = _whole(picture, apart)
            value, stepped = run(np.roll(whole, move, axis=(1, 2))[None], speed)
            back = np.roll(np.asarray(stepped._value)[0], -move, axis=(1, 2))
            picture = back[:, : size[0], : size[1]]
            energies[octave, step] = float(value.item())
            if tell is not None:
                tell(octave, step, picture)
    measure = classifier.program(("energy", path), energy)
    before, after = (float(measure(_whole(one, apart)[None]).item()) for one in (original, picture))
    return Dream(picture, path, before, after, sizes, energies)


def draw(
    classifier: Classifier,
    photograph: Any,
    found: Dream,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The photograph and the dream side by side.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    kind = classifier.layer(found.layer).describe().split(",")[0]
    caption = look.say(
        "dream.caption",
        layer=f"{found.layer} ({kind})",
        before=f"{found.before:.3g}",
        after=f"{found.after:.3g}",
        times=f"{found.after / max(found.before, 1e-30):.3g}",
        sizes=", ".join(f"{width}×{height}" for height, width in found.octaves),
        steps=found.energies.shape[1],
    )
    height, width = found.picture.shape[1:]
    side = 5.2
    size = (2 * side, side * height / width + 1.25)
    with look.page(*size, look.say("dream.title"), caption) as figure:
        left, right = figure.subplots(1, 2)
        look.picture(left, np.asarray(photograph), look.say("dream.before"))
        look.picture(right, found.picture, look.say("dream.after"))
    return figure


def _checked(classifier: Classifier, photograph: Any) -> Array:
    seen = np.asarray(photograph, np.float32)
    smallest = classifier.shape[-1] if len(classifier.shape) == 3 else 0
    if (
        not smallest
        or seen.ndim != 3
        or seen.shape[0] != classifier.shape[0]
        or min(seen.shape[1:]) < smallest // 2
        or seen.shape[1] * seen.shape[2] > MOST_PIXELS
    ):
        raise ShapeError(
            "dream",
            got=f"a photograph of shape {seen.shape}",
            needs=f"{classifier.shape[0]} channels, at least {smallest // 2} pixels on each side "
            f"and at most {MOST_PIXELS:,} in all, and a network of images",
            remedy="Scale or convert it.",
        )
    return seen


def _dreaming_layer(classifier: Classifier, layer: str | None) -> str:
    if layer is not None:
        classifier.layer(layer)
    shapes = {
        path: values.shape for path, values in classifier.outputs(classifier.blank()[None]).items()
    }
    maps = [path for path, shape in shapes.items() if len(shape) == 4]
    if layer is None and maps:
        return maps[-1]
    if layer in maps:
        return layer
    raise ArgumentError(
        "dream",
        got="a network without maps" if layer is None else f"layer {layer!r}, which has no maps",
        needs="a convolution, or a layer before the first fully connected one",
        remedy=f"Choose among {', '.join(maps)}." if maps else "Train a convnet.",
    )


def _whole(picture: Array, apart: tuple[int, ...]) -> Array:
    """The picture, its right and lower edge repeated until every window of the layer is whole."""
    missing = [-side % step for side, step in zip(picture.shape[1:], apart, strict=True)]
    return np.pad(picture, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")


def _sizes(
    size: tuple[int, ...], octaves: int, factor: float, smallest: int
) -> list[tuple[int, int]]:
    """Sizes of the octaves, smallest first; none smaller than half of what the network knows."""
    found = []
    for octave in reversed(range(octaves)):
        scale = factor**-octave
        height, width = (max(1, round(side * scale)) for side in size)
        if octave == 0 or min(height, width) >= smallest // 2:
            found.append((height, width))
    return found
