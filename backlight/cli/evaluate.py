"""`backlight evaluate RUN`: a trained model on the validation split, or on the test split."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Annotated, Any

from cyclopts import Parameter

from backlight.errors import UsageError, nearest
from backlight.train import strict_json


def evaluate(
    run: str,
    /,
    *,
    split: Annotated[
        str, Parameter(help="train, validation or test; test is recorded")
    ] = "validation",
    json: Annotated[bool, Parameter(negative="", help="one JSON object")] = False,
) -> int:
    """Evaluate the best checkpoint of a run; each look at the test split is recorded.

    Parameters
    ----------
    run
        Run folder.
    """
    from threadpoolctl import threadpool_limits

    from backlight.train.held_out import record_look
    from backlight.train.metrics import evaluate as look

    if split not in ("train", "validation", "test"):
        raise UsageError(
            "--split",
            got=repr(split),
            needs="a split of the data",
            remedy=nearest(split, ("train", "validation", "test")),
        )
    folder, parts, step = restored(run)
    batches = parts.test if split == "test" else parts.validation
    if split == "train":
        from backlight.train.pipeline import watched

        batches = watched(parts.data.train, parts.normalize, parts.settings)
    averaged = nullcontext() if parts.average is None else parts.average.applied()
    with threadpool_limits(limits=1), averaged:
        found = look(parts.model.module, parts.model.loss, batches)
    count = record_look(folder, step, found.accuracy, "evaluate") if split == "test" else None
    if json:
        sys.stdout.write(
            strict_json.dumps(
                {
                    "run": str(folder.path),
                    "split": split,
                    "step": step,
                    "loss": found.loss,
                    "accuracy": found.accuracy,
                    "standard_error": found.standard_error,
                    "top5_accuracy": found.top5_accuracy,
                    "examples": len(found.labels),
                    "looks": count,
                }
            )
            + "\n"
        )
        return 0
    told = "" if count is None else f"   (look {count} at the test split, recorded)"
    five = "" if found.top5_accuracy is None else f"top-5 {found.top5_accuracy:.1%}   "
    sys.stdout.write(
        f"{split}: {found.accuracy:.1%} ± {found.standard_error:.1%}   {five}"
        f"loss {found.loss:.4f}   {len(found.labels):,} examples{told}\n"
    )
    return 0


def restored(run: str) -> tuple[Any, Any, int]:
    """A run folder, its parts with the best parameters in place, and the step of those.

    Their average, where the run kept one, is loaded and not yet applied.
    """
    from backlight.train import checkpoint
    from backlight.train.pipeline import build
    from backlight.train.run import Run
    from backlight.train.snapshot import load_best
    from backlight.train.sources import gather

    folder = Run.open(run)
    parts = build(gather({}, environment={}, base=folder.settings()))
    best = checkpoint.best(folder.checkpoints)
    load_best(parts, best)
    return folder, parts, best.step
