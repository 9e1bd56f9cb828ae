"""Runs that are killed, interrupted or resumed end with the bits of those that were not.

A helper process imports everything once and forks for each life of a run, so that dozens of deaths
take seconds; some further ones are real `python -m backlight train` processes.
"""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backlight.cli.main import run as command
from backlight.errors import CheckpointError, NonFiniteError
from backlight.train import checkpoint, weights
from backlight.train.held_out import SecondLookWarning
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.sources import gather

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

ROOT = Path(__file__).parents[2]
SHORT = [
    "--model",
    "mlp",
    "--hidden",
    "8",
    "--dropout",
    "0.3",
    "--ema",
    "0.9",
    "--limit",
    "100",
    "--batch-size",
    "16",
    "--epochs",
    "3",
    "--validation",
    "40",
    "--test",
    "40",
]
LONG = [
    "--model",
    "mlp",
    "--hidden",
    "8",
    "--dropout",
    "0.3",
    "--limit",
    "300",
    "--batch-size",
    "16",
    "--epochs",
    "45",
    "--validation",
    "40",
    "--test",
    "40",
]
PLAIN = ["--quiet", "--no-report"]
KILLS = 40

LIVES = r"""
import json, os, random, signal, sys
from backlight.cli.main import run
from backlight.train import durable
import backlight.data, backlight.models, backlight.optim, safetensors.numpy, sklearn.datasets
import backlight.train.loop

def dying(call, at, half):
    real, count = getattr(os, call), [0]
    def instead(*arguments, **options):
        count[0] += 1
        if count[0] == at:
            if half and call == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            elif half:
                real(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, call, instead)

def live(arguments, death):
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        if death:
            dying(*death)
        os._exit(run(arguments))
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

for line in sys.stdin:
    task = json.loads(line)
    out, codes, deaths = task["out"], [], task["deaths"] + [None]
    while deaths and (not codes or codes[-1] != 0):
        known = codes or os.path.exists(out)
        code = live(["train", "--resume", out, *task["plain"]], deaths[0]) if known else 2
        if code == 2:  # it died before it was a run: begin again in the same folder
            code = live(["train", "--out", out, *task["begin"], *task["plain"]], deaths[0])
        deaths.pop(0)
        codes.append(code)
    print(json.dumps(codes), flush=True)
"""

AROUND = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def outcome(folder):
    """The bytes of everything that decides, or tells, how a run ended."""
    checkpoints = folder / "checkpoints"
    files = [
        *checkpoint.latest(checkpoints, strict=True).path.iterdir(),
        *checkpoint.best(checkpoints).path.iterdir(),
        folder / "config.toml",
        folder / "metrics.jsonl",
        folder / "test_looks.jsonl",
    ]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def same(folder, whole):
    found = outcome(folder)
    assert set(found) == set(whole)
    assert [name for name in whole if found[name] != whole[name]] == []


@pytest.fixture(scope="module")
def lives():
    """Sends a run through its deaths; returns how each of its lives ended."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", LIVES],
        text=True,
        env=AROUND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def send(out, deaths, begin=SHORT):
        process.stdin.write(
            json.dumps({"out": str(out), "deaths": deaths, "begin": begin, "plain": PLAIN}) + "\n"
        )
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield send
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def whole(lives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert lives(folder, []) == [0]
    return outcome(folder)


# ── kills ──────────────────────────────────────────────────────────────────────────────────────


def test_kills_at_random_calls(lives, whole, tmp_path):
    """F01–F03: each run dies one to three times, each life at a call of its own."""
    draw, died, number = random.Random(7), 0, 0  # noqa: S311
    while died < KILLS:
        number += 1
        deaths = [
            [
                *draw.choice(
                    [
                        ("write", draw.randint(1, 75)),
                        ("fsync", draw.randint(1, 24)),
                        ("rename", draw.randint(1, 4)),
                        ("open", draw.randint(1, 120)),
                        ("replace", draw.randint(1, 3)),
                        ("mkdir", draw.randint(1, 5)),
                    ]
                ),
                draw.random() < 0.5,
            ]
            for _ in range(draw.randint(1, 3))
        ]
        codes = lives(tmp_path / f"{number}", deaths)
        died += codes.count(-signal.SIGKILL)
        assert codes[-1] == 0, (deaths, codes)
        assert set(codes) <= {0, -signal.SIGKILL}
        same(tmp_path / f"{number}", whole)
        shutil.rmtree(tmp_path / f"{number}")
    assert number < 2 * KILLS


def test_ten_kills_in_one_epoch(lives, whole, tmp_path):
    """F05: the second epoch is begun again and again, and no example is seen twice or left out."""
    deaths = [["fsync", 20, False], *[["write", at, at % 2 == 0] for at in range(1, 10)]]
    codes = lives(tmp_path / "run", deaths)
    assert codes == [-signal.SIGKILL] * 10 + [0]
    same(tmp_path / "run", whole)


def train(*arguments, around=None, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "backlight", "train", *map(str, arguments)],
        text=True,
        env={**AROUND, **(around or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_signals_as_usual,
        **options,
    )


def _signals_as_usual():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def ended(process):
    told, complaint = process.communicate(timeout=60)
    return process.returncode, told, complaint


def underway(run, lines=100):
    """Wait until a run has logged so many lines."""
    until = time.monotonic() + 30
    log = run / "metrics.jsonl"
    while time.monotonic() < until:
        if log.exists() and log.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.002)
    pytest.fail(f"{run} did not get to line {lines}")


@pytest.fixture(scope="module")
def long_whole(lives, tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "run"
    assert lives(folder, [], LONG) == [0]
    return outcome(folder)


def test_real_processes_killed_at_random_moments(long_whole, tmp_path):
    draw, run = random.Random(3), tmp_path / "run"  # noqa: S311
    process = train("--out", run, *LONG, *PLAIN)
    for life in range(3):
        underway(run, draw.randint(100, 280) * (life + 1))
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
        moved = tmp_path / f"moved {life} 🙂"  # F04: neither its place nor what is around it
        run.rename(moved)
        run = moved
        process = train(
            "--resume",
            run,
            *PLAIN,
            cwd=tmp_path,
            around={
                "OPENBLAS_NUM_THREADS": "2",
                "LC_ALL": "C",
                "TZ": "Asia/Seoul",
                "PYTHONHASHSEED": "7",
            },
        )
    code, _, complaint = ended(process)
    assert code == 0, complaint
    same(run, long_whole)


# ── signals (F22, F23) ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_the_run_goes_on_with_the_same_bits(lives, long_whole, tmp_path, number):
    run = tmp_path / "run"
    process = train("--out", run, *LONG, *PLAIN)
    underway(run, 333)
    process.send_signal(number)
    code, told, complaint = ended(process)
    assert code == 128 + number
    assert "Traceback" not in told + complaint
    assert f"--resume {run}" in told
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert checkpoint.latest(run / "checkpoints", strict=True).step == last["step"]
    assert lives(run, []) == [0]
    same(run, long_whole)


def test_a_second_signal_leaves_at_once_and_nothing_is_lost(lives, long_whole, tmp_path):
    """The process is stopped while both signals arrive, so that the second is never too late."""
    run = tmp_path / "run"
    process = train("--out", run, *LONG, *PLAIN)
    underway(run, 333)
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    code, told, _ = ended(process)
    assert code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert told == ""  # not even the farewell
    assert lives(run, []) == [0]
    same(run, long_whole)


def test_a_second_resume_is_refused_while_the_first_lives(tmp_path):
    """F14: and what the first has logged stays as it is."""
    run = tmp_path / "run"
    first = train("--out", run, *LONG, *PLAIN)
    underway(run, 50)
    first.send_signal(signal.SIGSTOP)
    try:
        before = (run / "metrics.jsonl").read_bytes()
        code, told, complaint = ended(train("--resume", run, *PLAIN))
        assert code == 2
        assert f"process {first.pid}" in complaint
        assert "Traceback" not in told + complaint
        assert (run / "metrics.jsonl").read_bytes() == before
    finally:
        first.kill()
        ended(first)


# ── a disk that fails (F06–F09), numbers that fail (F20) ───────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "number"),
    [("write", errno.ENOSPC), ("write", errno.EDQUOT), ("fsync", errno.EIO), ("write", None)],
)
def test_a_failing_disk_ends_the_run_in_words_and_it_goes_on(whole, tmp_path, capsys, call, number):
    draw = random.Random(call + str(number))  # noqa: S311
    for attempt in range(4):
        out, at, count = tmp_path / f"{attempt}", draw.randint(5, 50 if call == "write" else 20), 0
        real = getattr(os, call)

        def fail(descriptor, *rest):
            nonlocal count
            count += 1
            if count < at:  # noqa: B023
                return real(descriptor, *rest)  # noqa: B023
            if number is None:
                return len(rest[0])
            raise OSError(number, os.strerror(number))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, fail)
            code = command(["train", "--out", str(out), *SHORT, *PLAIN])
        complaint = capsys.readouterr().err
        assert code == 2, complaint
        assert str(out) in complaint
        assert "bytes" in complaint or "flush" in complaint
        if number is not None:
            assert os.strerror(number) in complaint
        assert not [path for path in out.rglob("*.tmp") if "checkpoints" in str(path)]
        assert command(["train", "--resume", str(out), *PLAIN]) == 0
        same(out, whole)


def test_no_parameter_that_is_not_finite_reaches_the_disk(tmp_path, capsys):
    flags = [*SHORT, *PLAIN, "--optimizer", "sgd", "--lr", "1e30", "--schedule", "constant"]
    assert command(["train", "--out", str(tmp_path / "run"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert "step" in complaint
    assert "--lr" in complaint
    for path in checkpoint.found(tmp_path / "run" / "checkpoints"):
        assert weights.nonfinite(checkpoint.load(path).arrays) == []


def test_a_save_of_numbers_that_are_not_finite_is_refused(again):
    run, resume = again
    trainer = resume()
    before = checkpoint.found(run / "checkpoints")
    next(iter(trainer.parts.model.module.parameters()))._value[...] = np.inf
    with pytest.raises(NonFiniteError, match="model/"):
        trainer._save(None)
    assert checkpoint.found(run / "checkpoints") == before


# ── resuming something else (F15, F16, F10, K04, K05) ──────────────────────────────────────────


@pytest.fixture(scope="module")
def stopped(lives, tmp_path_factory):
    """A run that was killed in its second epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    codes = []

    def stop(event, _):
        if event == "epoch":
            codes.append(event)
            if len(codes) == 2:
                raise KeyboardInterrupt

    settings = gather(_flags(SHORT), environment={})
    parts = build(settings)
    with pytest.raises(KeyboardInterrupt):
        Trainer(parts, Run.create(folder, parts.settings), stop).fit()
    return folder


def _flags(arguments):
    return {
        arguments[place][2:].replace("-", "_"): arguments[place + 1]
        for place in range(0, len(arguments), 2)
    }


@pytest.fixture
def again(stopped, tmp_path):
    """A copy of it, and how to resume the copy in this process."""
    shutil.copytree(stopped, tmp_path / "run")

    def resume(change=lambda parts: None, **options):
        run = Run.open(tmp_path / "run")
        parts = build(gather({}, environment={}, base=run.settings()))
        change(parts)
        trainer = Trainer(parts, run)
        trainer.resume(**options)
        return trainer

    return tmp_path / "run", resume


def test_the_copy_resumes(again, whole):
    run, resume = again
    trainer = resume()
    assert trainer.position.epoch == 1
    trainer.fit()
    same(run, whole)


def test_other_settings_are_refused_with_each_difference(again, capsys):
    run, _ = again
    before = (run / "metrics.jsonl").read_bytes()
    for flags, told in [
        (["--model", "softmax", "--lr", "3"], ["model mlp → softmax", "→ 3.0"]),
        (["--batch-size", "17"], ["batch-size 16 → 17"]),
        (["--hidden", "9"], ["[8] → [9]"]),
        (["--optimizer", "sgd"], ["optimizer adam → sgd"]),
        (["--seed", "1"], ["seed 0 → 1"]),
        (["--limit", "99"], ["limit 100 → 99"]),
        (["--ema", "0.8"], ["ema 0.9 → 0.8"]),
    ]:
        assert command(["train", "--resume", str(run), *flags]) == 2
        complaint = capsys.readouterr().err
        for word in told:
            assert word in complaint
    assert (run / "metrics.jsonl").read_bytes() == before


def test_other_data_are_refused_unless_allowed(again):
    _, resume = again

    def other(parts):
        object.__setattr__(parts.data, "fingerprint", "another")

    with pytest.raises(CheckpointError, match="allow-data-change"):
        resume(other)
    assert resume(other, allow_data_change=True).position.epoch == 1

    def renamed(parts):
        object.__setattr__(parts.data, "classes", tuple("abcdefghij"))

    with pytest.raises(CheckpointError, match="classes"):
        resume(renamed, allow_data_change=True)


def reseal(path, name, content):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / name).write_bytes(content)
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (path / "manifest.json").write_bytes(checkpoint.seal(manifest))


def test_numbers_that_are_not_finite_are_refused_without_force(again):
    run, resume = again
    path = checkpoint.latest(run / "checkpoints").path
    arrays = dict(checkpoint.load(path).arrays)
    name = next(name for name in arrays if name.startswith("model/"))
    arrays[name] = np.full_like(arrays[name], np.nan)
    reseal(path, "tensors.safetensors", weights.to_bytes(arrays))
    with pytest.raises(CheckpointError, match="--force") as caught:
        resume()
    assert name in str(caught.value)
    with pytest.raises(NonFiniteError, match="step 8"):
        resume(force=True).fit()


def test_other_names_shapes_and_states_are_refused_in_words(again):
    run, resume = again
    path = checkpoint.latest(run / "checkpoints").path
    tensors, state = (path / "tensors.safetensors").read_bytes(), (path / "state.json").read_bytes()
    arrays = weights.from_bytes(tensors, "")
    name = next(name for name in arrays if name.startswith("model/"))
    for change in (
        {name: None},
        {name: np.zeros(3, np.float32)},
        {"model/evil": np.zeros(3)},
        {name: arrays[name] > 0},
        {name: arrays[name].astype(np.float64)},
    ):
        other = {key: value for key, value in {**arrays, **change}.items() if value is not None}
        reseal(path, "tensors.safetensors", weights.to_bytes(other))
        with pytest.raises(CheckpointError, match=next(iter(change))[len("model/") :]):
            resume()
    reseal(path, "tensors.safetensors", tensors)
    whole_state = json.loads(state)
    for key in whole_state:
        for value in (None, "gone", 3, [], {"x": 1}):
            broken = {**whole_state, key: value}
            if value == "gone":
                del broken[key]
            reseal(path, "state.json", json.dumps(broken).encode())
            if key != "settings":
                with pytest.raises(CheckpointError):
                    resume()
    reseal(path, "state.json", state)
    resume()


def test_a_damaged_newest_checkpoint_gives_way_and_the_end_is_the_same(again, whole):
    run, resume = again
    trainer = resume()
    trainer.fit()
    path = checkpoint.latest(run / "checkpoints").path
    (path / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=path.name):
        resume(strict=True)
    with pytest.warns(checkpoint.CheckpointWarning, match=path.name):
        trainer = resume()
    assert trainer.position.epoch == 2
    with pytest.warns(checkpoint.CheckpointWarning, match=path.name):
        trainer.fit()
    assert (run / "metrics.jsonl").read_bytes() == whole["metrics.jsonl"]
    ours = checkpoint.latest(run / "checkpoints", strict=True)
    assert ours.path.name == f"{path.name}.1"
    assert (ours.path / "tensors.safetensors").read_bytes() == whole[
        f"checkpoints/{path.name}/tensors.safetensors"
    ]


def test_a_finished_run_is_refused_and_more_epochs_go_on(again, capsys):
    run, resume = again
    resume().fit()
    looks = (run / "test_looks.jsonl").read_bytes()
    assert command(["train", "--resume", str(run), *PLAIN]) == 2
    assert "finished" in (complaint := capsys.readouterr().err)
    assert "--epochs" in complaint
    assert (run / "test_looks.jsonl").read_bytes() == looks
    with pytest.warns(SecondLookWarning, match="2 times"):
        assert command(["train", "--resume", str(run), "--epochs", "4", *PLAIN]) == 0
    assert Run.open(run).settings()["epochs"] == 4
    assert command(["train", "--resume", str(run), *PLAIN]) == 2
