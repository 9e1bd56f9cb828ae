"""`backlight sweep`: try many settings on the validation split, and test the winner once."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from backlight.errors import UsageError


def sweep(
    *space: str,
    data: Annotated[str | None, Parameter(help="data set of every trial")] = None,
    model: Annotated[str | None, Parameter(help="model of every trial")] = None,
    epochs: Annotated[str | None, Parameter(help="epochs of every trial")] = None,
    data_dir: Annotated[str | None, Parameter(help="folder with the data set's files")] = None,
    config: Annotated[str | None, Parameter(help="TOML file with settings of all trials")] = None,
    trials: Annotated[int, Parameter(help="how many in all; a grid has its own number")] = 20,
    jobs: Annotated[int | None, Parameter(help="processes at once; default: all cores")] = None,
    search: Annotated[str, Parameter(help="model, random or grid")] = "model",
    prune: Annotated[bool, Parameter(help="stop hopeless trials early")] = True,
    seed: Annotated[int, Parameter(help="seed of the search")] = 0,
    storage: Annotated[
        str | None, Parameter(help="database URL, for several machines; default: a journal file")
    ] = None,
    out: Annotated[
        str | None, Parameter(help="folder to write; default: a new one in runs")
    ] = None,
    resume: Annotated[str | None, Parameter(help="sweep folder to go on with")] = None,
    test: Annotated[bool, Parameter(help="evaluate the winner on the test split, once")] = True,
    quiet: Annotated[bool, Parameter(negative="", help="only the result")] = False,
) -> int:
    """Search settings: many trainings, the best by validation accuracy, one look at the test split.

    Parameters
    ----------
    space
        What to choose from: lr=1e-4..1e-1 weight_decay=0..0.01 model=mlp,convnet hidden=64,128x64
    """
    from backlight.sweep.lead import finished, run_sweep
    from backlight.sweep.study import Plan, library, owner

    library()  # before a folder is made for nothing
    if resume is not None:
        _refuse_beside_resume(space, out)
        folder = Path(resume)
        plan = Plan.load(folder)
    else:
        fixed = {"data": data, "model": model, "epochs": epochs, "data_dir": data_dir}
        plan = _plan(space, fixed, config, trials, search, prune, seed, storage)
        folder = _folder(out)
        plan.save(folder)
    cores = os.cpu_count() or 1
    count = jobs if jobs is not None else min(cores, plan.trials)
    if not 1 <= count <= 64:
        raise UsageError(
            "--jobs", got=str(jobs), needs="1 to 64 processes", remedy=f"Use --jobs {cores}."
        )
    with _display(plan, quiet) as tell:
        found = run_sweep(plan, folder, min(count, plan.trials), tell)
    done = finished(found)
    if not done:
        problems = [t.user_attrs["problem"] for t in found if "problem" in t.user_attrs]
        raise UsageError(
            "sweep",
            got=f"{len(found)} trials of which none came to an end",
            needs="settings that can be trained",
            source=f"The last problem: {problems[-1]}" if problems else "",
            remedy="Choose narrower ranges, or smaller learning rates.",
        )
    _report(plan, folder, found, done)
    where = done[0].user_attrs.get("owner", owner(folder))
    if where != owner(folder):
        sys.stdout.write(f"the best trial is in {where}; evaluate it there\n")
    elif test:
        _test(folder / done[0].user_attrs["run"])
    return 0


def _refuse_beside_resume(space: tuple[str, ...], out: str | None) -> None:
    if space or out is not None:
        raise UsageError(
            "sweep",
            got="--resume with a space or --out",
            needs="--resume alone: the sweep's own plan goes on",
            remedy="Leave the others out, or start a new sweep.",
        )


def _plan(
    space: tuple[str, ...],
    fixed: dict[str, Any],
    config: str | None,
    trials: int,
    search: str,
    prune: bool,
    seed: int,
    storage: str | None,
) -> Any:
    from backlight.sweep.space import Choice, read_space, suggested
    from backlight.sweep.study import Plan, check_search, grid_size
    from backlight.train.pipeline import build
    from backlight.train.settings import Settings
    from backlight.train.sources import gather, read_settings

    found = read_space(space)
    settings = {} if config is None else read_settings(Path(config))
    settings |= Settings.from_mapping({k: v for k, v in fixed.items() if v is not None})
    for name in [n for n, one in found.items() if isinstance(one, Choice) and len(one.values) == 1]:
        settings[name] = found.pop(name).grid()[0]
    doubled = set(settings) & set(found)
    if doubled:
        raise UsageError(
            "sweep",
            got=f"{min(doubled)} both fixed and searched",
            needs="one of them",
            remedy="Leave one of them out.",
        )
    check_search(search)
    if trials < 1:
        raise UsageError("--trials", got=str(trials), needs="at least 1", remedy="Use 20.")
    if search == "grid":
        trials = grid_size(found)

    class First:
        """Proposes the first of everything, to see that a run can be built of it."""

        suggest_categorical = staticmethod(lambda _, labels: labels[0])
        suggest_int = suggest_float = staticmethod(lambda _, low, *__, **___: low)

    build(gather({**settings, **suggested(found, First())}, environment={}))
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
    return Plan(found, plain, search, trials, prune, seed, storage or "")


def _folder(out: str | None) -> Path:
    if out is None:
        for number in itertools.count(1):
            path = Path("runs") / f"sweep-{number:03d}"
            if not path.exists():
                break
    else:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(
                f"--out {out}",
                got="a file" if path.is_file() else "a folder that holds something already",
                needs="a new or empty folder",
                remedy=f"Choose another, or go on with it: backlight sweep --resume {out}",
            )
    try:
        (path / "trials").mkdir(parents=True)
    except OSError as problem:
        raise UsageError(
            f"--out {path}",
            got=f"the error “{problem.strerror}”",
            needs="a folder that can be written",
            remedy="Choose another folder.",
        ) from None
    return path


class _display:  # noqa: N801 - reads as a verb: with _display(plan): …
    """One line at the foot of the terminal: how many trials, and the best so far."""

    def __init__(self, plan: Any, quiet: bool) -> None:
        self._plan = plan
        self._live: Any = None
        self._quiet = quiet
        self._told = -1

    def __enter__(self) -> Any:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=True)
            self._live.start()
        return self._tell

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _tell(self, trials: list[Any]) -> None:
        from backlight.sweep.lead import finished

        done, stopped = finished(trials), [t for t in trials if t.state.name == "PRUNED"]
        ended = len(done) + len(stopped)
        best = f"   best {done[0].value:.1%}" if done else ""
        line = f"trial {ended}/{self._plan.trials}   {len(stopped)} stopped early{best}"
        if self._live is not None:
            self._live.update(line)
        elif not self._quiet and ended != self._told:
            self._told = ended
            sys.stderr.write(line + "\n")


def _report(plan: Any, folder: Path, found: list[Any], done: list[Any]) -> None:
    """The table of the best, all trials as CSV, and the picture where matplotlib is."""
    import csv

    from rich.console import Console
    from rich.table import Table

    from backlight.sweep.space import shown

    table = Table(title=f"{len(found)} trials, the best first")
    for heading in ("trial", *plan.space, "validation accuracy"):
        table.add_column(heading, justify="right")
    for trial in done[:10]:
        values = [shown(trial.params[name]) for name in plan.space]
        table.add_row(str(trial.number), *values, f"{trial.value:.2%}")
    Console().print(table)
    with (folder / "trials.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["trial", "state", *plan.space, "validation_accuracy", "run"])
        for trial in found:
            values = [trial.params.get(name, "") for name in plan.space]
            last = trial.user_attrs.get("run", "")
            score = "" if trial.value is None else trial.value
            writer.writerow([trial.number, trial.state.name, *values, score, last])
    written = f"wrote {folder}  (trials.csv"
    try:
        from backlight.sweep.picture import parallel_coordinates

        figure = parallel_coordinates(plan.space, done)
        figure.savefig(folder / "sweep.svg")
        written += ", sweep.svg"
    except ImportError:
        pass
    sys.stdout.write(written + f")\nbest: {folder / done[0].user_attrs['run']}\n")


def _test(run: Path) -> None:
    """The winner's look at the test split, recorded; not repeated by a resume."""
    from backlight.cli.evaluate import evaluate
    from backlight.train.held_out import looks
    from backlight.train.run import Run

    earlier = looks(Run.open(run))
    if earlier:
        sys.stdout.write(f"test: {earlier[-1]['accuracy']:.1%}   (looked at before)\n")
        return
    evaluate(str(run), split="test")
