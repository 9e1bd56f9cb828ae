"""`backlight show KIND RUN`: pictures of what a network learned, as a file and in numbers."""

from __future__ import annotations

import json as json_format
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backlight.errors import DataError, RangeError, UsageError, nearest

if TYPE_CHECKING:
    from backlight.explain.look.classifier import Classifier

SUFFIXES = (".png", ".svg", ".pdf")
NOTE = "note"
"""The kind that shows no run: figures of the lecture notes."""
DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Asked:
    """What the options of the command ask for."""

    kind: str
    image: str | None
    fit: bool
    index: int
    split: str
    examples: int | None
    layer: str | None
    unit: int | None
    target: str | None
    method: str | None
    answer: str | None
    epsilon: float | None
    patch: int | None
    steps: int | None
    octaves: int
    seed: int
    theme: str
    language: str | None

    @property
    def drawing(self) -> dict[str, Any]:
        """Theme and language, as every `draw` takes them."""
        return {"theme": self.theme, "language": self.language}


@dataclass(frozen=True)
class Seen:
    """A run as the kinds see it: its classifier and its examples."""

    classifier: Classifier
    data: Any
    asked: Asked
    raw: Any = None

    def examples(self, split: str, most: int) -> tuple[Any, Any]:
        """Pictures in [0, 1] and labels of the first examples of a split."""
        part = getattr(self.data, split)
        count = min(len(part), self.asked.examples or most)
        return self.classifier.pictures(part.inputs[:count]), part.labels[:count]

    def picture(self) -> tuple[Any, int | None]:
        """The picture that was asked for, and its label where it has one."""
        if self.asked.image is not None:
            return from_file(self.asked.image, self.classifier.shape, self.asked.fit), None
        part = getattr(self.data, self.asked.split)
        if not 0 <= self.asked.index < len(part):
            raise RangeError(
                "--index",
                got=str(self.asked.index),
                needs=f"0 to {len(part) - 1}, in the {self.asked.split} split",
                remedy="Choose one of those, or give --image FILE.",
            )
        inputs, label = part[self.asked.index]
        return self.classifier.pictures(inputs), int(label)


def show(
    kind: str,
    run: str | None = None,
    /,
    *,
    out: Annotated[
        str | None, Parameter(name=["--out", "-o"], help="picture to write: .png, .svg or .pdf")
    ] = None,
    image: Annotated[str | None, Parameter(help="PNG, JPEG or PGM file to look at")] = None,
    fit: Annotated[
        bool, Parameter(negative="", help="scale and cut --image to the network's size")
    ] = False,
    index: Annotated[int, Parameter(help="which example to look at, without --image")] = 0,
    split: Annotated[str, Parameter(help="split that examples are from: train or validation")] = (
        "validation"
    ),
    examples: Annotated[int | None, Parameter(help="how many examples to go through")] = None,
    layer: Annotated[str | None, Parameter(help="path of a layer, such as 3")] = None,
    unit: Annotated[int | None, Parameter(help="map or number of the layer")] = None,
    target: Annotated[
        str | None, Parameter(name=["--class"], help="class, by name or number")
    ] = None,
    method: Annotated[str | None, Parameter(help="way to compute it; see the kinds")] = None,
    answer: Annotated[
        str | None, Parameter(help="explain the raw score or the probability")
    ] = None,
    epsilon: Annotated[float | None, Parameter(help="adversary: change of every pixel")] = None,
    patch: Annotated[int | None, Parameter(help="occlusion: side of the patch in pixels")] = None,
    steps: Annotated[int | None, Parameter(help="class-image, dream: steps to take")] = None,
    octaves: Annotated[int, Parameter(help="dream: how many sizes")] = 4,
    seed: Annotated[int, Parameter(help="of everything that is drawn by chance")] = 0,
    theme: Annotated[str, Parameter(help="light or dark")] = "light",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
    json: Annotated[bool, Parameter(negative="", help="the numbers as one JSON object")] = False,
) -> int:
    """Draw what a network learned, and print the numbers that belong to it.

    Parameters
    ----------
    kind
        Which picture.
    run
        Run folder; of the kind note, the figure's name or its place in the notes, such as S1:70.
    """
    from backlight.cli.show_kinds import KINDS, WITHOUT_RUN
    from backlight.cli.show_options import check_options
    from backlight.explain.look.style import style
    from backlight.words import language as spoken

    if kind not in (*KINDS, NOTE):
        raise UsageError(
            "show",
            got=f"the kind {kind!r}",
            needs="a known kind",
            remedy=nearest(kind, (*KINDS, NOTE)),
        )
    asked = Asked(
        kind,
        image,
        fit,
        index,
        split,
        examples,
        layer,
        unit,
        target,
        method,
        answer,
        epsilon,
        patch,
        steps,
        octaves,
        seed,
        theme,
        lang or spoken(),
    )
    check_options(asked)
    look = style(theme, asked.language)
    if kind == NOTE:
        from backlight.cli.show_note import note

        return note(run, out, theme, look, json)
    if kind not in WITHOUT_RUN and run is None:
        raise UsageError(
            f"show {kind}",
            got="no run",
            needs="the folder of a run",
            remedy=f"Write: backlight show {kind} runs/digits-convnet-001",
        )
    path = _target(out, kind, None if kind in WITHOUT_RUN else run)
    if look.note:
        sys.stderr.write(look.note + "\n")
    if kind in WITHOUT_RUN:
        figure, facts = KINDS[kind](asked)
    else:
        figure, facts = _of_run(str(run), asked, KINDS[kind])
    replaced = path.exists()
    save(figure, path)
    told = {"kind": kind, **({"run": run} if run else {}), **facts, "file": str(path)}
    if json:
        sys.stdout.write(json_format.dumps(told, ensure_ascii=False) + "\n")
        return 0
    for name, value in facts.items():
        if not isinstance(value, (list, dict)):
            shown = f"{value:.6g}" if isinstance(value, float) else value
            sys.stdout.write(f"{name.replace('_', ' ')}: {shown}\n")
    sys.stdout.write(f"{'replaced' if replaced else 'wrote'} {path}\n")
    return 0


def _of_run(run: str, asked: Asked, draw: Any) -> tuple[Any, dict[str, Any]]:
    """What a kind makes of a run's best parameters, their average if it kept one."""
    from contextlib import nullcontext

    from backlight.cli.evaluate import restored

    _, parts, _ = restored(run)
    averaged = nullcontext() if parts.average is None else parts.average.applied()
    with averaged:
        found: tuple[Any, dict[str, Any]] = draw(seen(parts, asked))
    return found


def seen(parts: Any, asked: Asked) -> Seen:
    """The parts of a run as a classifier with its examples."""
    from backlight.explain.look.classifier import classifier
    from backlight.train.page.pictures import display_range

    train = parts.data.train
    images = len(train.shape) == 3
    low, high = display_range(train.inputs) if images else (0.0, 1.0)
    subject = classifier(
        parts.model.module,
        list(parts.data.classes),
        train.shape,
        mean=parts.normalize.mean,
        std=parts.normalize.std,
        low=low,
        high=high,
    )
    return Seen(subject, parts.data, asked, parts)


def from_file(path: str, shape: tuple[int, ...], fit: bool) -> Any:
    """A picture file in [0, 1] with the network's channels, and its size.

    Raises
    ------
    DataError
        If it is missing, damaged, or of another size and `fit` is not set.
    """
    import numpy as np

    from backlight.data.image import read_image

    if not Path(path).is_file():
        raise DataError(
            f"--image {path}",
            got="no such file",
            needs="a PNG, JPEG or PGM picture",
            remedy="Check the path, or use --index to take an example of the data.",
        )
    mode = "RGB" if shape and shape[0] == 3 else "L"
    size = (shape[1], shape[2]) if fit and len(shape) == 3 else None
    values = read_image(path, mode=mode, size=size)
    if len(shape) == 3 and values.shape != shape:
        raise DataError(
            f"--image {path}",
            got=f"a picture of {values.shape[2]}×{values.shape[1]} pixels",
            needs=f"{shape[2]}×{shape[1]}, which the network was trained on",
            remedy="Add --fit to scale it and cut it at the centre.",
        )
    return values.astype(np.float32) / 255


def save(figure: Any, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    import matplotlib

    dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "backlight"}):
            figure.savefig(path, dpi=DOTS_PER_INCH, metadata=dated.get(path.suffix))
    except OSError as problem:
        raise UsageError(
            f"--out {path}",
            got=f"the error “{problem.strerror or problem}”",
            needs="a file that can be written",
            remedy="Choose another folder.",
        ) from None


def checked_out(out: str) -> Path:
    """The path of a picture to write, if its kind is one that can be written.

    Raises
    ------
    UsageError
        If it does not end in .png, .svg or .pdf, is a folder, or lies where nothing can be
        written: better now than when the picture has been computed.
    """
    path = Path(out)
    if path.suffix not in SUFFIXES or path.is_dir():
        raise UsageError(
            "--out",
            got=repr(out),
            needs=f"a file name that ends in {', '.join(SUFFIXES)}",
            remedy="Write for example: -o picture.png",
        )
    there = path if path.exists() else next(one for one in path.absolute().parents if one.exists())
    if not os.access(there, os.W_OK) or not (there == path or there.is_dir()):
        raise UsageError(
            "--out",
            got=f"{out!r}, and {there} cannot be written to",
            needs="a file that can be written",
            remedy="Choose another folder.",
        )
    return path


def _target(out: str | None, kind: str, run: str | None) -> Path:
    if out is not None:
        return checked_out(out)
    if run is None:
        return Path(f"{kind}.png")
    return Path(run) / "pictures" / f"{kind}.png"
