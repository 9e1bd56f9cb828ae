"""The test split: looked at once, and every look recorded.

A test set that is consulted again and again becomes a validation set, and its accuracy an
optimistic one. So each evaluation leaves a line in the run folder, and the second one warns.
Source: CS231n, "Image classification": evaluate on the test set only a single time, at the end.
"""

from __future__ import annotations

import warnings
from typing import Any

from backlight.train.run import Run

_LEDGER = "test_looks"


class SecondLookWarning(UserWarning):
    """The test split of a run was evaluated more than once."""


def looks(run: Run) -> list[dict[str, Any]]:
    """The recorded evaluations of the run's test split."""
    return run.read(_LEDGER)


def record_look(run: Run, step: int, accuracy: float, why: str) -> int:
    """Record one evaluation; returns how many there are now and warns from the second on.

    Parameters
    ----------
    run : Run
        Whose test split.
    step : int
        Steps the evaluated model had taken.
    accuracy : float
        Fraction of right answers.
    why : str
        What asked for it, such as "end of training".
    """
    before = len(looks(run))
    run.log(_LEDGER, {"look": before + 1, "step": step, "accuracy": accuracy, "why": why})
    if before:
        warnings.warn(
            SecondLookWarning(
                f"the test split of {run.path} has now been looked at {before + 1} times; "
                "choose between models by their validation accuracy"
            ),
            stacklevel=2,
        )
    return before + 1
