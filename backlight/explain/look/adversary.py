"""Adversaries: the smallest change of a picture that changes the verdict.

fast
    One step of ε · sign(gradient of the loss): FGSM, Goodfellow, Shlens and Szegedy 2015. Without
    an ε, the smallest that changes the verdict is looked for.
minimal
    Steps to the nearest boundary as the gradients show it (DeepFool, Moosavi-Dezfooli, Fawzi and
    Frossard 2016), then back along the straight line as far as the new verdict holds.
target
    Steps of normalised gradient up the score of a class, until it wins (Szegedy et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.errors import ArgumentError, RangeError, nearest
from backlight.explain.look.classifier import Classifier, softmax_of
from backlight.explain.look.style import signed_number, style

Array = np.ndarray[Any, Any]

METHODS = ("fast", "minimal", "target")
MOST_STEPS = 100
_BEYOND = 1.02
"""How far past the boundary DeepFool steps."""


@dataclass(frozen=True)
class Adversary:
    """A picture, changed as little as possible, and what the network now says.

    Attributes
    ----------
    method : str
    picture, original : ndarray (C, H, W)
        Numbers in [0, 1].
    before, after : int
        The class with the highest score.
    probabilities_before, probabilities_after : ndarray (K,)
    steps : int
        Gradients that were taken.
    """

    method: str
    picture: Array
    original: Array
    before: int
    after: int
    probabilities_before: Array
    probabilities_after: Array
    steps: int

    @property
    def change(self) -> Array:
        """What was added to the picture."""
        return self.picture - self.original

    @property
    def flipped(self) -> bool:
        """Whether the verdict is another."""
        return self.before != self.after

    @property
    def largest(self) -> float:
        """The largest change of a number, ‖δ‖∞, as a part of the picture's range."""
        return float(abs(self.change).max())

    @property
    def length(self) -> float:
        """‖δ‖₂."""
        return float(np.linalg.norm(self.change.astype(np.float64)))

    @property
    def relative(self) -> float:
        """‖δ‖₂ / ‖picture‖₂."""
        return self.length / max(float(np.linalg.norm(self.original.astype(np.float64))), 1e-12)


def adversary(
    classifier: Classifier,
    picture: Any,
    *,
    method: str = "minimal",
    epsilon: float | None = None,
    target: int | str | None = None,
) -> Adversary:
    """A picture that looks the same and is taken for something else.

    Parameters
    ----------
    classifier : Classifier
    picture : array_like (C, H, W)
        Numbers in [0, 1].
    method : {"minimal", "fast", "target"}
    epsilon : float in (0, 1], optional
        Of the fast method: the change of every number, as a part of the picture's range.
    target : int or str, optional
        Of the target method: the class that it is to be taken for.

    Raises
    ------
    ArgumentError
        Unknown method or class, no target, or a target that is the verdict already.
    RangeError
        An epsilon outside its range.

    Examples
    --------
    >>> from backlight import nn
    >>> from backlight.explain.look.classifier import classifier
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> adversary(classifier(net, 2, (1, 2, 2)), np.full((1, 2, 2), 0.5)).change.shape
    (1, 2, 2)
    """
    if method not in METHODS:
        raise ArgumentError(
            "adversary",
            got=f"method={method!r}",
            needs="a known method",
            remedy=nearest(method, METHODS),
        )
    if epsilon is not None and not 0 < epsilon <= 1:
        raise RangeError(
            "adversary",
            got=f"epsilon={epsilon:g}",
            needs="a part of the picture's range, above 0 and at most 1",
            remedy="Write for example 0.01.",
        )
    seen = classifier.checked(picture)
    before = int(classifier.scores(seen[None])[0].argmax())
    if method == "fast":
        changed, steps = _fast(classifier, seen, before, epsilon)
    elif method == "minimal":
        changed, steps = _minimal(classifier, seen, before)
    else:
        changed, steps = _target(classifier, seen, before, target)
    scores = classifier.scores(np.stack([seen, changed]))
    shares = softmax_of(scores)
    return Adversary(
        method, changed, seen, before, int(scores[1].argmax()), shares[0], shares[1], steps
    )


def _fast(
    classifier: Classifier, picture: Array, label: int, epsilon: float | None
) -> tuple[Array, int]:
    """Picture + ε·sign(∂loss/∂picture), with the smallest ε that flips if none is given."""
    shares = classifier.probabilities(picture[None])[0]
    # ∂(−ln p_label)/∂scores is p − one-hot: the loss's gradient by the picture in one product.
    rows = (shares - np.eye(len(shares))[label])[None].astype(np.float32)
    slope = classifier.gradients(picture[None], rows)[1][0]
    sign = np.sign(slope).astype(np.float32)
    if epsilon is not None:
        return np.clip(picture + np.float32(epsilon) * sign, 0, 1), 1
    tried = np.geomspace(1e-4, 1.0, 128).astype(np.float32)
    changed = np.clip(picture + tried[:, None, None, None] * sign, 0, 1)
    flips = classifier.scores(changed).argmax(axis=1) != label
    return changed[int(flips.argmax()) if flips.any() else -1], 1


def _minimal(classifier: Classifier, picture: Array, label: int) -> tuple[Array, int]:
    """Nearest boundary by linearised steps, then the shortest part of the way that flips."""
    count = len(classifier.classes)
    rivals = [k for k in range(count) if k != label]
    rows = np.eye(count, dtype=np.float32)[rivals]
    rows[:, label] = -1
    place, steps = picture.copy(), 0
    for _ in range(MOST_STEPS):
        behind, slopes = classifier.gradients(np.repeat(place[None], len(rivals), axis=0), rows)
        steps += 1
        if behind.max() > 0:
            break
        # A number at the end of its range cannot move on: its part of the gradient is of no use.
        stuck = ((place <= 0) & (slopes < 0)) | ((place >= 1) & (slopes > 0))
        slopes = np.where(stuck, 0, slopes).astype(np.float64)
        lengths = (slopes**2).sum(axis=(1, 2, 3)) + 1e-30
        nearest_rival = int((abs(behind) / np.sqrt(lengths)).argmin())
        far = (abs(behind[nearest_rival]) + 1e-4) / lengths[nearest_rival]
        place = place + _BEYOND * far * slopes[nearest_rival]
        place = np.clip(place, 0, 1).astype(np.float32)
    return _shortened(classifier, picture, place, label), steps


def _target(
    classifier: Classifier, picture: Array, label: int, wanted: int | str | None
) -> tuple[Array, int]:
    """Up the score of the wanted class, in steps of normalised gradient, until it wins."""
    if wanted is None or classifier.class_number(wanted) == label:
        got = "no target" if wanted is None else "the verdict itself as target"
        raise ArgumentError(
            "adversary",
            got=got,
            needs="another class that the picture is to be taken for",
            remedy=f"Choose among {', '.join(map(str, classifier.classes))}.",
        )
    number = classifier.class_number(wanted)
    place, steps = picture.copy(), 0
    rows = classifier.one_hot(number, 1)
    rows[0, label] = -1
    size = 0.01 * np.sqrt(picture.size)
    for _ in range(MOST_STEPS):
        if int(classifier.scores(place[None])[0].argmax()) == number:
            break
        slope = classifier.gradients(place[None], rows)[1][0]
        steps += 1
        place = place + np.float32(size) * slope / (np.linalg.norm(slope) + 1e-12)
        place = np.clip(place, 0, 1).astype(np.float32)
    return _shortened(classifier, picture, place, label, number), steps


def _shortened(
    classifier: Classifier, picture: Array, place: Array, label: int, wanted: int | None = None
) -> Array:
    """The shortest part of the straight way to `place` that has the new verdict."""
    parts = np.linspace(0, 1, 64, dtype=np.float32)
    low, high = 0.0, 1.0
    for _ in range(2):  # 64 places in one batch, then 64 between the two that matter
        at = (low + (high - low) * parts).astype(np.float32)
        verdicts = classifier.scores(picture + at[:, None, None, None] * (place - picture)).argmax(
            axis=1
        )
        flips = verdicts != label if wanted is None else verdicts == wanted
        if not flips.any():
            return place
        first = int(flips.argmax())
        low, high = float(at[max(first - 1, 0)]), float(at[first])
    found: Array = (picture + np.float32(high) * (place - picture)).astype(np.float32)
    return found


def draw(
    classifier: Classifier, found: Adversary, *, theme: str = "light", language: str | None = None
) -> Any:
    """Picture, twentyfold change and changed picture, with the verdict before and after.

    Returns
    -------
    matplotlib.figure.Figure
    """
    look = style(theme, language)
    names = [str(one) for one in classifier.classes]
    key = "title" if found.flipped else "title_held"
    title = look.say(
        f"adversary.{key}",
        before=names[found.before],
        after=names[found.after],
        relative=f"{found.relative:.1%}",
    )
    caption = look.say(
        "adversary.caption",
        method=look.say(f"adversary.{found.method}"),
        largest=signed_number(found.largest),
        levels=signed_number(found.largest * 255),
        length=signed_number(found.length),
        relative=f"{found.relative:.2%}",
        steps=found.steps,
    )
    high = 2.3 * found.picture.shape[1] / found.picture.shape[2] + 1.5
    with look.page(10.6, high, title, caption) as figure:
        left, middle, right, bars = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.15])
        for axes, picture, verdict, shares in (
            (left, found.original, found.before, found.probabilities_before),
            (right, found.picture, found.after, found.probabilities_after),
        ):
            look.picture(axes, picture, f"{names[verdict]}  {shares[verdict]:.1%}")
        change = np.clip(0.5 + 20 * found.change, 0, 1)
        look.picture(middle, change, look.say("adversary.change"))
        middle.set_xlabel(look.say("adversary.grey"), size=7.5)
        _verdicts(look, bars, names, found)
    return figure


def _verdicts(look: Any, axes: Any, names: list[str], found: Adversary) -> None:
    """The probabilities before and after, for the classes that matter."""
    both = np.maximum(found.probabilities_before, found.probabilities_after)
    order = np.argsort(-both, kind="stable")[:6][::-1]
    places = np.arange(len(order))
    axes.barh(
        places + 0.2,
        found.probabilities_before[order],
        0.36,
        color=look.theme.faint,
        label=look.say("adversary.before"),
    )
    axes.barh(
        places - 0.2,
        found.probabilities_after[order],
        0.36,
        hatch="//",
        color=look.theme.gradient,
        edgecolor=look.theme.paper,
        label=look.say("adversary.after"),
    )
    axes.set_box_aspect(1.0)
    axes.set_yticks(places, [names[k] for k in order])
    axes.set_xlim(0, 1)
    axes.set_xlabel(look.say("probability"))
    axes.legend(loc="lower right", fontsize=7.5)
