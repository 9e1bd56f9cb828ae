"""`backlight doctor`: the sanity checks of the course, of a model, a run or a script that trains.

Exit code 1 says that there is a fault, 0 that there is none.
"""

from __future__ import annotations

import inspect
import json as json_format
import math
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.cli import user_file
from backlight.errors import ArgumentError, UsageError, nearest

if TYPE_CHECKING:
    from backlight.doctor.diagnosis import Diagnosis
    from backlight.doctor.trained import Trained
    from backlight.train.pipeline import Parts
    from backlight.train.run import Run

_MOST_EXAMPLES = 2000


def doctor(
    target: str,
    /,
    *,
    data: str | None = None,
    steps: str | None = None,
    seconds: str | None = None,
    everything: Annotated[bool, Parameter(name="--all", negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    lang: str | None = None,
) -> int:
    """Say what is wrong with a training, and what to do about it.

    backlight doctor convnet                       a model, trained on the digits for a moment;
    backlight doctor runs/digits-mlp-001           a run: its data, its model, its curves;
    backlight doctor path/to/train.py:main         a function that trains, watched as it is.

    Parameters
    ----------
    target
        A model, a run folder, or file.py:function. The function is called without arguments; it
        trains, or answers with (model, loss, data) or (model, loss, data, optimizer).
    data
        What a model is trained on; as in `backlight train`. [default: digits]
    steps
        Watch this many updates: of a script, from its first; of a model or run, 60.
    seconds
        Watch a script no longer than this.
    everything
        Show what is well, and what was not checked and why.
    json
        Write JSON for machines.
    lang
        en or ko. [default: BACKLIGHT_LANG, or the locale]
    """
    from threadpoolctl import threadpool_limits

    from backlight.words import speaking

    count = None if steps is None else _number("--steps", steps, whole=True)
    limit = None if seconds is None else _number("--seconds", seconds)
    if data is not None and (user_file.is_file(target) or Path(target).is_dir()):
        raise UsageError(
            "--data",
            got=f"{data!r} for {target}",
            needs="a model's name",
            remedy="Leave it out: runs and scripts have data of their own.",
        )
    watched = None if count is None else int(count)
    # Many small products, for which threads only wait.
    with speaking(lang), threadpool_limits(limits=1):
        if user_file.is_file(target):
            with redirect_stdout(sys.stderr):  # what a script prints is no part of the answer
                found = _script(target, limit, watched)
        else:
            found = _model_or_run(target, data, watched)
        if json:
            told = json_format.dumps(_plain(found.to_dict()), ensure_ascii=False)
        else:
            told = _printable(found.text(everything=everything))
    sys.stdout.write(told + "\n")
    return 0 if found.ok else 1


def _script(target: str, seconds: float | None, steps: int | None) -> Diagnosis:
    """What a script's function does, or the case that it answers with."""
    from backlight import doctor as room
    from backlight.doctor.examine import is_case

    found = user_file.imported(target)
    if is_case(found):
        return room.examine(found[0], found[2], found[1], *found[3:4], target=target)
    if not callable(found) or hasattr(found, "named_parameters"):
        raise UsageError(
            target,
            got=f"a {type(found).__name__}",
            needs="a function that trains, or (model, loss, data)",
            remedy="Name a function without arguments that trains the model.",
        )
    _without_arguments(target, found)
    with user_file.mistakes(target):
        return room.watch(found, seconds=seconds, steps=steps, target=target)


def _without_arguments(target: str, function: Any) -> None:
    """Refuse a function that cannot be called as it is."""
    try:
        asked = [
            name
            for name, one in inspect.signature(function).parameters.items()
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):  # of something that tells no signature
        return
    if asked:
        raise UsageError(
            target,
            got=f"a function that asks for {', '.join(asked)}",
            needs="a function without arguments",
            remedy="Write one around it, such as def main(): train(load()), and name that.",
        )


def _model_or_run(target: str, data: str | None, steps: int | None) -> Diagnosis:
    """A model by its name, or a run folder, with the data and the rule of its settings."""
    from backlight import doctor as room
    from backlight import models
    from backlight.doctor.examine import STEPS
    from backlight.train.pipeline import build, watched
    from backlight.train.run import Run as Folder
    from backlight.train.sources import gather

    run: Run | None = None
    if target in models.names():
        wishes = {"model": target} if data is None else {"model": target, "data": data}
        settings = gather(wishes)
    elif target.endswith(".py") and Path(target).is_file():
        raise UsageError(
            "backlight doctor",
            got=f"{target!r} without a function",
            needs="file.py:function",
            remedy=f"Name the function that trains, such as {target}:main.",
        )
    elif target.strip() and Path(target).exists():
        run = Folder.open(target)
        settings = gather({}, environment={}, base=run.settings())
    else:
        raise UsageError(
            "backlight doctor",
            got=f"{target[:200]!r}, which is none of these",
            needs="a model, a run folder or file.py:function",
            remedy=nearest(target, models.names()),
        )
    parts = build(settings)
    split = parts.data.train
    order = split[: min(len(split), _MOST_EXAMPLES)]
    training, held_out = (
        _whole(watched(one, parts.normalize, parts.settings))
        for one in (order, parts.data.validation)
    )
    trained = None if run is None else _trained(run, parts, training, held_out)
    return room.examine(
        parts.model.module,
        training,
        parts.model.loss,
        parts.optimizer,
        validation=held_out,
        steps=STEPS if steps is None else steps,
        batch_size=int(parts.settings.batch_size or 32),
        seed=parts.settings.seed,
        history=[] if run is None else run.read("metrics"),
        trained=trained,
        target=target,
    )


def _trained(run: Run, parts: Parts, training: Any, held_out: Any) -> Trained | None:
    """What the run's best checkpoint does; None where nothing was trained yet."""
    from backlight.doctor import look_back
    from backlight.doctor.left_alone import left_as_it_was
    from backlight.train import checkpoint
    from backlight.train.snapshot import load_best

    if not checkpoint.found(run.checkpoints):
        return None
    best = checkpoint.best(run.checkpoints)
    if not best.step:
        return None
    module = parts.model.module
    with left_as_it_was(module):
        load_best(parts, best)
        averaged = nullcontext() if parts.average is None else parts.average.applied()
        with averaged:
            return look_back(module, training, held_out, parts.model.loss, parts.data.classes)


def _whole(batches: Any) -> tuple[Any, Any]:
    """All batches of a loader, joined."""
    import numpy as np

    inputs, labels = zip(*batches, strict=True)
    return np.concatenate(inputs), np.concatenate(labels)


def _number(option: str, text: str, *, whole: bool = False) -> float:
    try:
        value = float(int(text)) if whole else float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise ArgumentError(
            option,
            got=repr(text),
            needs="a whole number above 0" if whole else "a number above 0",
            remedy="Write for example 60.",
        )
    return value


def _printable(text: str) -> str:
    """Names come from the user's files: control characters are written out."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _plain(value: Any) -> Any:
    """NaN and infinities as words: JSON has no numbers for them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
