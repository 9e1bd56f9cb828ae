"""The splits: no example among those trained on that is evaluated on."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.doctor.evidence import Evidence, fingerprints
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe

Array = np.ndarray[Any, Any]

_LEAKED = 0.01
_ALL, _NEARLY_ALL = 0.9, 0.98
_EPOCH = 0.5


@probe(Level.CAUSE)
def leak(seen: Evidence) -> Answer:
    """Exact duplicates between the examples trained on and those evaluated on."""
    if int(np.prod(seen.examples[0].shape[1:])) < 2:
        raise NotChecked("few_features")
    if seen.held_out is not None:
        train = fingerprints(seen.examples[0])
        shares = [_share(fingerprints(seen.held_out), train)]
    else:
        shares = _shares_by_model(seen)
    leaking = [share for share in shares if share > _LEAKED]
    if leaking:
        return fault(max(leaking), share=f"{max(leaking):.0%}")
    share = max(shares, default=0.0)
    return fine(share, share=f"{share:.1%}")


def _shares_by_model(seen: Evidence) -> list[float]:
    """For each model: how much of what it was evaluated on it was also trained on.

    Another model, of another fold, may well be trained on it.
    """
    models = list(dict.fromkeys(one.model for one in seen.session.evaluated if one.step))
    if not models:
        raise NotChecked("no_evaluation")
    shares = []
    for model in models:
        batches = _trained(seen, model)
        if not batches:
            continue
        train = np.unique(np.concatenate([rows for _, rows in batches]))
        groups = _evaluated(seen, model)
        for _, group in groups:
            # The training set itself may be evaluated: then all of it is there, or nothing else.
            share = _share(group, train)
            if _share(train, group) < _ALL and share < _NEARLY_ALL:
                shares.append(share)
        shares += _held_out_anew(batches, groups, train)
    return shares


def _held_out_anew(
    batches: list[tuple[int, Array]], groups: list[tuple[int, Array]], train: Array
) -> list[float]:
    """Of splits that are drawn anew for each epoch: the share that other epochs trained on.

    Each group was held out of the epoch before it, and that epoch saw most examples.
    """
    shares, start = [], 0
    for step, group in groups:
        epoch = [rows for at, rows in batches if start <= at < step]
        start = step
        if not epoch:
            continue
        seen_in_it = np.unique(np.concatenate(epoch))
        if len(seen_in_it) > _EPOCH * len(train) and _share(group, seen_in_it) == 0.0:
            shares.append(_share(group, train))
    return shares if len(shares) > 1 else []


def _trained(seen: Evidence, model: int) -> list[tuple[int, Array]]:
    """(updates before it, its examples) of each batch that a model was trained on."""
    session, shape = seen.session, seen.examples[0].shape[1:]
    kin = _kin(seen, model)
    return [
        (step, fingerprints(inputs))
        for inputs, (step, trained) in zip(session.inputs, session.trained, strict=True)
        if trained in kin and inputs.shape[1:] == shape
    ]


def _kin(seen: Evidence, model: int) -> set[int]:
    """The models that share a parameter with this one, itself among them; 0 for bare tensors."""
    held = {id(one): {id(p) for p in one.parameters()} for one in seen.session.models}
    own = held.get(model, set())
    return {0, model} | {other for other, theirs in held.items() if not own.isdisjoint(theirs)}


def _evaluated(seen: Evidence, model: int) -> list[tuple[int, Array]]:
    """What a model was evaluated on, by the step at which it was and by place."""
    shape = seen.examples[0].shape[1:]
    groups: dict[tuple[int, str], list[Array]] = {}
    for one in seen.session.evaluated:
        if one.model == model and one.inputs.ndim and one.inputs.shape[1:] == shape and one.step:
            groups.setdefault((one.step, one.place), []).append(fingerprints(one.inputs))
    return [(step, np.concatenate(parts)) for (step, _), parts in groups.items()]


def _share(some: Array, others: Array) -> float:
    return float(np.isin(some, others).mean()) if len(some) else 0.0
