"""docs/notes.md and the register of figures say the same, and no lost picture is left out."""

import os
import re
from pathlib import Path

import pytest

from backlight.cli.show_kinds import KINDS
from backlight.explain.figures import FIGURES, find
from backlight.expression import Expression

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "notes.md").read_text(encoding="utf-8")
LINK = re.compile(r"!\[[^\]]*\]\([^)]+\)")


def rows(heading):
    """The cells of the table below a heading."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_linked_picture_has_its_row():
    told = {row[0]: row[2:] for row in rows("Every linked picture")}
    for one in FIGURES.values():
        for place in one.linked:
            title, command = told.pop(place)
            assert title == one.title("en"), place
            assert command == f"`backlight show note {one.name}`", place
    assert not told


def test_every_sentence_has_its_row():
    told = {row[2].strip("`").split()[-1]: row for row in rows("Sentences without a picture")}
    for one in FIGURES.values():
        if one.near:
            places, title, _ = told.pop(one.name)
            assert places.split(", ") == list(one.near), one.name
            assert title == one.title("en")
    assert not told


def test_commands_name_what_there_is():
    for name in re.findall(r"backlight show note ([a-z0-9-]+)", PAGE):
        assert name in ("list", "all") or name in FIGURES, name
    for place in re.findall(r"backlight show note (S\d:\d+)", PAGE):
        assert find(place)
    for kind in re.findall(r"backlight show ([a-z-]+)", PAGE):
        assert kind in (*KINDS, "note"), kind
    for formula in re.findall(r'backlight (?:explain|why|check) "([^"]+)"', PAGE):
        Expression.parse(formula)
    for row in rows("What the notes say differently"):
        assert re.match(r"`([a-z0-9-]+)`", row[2])[1] in FIGURES


def test_no_linked_picture_is_left_out():
    """Where the notes themselves are at hand, every link in them has its figure."""
    beside = Path(os.environ.get("BACKLIGHT_TEST_DATA", ROOT.parent / "shared" / "data")).parent
    notes = sorted((beside / "notes").glob("00[0-4]_*.txt"))
    if len(notes) != 5:
        pytest.skip(f"the five notes are not in {beside / 'notes'}; set BACKLIGHT_TEST_DATA")
    places = {
        f"S{k}:{line}"
        for k, note in enumerate(notes)
        for line, text in enumerate(note.read_text(encoding="utf-8").splitlines(), 1)
        if LINK.search(text)
    }
    drawn = {place for one in FIGURES.values() for place in one.linked}
    assert drawn == places
