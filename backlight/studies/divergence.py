"""Entropy, cross-entropy and Kullback and Leibler's divergence of two distributions.

H(p) = −Σ p·ln p, H(p, q) = −Σ p·ln q, KL(p‖q) = H(p, q) − H(p) ≥ 0. Cross-entropy is not
cross-correlation: it compares what was believed with what is, not two signals.

Source: Shannon, "A mathematical theory of communication", 1948; Kullback and Leibler, 1951.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.engine.derivative import grad
from backlight.errors import ArgumentError, ShapeError
from backlight.gates.divergence import cross_entropy_of, entropy, kl_divergence
from backlight.gates.softmax import softmax
from backlight.gates.transcendental import log
from backlight.studies.board import Board
from backlight.studies.registry import Asked, Told, study

Array = np.ndarray[Any, Any]

BIT = math.log(2)
"""Nats in a bit."""


@dataclass(frozen=True)
class Divergence:
    """Two distributions compared; all in nats.

    Attributes
    ----------
    p, q : ndarray
        What is, and what is believed.
    entropy, cross_entropy, divergence : float
        H(p), H(p, q) and KL(p‖q); the last two are ∞ where something happens that was believed
        to be impossible.
    """

    p: Array
    q: Array
    entropy: float
    cross_entropy: float
    divergence: float


def divergence(p: Sequence[float], q: Sequence[float]) -> Divergence:
    """Entropy, cross-entropy and divergence of two distributions.

    Parameters
    ----------
    p, q : sequence of float
        Probabilities that sum to 1; 0·ln 0 is 0.

    Raises
    ------
    ShapeError
        If they have different lengths.
    ArgumentError
        If one is no distribution.

    Examples
    --------
    >>> found = divergence([0.5, 0.25, 0.25], [0.25, 0.5, 0.25])
    >>> [round(one / BIT, 9) for one in (found.entropy, found.cross_entropy, found.divergence)]
    [1.5, 1.75, 0.25]
    >>> divergence([1, 0], [0, 1]).cross_entropy, divergence([1, 0], [1, 0]).cross_entropy
    (inf, 0.0)
    """
    what_is, believed = np.asarray(p, np.float64), np.asarray(q, np.float64)
    if what_is.shape != believed.shape or what_is.ndim != 1 or not what_is.size:
        raise ShapeError(
            "divergence",
            got=f"distributions of {what_is.size} and {believed.size} outcomes",
            needs="equally many, at least one",
            remedy="Give p and q a probability for each outcome.",
        )
    for name, one in (("p", what_is), ("q", believed)):
        if not (np.isfinite(one).all() and (one >= 0).all() and abs(one.sum() - 1) < 1e-9):
            raise ArgumentError(
                "divergence",
                got=f"{name} = {one.tolist()} with the sum {one.sum():.6g}",
                needs="probabilities ≥ 0 that sum to 1",
                remedy=f"Divide {name} by its sum.",
            )
    # Minus zero is what −Σ p·ln p of a certain outcome is; adding zero makes it plain.
    found = (
        entropy(what_is),
        cross_entropy_of(what_is, believed),
        kl_divergence(what_is, believed),
    )
    return Divergence(
        what_is,
        believed,
        *(float(one) + 0.0 for one in found),
    )


def gradient_by_scores(scores: Any, truth: Any) -> Array:
    """Gradient of H(truth, softmax(scores)) by the scores, through every gate; it is p − y.

    Examples
    --------
    >>> gradient_by_scores(np.log([0.2, 0.3, 0.5]), [0, 1, 0]).round(12).tolist()
    [0.2, -0.7, 0.5]
    """
    right = np.asarray(truth, np.float64)
    slope = grad(lambda s: -(right * log(softmax(s))).sum())
    return np.asarray(slope(np.asarray(scores, np.float64)))


def draw(board: Board, found: Divergence) -> Any:
    """The two distributions; H(p, q) as q goes through p; the gradient by the scores."""
    values = {
        "h": _told(board, found.entropy),
        "cross": _told(board, found.cross_entropy),
        "kl": _told(board, found.divergence),
    }
    with board.titled(
        "divergence",
        11.2,
        4.5,
        **values,
    ) as page:
        left, middle, right = page.subplots(
            1,
            3,
            width_ratios=[1, 1.15, 1],
        )
        _pair(board, left, found.p, found.q)
        _way(board, middle, found)
        _gradient(board, right, found)
    return page


def _told(board: Board, nats: float) -> str:
    if math.isinf(nats):
        return "∞"
    return board.say(
        "divergence.amount",
        nats=f"{nats:.4f}",
        bits=f"{nats / BIT:.4f}",
    )


def _pair(board: Board, axes: Any, p: Array, q: Array) -> None:
    places = np.arange(len(p))
    axes.bar(
        places - 0.2,
        p,
        width=0.38,
        color=board.theme.value,
        label="p",
    )
    axes.bar(
        places + 0.2,
        q,
        width=0.38,
        color=board.theme.faint,
        hatch="//",
        label="q",
        edgecolor=board.theme.paper,
    )
    axes.set_xticks(places, [str(place + 1) for place in places])
    axes.set(title=board.say("divergence.pair"), xlabel=board.say("divergence.outcome"))
    axes.set_ylim(0, 1.25 * max(p.max(), q.max()))
    axes.legend(loc="upper right", ncols=2)


def _way(board: Board, axes: Any, found: Divergence) -> None:
    """Along the straight line from q over p and as far beyond as probabilities allow."""
    toward = found.p - found.q
    if not toward.any():
        toward = np.roll(found.p, 1) - found.p if np.ptp(found.p) else _tilt(len(found.p))
    ends = [_reach(found.p, -toward), _reach(found.p, toward)]
    along = np.linspace(
        -0.999 * min(ends[0], 1.6),
        0.999 * min(ends[1], 1.6),
        321,
    )
    believed = np.clip(
        found.p + along[:, None] * toward,
        0,
        1,
    )
    believed /= believed.sum(axis=1, keepdims=True)
    truth = np.broadcast_to(found.p, believed.shape).copy()
    costs = np.asarray(cross_entropy_of(truth, believed))
    axes.plot(
        along,
        costs,
        color=board.theme.ink,
        linewidth=2,
    )
    axes.axhline(
        found.entropy,
        color=board.theme.value,
        linestyle="--",
        linewidth=1.4,
    )
    axes.plot(
        0,
        found.entropy,
        "o",
        color=board.theme.value,
        markersize=8,
        zorder=4,
    )
    top = np.nanmax(np.where(np.isfinite(costs), costs, np.nan))
    top = min(top, 3 * found.entropy + 1)
    board.write(
        axes,
        0,
        found.entropy - 0.06 * top,
        "q = p: H(p)",
        color=board.theme.value,
    )
    if math.isfinite(found.cross_entropy) and found.divergence > 0:
        axes.plot(
            -1,
            found.cross_entropy,
            "o",
            color=board.theme.ink,
            markersize=6,
            zorder=4,
        )
        axes.annotate(
            "q",
            (-1, found.cross_entropy),
            (6, 5),
            textcoords="offset points",
        )
    axes.set_xticks([-1, 0], ["q", "p"])
    axes.set(ylim=(min(0, found.entropy - 0.12 * top), 1.08 * top))
    axes.set(title=board.say("divergence.touches"), ylabel=board.say("divergence.nats"))
    axes.grid()


def _tilt(size: int) -> Array:
    return np.r_[1.0, np.zeros(size - 2), -1.0] if size > 1 else np.zeros(size)


def _reach(start: Array, way: Array) -> float:
    """How far one can go before a probability would be negative."""
    falling = way < 0
    if not falling.any():
        return 1.0
    return float((start[falling] / -way[falling]).min())


def _gradient(board: Board, axes: Any, found: Divergence) -> None:
    """The gradient of H(p, softmax(s)) where softmax(s) is q: it is q − p."""
    scores = np.log(np.maximum(found.q, 1e-12))
    slope = gradient_by_scores(scores, found.p)
    places = np.arange(len(slope))
    axes.bar(
        places,
        slope,
        width=0.5,
        color=board.theme.gradient,
    )
    room = float(np.abs(slope).max()) or 1.0
    for place, value in zip(places, slope, strict=True):
        told = f"{value:+.3g}".replace("-", "−") if abs(value) > 1e-9 else "0"
        lift = 0.04 * room if value >= 0 else -0.04 * room
        board.write(
            axes,
            int(place),
            value + lift,
            told,
            va="bottom" if value >= 0 else "top",
            style="italic",
            color=board.theme.gradient,
        )
    axes.axhline(
        0,
        color=board.theme.ink,
        linewidth=0.8,
    )
    axes.set_xticks(places, [str(place + 1) for place in places])
    axes.set(ylim=(-1.3 * room, 1.3 * room), title=board.say("divergence.gradient"))
    axes.set_xlabel(board.say("divergence.outcome"))


@study("divergence", data="")
def _divergence(asked: Asked) -> Told:
    found = divergence(asked.p, asked.q)
    facts: dict[str, Any] = {}
    for name in ("entropy", "cross_entropy", "divergence"):
        nats = getattr(found, name)
        facts |= {f"{name}_nats": nats, f"{name}_bits": nats / BIT}
    return draw(asked.board, found), facts
