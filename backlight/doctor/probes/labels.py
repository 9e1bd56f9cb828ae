"""The labels: several, known to the inputs, in balance, and mixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import philox
from backlight.doctor.evidence import MOST_EXAMPLES, Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.probes.inputs import as_seen, measured
from backlight.gates.gate import Role

Array = np.ndarray[Any, Any]

_FEWEST = 60
_FIRST_PERMUTATIONS, _PERMUTATIONS = 40, 400
_FAR = 5.0
_BY_LUCK = 0.003
_IMBALANCED, _LOPSIDED = 4.0, 15.0
_FEW_CLASSES = 0.6
_MOST_CLASSES, _MANY_CLASSES = 20, 100


@probe(Level.CAUSE)
def labels_constant(seen: Evidence) -> Answer:
    """Whether there is more than one answer to give."""
    targets = seen.examples[1]
    if len(targets) < 2:
        raise NotChecked("few_examples", examples=len(targets), needed=2)
    if (targets == targets[:1]).all():
        return fault(1, count=len(targets), value=str(targets[0])[:40])
    return fine(len(np.unique(targets)))


@probe(Level.CAUSE)
def labels_shuffled(seen: Evidence) -> Answer:
    """Whether inputs say anything of their labels: label permutations, two simple predictors.

    The nearest other example, and a linear fit on one half read on the other, are compared with
    what they reach for the same labels in random orders. Real data beat these easily.
    """
    inputs, targets = measured(seen), seen.examples[1]
    count = min(len(inputs), MOST_EXAMPLES)
    if count < _FEWEST:
        raise NotChecked("few_examples", examples=count, needed=_FEWEST)
    if targets[:1].size != 1:
        raise NotChecked("no_classes")
    if seen.session.calls > 1:
        raise NotChecked("several_calls")
    if _rewarded(seen):
        raise NotChecked("rewards")
    flat = _standardised(inputs[:count])
    answers = targets[:count].reshape(count).astype(np.float64)
    if (answers == answers[0]).all():
        raise NotChecked("labels_constant")
    whole = targets.dtype.kind in "iub"
    luck = min(_luck_of_neighbours(flat, answers, whole), _luck_of_a_line(flat, answers, whole))
    if luck > _BY_LUCK and not _held_out_learnt(seen):
        return fault(luck, luck=f"{luck:.0%}", count=count)
    return fine(luck, luck=f"{luck:.1%}", count=count)


@probe(Level.CAUSE)
def class_imbalance(seen: Evidence) -> Answer:
    """How much more often the commonest class comes than the rarest."""
    classes = np.unique(seen.labels)
    # As often as they came: rare ones may be drawn more often on purpose.
    came = as_seen(seen)[1].reshape(-1)
    counts = np.array([int(np.sum(came == one)) for one in classes[: _MOST_CLASSES + 1]])
    if not 2 <= len(counts) <= _MOST_CLASSES or len(seen.labels) < _FEWEST:
        raise NotChecked("no_classes")
    times = float(counts.max() / counts.min())
    values = {"times": f"{times:.3g}", "share": f"{counts.max() / counts.sum():.0%}"}
    weighted = any(
        "weight" in node.gate.inputs and node.inputs[-1] >= 0 and "reduction" in node.attributes
        for node in seen.circuit.gates
        if node.gate is not None and len(node.inputs) > 2
    )
    if times > _LOPSIDED and not weighted:
        return fault(times, **values)
    if times > _IMBALANCED and not weighted:
        return warning(times, **values)
    return fine(times, **values)


@probe(Level.CAUSE)
def classes_in_order(seen: Evidence) -> Answer:
    """Whether batches hold a mixture of the classes."""
    batches = [one.reshape(-1) for one in seen.session.targets if one.dtype.kind in "iub"]
    if len(batches) < 4 or any(one.ndim != 1 for one in seen.session.targets[:1]):
        raise NotChecked("no_classes")
    pooled = np.concatenate(batches)
    order = philox.permutation(0, 9000, len(pooled))
    mixed, start = [], 0
    for one in batches:
        mixed.append(len(np.unique(pooled[order[start : start + len(one)]])))
        start += len(one)
    held = float(np.mean([len(np.unique(one)) for one in batches]))
    expected = float(np.mean(mixed))
    if expected > 1 and held < _FEW_CLASSES * expected:
        return fault(held, held=f"{held:.2g}", expected=f"{expected:.2g}")
    return fine(held, held=f"{held:.2g}", expected=f"{expected:.2g}")


# ── how it is measured ─────────────────────────────────────────────────────────────────────────


def _rewarded(seen: Evidence) -> bool:
    """Whether examples count with weights of both signs, as actions do by their rewards."""
    scores = seen.scores
    for node in seen.circuit.gates[::-1]:
        if node.index <= seen.look.scores:
            break
        if node.gate is None or node.gate.role is not Role.SWITCHER:
            continue
        for wire in node.inputs:
            other = seen.circuit.nodes[wire]
            each = other.kind == "constant" and other.shape[:1] == scores.shape[:1]
            if each and other.value.min() < 0 < other.value.max():
                return True
    return False


def _standardised(inputs: Array) -> Array:
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    spread = flat.std(axis=0)
    kept = spread > 0
    found: Array = (flat[:, kept] - flat[:, kept].mean(axis=0)) / spread[kept]
    return found


def _luck_of_neighbours(flat: Array, answers: Array, whole: bool) -> float:
    """How often shuffled answers agree with their nearest neighbour's as well as the real do."""
    squares = np.sum(flat * flat, axis=1)
    distance = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)

    def agreement(some: Array) -> float:
        if whole:
            return float(np.mean(some == some[nearest]))
        return -float(np.mean(np.abs(some - some[nearest])))

    return _luck(answers, agreement, 9100)


def _luck_of_a_line(flat: Array, answers: Array, whole: bool) -> float:
    """The same of a ridge regression, fitted to one half and read on the other."""
    half = len(flat) // 2
    first, second = flat[:half], flat[half:]
    kernel = first @ first.T
    ridge = 0.1 * np.trace(kernel) / half + 1e-9
    spread = second @ first.T @ np.linalg.inv(kernel + ridge * np.eye(half))
    classes = np.unique(answers)
    many = whole and 2 < len(classes) <= _MANY_CLASSES

    def agreement(some: Array) -> float:
        if many:
            wanted = (some[:half, None] == classes).astype(np.float64)
            guessed = classes[(spread @ (wanted - wanted.mean(axis=0))).argmax(axis=1)]
            return float(np.mean(guessed == some[half:]))
        guessed = spread @ (some[:half] - some[:half].mean())
        rest = some[half:] - some[half:].mean()
        size = float(np.linalg.norm(guessed) * np.linalg.norm(rest))
        return float(guessed @ rest) / size if size else 0.0

    return _luck(answers, agreement, 9200)


def _luck(answers: Array, agreement: Any, stream: int) -> float:
    """The share of shuffled answers that do as well as the real ones."""
    own = agreement(answers)
    reached: list[float] = []
    for count in (_FIRST_PERMUTATIONS, _PERMUTATIONS - _FIRST_PERMUTATIONS):
        draws = philox.uniform(count, stream, (count, len(answers)), np.float32)
        reached += [agreement(answers[order]) for order in draws.argsort(axis=1)]
        if own > np.mean(reached) + _FAR * (np.std(reached) + 1e-12):
            break  # far beyond chance: no need to count
    return float(np.mean([one >= own for one in reached]))


def _held_out_learnt(seen: Evidence) -> bool:
    """Whether a run's own validation says that there was something to learn."""
    best = [line.get("validation_accuracy") for line in seen.history]
    scores = [one for one in best if isinstance(one, float)]
    if not scores:
        return False
    common = np.bincount(seen.labels).max() / len(seen.labels)
    return bool(max(scores) > common + 0.1)
