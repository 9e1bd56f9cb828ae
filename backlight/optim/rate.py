"""Learning rates over time: every schedule is a function of the step, and may drive an optimiser.

A schedule made for a number is a plain function: `StepLR(0.1, 20)(45)` is the rate at step 45.
Made for an optimiser it sets the rate of each group, each time its `step()` is called: after the
optimiser's step, once a batch or once an epoch; its settings count these calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from backlight.engine.tracing import here
from backlight.errors import ArgumentError
from backlight.optim.optimizer import Optimizer
from backlight.optim.saved import refusal
from backlight.optim.setting import NOT_NEGATIVE, POSITIVE, number
from backlight.shapes import whole


class Schedule:
    """Base of the schedules; a subclass declares `at`.

    Parameters
    ----------
    optimizer : Optimizer or float
        Whose rate to set; or a base rate, for a schedule that is only a function.

    Attributes
    ----------
    base_lrs : list of float
        The rate of each group that the schedule starts from.
    last_step : int
        How often `step()` was called.
    """

    label: ClassVar[str] = ""
    """Name on the command line; not offered there if empty."""
    of_step: ClassVar[bool] = True
    """Whether the rate is a function of the step alone."""

    def __init__(self, optimizer: Optimizer | float) -> None:
        self.kind = type(self).__name__
        self.last_step = 0
        self.optimizer = optimizer if isinstance(optimizer, Optimizer) else None
        if isinstance(optimizer, Optimizer):
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
            self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        else:
            self.base_lrs = [number(self.kind, "lr", optimizer, POSITIVE)]
        self._set()

    def at(self, base: float, step: int) -> float:
        """The rate at `step` (0, 1, …) for a base rate: a pure function."""
        raise NotImplementedError

    def __call__(self, step: int) -> float:
        """The rate at `step`, of the first group."""
        return self._at(self.base_lrs[0], whole(self.kind, "step", step, 0))

    def step(self) -> None:
        """Move on by one and set the optimiser's rates."""
        tracer = here()
        if tracer is not None:
            tracer.effects.append(lambda _: self.step())
            return
        self.last_step += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The present rate of each group."""
        return [self._at(base, self.last_step) for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is, as plain numbers and text."""
        return {"schedule": self.kind, "last_step": self.last_step, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved place; its settings stay those it was made with.

        Raises
        ------
        CheckpointError
            If another kind of schedule saved it, for other groups, or it is damaged.
        """
        if not isinstance(state, Mapping) or set(state) != set(self.state_dict()):
            raise refusal(self.kind, "a state of other contents", ", ".join(self.state_dict()))
        if state["schedule"] != self.kind:
            raise refusal(self.kind, f"the state of {state['schedule']}", f"that of {self.kind}")
        bases = state["base_lrs"]
        if len(bases) != len(self.base_lrs):
            raise refusal(self.kind, f"rates of {len(bases)} groups", f"{len(self.base_lrs)}")
        step = whole(self.kind, "last_step", state["last_step"], 0)
        bases = [number(self.kind, "base_lrs", base, POSITIVE) for base in bases]
        self.last_step, self.base_lrs = step, bases
        self._set()

    @classmethod
    def for_run(cls, lr: Optimizer | float, total_steps: int, **settings: Any) -> Schedule:
        """The schedule with settings that suit a run of `total_steps`."""
        raise NotImplementedError

    def _at(self, base: float, step: int) -> float:
        return number(f"{self.kind} at step {step}", "lr", self.at(base, step), NOT_NEGATIVE)

    def _set(self) -> None:
        if self.optimizer is not None:
            # A group added after the schedule was made keeps the rate it came with.
            rates = self.get_last_lr()
            for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
                group["lr"] = rate

    def __repr__(self) -> str:
        """The schedule, where it starts and where it is."""
        return f"{self.kind}(lr={self.base_lrs[0]}, last_step={self.last_step})"


class LambdaLR(Schedule):
    """The base rate times a function of the step.

    Raises
    ------
    ArgumentError
        When the function answers with something that makes the rate negative or not finite.

    Examples
    --------
    >>> LambdaLR(0.5, lambda step: 1 / (1 + step))(1)
    0.25
    """

    def __init__(self, optimizer: Optimizer | float, lr_lambda: Callable[[int], float]) -> None:
        if not callable(lr_lambda):
            raise ArgumentError(
                "LambdaLR",
                got=f"lr_lambda={lr_lambda!r}",
                needs="a function of the step",
                remedy="Pass lambda step: 0.95**step.",
            )
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def at(self, base: float, step: int) -> float:
        """The formula."""
        return base * self.lr_lambda(step)
