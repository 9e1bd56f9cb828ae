"""Winograd's convolution against the gates in float64: within 16 units of rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from backlight.native.contraction import convolution_passes
from backlight.native.contraction import winograd_passes as winograd
from backlight.native.contraction.geometry import Geometry
from backlight.native.inspecting.narrow import convolved
from backlight.native.machine_code import machine
from tests.native.contraction.test_convolution import TARGETS, Case, run

FLOOR = 16


def convolve(case: Case, target: Any, what: str, cuts: tuple[int, ...] = ()) -> Any:
    make = winograd.forward if what == "convolve" else winograd.by_data
    kernels = make(case.geometry, case.dtype, target)
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels, cuts=cuts)
    assert not np.isnan(panels).any()
    geometry = case.geometry
    if what == "convolve":
        x, shape = case.images(), (*geometry.windows, geometry.filters)
    else:
        margin = convolution_passes.upstream_padding(geometry, case.dtype, target)
        x, shape = case.padded(case.y, *margin), (*geometry.size, geometry.channels)
    y = case.array(geometry.images, *shape)
    run(kernels.run, x, panels, y, cuts=cuts)
    return y


def verify(case: Case, target: Any, what: str, cuts: tuple[int, ...] = ()) -> Any:
    got = convolve(case, target, what, cuts)
    exact, magnitude = case.exact(what), case.exact(what, magnitude=True)
    assert not np.isnan(got).any()
    # A transformed tile mixes its 16 inputs: its rounding is measured by the largest of them.
    unit = FLOOR * np.finfo(case.dtype).eps / 2
    assert np.max(np.abs(got - exact) - unit * magnitude, initial=0) <= 0
    return got


GEOMETRIES = {
    "even": Geometry(2, 32, 32, (8, 10), (3, 3), padding=(1, 1)),
    "odd": Geometry(3, 16, 48, (13, 13), (3, 3), padding=(1, 1)),
    "odd rows, no padding": Geometry(1, 18, 35, (7, 8), (3, 3)),
    "wide padding": Geometry(2, 17, 16, (3, 4), (3, 3), padding=(2, 2)),
    "least": Geometry(1, 16, 16, (2, 2), (3, 3), padding=(1, 1)),
    "several panels": Geometry(1, 40, 80, (6, 9), (3, 3), padding=(1, 0)),
}


@pytest.mark.parametrize("what", ["convolve", "by_data"])
@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("at_end", [True, False])
def test_winograd_is_the_convolution(name: str, what: str, at_end: bool) -> None:
    target = machine.named(TARGETS[0])
    assert winograd.suits(GEOMETRIES[name], np.float32, target)
    verify(Case(GEOMETRIES[name], np.float32, at_end=at_end), target, what)


@pytest.mark.parametrize("what", ["convolve", "by_data"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_instruction_set(target: str, what: str, dtype: Any) -> None:
    verify(Case(GEOMETRIES["odd rows, no padding"], dtype), machine.named(target), what)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.integers(1, 4),
    st.integers(16, 40),
    st.integers(16, 70),
    st.tuples(st.integers(2, 15), st.integers(2, 15)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from(["convolve", "by_data"]),
    st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_any_geometry(
    images: int,
    channels: int,
    filters: int,
    size: tuple[int, int],
    padding: tuple[int, int],
    what: str,
    cuts: tuple[int, int],
) -> None:
    size = tuple(max(one, 4 - 2 * p) for one, p in zip(size, padding, strict=True))  # type: ignore[assignment]
    geometry = Geometry(images, channels, filters, size, (3, 3), padding=padding)
    target = machine.named(TARGETS[0])
    assert winograd.suits(geometry, np.float32, target)
    case = Case(geometry, np.float32, 3)
    whole = verify(case, target, what)
    assert convolve(case, target, what, cuts).tobytes() == whole.tobytes()


def test_each_output_is_stored_once() -> None:
    """An epilogue that adds to what is there finds every place untouched, odd sizes included."""
    geometry, target = GEOMETRIES["odd"], machine.host()
    case = Case(geometry, np.float32)

    def adding(code: Any, number: Any, place: Any, mask: Any, extra: list[Any]) -> Any:
        n, h, w, o = place
        built, (height, width) = code.builder, geometry.windows
        at = built.add(built.mul(n, code.index(height)), h)
        at = built.add(built.mul(at, code.index(width)), w)
        at = built.add(built.mul(at, code.index(geometry.filters)), o)
        return number + code.load(extra[0], at, np.float32, number.lanes, mask)

    kernels = winograd.forward(
        geometry, np.float32, target, epilogue=adding, epilogue_key="add", extra=("held",)
    )
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels)
    y = case.array(geometry.images, *geometry.windows, geometry.filters, fill=100.0)
    run(kernels.run, case.images(), panels, y, y)
    np.testing.assert_allclose(y, case.exact("convolve") + 100, rtol=1e-4, atol=1e-4)


def test_no_images() -> None:
    geometry = Geometry(0, 32, 32, (8, 8), (3, 3), padding=(1, 1))
    assert convolve(Case(geometry, np.float32), machine.host(), "convolve").size == 0


def test_what_does_not_suit() -> None:
    target = machine.host()
    for geometry in (
        Geometry(2, 32, 32, (8, 8), (5, 5), padding=(2, 2)),
        Geometry(2, 32, 32, (8, 8), (3, 3), (2, 2), (1, 1)),
        Geometry(2, 32, 32, (8, 8), (3, 3), padding=(1, 1), groups=2),
        Geometry(2, 3, 32, (8, 8), (3, 3), padding=(1, 1)),
        Geometry(2, 32, 32, (3, 9), (3, 3)),
    ):
        assert not winograd.suits(geometry, np.float32, target)


def in_pairs(case: Case, target: Any, what: str) -> Any:
    """The kernels whose products are of pairs of bfloat16, and the same in NumPy."""
    geometry, make = case.geometry, winograd.forward if what == "convolve" else winograd.by_data
    kernels = make(geometry, case.dtype, target, pairs=True)
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels)
    if what == "convolve":
        x, weight = case.images(), case.weight
        shape = (*geometry.windows, geometry.filters)
    else:
        x = case.padded(case.y, *convolution_passes.upstream_padding(geometry, case.dtype, target))
        weight = case.weight[:, :, ::-1, ::-1].swapaxes(0, 1)
        shape = (*geometry.size, geometry.channels)
    y = case.array(geometry.images, *shape)
    run(kernels.run, x, panels, y)
    seen = np.moveaxis(np.asarray(x), 3, 1)[:, :, : shape[0] + 2, : shape[1] + 2]
    return y, np.moveaxis(convolved(seen, np.asarray(weight)), 1, 3)


@pytest.mark.parametrize("what", ["convolve", "by_data"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_pairs_of_bfloat16(name: str, what: str) -> None:
    case = Case(GEOMETRIES[name], np.float32)
    found, wanted = in_pairs(case, machine.host(), what)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    exact = case.exact(what)
    assert np.abs(found - exact).max() <= 2**-7 * case.exact(what, magnitude=True).max()


@pytest.mark.parametrize("target", TARGETS)
def test_pairs_on_each_instruction_set(target: str) -> None:
    case = Case(GEOMETRIES["odd rows, no padding"], np.float32)
    found, wanted = in_pairs(case, machine.named(target), "convolve")
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
