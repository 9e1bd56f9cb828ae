"""`backlight play NAME`: a page to step through or to drag, as one HTML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from backlight.errors import UsageError, nearest

THEMES = ("auto", "light", "dark")


def play(
    name: str,
    /,
    *,
    out: Annotated[str | None, Parameter(name=["--out", "-o"], help="page to write, .html")] = None,
    theme: Annotated[str, Parameter(help="auto, light or dark")] = "auto",
    lang: Annotated[str | None, Parameter(help="en or ko")] = None,
) -> int:
    """Write a page to play with: open it in any browser; it needs no network.

    Parameters
    ----------
    name
        Which page; `list` names them all.
    """
    from backlight.explain.play import open_all
    from backlight.explain.play.page import PAGES, document
    from backlight.words import LANGUAGES, say

    for option, value, known in (
        ("--theme", theme, THEMES),
        ("--lang", lang, tuple(LANGUAGES)),
    ):
        if value is not None and value not in known:
            raise UsageError(
                option, got=repr(value), needs=" or ".join(known), remedy=nearest(value, known)
            )
    open_all()
    if name == "list":
        for one in PAGES:
            sys.stdout.write(f"{one:<14} {say(f'play.{one}.what', lang)}\n")
        return 0
    path = Path(out or f"{name}.html")
    if path.suffix != ".html" or path.is_dir():
        raise UsageError(
            "--out",
            got=repr(out),
            needs="a file name that ends in .html",
            remedy="Write for example: -o page.html",
        )
    text = document(name, language=lang, theme=theme)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise UsageError(
            f"--out {path}",
            got=f"the error “{problem.strerror or problem}”",
            needs="a file that can be written",
            remedy="Choose another folder.",
        ) from None
    sys.stdout.write(f"wrote {path}\n")
    return 0
