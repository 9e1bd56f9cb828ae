"""The schedules by PyTorch's module name, and the two that are there for its sake."""

import pytest

from backlight import optim
from backlight.engine.tensor import Tensor
from backlight.errors import ArgumentError
from backlight.optim.lr_scheduler import LinearLR, MultiStepLR, StepLR


def test_names():
    assert StepLR is optim.StepLR
    for name in optim.lr_scheduler.__all__:
        assert getattr(optim, name) is getattr(optim.lr_scheduler, name)


def test_milestones_drive_an_optimiser():
    optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    schedule = MultiStepLR(optimizer, [3, 1, 3], gamma=0.5)
    rates = []
    for _ in range(5):
        rates.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    assert rates == [1.0, 0.5, 0.5, 0.125, 0.125]


def test_a_line():
    schedule = LinearLR(2.0, start_factor=0.25, end_factor=0.75, total_iters=2)
    assert [schedule(step) for step in range(4)] == [0.5, 1.0, 1.5, 1.5]


def test_refusals():
    for make in (
        lambda: MultiStepLR(1.0, [-1]),
        lambda: MultiStepLR(1.0, [0.5]),
        lambda: MultiStepLR(1.0, [1], gamma=0.0),
        lambda: LinearLR(1.0, total_iters=0),
        lambda: LinearLR(1.0, start_factor=2.0),
    ):
        with pytest.raises(ArgumentError):
            make()
