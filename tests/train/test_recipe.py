import numpy as np
import pytest

from backlight.data.dataset import DataSet, Examples
from backlight.train.recipe import complete
from backlight.train.settings import Settings


def data(count, *shape):
    part = Examples(np.zeros((count, *shape), np.float32), np.arange(count) % 2)
    return DataSet("some", ("a", "b"), part)


@pytest.mark.parametrize("model", ["softmax", "svm", "mlp", "convnet"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
def test_nothing_that_matters_stays_open(model, shape):
    done = complete(Settings(model=model), data(100, *shape))
    for name in (
        "epochs",
        "batch_size",
        "optimizer",
        "lr",
        "schedule",
        "weight_decay",
        "augment",
        "dropout",
        "ema",
    ):
        assert getattr(done, name) is not None, name
    assert complete(done, data(100, *shape)) == done


def test_what_was_said_stays():
    said = Settings(
        epochs=3,
        lr=0.7,
        optimizer="sgd",
        momentum=0.0,
        dropout=0.0,
        augment=False,
        ema=0.0,
        weight_decay=0.0,
        batch_size=5,
    )
    done = complete(said, data(100, 3, 32, 32))
    assert {name: value for name, value in vars(done).items() if name != "schedule"} == {
        name: value for name, value in vars(said).items() if name != "schedule"
    }


def test_a_batch_is_never_larger_than_the_data():
    assert complete(Settings(), data(7, 1, 8, 8)).batch_size == 7


def test_a_short_run_is_not_averaged():
    assert complete(Settings(epochs=1), data(100, 1, 8, 8)).ema == 0.0
    assert complete(Settings(epochs=1000), data(100, 1, 8, 8)).ema == 0.99


def test_the_hinge_gets_a_smaller_step_and_many_inputs_too():
    rates = {
        (model, side): complete(Settings(model=model), data(100, 3, side, side)).lr
        for model in ("softmax", "svm")
        for side in (8, 32)
    }
    assert rates["svm", 32] < rates["svm", 8] < rates["softmax", 32] < rates["softmax", 8]


def test_only_images_of_some_size_are_shifted():
    assert complete(Settings(), data(100, 3, 32, 32)).augment
    assert not complete(Settings(), data(100, 1, 8, 8)).augment
    assert not complete(Settings(model="mlp"), data(100, 3, 32, 32)).augment


def test_plain_descent_does_not_decay():
    assert (
        complete(Settings(optimizer="gradient-descent", model="softmax"), data(100, 4)).weight_decay
        == 0.0
    )
