"""`verify`: what holds is proved, what does not is named, and the run is only read."""

import numpy as np
import pytest

from backlight.engine import random
from backlight.errors import CheckpointError
from backlight.train import verify as rooms
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.settings import Settings
from backlight.train.verify import verify


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify") / "run"
    parts = build(Settings(data="spiral", model="mlp", epochs=3, dropout=0.2, ema=0.9))
    Trainer(parts, Run.create(folder, parts.settings)).fit()
    return folder


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_sound_run_is_proved_and_only_read(run):
    before, chance = contents(run), random.default.state_dict()
    heard = []
    proofs = verify(str(run), 4, heard.append)
    assert [proof.ok for proof in proofs] == [True] * 4, proofs
    assert heard == [proof.name for proof in proofs]
    assert "killed after" in proofs[-1].told
    assert contents(run) == before
    assert random.default.state_dict() == chance


def test_bits_that_depend_on_threads_are_found(run, monkeypatch):
    right = rooms._Course.go

    def wrong(course, steps):
        right(course, steps)
        if course.parts.settings.threads == 3:
            next(course.parts.model.module.parameters())._value[0] *= np.float32(1 + 1e-6)

    monkeypatch.setattr(rooms._Course, "go", wrong)
    monkeypatch.setattr(rooms, "_killed", lambda *_: (None, "not checked"))
    first, *_, last = verify(str(run), 2)
    assert first.ok is False
    assert "3: " in first.told
    assert last.ok is None


def test_a_state_that_is_lost_on_the_way_is_named(run, monkeypatch):
    right = rooms.snapshot.put_back

    def wrong(parts, saved):
        position = right(parts, saved)
        if not parts.settings.compile and saved.path.name == "memory":
            parameters = dict(parts.model.module.named_parameters())
            next(iter(parameters.values()))._value[0] += 1
        return position

    monkeypatch.setattr(rooms.snapshot, "put_back", wrong)
    monkeypatch.setattr(rooms, "_killed", lambda *_: (None, "not checked"))
    proofs = verify(str(run), 2)
    assert [proof.ok for proof in proofs] == [True, False, False, None]
    assert "weight" in proofs[1].told


def test_a_step_that_goes_elsewhere_is_named(run, monkeypatch):
    right = rooms._Course.__init__

    def wrong(course, settings, saved, **wishes):
        right(course, settings, saved, **wishes)
        if not course.parts.settings.compile:
            for group in course.parts.optimizer.param_groups:
                group["lr"] *= 1.1

    monkeypatch.setattr(rooms._Course, "__init__", wrong)
    monkeypatch.setattr(rooms, "_killed", lambda *_: (None, "not checked"))
    proofs = verify(str(run), 2)
    assert proofs[0].ok is True
    assert proofs[1].ok is False
    assert "farthest apart" in proofs[1].told


def test_a_resume_that_forgets_something_is_named(tmp_path, run):
    import shutil

    one, other = tmp_path / "one", tmp_path / "other"
    shutil.copytree(run, one)
    shutil.copytree(run, other)
    log = other / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-50])
    ok, told = rooms._same_run(one, other, 3)
    assert not ok
    assert "metrics.jsonl differ" in told


def test_long_epochs_are_not_checked_and_said_so(run, monkeypatch):
    monkeypatch.setattr(rooms, "LONGEST", 0.0)
    ok, told = rooms._killed(Run.open(run), Settings())
    assert ok is None
    assert "not checked" in told


def test_no_run(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        verify(str(tmp_path / "none"))
