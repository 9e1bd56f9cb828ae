"""Products in bfloat16: the inputs of products are rounded, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import backlight
from backlight import nn, optim, philox
from backlight.errors import ArgumentError
from backlight.native.inspecting.truth import rounded


def normal(stream, *shape):
    return backlight.tensor(philox.normal(3, stream, shape, np.float32))


def test_a_product_is_that_of_the_rounded_numbers():
    a, b = normal(0, 33, 70), normal(1, 70, 29)
    found = backlight.compile(lambda x, y: x @ y, precision="bfloat16")(a, b).numpy()
    left, right = (rounded(x.numpy()).astype(np.float64) for x in (a, b))
    bound = np.abs(left) @ np.abs(right) * 4 * 2.0**-24
    assert (np.abs(found - left @ right) <= bound).all()
    assert np.abs(found - a.numpy() @ b.numpy()).max() > 1e-4  # it is not float32's product


def test_float64_is_left_alone():
    a, b = normal(0, 5, 6).double(), normal(1, 6, 7).double()
    found = backlight.compile(lambda x, y: x @ y, precision="bfloat16")(a, b).numpy()
    assert np.allclose(found, a.numpy() @ b.numpy(), rtol=1e-14)


@pytest.mark.parametrize("channels", [3, 16])
def test_a_training_step_passes_its_own_inspection(channels):
    backlight.manual_seed(0)
    layers = [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(16 * 16, 10))
    rule = optim.SGD(model.named_parameters(), lr=0.1, momentum=0.9)
    before = [p.detach().clone() for p in model.parameters()]

    @backlight.compile(precision="bfloat16", check=True)
    def step(x, y):
        loss = nn.functional.cross_entropy(model(x), y)
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss

    x, y = normal(5, 8, channels, 8, 8), backlight.arange(8) % 10
    losses = [step(x, y).item() for _ in range(5)]
    assert losses[-1] < losses[0]
    # Master weights are float32: small updates are not lost.
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert parameter.dtype == np.float32
        assert not np.array_equal(rounded(parameter.detach().numpy()), old.numpy())


def test_an_unknown_precision_is_refused():
    with pytest.raises(ArgumentError, match="bfloat16"):
        backlight.compile(lambda x: x, precision="half")


def test_convolutions_by_tiles_are_emulated_as_they_are_computed():
    x, w, b = normal(0, 4, 33, 9, 8), normal(1, 40, 33, 3, 3), normal(2, 40)
    found = backlight.compile(
        lambda x, w, b: backlight.conv2d(x, w, b, padding=1), precision="bfloat16", check=True
    )
    exact = backlight.conv2d(x.double(), w.double(), b.double(), padding=1).numpy()
    size = np.abs(exact).max()
    plain = backlight.compile(
        lambda x, w, b: backlight.conv2d(x, w, b, padding=1), precision="bfloat16", winograd=False
    )
    assert 1e-5 < np.abs(plain(x, w, b).numpy() - exact).max() / size < 2**-7
    assert 1e-5 < np.abs(found(x, w, b).numpy() - exact).max() / size < 2**-7
    rows = found.program.watch.last.rows
    assert all(row.ok for row in rows)
    assert abs(rows[0].error / rows[0].eager - 1) < 1e-2  # the same roundings, not similar ones
