"""`backlight train`: learn, show how it goes, and leave a run folder with a report."""

from __future__ import annotations

import inspect
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from backlight.errors import CheckpointError, NonFiniteError, UsageError
from backlight.train.settings import Settings
from backlight.train.sources import gather

_DATA = Group("Data", sort_key=1)
_MODEL = Group("Model", sort_key=2)
_RULE = Group(
    "Learning",
    sort_key=3,
    help="Where no default is named, one is chosen that suits "
    "the data and the model. The run folder's config.toml tells which.",
)
_RUN = Group("Run", sort_key=4)
_OF_DATA = (
    "data",
    "data_dir",
    "image_size",
    "skip_bad",
    "augment",
    "validation",
    "test",
    "limit",
    "workers",
)
_YES_OR_NO = ("augment", "compile", "check")
_OF_MODEL = ("model", "hidden", "dropout")
_METAVARS = {
    "str": "NAME",
    "int": "COUNT",
    "float": "NUMBER",
    "tuple[int,": "WIDTHS",
    "data_dir": "PATH",
    "validation": "PART",
    "test": "PART",
}


def train(**given: Any) -> int:
    """Train a classifier and write a run folder with checkpoints and a report.

    With no argument it learns the 1,797 handwritten digits that come with scikit-learn.
    """
    out, resume, config = (given.pop(name, None) for name in ("out", "resume", "config"))
    quiet, json = given.pop("quiet", False), given.pop("json", False)
    page = given.pop("report", True)
    lenience = {name: given.pop(name, False) for name in ("allow_data_change", "force", "strict")}
    flags = {name: value for name, value in given.items() if value is not None}

    from backlight.train.display import make
    from backlight.train.loop import Trainer
    from backlight.train.pipeline import build
    from backlight.train.report import write_report
    from backlight.train.run import Run, usable

    if resume is not None and out is not None:
        raise UsageError(
            "train",
            got="--resume and --out together",
            needs="one of them",
            remedy="A resumed run goes on in its own folder: leave --out out.",
        )
    run = None if resume is None else Run.open(resume)
    settings = gather(flags, config, base=None if run is None else run.settings())
    if run is not None:
        _check_unchanged(run.settings(), settings, run.path)
    elif out is not None:
        usable(out, settings)  # before the data are read, which may take a while
    parts = build(settings)
    if run is None:
        run = Run.create(out, parts.settings)
    display = make(run, parts, quiet=quiet, json=json)
    trainer = Trainer(parts, run, display.tell)
    with run.writing():
        if resume is not None:
            trainer.resume(**lenience)
            _check_unfinished(trainer)
            run.record(parts.settings)
        try:
            with display:
                outcome = trainer.fit()
        except NonFiniteError:
            if page:  # the curves show how it came to this
                write_report(run)
            raise
        if page:
            _write_page(trainer, outcome)
    display.close(outcome)
    return outcome.exit_code


def _check_unfinished(trainer: Any) -> None:
    position, epochs = trainer.position, trainer.parts.settings.epochs
    if position.finished and position.epoch >= epochs:
        raise UsageError(
            f"run {trainer.run.path}",
            got="a resume of a finished run",
            needs="epochs that are still to come",
            remedy=f"Use --epochs with more than {position.epoch}.",
        )


def _write_page(trainer: Any, outcome: Any) -> None:
    """Keep the examples the report shows, and write it; an interrupted run shows validation."""
    from backlight.train.examine import examine
    from backlight.train.metrics import evaluate
    from backlight.train.report import write_report

    parts = trainer.parts
    if outcome.test is not None:
        evaluation, examples, name = outcome.test, parts.data.test, "test"
    else:
        evaluation = evaluate(parts.model.module, parts.model.loss, parts.validation)
        examples, name = parts.data.validation, "validation"
    examine(
        trainer.run,
        parts.model.module,
        evaluation,
        examples,
        parts.data.classes,
        name,
        parts.model.probabilistic,
    )
    write_report(trainer.run)


def _check_unchanged(recorded: dict[str, Any], settings: Settings, path: Path) -> None:
    """A resumed run may only change how long it goes on."""
    now = settings.as_dict()
    free = {"epochs", "checkpoint_every", "data_dir", "threads", "workers", "check"}
    differences = [
        f"{name.replace('_', '-')} {_plain(recorded.get(name))} → {_plain(now.get(name))}"
        for name in sorted(set(recorded) | set(now))
        if name not in free and _plain(recorded.get(name)) != _plain(now.get(name))
    ]
    if differences:
        raise CheckpointError(
            f"run {path}",
            got=f"a resume with {'; '.join(differences)}",
            needs="the settings it began with",
            remedy="Leave these flags out, or start a new run with --out.",
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _hint(field: Field[Any]) -> Any:
    """The flag of one setting: its names, its place in the help, and what it may be."""
    name, alias = "--" + field.name.replace("_", "-"), field.metadata["alias"]
    words = field.metadata["help"]
    if field.metadata["among"] is not None:
        words += " " + ", ".join(field.metadata["among"]())
    if field.default not in (None, ()):
        words += f" [default: {field.default}]"
    return Parameter(
        name=[name, f"--{alias}"] if alias else name,
        show_default=False,
        help=words,
        metavar=_METAVARS.get(field.name, _METAVARS.get(str(field.type).split(" ")[0])),
        group=_DATA if field.name in _OF_DATA else _MODEL if field.name in _OF_MODEL else _RULE,
    )


def _signature() -> inspect.Signature:
    """One flag for every setting, from its declaration, and those that only the command has."""
    flags: list[tuple[str, Any, Any]] = []
    for field in fields(Settings):
        kind: Any = bool | None if field.name in _YES_OR_NO else str | None
        flags.append((field.name, Annotated[kind, _hint(field)], None))
    flags += [
        _path("out", "run folder to create [default: the next free one under ./runs]"),
        _path("resume", "run folder to continue"),
        _path("config", "TOML file of settings; flags win over it"),
    ]
    flags += [
        _switch("json", "one JSON object a line on standard output"),
        _switch("quiet", "no progress, only the end", "-q"),
        (
            "report",
            Annotated[
                bool,
                Parameter(group=_RUN, show_default=False, help="write report.html [default: yes]"),
            ],
            True,
        ),
        _switch("allow_data_change", "resume although the data have changed"),
        _switch("force", "resume from numbers that are NaN or infinite"),
        _switch("strict", "resume from the newest checkpoint or not at all"),
    ]
    train.__annotations__ = {name: kind for name, kind, _ in flags}
    return inspect.Signature(
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
            for name, kind, default in flags
        ]
    )


def _path(name: str, words: str) -> tuple[str, Any, None]:
    hint = Parameter(metavar="PATH", group=_RUN, help=words)
    return name, Annotated[str | None, hint], None


def _switch(name: str, words: str, short: str = "") -> tuple[str, Any, bool]:
    long = "--" + name.replace("_", "-")
    hint = Parameter(
        name=[long, short] if short else long,
        negative="",
        show_default=False,
        group=_RUN,
        help=words,
    )
    return name, Annotated[bool, hint], False


train.__signature__ = _signature()  # type: ignore[attr-defined]
