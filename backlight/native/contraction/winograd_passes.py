"""The passes of Winograd's convolution as kernels: forward, and the gradient by the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.convolution import Epilogue
from backlight.native.contraction.convolution_passes import upstream_padding
from backlight.native.contraction.geometry import Geometry, Strides, dense
from backlight.native.contraction.winograd import ROWS, Winograd
from backlight.native.contraction.winograd_filters import TransformFilters
from backlight.native.machine_code.machine import Target

_FILTERS = 2**24
"""Bytes of transformed filters at most: every few tiles read them all."""
_MOST_STACK = 3 * 2**17
"""Bytes of one register tile of transformed inputs: a thread's stack may be half a megabyte."""


def suits(geometry: Geometry, dtype: Any, target: Target) -> bool:
    """Whether Winograd's convolution can do this one, and is likely to be the faster."""
    lanes = target.lanes(np.dtype(dtype).itemsize)
    plain = geometry.stride == geometry.dilation == (1, 1) and geometry.groups == 1
    enough = min(geometry.channels, geometry.filters) >= max(16, lanes)
    most, itemsize = max(geometry.channels, geometry.filters), np.dtype(dtype).itemsize
    size = 16 * geometry.channels * geometry.filters * itemsize
    return (
        plain
        and geometry.kernel == (3, 3)
        and max(geometry.padding) <= 2
        and min(*geometry.windows, *geometry.size) >= 2
        and enough
        and size <= _FILTERS
        and 16 * most * ROWS * itemsize <= _MOST_STACK
    )


@dataclass(frozen=True)
class WinogradPass:
    """A convolution kernel, and the kernel that transforms its filters."""

    pack: TransformFilters
    run: Winograd

    @property
    def scratch(self) -> int:
        """Elements of the transformed filters."""
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
) -> WinogradPass:
    """The convolution, as `convolution_passes.forward`, where `suits` says so."""
    kind = np.dtype(dtype)
    x_strides = x_strides or dense(*geometry.padded, geometry.channels)
    y_strides = y_strides or dense(*geometry.windows, geometry.filters)
    shape = (geometry.filters, geometry.channels)
    run = Winograd(
        "Winograd convolution",
        geometry.images,
        geometry.channels,
        geometry.filters,
        geometry.windows,
        x_strides,
        y_strides,
        kind,
        target,
        epilogue,
        epilogue_key,
        extra,
        pairs,
    )
    return WinogradPass(TransformFilters(shape, run.width, False, kind, target, pairs), run)


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
) -> WinogradPass:
    """The gradient by the data, as `convolution_passes.by_data`, where `suits` says so."""
    kind = np.dtype(dtype)
    (top, bottom), (left, right) = upstream_padding(geometry, kind, target)
    height, width = geometry.windows
    y_strides = y_strides or dense(top + height + bottom, left + width + right, geometry.filters)
    x_strides = x_strides or dense(*geometry.size, geometry.channels)
    shape = (geometry.filters, geometry.channels)
    run = Winograd(
        "Winograd convolution by data",
        geometry.images,
        geometry.filters,
        geometry.channels,
        geometry.size,
        y_strides,
        x_strides,
        kind,
        target,
        epilogue,
        epilogue_key,
        extra,
        pairs,
    )
    return WinogradPass(TransformFilters(shape, run.width, True, kind, target, pairs), run)
