"""Runs that the studio starts: what they say when they cannot train, and that none starts twice."""

import time

import pytest

from backlight.errors import BacklightError
from backlight.studio import follow


@pytest.fixture
def frames(ask):
    seen = []
    ask.studio.show = lambda _topic, frame: seen.append(frame)
    return seen


def ended(ask, name):
    follower = ask.studio.held["follower"]
    until = time.monotonic() + 60
    while follower.living(name):
        assert time.monotonic() < until
        time.sleep(0.05)
    return follower


def test_a_training_that_cannot_begin_says_why(ask, frames):
    name = ask("train.start", settings={"model": "svm", "hidden": "5", "epochs": "1"})["run"]
    follower = ask.studio.held["follower"]
    follower._grow(name)
    assert frames[-1] == {"name": name, "waiting": True} or "problem" in frames[-1]
    ended(ask, name)._grow(name)
    assert "hidden got 5 for model svm" in frames[-1]["problem"]


def test_a_training_that_breaks_says_where(ask, frames):
    settings = {"model": "mlp", "lr": "1e30", "epochs": "1", "limit": "50"}
    name = ask("train.start", settings=settings)["run"]
    ended(ask, name)._grow(name)
    assert "finite loss" in frames[-1]["failed"]
    assert not frames[-1]["alive"]


class Sleeper:
    """A process that goes on until it is told otherwise."""

    def __init__(self, number):
        self.pid = 2**22 + number
        self.code = None

    def poll(self):
        return self.code


def test_none_is_started_twice_and_no_name_is_given_twice(ask, monkeypatch, tmp_path):
    begun = []

    def program(_ask, name, *_flags):
        begun.append(Sleeper(len(begun)))
        return follow.Child(name, begun[-1], (tmp_path / f"{len(begun)}").open("w+b"))

    monkeypatch.setattr(follow, "_program", program)
    first = ask("train.start", settings={"model": "mlp"})["run"]
    second = ask("train.start", settings={"model": "mlp"})["run"]
    assert first != second, "its folder is not there yet"
    with pytest.raises(BacklightError, match="2 others"):
        ask("train.start", settings={"model": "mlp"})
    folder = ask.studio.runs / first
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('data = "digits"\n')
    assert ask("train.resume", run=first) == {"run": first}
    assert len(begun) == 2, "it is about to train"
    for one in begun:
        one.code = 0
    ask("train.resume", run=first)
    assert len(begun) == 3
