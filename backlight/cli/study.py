"""`backlight study NAME`: a question of the notes, answered by experiment on your data."""

from __future__ import annotations

import json as json_format
import math
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from backlight.errors import UsageError, nearest

WIDEST = 26


def study(
    name: str,
    /,
    *,
    data: Annotated[str | None, Parameter(help="data set; each study has its own default")] = None,
    data_dir: Annotated[str | None, Parameter(help="folder with the data set's files")] = None,
    limit: Annotated[int | None, Parameter(help="how many training examples to take")] = None,
    index: Annotated[int, Parameter(help="which example, where one is looked at")] = 0,
    p: Annotated[str, Parameter(help="divergence: what is, such as 0.5,0.25,0.25")] = (
        "0.5,0.25,0.25"
    ),
    q: Annotated[str, Parameter(help="divergence: what is believed")] = "0.25,0.5,0.25",
    seed: Annotated[int, Parameter(help="of everything that is drawn by chance")] = 0,
    out: Annotated[
        str | None, Parameter(name=["--out", "-o"], help="picture to write: .png, .svg or .pdf")
    ] = None,
    theme: Annotated[str, Parameter(help="light or dark")] = "light",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative="", help="the numbers as one JSON object")] = False,
) -> int:
    """Answer a question by experiment: draw the answer, and print its numbers.

    Parameters
    ----------
    name
        Which study; `list` names them all.
    """
    from backlight.cli.show import checked_out, save
    from backlight.studies import open_all
    from backlight.studies.board import board
    from backlight.studies.registry import STUDIES, Asked, find
    from backlight.words import LANGUAGES

    open_all()
    if lang is not None and lang not in LANGUAGES:
        raise UsageError(
            "--lang", got=repr(lang), needs=" or ".join(LANGUAGES), remedy=nearest(lang, LANGUAGES)
        )
    if name == "list":
        return _listed(lang, json)
    chosen = find(name)
    if not chosen.data and (data or data_dir or limit):
        raise UsageError(
            f"study {name}",
            got="a data set, or a number of examples",
            needs="neither",
            remedy=f"Write: backlight study {name}",
        )
    path = Path(f"{name}.png") if out is None else checked_out(out)
    drawn = board(theme, lang)
    if drawn.note:
        sys.stderr.write(drawn.note + "\n")
    given = None
    if chosen.data:
        given = _examples(
            data or chosen.data,
            data_dir,
            limit or chosen.examples,
            seed,
        )
    asked = Asked(
        drawn,
        seed,
        given,
        index,
        _numbers("--p", p),
        _numbers("--q", q),
    )
    figure, facts = STUDIES[name].run(asked)
    save(figure, path)
    if json:
        told = {"study": name, **facts, "file": str(path)}
        sys.stdout.write(json_format.dumps(_plain(told), ensure_ascii=False) + "\n")
        return 0
    for fact, value in facts.items():
        if fact == "table":
            _table(value)
        else:
            sys.stdout.write(f"{fact.replace('_', ' ')}: {_shown(value)}\n")
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _listed(lang: str | None, json: bool) -> int:
    from backlight.studies.registry import STUDIES

    told = {
        name: {
            "question": one.question(lang),
            "data": one.data,
            "examples": one.examples if one.data else 0,
        }
        for name, one in STUDIES.items()
    }
    if json:
        sys.stdout.write(json_format.dumps(told, ensure_ascii=False) + "\n")
        return 0
    for name, one in told.items():
        sys.stdout.write(f"{name:<18} {one['question']}\n")
    return 0


def _examples(data: str, data_dir: str | None, limit: int, seed: int) -> Any:
    from backlight.data import load
    from backlight.data.split import split
    from backlight.studies.material import material

    full = load(data, data_dir)
    least = 2 * len(full.classes)
    if limit < least:
        raise UsageError(
            "--limit",
            got=str(limit),
            needs=f"at least two examples a class, {least}",
            remedy="Use --limit 1000.",
        )
    return material(split(full, 0.15, 0.15, seed), limit)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise UsageError(
            option,
            got=repr(text),
            needs="numbers with commas between",
            remedy=f"Write: {option} 0.5,0.25,0.25",
        ) from None


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(rows: list[dict[str, Any]]) -> None:
    """Rows of equal keys as columns."""
    heads = [head.replace("_", " ") for head in rows[0]]
    lines = [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        cells = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _shown(value)[:WIDEST]


def _plain(value: Any) -> Any:
    """Numbers that JSON has: what is not finite becomes a word."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
