"""What of a run goes into a checkpoint, and how it is put back.

Parameters, buffers, optimiser slots, the average and the normalisation are arrays. Where the
loader, the schedule and the random counter are, and what the run was made of, are plain values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backlight.engine import random
from backlight.engine.tensor import Tensor
from backlight.errors import CheckpointError, NonFiniteError
from backlight.train.checkpoint import Checkpoint
from backlight.train.pipeline import Parts
from backlight.train.state import join, separate
from backlight.train.weights import nonfinite

Array = np.ndarray[Any, Any]


def take(parts: Parts, position: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays by name and plain values of a run at this position.

    Raises
    ------
    NonFiniteError
        If an array is not finite: such a checkpoint would be of no use.
    """
    arrays = {
        f"model/{name}": np.asarray(value._value)
        for name, value in parts.model.module.state_dict().items()
    }
    state: dict[str, Any] = {
        "position": position,
        "schedule": parts.schedule.state_dict(),
        "loader": parts.train.state_dict(),
        "generator": random.default.state_dict(),
        "settings": parts.settings.as_dict(),
        "fingerprint": parts.data.fingerprint,
        "classes": list(parts.data.classes),
    }
    for name, part in _stateful(parts):
        taken, state[name] = separate(part.state_dict(), name)
        arrays |= taken
    spoiled = nonfinite(arrays)
    if spoiled:
        raise NonFiniteError(
            f"step {position['step']}",
            got=f"NaN or infinity in {', '.join(spoiled[:3])}",
            needs="finite parameters",
            remedy="Lower --lr or set --clip 1. The checkpoint before this step is good.",
        )
    return arrays, state


def put_back(parts: Parts, saved: Checkpoint) -> dict[str, Any]:
    """Bring all parts to where they were; returns the position."""
    state = saved.state
    load_parameters(parts.model.module, saved.arrays)
    for name, part in _stateful(parts):
        part.load_state_dict(join(state[name], saved.arrays))
    parts.schedule.load_state_dict(state["schedule"])
    parts.train.load_state_dict(state["loader"])
    random.default.load_state_dict(state["generator"])
    position: dict[str, Any] = state["position"]
    return position


def load_best(parts: Parts, best: Checkpoint) -> None:
    """Parameters, and their average if the run has one, for evaluation."""
    load_parameters(parts.model.module, best.arrays)
    if parts.average is not None:
        parts.average.load_state_dict(join(best.state["average"], best.arrays))


def check_same(saved: Checkpoint, parts: Parts, allow_data_change: bool) -> None:
    """Refuse to go on with other classes, or with data that are not the run's."""
    state = saved.state
    if state.get("classes") != list(parts.data.classes):
        raise CheckpointError(
            str(saved.path),
            got="a resume with other classes",
            needs=f"the classes {', '.join(state.get('classes', []))}",
            remedy="Resume with the data set of the run.",
        )
    if state.get("fingerprint") != parts.data.fingerprint and not allow_data_change:
        raise CheckpointError(
            str(saved.path),
            got="a resume with data that differ from the run's",
            needs="the same files, byte for byte",
            remedy="Restore the data, or accept the change with --allow-data-change.",
        )


def check_finite(saved: Checkpoint, force: bool) -> None:
    """Refuse to go on from NaN or infinity, unless forced."""
    spoiled = nonfinite(saved.arrays)
    if spoiled and not force:
        raise CheckpointError(
            str(saved.path),
            got=f"NaN or infinity in {', '.join(spoiled[:5])}",
            needs="finite numbers",
            remedy="Remove it to go on from the checkpoint before, "
            "or take it as it is with --force.",
        )


def load_parameters(module: Any, arrays: dict[str, Any]) -> None:
    """Put a checkpoint's parameters and buffers into a model; all or nothing.

    Raises
    ------
    CheckpointError
        If names, shapes or types are not the model's.
    """
    prefix = "model/"
    given = {
        name[len(prefix) :]: Tensor.share(value)
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
    faults = [
        f"{name} of type {given[name].dtype}, not {own.dtype}"
        for name, own in module.state_dict().items()
        if name in given and given[name].dtype != own.dtype
    ]
    if faults:
        raise CheckpointError(
            "checkpoint",
            got="; ".join(faults[:5]),
            needs="the types of the model's parameters",
            remedy="Build the model as it was built when it was saved.",
        )
    module.load_state_dict(given)


def _stateful(parts: Parts) -> list[tuple[str, Any]]:
    """The parts of a run that hold arrays of their own."""
    found = [("optimizer", parts.optimizer), ("normalize", parts.normalize)]
    return [*found, ("average", parts.average)] if parts.average is not None else found
