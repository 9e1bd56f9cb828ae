"""The loss curve: rising, flat, or not a number; learning by heart."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from backlight.doctor.evidence import FEW_STEPS, Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning

_ROSE, _FLAT = 0.3, 0.02
_LEARNT, _STUCK = 0.2, 0.8


@probe(Level.SIGN)
def diverged(seen: Evidence) -> Answer:
    """Whether the loss rose, or ceased to be a number."""
    losses = seen.losses
    if not losses:
        raise NotChecked("no_backward")
    if seen.broke:
        return fault(None, first=f"{losses[0]:.4g}", last="NaN, ∞", steps=len(losses))
    if len(losses) < FEW_STEPS:
        raise NotChecked("few_steps", steps=len(losses), needed=FEW_STEPS)
    if seen.session.alternates:
        raise NotChecked("several_losses")
    if min(losses) < 0:
        raise NotChecked("signed")
    quarter = len(losses) // 4
    early, late = losses[:quarter], losses[-quarter:]
    first, last = float(np.mean(early)), float(np.mean(late))
    if seen.peaked:
        worst = max(losses)
        return fault(
            worst / losses[0], first=f"{losses[0]:.4g}", last=f"{worst:.4g}", steps=len(losses)
        )
    # Training that goes on from a small loss may wander by more than that loss.
    if last > first * (1 + _ROSE) and last > first + 2 * float(np.std(early)):
        return fault(last / first, first=f"{first:.4g}", last=f"{last:.4g}", steps=len(losses))
    return fine(losses[-1])


@probe(Level.SIGN)
def plateau(seen: Evidence) -> Answer:
    """Whether the loss moved at all. Accuracy may rise before the loss falls: that is no bug."""
    if not seen.session.steps and not seen.history:
        raise NotChecked("no_updates")
    fall = seen.fall
    noise = _wobble(seen.losses)
    if abs(fall) < _FLAT and noise < _FLAT and seen.losses[0] > 1e-3:
        return warning(fall, first=f"{seen.losses[0]:.4g}", last=f"{seen.losses[-1]:.4g}")
    return fine(fall, first=f"{seen.losses[0]:.4g}", last=f"{seen.losses[-1]:.4g}")


@probe(Level.SIGN)
def learns_by_heart(seen: Evidence) -> Answer:
    """Whether a small batch can be learnt by heart, without regularisation, to a loss near 0."""
    if any(node.attributes.get("label_smoothing") for node in seen.circuit.gates):
        raise NotChecked("smoothed")
    first, last, examples = seen.by_heart
    if not math.isfinite(first) or first <= 0:
        raise NotChecked("not_finite")
    left = last / first
    values = {"first": f"{first:.4g}", "last": f"{last:.3g}", "examples": examples}
    if (left > _STUCK or not math.isfinite(left)) and not seen.works:
        return fault(left, **values)
    if left > _LEARNT and examples <= 64:
        return warning(left, **values)
    return fine(last, **values)


def _wobble(losses: list[float]) -> float:
    """How much the loss differs from step to step, as a share of it."""
    if len(losses) < 3 or not losses[0]:
        return 0.0
    steps = [abs(a - b) for a, b in pairwise(losses)]
    return sum(steps) / len(steps) / max(abs(losses[0]), 1e-12)
