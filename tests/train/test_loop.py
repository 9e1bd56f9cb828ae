import itertools

import numpy as np
import pytest

from backlight.errors import CheckpointError, NonFiniteError
from backlight.train import checkpoint
from backlight.train.held_out import looks
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.settings import Settings
from backlight.train.snapshot import load_parameters


def trainer(folder, heard=None, **wishes):
    parts = build(Settings(**{"data": "spiral", "model": "mlp", "epochs": 4, **wishes}))
    listen = (lambda *_: None) if heard is None else (lambda *event: heard.append(event))
    return Trainer(parts, Run.create(folder, parts.settings), listen)


def test_a_run_from_beginning_to_end(tmp_path):
    heard = []
    one = trainer(tmp_path / "r", heard, epochs=20)
    outcome = one.fit()
    assert (outcome.epoch, outcome.exit_code, outcome.stopped) == (20, 0, "")
    assert outcome.step == 20 * one.parts.steps_per_epoch
    assert heard[0][0] == "start"
    assert heard[-1][0] == "end"
    epochs = [record for name, record in heard if name == "epoch"]
    assert len(epochs) == 20
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert one.run.read("metrics")[0]["step"] == 0
    assert [look["look"] for look in looks(one.run)] == [1]


def test_before_learning_all_classes_look_alike(tmp_path):
    heard = []
    for model, loss in (("softmax", np.log(3)), ("svm", 2.0), ("mlp", np.log(3))):
        trainer(tmp_path / model, heard, model=model, epochs=1).fit()
        start = [record for name, record in heard if name == "start"][-1]
        assert start["loss_at_chance"] == pytest.approx(loss)
        assert start["loss_before_learning"] == pytest.approx(loss, rel=0.1)


def test_the_test_split_is_that_of_the_best_epoch(tmp_path):
    one = trainer(tmp_path / "r", epochs=15)
    outcome = one.fit()
    epochs = [r for r in one.run.read("metrics") if r["event"] == "epoch"]
    best = max(epochs, key=lambda record: record["validation_accuracy"])
    assert outcome.best_validation_accuracy == best["validation_accuracy"]
    assert checkpoint.best(one.run.checkpoints).step == best["step"]
    assert looks(one.run)[0]["step"] == best["step"]


def test_the_same_run_twice_writes_the_same_bytes(tmp_path):
    for name in "ab":
        trainer(tmp_path / name, epochs=3).fit()
    for file in ("metrics.jsonl", "config.toml", "test_looks.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_rate_follows_the_schedule_to_its_end(tmp_path):
    heard = []
    trainer(tmp_path / "r", heard, lr=0.5, optimizer="sgd", schedule="cosine").fit()
    rates = [record["lr"] for name, record in heard if name == "step"]
    assert rates[0] == 0.5
    assert all(a > b for a, b in itertools.pairwise(rates))
    assert rates[-1] < 0.01


def test_a_clipped_gradient_moves_no_further_than_asked(tmp_path):
    one = trainer(tmp_path / "r", clip=0.01, optimizer="gradient-descent", lr=1.0)
    module, seen = one.parts.model.module, []
    one.listen = lambda *_: seen.append(
        np.concatenate([p._value.ravel().astype(np.float64) for p in module.parameters()])
    )
    one.fit()
    moved = [float(np.linalg.norm(b - a)) for a, b in itertools.pairwise(seen[:10])]
    assert 0.0099 < max(moved) < 0.0101


def test_nan_in_the_parameters_is_named_by_the_gate_that_met_it(tmp_path):
    one = trainer(tmp_path / "r")
    weight = next(iter(one.parts.model.module.parameters()))

    def spoil(name, record):
        if name == "step" and record["step"] == 5:
            weight.fill_(np.nan)

    one.listen = spoil
    with pytest.raises(NonFiniteError, match=r"(?s)step 6 .*loss of nan.*It began here"):
        one.fit()
    kept = checkpoint.latest(one.run.checkpoints)
    assert all(np.isfinite(value).all() for value in kept.arrays.values())


def test_an_interrupted_step_is_finished_and_saved(tmp_path):
    import os
    import signal

    one = trainer(tmp_path / "r", epochs=50)
    one.listen = lambda name, record: (
        os.kill(os.getpid(), signal.SIGINT) if name == "step" and record["step"] == 5 else None
    )
    outcome = one.fit()
    assert (outcome.stopped, outcome.exit_code, outcome.step) == ("interrupted", 130, 5)
    assert outcome.test is None
    assert not looks(one.run)
    assert checkpoint.latest(one.run.checkpoints).step == 5


def test_resumed_equals_uninterrupted(tmp_path):
    import os
    import signal

    whole, part = (trainer(tmp_path / name, epochs=6, ema=0.9) for name in ("whole", "part"))
    whole.fit()
    part.listen = lambda name, record: (
        os.kill(os.getpid(), signal.SIGINT) if name == "step" and record["step"] == 9 else None
    )
    part.fit()
    again = Trainer(
        build(Settings(**Run.open(tmp_path / "part").settings())), Run.open(tmp_path / "part")
    )
    again.resume()
    assert again.position.step == 9
    again.fit()
    ours, theirs = (checkpoint.latest(one.run.checkpoints).arrays for one in (whole, again))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert np.array_equal(value, theirs[name]), name
    assert (tmp_path / "whole" / "metrics.jsonl").read_bytes() == (
        tmp_path / "part" / "metrics.jsonl"
    ).read_bytes()


def test_parameters_of_another_type_or_shape_are_refused(tmp_path):
    module = trainer(tmp_path / "r").parts.model.module
    arrays = {f"model/{name}": np.asarray(p._value) for name, p in module.state_dict().items()}
    name = next(iter(arrays))
    with pytest.raises(CheckpointError, match="float64"):
        load_parameters(module, {**arrays, name: arrays[name].astype(np.float64)})
    before = {key: p._value.copy() for key, p in module.named_parameters()}
    with pytest.raises(ValueError, match=name.partition("/")[2].replace(".", r"\.")):
        load_parameters(module, {**arrays, name: arrays[name][:1] + 1})
    assert all(np.array_equal(before[key], p._value) for key, p in module.named_parameters())
