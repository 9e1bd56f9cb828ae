"""Rates that fall: not at all, in drops, exponentially, as 1/t, along a cosine."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

from backlight.errors import ArgumentError
from backlight.optim.optimizer import Optimizer
from backlight.optim.rate import Schedule
from backlight.optim.setting import NOT_NEGATIVE, PART, POSITIVE, number
from backlight.shapes import whole


class ConstantLR(Schedule):
    """The base rate throughout; or times `factor` for the first `total_iters` steps.

    PyTorch's defaults for these two are ⅓ and 5. Here constant means constant unless asked.

    Examples
    --------
    >>> ConstantLR(0.1)(1000)
    0.1
    """

    label = "constant"

    def __init__(
        self, optimizer: Optimizer | float, factor: float = 1.0, total_iters: int = 0
    ) -> None:
        self.factor = number("ConstantLR", "factor", factor, PART)
        self.total_iters = whole("ConstantLR", "total_iters", total_iters, 0)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula: base, times `factor` at first."""
        return base * self.factor if step < self.total_iters else base

    @classmethod
    def for_run(
        cls,
        lr: Optimizer | float,
        total_steps: int,  # noqa: ARG003
        **settings: Any,
    ) -> Schedule:
        """The same rate from the first step to the last."""
        return cls(lr, **settings)


class StepLR(Schedule):
    """The base rate times gamma^⌊step / step_size⌋: a drop every `step_size` steps.

    Examples
    --------
    Half every 5 epochs, at epoch 12:

    >>> StepLR(1.0, 5, gamma=0.5)(12)
    0.25
    """

    label = "step"

    def __init__(self, optimizer: Optimizer | float, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = whole("StepLR", "step_size", step_size, 1)
        self.gamma = number("StepLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        return float(base * self.gamma ** (step // self.step_size))

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """A tenth after each third of the run."""
        return cls(lr, **{"step_size": max(1, -(-total_steps // 3)), **settings})


class MultiStepLR(Schedule):
    """The base rate times gamma for each milestone that has been reached.

    Parameters
    ----------
    optimizer
        As in `Schedule`.
    milestones : sequence of int
        Steps at which the rate drops; one that is named twice drops it twice.
    gamma : float
        Above 0.

    Examples
    --------
    >>> schedule = MultiStepLR(1.0, [30, 80], gamma=0.5)
    >>> schedule(29), schedule(30), schedule(80)
    (1.0, 0.5, 0.25)
    """

    def __init__(
        self, optimizer: Optimizer | float, milestones: Iterable[int], gamma: float = 0.1
    ) -> None:
        self.milestones = sorted(
            whole("MultiStepLR", "a milestone", milestone, 0) for milestone in milestones
        )
        self.gamma = number("MultiStepLR", "gamma", gamma, POSITIVE)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        return float(base * self.gamma ** bisect_right(self.milestones, step))


class LinearLR(Schedule):
    """The base rate times a factor that goes in a line from one value to another, and stays there.

    Parameters
    ----------
    optimizer
        As in `Schedule`.
    start_factor, end_factor : float
        In [0, 1].
    total_iters : int
        Steps from the one to the other, at least 1.

    Examples
    --------
    >>> schedule = LinearLR(1.0, start_factor=0.5, total_iters=4)
    >>> schedule(0), schedule(2), schedule(9)
    (0.5, 0.75, 1.0)
    """

    def __init__(
        self,
        optimizer: Optimizer | float,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = number("LinearLR", "start_factor", start_factor, PART)
        self.end_factor = number("LinearLR", "end_factor", end_factor, PART)
        self.total_iters = whole("LinearLR", "total_iters", total_iters, 1)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        part = min(step / self.total_iters, 1.0)
        return base * (self.start_factor * (1.0 - part) + self.end_factor * part)


class ExponentialLR(Schedule):
    """The base rate times gamma^step; with gamma = e^(−k) the course's α₀·e^(−kt).

    Examples
    --------
    >>> round(ExponentialLR(1.0, rate=0.1)(10), 6)
    0.367879
    """

    label = "exponential"

    def __init__(
        self, optimizer: Optimizer | float, gamma: float | None = None, *, rate: float | None = None
    ) -> None:
        if (gamma is None) == (rate is None):
            raise ArgumentError(
                "ExponentialLR",
                got=f"gamma={gamma!r} and rate={rate!r}",
                needs="one of the two",
                remedy="Pass gamma=0.9, or rate=0.1 for e^(−0.1) a step.",
            )
        self.gamma = (
            number("ExponentialLR", "gamma", gamma, POSITIVE)
            if rate is None
            else math.exp(-number("ExponentialLR", "rate", rate, NOT_NEGATIVE))
        )
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        return float(base * self.gamma**step)

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """A hundredth of the base rate at the end of the run."""
        if "gamma" not in settings:
            settings.setdefault("rate", math.log(100) / total_steps)
        return cls(lr, **settings)


class InverseTimeLR(Schedule):
    """The base rate divided by 1 + k·step, the course's α₀/(1 + kt).

    Examples
    --------
    >>> InverseTimeLR(1.0, rate=0.5)(2)
    0.5
    """

    label = "inverse-time"

    def __init__(self, optimizer: Optimizer | float, rate: float) -> None:
        self.rate = number("InverseTimeLR", "rate", rate, NOT_NEGATIVE)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        return base / (1 + self.rate * step)

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """A tenth of the base rate at the end of the run."""
        return cls(lr, **{"rate": 9 / total_steps, **settings})


class CosineAnnealingLR(Schedule):
    """Half a cosine from the base rate down to `eta_min`, over `T_max` steps.

    After `T_max` the rate stays at `eta_min`; PyTorch's rises again.

    Examples
    --------
    >>> schedule = CosineAnnealingLR(0.1, T_max=100)
    >>> schedule(0), round(schedule(50), 6), schedule(100), schedule(150)
    (0.1, 0.05, 0.0, 0.0)

    Source: Loshchilov and Hutter 2017.
    """

    label = "cosine"

    def __init__(
        self,
        optimizer: Optimizer | float,
        T_max: int,  # noqa: N803 - PyTorch's name
        eta_min: float = 0.0,
    ) -> None:
        self.T_max = whole("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min, NOT_NEGATIVE)
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula: eta_min + (base − eta_min)·(1 + cos(π·step/T_max))/2."""
        return cosine(base, self.eta_min, min(step / self.T_max, 1.0))

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """Down to 0 at the end of the run."""
        return cls(lr, **{"T_max": total_steps, **settings})


def cosine(start: float, end: float, part: float) -> float:
    """From `start` to `end` along half a cosine; `part` of the way, in [0, 1]."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
