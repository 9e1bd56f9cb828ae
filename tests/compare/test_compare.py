"""The road: honest choices, numbers that belong together, a page that holds them."""

import json
import re

import numpy as np
import pytest

from backlight.cli.main import run as program
from backlight.compare.measure import rows_of, size_of, walk
from backlight.compare.page import bytes_told, page, seconds_told
from backlight.compare.road import ROAD, Stop, chosen_stops
from backlight.data import load
from backlight.data.split import split
from backlight.errors import UsageError
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
    text = page(results, DATA, SHAPE)
    for one in results:
        assert one.stop.title in text
        assert f"{one.test:.1%}" in text
    assert text.count("data:image/png") > 20
    assert "Content-Security-Policy" in text
    assert not re.search(r"(?:src|href)=\"https?:", text)


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
