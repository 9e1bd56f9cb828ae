"""Convolutions of bfloat16 pairs against the gates on the rounded inputs in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from backlight.native.contraction.convolution_pairs import PairChannels, PairPixels, pixel_pairs
from backlight.native.contraction.convolution_passes import (
    by_data,
    by_weight,
    forward,
    has_pairs,
    upstream_padding,
)
from backlight.native.contraction.geometry import Geometry, dense
from backlight.native.machine_code import machine
from tests.native.contraction.test_convolution import GEOMETRIES, TARGETS, Case, as_parameter, run

WORDS = np.dtype(np.int32)
PAIRED = [name for name, geometry in GEOMETRIES.items() if has_pairs(geometry)]


def rounded(array: Any) -> Any:
    """To the nearest bfloat16, ties to even."""
    bits = array.view(np.uint32)
    return ((bits + ((bits >> 16) & 1) + 0x7FFF) & 0xFFFF0000).astype(np.uint32).view(np.float32)


class Rounded(Case):
    """A case whose exact answer is that of the rounded inputs."""

    def exact(self, what: str, *, magnitude: bool = False) -> Any:
        kept = self.x, self.weight, self.y
        self.x, self.weight, self.y = (rounded(np.ascontiguousarray(one)) for one in kept)
        try:
            return super().exact(what, magnitude=magnitude)
        finally:
            self.x, self.weight, self.y = kept

    def words(self, *shape: int) -> Any:
        whole = self.array(*shape, fill=0)
        return whole.view(WORDS)


def channel_pairs(case: Rounded, array: Any, target: Any) -> Any:
    n, h, w, c = array.shape
    kernel = PairChannels(n, (h, w), c, dense(h, w, c), target)
    words = case.words(n, h, w, kernel.words)
    assert words.size == kernel.size_in_words
    words[...] = -1
    run(kernel, array, words)
    return words


def convolve(case: Rounded, target: Any) -> Any:
    g = case.geometry
    kernels = forward(g, np.float32, target, pairs=True)
    panels = case.words(kernels.scratch)
    run(kernels.pack, case.weight, panels)
    y = case.array(g.images, *g.windows, g.filters)
    run(kernels.run, channel_pairs(case, case.images(), target), panels, y)
    return y


def convolve_by_data(case: Rounded, target: Any) -> Any:
    g = case.geometry
    kernels = by_data(g, np.float32, target, pairs=True)
    panels = case.words(kernels.scratch)
    run(kernels.pack, case.weight, panels)
    upstream = case.padded(case.y, *upstream_padding(g, np.float32, target))
    x = case.array(g.images, *g.size, g.channels)
    run(kernels.run, channel_pairs(case, upstream, target), panels, x)
    return x


def convolve_by_weight(case: Rounded, target: Any) -> Any:
    g = case.geometry
    of_x, of_y = pixel_pairs(g, target)
    x = case.words(g.images, *g.padded, g.channels)
    y = case.words(g.images, g.windows[0], of_y.columns, g.filters)
    assert (x.size, y.size) == (of_x.size_in_words, of_y.size_in_words)
    run(of_x, case.images(), x)
    run(of_y, case.padded(case.y, (0, 0), (0, 0)), y)
    kernel, total = by_weight(g, np.float32, target, pairs=True)
    gradient = case.array(*kernel.shape)
    if total is None:
        run(kernel, x, y, gradient)
    else:
        partials = case.array(kernel.scratch)
        run(kernel, x, y, partials)
        run(total, partials, gradient)
    return as_parameter(g, gradient)


PASSES = {"convolve": convolve, "by_data": convolve_by_data, "by_weight": convolve_by_weight}


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("name", PAIRED)
def test_pairs_are_the_convolution_of_rounded_numbers(name: str, what: str) -> None:
    case = Rounded(GEOMETRIES[name], np.float32)
    case.check(what, PASSES[what](case, machine.host()))


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("target", TARGETS)
def test_processors_without_the_instruction_compute_the_same(target: str, what: str) -> None:
    case = Rounded(GEOMETRIES["masked filters"], np.float32, at_end=False)
    case.check(what, PASSES[what](case, machine.named(target)))


def test_pairs_of_channels_are_neighbouring_halves() -> None:
    array = np.arange(1, 2 * 3 * 5 * 7 + 1, dtype=np.float32).reshape(2, 3, 5, 7) / 7
    case = Rounded(GEOMETRIES["plain"], np.float32)
    words = channel_pairs(case, array, machine.host())
    upper = (words & -0x10000).view(np.float32)
    lower = (words << 16).view(np.float32)
    assert (lower == rounded(array)[..., 0::2]).all()
    assert (upper[..., :3] == rounded(array)[..., 1::2]).all()
    assert (upper[..., 3] == 0).all()


@pytest.mark.parametrize(("advance", "apart"), [(1, 1), (1, 3), (2, 1), (1, 9)])
def test_pairs_of_pixels(advance: int, apart: int) -> None:
    array = np.arange(1, 2 * 3 * 5 * 20 + 1, dtype=np.float32).reshape(2, 3, 5, 20) / 7
    case = Rounded(GEOMETRIES["plain"], np.float32)
    kernel = PairPixels(2, (3, 5), 20, dense(3, 5, 20), advance, apart, machine.host())
    words = case.words(2, 3, kernel.columns, 20)
    run(kernel, np.ascontiguousarray(array), words)
    padded = np.concatenate([rounded(array), np.zeros((2, 3, apart, 20), np.float32)], 2)
    assert ((words << 16).view(np.float32) == padded[:, :, :5:advance]).all()
    partner = padded[:, :, apart : apart + 5 : advance]
    assert ((words & -0x10000).view(np.float32) == partner).all()


def test_which_have_pairs() -> None:
    assert not has_pairs(Geometry(1, 6, 6, (5, 5), (3, 3), groups=2))
    assert not has_pairs(Geometry(1, 6, 6, (5, 5), (3, 3), groups=6))
    assert has_pairs(Geometry(1, 4, 8, (5, 5), (3, 3), groups=2))
