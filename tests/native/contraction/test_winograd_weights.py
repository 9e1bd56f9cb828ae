"""The gradient by the weights from transformed tiles, against the gate in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import backlight
from backlight.native.contraction import winograd_weights
from backlight.native.contraction.geometry import Geometry

FLOOR = 16


def arrays(images: int, channels: int, filters: int, size: Any, padding: Any, dtype: Any) -> Any:
    random = np.random.default_rng(5)
    windows = [n + 2 * p - 2 for n, p in zip(size, padding, strict=True)]
    x = random.standard_normal((images, channels, *size)).astype(dtype)
    y = random.standard_normal((images, filters, *windows)).astype(dtype)
    return y, x


def program(padding: Any, **options: Any) -> Any:
    return backlight.compile(
        lambda y, x: backlight.conv2d_by_weight(y, x, kernel_size=3, padding=padding), **options
    )


@pytest.mark.parametrize(
    ("images", "channels", "filters", "size", "padding"),
    [
        (2, 128, 130, (6, 8), (1, 1)),
        (3, 129, 160, (3, 7), (1, 1)),
        (1, 200, 128, (2, 2), (2, 1)),
        (2, 128, 128, (5, 4), (0, 0)),
        (2, 130, 128, (1, 3), (2, 1)),
    ],
)
def test_it_is_the_gradient(images, channels, filters, size, padding):
    y, x = arrays(images, channels, filters, size, padding, np.float32)
    compiled = program(padding, threads=1)
    found = compiled(y, x).numpy()
    assert any("tiles of the gradient" in call.label for call in compiled.program.program.calls)
    wide = [one.astype(np.float64) for one in (y, x)]
    settings = {"kernel_size": 3, "padding": padding}
    exact = backlight.conv2d_by_weight(*wide, **settings)
    magnitude = backlight.conv2d_by_weight(*map(np.abs, wide), **settings)
    # A transformed tile mixes its 16 inputs: its rounding is measured by the largest of them.
    bound = FLOOR * np.finfo(np.float32).eps / 2 * np.maximum(magnitude, magnitude.max() / 4)
    assert (np.abs(found - exact) <= bound).all()


@pytest.mark.parametrize("target", ["avx2", "sse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_instruction_set(target, dtype):
    y, x = arrays(1, 130, 129, (5, 4), (1, 1), dtype)
    found = program(1, target=target, threads=1)(y, x).numpy()
    exact = backlight.conv2d_by_weight(y.astype(float), x.astype(float), kernel_size=3, padding=1)
    assert np.abs(found - exact).max() <= FLOOR * np.finfo(dtype).eps * np.abs(exact).max()


def test_the_same_bits_on_any_number_of_threads():
    y, x = arrays(4, 128, 160, (13, 13), (1, 1), np.float32)
    wanted = program(1, threads=1)(y, x).numpy().tobytes()
    for threads in (2, 3):
        assert program(1, threads=threads)(y, x).numpy().tobytes() == wanted


def test_it_may_be_forbidden():
    y, x = arrays(1, 128, 128, (5, 5), (1, 1), np.float32)
    compiled = program(1, threads=1, winograd=False)
    compiled(y, x)
    assert not any("tiles" in call.label for call in compiled.program.program.calls)


def test_what_does_not_suit():
    fine = Geometry(2, 128, 128, (8, 8), (3, 3), padding=(1, 1))
    assert winograd_weights.suits(fine, np.float32)
    for geometry in (
        Geometry(2, 128, 128, (8, 8), (5, 5), padding=(2, 2)),
        Geometry(2, 128, 128, (8, 8), (3, 3), (2, 2), (1, 1)),
        Geometry(2, 128, 128, (8, 8), (3, 3), padding=(1, 1), dilation=(2, 2)),
        Geometry(2, 128, 128, (8, 8), (3, 3), padding=(1, 1), groups=2),
        Geometry(2, 64, 128, (8, 8), (3, 3), padding=(1, 1)),
        Geometry(2, 128, 128, (3, 9), (3, 3)),
        Geometry(0, 128, 128, (8, 8), (3, 3)),
        Geometry(512, 128, 128, (64, 64), (3, 3), padding=(1, 1)),  # too much memory
    ):
        assert not winograd_weights.suits(geometry, np.float32)
