"""Schedules as functions and as drivers of an optimiser."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError, CheckpointError
from backlight.optim import schedule

NAMES = ["constant", "step", "exponential", "inverse-time", "cosine", "one-cycle"]


def sgd(lr=0.1, groups=1):
    return optim.SGD(
        [{"params": [Tensor([1.0], requires_grad=True)], "lr": lr * 2**i} for i in range(groups)]
    )


def test_the_names_of_the_command_line():
    assert sorted(optim.schedules()) == sorted(NAMES)


def test_the_courses_formulas():
    assert optim.StepLR(1.0, 5, 0.5)(12) == 0.25
    assert optim.StepLR(1.0, 20)(20) == pytest.approx(0.1)
    assert optim.StepLR(1.0, 20)(19) == 1.0
    assert optim.ExponentialLR(2.0, rate=0.3)(4) == pytest.approx(2 * math.exp(-1.2))
    assert optim.ExponentialLR(2.0, 0.5)(3) == 0.25
    assert optim.InverseTimeLR(3.0, 0.5)(4) == 1.0
    cosine = optim.CosineAnnealingLR(1.0, 10, eta_min=0.2)
    assert [cosine(0), cosine(5), cosine(10), cosine(99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert optim.ConstantLR(1.0, 0.5, 2)(1) == 0.5
    assert optim.ConstantLR(1.0, 0.5, 2)(2) == 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("warmup", [0, 7])
def test_driving_an_optimiser_equals_the_function(name, warmup):
    rule = sgd()
    driver = schedule.from_name(name, lr=rule, total_steps=40, warmup=warmup)
    function = schedule.from_name(name, lr=0.1, total_steps=40, warmup=warmup)
    seen = []
    for step in range(45):
        seen.append(rule.param_groups[0]["lr"])
        assert seen[-1] == function(step) == driver.get_last_lr()[0]
        driver.step()
    assert all(rate >= 0 for rate in seen)
    assert max(seen) <= 0.1 + 1e-12
    if warmup:
        assert np.all(np.diff(seen[:warmup]) > 0)
        assert seen[0] < 0.1


@pytest.mark.parametrize("name", NAMES)
@given(split=st.integers(0, 30), warmup=st.integers(0, 10))
def test_resuming_equals_going_on(name, split, warmup):
    whole, resumed = sgd(groups=2), sgd(groups=2)
    first = schedule.from_name(name, lr=whole, total_steps=30, warmup=warmup)
    for _ in range(split):
        first.step()
    saved, rates = json.loads(json.dumps(first.state_dict())), whole.state_dict()
    resumed.load_state_dict(rates)
    second = schedule.from_name(name, lr=resumed, total_steps=30, warmup=warmup)
    second.load_state_dict(saved)
    for _ in range(5):
        assert first.get_last_lr() == second.get_last_lr()
        assert [g["lr"] for g in whole.param_groups] == [g["lr"] for g in resumed.param_groups]
        first.step()
        second.step()


def test_groups_keep_their_ratio():
    rule = sgd(groups=2)
    driver = optim.StepLR(rule, 1, 0.5)
    driver.step()
    assert [group["lr"] for group in rule.param_groups] == [0.05, 0.1]


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="Did you mean 'cosine'"):
        schedule.from_name("cosin", lr=0.1, total_steps=10)
    with pytest.raises(ArgumentError, match=r"(?s)20 steps.*run of 10"):
        schedule.from_name("cosine", lr=0.1, total_steps=10, warmup=20)
    with pytest.raises(ArgumentError, match="length of the run"):
        schedule.from_name("cosine", lr=0.1)
    for make in (
        lambda: optim.StepLR(0.1, 0),
        lambda: optim.StepLR(0.1, 1.5),
        lambda: optim.StepLR(0.1, 5, gamma=0),
        lambda: optim.StepLR(float("nan"), 5),
        lambda: optim.ExponentialLR(0.1),
        lambda: optim.ExponentialLR(0.1, 0.5, rate=1),
        lambda: optim.InverseTimeLR(0.1, -1),
        lambda: optim.CosineAnnealingLR(0.1, 0),
        lambda: optim.CosineAnnealingLR(0.1, 5, eta_min=-1),
        lambda: optim.OneCycleLR(0.1, 0.0, 10),
        lambda: optim.OneCycleLR(0.1, 1.0, 1),
        lambda: optim.OneCycleLR(0.1, 1.0, 10, anneal_strategy="cosine"),
        lambda: optim.LinearWarmup(0.1, -1),
        lambda: optim.LambdaLR(0.1, 3),
        lambda: optim.LinearWarmup(0.1, 3, after=optim.ReduceLROnPlateau(0.1)),
        lambda: optim.ReduceLROnPlateau(0.1, mode="least"),
        lambda: optim.StepLR(0.1, 5)(-1),
    ):
        with pytest.raises(ArgumentError):
            make()


def test_a_function_that_answers_nan_is_named_with_its_step():
    rule = sgd()
    driver = optim.LambdaLR(rule, lambda step: 1.0 if step < 2 else float("nan"))
    driver.step()
    with pytest.raises(ArgumentError, match="LambdaLR at step 2"):
        driver.step()
    assert rule.param_groups[0]["lr"] == 0.1


def test_states_that_are_refused():
    driver = optim.StepLR(sgd(), 5)
    for wrong in (
        [],
        {},
        optim.ExponentialLR(0.1, 0.5).state_dict(),
        {**driver.state_dict(), "base_lrs": [0.1, 0.2]},
    ):
        with pytest.raises(CheckpointError):
            driver.load_state_dict(wrong)


def test_a_plateau_cuts_the_rate_and_resumes():
    rule = sgd(1.0)
    driver = optim.ReduceLROnPlateau(rule, factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    metrics = [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    rates = []
    for place, metric in enumerate(metrics):
        driver.step(metric)
        rates.append(rule.param_groups[0]["lr"])
        if place == 5:
            again = optim.ReduceLROnPlateau(
                sgd(1.0), factor=0.5, patience=2, cooldown=1, min_lr=0.2
            )
            again.load_state_dict(json.loads(json.dumps(driver.state_dict())))
            assert again.state_dict() == driver.state_dict()
    assert rates[:5] == [1.0, 1.0, 1.0, 1.0, 0.5]
    assert min(rates) == 0.25 or rates[-1] == 0.2
    with pytest.raises(ArgumentError, match="nan"):
        driver.step(float("nan"))
    with pytest.raises(ArgumentError, match="metric"):
        driver.step()


@pytest.mark.parametrize(("mode", "better", "worse"), [("min", 1.0, 3.0), ("max", 3.0, 1.0)])
def test_which_way_is_better(mode, better, worse):
    driver = optim.ReduceLROnPlateau(1.0, mode=mode, patience=0)
    for metric in (2.0, better):
        driver.step(metric)
    assert driver.get_last_lr() == [1.0]
    driver.step(worse)
    assert driver.get_last_lr() == pytest.approx([0.1])
