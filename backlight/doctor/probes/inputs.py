"""What a model is given: numbers, that differ, of a usable scale, and each with one answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import philox
from backlight.doctor.evidence import Evidence, fingerprints
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.gates.normalisation import Normalisation

Array = np.ndarray[Any, Any]

_LARGE, _UNUSUAL, _SMALL = 20.0, 8.0, 1e-3
_FAINT, _FAINT_EXAMPLE = 0.01, 0.5
_FEATURES_APART = 1000.0
_FEWEST, _FEATURES = 20, 4
_CONTRADICTED = 0.5
_ORDERS, _LUCKY = 40, 0.02
_FAR_TARGETS, _LARGE_TARGETS, _SMALL_TARGETS = 1000.0, 100.0, 1e-4


@probe(Level.CAUSE)
def inputs_not_finite(seen: Evidence) -> Answer:
    """Whether inputs and targets are numbers."""
    arrays = [*seen.session.inputs, *seen.session.targets]
    if not arrays:
        raise NotChecked("no_examples")
    bad = sum(int((~np.isfinite(x)).sum()) for x in arrays if x.dtype.kind == "f")
    if bad:
        total = sum(x.size for x in arrays)
        return fault(bad, count=bad, of=f"{total:,}")
    return fine(0)


@probe(Level.CAUSE)
def inputs_constant(seen: Evidence) -> Answer:
    """Whether examples differ from each other, as bytes divided as whole numbers do not."""
    inputs, targets = as_seen(seen)
    if len(inputs) < _FEWEST:
        raise NotChecked("few_examples", examples=len(inputs), needed=_FEWEST)
    differ = len(np.unique(fingerprints(inputs)))
    if differ == 1 and len(np.unique(fingerprints(targets))) > 1:
        return fault(1, count=f"{len(inputs):,}", value=f"{inputs.reshape(-1)[0]:g}")
    return fine(differ)


@probe(Level.CAUSE)
def inputs_repeat(seen: Evidence) -> Answer:
    """Whether the same input comes with several classes, as from a buffer that is filled anew."""
    measured(seen)
    inputs, targets = as_seen(seen, once=True)
    classes = targets.dtype.kind in "iub" and targets[:1].size == 1
    if not classes or seen.session.calls > 1:
        raise NotChecked("no_classes")
    if inputs[:1].size < _FEATURES:
        raise NotChecked("few_features")
    _, rows = np.unique(fingerprints(inputs), return_inverse=True)
    _, labels = np.unique(targets.reshape(-1), return_inverse=True)
    counts = _met(rows, labels)
    known = len(counts)
    if known < 2:
        raise NotChecked("few_examples", examples=known, needed=2)
    several = (counts > 0).sum(axis=1)
    share = float(np.mean(several > 1))
    if share > _CONTRADICTED and _by_chance(rows, labels):
        return fault(share, share=f"{share:.0%}", count=known, labels=int(several.max()))
    return fine(share)


@probe(Level.CAUSE)
def not_normalised(seen: Evidence) -> Answer:
    """The scale of the inputs: about 1 is expected, a feature like another."""
    inputs = measured(seen)
    if _normalises_first(seen):
        raise NotChecked("normalises_first")
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    scale = float(np.sqrt(np.mean(flat * flat)))
    spread = flat.std(axis=0)
    moving = spread[spread > 0]
    apart = float(moving.max() / moving.min()) if moving.size else 1.0
    values = {
        "scale": f"{scale:.3g}",
        "mean": f"{flat.mean():.3g}",
        "deviation": f"{flat.std():.3g}",
    }
    unlike = apart > _FEATURES_APART and flat.shape[1] < 100 and scale > 1
    lost = scale < _FAINT and np.linalg.norm(flat, axis=1).mean() < _FAINT_EXAMPLE
    if scale > _LARGE or (0 < scale < _SMALL) or unlike or (lost and not seen.works):
        return fault(scale, **values)
    if scale > _UNUSUAL:
        return warning(scale, **values)
    return fine(scale, **values)


@probe(Level.CAUSE)
def targets_not_normalised(seen: Evidence) -> Answer:
    """The scale of numbers that are to be predicted: weights begin at a scale of about 1."""
    targets = seen.examples[1]
    if targets.dtype.kind != "f" or seen.is_binary:
        raise NotChecked("no_numbers")
    if not np.isfinite(targets).all():
        raise NotChecked("not_finite")
    wide = targets.astype(np.float64)
    scale, deviation = float(np.sqrt(np.mean(wide * wide))), float(wide.std())
    values = {
        "scale": f"{scale:.3g}",
        "mean": f"{wide.mean():.3g}",
        "deviation": f"{deviation:.3g}",
    }
    if seen.works or len(wide) < 2:
        return fine(scale)
    if scale > _FAR_TARGETS or 0 < deviation < _SMALL_TARGETS:
        return fault(scale, **values)
    if scale > _LARGE_TARGETS:
        return warning(scale, **values)
    return fine(scale)


# ── how it is measured ─────────────────────────────────────────────────────────────────────────


def measured(seen: Evidence) -> Array:
    """The inputs, where they are measurements; indices of words or letters have no scale."""
    inputs = seen.examples[0]
    first = seen.session.inputs[0]
    if inputs.dtype.kind not in "f" and first.dtype.kind in "iu" and _looks_up(seen):
        raise NotChecked("indices")
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        raise NotChecked("not_finite")
    return inputs


def _met(rows: Array, labels: Array) -> Array:
    """How often each input came with each label."""
    shape = (int(rows.max()) + 1, int(labels.max()) + 1)
    flat = np.bincount(rows * shape[1] + labels, minlength=shape[0] * shape[1])
    return flat.reshape(shape)


def _by_chance(rows: Array, labels: Array) -> bool:
    """Whether an input's commonest label is no commoner than with the labels in random order.

    What is met again and again with noisy answers agrees with itself more often than that.
    """
    own = _met(rows, labels).max(axis=1).sum()
    draws = philox.uniform(0, 9300, (_ORDERS, len(labels)), np.float32).argsort(axis=1)
    reached = [_met(rows, labels[order]).max(axis=1).sum() for order in draws]
    return bool(np.mean([one >= own for one in reached]) > _LUCKY)


def as_seen(seen: Evidence, *, once: bool = False) -> tuple[Array, Array]:
    """Every example that was trained on, as often as it came, with its target.

    `once` leaves out batches that came before, as those of a later epoch.
    """
    session = seen.session
    if not session.inputs:
        raise NotChecked("no_examples")
    met: set[tuple[int, int]] = set()

    def is_new(x: Array, y: Array) -> bool:
        key = (hash(np.ascontiguousarray(x).tobytes()), hash(np.ascontiguousarray(y).tobytes()))
        new = key not in met
        met.add(key)
        return new or not once

    kept = [
        (x, y)
        for x, y in zip(session.inputs, session.targets, strict=True)
        if is_new(x, y)
        and x.shape[1:] == session.inputs[0].shape[1:]
        and y.shape[1:] == session.targets[0].shape[1:]
    ]
    inputs, targets = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return inputs, targets


def _looks_up(seen: Evidence) -> bool:
    return any(
        node.gate is not None and "indices" in node.gate.inputs for node in seen.circuit.gates
    )


def _normalises_first(seen: Evidence) -> bool:
    """Whether the first thing that happens to the inputs is a normalisation."""
    for node in seen.circuit.gates:
        if isinstance(node.gate, Normalisation):
            source = seen.circuit.nodes[seen.behind_movers(node.inputs[0])]
            return source.kind in ("constant", "input")
        if any(seen.circuit.nodes[i].kind == "parameter" for i in node.inputs if i >= 0):
            return False
    return False
