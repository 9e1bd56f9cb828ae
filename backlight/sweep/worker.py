"""One process of a sweep: takes settings from the study, trains, and reports, until told to stop.

Run as `python -m backlight.sweep.worker FOLDER NUMBER THREADS`; every process is like every other,
on this machine or, with a database as storage, on another.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from backlight.errors import BacklightError
from backlight.sweep.space import suggested
from backlight.sweep.study import Plan, library, open_study, owner

_RARELY = 10**6
"""Epochs between checkpoints of a trial: one that is killed is tried anew, so that only its best
epoch and its last are worth the time of the disk, which all processes share."""


def work(folder: Path, number: int, threads: int | None = None) -> None:
    """Run trials until the sweep has as many as it was to have."""
    plan = Plan.load(folder)
    study = open_study(plan, folder, number)
    optuna = library()
    wanted = plan.trials

    def stop(study: Any, _: Any) -> None:
        if counted(study) >= wanted:
            study.stop()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if counted(study) < wanted:
            study.optimize(
                lambda trial: tried(plan, folder, trial, threads),
                n_trials=wanted,
                callbacks=[stop],
                catch=(BacklightError,),
            )


def counted(study: Any) -> int:
    """Trials that are done or under way; not those whose process was killed."""
    return sum(
        trial.state.name in ("COMPLETE", "PRUNED", "RUNNING") or "problem" in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
    )


def tried(plan: Plan, folder: Path, trial: Any, threads: int | None) -> float:
    """One trial: a run folder of its own, and its best validation accuracy."""
    from backlight.train.loop import Trainer
    from backlight.train.pipeline import build
    from backlight.train.run import Run
    from backlight.train.sources import gather

    given = {**plan.settings, **suggested(plan.space, trial)}
    if threads is not None:
        given.setdefault("threads", threads)
    path = folder / "trials" / f"{trial.number:04d}"
    trial.set_user_attr("owner", owner(folder))
    trial.set_user_attr("run", str(path.relative_to(folder)))
    try:
        settings = gather(given, environment={})
        if "checkpoint_every" not in given:
            settings = replace(settings, checkpoint_every=_RARELY)
        parts = build(settings)
        run = Run.create(path, parts.settings)
        trainer = Trainer(parts, run, listener(trial), look=False)
        with run.writing():
            trainer.fit()
        return float(trainer.position.best_accuracy)
    except BacklightError as problem:  # the study keeps the reason beside the failed trial
        trial.set_user_attr("problem", str(problem))
        raise


def listener(trial: Any) -> Callable[[str, dict[str, Any]], None]:
    """Reports the validation accuracy of each epoch, and ends a trial without hope."""
    optuna = library()

    def listen(event: str, record: dict[str, Any]) -> None:
        if event != "epoch":
            return
        trial.report(record["validation_accuracy"], record["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    return listen


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
