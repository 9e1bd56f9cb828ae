"""Class images: the picture that a network would give its highest score, found by ascent.

From nearly nothing, the picture goes uphill on the raw score of a class. The gradient is divided
by its size, large numbers are drawn back to the mean picture, and now and then it is moved and
blurred, so that no pixel can win alone. Source: Simonyan, Vedaldi and Zisserman 2014; Yosinski
et al. 2015; CS231n, assignment 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight import philox
from backlight.engine.derivative import vjp
from backlight.errors import RangeError
from backlight.explain.look.classifier import Classifier
from backlight.explain.look.style import signed_number, style
from backlight.gates.choice import clip
from backlight.gates.reduction import mean
from backlight.gates.transcendental import sqrt

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ClassImage:
    """A picture made for a class.

    Attributes
    ----------
    target : int
    picture : ndarray (C, H, W)
        Numbers in [0, 1].
    scores : ndarray (steps + 1,)
        The raw score of the class, before the first step and after each.
    probability : float
        Of the class, for the picture.
    """

    target: int
    picture: Array
    scores: Array
    probability: float


def class_images(
    classifier: Classifier,
    targets: Sequence[int | str] | None = None,
    *,
    steps: int = 200,
    rate: float = 0.02,
    decay: float = 0.01,
    jitter: int | None = None,
    blur: float = 0.6,
    blur_every: int = 10,
    seed: int = 0,
) -> list[ClassImage]:
    """A picture for each class by gradient ascent on its raw score, all classes in one batch.

    p ← blank + (1 − decay)·(p + rate · g / √mean(g²) − blank), then clipped to [0, 1].

    Parameters
    ----------
    classifier : Classifier
    targets : sequence of int or str, optional
        Classes; all by default.
    steps : int ≥ 1
    rate : float > 0
        Root mean square of a step, as a part of the picture's range.
    decay : float in [0, 1)
        How much of the distance from the mean picture is taken back in each step.
    jitter : int, optional
        Most pixels by which the picture is moved before a step; a sixteenth by default.
    blur : float ≥ 0
        Standard deviation in pixels.
    blur_every : int ≥ 1
        Steps from one blur to the next.
    seed : int
        Of the first picture and the movements.

    Raises
    ------
    RangeError
        A setting outside its range.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> found = class_images(classifier(net, 2, (1, 4, 4)), steps=20)
    >>> all(one.scores[-1] > one.scores[0] for one in found)
    True
    """
    if steps < 1 or not rate > 0 or not 0 <= decay < 1 or blur < 0 or blur_every < 1:
        raise RangeError(
            "class images",
            got=f"steps={steps}, rate={rate:g}, decay={decay:g}, blur={blur:g}",
            needs="steps ≥ 1, rate > 0, 0 ≤ decay < 1 and blur ≥ 0",
            remedy="Leave them out.",
        )
    classifier.need_pictures("class images")
    wanted = range(len(classifier.classes)) if targets is None else targets
    numbers = [classifier.class_number(one) for one in wanted]
    rows = classifier.one_hot(numbers, len(numbers))
    blank = classifier.blank()
    far = max(1, min(classifier.shape[-2:]) // 16) if jitter is None else jitter
    draws = philox.normal(seed, 0, (len(numbers), *classifier.shape)).astype(np.float32)
    pictures = np.clip(blank + 0.05 * draws, 0, 1).astype(np.float32)
    moves = np.floor(philox.uniform(seed, 1, (steps, 2)) * (2 * far + 1)).astype(int) - far

    def climb(p: Any, c: Any, r: Any, keep: Any) -> Any:
        value, pull = vjp(lambda q: classifier.answer(q, c, "score"), p)
        slope = pull(np.ones(p.shape[0], np.float32))[0]
        size = sqrt(mean(slope * slope, axis=(1, 2, 3), keepdims=True))
        moved = blank + (p + r * slope / (size + 1e-12) - blank) * keep
        return value, clip(moved, 0.0, 1.0)

    run = classifier.program("class_images", climb)
    speed, keep = np.asarray(rate, np.float32), np.asarray(1 - decay, np.float32)
    scores = []
    for step, (down, right) in enumerate(moves):
        moved = np.roll(pictures, (down, right), axis=(2, 3))
        value, stepped = run(moved, rows, speed, keep)
        scores.append(np.array(value._value))
        pictures = np.roll(np.asarray(stepped._value), (-down, -right), axis=(2, 3))
        if blur and (step + 1) % blur_every == 0 and step + 1 < steps:
            pictures = blurred(pictures, blur)
    last = classifier.scores(pictures)
    shares = classifier.probabilities(pictures)
    return [
        ClassImage(
            number,
            pictures[k],
            np.append([one[k] for one in scores], last[k, number]),
            float(shares[k, number]),
        )
        for k, number in enumerate(numbers)
    ]


def blurred(pictures: Array, deviation: float) -> Array:
    """Pictures (…, H, W) blurred by a Gaussian, their borders repeated outwards.

    Examples
    --------
    >>> bool(np.allclose(blurred(np.ones((1, 5, 5), np.float32), 1.0), 1))
    True
    """
    reach = max(1, int(np.ceil(3 * deviation)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    found = np.asarray(pictures, np.float64)
    for axis in (-2, -1):
        width = [(0, 0)] * found.ndim
        width[axis] = (reach, reach)
        padded = np.pad(found, width, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis)
        found = windows @ weights
    return found.astype(np.float32)


def draw(
    classifier: Classifier,
    found: list[ClassImage],
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The pictures with their class, score and probability.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    caption = look.say("class_image.caption", steps=len(found[0].scores) - 1)
    size = (max(4.2, 1.75 * columns + 0.3), 2.1 * rows + 1.2)
    with look.page(*size, look.say("class_image.title"), caption) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, one in zip(grid, found, strict=False):
            look.picture(axes, one.picture, str(classifier.classes[one.target]))
            score = signed_number(float(one.scores[-1]))
            axes.set_xlabel(
                look.say("class_image.score", score=score, share=f"{one.probability:.1%}"),
                size=7.5,
            )
        for axes in grid[len(found) :]:
            axes.set_axis_off()
    return figure
