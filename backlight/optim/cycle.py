"""Rates that rise first: a linear warm-up, and one cycle up and down."""

from __future__ import annotations

from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.optim.decay import cosine
from backlight.optim.optimizer import Optimizer
from backlight.optim.rate import Schedule
from backlight.optim.setting import PART, POSITIVE, number
from backlight.shapes import whole


class OneCycleLR(Schedule):
    """Up from max_lr/div_factor to max_lr, then down to a small part of where it began.

    The rate alone is cycled; momentum is left as it is (in PyTorch, `cycle_momentum=False`). After
    `total_steps` the rate stays where it ended.

    Parameters
    ----------
    optimizer : Optimizer or float
        As in `Schedule`; its own rate is replaced.
    max_lr : float
        The highest rate, above 0.
    total_steps : int
        Length of the cycle, at least 2.
    pct_start : float
        Part of the cycle that rises, in [0, 1].
    anneal_strategy : {"cos", "linear"}
        Shape of both slopes.
    div_factor, final_div_factor : float
        The cycle begins at max_lr/div_factor, and ends at that over final_div_factor.

    Examples
    --------
    >>> schedule = OneCycleLR(1.0, max_lr=1.0, total_steps=11, pct_start=0.3, div_factor=10)
    >>> [round(schedule(step), 2) for step in (0, 2, 10)]
    [0.1, 0.96, 0.0]

    Source: Smith and Topin 2018.
    """

    label = "one-cycle"

    def __init__(
        self,
        optimizer: Optimizer | float,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        kind = "OneCycleLR"
        self.max_lr = number(kind, "max_lr", max_lr, POSITIVE)
        self.total_steps = whole(kind, "total_steps", total_steps, 2)
        self.pct_start = number(kind, "pct_start", pct_start, PART)
        self.start = self.max_lr / number(kind, "div_factor", div_factor, POSITIVE)
        self.end = self.start / number(kind, "final_div_factor", final_div_factor, POSITIVE)
        if anneal_strategy not in _SLOPES:
            raise ArgumentError(
                kind,
                got=f"anneal_strategy={anneal_strategy!r}",
                needs="the name of a slope",
                remedy=nearest(anneal_strategy, _SLOPES),
            )
        self.slope = _SLOPES[anneal_strategy]
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:  # noqa: ARG002
        """The formula: one slope up to the top, another down to the end."""
        top = self.pct_start * self.total_steps - 1
        last = self.total_steps - 1
        if step <= top:
            return self.slope(self.start, self.max_lr, step / top if top else 1.0)
        return self.slope(self.max_lr, self.end, (min(step, last) - top) / (last - top))

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """One cycle, as long as the run, with the given rate at its top."""
        top = lr
        if isinstance(lr, Optimizer):  # a resumed one has the rate of the moment in "lr"
            top = lr.param_groups[0].get("initial_lr", lr.param_groups[0]["lr"])
        return cls(lr, **{"max_lr": top, "total_steps": max(total_steps, 2), **settings})


class LinearWarmup(Schedule):
    """Equal steps up to the base rate over `warmup` steps, then another schedule from its start.

    The first step has the rate base/warmup, step `warmup` − 1 the whole of it.

    Parameters
    ----------
    optimizer : Optimizer or float
        As in `Schedule`.
    warmup : int
        Length of the rise, 0 or above.
    after : Schedule, optional
        What follows, and counts from there; the base rate if not given. Only this schedule's
        `step` is to be called, not that of `after`.

    Examples
    --------
    >>> from backlight.optim import CosineAnnealingLR
    >>> schedule = LinearWarmup(1.0, 4, after=CosineAnnealingLR(1.0, T_max=10))
    >>> [schedule(step) for step in (0, 1, 3, 4)], round(schedule(9), 6), schedule(14)
    ([0.25, 0.5, 1.0, 1.0], 0.5, 0.0)

    Source: Goyal and others 2017.
    """

    def __init__(
        self, optimizer: Optimizer | float, warmup: int, after: Schedule | None = None
    ) -> None:
        self.warmup = whole("LinearWarmup", "warmup", warmup, 0)
        if after is not None and not (isinstance(after, Schedule) and after.of_step):
            raise ArgumentError(
                "LinearWarmup",
                got=f"after={after!r}",
                needs="a schedule that is a function of the step",
                remedy="Use one of the other schedules.",
            )
        self.after = after
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula: base·(step + 1)/warmup, then what follows."""
        goal = base if self.after is None else self.after.at(base, 0)
        if step < self.warmup:
            return goal * (step + 1) / self.warmup
        return base if self.after is None else self.after.at(base, step - self.warmup)


def _linear(start: float, end: float, part: float) -> float:
    return start + (end - start) * part


_SLOPES = {"cos": cosine, "linear": _linear}
