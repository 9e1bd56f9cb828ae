import json
import sys

import pytest

from backlight.bench import race
from tests.cli.command import ROOT, command, refused


@pytest.fixture
def quickly(monkeypatch):
    """Eager only, short turns, no waiting for other work on the machine to end."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(race, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("backlight.bench.ours.has_compiler", lambda: False)
    return ["--rounds", "2", "--seconds", "0.01", "--threads", "1"]


def test_the_list_names_work_peers_and_targets():
    ended = command("bench", "--list")
    assert ended.code == 0
    for word in ("convnet-bfloat16", "scikit-learn", "≤ 0.65", "neuron*"):
        assert word in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_a_tiny_workload_is_really_measured(quickly, tmp_path):
    file = tmp_path / "out.json"
    ended = command("bench", "moons", "--peers", "", *quickly, "--json", str(file))
    assert ended.code == 0, ended
    assert "moons MLP" in ended.out
    report = json.loads(file.read_text())
    assert report["environment"]["cores"] >= 1
    (row,) = report["rows"]
    assert (row["workload"], row["threads"], row["disagreement"]) == ("moons", 1, "")
    (ours,) = row["contenders"]
    assert ours["contender"] == "backlight (eager)"
    assert 0 < ours["min"] <= ours["median"] < 1


def test_a_peer_that_is_absent_is_skipped_by_name(quickly, monkeypatch):
    """Whether micrograd is installed or not, its row or its pip command is told."""
    ended = command("bench", "neuron", "--peers", "micrograd", *quickly)
    assert ended.code == 0, ended
    assert "`pip install micrograd`" in ended.out or "µs" in ended.out


def test_a_figure_is_drawn(quickly, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "bench.svg"
    ended = command("bench", "neuron", "--peers", "", *quickly, "--figure", str(path))
    assert ended.code == 0, ended
    assert path.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["convent"], ("'convent'", "Did you mean 'convnet'?")),
        ([""], ("''", "--list")),
        (["--all", "moons"], ("--all and 'moons'",)),
        (["--peers", "troch"], ("'troch'", "Did you mean 'torch'?")),
        (["--threads", "0"], ("'0'", "whole number from 1")),
        (["--threads", "1,x"], ("'x'",)),
        (["--threads", "99999"], ("'99999'", "from 1 to")),
        (["--rounds", "0"], ("'0'", "--rounds")),
        (["--rounds", "1.5"], ("'1.5'",)),
        (["--seconds", "nan"], ("'nan'", "--seconds")),
        (["--seconds", "1e9"], ("'1e9'", "60")),
        (["--peer-python", "no-such-python"], ("no-such-python", "--peer-python")),
        (["--figure", "bench.bmp"], ("bench.bmp", ".svg")),
        (["--json", "no/such/folder/x.json"], ("no/such/folder", "--json")),
        (["--json", "."], ("'.'", "file")),
        (["--jsn", "x"], ("--json",)),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(given, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(race, "measure", lambda *_: pytest.fail("it measured"))
    refused("bench", *given, words=words, folder=tmp_path)


def test_the_python_of_the_peers_can_be_said_by_the_surroundings(monkeypatch):
    monkeypatch.setenv("BACKLIGHT_BENCH_PYTHON", "no-such-python")
    refused("bench", "moons", words=("no-such-python", "BACKLIGHT_BENCH_PYTHON"))


def test_contenders_that_disagree_end_with_1(quickly, monkeypatch):
    from backlight.bench.row import Measurement, Row
    from backlight.bench.workload import find

    work = find(["moons"])["moons"][1]
    wrong = Row(work, 1, [Measurement("torch")], disagreement="a and b disagree: by 3")
    monkeypatch.setattr(race, "measure", lambda *_: wrong)
    ended = command("bench", "moons", *quickly)
    assert ended.code == 1
    assert "a and b disagree" in ended.out


def test_an_interrupt_shows_what_was_measured(quickly, monkeypatch):
    from backlight.bench.row import Measurement, Row
    from backlight.bench.workload import find

    work = find(["moons"])["moons"][1]
    done = [Row(work, 1, [Measurement("backlight (eager)", samples=[0.001])])]

    def measure(*_):
        if done:
            return done.pop()
        raise KeyboardInterrupt

    monkeypatch.setattr(race, "measure", measure)
    ended = command("bench", "moons", "neuron", *quickly, "--peer-python", sys.executable)
    assert ended.code == 0
    assert "1.00 ms" in ended.out
    done.clear()
    assert command("bench", "moons", *quickly).code == 130
