import json

import pytest

from tests.cli.command import command, refused


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("why") / "r")
    ended = command(
        *("train", "--data", "spiral", "--model", "mlp", "--epochs", "2", "--seed", "3"),
        *("--clip", "0.01", "--out", path, "--no-report", "--no-compile", "-q"),
    )
    assert ended.code == 0, ended
    return path


def test_a_number_of_a_parameter(run):
    found = json.loads(command("why", run, "1.weight", "--entry", "3,1", "--json").out)
    assert (found["name"], found["entry"], found["outcome"]) == ("1.weight", [3, 1], "number")
    listed = sum(path["contribution"] for path in found["account"]["paths"])
    assert listed + found["account"]["remainder"] == pytest.approx(found["gradient"])
    assert found["budget"]["by_cause"]["clip"] < 1
    assert found["examples"]["batch"] <= 64


def test_words_in_two_languages(run):
    english = command("why", run, "1.weight", "--entry", "3,1", "--lang", "en").out
    assert english.startswith("∂loss/∂1.weight[3, 1] = ")
    assert "clipping" in english
    korean = command("why", run, "1.weight", "--lang", "ko", "--batch", "8").out
    assert "연쇄 법칙" in korean
    assert "예제 8개" in korean


def test_every_parameter(run):
    lines = command("why", run, "--split", "validation", "--lang", "en").out.splitlines()
    assert len(lines) >= 4
    assert lines[0].startswith("1.weight")


def test_the_same_answer_each_time(run):
    assert command("why", run, "3.weight").out == command("why", run, "3.weight").out


def test_a_formula():
    told = command("why", "(x+y)*z", "x", "x=-2", "y=5", "z=-4", "--lang", "en")
    assert (told.code, told.out.splitlines()[0]) == (0, "∂output/∂x = −4")
    every = command("why", "(x+y)*z", "x=-2", "y=5", "z=-4", "--lang", "en").out
    assert len(every.splitlines()) == 3
    options = command("why", "batch*most", "batch", "batch=2", "most=3", "--lang", "en").out
    assert options.startswith("∂output/∂batch = 3")
    entry = command("why", "sum(x**2)", "x", "x=[1,2,3]", "--entry", "-1", "--lang", "en").out
    assert entry.startswith("∂output/∂x[2] = 6")


def test_zero_and_nan_are_answers():
    assert "relu" in command("why", "relu(x)", "x", "x=-1").out
    told = command("why", "log(x)", "x", "x=0", "--json")
    assert json.loads(told.out)["nonfinite"]["value"] == "-inf"
    assert "sign" in command("why", "sign(x)*y", "x", "x=1", "y=2").out


def test_mistakes(run, tmp_path):
    refused("why", run, "1.wieght", words=("'1.wieght'", "Did you mean '1.weight'"))
    refused("why", run, "weight", words=("Several fit: 1.weight, 3.weight",))
    refused("why", run, "3", words=("Several fit: 3.weight, 3.bias",))
    refused("why", run, "1.weight", "--entry", "3,1,5", words=("[3, 1, 5]", "shape"))
    refused("why", run, "1.weight", "--entry", "three", words=("'three'", "--entry 3,1"))
    refused("why", run, "--entry", "3,1", words=("no name",))
    refused("why", run, "1.weight", "--split", "test", words=("one look at the end",))
    refused("why", run, "1.weight", "--batch", "0", words=("--batch", "'0'"))
    refused("why", run, "1.weight", "--lang", "fr", words=("'fr'", "en, ko"))
    refused("why", run, "1.weight", "3.weight", words=("one parameter",))
    refused("why", run, "1.weight", "x=3", words=("'x=3' for a run",))
    refused("why", str(tmp_path / "no"), "1.weight", words=("no such folder",))
    refused("why", "(x+y)*z", words=("no folder, and no inputs", "name=value"))
    refused("why", "(x+y)*z", "w", "x=1", "y=2", "z=3", words=("the name 'w'", "x, y, z"))
    assert "(x+y*z" in command("why", "(x+y*z", "x", "x=1").err
    assert command("why", "x*y", "x", "x=1").code == 2
