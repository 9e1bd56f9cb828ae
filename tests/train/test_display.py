import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from backlight.train import display
from backlight.train.held_out import SecondLookWarning, record_look
from backlight.train.loop import Outcome
from backlight.train.metrics import Evaluation
from backlight.train.run import Run
from backlight.train.settings import Settings


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "r", Settings(model="mlp"))


PARTS = SimpleNamespace(
    settings=Settings(
        model="mlp", epochs=2, batch_size=4, optimizer="sgd", lr=0.1, schedule="cosine"
    ),
    steps_per_epoch=5,
    data=SimpleNamespace(train=range(20)),
)
START = {
    "event": "start",
    "step": 0,
    "data": "a\x1b[2Jb [bold]",
    "shape": [1, 8, 8],
    "sizes": {"train": 20, "validation": 5, "test": 5},
    "parameters": 1234,
    "loss_before_learning": 2.3,
    "loss_at_chance": 2.3026,
}
EPOCH = {
    "event": "epoch",
    "step": 5,
    "epoch": 1,
    "train_loss": 1.5,
    "train_accuracy": 0.5,
    "validation_loss": 1.6,
    "validation_accuracy": 0.4,
}


def evaluation():
    return Evaluation(0.1, np.eye(4), np.array([0, 1, 2, 0]))


def test_the_headline_shows_names_literally():
    told = display.headline(START, PARTS)
    assert told.startswith("a\\x1b[2Jb [bold] · 1×8×8 · 20 train / 5 validation / 5 test")
    assert "mlp · 1,234 parameters · sgd lr 0.1 cosine · batch 4" in told
    assert told.endswith("✓")
    assert "unusual" in display.headline({**START, "loss_before_learning": 9.0}, PARTS)
    assert "unusual" in display.headline({**START, "loss_before_learning": float("nan")}, PARTS)


def test_lines(run, capsys):
    shown = display.Lines(run, PARTS)
    with shown:
        shown.tell("start", START)
        shown.tell("step", {"step": 1, "loss": 1.0, "epoch": 1})
        shown.tell("epoch", EPOCH)
    told = capsys.readouterr()
    assert not told.out
    assert told.err.splitlines()[3].startswith(
        "epoch 1/2  train loss 1.5000 · 50.0%   validation loss 1.6000 · 40.0%   0."
    )
    assert told.err.endswith(" images/s\n")


def test_the_pace_counts_the_time_between_steps_of_one_epoch(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    pace = display.Pace(4)
    assert str(pace) == "–"
    for wait in (1.0, 0.5, 0.5):
        now[0] += wait
        pace.step()
    assert str(pace) == "8"  # the second before the first step is not of a step alone
    pace.close()
    now[0] += 100.0  # validation
    pace.step()
    assert str(pace) == "–"
    now[0] += 0.25
    pace.step()
    assert str(pace) == "16"


def test_the_end_tells_the_true_number_of_looks(run, capsys):
    shown = display.Display(run, PARTS)
    record_look(run, 5, 0.75, "end of training")
    shown.close(Outcome(10, 2, 0.5, evaluation()))
    assert capsys.readouterr().out.startswith(
        "test (first look, recorded): 75.0% ± 21.7%   1 of 4 wrong\n"
    )
    with pytest.warns(SecondLookWarning):
        record_look(run, 7, 0.75, "end of training")
    shown.close(Outcome(10, 2, 0.5, evaluation()))
    assert capsys.readouterr().out.startswith("test (look 2, recorded)")


def test_the_end_of_an_interrupted_run_says_how_to_go_on(tmp_path, capsys):
    run = Run.create(tmp_path / "with space\x07", Settings(model="mlp"))
    display.Display(run, PARTS).close(Outcome(3, 0, -1.0, stopped="interrupted", exit_code=130))
    told = capsys.readouterr().out
    assert "stopped at step 3 and saved; go on with: backlight train --resume '" in told
    assert "\x07" not in told
    assert "report.html" not in told


def test_json_lines_leave_the_steps_out(run, capsys):
    shown = display.JsonLines(run, PARTS)
    with shown:
        shown.tell("start", START)
        shown.tell("step", {"event": "step", "step": 1, "loss": 1.0})
        shown.tell("epoch", {**EPOCH, "validation_loss": float("nan")})
    shown.close(Outcome(10, 2, 0.5, evaluation()))
    told = capsys.readouterr()
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [one.get("event") for one in records] == [None, "start", "epoch", "closed"]
    assert "NaN" not in told.out
    assert records[-1]["test_accuracy"] == 0.75
    assert not told.err


def test_the_live_bar_shows_rate_and_time_left_also_when_resumed(run):
    from rich.console import Console

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    shown = display.Live(run, PARTS, console)
    with shown:
        shown.tell("step", {"step": 6, "loss": 1.25, "epoch": 2})
        assert shown.progress.tasks[0].completed == 6
        shown.tell("step", {"step": 7, "loss": 1.25, "epoch": 2})
        assert shown.progress.tasks[0].fields["rate"] != "–"
        shown.tell("epoch", EPOCH)
        shown.tell("start", START)
    assert "[bold]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()
    assert screen.getvalue().count("\x1b[?25h") == screen.getvalue().count("\x1b[?25l") == 1


def test_which_display(run, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(display.make(run, PARTS)) is display.Lines
    assert type(display.make(run, PARTS, quiet=True)) is display.Display
    assert type(display.make(run, PARTS, json=True, quiet=True)) is display.JsonLines
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert type(display.make(run, PARTS)) is display.Live
    monkeypatch.setenv("TERM", "dumb")
    assert type(display.make(run, PARTS)) is display.Lines
