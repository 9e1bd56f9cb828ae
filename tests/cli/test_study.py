import json

import pytest

from backlight.studies import ROOMS, open_all
from backlight.studies.board import board
from backlight.studies.registry import STUDIES, Asked, find
from tests.cli.command import command, refused

pytest.importorskip("matplotlib")
open_all()
QUICK = (
    "equal-distance",
    "peeking",
    "divergence",
    "two-losses",
    "binary",
    "concentration",
    "random-or-grid",
)


def test_every_room_declares_a_study():
    assert {one.run.__module__.rpartition(".")[2] for one in STUDIES.values()} == set(ROOMS)


def test_the_list_names_all():
    told = command("study", "list", "--json")
    found = json.loads(told.out)
    assert found.keys() == STUDIES.keys()
    assert all(one["question"].endswith("?") or one["question"] for one in found.values())
    assert "이웃" in command("study", "list", "--lang", "ko").out


@pytest.mark.parametrize("name", QUICK)
def test_a_study_draws_and_tells(name, tmp_path):
    out = tmp_path / "answer.svg"
    told = command("study", name, "--out", str(out), "--json", "--seed", "1")
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert found["study"] == name
    assert out.read_text(encoding="utf-8").startswith("<?xml")


def test_numbers_in_words(tmp_path):
    told = command("study", "divergence", "-o", str(tmp_path / "d.png"), "--p", "1,0", "--q", "0,1")
    assert "cross entropy nats: inf" in told.out
    assert (
        "cross entropy bits: 1.75"
        in command("study", "divergence", "-o", str(tmp_path / "d.png")).out
    )


def test_a_table_has_columns(tmp_path):
    told = command("study", "cross-validation", "--limit", "150", "-o", str(tmp_path / "k.png"))
    lines = told.out.splitlines()
    assert lines[0].startswith("best k: ")
    assert lines[2].split() == ["k", "mean", "std"]
    assert lines[3].split()[0] == "1"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", ["two-losses", "divergence"])
def test_both_themes_and_languages(name, theme, language):
    figure, _ = find(name).run(Asked(board(theme, language)))
    assert figure.axes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cross-validatoin",), ("cross-validation",)),
        (("divergence", "--data", "digits"), ("neither",)),
        (("divergence", "--p", "0.5;0.5"), ("commas",)),
        (("divergence", "--p", "0.5,0.6,0.1"), ("sum to 1",)),
        (("peeking", "--limit", "3"), ("at least two examples a class",)),
        (("equal-distance", "--index", "99999"), ("--index", "0 to")),
        (("equal-distance", "--data", "spiral"), ("pictures",)),
        (("peeking", "--theme", "pink"), ("light or dark",)),
        (("peeking", "--lang", "fr"), ("en or ko",)),
        (("peeking", "--out", "picture.txt"), (".png",)),
    ],
)
def test_misuse_is_refused(arguments, words, tmp_path):
    told = refused("study", *arguments, folder=tmp_path)
    assert all(word in told for word in words)


def test_a_study_without_examples_says_so():
    from backlight.errors import ArgumentError

    with pytest.raises(ArgumentError, match="no examples"):
        find("peeking").run(Asked(board("light", "en")))
