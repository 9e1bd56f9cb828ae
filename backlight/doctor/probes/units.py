"""The units while training goes on: which died, which are saturated, whether answers differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.session import Activation

Array = np.ndarray[Any, Any]

_MOST_DEAD, _MANY_DEAD = 0.6, 0.4
_ALL_DEAD, _HARDLY_FELL = 0.9, 0.1
_MOST_SATURATED = 0.8
_TOGETHER = 3
"""Looks that are taken together: a unit is dead if it was silent in all of them."""


@probe(Level.SIGN)
def units_died(seen: Evidence) -> Answer:
    """ReLU units that gave 0 for every example of the last looks."""
    worst = _most_silent(seen, squashes=False, reason="no_relu")
    layer, silent, examples, began = worst
    share = float(silent.mean())
    values = {
        "layer": layer,
        "dead": int(silent.sum()),
        "units": silent.size,
        "examples": examples,
        "began": f"{began:.0%}",
    }
    stuck = seen.fell_less(_HARDLY_FELL) or (share > _ALL_DEAD and not seen.works)
    if share > _MOST_DEAD and stuck:
        return fault(share, **values)
    if share > _MANY_DEAD:
        return warning(share, **values)
    return fine(share, **values)


@probe(Level.SIGN)
def units_saturated(seen: Evidence) -> Answer:
    """Sigmoid and tanh units at an end of their range."""
    if not seen.looks:
        raise NotChecked("no_backward")
    last = [one for one in seen.looks[-1].activations if one.squashes]
    if not last:
        raise NotChecked("no_squash")
    worst = max(last, key=lambda one: one.saturated)
    if worst.saturated > _MOST_SATURATED and not seen.works:
        return fault(worst.saturated, layer=worst.layer, share=f"{worst.saturated:.0%}")
    return fine(worst.saturated, layer=worst.layer, share=f"{worst.saturated:.0%}")


@probe(Level.SIGN)
def constant_output(seen: Evidence) -> Answer:
    """Whether different examples get different answers."""
    looks = [look for look in seen.looks if look.circuit is not None and look.scores >= 0]
    if not looks:
        raise NotChecked("no_scores")
    circuit = looks[-1].circuit
    assert circuit is not None  # noqa: S101 - told to the type checker
    scores = np.asarray(circuit.nodes[looks[-1].scores].value, np.float64)
    if scores.ndim == 0 or len(scores) < 2:
        raise NotChecked("few_examples", examples=scores.size, needed=2)
    if not np.isfinite(scores).all():
        raise NotChecked("not_finite")
    across = float(scores.std(axis=0).max())
    scale = float(np.abs(scores).max())
    if across <= 1e-6 * max(scale, 1e-12) and len(seen.losses) > 1:
        return fault(across, examples=len(scores))
    return fine(across)


def _most_silent(seen: Evidence, *, squashes: bool, reason: str) -> tuple[str, Array, int, float]:
    """The layer with most silent units: its path, those units, examples, and the share at first."""
    layers: dict[str, list[Activation]] = {}
    for look in seen.looks[-_TOGETHER:]:
        for one in look.activations:
            if one.squashes is squashes:
                layers.setdefault(one.layer, []).append(one)
    if not layers:
        raise NotChecked(reason)
    first = {one.layer: float(one.silent.mean()) for one in seen.session.looks[0].activations}
    best: tuple[str, Array, int, float] | None = None
    for layer, several in layers.items():
        alike = [one for one in several if one.silent.shape == several[0].silent.shape]
        silent = np.logical_and.reduce([one.silent for one in alike])
        if best is None or silent.mean() > best[1].mean():
            examples = sum(one.examples for one in alike)
            best = (layer, silent, examples, first.get(layer, 0.0))
    assert best is not None  # noqa: S101 - there was a layer
    return best
