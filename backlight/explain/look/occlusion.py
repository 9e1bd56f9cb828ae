"""Occlusion: what happens to the answer when a part of the picture is covered.

A patch slides over the picture and is set to what the network sees as zero. Where the answer for
the class falls, the network looked. Source: Zeiler and Fergus 2014; CS231n, "Understanding and
visualizing convolutional neural networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import RangeError
from backlight.explain.look.classifier import Classifier, check_answer, softmax_of
from backlight.explain.look.style import signed_number, style

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Occlusion:
    """What `occlusion` found.

    Attributes
    ----------
    answers : ndarray (rows, columns)
        The answer with the patch at each place.
    drop : ndarray (H, W)
        How much the answer fell, a mean over the patches that covered the pixel.
    value : float
        The answer for the whole picture.
    """

    answers: Array
    drop: Array
    value: float
    target: int
    answer: str
    patch: int
    stride: int


def occlusion(
    classifier: Classifier,
    picture: Any,
    target: int | str | None = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    answer: str = "probability",
) -> Occlusion:
    """How much the answer for a class falls when a patch is covered, for every place of it.

    Parameters
    ----------
    classifier : Classifier
    picture : array_like (C, H, W)
        Numbers in [0, 1].
    target : int or str, optional
        A class; the one with the highest score by default.
    patch : int, optional
        Side of the patch in pixels; a quarter of the picture by default.
    stride : int, optional
        Pixels from one place to the next; a quarter of the patch by default.
    answer : {"probability", "score"}

    Raises
    ------
    RangeError
        A patch that is not in the picture, or a stride below 1.
    ArgumentError, ShapeError
        Unknown class; a picture of another size.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    >>> occlusion(classifier(net, 2, (1, 4, 4)), np.ones((1, 4, 4)), patch=2).answers.shape
    (3, 3)
    """
    check_answer(answer)
    seen = classifier.checked(picture)
    height, width = seen.shape[1:]
    side = max(1, round(min(height, width) / 4)) if patch is None else patch
    step = max(1, side // 4) if stride is None else stride
    if not 1 <= step <= side <= min(height, width):
        raise RangeError(
            "occlusion",
            got=f"patch={side}, stride={step} on a picture of {height}×{width}",
            needs=f"a patch of at most {min(height, width)} pixels, a stride from 1 to it",
            remedy="Leave them out.",
        )
    number = (
        int(classifier.scores(seen[None])[0].argmax())
        if target is None
        else classifier.class_number(target)
    )
    tops, lefts = _places(height, side, step), _places(width, side, step)
    blank = classifier.blank()
    covered = np.repeat(seen[None], len(tops) * len(lefts) + 1, axis=0)
    corners = [(top, left) for top in tops for left in lefts]
    for place, (top, left) in enumerate(corners):
        window = (slice(None), slice(top, top + side), slice(left, left + side))
        covered[place][window] = blank[window]
    scores = classifier.scores(covered)
    values = (softmax_of(scores) if answer == "probability" else scores)[:, number]
    value = float(values[-1])
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), one in zip(corners, values[:-1], strict=True):
        total[top : top + side, left : left + side] += value - one
        count[top : top + side, left : left + side] += 1
    answers = values[:-1].reshape(len(tops), len(lefts))
    return Occlusion(answers, total / count, value, number, answer, side, step)


def draw(
    classifier: Classifier,
    picture: Any,
    found: Occlusion,
    *,
    theme: str = "light",
    language: str | None = None,
) -> Any:
    """The picture, and the fall of the answer as a signed map over it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look, seen = style(theme, language), classifier.checked(picture)
    name = str(classifier.classes[found.target])
    caption = look.say(
        f"occlusion.caption_{found.answer}",
        value=signed_number(found.value),
        patch=found.patch,
        stride=found.stride,
        count=found.answers.size,
    )
    high = 2.6 * seen.shape[1] / seen.shape[2] + 1.05
    with look.page(9.4, high, look.say("occlusion.title", name=name), caption) as figure:
        left, middle, right = figure.subplots(1, 3)
        look.picture(left, seen, look.say("picture"))
        shown = look.signed_map(middle, found.drop, look.say("occlusion.drop"))
        look.bar(figure, shown, middle, look.say(f"occlusion.unit_{found.answer}"))
        top, start = np.unravel_index(int(found.answers.argmin()), found.answers.shape)
        rows = _places(seen.shape[1], found.patch, found.stride)
        columns = _places(seen.shape[2], found.patch, found.stride)
        worst = seen.copy()
        window = (
            slice(None),
            slice(rows[top], rows[top] + found.patch),
            slice(columns[start], columns[start] + found.patch),
        )
        worst[window] = classifier.blank()[window]
        lowest = signed_number(float(found.answers.min()))
        look.picture(right, worst, look.say("occlusion.worst", value=lowest))
    return figure


def _places(length: int, side: int, step: int) -> list[int]:
    """Where patches begin, the last one at the border."""
    last = length - side
    return sorted({*range(0, last + 1, step), last})
