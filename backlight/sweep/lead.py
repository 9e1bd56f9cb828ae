"""The lead of a sweep: starts the processes, watches them, and hands over to the winner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backlight.errors import DataError
from backlight.sweep.folder import check_journal, held
from backlight.sweep.study import Plan, open_study, owner

_PAUSE = 0.3


def run_sweep(
    plan: Plan, folder: Path, jobs: int, tell: Callable[[list[Any]], None] = lambda _: None
) -> list[Any]:
    """Run trials in `jobs` processes until there are `plan.trials` of them.

    Parameters
    ----------
    plan : Plan
    folder : Path
        With or without trials of an earlier start.
    jobs : int
        Processes at once; the processors are divided among them.
    tell : callable
        Shown all trials now and then.

    Returns
    -------
    list
        The library's trials; what each computed is in its run folder.

    Raises
    ------
    UsageError
        If another process leads this sweep.
    DataError
        If its record is damaged or missing, or a process ended badly.
    """
    with held(folder):
        return _run(plan, folder, jobs, tell)


def _run(plan: Plan, folder: Path, jobs: int, tell: Callable[[list[Any]], None]) -> list[Any]:
    if not plan.storage:
        check_journal(folder)
    study = open_study(plan, folder)
    _forget_the_dead(study, folder)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    log = (folder / "workers.log").open("ab")
    workers = [
        subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-m", "backlight.sweep.worker", str(folder), str(n), str(threads)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "BACKLIGHT_NUM_THREADS": str(threads)},
        )
        for n in range(jobs)
    ]
    try:
        while any(worker.poll() is None for worker in workers):
            tell(study.get_trials(deepcopy=False))
            time.sleep(_PAUSE)
    except BaseException:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
        raise
    finally:
        log.close()
    trials: list[Any] = study.get_trials(deepcopy=False)
    tell(trials)
    if any(worker.returncode for worker in workers):
        raise DataError(
            "sweep",
            got="a process that ended with an error",
            needs="processes that run to the end",
            source=f"Its last words are in {folder / 'workers.log'}.",
            remedy=f"Mend that and go on: backlight sweep --resume {folder}",
        )
    return trials


def _forget_the_dead(study: Any, folder: Path) -> None:
    """Trials that a killed process was at are marked as failed, so that others take their place.

    In a database there may be trials of other folders, whose processes are alive.
    """
    ours = owner(folder)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "RUNNING" and trial.user_attrs.get("owner", ours) == ours:
            study.tell(trial.number, state=type(trial.state).FAIL)


def finished(trials: list[Any]) -> list[Any]:
    """The trials that came to a value, the best first; of equal ones the earlier."""
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return sorted(done, key=lambda trial: (-trial.value, trial.number))
