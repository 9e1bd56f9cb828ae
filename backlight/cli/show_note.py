"""`backlight show note`: the figures of the lecture notes, one, all, or their list."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backlight.errors import UsageError

if TYPE_CHECKING:
    from backlight.explain.figures import Figure
    from backlight.explain.look.style import Style


def note(what: str | None, out: str | None, theme: str, look: Style, json: bool) -> int:
    """Draw a figure of the notes, all of them into a folder, or say which there are."""
    from backlight.explain.figures import find, ordered

    if what in (None, "list"):
        _list(ordered(), look.language, json)
        return 0
    chosen = ordered() if what == "all" else [find(str(what))]
    folder = _folder(out) if what == "all" else None
    written = []
    for one in chosen:
        path = folder / f"{one.name}.png" if folder else _path(out, one)
        _save(one, path, theme, look.language)
        written.append({**_told(one, look.language), "file": str(path)})
    if json:
        sys.stdout.write(json_format.dumps(written, ensure_ascii=False) + "\n")
        return 0
    for told in written:
        sys.stdout.write(f"{told['title']}\nwrote {told['file']}\n")
    return 0


def _told(one: Figure, language: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "linked": list(one.linked),
        "near": list(one.near),
        "title": one.title(language),
    }


def _list(figures: list[Figure], language: str, json: bool) -> None:
    """Names with places and titles."""
    told = [_told(one, language) for one in figures]
    if json:
        sys.stdout.write(json_format.dumps(told, ensure_ascii=False) + "\n")
        return
    names = max(len(one.name) for one in figures)
    places = max(len(" ".join(one.linked or one.near[:1])) for one in figures)
    for one in figures:
        where = " ".join(one.linked or one.near[:1])
        sys.stdout.write(f"{one.name:{names}}  {where:{places}}  {one.title(language)}\n")


def _path(out: str | None, one: Figure) -> Path:
    from backlight.cli.show import checked_out

    return Path(f"{one.name}.png") if out is None else checked_out(out)


def _folder(out: str | None) -> Path:
    path = Path("notes" if out is None else out)
    if path.suffix or path.is_file():
        raise UsageError(
            "--out",
            got=repr(out),
            needs="a folder, for there are many figures",
            remedy="Write for example: -o figures",
        )
    return path


def _save(one: Figure, path: Path, theme: str, language: str) -> None:
    """Write a figure in the form that the file's name asks for."""
    from backlight.cli.show import save
    from backlight.explain.circuit.png import png
    from backlight.explain.figures import draw

    drawn = draw(one.name, theme=theme, language=language)
    if not isinstance(drawn, str):
        save(drawn, path)
        return
    if path.suffix == ".pdf":
        raise UsageError(
            f"--out {path}",
            got="a circuit, which is drawn as SVG",
            needs=".svg or .png",
            remedy=f"Write: -o {path.with_suffix('.svg')}",
        )
    content = png(drawn) if path.suffix == ".png" else drawn.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as problem:
        raise UsageError(
            f"--out {path}",
            got=f"the error “{problem.strerror or problem}”",
            needs="a file that can be written",
            remedy="Choose another folder.",
        ) from None
