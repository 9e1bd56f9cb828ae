"""The passes of a convolution as kernels: forward, and the gradient by the data.

Each comes with the kernel that packs its filters. A gradient by the data is, for every residue of
the stride, a convolution of the upstream gradient with some of the taps, run backwards; each writes
its own share of the gradient, so that nothing is added twice or cleared first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backlight.native.contraction.convolution import Correlation, Epilogue, Phase
from backlight.native.contraction.convolution_weights import ByWeight, SumPartials
from backlight.native.contraction.depthwise import (
    Channels,
    Depthwise,
    DepthwiseByWeight,
    is_depthwise,
)
from backlight.native.contraction.geometry import Geometry, Pair, Strides, dense
from backlight.native.contraction.packed_filters import PackFilters, Panel
from backlight.native.contraction.patches import widest
from backlight.native.contraction.residues import residues, side_by_side
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]


@dataclass(frozen=True)
class Pass:
    """A convolution kernel, and the kernel that packs its filters (operands weight, panels)."""

    pack: PackFilters
    run: Correlation

    @property
    def scratch(self) -> int:
        """Elements of the packed filters."""
        return self.pack.size


def forward(
    geometry: Geometry,
    dtype: Any,
    target: Target,
    x_strides: Strides | None = None,
    y_strides: Strides | None = None,
    epilogue: Epilogue | None = None,
    epilogue_key: Any = None,
    extra: tuple[str, ...] = (),
    *,
    pairs: bool = False,
) -> Pass:
    """The convolution of padded images (N, H+2P, W+2P, C), giving (N, H', W', O).

    Parameters
    ----------
    geometry : Geometry
    dtype : float32 or float64
    target : Target
    x_strides, y_strides : (image, row, pixel), optional
        Elements; row-major without gaps if not given. Channels are neighbours. `x` is the address
        of the corner of the padding, `y` that of the first output.
    epilogue, epilogue_key, extra : see `Correlation`
    pairs : bool
        Whether images come as pairs of channels in bfloat16 (`convolution_pairs`), and are then
        measured in words; see `has_pairs`.
    """
    words = -(-geometry.channels // 2) if pairs else geometry.channels
    x_strides = x_strides or dense(*geometry.padded, words)
    y_strides = y_strides or dense(*geometry.windows, geometry.filters)
    panel = Panel(0, geometry.kernel)
    phase = Phase(
        geometry.windows,
        0,
        _times(geometry.stride, x_strides),
        _times(geometry.dilation, x_strides),
        0,
        (y_strides[1], y_strides[2]),
        (0, 0),
        (1, 1),
        panel,
    )
    if epilogue is None:
        phase = _neighbours(geometry, np.dtype(dtype), target, phase, y_strides)
    return _pass(
        "convolution",
        geometry,
        np.dtype(dtype),
        target,
        (phase,),
        (geometry.inside, geometry.outside),
        (x_strides[0], y_strides[0]),
        (epilogue, epilogue_key, extra, pairs),
    )


def has_pairs(geometry: Geometry) -> bool:
    """Whether there are bfloat16 kernels for it: no pair of channels may straddle two groups."""
    even = geometry.inside % 2 == geometry.outside % 2 == 0
    return (even or geometry.groups == 1) and not is_depthwise(geometry)


def upstream_padding(geometry: Geometry, dtype: Any, target: Target) -> tuple[Pair, Pair]:
    """Zeros that `by_data` needs around the upstream gradient: (top, bottom), (left, right)."""
    found = []
    for axis in range(2):
        runs = residues(geometry, axis)
        if axis == 1:
            runs = runs + side_by_side(geometry, np.dtype(dtype), target)
        seen = [one for one in runs if one.taps and one.count]
        before = max((-one.first for one in seen), default=0)
        after = max((one.last - (geometry.windows[axis] - 1) for one in seen), default=0)
        found.append((max(0, before), max(0, after)))
    return found[0], found[1]


def by_data(
    geometry: Geometry,
    dtype: Any,
    target: Target,
    y_strides: Strides | None = None,
    x_strides: Strides | None = None,
    epilogue: Epilogue | None = None,
    epilogue_key: Any = None,
    extra: tuple[str, ...] = (),
    *,
    pairs: bool = False,
) -> Pass:
    """The gradient (N, H, W, C) of a convolution by its data, from that by its output.

    The kernel's operand `x` is the corner of the upstream gradient, padded as `upstream_padding`
    says; `y` is the first element of the gradient, whose strides are `x_strides` (row-major
    without gaps if not given). The settings are those of `forward`.
    """
    kind = np.dtype(dtype)
    (top, bottom), (left, right) = upstream_padding(geometry, kind, target)
    height, width = geometry.windows
    words = -(-geometry.filters // 2) if pairs else geometry.filters
    y_strides = y_strides or dense(top + height + bottom, left + width + right, words)
    x_strides = x_strides or dense(*geometry.size, geometry.channels)
    columns = residues(geometry, 1)
    if epilogue is None and x_strides[2] == geometry.channels:
        columns = side_by_side(geometry, kind, target) or columns
    phases = []
    for row in residues(geometry, 0):
        for column in columns:
            taps = (row.taps, column.taps)
            corner = (row.first + top) * y_strides[1] + (column.first + left) * y_strides[2]
            several = len(column.shifts) > 1
            phases.append(
                Phase(
                    (row.count, column.count),
                    corner if 0 not in taps else 0,
                    (row.advance * y_strides[1], column.advance * y_strides[2]),
                    (row.apart * y_strides[1], column.apart * y_strides[2]),
                    row.place * x_strides[1] + column.place * x_strides[2],
                    (row.step * x_strides[1], column.step * x_strides[2]),
                    (row.place, column.place),
                    (row.step, column.step),
                    Panel(
                        0,
                        taps,
                        (row.tap, column.tap),
                        (row.tap_step, column.tap_step),
                        column.shifts,
                    ),
                    geometry.size[1] if several else 0,
                )
            )
    return _pass(
        "convolution by data",
        geometry,
        kind,
        target,
        tuple(phases),
        (geometry.outside, geometry.inside),
        (y_strides[0], x_strides[0]),
        (epilogue, epilogue_key, extra, pairs),
    )


def by_weight(
    geometry: Geometry,
    dtype: Any,
    target: Target,
    x_strides: Strides | None = None,
    y_strides: Strides | None = None,
    *,
    pairs: bool = False,
) -> tuple[ByWeight, SumPartials | None]:
    """The gradient by the weights, and the kernel that sums its parts where there are several.

    Strides are (image, row, pixel) in elements, row-major without gaps if not given: `x` with its
    padding, `dy` without. The gradient has the kernel's `shape`: (groups, kh, kw, C/groups,
    O/groups), or (1, kh, kw, 1, O) of a depthwise convolution. Either, its axes in the order
    0, 4, 3, 1, 2, is the parameter's (O, C/groups, kh, kw). With `pairs`, both arrays are words:
    pairs of pixels in bfloat16, as `convolution_pairs.pixel_pairs` makes them.
    """
    kind = np.dtype(dtype)
    height, width = geometry.windows
    x_strides = x_strides or dense(*geometry.padded, geometry.channels)
    y_strides = y_strides or dense(height, -(-width // 2) if pairs else width, geometry.filters)
    made = DepthwiseByWeight if is_depthwise(geometry) else ByWeight
    run = made(geometry, kind, target, x_strides, y_strides, pairs)
    if run.parts == 1:
        return run, None
    return run, SumPartials(run.parts, run.size, kind, target)


def _neighbours(
    geometry: Geometry, dtype: DType, target: Target, phase: Phase, y_strides: Strides
) -> Phase:
    """Few filters leave lanes empty: fill them with those of neighbouring output places."""
    lanes, wide = target.lanes(dtype.itemsize), geometry.windows[1]
    plain = geometry.stride[1] == geometry.dilation[1] == geometry.groups == 1
    if not plain or y_strides[2] != geometry.filters:
        return phase
    taps = geometry.kernel[1]

    def cost(several: int) -> float:
        vectors = -(-several * geometry.filters // lanes)
        return vectors * (taps + several - 1) / several

    fitting = [m for m in range(1, wide + 1) if wide % m == 0 and m * geometry.filters <= 2 * lanes]
    best = min(fitting, key=cost, default=1)
    if best == 1:
        return phase
    panel = Panel(0, (geometry.kernel[0], taps + best - 1), shifts=tuple(-j for j in range(best)))
    return replace(
        phase,
        size=(phase.size[0], wide // best),
        x_step=(phase.x_step[0], best * phase.x_step[1]),
        y_step=(phase.y_step[0], best * phase.y_step[1]),
        place_step=(1, best),
        panel=panel,
        columns=wide,
    )


def _pass(
    word: str,
    geometry: Geometry,
    dtype: DType,
    target: Target,
    phases: tuple[Phase, ...],
    channels: Pair,
    image_steps: Pair,
    ending: tuple[Epilogue | None, Any, tuple[str, ...], bool],
) -> Pass:
    """The kernels, once the width of a panel is chosen and panels are laid out."""
    summed, filters = channels
    groups, shape = geometry.groups, (geometry.filters, geometry.inside, *geometry.kernel)
    transposed, made = word != "convolution", Correlation
    epilogue, epilogue_key, extra, pairs = ending
    more: dict[str, Any] = {}
    if is_depthwise(geometry):
        # Each channel's filters as one filter of several channels, or as several of one.
        several = geometry.outside
        groups, made = 1, Depthwise
        summed, filters = (several, geometry.channels) if transposed else (1, geometry.filters)
        shape = (filters, summed, *geometry.kernel)
        every, repeat = (several, 1) if transposed else (1, several)
        more["reading"] = Channels(geometry.channels, repeat, every)
        transposed = False
    if pairs:
        summed = -(-summed // 2)
    lanes = target.lanes(dtype.itemsize)
    grids = [(one.size, summed * math.prod(one.panel.taps)) for one in phases]
    vectors = 1
    if made is Correlation:
        vectors = widest(target, lanes, grids, filters * len(phases[0].panel.shifts))
    placed, offset = [], 0
    for phase in phases:
        panel = replace(phase.panel, offset=offset)
        placed.append(replace(phase, panel=panel))
        blocks = -(-filters * len(panel.shifts) // (vectors * lanes))
        offset += groups * blocks * math.prod(panel.taps) * summed * vectors * lanes
    panels = tuple(one.panel for one in placed)
    pack = PackFilters(shape, groups, panels, vectors * lanes, transposed, dtype, target, pairs)
    arrays = math.prod(geometry.size) * geometry.channels
    arrays += math.prod(geometry.windows) * geometry.filters
    run = made(
        word,
        geometry.images,
        summed,
        filters,
        groups,
        *image_steps,
        tuple(placed),
        vectors,
        dtype,
        target,
        geometry.multiply_adds,
        (geometry.images * arrays + pack.size) * dtype.itemsize,
        epilogue,
        epilogue_key,
        extra,
        pairs,
        **more,
    )
    return Pass(pack, run)


def _times(steps: Pair, strides: Strides) -> Pair:
    return steps[0] * strides[1], steps[1] * strides[2]
