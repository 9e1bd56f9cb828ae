"""The start: weights that differ from each other and neither swell nor shrink what passes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe
from backlight.doctor.probes.steps import listed
from backlight.explain.circuit.circuit import Node
from backlight.gates.gate import Role

Array = np.ndarray[Any, Any]

_LARGE_GAIN, _SMALL_GAIN = 4.0, 0.2
_FAR_ABOVE_CHANCE = 3.0
_MANY_SATURATED = 0.5
_VANISHED, _EXPLODED = 1e-4, 1e4
_DEAD = 0.9
_ROUNDING = 1e-3


@probe(Level.CAUSE)
def same_weights(seen: Evidence) -> Answer:
    """Hidden units that begin alike and stay alike, as those of zero or constant weights do."""
    names = list(dict.fromkeys(name for name, _, _ in seen.weights()))
    names = [name for name in names if name in seen.session.start]
    if len(names) < 2:
        raise NotChecked("no_hidden")
    alike: list[tuple[str, float]] = []
    after = _alike(seen.session.start[names[-1]])  # whether all that follows is alike too
    for name in reversed(names[:-1]):
        start, now = seen.session.start[name], seen.session.parameters[name]
        same = _alike(start)
        if same and (after or _alike(np.asarray(now._value), nearly=True)):
            alike.insert(0, (name, float(start.flat[0])))
        after = after and same
    if not alike:
        return fine(0)
    return fault(len(alike), names=listed([name for name, _ in alike]), value=f"{alike[0][1]:.3g}")


@probe(Level.STATE)
def weights_too_large(seen: Evidence) -> Answer:
    """Weights so large that the first answers are sure of themselves, or the units saturated."""
    gains = _gains(seen)
    name = max(gains, key=gains.__getitem__)
    gain = gains[name]
    try:
        chance, first = seen.at_zero, seen.look.loss
        sure = chance > 0 and first > _FAR_ABOVE_CHANCE * chance
    except NotChecked:
        sure = False
    full = [one for one in seen.look.activations if one.squashes]
    saturated = max((one.saturated for one in full), default=0.0)
    if gain > _LARGE_GAIN and (sure or saturated > _MANY_SATURATED or seen.broke):
        return fault(gain, name=name, gain=f"{gain:.3g}", loss=f"{seen.look.loss:.4g}")
    return fine(gain, name=name, gain=f"{gain:.3g}")


@probe(Level.STATE)
def weights_too_small(seen: Evidence) -> Answer:
    """Weights so small that signals, and gradients on the way back, fade from layer to layer."""
    gains = _gains(seen)
    name = min(gains, key=gains.__getitem__)
    small = [one for one in gains.values() if one < _SMALL_GAIN]
    ratio = _first_to_last(seen)
    if ratio < _VANISHED and len(small) > 1 and not seen.works:
        return fault(gains[name], name=name, gain=f"{gains[name]:.2g}", ratio=f"{ratio:.1e}")
    return fine(gains[name], name=name, gain=f"{gains[name]:.2g}")


@probe(Level.STATE)
def vanishing_gradient(seen: Evidence) -> Answer:
    """The gradient at the first weights against that at the last."""
    ratio = _first_to_last(seen)
    if ratio < _VANISHED and not seen.works:
        squashes = [one for one in seen.look.activations if one.squashes]
        kinds = listed(sorted({one.gate for one in squashes})) or "–"
        return fault(ratio, ratio=f"{ratio:.1e}", count=len(squashes), kinds=kinds)
    return fine(ratio, ratio=f"{ratio:.2g}")


@probe(Level.STATE)
def exploding_gradient(seen: Evidence) -> Answer:
    """The gradient at the first weights, when it is far larger than at the last."""
    ratio = _first_to_last(seen)
    if ratio > _EXPLODED and not seen.works:
        return fault(ratio, ratio=f"{ratio:.1e}")
    return fine(ratio)


@probe(Level.STATE)
def dead_at_start(seen: Evidence) -> Answer:
    """ReLU units that give 0 for every example before anything was learnt."""
    looked = [one for one in seen.look.activations if not one.squashes]
    if not looked:
        raise NotChecked("no_relu")
    worst = max(looked, key=lambda one: float(one.silent.mean()))
    share = float(worst.silent.mean())
    if share >= _DEAD:
        return fault(
            share,
            layer=worst.layer,
            dead=int(worst.silent.sum()),
            units=worst.silent.size,
            examples=worst.examples,
        )
    return fine(share, layer=worst.layer, share=f"{share:.0%}")


@probe(Level.CAUSE)
def no_nonlinearity(seen: Evidence) -> Answer:
    """Layers of weights with nothing between them: together they are one layer."""
    circuit = seen.circuit
    weights = {node.index: (name, node) for name, node, _ in seen.weights()}
    if len(weights) < 2:
        raise NotChecked("no_hidden")
    for name, node in weights.values():
        before = _through_additions(seen, node.inputs[0])
        if before not in weights:
            continue
        first, second = weights[before][1], node
        widths = (
            _width(circuit.nodes[first.inputs[0]]),
            _width(first),
            _width(second),
        )
        # A narrow layer between wider ones is a bottleneck, which limits the rank: it is meant.
        if widths[1] >= min(widths[0], widths[2]):
            return fault(1, first=weights[before][0], second=name)
    return fine(0)


def _alike(weight: Array, *, nearly: bool = False) -> bool:
    """Whether all outputs, or all inputs, of a weight have the same numbers, but for rounding."""
    if weight.ndim < 2 or weight.size < 2:
        return False
    flat = weight.reshape(len(weight), -1)
    room = _ROUNDING * float(np.abs(flat).max()) if nearly else 0.0
    rows = len(flat) > 1 and bool((np.abs(flat - flat[:1]) <= room).all())
    across = np.abs(flat - flat[:, :1])
    return rows or (weight.ndim == 2 and flat.shape[1] > 1 and bool((across <= room).all()))


def _gains(seen: Evidence) -> dict[str, float]:
    """Root mean square × √inputs of each weight: 1 keeps the variance, √2 does so with ReLU."""
    found = {
        name: seen.look.sizes[name] * fan_in**0.5
        for name, _, fan_in in seen.weights()
        if name in seen.look.sizes
    }
    if not found:
        raise NotChecked("no_weights")
    return found


def _first_to_last(seen: Evidence) -> float:
    """Root mean square of the first weight's gradient over that of the last weight's."""
    names = list(dict.fromkeys(name for name, _, _ in seen.weights()))
    if len(names) < 2:
        raise NotChecked("no_hidden")
    first, last = (seen.look.gradients.get(name) for name in (names[0], names[-1]))
    if first is None or not last or not np.isfinite([first, last]).all():
        raise NotChecked("no_gradient")
    return first / last


def _through_additions(seen: Evidence, index: int) -> int:
    """The node behind reshapes and the addition of a bias."""
    circuit = seen.circuit
    node = circuit.nodes[index] if index >= 0 else None
    while node is not None and node.gate is not None:
        added = node.gate.name == "add" and circuit.nodes[node.inputs[1]].kind != "gate"
        if not added and node.gate.role is not Role.MOVER:
            return node.index
        node = circuit.nodes[node.inputs[0]]
    return -1


def _width(node: Node) -> int:
    return int(node.shape[1]) if len(node.shape) > 1 else 1
