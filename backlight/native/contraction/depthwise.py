"""Depthwise convolution: every channel with filters of its own, vectors along the channels.

Nothing is summed over channels, so there is no product of matrices here: each vector of weights
meets a vector of as many channels. With several filters a channel (a multiplier above 1) the
channels of a vector are repeated, or, for the gradient by the data, several apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from backlight.native.contraction.convolution import Correlation, Phase
from backlight.native.contraction.convolution_weights import ByWeight
from backlight.native.contraction.geometry import Geometry
from backlight.native.contraction.packed_filters import divided, smaller
from backlight.native.contraction.patches import Patch, choose, cover
from backlight.native.contraction.tile import zeros
from backlight.native.machine_code.emit import I32, I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]

_UNROLLED = 8
"""Columns of taps written one after the other."""
_PLACES = 14
"""Output places of a tile: as many again as sums are wanted for weights and pixels."""
_SIFTED = 4
"""Channels so many apart are loaded with what lies between them."""


def is_depthwise(geometry: Geometry) -> bool:
    """Whether every channel is a group of its own, of several."""
    return geometry.groups == geometry.channels > 1


@dataclass(frozen=True)
class Channels:
    """Reads the channels that belong to a vector of others.

    Lane l of the vector from `first` on is given channel (first + l)·every // repeat, and for
    `every` above 1 those behind it.
    """

    count: int
    repeat: int = 1
    every: int = 1

    def gathers(self, lanes: int) -> bool:
        """Whether the channels lie so that each has to be fetched on its own."""
        if self.every > 1:
            return self.every > _SIFTED
        return self.repeat > 1 and (lanes % self.repeat != 0 or self.repeat == lanes)

    def load(self, code: Code, base: Any, first: Any, nth: int, dtype: DType, lanes: int) -> Number:
        """A vector; lanes beyond the last channel are 0 or repeat it, and are not to be stored."""
        built = code.builder
        if self.gathers(lanes):
            return self._gathered(code, base, first, nth, dtype, lanes)
        if self.repeat > 1:
            few = lanes // self.repeat
            start = built.udiv(first, I64(self.repeat))
            some = code.load(base, start, dtype, few, self._mask(code, start, few))
            return _shuffled(code, some, [lane // self.repeat for lane in range(lanes)])
        many = lanes * self.every
        start = built.mul(first, I64(self.every))
        some = code.load(base, start, dtype, many, self._mask(code, start, many))
        return _shuffled(code, some, [nth + lane * self.every for lane in range(lanes)])

    def _gathered(
        self, code: Code, base: Any, first: Any, nth: int, dtype: DType, lanes: int
    ) -> Number:
        kind = np.dtype(np.int64)
        places = code.splat(Number(code, first, kind, 1), lanes) + code.lane_numbers(kind, lanes)
        last = code.constant(kind, self.count * self.repeat - 1, lanes)
        places = code.select(places < last, places, last)
        repeat = code.constant(kind, self.repeat, lanes)
        places = places.like(code.builder.udiv(places.value, repeat.value))
        return code.gather(base, places * self.every + nth, dtype)

    def _mask(self, code: Code, first: Any, lanes: int) -> Number | None:
        """The lanes that are channels."""
        count = self.count * self.every
        if count % lanes == 0:
            return None
        return code.mask(code.builder.sub(I64(count), first), lanes)


def _shuffled(code: Code, vector: Number, order: list[int]) -> Number:
    """These lanes of a vector, in this order."""
    if order == list(range(vector.lanes)):
        return vector
    nothing = ir.Constant(vector.value.type, ir.Undefined)
    places = ir.Constant(ir.VectorType(I32, len(order)), order)
    value = code.builder.shuffle_vector(vector.value, nothing, places)
    return Number(code, value, vector.dtype, len(order))


@dataclass(frozen=True)
class Depthwise(Correlation):
    """The kernel of a depthwise convolution or its gradient by the data; see `Correlation`.

    `channels` is how many products with other channels each sum has (1, or the multiplier).
    """

    reading: Channels = Channels(1)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        return (*super().key, self.reading)

    def patch(self, phase: Phase) -> Patch:
        """The tile of output places."""
        if self.reading.gathers(self.lanes):
            return Patch(1, 1)
        steps = math.prod(phase.panel.taps) * self.channels
        return choose(self.target, phase.size, self.vectors, steps, _PLACES)

    def summed(
        self,
        code: Code,
        phase: Phase,
        corner: Any,
        offsets: tuple[int, ...],
        filters: Any,
        first: Any,
        sums: list[Number],
    ) -> list[Number]:
        """Weights times pixels, a tap at a time."""
        built = code.builder
        rows, columns = phase.panel.taps

        def tap(r: Any, s: Any, sums: list[Number]) -> list[Number]:
            sums = list(sums)
            place = built.add(built.mul(r, I64(phase.x_tap[0])), built.mul(s, I64(phase.x_tap[1])))
            nth = built.add(built.mul(r, I64(columns)), s)
            for k in range(self.channels):
                panel = built.mul(
                    built.add(built.mul(nth, I64(self.channels)), I64(k)), I64(self.width)
                )
                for v in range(self.vectors):
                    weight = code.load(
                        filters, built.add(panel, I64(v * self.lanes)), self.dtype, self.lanes
                    )
                    lane = built.add(first, I64(v * self.lanes))
                    for q, offset in enumerate(offsets):
                        base = code.address(corner, built.add(place, I64(offset)), self.dtype)
                        pixel = self.reading.load(code, base, lane, k, self.dtype, self.lanes)
                        at = q * self.vectors + v
                        sums[at] = code.fma(pixel, weight, sums[at])
            return sums

        def row(r: Any, *sums: Number) -> list[Number]:
            held = list(sums)
            if columns > _UNROLLED:
                return code.loop(0, columns, 1, lambda s, *sums: tap(r, s, list(sums)), held)
            for s in range(columns):
                held = tap(r, I64(s), held)
            return held

        return code.loop(0, rows, 1, row, sums)


@dataclass(frozen=True)
class DepthwiseByWeight(ByWeight):
    """The gradient of a depthwise convolution by its weights: (1, kh, kw, 1, O).

    All taps of a vector of channels are summed over a few rows of pixels in registers; otherwise
    as `ByWeight`.
    """

    word = "depthwise convolution by weights"

    @property
    def shape(self) -> tuple[int, ...]:
        """The gradient's: groups, taps, channels, filters."""
        return (1, *self.geometry.kernel, 1, self.geometry.filters)

    @property
    def vectors(self) -> int:
        """Width of the tile: all the registers are for taps."""
        return 1

    @property
    def blocks(self) -> int:
        """Panels of filters a group."""
        return -(-self.geometry.filters // self.lanes)

    @property
    def alone(self) -> int:
        """Chunks of one group of images."""
        return self.blocks

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        bases = [operand(code, operands, place) for place in range(3)]
        code.loop(begin, end, 1, lambda chunk: _Chunk(self, code, bases).write(chunk))
        code.finish()


class _Chunk:
    """Writes the code of one chunk: a group of images, one vector of filters."""

    def __init__(self, made: DepthwiseByWeight, code: Code, bases: list[Any]) -> None:
        self.made, self.code = made, code
        self.x, self.dy, self.partials = bases
        geometry = made.geometry
        self.multiplier = geometry.filters // geometry.channels
        self.reading = Channels(geometry.channels, repeat=self.multiplier)
        # One vector of the upstream gradient stays beside the taps' sums.
        self.patch = choose(made.target, geometry.kernel, 1, math.prod(geometry.windows))

    def write(self, chunk: Any) -> None:
        made, code, built = self.made, self.code, self.code.builder
        geometry = made.geometry
        part, block = divided(code, chunk, made.blocks)
        images, rows = geometry.images, geometry.windows[0]
        first = built.udiv(built.mul(part, I64(images)), I64(made.parts))
        last = built.udiv(built.mul(built.add(part, I64(1)), I64(images)), I64(made.parts))
        self.filter = built.mul(block, I64(made.lanes))
        self.kept = built.add(built.mul(part, I64(made.size)), self.filter)
        left = built.sub(I64(geometry.filters), self.filter)
        whole = geometry.filters % made.lanes == 0
        self.mask = None if whole else code.mask(left, made.lanes)
        self._taps(lambda r, tall, s, wide: self._keep(r, tall, s, wide, None))
        piece = made.piece

        def image(n: Any) -> None:
            def some(top: Any) -> None:
                stop = smaller(code, built.add(top, I64(piece)), I64(rows))
                self._taps(
                    lambda r, tall, s, wide: self._keep(
                        r, tall, s, wide, self._sums(n, top, stop, r, tall, s, wide)
                    )
                )

            code.loop(0, rows, piece, some)

        code.loop(first, last, 1, image)

    def _taps(self, body: Any) -> None:
        rows, columns = self.made.geometry.kernel
        cover(
            self.code,
            rows,
            self.patch.rows,
            lambda r, tall: cover(
                self.code, columns, self.patch.columns, lambda s, wide: body(r, tall, s, wide)
            ),
        )

    def _sums(
        self, n: Any, top: Any, stop: Any, r: Any, tall: int, s: Any, wide: int
    ) -> list[Number]:
        """Some taps' sums over the pixels of some rows."""
        made, code, built = self.made, self.code, self.code.builder
        geometry, (x_image, x_row, x_pixel) = made.geometry, made.x_strides
        y_image, y_row, y_pixel = made.y_strides
        (down, along), (deep, broad) = geometry.stride, geometry.dilation
        corner = built.add(built.mul(n, I64(x_image)), built.mul(r, I64(deep * x_row)))
        corner = built.add(corner, built.mul(s, I64(broad * x_pixel)))

        def pixel(i: Any, j: Any, sums: list[Number]) -> list[Number]:
            given = built.add(built.mul(n, I64(y_image)), built.mul(i, I64(y_row)))
            given = built.add(given, built.mul(j, I64(y_pixel)))
            upstream = code.load(
                self.dy, built.add(given, self.filter), made.dtype, made.lanes, self.mask
            )
            seen = built.add(corner, built.mul(i, I64(down * x_row)))
            seen = built.add(seen, built.mul(j, I64(along * x_pixel)))
            found = []
            for place, total in enumerate(sums):
                offset = place // wide * deep * x_row + place % wide * broad * x_pixel
                base = code.address(self.x, built.add(seen, I64(offset)), made.dtype)
                x = self.reading.load(code, base, self.filter, 0, made.dtype, made.lanes)
                found.append(code.fma(x, upstream, total))
            return found

        def row(i: Any, *sums: Number) -> list[Number]:
            return code.loop(
                0, geometry.windows[1], 1, lambda j, *sums: pixel(i, j, list(sums)), sums
            )

        return code.loop(top, stop, 1, row, zeros(code, made.dtype, tall * wide, 1, made.lanes))

    def _keep(self, r: Any, tall: int, s: Any, wide: int, sums: list[Number] | None) -> None:
        """Add some taps' sums to what is in memory, or clear it."""
        made, code, built = self.made, self.code, self.code.builder
        columns, filters = made.geometry.kernel[1], made.geometry.filters
        place = built.add(built.mul(r, I64(columns)), s)
        place = built.add(self.kept, built.mul(place, I64(filters)))
        for tap in range(tall * wide):
            offset = (tap // wide * columns + tap % wide) * filters
            there = built.add(place, I64(offset))
            number = code.constant(made.dtype, 0, made.lanes)
            if sums is not None:
                number = sums[tap] + code.load(
                    self.partials, there, made.dtype, made.lanes, self.mask
                )
            code.store(number, self.partials, there, self.mask)
