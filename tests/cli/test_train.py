import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from backlight.cli import train as page
from backlight.train.run import Run
from backlight.train.settings import Settings
from tests.cli.command import ROOT, command, program, refused

QUICK = ("--data", "blobs", "--model", "softmax", "--epochs", "2", "--no-report")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(f"BACKLIGHT_{name.upper()}", raising=False)


def test_twelve_epochs_of_the_default_learn_the_digits(tmp_path):
    ended = command("train", "--epochs", "12", "--out", "run", "-q")
    assert ended.code == 0
    told = re.search(r"test \(first look, recorded\): ([\d.]+)%", ended.out)
    assert told
    assert float(told[1]) >= 97
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE")


@pytest.mark.parametrize("model", ["softmax", "svm", "mlp", "convnet"])
def test_every_model(model):
    ended = command(
        "train", "--model", model, "--epochs", "1", "--limit", "200", "--out", "r", "--no-report"
    )
    assert ended.code == 0, ended.err
    assert "report.html" not in ended.out


@pytest.mark.parametrize("data", ["spiral", "circles", "moons", "xor", "blobs"])
def test_every_toy(data):
    assert (
        command(
            "train", "--data", data, "--model", "mlp", "--epochs", "2", "--out", "r", "--no-report"
        ).code
        == 0
    )


def test_every_rule_and_schedule():
    choices = {
        field.name: field.metadata["among"]()
        for field in fields(Settings)
        if field.metadata["among"]
    }
    for option in ("optimizer", "schedule"):
        for name in choices[option]:
            ended = command("train", *QUICK, f"--{option}", name, "--out", name, "-q")
            assert ended.code == 0, (name, ended.err)


def test_plain_lines_in_a_pipe():
    ended = command("train", *QUICK, "--out", "r")
    lines = ended.err.splitlines()
    assert lines[0].startswith("blobs · 2 · ")
    assert re.match(
        r"epoch 1/2  train loss [\d.]+ · [\d.]+%   validation loss [\d.]+ · [\d.]+%"
        r"   [\d.]+ s   [\d,]+ images/s$",
        lines[3],
    )
    assert "\x1b" not in ended.err
    assert ended.out.endswith("wrote r/  (metrics.jsonl, config.toml, checkpoints/)\n")


def test_quiet_says_only_the_end():
    ended = command("train", *QUICK, "--out", "r", "--quiet")
    assert not ended.err
    assert len(ended.out.splitlines()) == 2


def test_json_is_strict_lines_and_nothing_else():
    def refuse(token):
        raise AssertionError(token)

    ended = command("train", *QUICK, "--out", "r", "--json", "--quiet")
    records = [json.loads(line, parse_constant=refuse) for line in ended.out.splitlines()]
    assert records[0] == {"schema": "backlight.train/1", "run": "r"}
    assert records[-1]["event"] == "closed"
    assert [one["epoch"] for one in records if one.get("event") == "epoch"] == [1, 2]
    assert not ended.err


def test_flags_win_over_environment_over_file(monkeypatch, tmp_path):
    (tmp_path / "c.toml").write_text('lr = 0.5\nseed = 7\nepochs = 9\nmodel = "softmax"\n')
    monkeypatch.setenv("BACKLIGHT_LR", "0.25")
    monkeypatch.setenv("BACKLIGHT_EPOCHS", "8")
    assert (
        command(
            "train",
            "--data",
            "blobs",
            "--config",
            "c.toml",
            "--epochs",
            "1",
            "--out",
            "r",
            "--no-report",
        ).code
        == 0
    )
    recorded = Run.open("r").settings()
    assert (recorded["lr"], recorded["seed"], recorded["epochs"]) == (0.25, 7, 1)
    refused(
        "train",
        "--data",
        "blobs",
        "--config",
        "r/config.toml",
        "--seed",
        "x",
        words=("seed", "'x'"),
    )


def test_a_run_without_out_takes_the_next_number(tmp_path):
    for _ in range(2):
        assert command("train", *QUICK).code == 0
    assert sorted(one.name for one in (tmp_path / "runs").iterdir()) == [
        "blobs-softmax-001",
        "blobs-softmax-002",
    ]


def test_resume_with_more_epochs_counts_the_looks():
    assert (
        command(
            "train",
            "--model",
            "mlp",
            "--limit",
            "300",
            "--epochs",
            "2",
            "--no-report",
            "--out",
            "r",
        ).code
        == 0
    )
    refused("train", "--resume", "r", words=("finished", "--epochs"))
    ended = command("train", "--resume", "r", "--epochs", "4", "--no-report")
    assert ended.code == 0
    assert "epoch 3/4" in ended.err
    assert "epoch 1/4" not in ended.err
    assert "test (look 2, recorded)" in ended.out
    assert "looked at 2 times" in ended.warned[0]
    assert Run.open("r").settings()["epochs"] == 4


def test_resume_of_something_else():
    assert command("train", *QUICK, "--out", "r").code == 0
    refused("train", "--resume", "r", "--model", "mlp", words=("softmax → mlp",))
    refused("train", "--resume", "r", "--lr", "3", words=("lr",))
    refused("train", "--resume", "r", "--out", "s", words=("--resume and --out",))
    refused("train", "--resume", "nowhere", words=("nowhere", "no such folder"))


def test_a_loss_that_is_not_finite_stops_and_leaves_finite_parameters(tmp_path):
    from backlight.train import checkpoint
    from backlight.train.weights import nonfinite

    ended = command(
        "train", "--model", "mlp", "--optimizer", "sgd", "--lr", "1e6", "--out", "r", "--no-report"
    )
    assert ended.code == 2
    for words in ("a finite loss", "It began here: ", "--lr", "checkpoint"):
        assert words in ended.err
    kept = checkpoint.latest(tmp_path / "r" / "checkpoints")
    assert not nonfinite(kept.arrays)


def test_help_groups_its_options_and_names_the_choices():
    told = command("train", "--help").out
    for heading in ("Data", "Model", "Learning", "Run"):
        assert f"─ {heading} ─" in told
    for name in ("softmax", "one-cycle", "cifar10", "adagrad", "config.toml"):
        assert name in told
    assert "STR" not in told


def test_the_groups_name_settings_that_exist():
    assert set(page._OF_DATA) | set(page._OF_MODEL) <= set(Settings.__dataclass_fields__)


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize(
    "surroundings",
    [
        {"TERM": "xterm"},
        {"TERM": "xterm", "NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"TERM": "xterm", "COLUMNS": "20"},
    ],
)
def test_a_terminal_shows_a_bar(tmp_path, surroundings):
    shown = _in_terminal(
        [
            "train",
            "--data",
            "spiral",
            "--model",
            "mlp",
            "--epochs",
            "60",
            "--no-report",
            "--out",
            "r",
        ],
        tmp_path,
        surroundings,
    )
    assert "epoch" in shown
    assert "test (first look, recorded)" in shown.replace("\r\n", "\n")
    colours = re.findall(r"\x1b\[[0-9;]*[34][0-9][0-9;]*m", shown)
    if surroundings["TERM"] == "dumb":
        assert "\x1b" not in shown
    elif "NO_COLOR" in surroundings:
        assert not colours
        assert "images/s" in shown
        assert "left" in shown
    if "dumb" not in surroundings["TERM"]:
        assert shown.rstrip().endswith(")") or "\x1b[?25h" in shown  # the cursor is back


def _in_terminal(arguments, folder, surroundings):
    """What a program writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "backlight", *arguments],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **surroundings},
    )
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert process.wait(60) == 0
    return b"".join(pieces).decode()


def test_as_a_process(tmp_path):
    ended = program("train", *QUICK, "--out", "r", cwd=tmp_path)
    assert ended.returncode == 0
    ended = program("train", "--lr", "-1", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("setting lr got '-1'")
