"""HTML and SVG elements from text, with everything escaped unless it is markup already.

Names of classes, layers and files come from outside. Here they cannot become tags, scripts or
attributes, and their control and direction-changing characters are shown instead of obeyed.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import Any

_VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Markup(str):
    """Text that is HTML already; `element` does not escape it again."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""Text with control, direction-changing and unpaired characters written as escapes.

    Examples
    --------
    >>> visible("red\x1b[2J\u202e\ud800 한글")
    'red\\x1b[2J\\u202e\\ud800 한글'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if character in _DIRECTIONS or unicodedata.category(character) in ("Cc", "Cs")
        else character
        for character in text
    )


def escape(value: object) -> Markup:
    """Text as HTML; markup stays as it is.

    Examples
    --------
    >>> escape("<img src=x onerror=alert(1)>")
    '&lt;img src=x onerror=alert(1)&gt;'
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(visible(str(value)), quote=True))


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """One element.

    Parameters
    ----------
    tag : str
        Its name.
    *children
        Text, numbers, markup, or lists of them; None is left out.
    **attributes
        `class_` is class, `data_x` is data-x. None and False are left out; True has no value.

    Examples
    --------
    >>> element("p", "1 < 2 ", element("b", "so"), class_="note", hidden=True)
    '<p class="note" hidden>1 &lt; 2 <b>so</b></p>'
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        parts.append(f" {name}" if value is True else f' {name}="{escape(value)}"')
    parts.append(">")
    if tag in _VOID:
        return Markup("".join(parts))
    parts.append(join(children))
    parts.append(f"</{tag}>")
    return Markup("".join(parts))


def join(children: Iterable[Any]) -> Markup:
    """Children one after another, lists flattened, None left out."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str) or not isinstance(child, Iterable):
            parts.append(escape(child))
        else:
            parts.append(join(child))
    return Markup("".join(parts))
