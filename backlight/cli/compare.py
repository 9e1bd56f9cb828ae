"""`backlight compare`: the whole road on one data set, and one page about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from backlight.errors import DataError, UsageError


def compare(
    *stops: str,
    data: Annotated[str, Parameter(help="data set of images")] = "digits",
    data_dir: Annotated[str | None, Parameter(help="folder with the data set's files")] = None,
    validation: Annotated[str, Parameter(help="validation split: fraction or count")] = "0.15",
    limit: Annotated[int | None, Parameter(help="use only this many training images")] = None,
    seed: Annotated[int, Parameter(help="seed of the split")] = 0,
    out: Annotated[str, Parameter(help="page to write")] = "compare.html",
    json: Annotated[bool, Parameter(negative="", help="one JSON object a stop")] = False,
) -> int:
    """Walk the road: guessing, neighbours, linear classifiers, features, networks, convolutions.

    Parameters
    ----------
    stops
        Only these stops; all if none is named: chance, subtraction, knn-l1, knn-l2, svm, softmax,
        features, two-layer, three-layer, convnet
    """
    from backlight.compare.kept import Kept
    from backlight.compare.measure import walk
    from backlight.compare.page import page
    from backlight.compare.pictures import figures
    from backlight.compare.road import chosen_stops
    from backlight.train import durable

    chosen = chosen_stops(stops)
    path = Path(out)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"--out {out}",
            got="a folder" if path.is_dir() else "a folder that does not exist",
            needs="a file in a folder that exists",
            remedy="Use --out compare.html.",
        )
    splits = _splits(data, data_dir, validation, limit, seed)
    shape = tuple(splits.train.inputs.shape[1:])
    kept = Kept(path, splits)
    before = kept.results(chosen)
    if before:
        sys.stderr.write(f"Measured before, and taken from {kept.path}: {', '.join(before)}\n")
    results = []
    for stop in chosen:

        def tell(what: str, title: str = stop.title) -> None:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[K{title}: {what}")

        found = before.get(stop.name)
        if found is None:
            found = walk(stop, splits, shape, tell)
            found.figures = figures(found, splits, shape)
            found.estimator = None
            kept.keep(found, first=not before)
            before[stop.name] = found
        results.append(found)
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
        _told(found, json)
    durable.replace(path, page(results, splits, shape).encode("utf-8"))
    kept.forget()
    if not json:
        sys.stdout.write(f"wrote {path}\n")
    return 0


def _told(found: Any, json: bool) -> None:
    """A line for a stop."""
    from backlight.compare.page import cells
    from backlight.train import strict_json

    if json:
        sys.stdout.write(strict_json.dumps(found.as_json()) + "\n")
    else:
        test, held, setting, fit, each, memory, size = cells(found)
        sys.stdout.write(
            f"{found.stop.title:<34} test {test:>14}  validation {held:>6}  {setting:<26} "
            f"training {fit:>8}  an image {each:>8}  {memory:>8}  {size:>8}\n"
        )
    sys.stdout.flush()


def _splits(data: str, data_dir: str | None, validation: str, limit: int | None, seed: int) -> Any:
    from backlight.data import load
    from backlight.data.split import split
    from backlight.train.settings import Settings

    part = Settings.from_mapping({"validation": validation})["validation"]
    full = load(data, data_dir)
    found = split(full, part, 0.15, seed)
    if found.train.inputs.ndim != 4:
        raise DataError(
            f"compare --data {data}",
            got=f"examples of shape {found.train.inputs.shape[1:]}",
            needs="images: the road ends at convolutions",
            remedy="Use digits, mnist, cifar10 or folder:PATH.",
        )
    if limit is not None:
        if limit < len(found.classes):
            raise UsageError(
                "--limit",
                got=str(limit),
                needs=f"at least one image a class, {len(found.classes)}",
                remedy="Use --limit 5000.",
            )
        found = _first(found, limit)
    return found


def _first(found: Any, limit: int) -> Any:
    from dataclasses import replace

    return replace(found, train=found.train[: min(limit, len(found.train))])
