import json
from pathlib import Path

import pytest

from backlight.explain.figures import FIGURES
from tests.cli.command import command, refused

pytest.importorskip("matplotlib")


def test_the_list_names_every_figure():
    told = command("show", "note", "list")
    assert told.code == 0
    for name in FIGURES:
        assert f"\n{name} " in "\n" + told.out
    assert command("show", "note").out == told.out
    korean = json.loads(command("show", "note", "list", "--json", "--lang", "ko").out)
    assert {one["name"] for one in korean} == set(FIGURES)
    assert any("가" <= letter <= "힣" for letter in korean[0]["title"])


@pytest.mark.parametrize(("what", "ending"), [("S1:70", "png"), ("unit-circles", "svg")])
def test_one_figure_by_place_or_name(tmp_path, what, ending):
    path = tmp_path / f"some.{ending}"
    told = command("show", "note", what, "-o", str(path), "--theme", "dark")
    assert told.code == 0, told.err
    assert f"wrote {path}" in told.out
    assert path.read_bytes().lstrip()[:5] in (b"\x89PNG\r", b"<?xml")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_circuit_is_written_as_svg_or_png(tmp_path, ending):
    path = tmp_path / f"some.{ending}"
    assert command("show", "note", "distribute-and-switch", "-o", str(path)).code == 0
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<svg")


def test_all_go_into_a_folder(tmp_path, monkeypatch):
    chosen = {name: FIGURES[name] for name in ("gate", "sigmoid-gate")}
    monkeypatch.setattr("backlight.explain.figures.registry.FIGURES", chosen)
    told = command("show", "note", "all", "-o", str(tmp_path / "figures"), "--json")
    files = [Path(one["file"]) for one in json.loads(told.out)]
    assert sorted(file.name for file in files) == ["gate.png", "sigmoid-gate.png"]
    assert all(file.read_bytes()[:4] == b"\x89PNG" for file in files)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("two-head",), "Did you mean 'two-heads'"),
        (("S9:1",), "a place in the notes such as S1:70"),
        (("gate", "-o", "some.bmp"), ".png, .svg, .pdf"),
        (("sigmoid-gate", "-o", "some.pdf"), "-o some.svg"),
        (("all", "-o", "some.png"), "a folder"),
        (("gate", "--theme", "grey"), "light or dark"),
    ],
)
def test_mistakes_are_told(words, said):
    assert said in refused("show", "note", *words)
