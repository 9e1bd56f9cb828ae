import json

import pytest

from tests.cli.command import command, refused


@pytest.fixture
def run(tmp_path):
    path = str(tmp_path / "r")
    assert (
        command(
            "train",
            "--data",
            "spiral",
            "--model",
            "mlp",
            "--epochs",
            "200",
            "--seed",
            "3",
            "--out",
            path,
            "--no-report",
            "-q",
        ).code
        == 0
    )
    return path


def test_the_best_checkpoint_again_gives_the_numbers_of_the_run(run):
    from backlight.train.run import Run

    end = Run.open(run).read("metrics")[-1]
    assert Run.open(run).settings()["ema"] > 0  # the averaged parameters are what is evaluated
    found = json.loads(command("evaluate", run, "--json").out)
    assert found["split"] == "validation"
    assert found["accuracy"] == end["best_validation_accuracy"]
    assert found["step"] == end["best_step"]
    assert found["looks"] is None


def test_every_look_at_the_test_split_is_recorded_and_warned_of(run):
    from backlight.train.run import Run

    first = Run.open(run).read("test_looks")
    assert len(first) == 1
    for look in (2, 3):
        ended = command("evaluate", run, "--split", "test", "--json")
        found = json.loads(ended.out)
        assert found["looks"] == look
        assert found["accuracy"] == first[0]["accuracy"]
        assert f"looked at {look} times" in ended.warned[0]
    assert "look 4 at the test split" in command("evaluate", run, "--split", "test").out
    assert not command("evaluate", run, "--split", "train").warned
    assert len(Run.open(run).read("test_looks")) == 4


def test_an_unknown_split(run):
    refused("evaluate", run, "--split", "tset", words=("'tset'", "Did you mean 'test'"))
