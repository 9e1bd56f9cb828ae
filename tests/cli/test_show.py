import json
from dataclasses import fields

import numpy as np
import pytest

from backlight.cli.show import Asked
from backlight.cli.show_kinds import KINDS
from backlight.cli.show_options import USED
from tests.cli.command import command, refused

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("show") / "digits")
    made = command(
        "train",
        "--limit",
        "300",
        "--epochs",
        "4",
        "--seed",
        "1",
        "--out",
        path,
        "--no-report",
        "-q",
    )
    assert made.code == 0
    return path


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("show") / "spiral")
    words = ("--data", "spiral", "--model", "mlp", "--epochs", "5", "--no-report", "-q")
    assert command("train", *words, "--out", path).code == 0
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    ramp = np.linspace(0, 255, 20 * 30).astype(np.uint8).reshape(20, 30)
    Image.fromarray(ramp).save(folder / "large.png")
    Image.fromarray(ramp[:8, :8]).save(folder / "small.png")
    return folder


def shown(*words):
    ended = command("show", *words, "--json")
    assert ended.code == 0, ended.err
    assert not ended.warned
    return json.loads(ended.out)


def test_each_kind_that_needs_no_more_than_a_run(run, tmp_path):
    for kind in ("features", "saliency", "class-image"):
        file = tmp_path / f"{kind}.png"
        more = ["--steps", "3"] if kind == "class-image" else []
        found = shown(kind, run, "-o", str(file), *more)
        assert found["kind"] == kind
        if kind == "features":  # numbers of a fully connected layer are no maps
            assert found["maps"] == 16 + 16 + 16 + 32 + 32 + 32
            assert found["zero_everywhere"] <= found["maps"]
        assert found["file"] == str(file)
        assert file.read_bytes()[:4] == b"\x89PNG"


def test_saliency_says_whether_it_is_complete_and_of_what(run, tmp_path):
    out = str(tmp_path / "a.svg")
    found = shown("saliency", run, "--method", "integrated", "--answer", "probability", "-o", out)
    assert found["completeness_error"] <= 1e-3
    assert "probability" in found
    assert "score" not in found


def test_examples_of_units_are_where_they_say(run, tmp_path):
    out = str(tmp_path / "unit.png")
    found = shown("unit", run, "--layer", "1", "--unit", "2", "--examples", "100", "-o", out)
    assert found["receptive_field"] == "3×3"
    assert len(found["examples"]) == len(found["boxes"]) == 9
    assert found["activations"] == sorted(found["activations"], reverse=True)
    found = shown("layers", run, "--examples", "100", "-o", out)
    assert list(found["layers"])[:2] == ["1", "4"]


def test_an_adversary_changes_the_verdict_by_little(run, tmp_path):
    found = shown("adversary", run, "-o", str(tmp_path / "a.pdf"))
    assert found["flipped"]
    assert found["before"] != found["after"]
    assert found["relative_length"] < 1
    fast = shown("adversary", run, "--epsilon", "0.01", "-o", str(tmp_path / "b.png"))
    assert fast["largest_change"] == pytest.approx(0.01, abs=1e-6)


def test_a_dream_on_a_photograph_of_another_size(run, pictures, tmp_path):
    words = ("--image", str(pictures / "large.png"), "--octaves", "2", "--steps", "4")
    found = shown("dream", run, *words, "-o", str(tmp_path / "d.png"))
    assert found["times"] > 1
    assert found["octaves"] == [[14, 21], [20, 30]]


def test_pictures_of_the_wrong_size_are_refused_or_fitted(run, pictures, tmp_path):
    out = str(tmp_path / "s.png")
    large, small = (str(pictures / f"{name}.png") for name in ("large", "small"))
    words = ("got a picture of 30×20 pixels", "It needs 8×8", "--fit")
    refused("show", "occlusion", run, "--image", large, "-o", out, words=words)
    assert shown("occlusion", run, "--image", large, "--fit", "-o", out)["patch"] == 2
    assert shown("occlusion", run, "--image", small, "-o", out)["patch"] == 2


def test_spaces(run, plane, tmp_path):
    out = str(tmp_path / "s.png")
    assert len(shown("embedding", run, "--examples", "40", "-o", out)["explained"]) == 2
    assert shown("boundary", plane, "-o", out)["points"] == 210
    assert "input" in shown("probes", plane, "--examples", "60", "-o", out)["accuracy"]


def test_kinds_without_a_run_and_korean_in_the_dark(tmp_path):
    out = str(tmp_path / "a.png")
    found = shown("activations", "--method", "ReLU,none", "-o", out, "--theme", "dark")
    assert list(found["last_activation"]) == ["ReLU", "none"]
    assert shown("collapse", "-o", out, "--lang", "ko")["largest_difference"] < 1e-12


def test_the_picture_goes_beside_the_run_and_is_the_same_each_time(run, tmp_path):
    from pathlib import Path

    ended = command("show", "weights", run)
    file = Path(run) / "pictures" / "weights.png"
    assert ended.out.splitlines()[-1] == f"wrote {file}"
    assert file.read_bytes()[:4] == b"\x89PNG"
    copies = []
    for _ in range(2):
        command("show", "weights", run, "-o", str(tmp_path / "a.svg"))
        copies.append((tmp_path / "a.svg").read_bytes())
    assert copies[0] == copies[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("salience", "{run}"), ("Did you mean 'saliency'",)),
        (("saliency",), ("got no run", "backlight show saliency runs/")),
        (("saliency", "nowhere"), ("no such folder",)),
        (("saliency", "{run}", "--index", "9999"), ("--index got 9999", "in the validation split")),
        (("saliency", "{run}", "--image", "cat.png"), ("no such file",)),
        (("saliency", "{run}", "--class", "eleven"), ("class got 'eleven'",)),
        (("saliency", "{run}", "--method", "gradcam"), ("Did you mean 'grad-cam'",)),
        (("saliency", "{run}", "--answer", "logit"), ("score or probability",)),
        (("features", "{plane}"), ("pictures of shape",)),
        (("boundary", "{run}"), ("two features",)),
        (("taxonomy", "{run}"), ("in no group",)),
        (("dream", "{run}"), ("no photograph",)),
        (("unit", "{run}", "--layer", "conv"), ("layer got 'conv'", "Known: 0 (Conv2d)")),
        (("unit", "{run}", "--layer", "0", "--unit", "99"), ("a unit from 0 to 15",)),
        (("weights", "{run}", "-o", "a.gif"), (".png, .svg, .pdf",)),
        (("weights", "{run}", "--theme", "blue"), ("light or dark",)),
        (("weights", "{run}", "--lang", "fr"), ("--lang got 'fr'",)),
        (("weights", "{run}", "--split", "test"), ("train or validation",)),
        (("embedding", "{run}", "--examples", "1"), ("--examples got 1",)),
        (("activations", "--method", "Relu"), ("Did you mean 'ReLU'",)),
        (("weights", "{run}", "--octaves", "3"), ("--octaves, which changes nothing",)),
        (("occlusion", "{run}", "--method", "x"), ("--method", "--patch")),
        (("class-image", "{run}", "--steps", "0"), ("--steps got 0",)),
        (("weights", "{run}", "-o", "{run}/config.toml/b.png"), ("cannot be written to",)),
    ],
)
def test_mistakes_are_told(run, plane, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    words = [one.replace("{run}", run).replace("{plane}", plane) for one in words]
    refused("show", *words, words=told, folder=tmp_path)


def test_every_kind_says_which_options_it_has():
    assert set(USED) == {*KINDS, "note"}
    known = {field.name for field in fields(Asked)}
    assert all(set(one) <= known for one in USED.values())


def test_a_picture_that_was_there_is_replaced_and_that_is_said(tmp_path):
    file = tmp_path / "c.png"
    told = [command("show", "collapse", "-o", str(file)).out.splitlines()[-1] for _ in range(2)]
    assert told == [f"wrote {file}", f"replaced {file}"]


def test_the_help_names_every_kind():
    told = command("show", "--help").out
    for kind in KINDS:
        assert kind in told
