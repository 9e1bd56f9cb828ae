"""`backlight layer LINE`: a layer of PyTorch, Torch7, Caffe or the course, with its sizes."""

from __future__ import annotations

import json as json_format
import sys
from typing import Annotated

from cyclopts import Parameter

from backlight.errors import UsageError, nearest

BIGGEST = 10**9


def layer(
    line: str | None = None,
    /,
    *,
    input: Annotated[
        str | None, Parameter(help="shape of one example, such as 3x227x227 or 4096")
    ] = None,
    batch: Annotated[int, Parameter(help="examples in a batch")] = 1,
    out: Annotated[
        str | None, Parameter(name=["--out", "-o"], help="picture to write: .png, .svg or .pdf")
    ] = None,
    theme: Annotated[str, Parameter(help="light or dark")] = "light",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative="", help="the numbers as one JSON object")] = False,
) -> int:
    """Tell a layer's sizes, parameters and Jacobian, and say it in four vocabularies.

    Parameters
    ----------
    line
        Such as "nn.Conv2d(3, 96, 11, stride=4)", "nn.SpatialMaxPooling(3, 3, 2, 2)", "K=96 F=11
        S=4 P=0", or a layer of a Caffe prototxt; read from standard input where it is left out.
    """
    from backlight.cli.show import checked_out, save
    from backlight.explain.layer import backward_cost, draw, facts, told
    from backlight.nn.vocabulary import sizes
    from backlight.nn.vocabulary_reader import LONGEST, read
    from backlight.words import LANGUAGES

    for option, value, known in (
        ("--lang", lang, tuple(LANGUAGES)),
        ("--theme", theme, ("light", "dark")),
    ):
        if value is not None and value not in known:
            raise UsageError(
                option, got=repr(value), needs=" or ".join(known), remedy=nearest(value, known)
            )
    if not 1 <= batch <= BIGGEST:
        raise UsageError(
            "--batch", got=str(batch), needs=f"1 to {BIGGEST:,}", remedy="Use --batch 1."
        )
    path = None if out is None else checked_out(out)
    described = read(sys.stdin.read(LONGEST + 1) if line is None else line)
    found = sizes(described, _shape(input, described.kind, described.taken))
    cost = backward_cost(described, found, batch)
    if path is not None:
        save(draw(described, found, cost, theme=theme, language=lang), path)
    if json:
        given = facts(described, found, cost) | ({"file": str(path)} if path else {})
        sys.stdout.write(json_format.dumps(given, ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(told(described, found, cost, lang) + "\n")
    if path is not None:
        sys.stdout.write(f"wrote {path}\n")
    return 0


def _shape(text: str | None, kind: str, taken: int) -> tuple[int, ...]:
    """The input's shape; of a fully connected layer that says its features, those."""
    example = "3x227x227" if taken in (0, 3) else f"{taken}x32x32"
    if text is None:
        if kind == "fully-connected" and taken:
            return (taken,)
        raise UsageError(
            "--input",
            got="no shape of the input",
            needs="the sizes of one example: channels, height, width",
            remedy=f"Add --input {example}",
        )
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) not in (1, 3) or not all(_size(part) for part in parts):
        raise UsageError(
            "--input",
            got=repr(text),
            needs="one or three whole numbers from 1 up",
            remedy=f"Write it as --input {example}, or --input 4096",
        )
    return tuple(map(int, parts))


def _size(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < 10 and int(part) > 0
