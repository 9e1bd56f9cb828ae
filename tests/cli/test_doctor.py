"""`backlight doctor`: scripts, models and runs; verdicts, exit codes, JSON, bad input."""

import json
import textwrap

import pytest

from tests.cli.command import command, refused

SCRIPT = """
    import numpy as np
    from backlight import nn, optim, tensor

    rng = np.random.RandomState(0)
    x = rng.randn(128, 4).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)

    def model():
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

    def train(zero=True):
        net = model()
        rule = optim.Adam(net.parameters(), lr=0.01)
        for step in range(40):
            chosen = rng.randint(128, size=32)
            loss = nn.functional.cross_entropy(net(tensor(x[chosen])), tensor(y[chosen]))
            if zero:
                rule.zero_grad()
            loss.backward()
            rule.step()

    def forgets():
        train(zero=False)

    def prints():
        print("epoch 1")
        train()

    def nothing():
        return None

    def case():
        return model(), nn.CrossEntropyLoss(), (1000 * x, y)

    def breaks():
        return 1 / 0

    def asks(name):
        pass

    forty_two = 42
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


def test_a_sound_script(script):
    ended = command("doctor", f"{script}:train")
    assert ended.code == 0, ended
    assert "faults: 0" in ended.out


def test_a_broken_script_is_told_with_its_line(script):
    ended = command("doctor", f"{script}:forgets")
    assert ended.code == 1
    assert ended.out.startswith("FAULT  gradients are never set to zero")
    lines = script.read_text().splitlines()
    line = next(k for k, text in enumerate(lines, 1) if "loss.backward()" in text)
    assert f"script.py:{line}" in ended.out
    assert "try: call optimizer.zero_grad()" in ended.out


def test_a_case_is_examined(script):
    ended = command("doctor", f"{script}:case")
    assert ended.code == 1
    assert "not normalised" in ended.out


def test_everything_is_shown(script):
    ended = command("doctor", f"{script}:train", "--all")
    assert "not checked  dropout leaves enough" in ended.out
    assert ended.out.count("\n") > 30


def test_json(script):
    ended = command("doctor", f"{script}:forgets", "--json")
    told = json.loads(ended.out)
    assert ended.code == 1
    assert told["faults"] == ["gradients_not_zeroed"]
    assert {one["verdict"] for one in told["findings"]} >= {"fault", "ok", "not checked"}


def test_few_steps(script):
    ended = command("doctor", f"{script}:train", "--steps", "5")
    assert ended.code == 0
    assert "not to the end" in ended.out


def test_a_model_by_its_name():
    ended = command("doctor", "softmax", "--data", "moons")
    assert ended.code == 0, ended
    assert "loss at chance" in ended.out


def test_a_run(tmp_path):
    run = tmp_path / "run"
    trained = command(
        "train", "--data", "moons", "--model", "mlp", "--epochs", "2", "--no-report",
        "--no-compile", "--out", str(run), "-q",
    )  # fmt: skip
    assert trained.code == 0, trained
    lines = (run / "metrics.jsonl").read_text().splitlines()
    remark = {"event": "remark", "step": 7, "kind": "flat", "about": "", "now": 0.5, "epochs": 5}
    (run / "metrics.jsonl").write_text("\n".join([*lines, json.dumps(remark), ""]))
    before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    ended = command("doctor", str(run), "--json")
    assert ended.code == 0, ended
    told = {one["probe"]: one["verdict"] for one in json.loads(ended.out)["findings"]}
    assert told["validation_gap"] == "ok"
    assert told["leak"] == "ok"
    assert told["learnt_nothing"] == told["units_died"] == told["weak_class"] == "ok"
    assert [one["step"] for one in json.loads(ended.out)["remarks"]] == [7]
    assert "during training, step 7: the loss has stayed" in command("doctor", str(run)).out
    assert sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*")) == before


def test_what_a_script_prints_is_no_part_of_the_answer(script):
    ended = command("doctor", f"{script}:prints", "--json")
    assert json.loads(ended.out)["ok"]
    assert "epoch 1" in ended.err


def test_in_korean(script):
    ended = command("doctor", f"{script}:forgets", "--lang", "ko")
    assert ended.code == 1
    assert ended.out.startswith("결함  그라디언트를 0으로 만들지 않습니다")
    refused("doctor", f"{script}:train", "--lang", "fr", words=("en, ko",))


def test_bad_input(script, tmp_path):
    refused("doctor", str(script), words=("without a function", ":main"))
    refused("doctor", f"{script}:nothing", words=("no training",))
    refused("doctor", "", words=("a model",))
    refused("doctor", "mpl", words=("Did you mean 'mlp'",))
    refused("doctor", str(tmp_path), words=("config.toml",))
    refused("doctor", f"{tmp_path}/none.py:train", words=("no such file",))
    refused("doctor", f"{script}:trian", words=("Did you mean 'train'",))
    refused("doctor", f"{script}:forty_two", words=("a int", "function"))
    refused("doctor", f"{script}:breaks", words=("ZeroDivisionError", "line"))
    refused("doctor", f"{script}:asks", words=("asks for name", "def main()"))
    refused("doctor", "mlp", "--steps", "none", words=("--steps", "whole number"))
    refused("doctor", "mlp", "--steps", "0")
    refused("doctor", f"{script}:train", "--seconds", "-1")
    refused("doctor", f"{script}:train", "--data", "moons", words=("--data",))
    refused("doctor", "mlp", "--data", "mons")
