import importlib
import os
import subprocess
import sys
import time

import pytest

import backlight
from backlight.cli.main import COMMANDS, application
from backlight.errors import UsageError
from tests.cli.command import ROOT, command, program, refused


def test_no_argument_shows_what_the_commands_are_for():
    ended = command()
    assert ended.code == 0
    for name, (_, purpose) in COMMANDS.items():
        assert name in ended.out
        assert purpose.split(",")[0].split("\n")[0][:40] in ended.out


def test_every_command_exists_and_has_help():
    for name, (target, _) in COMMANDS.items():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        ended = command(name, "--help")
        assert ended.code == 0
        assert f"backlight {name}" in ended.out


def test_version():
    assert command("--version").out.strip() == backlight.__version__
    refused("--version", "rubbish", words=("'rubbish'", "nothing after it"))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("trian", "train"),
        ("evalute", "evaluate"),
        ("chekc", "check"),
        ("--versio", "--version"),
        ("--hlep", "--help"),
    ],
)
def test_an_unknown_command_suggests_the_nearest(given, meant):
    refused(given, words=(repr(given), f"Did you mean {meant}?", "evaluate"))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--batchsize", "--batch-size"),
        ("--batch_siz", "--batch-size"),
        ("--epoch", "--epochs"),
        ("--optimiser", "--optimizer"),
        ("--learning-rte", "--learning-rate"),
        ("--no-quiet", "--quiet"),
        ("--jsn", "--json"),
        ("--checkpoint-evry", "--checkpoint-every"),
    ],
)
def test_an_unknown_option_suggests_the_nearest(given, meant):
    refused("train", given, "3", words=(given, f"Did you mean {meant}?"))


def test_an_option_like_no_other_gets_no_suggestion():
    told = refused("train", "--nonsense", "3", words=("--nonsense", "train --help"))
    assert "Did you mean" not in told


@pytest.mark.parametrize(
    "options",
    [
        ["--lr", "0.1", "--lr", "0.2"],
        ["--lr", "0.1", "--learning-rate", "0.2"],
        ["--quiet", "--quiet"],
        ["--quiet"] * 10_000,
    ],
)
def test_an_option_twice_is_refused(options):
    refused("train", *options, words=("twice", options[0] if options[0] == "--quiet" else "lr"))


def test_an_option_without_a_value():
    refused("train", "--lr", words=("--lr", "value"))
    refused("evaluate", words=("RUN",))


@pytest.mark.parametrize("words", [["digits"], ["x" * 2**20], ["x"] * 10_000, ["\udcff"], ["-"]])
def test_words_that_belong_nowhere(words):
    refused("train", *words)


def test_control_characters_and_markup_are_shown_literally():
    told = refused("train", "--data", "[bold]x\x1b[2J", words=("[bold]x",))
    assert "\x1b" not in told
    assert "\\x1b" in told
    assert "\x1b" not in refused("\x1b[2J[/]", words=("[/]",))


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("why"), 70, "ZeroDivisionError: why"),
    ],
)
def test_errors_of_every_kind_become_words(monkeypatch, problem, code, words):
    def fail(*_, **__):
        raise problem

    monkeypatch.setattr("backlight.cli.env.env", fail)
    ended = command("env")
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_debug_raises():
    from backlight.cli.main import run

    with pytest.raises(UsageError):
        run(["train", "--lr", "0"], debug=True)


def test_help_starts_fast_and_without_numpy(tmp_path):
    code = (
        "import sys; from backlight.cli.main import run; run(['--help']);"
        "sys.exit('numpy' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    best = min(_timed([sys.executable, "-c", code], tmp_path, environment) for _ in range(3))
    assert best < 1.0  # 0.2 s where nothing else runs


def _timed(arguments, folder, environment):
    began = time.monotonic()
    subprocess.run(arguments, cwd=folder, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


def test_a_reader_that_leaves_is_no_error(tmp_path):
    for words in ("--help", "train --data spiral --model mlp --epochs 40 --json --out run"):
        ended = subprocess.run(
            [
                "bash",
                "-c",
                f"'{sys.executable}' -m backlight {words} | head -1; echo ${{PIPESTATUS[0]}}",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
        )
        assert ended.stdout.splitlines()[-1] in ("0", "141")
        assert "Traceback" not in ended.stderr
        assert "BrokenPipe" not in ended.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path, closed):
    ended = subprocess.run(
        [
            "sh",
            "-c",
            f"'{sys.executable}' -m backlight train --data blobs --model softmax "
            f"--epochs 1 --out r --no-report {closed}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "r" / "test_looks.jsonl").exists()


def test_a_narrow_encoding_gets_plain_spellings(tmp_path):
    narrow = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    ended = program(
        "train",
        "--data",
        "blobs",
        "--model",
        "softmax",
        "--epochs",
        "1",
        "--out",
        "r",
        cwd=tmp_path,
        **narrow,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.isascii()
    assert "+-" in ended.stdout
    assert "\\u" not in ended.stderr
    assert "x" in ended.stderr


def test_the_application_is_made_anew_each_time():
    assert application() is not application()
