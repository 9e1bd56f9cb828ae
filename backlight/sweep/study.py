"""A sweep on disk: its folder, and the library's study in a journal file or a database.

Optuna keeps the record. Its journal file is the default: several processes append to one file, and
what a killed one was doing is tried again.
"""

from __future__ import annotations

import contextlib
import platform
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from backlight.errors import DataError, MissingExtraError, UsageError, nearest
from backlight.sweep.folder import JOURNAL
from backlight.sweep.space import Choice, Range, Space
from backlight.train import durable, strict_json

SEARCHES = ("model", "random", "grid")
_NAME = "sweep"
_OBJECTIVE = "objective"
_OF_A_MACHINE = ("data_dir", "threads")


def library() -> ModuleType:
    """Optuna.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError(
            "backlight sweep",
            got="no Optuna",
            needs="that library, which proposes the settings",
            remedy="Run: pip install 'backlight[sweep]'",
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@dataclass(frozen=True)
class Plan:
    """What a sweep is, written down in its folder for every process and for a resume.

    Attributes
    ----------
    space : dict
        The settings that are searched.
    settings : dict
        Those that all trials share.
    search : str
        "model" (tree-structured Parzen estimator), "random" or "grid".
    trials : int
        How many in all.
    prune : bool
        Whether a trial that is worse than the median of the others at its epoch is stopped.
    seed : int
    storage : str
        A database URL, or "" for the journal file in the folder.
    """

    space: Space
    settings: dict[str, Any]
    search: str
    trials: int
    prune: bool
    seed: int
    storage: str = ""

    def save(self, folder: Path) -> None:
        """Write `sweep.json`."""
        space = {
            name: {"choices": list(options.values)}
            if isinstance(options, Choice)
            else {"range": [options.low, options.high], "log": options.log, "whole": options.whole}
            for name, options in self.space.items()
        }
        record = {**vars(self), "space": space, "schema": "backlight.sweep/1"}
        durable.replace(folder / "sweep.json", (strict_json.dumps(record) + "\n").encode())

    def objective(self) -> dict[str, Any]:
        """What its trials have in common: only those of one objective can be compared."""
        shared = {k: v for k, v in self.settings.items() if k not in _OF_A_MACHINE}
        return {
            "space": {name: str(options) for name, options in sorted(self.space.items())},
            "settings": dict(sorted(shared.items())),
        }

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Read `sweep.json`.

        Raises
        ------
        DataError
            If it is missing or damaged.
        """
        path = folder / "sweep.json"
        try:
            record = strict_json.loads(path.read_bytes(), str(path))
            if record.pop("schema") != "backlight.sweep/1":
                raise ValueError("another schema")
            space: Space = {
                name: Choice(tuple(one["choices"]))
                if "choices" in one
                else Range(one["range"][0], one["range"][1], one["log"], one["whole"])
                for name, one in record.pop("space").items()
            }
            return cls(space, **record)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise DataError(
                str(path),
                got="no such file" if not path.exists() else f"content that is damaged ({problem})",
                needs="what `backlight sweep` writes at its start",
                remedy="Start the sweep anew in another folder.",
            ) from None


def open_study(plan: Plan, folder: Path, worker: int = 0) -> Any:
    """The library's study, made if it is not there yet.

    Raises
    ------
    DataError
        If the journal is damaged, or the database cannot be opened.
    """
    optuna = library()
    try:
        with _quiet():
            storage = _storage(plan, folder)
            study = optuna.create_study(
                study_name=_NAME,
                storage=storage,
                sampler=_sampler(plan, worker),
                pruner=_pruner(plan),
                direction="maximize",
                load_if_exists=True,
            )
    except Exception as problem:
        raise DataError(
            f"the sweep's record {plan.storage or folder / JOURNAL}",
            got=f"content that cannot be used: {type(problem).__name__}: {str(problem)[:200]}",
            needs="the record of this sweep, as the library wrote it",
            remedy="Restore it, or start the sweep anew in another folder; its trials are in "
            f"{folder / 'trials'}.",
        ) from problem
    _check_objective(study, plan, folder)
    return study


def owner(folder: Path) -> str:
    """Whose trials those of this folder are, among all of a database."""
    return f"{platform.node()}:{folder.resolve()}"


def _check_objective(study: Any, plan: Plan, folder: Path) -> None:
    """Refuse a study that searches something else: its trials would be compared with ours."""
    ours = strict_json.dumps(plan.objective())
    theirs = study.user_attrs.get(_OBJECTIVE)
    trials = study.get_trials(deepcopy=False)
    if theirs is None and not any(set(trial.params) - set(plan.space) for trial in trials):
        study.set_user_attr(_OBJECTIVE, ours)
        return
    if theirs != ours:
        raise DataError(
            f"the sweep's record {plan.storage or folder / JOURNAL}",
            got="trials of another sweep, with other ranges or settings",
            needs="a record of its own for each sweep",
            remedy="Name another database by --storage, or go on with the sweep that made it.",
        )


def _storage(plan: Plan, folder: Path) -> Any:
    optuna = library()
    if plan.storage:
        return optuna.storages.RDBStorage(plan.storage)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    return optuna.storages.JournalStorage(backend)


def _sampler(plan: Plan, worker: int) -> Any:
    samplers = library().samplers
    seed = plan.seed * 1_000 + worker
    if plan.search == "grid":
        # As the trials name them: choices by their words, so that they are found again.
        return samplers.GridSampler(_grid(plan.space), seed=plan.seed)
    if plan.search == "random":
        return samplers.RandomSampler(seed=seed)
    # Trials that other processes are at count as poor, so that all do not go to one place.
    return samplers.TPESampler(seed=seed, constant_liar=True, n_startup_trials=8)


def _grid(space: Space) -> dict[str, list[Any]]:
    from backlight.sweep.space import shown

    return {
        name: [shown(value) for value in options.grid()]
        if isinstance(options, Choice)
        else options.grid()
        for name, options in space.items()
    }


def grid_size(space: Space) -> int:
    """How many combinations a grid has."""
    size = 1
    for options in space.values():
        size *= len(options.grid())
    return size


def _pruner(plan: Plan) -> Any:
    pruners = library().pruners
    if not plan.prune:
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)


def check_search(name: str) -> str:
    """The name of a search; unknown ones are refused with the nearest."""
    if name not in SEARCHES:
        raise UsageError(
            "--search",
            got=repr(name),
            needs=f"one of {', '.join(SEARCHES)}",
            remedy=nearest(name, SEARCHES),
        )
    return name


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's remarks on parts of it that it calls experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
