"""A repeated run goes the same way, bit for bit, and can be ended."""

import numpy as np
import pytest

from backlight.explain.landscape.direction import weights_of
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.repeat import repeated
from backlight.train.run import Run
from backlight.train.sources import gather

FLAGS = {"data": "digits", "model": "softmax", "epochs": 3, "limit": 100, "compile": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    parts = build(gather(FLAGS, environment={}))
    made = Run.create(tmp_path_factory.mktemp("runs") / "one", parts.settings)
    seen = [weights_of(parts.model.module)]

    def listen(event, _record):
        if event == "epoch":
            seen.append(weights_of(parts.model.module))

    Trainer(parts, made, listen).fit()
    return made, seen


def test_it_goes_the_same_way(run):
    made, seen = run
    told = []
    points = repeated(made.settings(), lambda done, whole: told.append((done, whole)))
    assert len(points) == 4, "the start and three epochs"
    assert told == [(1, 3), (2, 3), (3, 3)]
    for first, second in zip(seen, points, strict=True):
        for name, values in first.items():
            assert np.array_equal(second[name], values)
    assert not np.array_equal(points[0]["1.weight"], points[1]["1.weight"])


def test_it_ends_when_told_to_and_leaves_nothing(run, tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    def stop(done, whole):
        raise Enough

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Enough):
        repeated(run[0].settings(), stop)
    assert not list(tmp_path.iterdir())
