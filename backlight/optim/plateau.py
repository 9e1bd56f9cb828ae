"""A rate that falls when learning has stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.optim.optimizer import Optimizer
from backlight.optim.rate import Schedule
from backlight.optim.setting import DECAY, NOT_NEGATIVE, Range, number
from backlight.shapes import whole

_FINITE = Range("a finite number", math.isfinite)


class ReduceLROnPlateau(Schedule):
    """The rate times `factor` each time a measure has not improved for `patience` steps.

    Not a function of the step: `step(metric)` is told the measure.

    Parameters
    ----------
    optimizer : Optimizer or float
        As in `Schedule`.
    mode : {"min", "max"}
        Whether a smaller or a larger measure is better.
    factor : float
        In [0, 1).
    patience : int
        Steps without improvement that are borne.
    threshold : float
        Improvements below this do not count: relative to the best, or absolute.
    threshold_mode : {"rel", "abs"}
        How `threshold` is meant.
    cooldown : int
        Steps after a cut in which nothing is counted.
    min_lr : float
        The rate is not cut below this.

    Examples
    --------
    >>> schedule = ReduceLROnPlateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    of_step = False

    def __init__(
        self,
        optimizer: Optimizer | float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        kind = "ReduceLROnPlateau"
        for name, value, options in (
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ):
            if value not in options:
                raise ArgumentError(
                    kind,
                    got=f"{name}={value!r}",
                    needs=" or ".join(options),
                    remedy=nearest(value, options),
                )
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = number(kind, "factor", factor, DECAY)
        self.threshold = number(kind, "threshold", threshold, NOT_NEGATIVE)
        self.min_lr = number(kind, "min_lr", min_lr, NOT_NEGATIVE)
        self.patience = whole(kind, "patience", patience, 0)
        self.cooldown = whole(kind, "cooldown", cooldown, 0)
        self.best: float | None = None
        self.bad = self.resting = self.cuts = 0
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:  # noqa: ARG002
        """The present rate; what it will be depends on the measure."""
        return max(base * self.factor**self.cuts, min(base, self.min_lr))

    def step(self, metric: Any = None) -> None:
        """Tell the measure of this step.

        Raises
        ------
        ArgumentError
            If it is missing, NaN or infinite.
        """
        value = number(self.kind, "metric", metric if metric is None else float(metric), _FINITE)
        self.last_step += 1
        if self.best is None or self._improves(value, self.best):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.resting:
            self.resting -= 1
            self.bad = 0
        if self.bad > self.patience:
            self.cuts, self.bad, self.resting = self.cuts + 1, 0, self.cooldown
        self._set()

    def _improves(self, value: float, best: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * value < sign * best - self.threshold
        return sign * value < sign * best * (1 - sign * self.threshold)

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is, with the best measure and the counters."""
        return {
            **super().state_dict(),
            "best": self.best,
            "bad": self.bad,
            "resting": self.resting,
            "cuts": self.cuts,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved place. See `Schedule`."""
        before = (self.best, self.bad, self.resting, self.cuts)
        try:
            if isinstance(state, Mapping) and set(state) == set(self.state_dict()):
                best = state["best"]
                self.best = best if best is None else number(self.kind, "best", best, _FINITE)
                self.bad, self.resting, self.cuts = (
                    whole(self.kind, name, state[name], 0) for name in ("bad", "resting", "cuts")
                )
            super().load_state_dict(state)
        except Exception:
            self.best, self.bad, self.resting, self.cuts = before
            raise
