"""One training step, compiled and eager: the same numbers, the same refusals, the same bits."""

import numpy as np
import pytest

from backlight.engine import random
from backlight.errors import CompileCheckError, NonFiniteError
from backlight.train import checkpoint
from backlight.train.loop import Trainer
from backlight.train.pipeline import build
from backlight.train.run import Run
from backlight.train.settings import Settings
from backlight.train.step import Step


def made(**wishes):
    return build(Settings(**{"data": "spiral", "model": "mlp", "epochs": 4, **wishes}))


def taken(steps, **wishes):
    """Parts and what each step found, after so many steps."""
    parts = made(**wishes)
    step, found = Step(parts), []
    while len(found) < steps:
        for inputs, labels in parts.train:
            found.append(step(inputs, labels, watched=len(found) % 3 == 0))
            parts.schedule.step()
            if len(found) == steps:
                break
    return parts, found


def weights(parts):
    return {name: value.numpy() for name, value in parts.model.module.state_dict().items()}


def apart(one, other):
    """Largest difference of two runs' parameters, as a share of the largest number."""
    a, b = weights(one), weights(other)
    return max(
        np.max(np.abs(a[name] - b[name])) / np.max(np.abs(a[name]))
        for name in a
        if a[name].dtype.kind == "f"
    )


WAYS = {
    "plain": {},
    "clip": {"clip": 0.5},
    "average": {"ema": 0.9},
    "dropout": {"dropout": 0.4},
    "momentum": {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    "hinge": {"model": "svm"},
}


@pytest.mark.parametrize("way", WAYS)
def test_compiled_and_eager_steps_agree(way):
    one, compiled = taken(12, compile=True, **WAYS[way])
    state = random.default.state_dict()
    other, eager = taken(12, compile=False, **WAYS[way])
    assert random.default.state_dict() == state
    # Rounding grows from step to step; another mask of dropout would be a thousand times more.
    assert apart(one, other) < 1e-4
    for a, b in zip(compiled, eager, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-4)
        assert a.right == b.right
        assert a.norms.keys() == b.norms.keys()
        assert a.norms == pytest.approx(b.norms, rel=1e-3, abs=1e-6)
    assert [bool(one.norms) for one in compiled[:4]] == [True, False, False, True]
    if one.average is not None:
        with one.average.applied(), other.average.applied():
            assert apart(one, other) < 1e-4


def test_fifty_steps_on_digits_agree_to_rounding():
    settings = {"data": "digits", "model": "mlp", "optimizer": "sgd", "lr": 0.05, "dropout": 0.0}
    one, _ = taken(50, compile=True, **settings)
    other, _ = taken(50, compile=False, **settings)
    assert apart(one, other) < 1e-5


def test_the_same_bits_on_any_threads():
    bits = []
    for threads in (1, 2, 3):
        parts, found = taken(6, data="digits", limit=200, model="convnet", threads=threads)
        bits.append(({name: value.tobytes() for name, value in weights(parts).items()}, found))
    assert bits[0] == bits[1] == bits[2]


def test_switching_in_the_middle_is_exact():
    ends = []
    for ways in ((True, False), (False, False)):
        parts = made(dropout=0.3, ema=0.9)
        steps = {True: Step(parts), False: Step(parts)}
        steps[False].compiled = None
        for number, (inputs, labels) in enumerate([*parts.train] * 2):
            steps[ways[number % 2]](inputs, labels, watched=False)
        assert all(one.grad is None for one in parts.model.module.parameters())
        ends.append((parts, random.default.state_dict()))
    (one, chance), (other, same) = ends
    assert chance == same
    assert apart(one, other) < 1e-4


@pytest.mark.parametrize("compile", [True, False])
def test_a_loss_that_is_no_number_changes_nothing_and_is_explained(compile):
    parts = made(compile=compile, dropout=0.3, ema=0.9)
    step = Step(parts)
    inputs, labels = next(iter(parts.train))
    step(inputs, labels, watched=False)
    before = {name: value.tobytes() for name, value in weights(parts).items()}
    slots, chance = repr(parts.optimizer.state_dict()), random.default.state_dict()
    spoiled = inputs.copy()
    spoiled[3] = np.nan
    with pytest.raises(NonFiniteError, match="It began here") as caught:
        step(spoiled, labels, watched=False)
    assert "finite" in str(caught.value)
    assert {name: value.tobytes() for name, value in weights(parts).items()} == before
    assert repr(parts.optimizer.state_dict()) == slots
    # As after an eager step that failed: its masks were drawn, once.
    assert random.default.state_dict()["count"] - chance["count"] in (1, 2)
    step(inputs, labels, watched=False)


def test_a_gradient_that_overflows_changes_nothing():
    parts = made(optimizer="sgd", lr=1e38, compile=True)
    step = Step(parts)
    batches = list(parts.train) * 3
    before: dict[str, np.ndarray] = {}

    def learn():
        for inputs, labels in batches:
            before.update({name: value.copy() for name, value in weights(parts).items()})
            step(inputs, labels, watched=True)

    with pytest.raises(NonFiniteError):
        learn()
    for name, value in weights(parts).items():
        assert np.array_equal(value, before[name])


def test_what_was_checked_is_written_down(tmp_path):
    for check in (True, False):
        parts = made(check=check, epochs=2)
        run = Run.create(tmp_path / str(check), parts.settings)
        Trainer(parts, run).fit()
        records = run.read("checks")
        assert bool(records) == check
        assert all(record["ok"] for record in records)
        assert {record["program"] for record in records} == (
            {"step", "forward"} if check else set()
        )
    one, other = (tmp_path / name / "metrics.jsonl" for name in ("True", "False"))
    assert one.read_bytes() == other.read_bytes()


def test_wrong_code_stops_the_run_before_it_changes_anything(tmp_path, monkeypatch):
    from backlight.native.lowering import lower
    from backlight.native.lowering.loops import Node

    right = lower.lower_gate

    def wrong(gate, wires, attributes, *more):
        node = right(gate, wires, attributes, *more)
        if gate.name != "sum_to":
            return node
        return Node("negative", [node], node.shape, node.dtype, {}, node.origin)

    monkeypatch.setattr(lower, "lower_gate", wrong)
    parts = made()
    before = {name: value.tobytes() for name, value in weights(parts).items()}
    run = Run.create(tmp_path / "r", parts.settings)
    with pytest.raises(CompileCheckError, match=r"gate sum_to.*\(the sign\)") as caught:
        Trainer(parts, run).fit()
    assert "--no-compile" in str(caught.value)
    assert {name: value.tobytes() for name, value in weights(parts).items()} == before
    assert checkpoint.latest(run.checkpoints).step == 0


def test_an_eager_run_compiles_nothing():
    parts = made(compile=False)
    step = Step(parts)
    assert step.compiled is None
    assert not hasattr(step.forward, "stages")
