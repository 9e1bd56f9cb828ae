"""The state of a module by names: taken as copies, written back whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from backlight import dtypes
from backlight.engine.tensor import Tensor
from backlight.errors import BacklightError, CheckpointError, nearest

if TYPE_CHECKING:
    from backlight.nn.module import Module

Array = np.ndarray[Any, Any]


class Difference(NamedTuple):
    """The names that a state lacked, and those that the module has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def places(module: Module) -> dict[str, Tensor]:
    """Every parameter and persistent buffer by path, in the order of the printed tree.

    A shared one is listed under each of its paths, as PyTorch lists it.
    """
    found: dict[str, Tensor] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        before = f"{path}." if path else ""
        for name, value in (*part._parameters.items(), *part._buffers.items()):
            if value is not None and name not in part._passing:
                found[before + name] = value
    return found


def collect(module: Module) -> dict[str, Tensor]:
    """Copies of the module's state, by path."""
    return {path: Tensor(value.detach()) for path, value in places(module).items()}


def load(module: Module, given: Mapping[str, Any], strict: bool) -> Difference:
    """Write `given` into the module. See `Module.load_state_dict`."""
    if not isinstance(given, Mapping):
        raise CheckpointError(
            type(module).__name__,
            got=f"a state that is {type(given).__name__}",
            needs="a mapping of names to arrays",
            remedy="Pass what state_dict() gave.",
        )
    wanted = places(module)
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    faults = []
    if strict:
        faults += [f"{name!r} is missing" for name in missing]
        faults += [
            f"{name!r} is not a name of the model ({_suggest(name, missing or wanted)})"
            for name in unexpected
        ]
    ready: list[tuple[Tensor, Array]] = []
    for name, place in wanted.items():
        if name in given:
            fault, array = _fit(place, given[name])
            faults += [f"{name!r} {fault}"] if fault else []
            ready.append((place, array))
    if faults:
        raise CheckpointError(
            type(module).__name__,
            got="a state that does not fit:\n    " + "\n    ".join(faults) + "\n ",
            needs="the names, shapes and types of its own state_dict(); nothing was changed",
            remedy="Build the model as it was built when the state was saved, or pass "
            "strict=False to take only the names that agree.",
        )
    for place, array in ready:
        place.copy_(array)
    return Difference(missing, unexpected)


def _fit(place: Tensor, value: Any) -> tuple[str, Array]:
    """What is wrong with a value for this place ("" if nothing is), and the value as an array."""
    try:
        if isinstance(value, Tensor):
            value = value.detach()
        array = dtypes.as_array(value, subject="state")
    except (BacklightError, RuntimeError) as problem:
        return f"holds no array of numbers ({str(problem).splitlines()[0]})", np.empty(0)
    if array.shape != place.shape:
        return f"has shape {array.shape}, not {place.shape}", array
    if not np.can_cast(array.dtype, place.dtype, "same_kind"):
        return f"has type {array.dtype}, not {place.dtype}", array
    return "", array.astype(place.dtype, copy=False)


def _suggest(name: str, known: Any) -> str:
    hint = nearest(name, known).split("? ")[0]
    return f"{hint}?" if hint.startswith("Did") else "nothing is named like it"
