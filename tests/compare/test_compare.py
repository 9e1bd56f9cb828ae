"""The road: honest choices, numbers that belong together, a page that holds them."""

import json
import re

import numpy as np
import pytest

from backlight.cli.main import run as program
from backlight.compare.figure import Figure
from backlight.compare.kept import Kept
from backlight.compare.matrix import matrix
from backlight.compare.measure import rows_of, size_of, walk
from backlight.compare.page import bytes_told, page, seconds_told, standard_error
from backlight.compare.pictures import confusions, figures
from backlight.compare.road import ROAD, Stop, chosen_stops
from backlight.data import load
from backlight.data.split import split
from backlight.errors import DataError, UsageError
from backlight.estimators import KNeighborsClassifier


def small():
    data = split(load("digits"), 0.15, 0.15, 0)
    return type(data)(
        name=data.name,
        classes=data.classes,
        source=data.source,
        train=data.train[:300],
        validation=data.validation,
        test=data.test,
    )


DATA = small()
SHAPE = (1, 8, 8)


def test_every_stop_has_its_own_name_and_is_found_by_it():
    names = [stop.name for stop in ROAD]
    assert len(set(names)) == len(names) == 10
    assert [stop.name for stop in chosen_stops(["softmax", "chance"])] == ["chance", "softmax"]
    with pytest.raises(UsageError, match="softmax"):
        chosen_stops(["softmx"])


@pytest.mark.parametrize("name", ["chance", "subtraction", "knn-l2", "softmax"])
def test_a_stop_is_walked(name):
    (stop,) = chosen_stops([name])
    found = walk(stop, DATA, SHAPE)
    assert found.validation == max(score for _, score in found.tried)
    assert len(found.tried) == len(stop.settings)
    assert found.test == pytest.approx(np.mean(found.predicted == DATA.test.labels))
    assert (found.test > 0.8) == (name != "chance")


def test_neighbours_vote_as_if_each_k_had_been_fitted():
    (stop,) = chosen_stops(["knn-l2"])
    found = walk(stop, DATA, SHAPE)
    train, validation, test = rows_of(DATA)
    for setting, score in found.tried:
        alone = KNeighborsClassifier(setting["k"]).fit(train, DATA.train.labels)
        assert alone.score(validation, DATA.validation.labels) == score
    assert found.size == size_of(found.estimator) == 300 * 64 * 4
    best = KNeighborsClassifier(found.setting["k"]).fit(train, DATA.train.labels)
    np.testing.assert_array_equal(best.predict(test), found.predicted)


def test_the_test_split_has_no_say():
    """A setting that is best on the test split only is not chosen."""

    class Peeking:
        def __init__(self, held):
            self.shares = [held, 1.0 - held]  # right on validation, right on test
            self.truths = [DATA.validation.labels, DATA.test.labels]

        def fit(self, x, y):
            return self

        def predict(self, x):
            share, truth = self.shares.pop(0), self.truths.pop(0)
            return np.where(np.arange(len(truth)) < share * len(truth), truth, -1)

    settings = ({"held": 0.2}, {"held": 0.9})
    stop = Stop("x", "x", "", lambda shape, held: Peeking(held), settings)
    assert walk(stop, DATA, SHAPE).setting == {"held": 0.9}


def test_the_page_holds_everything_and_fetches_nothing():
    results = [walk(stop, DATA, SHAPE) for stop in chosen_stops(["subtraction", "softmax"])]
    for one in results:
        one.figures = figures(one, DATA, SHAPE)
    text = page(results, DATA, SHAPE)
    assert "Two ways to classify digits" in text
    for one in results:
        assert one.stop.title in text
        assert f"{one.test:.1%} ± {standard_error(one.test, len(DATA.test)):.1%}" in text
    assert text.count("data:image/png") > 20
    assert "Content-Security-Policy" in text
    assert not re.search(r"(?:src|href)=\"https?:", text)


def test_what_was_taken_for_what_adds_up():
    (stop,) = chosen_stops(["softmax"])
    found = walk(stop, DATA, SHAPE)
    counts = confusions(found, DATA)
    assert counts.sum() == len(DATA.test)
    assert counts.trace() / counts.sum() == pytest.approx(found.test)
    assert matrix(counts, DATA.classes).count("count") == np.count_nonzero(counts)
    assert matrix(np.ones((31, 31)), ["x"] * 31) is None


def kept(page, data=DATA):
    (stop,) = chosen_stops(["softmax"])
    found = walk(stop, data, SHAPE)
    found.figures = figures(found, data, SHAPE)
    Kept(page, data).keep(found, first=True)
    return stop, found


def test_what_was_measured_before_an_interruption_is_taken_up(tmp_path):
    page_file = tmp_path / "road.html"
    stop, found = kept(page_file)
    again = Kept(page_file, DATA).results([stop])["softmax"]
    assert again.as_json() == found.as_json()
    np.testing.assert_array_equal(again.predicted, found.predicted)
    assert page([again], DATA, SHAPE) == page([found], DATA, SHAPE)
    other = type(DATA)(
        name=DATA.name,
        classes=DATA.classes,
        train=DATA.train[:200],
        validation=DATA.validation,
        test=DATA.test,
    )
    assert Kept(page_file, other).results([stop]) == {}


@pytest.mark.parametrize("damage", ["cut", "empty", "nothing", "zero", "elsewhere"])
def test_a_damaged_line_is_measured_again(damage, tmp_path):
    page_file = tmp_path / "road.html"
    stop, _ = kept(page_file)
    file = Kept(page_file, DATA).path
    text = file.read_text(encoding="utf-8")
    changed = {
        "cut": text[:-40],
        "empty": "",
        "nothing": text.splitlines()[0],
        "zero": text + "0\n",
        "elsewhere": text.replace("data:image/png;base64,", "https://example.org/"),
    }[damage]
    file.write_text(changed, encoding="utf-8")
    assert set(Kept(page_file, DATA).results([stop])) == (
        {"softmax"} if damage == "zero" else set()
    )


def test_a_figure_is_plain_data():
    figure = Figure.read({"rows": [[{"words": "a", "source": "", "miss": 0}]], "caption": "b"})
    assert Figure.read(figure.as_json()) == figure
    with pytest.raises(DataError, match="elsewhere"):
        Figure.read({"rows": [[{"words": "", "source": "file:///x", "miss": 0}]], "caption": ""})


def test_units():
    assert [bytes_told(n) for n in (12, 3400, 5.6e6, 7.89e9)] == [
        "12 B",
        "3.4 kB",
        "5.6 MB",
        "7.89 GB",
    ]
    assert [seconds_told(s) for s in (3.1e-5, 4.2e-3)] == ["31 µs", "4.2 ms"]


def test_the_command(tmp_path, capfd):
    out = tmp_path / "road.html"
    arguments = ["compare", "chance", "subtraction", "--limit", "200", "--out", str(out), "--json"]
    assert program(arguments) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["stop"] for line in lines] == ["chance", "subtraction"]
    assert lines[1]["test_accuracy"] > 0.85 > 0.2 > lines[0]["test_accuracy"]
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_walk_that_was_killed_goes_on(tmp_path, capfd, monkeypatch):
    out = tmp_path / "road.html"
    arguments = ["compare", "chance", "softmax", "--limit", "200", "--out", str(out)]

    def killed(stop, *rest):
        if stop.name == "softmax":
            raise KeyboardInterrupt
        return walk(stop, *rest)

    monkeypatch.setattr("backlight.compare.measure.walk", killed)
    assert program(arguments) != 0
    assert not out.exists()
    capfd.readouterr()
    looked = []
    monkeypatch.setattr(
        "backlight.compare.measure.walk",
        lambda stop, *rest: looked.append(stop.name) or walk(stop, *rest),
    )
    assert program(arguments) == 0
    told = capfd.readouterr()
    assert looked == ["softmax"]
    assert "Measured before" in told.err
    assert told.out.count("validation") == 2
    assert [one.name for one in tmp_path.iterdir()] == ["road.html"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["knn"], "knn-l1"),
        (["--data", "spiral"], "images"),
        (["--limit", "3"], "one image a class"),
        (["--out", "nowhere/page.html"], "does not exist"),
        (["--validation", "1.5"], "validation"),
    ],
)
def test_misuse_is_said(arguments, words, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert program(["compare", *arguments]) == 2
    assert words in capfd.readouterr().err
