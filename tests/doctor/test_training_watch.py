"""The watch inside training: it speaks up, writes it down, and moves no bit."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from backlight.doctor.remarks import Watch
from backlight.train import checkpoint, display, observe
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.settings import Settings

WISHES = {
    "data": "spiral",
    "model": "mlp",
    "epochs": 8,
    "optimizer": "sgd",
    "lr": 30.0,
    "momentum": 0.0,
    "clip": 1.0,
    "schedule": "constant",
    "compile": False,
}
"""Steps that are far too large, and clipped, so that no number overflows."""


def trainer(folder, listen=lambda *_: None):
    parts = build(Settings(**WISHES))
    return Trainer(parts, Run.create(folder, parts.settings), listen)


def lines(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    one = trainer(tmp_path_factory.mktemp("whole") / "r")
    one.fit()
    return one.run


def test_it_speaks_up_and_writes_it_down(whole):
    remarks = [line for line in lines(whole) if line["event"] == "remark"]
    assert {one["kind"] for one in remarks} & {"rising", "ratio_high"}
    assert len({(one["kind"], one["about"]) for one in remarks}) == len(remarks)
    assert all(one["step"] > 0 for one in remarks)


def test_a_run_without_the_watch_has_the_same_bits(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(Watch, "hear", lambda *_: [])
    monkeypatch.setattr(Trainer, "_is_watched", lambda *_: False)
    monkeypatch.setattr(observe, "activations", lambda *_: {})
    other = trainer(tmp_path / "r")
    other.fit()
    one, two = (checkpoint.latest(run.checkpoints) for run in (whole, other.run))
    assert one.arrays.keys() == two.arrays.keys()
    assert all(np.array_equal(one.arrays[name], two.arrays[name]) for name in one.arrays)


def test_a_resumed_run_remarks_as_one_that_was_not_stopped(whole, tmp_path):
    run_length = len([line for line in lines(whole) if line["event"] == "step"])

    class Stop(Exception):
        pass

    def stop(event, record):
        if event == "step" and record["step"] == run_length // 2 + 3:
            raise Stop

    halved = trainer(tmp_path / "r", stop)
    with pytest.raises(Stop):
        halved.fit()
    resumed = Trainer(build(Settings(**WISHES)), halved.run)
    resumed.resume()
    resumed.fit()
    assert lines(halved.run) == lines(whole)


def test_the_displays_say_it(whole, tmp_path):
    record = next(line for line in lines(whole) if line["event"] == "remark")
    text = display.remark_line(record)
    assert text.startswith(f"  ! step {record['step']}: ")
    parts = build(Settings(**WISHES))
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    live = display.Live(whole, parts, console)
    live.tell("remark", record)
    assert "! step" in console.file.getvalue()


def test_lines_say_it(whole, capsys):
    record = next(line for line in lines(whole) if line["event"] == "remark")
    display.Lines(whole, build(Settings(**WISHES))).tell("remark", record)
    assert display.remark_line(record) in capsys.readouterr().err


def test_the_look_at_activations_is_rationed(whole):
    looked = [line["epoch"] for line in lines(whole) if line["event"] == "activations"]
    assert looked[0] == 1
    assert looked[-1] == WISHES["epochs"]
    assert len(looked) < WISHES["epochs"]
