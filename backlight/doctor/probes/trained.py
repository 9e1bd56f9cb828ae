"""A trained model: whether it learnt anything, and which class it does not know."""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.doctor.evidence import Evidence
from backlight.doctor.probe import Answer, Level, NotChecked, fault, fine, probe, warning
from backlight.doctor.trained import Trained

Array = np.ndarray[Any, Any]

_ERRORS = 2.0
_FEWEST = 8
_FAR_BELOW = 0.5
_WIDE_GAP = 0.15


@probe(Level.SIGN)
def learnt_nothing(seen: Evidence) -> Answer:
    """Whether the trained model knows more than which class is the commonest."""
    found = _trained(seen).held_out
    chance = found.commonest
    error = (chance * (1 - chance) / len(found.labels)) ** 0.5
    values = {"accuracy": f"{found.accuracy:.1%}", "chance": f"{chance:.1%}"}
    if found.accuracy <= chance + _ERRORS * error and chance < 1:
        return fault(found.accuracy, **values)
    return fine(found.accuracy, **values)


@probe(Level.SIGN)
def weak_class(seen: Evidence) -> Answer:
    """The class that is least often right, and what it is taken for."""
    trained = _trained(seen)
    found = trained.held_out
    counts = np.bincount(found.labels)
    known = np.flatnonzero(counts >= _FEWEST)
    if len(known) < 2:
        raise NotChecked("few_examples", examples=int(counts.max()), needed=_FEWEST)
    right = {int(k): float(np.mean(found.predicted[found.labels == k] == k)) for k in known}
    worst = min(right, key=right.__getitem__)
    if right[worst] >= _FAR_BELOW * found.accuracy:
        return fine(right[worst], name=trained.called(worst), right=f"{right[worst]:.0%}")
    answers = found.predicted[found.labels == worst]
    taken = np.bincount(answers[answers >= 0], minlength=worst + 1)
    taken[worst] = 0
    other = int(taken.argmax())
    return warning(
        right[worst],
        name=trained.called(worst),
        right=f"{right[worst]:.0%}",
        other=trained.called(other),
        taken=f"{taken[other] / counts[worst]:.0%}",
        accuracy=f"{found.accuracy:.0%}",
    )


@probe(Level.SIGN)
def validation_gap(seen: Evidence) -> Answer:
    """How much better the training examples are known than those of the validation split."""
    if seen.trained is not None:
        train, validation = seen.trained.train.accuracy, seen.trained.held_out.accuracy
    else:
        epochs = [
            line for line in seen.history if isinstance(line.get("validation_accuracy"), float)
        ]
        if not epochs:
            raise NotChecked("no_validation")
        best = max(epochs, key=lambda line: float(line["validation_accuracy"]))
        train, validation = float(best["train_accuracy"]), float(best["validation_accuracy"])
    gap, values = train - validation, {"train": f"{train:.1%}", "validation": f"{validation:.1%}"}
    if gap > _WIDE_GAP:
        return warning(gap, **values)
    return fine(gap, **values)


def _trained(seen: Evidence) -> Trained:
    if seen.trained is None:
        raise NotChecked("no_checkpoint")
    return seen.trained
