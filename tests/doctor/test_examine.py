"""Examining a model with its data and loss, and a case that a function answers with."""

import numpy as np
import pytest

import backlight as bl
from backlight import doctor, nn, optim
from backlight.data import load
from backlight.errors import ArgumentError
from tests.doctor.broken import blobs, digits, mlp


def probes(findings):
    return [one.probe for one in findings]


@pytest.fixture
def data():
    return blobs(0)


def test_a_sound_model_is_left_as_it_was(data):
    bl.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    rule = optim.Adam(model.named_parameters(), lr=0.01)
    model.eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    slots = str(rule.state_dict())
    drawn = bl.randn(2).tolist()
    bl.manual_seed(1)
    mlp(6, 16, 3)
    found = doctor.examine(model, data, nn.CrossEntropyLoss(), rule, validation=blobs(1))
    assert found.ok, found.text()
    after = {name: value.numpy() for name, value in model.state_dict().items()}
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert str(rule.state_dict()) == slots
    assert not any(one.training for one in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert drawn


def test_data_sets_are_taken_whole():
    moons = load("moons")
    found = doctor.examine(mlp(2, 16, 2), moons, nn.CrossEntropyLoss())
    assert found.ok, found.text()


def test_a_leak_into_the_validation_split(data):
    x, y = data
    found = doctor.examine(mlp(6, 16, 3), data, nn.CrossEntropyLoss(), validation=(x[:50], y[:50]))
    assert probes(found.faults) == ["leak"]
    assert "100%" in found.faults[0].found("en")


def test_a_model_that_is_too_small_is_a_warning():
    rng = np.random.RandomState(0)
    x = rng.choice([-1.0, 1.0], size=(120, 2)).astype(np.float32)
    x += 0.1 * rng.randn(120, 2).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    found = doctor.examine(nn.Linear(2, 2), (x, y), nn.CrossEntropyLoss())
    assert "learns_by_heart" in probes((*found.faults, *found.warnings))


def test_data_that_are_none():
    with pytest.raises(ArgumentError, match="inputs, targets"):
        doctor.examine(mlp(), 3, nn.CrossEntropyLoss())


def test_a_case_is_examined():
    x, y = digits(0)

    def case():
        return mlp(), nn.CrossEntropyLoss(), (50 * x, y)

    assert probes(doctor.watch(case).faults) == ["not_normalised"]


def test_a_run_s_curve_is_judged(data):
    history = [
        {
            "event": "epoch",
            "validation_accuracy": 0.6,
            "train_accuracy": 0.99,
        }
    ]
    found = doctor.examine(mlp(6, 16, 3), data, nn.CrossEntropyLoss(), history=history)
    assert probes(found.warnings) == ["validation_gap"]


def test_chance_is_the_loss_of_scores_that_are_zero():
    for loss, chance in ((nn.CrossEntropyLoss(), np.log(10)), (nn.MultiClassHingeLoss(), 9.0)):
        x, y = digits(0)
        model = mlp()
        nn.init.normal_(model[-1].weight, std=1e-4)
        found = doctor.examine(model, (x, y), loss, optim.SGD(model.named_parameters(), lr=1e-3))
        told = {one.probe: one for one in found.findings}["loss_at_chance"]
        assert told.verdict is doctor.Verdict.OK
        assert told.number == pytest.approx(chance, rel=0.05)
