"""A run over a tree of class folders: the same bytes whoever reads it, and two accuracies."""

import json

import numpy as np
import pytest
from PIL import Image

from backlight.data import ImageFolder
from backlight.errors import DataError, UsageError
from backlight.train import pipeline
from backlight.train.loop import Trainer
from backlight.train.run import Run
from backlight.train.settings import Settings
from tests.cli.command import command, refused

CLASSES, EACH = 8, 10


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root, random = tmp_path_factory.mktemp("tree"), np.random.default_rng(0)
    for label in range(CLASSES):
        (root / f"class{label}").mkdir()
        for number in range(EACH):
            values = random.integers(0, 60, (20, 24, 3)) + 24 * label
            path = root / f"class{label}" / f"{number}.png"
            Image.fromarray(values.astype(np.uint8)).save(path)
    return root


def options(tree, *more):
    return [
        *("--data", f"stream:{tree}", "--image-size", "16", "--model", "mlp", "--hidden", "8"),
        *("--epochs", "2", "--batch-size", "16", "--augment", "--no-compile", "-q", *more),
    ]


def test_workers_change_no_byte_and_five_likeliest_are_told(tree, tmp_path):
    told = []
    for workers in ("0", "2"):
        out = tmp_path / workers
        ended = command("train", *options(tree), "--workers", workers, "--out", str(out))
        assert ended.code == 0
        assert "top-5" in ended.out
        told.append((out / "metrics.jsonl").read_bytes())
        assert (out / "report.html").is_file()
    assert told[0] == told[1]
    lines = [json.loads(line) for line in told[0].splitlines()]
    epoch = [line for line in lines if line["event"] == "epoch"][-1]
    assert 0 <= epoch["validation_accuracy"] <= epoch["validation_top5_accuracy"] <= 1
    assert lines[-1]["test_accuracy"] <= lines[-1]["test_top5_accuracy"]
    found = json.loads(command("evaluate", str(tmp_path / "0"), "--json").out)
    best = max(line.get("validation_accuracy", 0) for line in lines)
    assert found["accuracy"] == best
    assert found["top5_accuracy"] >= best
    assert "top-5" in command("evaluate", str(tmp_path / "0"), "--split", "train").out


class Stop(Exception):
    """The end of a run in the middle of an epoch."""


def settings(tree, **wishes):
    return Settings(
        data=f"stream:{tree}",
        image_size=16,
        model="softmax",
        epochs=2,
        batch_size=8,
        augment=True,
        compile=False,
        **wishes,
    )


def test_a_run_taken_up_in_the_middle_of_an_epoch_ends_the_same(tree, tmp_path):
    whole = Trainer(
        pipeline.build(settings(tree, workers=0)), Run.create(tmp_path / "a", settings(tree))
    )
    whole.fit()

    def stop(event, record):
        if event == "step" and record["step"] == 10:
            raise Stop

    half = Trainer(
        pipeline.build(settings(tree, workers=2)), Run.create(tmp_path / "b", settings(tree)), stop
    )
    with pytest.raises(Stop):
        half.fit()
    half.parts.train.close()
    half._save(None)
    rest = Trainer(pipeline.build(settings(tree, workers=0)), Run.open(tmp_path / "b"))
    rest.resume()
    assert rest.position.step == 10
    rest.fit()
    ours, theirs = (
        {name: p.detach().numpy() for name, p in one.parts.model.module.named_parameters()}
        for one in (whole, rest)
    )
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_learning_sees_random_parts_and_evaluation_the_middle(tree):
    parts = pipeline.build(settings(tree, workers=0))
    assert isinstance(parts.train.examples, ImageFolder)
    assert parts.train.examples.reading.crop == "random"
    assert parts.validation.examples.reading.crop == "center"
    assert parts.data.train.shape == (3, 16, 16)
    assert pipeline.build(settings(tree, workers=3)).train.num_workers == 3
    assert pipeline.build(Settings(model="softmax", workers=3)).train.num_workers == 0


def test_the_scale_is_learned_from_some_images(tree, monkeypatch):
    every = pipeline.build(settings(tree)).normalize
    monkeypatch.setattr(pipeline, "MEASURED", 40)
    some = pipeline.build(settings(tree)).normalize
    assert not np.array_equal(every.mean, some.mean)
    assert np.allclose(every.mean, some.mean, rtol=0.2)


def test_damaged_images(tree, tmp_path):
    import shutil

    copy = shutil.copytree(tree, tmp_path / "copy")
    for label in range(CLASSES):
        (copy / f"class{label}" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"class\d/0\.png got a damaged image"):
        pipeline.build(settings(copy))
    parts = pipeline.build(settings(copy, skip_bad=8))
    assert sum(len(labels) for _, labels in parts.train) + len(parts.train.left_out) == 56
    with pytest.raises(UsageError, match="skip-bad"):
        pipeline.build(Settings(skip_bad=1))


def test_the_run_folder_may_not_lie_among_the_images(tree):
    refused("train", *options(tree), "--out", str(tree / "class1" / "run"))
