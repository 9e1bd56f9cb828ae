"""Formulas cut into tokens: numbers, names and signs, each with its place in the text.

Only the characters listed here exist. A look-alike (a full-width letter, a Cyrillic х, a
zero-width space) is refused by its Unicode name rather than folded into what it resembles.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from backlight.errors import ExpressionError

MAX_CHARACTERS = 1_000
_SHOWN = 60  # characters of a long formula that an error shows
_GREEK = "αβγδεζηθλμξπρστφχψω"
_LETTER = rf"A-Za-z_{_GREEK}\uac00-\ud7a3"
_TOKENS = re.compile(
    r"(?P<space>[ \t]+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>[{_LETTER}][{_LETTER}0-9]*)"
    r"|(?P<sign>\*\*|==|!=|<=|>=|[-+*/@()\[\],=<>×·−²³])"
)
_INSTEAD = {
    "^": "** for a power",
    "|": "abs(…) for an absolute value",
    "√": "sqrt(…) for a root",
    "÷": "/ for a quotient",
    "⋅": "· or * for a product",
    "∗": "* for a product",
    "•": "· or * for a product",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "∑": "sum(…)",
    "%": "remainder(x, y)",
    "{": "( … ) for brackets",
    "}": "( … ) for brackets",
}
"""What books and other languages write, and what it is here."""
_SPELLINGS = {"×": "*", "·": "*", "−": "-"}


@dataclass(frozen=True)
class Token:
    """A piece of the text: what kind, how it is written, and where it begins."""

    kind: str
    text: str
    place: int


def tokenize(text: str) -> list[Token]:
    """The tokens of a formula, closed by one of kind "end".

    Raises
    ------
    ExpressionError
        If the text is longer than 1,000 characters or holds a character of another language.

    Examples
    --------
    >>> [token.text for token in tokenize("a·x² − 1.5")]
    ['a', '*', 'x', '²', '-', '1.5', '']
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            "expression",
            got=f"{len(text):,} characters",
            needs=f"at most {MAX_CHARACTERS:,}",
            remedy="Compute parts of it in Python, and pass them as inputs.",
        )
    found = []
    place = 0
    while place < len(text):
        match = _TOKENS.match(text, place)
        if match is None:
            raise _foreign(text, place)
        kind = str(match.lastgroup)
        if kind == "number":
            _check_number(text, match)
        if kind != "space":
            found.append(Token(kind, _SPELLINGS.get(match.group(), match.group()), place))
        place = match.end()
    return [*found, Token("end", "", len(text))]


def refusal(text: str, place: int, got: str, needs: str, remedy: str) -> ExpressionError:
    """An error with a caret under the place."""
    return ExpressionError(
        "expression", got=f"{got}:\n    {pointed(text, place)}", needs=needs, remedy=remedy
    )


def pointed(text: str, place: int) -> str:
    """The text near `place`, and a second line with a caret under it."""
    start = max(0, min(place - _SHOWN // 2, len(text) - _SHOWN))
    shown = [
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[start : start + _SHOWN]
    ]
    before, after = ("…" if start else ""), ("…" if start + _SHOWN < len(text) else "")
    width = len(before) + sum(_columns(c) for c in shown[: place - start])
    return f"{before}{''.join(shown)}{after}\n    {' ' * width}^ here"


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _check_number(text: str, match: re.Match[str]) -> None:
    number, end = match.group(), match.end()
    if float(number) == float("inf"):
        raise refusal(
            text,
            match.start(),
            f"the number {number[:20]}, too large for a float",
            "numbers up to 1.8e308",
            "Write a smaller one.",
        )
    following = text[end : end + 1]
    if re.match(rf"[{_LETTER}]", following):
        rest = re.match(rf"[{_LETTER}0-9]+", text[end:])
        name = rest.group() if rest else following
        raise refusal(
            text,
            end,
            f"{name!r} right after the number {number}",
            "numbers such as 2, 0.5 or 1e-3, and a sign between two values",
            f"Write {number} * {name} for a product",
        )
    if following == ".":
        raise refusal(text, end, "a second point in a number", "one point", "Remove one.")


def _foreign(text: str, place: int) -> ExpressionError:
    character = text[place]
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "a character without a name")
    plain = unicodedata.normalize("NFKC", character)
    remedy = "Remove it."
    if character in _INSTEAD:
        remedy = f"Write {_INSTEAD[character]}."
    elif character in "'\"`":
        remedy = "Text has no place in a formula; write names without quotes."
    elif plain != character and _TOKENS.match(plain):
        remedy = f"It looks like {plain!r}, and is not: type {plain!r}."
    elif character.isalpha():
        remedy = "If it looks like a Latin letter it is another one: type it again."
    shown = f"{character!r} " if character.isprintable() else ""
    return refusal(
        text,
        place,
        f"the character {shown}({code} {name})",
        "names, numbers and + - * / ** @ ( ) [ ] , = < > × · − ² ³",
        remedy,
    )
