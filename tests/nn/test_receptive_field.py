"""Receptive fields: followed through layers, branches and functions; told in the summary."""

import numpy as np
import pytest

import backlight
from backlight import nn
from backlight.gates import window
from backlight.nn.receptive_field import WHOLE, ReceptiveField, point


def last(model, size):
    return nn.summary(model, size).rows[-1].receptive_field


def reached(model, size):
    """The rectangle of inputs that move the output in the middle, by its gradient."""
    x = backlight.ones(*size, requires_grad=True)
    for p in model.parameters():
        nn.init.constant_(p, 1.0)
    y = model(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    rows, columns = np.nonzero(x.grad.numpy()[0, 0])
    return tuple(int(np.ptp(one)) + 1 for one in (rows, columns))


@pytest.mark.parametrize(
    ("layers", "size", "field"),
    [
        (
            [nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, (3, 5))],
            (1, 1, 21, 21),
            ReceptiveField((5, 7), (1, 1)),
        ),
        (
            [
                nn.Conv2d(1, 1, 3, stride=2, padding=1),
                nn.AvgPool2d(2),
                nn.Conv2d(1, 1, 3, dilation=2),
            ],
            (1, 1, 47, 47),
            ReceptiveField((21, 21), (4, 4)),
        ),
    ],
)
def test_the_field_is_what_the_gradient_reaches(layers, size, field):
    model = nn.Sequential(*layers)
    assert last(model, size) == field
    assert reached(model, size) == field.size


def test_through_branches_and_functions():
    class Residual(nn.Module):
        def __init__(self, shortcut):
            super().__init__()
            self.conv, self.shortcut = nn.Conv2d(2, 2, 3, padding=1), shortcut

        def forward(self, x):
            y = backlight.relu(self.conv(backlight.relu(x)))
            side = self.shortcut(x)
            return backlight.concatenate([y + side, side], axis=1)

    assert last(Residual(nn.Identity()), (1, 2, 8, 8)).size == (3, 3)
    assert last(Residual(nn.Conv2d(2, 2, 5, padding=2)), (1, 2, 8, 8)).size == (5, 5)

    class Gated(nn.Module):
        def forward(self, x):
            return x * backlight.mean(x, axis=(2, 3), keepdims=True)

    assert last(Gated(), (1, 2, 8, 8)) == WHOLE


def test_what_sees_all():
    for layer in (nn.Flatten(), nn.GlobalAveragePool(), nn.GroupNorm(1, 2)):
        assert last(nn.Sequential(nn.Conv2d(2, 2, 3), layer, nn.ReLU()), (1, 2, 6, 6)) == WHOLE
    assert WHOLE.through(window.read("conv2d", 3, rank=2)) == WHOLE
    assert last(nn.BatchNorm2d(2), (1, 2, 6, 6)) == point(2)


def test_the_table_tells_it_where_there_is_an_image():
    text = str(
        nn.summary(
            nn.Sequential(nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.Flatten(), nn.Linear(324, 2)),
            (1, 3, 17, 17),
        )
    )
    assert "5×5 every 2" in text
    assert "all" in text
    assert "sees" not in str(nn.summary(nn.Linear(3, 2), (1, 3)))
    assert last(nn.Conv1d(1, 1, 3), (1, 1, 9)) == ReceptiveField((3,), (1,))
