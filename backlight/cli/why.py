"""`backlight why`: where a gradient came from, in a trained run or in a formula."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.cli.evaluate import restored
from backlight.errors import UsageError, nearest
from backlight.train import strict_json

if TYPE_CHECKING:
    from backlight.explain.why import Overview, Why

_BATCH = 64
_SPLITS = ("train", "validation")


def why(
    what: str,
    name: str | None = None,
    /,
    *inputs: Annotated[str, Parameter(allow_leading_hyphen=True)],
    entry: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    split: Annotated[str, Parameter(help="train or validation")] = "train",
    batch: Annotated[str | None, Parameter(help="examples; the run's batch size if less")] = None,
    paths: str = "6",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative="", help="one JSON object")] = False,
) -> int:
    """Where a gradient came from: paths, factors, what removed it, which examples push.

    backlight why runs/0001 conv1.weight --entry 3,0,1,1   one number of a trained parameter;
    backlight why runs/0001 conv1.weight                   all of it;
    backlight why runs/0001                                every parameter, a line each;
    backlight why "(x+y)*z" x x=-2 y=5 z=-4                an input of a formula.

    Parameters
    ----------
    what
        Run folder, or a formula.
    name
        Parameter or input; all of them without.
    inputs
        The formula's inputs as name=value.
    entry
        Which number of it, such as 3,1.
    split
        The examples whose loss is differentiated; the test split is not looked at.
    batch
        How many examples.
    paths
        How many paths to list.
    lang
        Language of the words.
    json
        Write JSON for machines.
    """
    from backlight.words import LANGUAGES

    if lang is not None and lang not in LANGUAGES:
        raise UsageError(
            "--lang",
            got=repr(lang),
            needs=f"one of {', '.join(LANGUAGES)}",
            remedy=nearest(lang, LANGUAGES),
        )
    options = {"most": _whole("--paths", paths), "language": lang, "entry": _entry(entry)}
    settings = [one for one in (name, *inputs) if one is not None and "=" in one]
    names = [one for one in (name, *inputs) if one is not None and "=" not in one]
    if len(names) > 1:
        raise UsageError(
            "backlight why",
            got=f"two names, {names[0]!r} and {names[1]!r}",
            needs="one parameter or input",
            remedy="Ask about one at a time, or leave the name out.",
        )
    asked = names[0] if names else None
    if entry is not None and asked is None:
        raise UsageError(
            "backlight why",
            got=f"--entry {entry} and no name",
            needs="the parameter or input it is an entry of",
            remedy="Write for example: backlight why runs/0001 0.weight --entry 3,1",
        )
    if settings and not Path(what).is_dir():
        found = _formula(what, asked, settings, options)
    else:
        if settings:
            raise UsageError(
                "backlight why",
                got=f"{settings[0]!r} for a run",
                needs="a parameter of the run",
                remedy="Inputs as name=value belong to a formula.",
            )
        found = _run(what, asked, split, batch, options)
    _show(found, json)
    return 0


def _formula(
    text: str, asked: str | None, settings: Sequence[str], options: dict[str, Any]
) -> Why | Overview:
    from backlight.explain.why.ask import Options, ask
    from backlight.expression import Expression, read_values

    Expression.parse(text)
    entry = options.pop("entry")
    return ask(text, asked, dict(read_values(settings)), entry, Options(**options))


def _run(
    path: str, asked: str | None, split: str, batch: str | None, options: dict[str, Any]
) -> Why | Overview:
    """The reasons for a gradient of a run's loss on a batch, as training computes it."""
    from contextlib import nullcontext

    from threadpoolctl import threadpool_limits

    from backlight.data import DataLoader
    from backlight.engine.tensor import Tensor
    from backlight.explain.why import why as reasons

    if split not in _SPLITS:
        raise UsageError(
            "--split",
            got=repr(split),
            needs="train or validation: the test split is for one look at the end",
            remedy=nearest(split, _SPLITS),
        )
    _expect_folder(path)
    _, parts, _ = restored(path)
    module = parts.model.module
    known = dict(module.named_parameters())
    if asked is not None and asked not in known:
        raise UsageError(
            f"run {path}",
            got=f"the parameter {asked!r}",
            needs="one of the model's",
            remedy=_nearest(asked, list(known)),
        )
    examples = parts.data.train if split == "train" else parts.data.validation
    usual = min(parts.settings.batch_size or _BATCH, _BATCH)
    count = min(usual if batch is None else _whole("--batch", batch), len(examples))
    loader = DataLoader(examples, count, shuffle=False, transform=parts.normalize)
    rows, labels = next(iter(loader))
    averaged = nullcontext() if parts.average is None else parts.average.applied()
    module.train()
    with threadpool_limits(limits=1), averaged:
        loss = parts.model.loss(module(Tensor.share(rows)), Tensor.share(labels))
        target = None if asked is None else known[asked]
        if target is not None and not target.name:
            target.name = asked
        loss.name = "loss"
        return reasons(loss, target, batch=count, clip=parts.settings.clip, **options)


def _nearest(asked: str, known: Sequence[str]) -> str:
    """The parameters that a part of a name fits, or the one that it is a misspelling of."""
    fitting = [name for name in known if asked and f".{asked}." in f".{name}."]
    if len(fitting) > 1:
        return f"Several fit: {', '.join(fitting)}. Write one of them."
    return f"Did you mean {fitting[0]!r}?" if fitting else nearest(asked, known)


def _expect_folder(path: str) -> None:
    """A formula without inputs is taken for a run folder: say what either needs."""
    if Path(path).exists() or not any(sign in path for sign in "+*()^@"):
        return
    raise UsageError(
        "backlight why",
        got=f"{path!r}, which is no folder, and no inputs",
        needs="a run folder, or a formula with its inputs as name=value",
        remedy='Write for example: backlight why "(x+y)*z" x x=-2 y=5 z=-4',
    )


def _show(found: Why | Overview, json: bool) -> None:
    if json:
        sys.stdout.write(strict_json.dumps(found.to_dict()) + "\n")
    else:
        sys.stdout.write(f"{found}\n")


def _entry(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    digits = [part.strip() for part in text.strip("[] ").split(",")]
    if not all(part.removeprefix("-").isdecimal() for part in digits):
        raise UsageError(
            "--entry",
            got=repr(text),
            needs="whole numbers with commas between",
            remedy="Write for example --entry 3,1.",
        )
    return tuple(map(int, digits))


def _whole(option: str, text: str) -> int:
    if not text.strip().isdecimal() or not 0 < int(text) < 10**6:
        raise UsageError(
            option,
            got=repr(text),
            needs="a whole number from 1",
            remedy="Write digits only.",
        )
    return int(text)
