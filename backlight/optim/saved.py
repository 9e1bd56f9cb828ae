"""An optimiser's state in a form that files can hold, and the careful way back."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from backlight.engine.tracing import changed
from backlight.errors import BacklightError, CheckpointError
from backlight.optim.parameters import title
from backlight.optim.setting import NOT_NEGATIVE, number, setting

if TYPE_CHECKING:
    from backlight.optim.optimizer import Optimizer

_EXTRA = ("initial_lr",)  # what a schedule writes into a group


def state_dict(optimizer: Optimizer) -> dict[str, Any]:
    """See `Optimizer.state_dict`."""
    names = [name for name, _ in optimizer.parameters()]
    groups, first = [], 0
    for group in optimizer.param_groups:
        count = len(group["params"])
        settings = {
            key: list(group[key]) if isinstance(group[key], tuple) else group[key]
            for key in (*optimizer.defaults, *_EXTRA)
            if key in group
        }
        groups.append(
            {**settings, "params": list(range(first, first + count)), "names": list(group["names"])}
        )
        first += count
    return {
        "optimizer": optimizer.kind,
        "param_groups": groups,
        "state": {
            str(index): {"name": names[index], **_copied(slots)}
            for index, slots in sorted(optimizer.state.items())
        },
    }


def load_state_dict(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    kind = optimizer.kind
    for key in ("optimizer", "param_groups", "state"):
        if not isinstance(state, Mapping) or key not in state:
            raise refusal(
                kind, f"a state without {key!r}", "a dict with optimizer, param_groups and state"
            )
    if state["optimizer"] != kind:
        raise refusal(kind, f"the state of {state['optimizer']}", f"the state of {kind}")
    groups = _groups(optimizer, state["param_groups"])
    slots = _slots(optimizer, state["state"], groups)
    # Everything has been checked: only now is anything changed.
    for group, settings in zip(optimizer.param_groups, groups, strict=True):
        group.update(settings)
    changed()
    optimizer.state.clear()
    optimizer.state.update(slots)


def refusal(subject: str, got: str, needs: str) -> CheckpointError:
    """The error about a state that cannot be loaded."""
    return CheckpointError(
        subject,
        got=got,
        needs=f"{needs}; nothing was loaded",
        remedy="Load the state that was saved for this model and optimiser.",
    )


def _copied(slots: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in slots.items()
    }


def _groups(optimizer: Optimizer, saved: Any) -> list[dict[str, Any]]:
    kind, groups = optimizer.kind, []
    if not isinstance(saved, (list, tuple)) or len(saved) != len(optimizer.param_groups):
        raise refusal(
            kind,
            f"{len(saved) if isinstance(saved, (list, tuple)) else 'no'} groups of parameters",
            f"{len(optimizer.param_groups)}",
        )
    for place, (mine, theirs) in enumerate(zip(optimizer.param_groups, saved, strict=True)):
        count = len(theirs.get("params", ())) if isinstance(theirs, Mapping) else 0
        if count != len(mine["params"]):
            raise refusal(kind, f"{count} parameters in group {place}", f"{len(mine['params'])}")
        for mine_name, their_name in zip(mine["names"], theirs.get("names", ()), strict=False):
            if mine_name and their_name and mine_name != their_name:
                raise refusal(
                    kind,
                    f"the state of parameter {their_name!r} in group {place}",
                    f"that of {mine_name!r}",
                )
        expected = {*optimizer.defaults, "params", "names"}
        different = (expected - {"names"} - set(theirs)) | (set(theirs) - expected - set(_EXTRA))
        if different:
            raise refusal(
                kind,
                f"group {place} with missing or unknown {', '.join(sorted(different))}",
                ", ".join(sorted(expected)),
            )
        groups.append(_settings(optimizer, theirs))
    return groups


def _settings(optimizer: Optimizer, theirs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        checked = {
            name: number(optimizer.kind, name, theirs[name], NOT_NEGATIVE)
            if name == "lr"
            else setting(optimizer.kind, name, theirs[name], optimizer.ranges)
            for name in optimizer.defaults
        }
        optimizer.validate(checked)
        for name in _EXTRA:
            if name in theirs:
                checked[name] = number(optimizer.kind, name, theirs[name], NOT_NEGATIVE)
    except BacklightError as problem:
        raise refusal(optimizer.kind, problem.got, problem.needs) from None
    return checked


def _slots(
    optimizer: Optimizer, saved: Any, groups: list[dict[str, Any]]
) -> dict[int, dict[str, Any]]:
    kind, found = optimizer.kind, {}
    if not isinstance(saved, Mapping):
        raise refusal(kind, "a state that is not a dict", "slots by index")
    pairs = list(optimizer.parameters())
    of_group = [
        place for place, group in enumerate(optimizer.param_groups) for _ in group["params"]
    ]
    for key, theirs in saved.items():
        index = int(key) if str(key).isdecimal() else -1
        if not 0 <= index < len(pairs) or not isinstance(theirs, Mapping):
            raise refusal(kind, f"slots of a parameter {key!r}", f"indices below {len(pairs)}")
        name, parameter = pairs[index]
        who = title(index, name)
        fresh = {
            "step": 0,
            **optimizer.initial(parameter._value, SimpleNamespace(**groups[of_group[index]])),
        }
        if set(theirs) - {"name"} != set(fresh):
            raise refusal(
                kind,
                f"slots {', '.join(sorted(set(theirs) - {'name'}))} of {who}",
                f"{', '.join(sorted(fresh))}",
            )
        found[index] = {
            slot: _slot(kind, f"{slot} of {who}", theirs[slot], example)
            for slot, example in fresh.items()
        }
    return found


def _slot(kind: str, who: str, value: Any, example: Any) -> Any:
    if not isinstance(example, np.ndarray):
        whole = np.asarray(value)
        if whole.ndim or whole.dtype.kind not in "iu" or whole < 0:
            raise refusal(kind, f"{who} as {value!r}", "a whole number, 0 or above")
        return int(whole)
    array = np.asarray(value)
    if array.shape != example.shape or array.dtype != example.dtype:
        raise refusal(
            kind,
            f"{who} of shape {array.shape} and type {array.dtype}",
            f"shape {example.shape} and type {example.dtype}",
        )
    if not np.all(np.isfinite(array)):
        raise refusal(kind, f"{who} with numbers that are not finite", "finite numbers")
    return np.array(array, order="C")
