"""A trained model looked back at: its answers, its units, its weakest class."""

import numpy as np
import pytest

import backlight as bl
from backlight import doctor, nn
from backlight.doctor.trained import look_back
from backlight.errors import ArgumentError
from tests.doctor.broken import blobs, fit

LOSS = nn.CrossEntropyLoss()


@pytest.fixture
def data():
    x, y = blobs(0, 400)
    return (x[:300], y[:300]), (x[300:], y[300:])


@pytest.fixture
def model(data):
    np.random.seed(0)
    bl.manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    fit(made, *data[0])
    return made


def examined(model, data, classes=("ant", "bee", "cat")):
    trained = look_back(model, *data, LOSS, classes)
    fresh = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    found = doctor.examine(fresh, data[0], LOSS, trained=trained, steps=20)
    return {one.probe: one for one in found.findings}


def test_answers_are_those_of_the_model(model, data):
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    found = look_back(model, *data, LOSS)
    scores = model(bl.tensor(data[1][0])).detach().numpy()
    assert found.held_out.accuracy == np.mean(scores.argmax(axis=1) == data[1][1])
    assert found.train.accuracy > 0.8
    assert found.look.activations[0].silent.shape == (16,)
    assert model.training
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name].numpy()) for name in before)


def test_a_model_that_learnt_is_well(model, data):
    found = examined(model, data)
    for probe in ("learnt_nothing", "weak_class", "validation_gap", "units_died"):
        assert found[probe].verdict.value == "ok", found[probe]


def test_dead_units_of_the_trained_model_are_told(model, data):
    nn.init.constant_(model[0].bias, -50.0)
    found = examined(model, data)
    assert found["units_died"].number == 1.0
    assert found["learnt_nothing"].verdict.value == "fault"
    assert found["constant_output"].verdict.value == "fault"


def test_a_class_that_is_never_answered_is_named(model, data):
    bias = model[2].bias.detach().numpy().copy()
    bias[1] = -100.0
    with bl.no_grad():
        model[2].bias.copy_(bl.tensor(bias))
    found = examined(model, data)["weak_class"]
    assert found.verdict.value == "warning"
    assert found.found("en").startswith("class bee is right in 0%")


def test_a_gap_is_measured_on_the_model(model, data):
    (x, y), (held_x, held_y) = data
    wrong = np.where(np.arange(len(held_y)) % 2, held_y, (held_y + 1) % 3)
    found = examined(model, ((x, y), (held_x, wrong)))["validation_gap"]
    assert found.verdict.value == "warning"


def test_without_a_checkpoint_nothing_is_said(data):
    found = doctor.examine(nn.Linear(6, 3), data[0], LOSS, steps=15)
    told = {one.probe: one.reason for one in found.findings}
    assert told["learnt_nothing"] == told["weak_class"] == "no_checkpoint"


def test_bad_input(model, data):
    (x, y), _ = data
    with pytest.raises(ArgumentError):
        look_back(
            nn.Sequential(model, nn.Linear(3, 1), nn.Flatten(0)),
            (x, y),
            (x, y),
            lambda s, t: s.sum(),
        )
