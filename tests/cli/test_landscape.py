import json

import numpy as np
import pytest

from tests.cli.command import command, refused

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("landscape") / "digits")
    words = ("--limit", "200", "--epochs", "4", "--model", "mlp", "--hidden", "8", "--seed", "2")
    assert command("train", *words, "--out", path, "--no-report", "-q").code == 0
    return path


def drawn(run, *words):
    ended = command("landscape", run, *words, "--json")
    assert ended.code == 0, ended.err
    assert not ended.warned
    return json.loads(ended.out)


def test_the_middle_of_a_line_is_the_runs_own_loss(run, tmp_path):
    out = str(tmp_path / "l.png")
    found = drawn(run, "--shape", "line", "--split", "validation", "--points", "11", "-o", out)
    evaluated = json.loads(command("evaluate", run, "--json").out)
    assert found["losses"][5] == pytest.approx(evaluated["loss"], rel=1e-5)
    assert found["across"][5] == 0
    assert (tmp_path / "l.png").read_bytes()[:4] == b"\x89PNG"


def test_a_landscape_is_kept_and_found_again_and_a_damaged_one_is_made_anew(run, tmp_path):
    from pathlib import Path

    words = ("--points", "5", "--filters", "-o", str(tmp_path / "p.png"))
    first = drawn(run, *words)
    again = drawn(run, *words)
    assert (first.pop("cached"), again.pop("cached")) == (False, True)
    assert first == again
    assert len(first["losses"]) == len(first["losses"][0]) == 5
    for file in (Path(run) / "landscape").glob("*.npz"):
        file.write_bytes(b"not an archive")
    assert not drawn(run, *words)["cached"]
    assert not drawn(run, *words, "--fresh")["cached"]


def test_the_bits_do_not_depend_on_the_threads(run, tmp_path):
    words = ("--shape", "line", "--points", "5", "--fresh", "-o", str(tmp_path / "p.png"))
    one, two = (drawn(run, *words, "--threads", count)["losses"] for count in ("1", "2"))
    assert one == two


def test_exports(run, tmp_path):
    out = str(tmp_path / "p.png")
    for name in ("numbers.npz", "numbers.json"):
        found = drawn(run, "--points", "3", "-o", out, "--export", str(tmp_path / name))
        assert found["export"] == str(tmp_path / name)
    with np.load(tmp_path / "numbers.npz", allow_pickle=False) as arrays:
        told = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
        assert arrays["losses"].tolist() == told["losses"]
        assert told["settings"]["along"] == "random"


def test_between_the_start_and_the_end(run, tmp_path):
    words = ("--shape", "line", "--along", "between", "--to", "start", "--points", "21")
    found = drawn(run, *words, "-o", str(tmp_path / "b.png"))
    first, last = (found["losses"][found["across"].index(at)] for at in (0.0, 1.0))
    assert last > first


def test_the_path_of_training_is_that_of_the_repeated_run(run, tmp_path):
    file = tmp_path / "path.json"
    words = ("--along", "path", "--points", "7", "-o", str(tmp_path / "p.png"))
    drawn(run, *words, "--replay", "--export", str(file), "--lang", "ko", "--theme", "dark")
    path = np.array(json.loads(file.read_text(encoding="utf-8"))["path"])
    assert path.shape == (5, 2)  # the start and four epochs
    assert path[-1].tolist() == [0, 0]
    assert abs(path[0, 0]) > abs(path[-2, 0])
    drawn(run, *words, "--draw", "surface")
    drawn(run, "--along", "gradient", "--points", "5", "-o", str(tmp_path / "p.png"))


def test_chords_find_that_a_network_is_not_convex(run, tmp_path):
    out = str(tmp_path / "c.png")
    found = drawn(run, "--chords", "200", "--examples", "10", "--radius", "3", "-o", out)
    assert found["chords"] == 200
    assert found["convex"] == (found["violations"] == 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--shape", "plain"), ("Did you mean 'plane'",)),
        (("--along", "between"), ("--to", "both together")),
        (("--to", "start"), ("--to with --along random",)),
        (("--along", "between", "--to", "nowhere"), ("no such folder", "start")),
        (("--along", "between", "--to", "stert"), ("Did you mean 'start'",)),
        (("--points", "1"), ("--points got 1",)),
        (("--radius", "0"), ("--radius got 0",)),
        (("--examples", "0"), ("--examples got 0",)),
        (("--export", "a.csv"), (".npz or .json",)),
        (("-o", "a.jpg"), (".png, .svg, .pdf",)),
        (("--draw", "map"), ("contour or surface or both",)),
        (("--threads", "0"), ("1 to 256",)),
        (("--lang", "de"), ("--lang got 'de'",)),
    ],
)
def test_mistakes_are_told(run, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    refused("landscape", run, *words, words=told, folder=tmp_path)


def test_a_run_that_is_not_there_is_told(tmp_path):
    refused("landscape", str(tmp_path / "no"), words=("no such folder",))
