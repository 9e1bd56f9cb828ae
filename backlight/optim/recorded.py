"""A step written down by a compiler: the same formulas, applied to tensors without values.

The rate and what changes with the step are asked for at each call, so that schedules work; all
other settings are constants of the compiled step, which is compiled again when one changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from backlight.engine.mode import no_grad
from backlight.engine.tensor import Tensor
from backlight.errors import NonFiniteError, ShapeError
from backlight.gates.choice import isfinite
from backlight.gates.quantifier import all as all_true
from backlight.optim.parameters import title

SUSPICIOUS = 1e24
"""Σg² from which an update is computed and looked at first: a square might overflow float32."""

if TYPE_CHECKING:
    from backlight.optim.optimizer import Optimizer


def step(optimizer: Optimizer, tracer: Any) -> None:
    """Write down an update of every parameter that has a gradient."""
    _watch_settings(optimizer, tracer)
    moved: list[tuple[int, int, Tensor]] = []
    with no_grad():
        sure = _moderate(optimizer)
        for index, place, name, parameter in _with_gradient(optimizer):
            _update(optimizer, tracer, index, place, name, parameter, sure)
            moved.append((index, place, parameter))

    def count(times: int) -> None:
        state = optimizer.state
        for index, place, parameter in moved:
            try:
                slots = state[index]
            except KeyError:
                slots = _slots(optimizer, index, place, parameter)
            slots["step"] += times

    tracer.counts.append(count)


def _with_gradient(optimizer: Optimizer) -> Iterator[tuple[int, int, str, Tensor]]:
    index = -1
    for place, group in enumerate(optimizer.param_groups):
        for name, parameter in zip(group["names"], group["params"], strict=True):
            index += 1
            if parameter.grad is not None:
                yield index, place, name, parameter


def _moderate(optimizer: Optimizer) -> Any:
    """True where no update can overflow: one sum tells it of all gradients together.

    NaN and infinity pass through the sum, and are not less than anything.
    """
    total: Any = 0.0
    for _, _, _, parameter in _with_gradient(optimizer):
        wide: Any = parameter.grad
        total = total + (wide * wide).sum()
    return None if isinstance(total, float) else total < SUSPICIOUS


def _update(
    optimizer: Optimizer,
    tracer: Any,
    index: int,
    place: int,
    name: str,
    parameter: Tensor,
    sure: Any,
) -> None:
    who = title(index, name)
    gradient: Any = parameter.grad
    if gradient.shape != parameter.shape:
        raise ShapeError(
            optimizer.kind,
            got=f"a gradient of shape {gradient.shape} for {who}",
            needs=f"shape {parameter.shape}, that of the parameter",
            remedy="Assign a gradient of that shape, or let backward() make it.",
        )
    if gradient.dtype != parameter.dtype:
        gradient = gradient.to(parameter.dtype)
    settings = SimpleNamespace(**_settings(optimizer, place))
    examples = optimizer.state.get(index) or {"step": 0, **optimizer.initial(parameter, settings)}
    slots = {
        slot: _slot(optimizer, tracer, (index, place, parameter), slot, example, who)
        for slot, example in examples.items()
        if slot != "step"
    }
    _ask(optimizer, tracer, index, place, examples["step"], settings)
    after, changed = optimizer.rule(parameter, gradient, slots, settings)
    finite = isfinite(after)
    for value in (gradient, *changed.values()):
        finite = finite & isfinite(value)
    tracer.check(all_true(finite), _not_finite(optimizer.kind, who), sure)
    tracer.write(parameter, after)
    for slot, value in changed.items():
        tracer.write(slots[slot], value)


def _settings(optimizer: Optimizer, place: int) -> dict[str, Any]:
    group = optimizer.param_groups[place]
    return {name: optimizer.current(name, group[name]) for name in optimizer.defaults}


def _slots(optimizer: Optimizer, index: int, place: int, parameter: Tensor) -> dict[str, Any]:
    """What the optimizer remembers of a parameter; made at the first call, as in eager steps."""
    found = optimizer.state.get(index)
    if found is None:
        settings = SimpleNamespace(**_settings(optimizer, place))
        found = optimizer.slots(index, parameter, settings)
    return found


def _slot(
    optimizer: Optimizer,
    tracer: Any,
    where: tuple[int, int, Tensor],
    slot: str,
    example: Any,
    who: str,
) -> Tensor:
    """One of the slots as memory that the compiled step reads and writes."""
    index, place, parameter = where

    def get() -> Any:
        return _slots(optimizer, index, place, parameter)[slot]

    key = ("slot", id(optimizer), index, slot)
    return tracer.state(key, f"{slot} of {who}", get, np.shape(example), example.dtype)  # type: ignore[no-any-return]


def _ask(
    optimizer: Optimizer, tracer: Any, index: int, place: int, taken: int, settings: SimpleNamespace
) -> None:
    """Let the formula meet the rate and what changes with the step as numbers asked for later.

    Parameters of a group that have taken equally many steps share these numbers; that they still
    have is looked at before each call.
    """
    earlier = tracer.times(("step", id(optimizer), index))
    a_call = tracer.shared.setdefault(("steps of a call", id(optimizer)), {})
    a_call[index] = earlier + 1
    key = ("numbers", id(optimizer), place, taken, earlier)
    shared = tracer.shared.get(key)
    if shared is None:
        source = _Numbers(optimizer, place, earlier, a_call)
        names = ["lr", *optimizer.per_step(SimpleNamespace(**vars(settings)), taken + 1 + earlier)]
        shared = tracer.shared[key] = source, tracer.numbers(source, names, steady=["lr"])
    shared[0].members.append(index)
    settings.__dict__.update(shared[1])


class _Numbers:
    """The rate of a group and what changes with the step, for parameters that share them.

    Parameters
    ----------
    optimizer : Optimizer
    place : int
        Of the group.
    earlier : int
        How many steps of these parameters come before this one in a call.
    a_call : dict
        For each parameter how many steps it takes in a call; known when the trace has ended.
    """

    def __init__(
        self, optimizer: Optimizer, place: int, earlier: int, a_call: dict[int, int]
    ) -> None:
        self.members: list[int] = []
        self._optimizer = optimizer
        self._place = place
        self._earlier = earlier
        self._a_call = a_call
        self._rate: Any = None
        self._settings = SimpleNamespace()

    def stamp(self) -> Any:
        """The rate: all else that steady numbers depend on is a constant of the step."""
        return self._optimizer.param_groups[self._place]["lr"]

    def now(self) -> dict[str, float]:
        """The numbers for this call."""
        return self.later(0)

    def later(self, calls: int) -> dict[str, float]:
        """The numbers after so many more calls."""
        optimizer, first = self._optimizer, self.members[0]
        rate = self.stamp()
        if rate is not self._rate:
            self._settings = SimpleNamespace(**_settings(optimizer, self._place))
            # What can change its value, as an array can, is looked at each time.
            self._rate = rate if isinstance(rate, float | int) else None
        settings, slots = self._settings, optimizer.state.get(first)
        taken = (0 if slots is None else slots["step"]) + calls * self._a_call[first]
        return {"lr": settings.lr, **optimizer.per_step(settings, taken + self._earlier + 1)}

    def holds(self, _: Sequence[Any]) -> bool:
        """Whether the parameters that share what changes with the step still may."""
        state = self._optimizer.state
        try:
            taken = state[self.members[0]]["step"]
            for member in self.members:
                if state[member]["step"] != taken:
                    return False
        except KeyError:  # some have not been moved yet
            steps = {state[one]["step"] if one in state else 0 for one in self.members}
            return len(steps) == 1
        return True


def _watch_settings(optimizer: Optimizer, tracer: Any) -> None:
    """The constants of the step: the settings but for the rate, and the parameters.

    It is looked at before each call. The parameters, which are kept alive here, are compared by a
    hash of their identities.
    """
    key = ("settings", id(optimizer))
    if key in tracer.shared:
        return
    names = [name for name in optimizer.defaults if name != "lr"]
    read: Callable[[Any], Any] = itemgetter(*names) if names else lambda _: ()
    kept = [(read(group), tuple(group["params"])) for group in optimizer.param_groups]
    before = [(settings, hash(parameters)) for settings, parameters in kept]

    def unchanged(_: Sequence[Any], kept: Any = kept) -> bool:  # noqa: ARG001 - kept alive
        groups = optimizer.param_groups
        if len(groups) != len(before):
            return False
        for group, (settings, parameters) in zip(groups, before):  # noqa: B905 - it is slower
            if read(group) != settings or hash(tuple(group["params"])) != parameters:
                return False
        return True

    settings, parameters = before[0]

    def one_unchanged(_: Sequence[Any], kept: Any = kept) -> bool:  # noqa: ARG001 - kept alive
        groups = optimizer.param_groups
        if len(groups) != 1:
            return False
        group = groups[0]
        return read(group) == settings and hash(tuple(group["params"])) == parameters

    tracer.shared[key] = True
    tracer.watched.append(unchanged if len(before) > 1 else one_unchanged)


def _not_finite(kind: str, who: str) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise NonFiniteError(
            kind,
            got=f"an update of {who} that is not finite: its gradient has NaN or infinity, or is "
            "too large for what the rule remembers of it, such as a second moment",
            needs="finite gradients and updates; nothing was updated",
            remedy="Clip the gradients (optim.clip_grad_norm_), lower the learning rate, or look "
            "for the first gate that gave NaN or infinity.",
        )

    return fail
