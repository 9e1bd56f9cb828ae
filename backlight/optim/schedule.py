"""Schedules by the names of the command line, each with a warm-up if one is asked for."""

from __future__ import annotations

from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.optim.cycle import LinearWarmup, OneCycleLR
from backlight.optim.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    InverseTimeLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from backlight.optim.optimizer import Optimizer
from backlight.optim.plateau import ReduceLROnPlateau
from backlight.optim.rate import LambdaLR, Schedule
from backlight.shapes import whole

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "LinearWarmup",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "from_name",
    "schedules",
]


def schedules() -> dict[str, type[Schedule]]:
    """Every schedule of the command line by its name, read from the classes themselves."""
    return {one.label: one for one in Schedule.__subclasses__() if one.label}


def from_name(
    name: str,
    *,
    lr: Optimizer | float,
    total_steps: int | None = None,
    warmup: int = 0,
    **settings: Any,
) -> Schedule:
    """The schedule of this name for a run, with a warm-up if one is asked for.

    Parameters
    ----------
    name : str
        A key of `schedules()`, such as "cosine".
    lr : Optimizer or float
        As in `Schedule`.
    total_steps : int
        Length of the run, warm-up included.
    warmup : int
        Length of the warm-up, less than the run.
    **settings
        Settings of the schedule that suit better than those chosen for the length.

    Raises
    ------
    ArgumentError
        If the name is unknown, the length missing, or the warm-up as long as the run.

    Examples
    --------
    >>> schedule = from_name("cosine", lr=0.1, total_steps=100, warmup=10)
    >>> schedule(0), schedule(10), schedule(100)
    (0.01, 0.1, 0.0)
    """
    table = schedules()
    if name not in table:
        raise ArgumentError(
            "the schedule",
            got=f"the name {name!r}",
            needs="the name of a schedule",
            remedy=nearest(name, table),
        )
    subject = f"schedule {name}"
    warmup = whole(subject, "warmup", warmup, 0)
    if total_steps is None:
        raise ArgumentError(
            subject,
            got="no number of steps",
            needs="the length of the run",
            remedy="Say for how many epochs or steps to train.",
        )
    total_steps = whole(subject, "total_steps", total_steps, 1)
    if warmup >= total_steps:
        raise ArgumentError(
            subject,
            got=f"a warm-up of {warmup} steps in a run of {total_steps}",
            needs="a warm-up that is shorter than the run",
            remedy=f"Use a warm-up of {total_steps - 1} steps at most, or train for longer.",
        )
    made = table[name].for_run(lr, total_steps - warmup, **settings)
    return LinearWarmup(lr, warmup, after=made) if warmup else made
