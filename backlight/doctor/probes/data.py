"""The data: finite, of a usable scale, with labels that the inputs know something of."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight import philox
from backlight.doctor.evidence import MOST_EXAMPLES, Evidence, fingerprints
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.gates.gate import Role
from backlight.gates.normalisation import Normalisation

Array = np.ndarray[Any, Any]

_LARGE, _UNUSUAL, _SMALL = 20.0, 8.0, 1e-3
_FEATURES_APART = 1000.0
_FEWEST = 60
_FIRST_PERMUTATIONS, _PERMUTATIONS = 40, 400
_FAR = 5.0
_BY_LUCK = 0.003
_IMBALANCED, _LOPSIDED = 4.0, 15.0
_FEW_CLASSES = 0.6
_MOST_CLASSES, _MANY_CLASSES = 20, 100
_LEAKED = 0.01
_ALL = 0.9


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
def not_normalised(seen: Evidence) -> Answer:
    """The scale of the inputs: about 1 is expected, a feature like another."""
    inputs = _measured(seen)
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
    if scale > _LARGE or (0 < scale < _SMALL) or unlike:
        return fault(scale, **values)
    if scale > _UNUSUAL:
        return warning(scale, **values)
    return fine(scale)


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
    inputs, targets = _measured(seen), seen.examples[1]
    count = min(len(inputs), MOST_EXAMPLES)
    if count < _FEWEST:
        raise NotChecked("few_examples", examples=count, needed=_FEWEST)
    if targets[:1].size != 1:
        raise NotChecked("no_classes")
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
    return fine(luck)


@probe(Level.CAUSE)
def leak(seen: Evidence) -> Answer:
    """Exact duplicates between the examples trained on and those evaluated on."""
    train = fingerprints(seen.examples[0])
    if seen.held_out is not None:
        shares = [_share(fingerprints(seen.held_out), train)]
        most = 1.1
    else:
        groups = _evaluation_groups(seen)
        if not groups:
            raise NotChecked("no_evaluation")
        # The training set itself may be evaluated: then all of it is there, or nothing else.
        groups = [group for group in groups if _share(train, group) < _ALL]
        shares = [_share(group, train) for group in groups]
        most = 0.98
    shape = seen.examples[0].shape[1:]
    if int(np.prod(shape)) < 2:
        raise NotChecked("few_features")
    leaking = [share for share in shares if _LEAKED < share < most]
    if leaking:
        return fault(max(leaking), share=f"{max(leaking):.0%}")
    return fine(max((s for s in shares if s < most), default=0.0))


@probe(Level.CAUSE)
def class_imbalance(seen: Evidence) -> Answer:
    """How much more often the commonest class comes than the rarest."""
    counts = np.bincount(seen.labels - seen.labels.min())
    counts = counts[counts > 0]
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
    return fine(times)


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
    return fine(held)


# ── how it is measured ─────────────────────────────────────────────────────────────────────────


def _measured(seen: Evidence) -> Array:
    """The inputs, where they are measurements; indices of words or letters have no scale."""
    inputs = seen.examples[0]
    first = seen.session.inputs[0]
    if inputs.dtype.kind not in "f" and first.dtype.kind in "iu" and _looks_up(seen):
        raise NotChecked("indices")
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        raise NotChecked("not_finite")
    return inputs


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


def _evaluation_groups(seen: Evidence) -> list[Array]:
    """Evaluated examples, grouped by the step at which they were evaluated and by place."""
    shape = seen.examples[0].shape[1:]
    groups: dict[tuple[int, str], list[Array]] = {}
    for one in seen.session.evaluated:
        if one.inputs.ndim and one.inputs.shape[1:] == shape and one.step:
            groups.setdefault((one.step, one.place), []).append(fingerprints(one.inputs))
    return [np.concatenate(parts) for parts in groups.values()]


def _share(some: Array, others: Array) -> float:
    return float(np.isin(some, others).mean()) if len(some) else 0.0
