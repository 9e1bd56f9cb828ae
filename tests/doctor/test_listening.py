"""The listener hears everything, changes nothing, and leaves every method as it was."""

import signal

import numpy as np
import pytest

import backlight as bl
from backlight import doctor, nn, optim, tensor
from backlight.doctor.listening import listening
from backlight.engine.tensor import Tensor
from backlight.errors import ShapeError, UsageError
from backlight.nn import functional as F
from backlight.nn.module import Module
from backlight.optim.optimizer import Optimizer
from tests.doctor.broken import batches, blobs, mlp


def train(steps=30):
    bl.manual_seed(3)
    x, y = blobs(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    rule = optim.Adam(model.parameters(), lr=0.01)
    for number, (inputs, labels) in enumerate(batches(x, y)):
        rule.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        rule.step()
        if number == steps:
            break
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def test_watching_changes_no_bit():
    plain = train()
    kept = {}
    doctor.watch(lambda: kept.update(train()))
    assert all(np.array_equal(plain[name], kept[name]) for name in plain)


def test_methods_are_as_before_even_after_an_error():
    before = (Module.__call__, Tensor.backward, Optimizer.step, Optimizer.zero_grad)

    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        doctor.watch(fail)
    assert (Module.__call__, Tensor.backward, Optimizer.step, Optimizer.zero_grad) == before


def test_what_is_heard_is_counted():
    with listening() as session:
        train(9)
    assert (session.steps, session.backwards, len(session.losses)) == (10, 10, 10)
    assert session.stale == session.empty_steps == 0
    assert session.places["step"].startswith("test_listening.py:")
    assert len(session.inputs[0]) == len(session.targets[0]) == 32
    assert [look.step for look in session.looks] == [0, 1, 2, 3]


def test_a_script_is_stopped_after_so_many_steps():
    found = doctor.watch(train, steps=5)
    assert found.stopped == "5"
    assert "not to the end" in found.text()


def test_a_script_is_stopped_after_some_time():
    found = doctor.watch(lambda: [train() for _ in range(100)], seconds=0.2)
    assert found.stopped == "0.2 s"


def test_an_error_that_explains_nothing_is_passed_on():
    def wrong_shape():
        mlp(6, 16, 3)(tensor(np.zeros((2, 5), np.float32)))

    with pytest.raises(ShapeError):
        doctor.watch(wrong_shape)


def test_a_fault_is_told_although_an_error_followed():
    x, y = blobs(0)
    x[3, 1] = np.inf

    def diverging():
        model = mlp(6, 16, 3)
        rule = optim.SGD(model.parameters(), lr=0.1)
        for inputs, labels in batches(x, y):
            rule.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            rule.step()

    assert [one.probe for one in doctor.watch(diverging).faults] == ["inputs_not_finite"]


def test_evaluation_is_seen_after_more_examples_than_are_kept(monkeypatch):
    from backlight.doctor import hearing

    monkeypatch.setattr(hearing, "ROOM", 5000)
    x, y = blobs(0)

    def long():
        model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
        rule = optim.Adam(model.parameters(), lr=0.01)
        for inputs, labels in batches(x, y):
            rule.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            rule.step()
        with bl.no_grad():
            model(tensor(blobs(1)[0]))

    with listening() as session:
        long()
    assert len(session.inputs) < 8
    kept = [look.circuit is not None for look in session.looks]
    assert kept == [True, *[False] * (len(kept) - 2), True]
    assert [one.probe for one in doctor.watch(long).faults] == ["train_mode_at_evaluation"]


def test_the_training_set_may_be_evaluated_before_all_of_it_was_drawn():
    x, y = blobs(0)

    def train():
        model = mlp(6, 16, 3)
        rule = optim.Adam(model.parameters(), lr=0.01)
        for inputs, labels in batches(x, y, epochs=2):
            rule.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            rule.step()
        model.eval()
        with bl.no_grad():
            model(tensor(np.concatenate([x, blobs(1)[0]])))

    assert doctor.watch(train).ok


def broken_loop(steps=20):
    x, y = blobs(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    rule = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        F.cross_entropy(model(tensor(x)), tensor(y)).backward()
        rule.step()


def test_an_error_after_a_fault_does_not_hide_it():
    def script():
        broken_loop()
        raise ValueError("plotting failed")

    found = doctor.watch(script)
    assert [one.probe for one in found.faults] == ["gradients_not_zeroed"]
    assert "ValueError: plotting failed" in found.text()


def test_an_error_of_a_sound_script_is_raised():
    def script():
        train(20)
        raise ValueError("plotting failed")

    with pytest.raises(ValueError, match="plotting failed"):
        doctor.watch(script)


@pytest.mark.parametrize(("end", "told"), [(SystemExit(0), ""), (KeyboardInterrupt(), "Ctrl-C")])
def test_a_script_may_end_itself_or_be_interrupted(end, told):
    def script():
        train(20)
        raise end

    found = doctor.watch(script)
    assert found.stopped == told
    assert ("interrupted" in found.text(language="en")) is bool(told)


def test_an_interruption_before_any_training_is_one():
    def script():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.watch(script)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm on this system")
def test_a_script_that_hangs_is_ended():
    before = signal.getsignal(signal.SIGALRM)

    def script():
        train(20)
        while True:
            pass

    found = doctor.watch(script, seconds=1.0)
    assert found.stopped == "1 s"
    assert found.ok
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_script_that_trains_nothing_is_refused():
    with pytest.raises(UsageError, match="no training"):
        doctor.watch(lambda: None)
    with pytest.raises(UsageError, match="Linear, list"):
        doctor.watch(lambda: (nn.Linear(1, 1), [1, 2]))


def test_parameters_of_one_name_are_kept_apart():
    x, y = blobs(0)
    with listening() as session:
        for width in (8, 12):
            model = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))
            rule = optim.SGD(model.parameters(), lr=0.1)
            for inputs, labels in batches(x, y, epochs=1):
                rule.zero_grad()
                F.cross_entropy(model(inputs), labels).backward()
                rule.step()
    assert len(session.parameters) == 8
    assert len({id(p) for p in session.parameters.values()}) == 8


def test_what_clipping_leaves_is_heard():
    x, y = blobs(0)
    model = nn.Linear(6, 3)
    rule = optim.SGD(model.parameters(), lr=0.1)
    with listening() as session:
        for inputs, labels in batches(x, y, epochs=1):
            rule.zero_grad()
            F.cross_entropy(model(inputs), labels).backward()
            size = float(sum((p.grad**2).sum().item() for p in model.parameters())) ** 0.5
            optim.clip_grad_norm_(model.parameters(), 0.5 * size)
            rule.step()
    assert session.shrunk
    assert all(abs(share - 0.5) < 1e-3 for share in session.shrunk)
