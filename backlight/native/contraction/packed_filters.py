"""Filters as the convolution kernels want them: panels, a block of output channels wide.

The register tile reads, for every tap and input channel, the weights of a block of neighbouring
output channels as whole vectors. A parameter is (O, C/groups, kh, kw), where those are far apart;
so once a step it is copied into panels

    [group][block of output channels][tap row][tap column][input channel][lane]

with zeros in the lanes beyond the last output channel. For the gradient by the data, output and
input channels change places and the taps run backwards, a panel for each residue of the stride.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.pairs import paired
from backlight.native.machine_code.emit import I32, I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]
Pair = tuple[int, int]

_CHANNELS = 16
"""Input channels a chunk: their taps share the cache lines of the parameter."""


@dataclass(frozen=True)
class Panel:
    """Which taps of the filters a panel holds, and where it starts.

    Attributes
    ----------
    offset : int
        Of its first element among all panels.
    taps : pair of int
        Rows and columns of taps; may be 0.
    first, step : pair of int
        Panel tap t holds the filter's tap first + step·t.
    shifts : tuple of int
        Neighbouring output places that are computed side by side in the lanes of one vector, and
        what each adds to the filter's tap column; taps outside the filter are zeros.
    """

    offset: int
    taps: Pair
    first: Pair = (0, 0)
    step: Pair = (1, 1)
    shifts: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class PackFilters:
    """The kernel that copies a parameter (O, C/groups, kh, kw) into panels.

    Parameters
    ----------
    shape : (O, C/groups, kh, kw)
    groups : int
    panels : tuple of Panel
    width : int
        Lanes of a block.
    transposed : bool
        Whether the lanes are the filters' input channels, as the gradient by the data wants it.
    dtype : dtype
    target : Target
    pairs : bool
        Whether two neighbouring input channels are rounded to bfloat16 and put into one word.
    """

    shape: tuple[int, int, int, int]
    groups: int
    panels: tuple[Panel, ...]
    width: int
    transposed: bool
    dtype: DType
    target: Target
    pairs: bool = False

    operands = ("weight", "panels")
    multiply_adds = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        settings = (self.shape, self.groups, self.panels, self.width, self.transposed, self.pairs)
        return ("pack filters", *settings, self.dtype.str, self.target.key)

    @property
    def across(self) -> int:
        """Channels along the lanes, a group."""
        return self.shape[1] if self.transposed else self.shape[0] // self.groups

    @property
    def along(self) -> int:
        """Channels, or pairs of them, that are summed over, a group."""
        return -(-self._summed // 2) if self.pairs else self._summed

    @property
    def _summed(self) -> int:
        return self.shape[0] // self.groups if self.transposed else self.shape[1]

    @property
    def size(self) -> int:
        """Elements of all panels together."""
        return sum(self.groups * self._blocks(one) * self._block(one) for one in self.panels)

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return sum(self._chunks(one) for one in self.panels)

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        return (math.prod(self.shape) + self.size) * self.dtype.itemsize

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        weight, packed = operand(code, operands, 0), operand(code, operands, 1)
        start = 0
        for panel in self.panels:
            stop = start + self._chunks(panel)
            first, last = clipped(code, begin, end, start, stop)

            def chunk(index: Any, panel: Panel = panel, start: int = start) -> None:
                self._chunk(code, panel, code.builder.sub(index, I64(start)), weight, packed)

            code.loop(first, last, 1, chunk)
            start = stop
        code.finish()

    def _blocks(self, panel: Panel) -> int:
        return -(-self.across * len(panel.shifts) // self.width)

    def _block(self, panel: Panel) -> int:
        return panel.taps[0] * panel.taps[1] * self.along * self.width

    def _chunks(self, panel: Panel) -> int:
        if 0 in panel.taps:
            return 0
        return self.groups * self._blocks(panel) * -(-self.along // _CHANNELS)

    def _chunk(self, code: Code, panel: Panel, index: Any, weight: Any, packed: Any) -> None:
        """Some of the input channels of one block."""
        built, blocks = code.builder, self._blocks(panel)
        pieces = -(-self.along // _CHANNELS)
        index, piece = divided(code, index, pieces)
        group, block = divided(code, index, blocks)
        start = built.mul(piece, I64(_CHANNELS))
        stop = smaller(code, built.add(start, I64(_CHANNELS)), I64(self.along))
        filters = self.shape[0] // self.groups
        source = code.address(
            weight, built.mul(group, I64(filters * math.prod(self.shape[1:]))), self.dtype
        )
        place = built.add(built.mul(group, I64(blocks)), block)
        place = built.add(built.mul(place, I64(self._block(panel))), I64(panel.offset))
        target = code.address(packed, place, self.dtype)

        def channels(lanes: int) -> None:
            code.loop(
                start,
                stop,
                1,
                lambda k: self._channel(code, panel, source, target, k, block, lanes),
            )

        whole = blocks if self.across * len(panel.shifts) % self.width == 0 else blocks - 1
        if whole:
            inside = built.icmp_signed("<", block, I64(whole))
            code.when(inside, lambda: channels(self.width))
        if whole < blocks:
            left = self.across * len(panel.shifts) - whole * self.width
            inside = built.icmp_signed("==", block, I64(whole))
            code.when(inside, lambda: channels(left))

    def _channel(
        self, code: Code, panel: Panel, source: Any, target: Any, k: Any, block: Any, lanes: int
    ) -> None:
        """One input channel of one block: all its taps, `lanes` of them a tap."""
        built = code.builder
        _, inside, rows, columns = self.shape
        lane_step, k_step = inside * rows * columns, rows * columns
        if self.transposed:
            lane_step, k_step = k_step, lane_step
        spread = len(panel.shifts) > 1
        base = built.mul(k, I64(k_step * (1 + self.pairs)))
        if not spread:
            first = built.mul(block, I64(self.width * lane_step))
            base = built.add(base, first)
        goal = built.mul(k, I64(self.width))

        def tap(r: Any, s: Any, offsets: list[int | None]) -> None:
            row = built.add(built.mul(r, I64(panel.step[0])), I64(panel.first[0]))
            column = built.add(built.mul(s, I64(panel.step[1])), I64(panel.first[1]))
            place = built.add(base, built.add(built.mul(row, I64(columns)), column))
            nth = built.add(built.mul(r, I64(panel.taps[1])), s)
            to = built.add(goal, built.mul(nth, I64(self.along * self.width)))
            there = code.address(source, place, self.dtype)
            if not self.pairs:
                self._vectors(
                    code, lambda start: self._lanes(code, there, offsets, start), target, to
                )
                return
            second = built.add(built.mul(k, I64(2)), I64(1))
            exists = built.icmp_signed("<", second, I64(self._summed))
            # The last of an odd number is read twice, and its partner is zero.
            other = code.address(there, built.select(exists, I64(k_step), I64(0)), self.dtype)

            def pair(start: int) -> Number:
                even = self._lanes(code, there, offsets, start)
                odd = self._lanes(code, other, offsets, start)
                truth = Number(code, exists, np.dtype(bool), 1)
                return paired(even, code.select(truth, odd, 0.0))

            self._vectors(code, pair, target, to)

        def row(r: Any) -> None:
            if not spread:
                offsets = [lane * lane_step for lane in range(lanes)]
                code.loop(0, panel.taps[1], 1, lambda s: tap(r, s, list(offsets)))
                return
            for s in range(panel.taps[1]):
                seen = panel.first[1] + panel.step[1] * s
                found: list[int | None] = []
                for shift in panel.shifts:
                    if 0 <= seen + shift < columns:
                        found += [n * lane_step + shift for n in range(self.across)]
                    else:
                        found += [None] * self.across
                tap(r, I64(s), found)

        code.loop(0, panel.taps[0], 1, row)

    def _vectors(self, code: Code, vector: Callable[[int], Number], target: Any, to: Any) -> None:
        for start in range(0, self.width, self.target.lanes(self.dtype.itemsize)):
            code.store(vector(start), target, code.builder.add(to, I64(start)))

    def _lanes(self, code: Code, source: Any, offsets: list[int | None], start: int) -> Number:
        """One vector of a panel, from lane `start` on; zeros where there is no offset."""
        lanes = self.target.lanes(self.dtype.itemsize)
        found: Any = code.constant(self.dtype, 0, lanes).value
        for lane, offset in enumerate(offsets[start : start + lanes]):
            if offset is not None:
                one = code.load(source, I64(offset), self.dtype)
                found = one.value if lanes == 1 else _placed(code, found, one.value, lane)
        return Number(code, found, self.dtype, lanes)


def _placed(code: Code, vector: Any, value: Any, lane: int) -> Any:
    """The vector with one lane replaced."""
    return code.builder.insert_element(vector, value, I32(lane))


def divided(code: Code, value: Any, by: int) -> tuple[Any, Any]:
    """Quotient and remainder of a number ≥ 0 by a constant."""
    if by == 1:
        return value, I64(0)
    return code.builder.udiv(value, I64(by)), code.builder.urem(value, I64(by))


def smaller(code: Code, x: Any, y: Any) -> Any:
    """The smaller of two 64-bit values."""
    return code.builder.select(code.builder.icmp_signed("<", x, y), x, y)


def larger(code: Code, x: Any, y: Any) -> Any:
    """The larger of two 64-bit values."""
    return code.builder.select(code.builder.icmp_signed(">", x, y), x, y)


def clipped(code: Code, begin: Any, end: Any, start: int, stop: int) -> tuple[Any, Any]:
    """The part of the chunks begin…end−1 that lies in start…stop−1."""
    return larger(code, begin, I64(start)), smaller(code, end, I64(stop))
