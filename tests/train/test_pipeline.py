import numpy as np
import pytest

from backlight.errors import ArgumentError, DataError, UsageError
from backlight.train import pipeline
from backlight.train.settings import Settings


def some(**wishes):
    return Settings(**{"data": "blobs", "model": "mlp", "epochs": 2, **wishes})


def weights(parts):
    return {name: p.detach().numpy().copy() for name, p in parts.model.module.named_parameters()}


def test_the_same_settings_give_the_same_bits():
    first, again = (pipeline.build(some(seed=5)) for _ in range(2))
    for name, value in weights(first).items():
        assert np.array_equal(value, weights(again)[name])
    for (inputs, labels), (others, right) in zip(first.train, again.train, strict=True):
        assert np.array_equal(inputs, others)
        assert np.array_equal(labels, right)
    other = pipeline.build(some(seed=6))
    assert not all(np.array_equal(v, weights(other)[n]) for n, v in weights(first).items())


def test_the_splits_do_not_meet_and_the_scale_is_that_of_the_training_split():
    parts = pipeline.build(Settings(model="softmax"))
    splits = [parts.data.train, parts.data.validation, parts.data.test]
    rows = [{row.tobytes() for row in np.asarray(split.inputs)} for split in splits]
    assert sum(map(len, splits)) == 1797
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    train = np.asarray(parts.data.train.inputs, np.float64)
    shown = np.concatenate([inputs for inputs, _ in parts.train]).astype(np.float64)
    assert abs(shown.mean()) < 1e-5
    assert shown.std() == pytest.approx(1, abs=1e-3)
    whole = np.concatenate([np.asarray(split.inputs, np.float64) for split in splits])
    assert whole.mean() != train.mean()


def test_limit_takes_some_of_the_training_split_only():
    parts = pipeline.build(Settings(model="softmax", limit=100))
    assert len(parts.data.train) == 100
    assert len(parts.data.validation) == 270


def test_biases_are_not_decayed():
    parts = pipeline.build(some(optimizer="adamw", weight_decay=0.1))
    decayed, plain = parts.optimizer.param_groups
    assert decayed["weight_decay"] == 0.1
    assert plain["weight_decay"] == 0.0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in plain["params"])


@pytest.mark.parametrize(
    ("wishes", "error", "words"),
    [
        ({"batch_size": 10**6}, UsageError, "training split"),
        ({"momentum": 0.9, "optimizer": "adam"}, UsageError, "optimizer adam"),
        ({"optimizer": "gradient-descent", "weight_decay": 0.1}, UsageError, "decays"),
        ({"model": "svm", "hidden": (5,)}, UsageError, "5 for model svm"),
        ({"model": "softmax", "dropout": 0.5}, UsageError, "0.5 for model softmax"),
        ({"image_size": 16}, UsageError, "blobs"),
        ({"augment": True}, ArgumentError, "images"),
        ({"model": "convnet"}, ArgumentError, "mlp"),
        ({"warmup": 10**6}, ArgumentError, "warm-up"),
        ({"validation": 10**6}, ArgumentError, "validation"),
    ],
)
def test_what_does_not_fit_is_refused(wishes, error, words):
    with pytest.raises(error, match=words):
        pipeline.build(some(**wishes))


def test_training_examples_of_one_class():
    seeds = [s for s in range(12) if _one_class(s)]
    assert seeds  # two examples are often of one class


def _one_class(seed):
    settings = some(limit=2, seed=seed, data="moons")
    if len(np.unique(pipeline.load_data(settings).train.labels)) > 1:
        pipeline.build(settings)
        return False
    with pytest.raises(DataError, match="all of one class"):
        pipeline.build(settings)
    return True
