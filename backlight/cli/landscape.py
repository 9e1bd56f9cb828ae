"""`backlight landscape RUN`: the loss along a line or over a plane through trained weights."""

from __future__ import annotations

import hashlib
import json as json_format
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from backlight.errors import UsageError, nearest

Array = np.ndarray[Any, Any]

DIRECTIONS = ("random", "gradient", "between", "path")
SHAPES = ("line", "plane")
EXPORTS = (".npz", ".json")
LINE_POINTS, PLANE_POINTS = 101, 31
MOST_POINTS = 501
RADIUS = 1.0
FORMAT = 1


@dataclass(frozen=True)
class Asked:
    """What decides the numbers of a landscape, and so its name in the run's cache."""

    shape: str
    along: str
    to: str
    points: int
    radius: float
    examples: int
    split: str
    normalise: str
    seed: int
    replay: bool
    step: int


def landscape(
    run: str,
    /,
    *,
    shape: Annotated[str, Parameter(help="line or plane")] = "plane",
    along: Annotated[
        str, Parameter(help="random, gradient, between (with --to), or path of training")
    ] = "random",
    to: Annotated[
        str | None, Parameter(help="the other end: `start`, a checkpoint's folder, or a run")
    ] = None,
    points: Annotated[
        int | None, Parameter(help="along each axis [default: 101 of a line, 31 of a plane]")
    ] = None,
    radius: Annotated[
        float | None, Parameter(help="how far to go, in sizes of the weights [default: 1]")
    ] = None,
    examples: Annotated[int, Parameter(help="examples of the loss")] = 1000,
    split: Annotated[str, Parameter(help="train or validation")] = "train",
    filters: Annotated[
        bool, Parameter(negative="", help="normalise random directions filter by filter")
    ] = False,
    replay: Annotated[
        bool, Parameter(negative="", help="repeat the run, to have the path epoch by epoch")
    ] = False,
    chords: Annotated[
        int | None, Parameter(help="instead: try convexity on this many random chords")
    ] = None,
    seed: Annotated[int, Parameter(help="of the random directions")] = 0,
    threads: Annotated[int | None, Parameter(help="cores to use [default: all]")] = None,
    draw: Annotated[str, Parameter(help="a plane as contour, surface or both")] = "both",
    out: Annotated[
        str | None, Parameter(name=["--out", "-o"], help="picture: .png, .svg or .pdf")
    ] = None,
    export: Annotated[str | None, Parameter(help="numbers: .npz or .json")] = None,
    fresh: Annotated[bool, Parameter(negative="", help="compute anew")] = False,
    theme: Annotated[str, Parameter(help="light or dark")] = "light",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative="", help="the numbers as one JSON object")] = False,
) -> int:
    """Draw the loss around the weights of a run, without weight decay.

    Parameters
    ----------
    run
        Run folder.
    """
    from backlight.cli.landscape_run import Opened, computed, convexity
    from backlight.explain.landscape.figure import KINDS
    from backlight.explain.landscape.figure import draw as draw_slice
    from backlight.explain.look.style import style

    _among("--shape", shape, SHAPES)
    _among("--along", along, DIRECTIONS)
    _among("--split", split, ("train", "validation"))
    _among("--draw", draw, KINDS)
    _among("--theme", theme, ("light", "dark"))
    _check(along, to, points, radius, examples, chords)
    look = style(theme, _language(lang))
    if look.note:
        sys.stderr.write(look.note + "\n")
    file = None if export is None else _export(export)
    picture = _picture(out, run, shape, chords)
    opened = Opened.of(run)
    if chords is not None:
        figure, facts = convexity(opened, chords, examples, split, seed, radius or RADIUS, look)
        return _told({**facts, "file": str(picture)}, json, _saved(figure, picture))
    asked = Asked(
        shape,
        along,
        to or "",
        points or (LINE_POINTS if shape == "line" else PLANE_POINTS),
        RADIUS if radius is None else radius,
        examples,
        split,
        "filters" if filters else "weights",
        seed,
        replay,
        opened.step,
    )
    found, told, facts = computed(opened, asked, look, threads, fresh)
    kept, epochs = facts.get("points_of_the_path", 0), int(opened.parts.settings.epochs or 0)
    if kept and not replay and kept < epochs + 1:
        sys.stderr.write(f"The run kept {kept - 1} checkpoints; --replay draws every epoch.\n")
    figure = draw_slice(found, told, kind=draw, theme=theme, language=look.language)
    verb = _saved(figure, picture)
    if file is not None:
        _write(file, found, told, asked)
        facts["export"] = str(file)
    if json:
        facts |= numbers(found)
    return _told({**facts, "file": str(picture)}, json, verb)


def name_of(asked: Asked) -> str:
    """A short name that is the same for the same wishes."""
    text = json_format.dumps([FORMAT, asdict(asked)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def numbers(found: Any) -> dict[str, Any]:
    """The slice as plain values; None where the loss is not finite."""
    losses = np.where(np.isfinite(found.losses), found.losses, np.nan).tolist()
    return {"across": found.across.tolist(), "up": found.up.tolist(), "losses": _plain(losses)}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value != value else value


def _write(file: Path, found: Any, told: Any, asked: Asked) -> None:
    path = np.zeros((0, 2)) if told.path is None else told.path
    try:
        if file.suffix == ".npz":
            np.savez_compressed(
                file, across=found.across, up=found.up, losses=found.losses, path=path
            )
        else:
            whole = {"settings": asdict(asked), **numbers(found), "path": path.tolist()}
            file.write_text(json_format.dumps(whole) + "\n", encoding="utf-8")
    except OSError as problem:
        raise UsageError(
            f"--export {file}",
            got=f"the error “{problem.strerror or problem}”",
            needs="a file that can be written",
            remedy="Choose another folder.",
        ) from None


def _saved(figure: Any, picture: Path) -> str:
    """Write the picture, and say whether another one was there."""
    from backlight.cli.show import save

    verb = "replaced" if picture.exists() else "wrote"
    save(figure, picture)
    return verb


def _told(facts: dict[str, Any], json: bool, verb: str) -> int:
    if json:
        sys.stdout.write(json_format.dumps(facts, ensure_ascii=False) + "\n")
        return 0
    for name, value in facts.items():
        if name != "file" and not isinstance(value, (list, dict)):
            shown = f"{value:.6g}" if isinstance(value, float) else value
            sys.stdout.write(f"{name.replace('_', ' ')}: {shown}\n")
    sys.stdout.write(f"{verb} {facts['file']}\n")
    return 0


def _language(lang: str | None) -> str:
    from backlight.words import LANGUAGES
    from backlight.words import language as spoken

    if lang is not None:
        _among("--lang", lang, tuple(LANGUAGES))
    return lang or spoken()


def _picture(out: str | None, run: str, shape: str, chords: int | None) -> Path:
    from backlight.cli.show import checked_out

    if out is not None:
        return checked_out(out)
    return Path(run) / "pictures" / f"landscape-{'chords' if chords else shape}.png"


def _export(export: str) -> Path:
    path = Path(export)
    if path.suffix not in EXPORTS or not path.parent.is_dir() or path.is_dir():
        raise UsageError(
            "--export",
            got=repr(export),
            needs="a file that ends in .npz or .json, in a folder that exists",
            remedy="Write for example: --export landscape.npz",
        )
    return path


def _check(
    along: str,
    to: str | None,
    points: int | None,
    radius: float | None,
    examples: int,
    chords: int | None,
) -> None:
    if (along == "between") != (to is not None):
        raise UsageError(
            "landscape",
            got="--along between without --to" if to is None else f"--to with --along {along}",
            needs="both together",
            remedy="Write: --along between --to start",
        )
    for option, value, least, most in (
        ("--points", points, 2, MOST_POINTS),
        ("--examples", examples, 1, 10**7),
        ("--chords", chords, 1, 10**7),
        ("--radius", radius, 1e-6, 1e6),
    ):
        if value is not None and not least <= value <= most:
            raise UsageError(
                option,
                got=f"{value:g}",
                needs=f"from {least:g} to {most:g}",
                remedy="Leave it out.",
            )


def _among(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(
            option, got=repr(value), needs=" or ".join(known), remedy=nearest(value, known)
        )
