"""The frame of a page to play with, and the register of all: one file, no network, both themes.

A page is a drawing in SVG, a script that belongs to it, and data. The script draws nothing of its
own accord that Python has not computed, apart from what follows a dragged bar.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import Any

from backlight.errors import ArgumentError, nearest
from backlight.words import language as spoken
from backlight.words import say


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes
    ----------
    drawing : str
        SVG text.
    script : str
        Name of the script that moves it.
    data : dict
        What the script is given.
    """

    drawing: str
    script: str
    data: dict[str, Any] = field(repr=False)


Make = Callable[[str], Page]

PAGES: dict[str, Make] = {}
"""Every page by name; `backlight.explain.play.open_all` fills it."""


def play(name: str) -> Callable[[Make], Make]:
    """Declare the function below as the maker of a page; it takes a language."""

    def declared(make: Make) -> Make:
        PAGES[name] = make
        return make

    return declared


def find(name: str) -> Make:
    """The maker of this page.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if name not in PAGES:
        raise ArgumentError(
            "play",
            got=repr(name),
            needs="a known page",
            remedy=nearest(name, PAGES).partition(" Known:")[0] + " All: backlight play list",
        )
    return PAGES[name]


def document(name: str, *, language: str | None = None, theme: str = "auto") -> str:
    """A page as one HTML file that needs no network and no other file.

    Parameters
    ----------
    name : str
    language : str, optional
        "en" or "ko"; by default the one that is spoken.
    theme : {"auto", "light", "dark"}
        Auto follows the reader's system.

    Examples
    --------
    >>> from backlight.explain.play import open_all
    >>> open_all()
    >>> document("convolution", language="en").startswith("<!doctype html>")
    True
    """
    tongue = language or spoken()
    made = find(name)(tongue)
    data = json.dumps(made.data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    script = read(made.script)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    chosen = "" if theme == "auto" else f' data-theme="{theme}"'
    title, caption = (
        escape(say(f"play.{name}.title", tongue)),
        escape(say(f"play.{name}.caption", tongue)),
    )
    return (
        f'<!doctype html>\n<html lang="{tongue}"{chosen}><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{title}</title><style>{read("play.css")}</style>'
        f"</head><body><main><h1>{title}</h1><p class=caption>{caption}</p>"
        f'<div id=stage tabindex="-1">{made.drawing}</div><div id=controls></div>'
        '<p id=said role="status" aria-live="polite"></p></main>'
        f'<script type="application/json" id=data>{data}</script>'
        f'<script type="module">{script}</script></body></html>\n'
    )


def read(name: str) -> str:
    """A file of this room's web folder."""
    return resources.files("backlight.explain.play").joinpath("web", name).read_text("utf-8")
