"""The convolution kernels against the gates in float64, on arrays with guard pages around them."""

from __future__ import annotations

import ctypes
import itertools
import mmap
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from llvmlite import ir

from backlight.gates.convolution import conv2d
from backlight.gates.convolution_gradient import conv2d_by_data, conv2d_by_weight
from backlight.native.contraction.convolution_passes import (
    by_data,
    by_weight,
    forward,
    upstream_padding,
)
from backlight.native.contraction.geometry import Geometry, dense
from backlight.native.machine_code import build, machine

PAGE = mmap.PAGESIZE
KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
BOUND = {"convolve": 4, "by_data": 4, "by_weight": 6}
NEEDS = {"avx512": "avx512vl", "avx2": "avx2", "sse": "sse4.2"}


def targets() -> list[str]:
    """Instruction sets that this processor runs."""
    found = machine.binding().get_host_cpu_features()
    return [name for name, feature in NEEDS.items() if found.get(feature)]


TARGETS = targets()
_LIBC = ctypes.CDLL(None)
_KEPT: dict[Any, Any] = {}


def guarded(shape: tuple[int, ...], dtype: Any, *, at_end: bool, fill: float = np.nan) -> Any:
    """An array that begins, or ends, where memory may no longer be touched."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-size // PAGE) + 2
    room = mmap.mmap(-1, pages * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for page in (0, pages - 1):
        assert _LIBC.mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, 0) == 0
    offset = (pages - 1) * PAGE - size if at_end else PAGE
    array = np.frombuffer(room, dtype, int(np.prod(shape)), offset).reshape(shape)
    array.flags.writeable = True
    array[...] = fill
    return array


def compiled(kernel: Any) -> Any:
    if kernel.key not in _KEPT:
        module = ir.Module()
        kernel.emit(module, "kernel", kernel.target)
        library = build.load([build.compile_object(str(module), kernel.target)])
        _KEPT[kernel.key] = library
    return KERNEL(_KEPT[kernel.key].address("kernel"))


def run(kernel: Any, *arrays: Any, cuts: tuple[int, ...] = ()) -> None:
    """All chunks of a kernel, in as many calls as the cuts make."""
    function = compiled(kernel)
    operands = (ctypes.c_void_p * len(arrays))(
        *(one if isinstance(one, int) else one.ctypes.data for one in arrays)
    )
    borders = [0, *sorted(cut % (kernel.chunks + 1) for cut in cuts), kernel.chunks]
    # Last part first: no chunk may depend on an earlier one.
    for begin, end in reversed(list(itertools.pairwise(borders))):
        function(ctypes.addressof(operands), begin, end)


def last(array: Any) -> Any:
    return np.moveaxis(array, 1, -1)


class Case:
    """Random images, filters and upstream gradient of a geometry."""

    def __init__(
        self, geometry: Geometry, dtype: Any, seed: int = 0, *, at_end: bool = True
    ) -> None:
        random = np.random.default_rng(seed)
        g = geometry
        self.geometry, self.dtype, self.at_end = g, np.dtype(dtype), at_end

        def draw(*shape: int) -> Any:
            return random.standard_normal(shape).astype(dtype)

        self.x = draw(g.images, g.channels, *g.size)
        self.weight = guarded((g.filters, g.inside, *g.kernel), dtype, at_end=at_end)
        self.weight[...] = draw(*self.weight.shape)
        self.y = draw(g.images, g.filters, *g.windows)
        self.settings = {
            "stride": g.stride,
            "padding": g.padding,
            "dilation": g.dilation,
            "groups": g.groups,
        }

    def array(self, *shape: int, fill: float = np.nan) -> Any:
        return guarded(shape, self.dtype, at_end=self.at_end, fill=fill)

    def padded(self, array: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Any:
        """Channels last, with zeros around."""
        n, c, h, w = array.shape
        found = self.array(n, h + sum(rows), w + sum(columns), c, fill=0)
        found[:, rows[0] : rows[0] + h, columns[0] : columns[0] + w] = last(array)
        return found

    def images(self) -> Any:
        (p, q) = self.geometry.padding
        return self.padded(self.x, (p, p), (q, q))

    def exact(self, what: str, *, magnitude: bool = False) -> Any:
        """The gate's answer in float64, channels last; or the same of all absolute values."""
        x, weight, y = (
            np.abs(one.astype(np.float64)) if magnitude else one.astype(np.float64)
            for one in (self.x, self.weight, self.y)
        )
        g = self.geometry
        if what == "convolve":
            return last(conv2d(x, weight, rounding="floor", **self.settings))
        if what == "by_data":
            return last(conv2d_by_data(y, weight, size=g.size, **self.settings))
        return conv2d_by_weight(y, x, kernel_size=g.kernel, **self.settings)

    def check(self, what: str, got: Any) -> None:
        exact, magnitude = self.exact(what), self.exact(what, magnitude=True)
        unit = np.finfo(self.dtype).eps / 2
        # The float64 reference is itself rounded.
        bound = BOUND[what] * unit * (1 if self.dtype == np.float32 else 2)
        assert not np.isnan(got).any()
        error = np.abs(got.astype(np.float64) - exact)
        worst = np.max(error - bound * magnitude, initial=0)
        assert worst <= 0, f"{np.max(error / np.maximum(magnitude, 1e-30)) / unit:.1f} u"


def convolve(case: Case, target: Any, cuts: tuple[int, ...] = ()) -> Any:
    kernels = forward(case.geometry, case.dtype, target)
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels, cuts=cuts)
    assert not np.isnan(panels).any()
    y = case.array(case.geometry.images, *case.geometry.windows, case.geometry.filters)
    run(kernels.run, case.images(), panels, y, cuts=cuts)
    return y


def convolve_by_data(case: Case, target: Any, cuts: tuple[int, ...] = ()) -> Any:
    kernels = by_data(case.geometry, case.dtype, target)
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels, cuts=cuts)
    assert not np.isnan(panels).any()
    upstream = case.padded(case.y, *upstream_padding(case.geometry, case.dtype, target))
    x = case.array(case.geometry.images, *case.geometry.size, case.geometry.channels)
    run(kernels.run, upstream, panels, x, cuts=cuts)
    return x


def convolve_by_weight(case: Case, target: Any, cuts: tuple[int, ...] = ()) -> Any:
    kernel, total = by_weight(case.geometry, case.dtype, target)
    upstream = case.padded(case.y, (0, 0), (0, 0))
    gradient = case.array(*kernel.shape)
    if total is None:
        run(kernel, case.images(), upstream, gradient, cuts=cuts)
    else:
        partials = case.array(kernel.scratch)
        run(kernel, case.images(), upstream, partials, cuts=cuts)
        run(total, partials, gradient, cuts=cuts)
    return gradient


def as_parameter(geometry: Geometry, gradient: Any) -> Any:
    shape = (geometry.filters, geometry.inside, *geometry.kernel)
    return gradient.transpose(0, 4, 3, 1, 2).reshape(shape)


PASSES = {"convolve": convolve, "by_data": convolve_by_data, "by_weight": convolve_by_weight}


def verify(case: Case, target: Any, what: str, cuts: tuple[int, ...] = ()) -> Any:
    got = PASSES[what](case, target, cuts)
    case.check(what, as_parameter(case.geometry, got) if what == "by_weight" else got)
    return got


GEOMETRIES = {
    "plain": Geometry(2, 32, 32, (9, 8), (3, 3), padding=(1, 1)),
    "first layer": Geometry(3, 3, 20, (11, 10), (3, 3), padding=(1, 1)),
    "alexnet, small": Geometry(1, 3, 24, (31, 31), (11, 11), (4, 4)),
    "masked filters": Geometry(2, 5, 37, (6, 7), (3, 2), padding=(1, 0)),
    "strided": Geometry(2, 4, 18, (9, 10), (3, 3), (2, 2), (1, 1)),
    "stride above the kernel": Geometry(1, 3, 5, (11, 11), (2, 2), (3, 3)),
    "dilated": Geometry(2, 6, 9, (12, 11), (3, 3), (1, 1), (2, 2), (2, 2)),
    "stride and dilation": Geometry(1, 2, 7, (17, 16), (3, 4), (2, 3), (3, 1), (4, 2)),
    "grouped": Geometry(2, 12, 8, (7, 7), (3, 3), (2, 1), (1, 1), groups=4),
    "wide groups": Geometry(1, 70, 40, (5, 6), (3, 3), padding=(1, 1), groups=2),
    "pointwise": Geometry(3, 17, 33, (4, 4), (1, 1)),
    "sequence": Geometry(2, 9, 16, (1, 23), (1, 5), padding=(0, 2)),
    "much padding": Geometry(1, 3, 4, (4, 4), (2, 2), padding=(3, 2)),
    "rows that are not seen": Geometry(2, 4, 6, (8, 9), (3, 3), (3, 4)),
    "one filter": Geometry(1, 8, 1, (6, 30), (3, 3), padding=(1, 1)),
    "depthwise": Geometry(2, 37, 37, (7, 8), (3, 3), padding=(1, 1), groups=37),
    "depthwise, strided": Geometry(2, 32, 32, (9, 9), (5, 3), (2, 2), (2, 1), groups=32),
    "depthwise, twice": Geometry(2, 11, 22, (5, 6), (3, 3), (2, 1), (1, 1), groups=11),
    "depthwise, thrice": Geometry(1, 7, 21, (5, 6), (2, 9), padding=(1, 4), groups=7),
    "depthwise, five times": Geometry(1, 3, 15, (5, 6), (2, 2), groups=3),
    "one pixel": Geometry(5, 40, 24, (1, 1), (3, 3), padding=(1, 1)),
}


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_each_pass_is_the_gates(name: str, what: str) -> None:
    for at_end in (True, False):
        case = Case(GEOMETRIES[name], np.float32, at_end=at_end)
        verify(case, machine.named(TARGETS[0]), what)


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["masked filters", "stride and dilation", "depthwise, twice"])
def test_each_instruction_set_in_float64(name: str, target: str, what: str) -> None:
    verify(Case(GEOMETRIES[name], np.float64), machine.named(target), what)


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize("target", TARGETS[1:])
@pytest.mark.parametrize("name", ["first layer", "grouped", "depthwise"])
def test_narrower_instruction_sets_in_float32(name: str, target: str, what: str) -> None:
    verify(Case(GEOMETRIES[name], np.float32), machine.named(target), what)


@st.composite
def geometries(draw: Any) -> Geometry:
    def pair(least: int, most: int) -> tuple[int, int]:
        return draw(st.integers(least, most)), draw(st.integers(least, most))

    kernel, stride, dilation = pair(1, 4), pair(1, 3), pair(1, 3)
    extent = [d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True)]
    padding = pair(0, 3)
    size = tuple(
        max(1, e - 2 * p) + draw(st.integers(0, 9)) for e, p in zip(extent, padding, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = groups * draw(st.integers(1, 19))
    filters = groups * draw(st.integers(1, 40))
    if draw(st.integers(0, 4)) == 0:
        groups, filters = channels, channels * draw(st.integers(1, 3))
    return Geometry(
        draw(st.integers(1, 3)), channels, filters, size, kernel, stride, padding, dilation, groups
    )


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    geometries(),
    st.sampled_from(list(PASSES)),
    st.sampled_from(TARGETS),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_any_geometry(
    geometry: Geometry, what: str, target: str, dtype: Any, at_end: bool, cuts: tuple[int, int]
) -> None:
    _KEPT.clear()
    case = Case(geometry, dtype, 1, at_end=at_end)
    whole = verify(case, machine.named(target), what)
    parts = PASSES[what](case, machine.named(target), cuts)
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("what", PASSES)
def test_any_split_into_chunks_gives_the_same_bits(what: str) -> None:
    case = Case(GEOMETRIES["plain"], np.float32)
    target = machine.named(TARGETS[0])
    whole = PASSES[what](case, target)
    for cuts in [(1,), (2, 3), tuple(range(1, 40)), (0, 0, 5)]:
        assert PASSES[what](case, target, cuts).tobytes() == whole.tobytes()


def test_output_goes_straight_into_a_larger_array_and_nowhere_else() -> None:
    geometry = GEOMETRIES["masked filters"]
    case, target = Case(geometry, np.float32), machine.host()
    height, width = geometry.windows
    strides = dense(height + 4, width + 6, geometry.filters + 3)
    kernels = forward(geometry, np.float32, target, y_strides=strides)
    panels = case.array(kernels.scratch)
    run(kernels.pack, case.weight, panels)
    room = case.array(geometry.images, height + 4, width + 6, geometry.filters + 3, fill=7.0)
    inside = room[:, 2 : 2 + height, 3 : 3 + width, : geometry.filters]
    run(kernels.run, case.images(), panels, inside.ctypes.data)
    case.check("convolve", inside)
    inside[...] = 7.0
    assert (room == 7.0).all()


@pytest.mark.parametrize("name", ["masked filters", "depthwise", "first layer"])
def test_epilogue_knows_where_it_is(name: str) -> None:
    geometry, target = GEOMETRIES[name], machine.host()
    case = Case(geometry, np.float32)
    seen = []

    def ending(code: Any, number: Any, place: Any, mask: Any, extra: list[Any]) -> Any:
        n, h, w, o = place
        bias = code.load(extra[0], o, np.float32, number.lanes, mask)
        height, width = geometry.windows
        built, filters = code.builder, geometry.filters
        row = built.add(built.mul(n, code.index(height)), h)
        at = built.add(built.mul(row, code.index(width)), w)
        at = built.add(built.mul(at, code.index(filters)), o)
        residual = code.load(extra[1], at, np.float32, number.lanes, mask)
        seen.append(mask)
        total = number + bias + residual
        return code.select(total > 0.0, total, 0.0)

    kernels = forward(
        geometry,
        np.float32,
        target,
        epilogue=ending,
        epilogue_key="bias, residual, relu",
        extra=("bias", "residual"),
    )
    assert kernels.run.operands == ("x", "panels", "y", "bias", "residual")
    panels, bias = case.array(kernels.scratch), case.array(geometry.filters)
    bias[...] = np.arange(geometry.filters) - 10
    residual = case.padded(case.y, (0, 0), (0, 0))
    run(kernels.pack, case.weight, panels)
    got = case.array(*residual.shape)
    run(kernels.run, case.images(), panels, got, bias, residual)
    exact = np.maximum(case.exact("convolve") + bias + residual, 0)
    assert seen
    np.testing.assert_allclose(got, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("what", PASSES)
@pytest.mark.parametrize(
    "geometry", [Geometry(0, 5, 7, (6, 6), (3, 3)), Geometry(2, 5, 7, (2, 6), (3, 3))]
)
def test_nothing_is_computed_of_nothing(geometry: Geometry, what: str) -> None:
    got = PASSES[what](Case(geometry, np.float32), machine.host())
    assert (got == 0).all()


def test_a_wrong_weight_is_noticed() -> None:
    case, target = Case(GEOMETRIES["plain"], np.float32), machine.host()
    got = convolve(case, target)
    case.weight[5, 3, 1, 1] += 0.01
    with pytest.raises(AssertionError, match=r" u"):
        case.check("convolve", got)


@pytest.mark.parametrize("what", ["convolve", "by_weight"])
def test_code_for_arm_is_written(what: str) -> None:
    target, geometry = machine.named("neon"), GEOMETRIES["plain"]
    module = ir.Module()
    if what == "convolve":
        forward(geometry, np.float32, target).run.emit(module, "kernel", target)
    else:
        by_weight(geometry, np.float32, target)[0].emit(module, "kernel", target)
    assert "fmla" in build.assembly(str(module), target)


def test_keys_tell_kernels_apart() -> None:
    target = machine.host()
    keys = set()
    for geometry in GEOMETRIES.values():
        for dtype in (np.float32, np.float64):
            there, back = forward(geometry, dtype, target), by_data(geometry, dtype, target)
            keys |= {there.run.key, there.pack.key, back.run.key, back.pack.key}
            keys.add(by_weight(geometry, dtype, target)[0].key)
    assert len(keys) == 5 * 2 * len(GEOMETRIES)
    again = forward(GEOMETRIES["plain"], np.float64, target)
    assert again.run.key in keys


def test_large_sums_stay_within_their_floor() -> None:
    geometry = Geometry(64, 4, 16, (32, 32), (3, 3), padding=(1, 1))
    verify(Case(geometry, np.float32), machine.host(), "by_weight")
