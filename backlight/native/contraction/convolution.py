"""Direct convolution: windows of channels-last images, a register tile of them at a time.

Images are N, H, W, C and stored with their zero padding, so that no window looks outside. The
pixels of the output are the rows of the register tile, the filters its columns (from panels, see
packed_filters), and the taps and input channels are what it sums over: one contiguous run a row of
taps when neighbouring taps see neighbouring pixels. The same code computes a convolution and the
gradient by its data, which is one convolution for each residue of the stride.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.packed_filters import (
    Pair,
    Panel,
    clipped,
    divided,
    larger,
    smaller,
)
from backlight.native.contraction.pairs import add_pair
from backlight.native.contraction.patches import Patch, choose, cover
from backlight.native.contraction.tile import tile, zeros
from backlight.native.machine_code.emit import I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]
Loops = list[tuple[int, int, int]]
Epilogue = Callable[[Code, Number, tuple[Any, Any, Any, Any], Number | None, list[Any]], Number]

_PIXELS = 512
"""Pixels a chunk, so that its filters, fetched from far, are used often."""
_CHUNKS = 32
"""Chunks at least, where there is work for them: enough to balance eight threads."""
_SHORT = 192
"""Numbers in a short sum at most, where they can be divided so."""
_SHORTEST = 64


@dataclass(frozen=True)
class Phase:
    """Output places a constant step apart, all of which see the input through the same taps.

    Attributes
    ----------
    size : pair of int
        Rows and columns of output places.
    x_first, y_first : int
        Element of an image that tap 0 of place 0 sees; element of an output image it is.
    x_step, x_tap, y_step : pair of int
        Elements between what neighbouring places see, neighbouring taps see, between places.
    place, place_step : pair of int
        Where in the output image place 0 is, and its neighbours' distance: for epilogues.
    panel : Panel
    columns : int
        Width of the output image; lanes beyond it are not stored (only where a panel's shifts
        put neighbouring places into one vector).
    """

    size: Pair
    x_first: int
    x_step: Pair
    x_tap: Pair
    y_first: int
    y_step: Pair
    place: Pair
    place_step: Pair
    panel: Panel
    columns: int = 0

    @property
    def form(self) -> tuple[Any, ...]:
        """Phases of the same form run the same code."""
        panel = self.panel
        shape = (self.size, self.x_step, self.x_tap, self.y_step, self.place_step, self.columns)
        return (*shape, panel.taps, panel.shifts)

    @property
    def starts(self) -> tuple[int, ...]:
        """What differs between phases of a form."""
        return self.x_first, self.y_first, *self.place, self.panel.offset


@dataclass(frozen=True)
class Correlation:
    """The kernel: sums of products of filters with windows of images, and an epilogue.

    Parameters
    ----------
    word : str
        What it computes, for the profile.
    images, channels, filters, groups : int
        Channels and filters are those of one group.
    x_image, y_image : int
        Elements between images.
    phases : tuple of Phase
    vectors : int
        Width of a panel in vectors.
    dtype : dtype
    target : Target
    multiply_adds, bytes : int
    epilogue : callable, optional
        `epilogue(code, accumulator, (n, h, w, o of lane 0), mask, extra bases) -> Number`, what
        is stored of each vector; the mask, if not None, says which lanes are.
    epilogue_key : hashable
    extra : tuple of str
        Further operands, for the epilogue.
    pairs : bool
        Whether x and the panels are words, each of two neighbouring channels in bfloat16; then
        channels, x_image and the phases' steps in x count words, and sums are float32.
    """

    word: str
    images: int
    channels: int
    filters: int
    groups: int
    x_image: int
    y_image: int
    phases: tuple[Phase, ...]
    vectors: int
    dtype: DType
    target: Target
    multiply_adds: int
    bytes: int
    epilogue: Epilogue | None = None
    epilogue_key: Any = None
    extra: tuple[str, ...] = ()
    pairs: bool = False

    @property
    def operands(self) -> tuple[str, ...]:
        """Names: images, panels of filters, output, and the epilogue's."""
        return ("x", "panels", "y", *self.extra)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys make equal code."""
        sizes = (self.images, self.channels, self.filters, self.groups, self.x_image, self.y_image)
        kind = (self.dtype.str, self.target.key, self.epilogue_key, self.extra, self.pairs)
        return (type(self).__name__, *sizes, self.phases, self.vectors, *kind)

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return self.target.lanes(self.dtype.itemsize)

    @property
    def stored(self) -> DType:
        """Type of the elements of x and the panels."""
        return np.dtype(np.int32) if self.pairs else self.dtype

    @property
    def width(self) -> int:
        """Filters of a panel."""
        return self.vectors * self.lanes

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads."""
        return sum(len(found) * self._spans(found[0]) for found in self._forms())

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        bases = [operand(code, operands, place) for place in range(len(self.operands))]
        start = 0
        for found in self._forms():
            spans = self._spans(found[0])
            if not spans:
                continue
            stop = start + spans * len(found)
            first, last = clipped(code, begin, end, start, stop)

            def chunk(
                index: Any, found: Sequence[Phase] = found, start: int = start, spans: int = spans
            ) -> None:
                nth, span = divided(code, code.builder.sub(index, I64(start)), spans)
                starts = [
                    _chosen(code, nth, values)
                    for values in zip(*(one.starts for one in found), strict=True)
                ]
                _Chunk(self, code, bases, found[0], starts).write(span)

            code.loop(first, last, 1, chunk)
            start = stop
        code.finish()

    def _forms(self) -> list[list[Phase]]:
        ordered: dict[Any, list[Phase]] = {}
        for phase in self.phases:
            if 0 not in phase.size:
                ordered.setdefault(phase.form, []).append(phase)
        return list(ordered.values())

    def summed(
        self,
        code: Code,
        phase: Phase,
        corner: Any,
        offsets: tuple[int, ...],
        filters: Any,
        first: Any,  # noqa: ARG002  (the block's first filter, for depthwise convolutions)
        sums: list[Number],
    ) -> list[Number]:
        """A tile's sums: of pixels at these offsets from a corner, and the panel of filters."""
        built, shape = code.builder, (len(offsets), self.vectors, self.lanes)
        kind, term = self.stored, add_pair if self.pairs else None
        outer, inner = apart(nest(phase.panel.taps, phase.x_tap, self.channels, self.width))

        def several(depth: int, x: Any, panel: Any, sums: list[Number]) -> list[Number]:
            if depth == len(outer):
                some = zeros(code, self.dtype, *shape) if outer else sums
                some = tile(code, x, offsets, panel, inner, *shape, some, None, kind, term)
                if not outer:
                    return some
                return [total + one for total, one in zip(sums, some, strict=True)]
            count, x_step, panel_step = outer[depth]

            def turn(index: Any, *sums: Number) -> list[Number]:
                there = code.address(x, built.mul(index, I64(x_step)), kind)
                tap = code.address(panel, built.mul(index, I64(panel_step)), kind)
                return several(depth + 1, there, tap, list(sums))

            return code.loop(0, count, 1, turn, sums)

        return several(0, corner, filters, sums)

    def blocks(self, phase: Phase) -> int:
        """Panels a group."""
        return -(-self.filters * len(phase.panel.shifts) // self.width)

    def patch(self, phase: Phase) -> Patch:
        """The tile of output places."""
        taps = math.prod(phase.panel.taps) * self.channels
        return choose(self.target, phase.size, self.vectors, taps)

    def pieces(self, phase: Phase) -> tuple[int, int]:
        """Rows of tiles in all images, and into how many parts they are divided."""
        units = self.images * -(-phase.size[0] // self.patch(phase).rows)
        parts = -(-self.images * math.prod(phase.size) // _PIXELS)
        wanted = -(-_CHUNKS // (self.blocks(phase) * self.groups))
        return units, min(units, max(parts, wanted))

    def _spans(self, phase: Phase) -> int:
        return self.pieces(phase)[1] * self.groups * self.blocks(phase)


class _Chunk:
    """Writes the code of one chunk: some rows of tiles, for one block of filters."""

    def __init__(
        self, made: Correlation, code: Code, bases: list[Any], phase: Phase, starts: list[Any]
    ) -> None:
        self.made, self.code, self.phase = made, code, phase
        self.x, self.panels, self.y, *self.extra = bases
        self.x_first, self.y_first, self.row, self.column, self.panel = starts
        self.patch = made.patch(phase)

    def write(self, span: Any) -> None:
        made, code, built = self.made, self.code, self.code.builder
        span, block = divided(code, span, made.blocks(self.phase))
        part, group = divided(code, span, made.groups)
        units, parts = made.pieces(self.phase)
        first = built.udiv(built.mul(part, I64(units)), I64(parts))
        last = built.udiv(built.mul(built.add(part, I64(1)), I64(units)), I64(parts))
        size = math.prod(self.phase.panel.taps) * made.channels * made.width
        nth = built.add(built.mul(group, I64(made.blocks(self.phase))), block)
        panel = built.add(self.panel, built.mul(nth, I64(size)))
        self.filters = code.address(self.panels, panel, made.stored)
        self.filter = built.mul(block, I64(made.width))
        self.group_filter = built.add(built.mul(group, I64(made.filters)), self.filter)
        self.group_channel = built.mul(group, I64(made.channels))
        whole, left = divmod(self.phase.size[0], self.patch.rows)
        rows = whole + bool(left)

        def unit(index: Any) -> None:
            image, nth = divided(code, index, rows)
            top = built.mul(nth, I64(self.patch.rows))
            if not left:
                self._row(image, top, self.patch.rows)
                return
            inside = built.icmp_signed("<", nth, I64(whole))
            if whole:
                code.when(inside, lambda: self._row(image, top, self.patch.rows))
            code.when(built.not_(inside), lambda: self._row(image, top, left))

        code.loop(first, last, 1, unit)

    def _row(self, image: Any, top: Any, rows: int) -> None:
        """One row of tiles of an image."""
        cover(
            self.code,
            self.phase.size[1],
            self.patch.columns,
            lambda left, columns: self._tile(image, top, left, rows, columns),
        )

    def _tile(self, image: Any, top: Any, left: Any, rows: int, columns: int) -> None:
        made, code, built, phase = self.made, self.code, self.code.builder, self.phase
        seen = built.add(
            built.add(self.x_first, self.group_channel), built.mul(image, I64(made.x_image))
        )
        seen = built.add(seen, built.mul(top, I64(phase.x_step[0])))
        seen = built.add(seen, built.mul(left, I64(phase.x_step[1])))
        corner = code.address(self.x, seen, made.stored)
        places = list(itertools.product(range(rows), range(columns)))
        offsets = tuple(i * phase.x_step[0] + j * phase.x_step[1] for i, j in places)
        sums = zeros(code, made.dtype, len(places), made.vectors, made.lanes)
        if math.prod(phase.panel.taps):
            sums = made.summed(code, phase, corner, offsets, self.filters, self.filter, sums)
        goal = built.add(
            built.add(self.y_first, self.group_filter), built.mul(image, I64(made.y_image))
        )
        goal = built.add(goal, built.mul(top, I64(phase.y_step[0])))
        goal = built.add(goal, built.mul(left, I64(phase.y_step[1])))
        for (i, j), start in zip(places, range(0, len(sums), made.vectors), strict=True):
            offset = i * phase.y_step[0] + j * phase.y_step[1]
            h, w = self._place(self.row, top, i, 0), self._place(self.column, left, j, 1)
            for v in range(made.vectors):
                there = built.add(goal, I64(offset + v * made.lanes))
                self._store(sums[start + v], there, (image, h, w), v)

    def _place(self, first: Any, tiled: Any, nth: int, axis: int) -> Any:
        built, step = self.code.builder, I64(self.phase.place_step[axis])
        return built.add(first, built.mul(built.add(tiled, I64(nth)), step))

    def _store(self, number: Number, there: Any, place: tuple[Any, Any, Any], v: int) -> None:
        made, code = self.made, self.code
        mask = self._mask(place[2], v)
        if made.epilogue is not None:
            o = code.builder.add(self.group_filter, I64(v * made.lanes))
            number = made.epilogue(code, number, (*place, o), mask, self.extra)
        code.store(number, self.y, there, mask)

    def _mask(self, column: Any, v: int) -> Number | None:
        """The lanes of vector v that are filters, and lie on the image."""
        made, code, built = self.made, self.code, self.code.builder
        several = len(self.phase.panel.shifts)
        before = v * made.lanes
        if several == 1:
            if made.filters % made.width == 0:
                return None
            left = built.sub(I64(made.filters - before), self.filter)
            return code.mask(left, made.lanes)
        # The lanes are neighbouring places' filters: element by element of a row of the output.
        first = built.mul(column, I64(made.filters))
        stop = built.sub(I64(self.phase.columns * made.filters - before), first)
        stop = smaller(code, stop, I64(several * made.filters - before))
        start = larger(code, built.sub(I64(-before), first), I64(0))
        lanes = code.lane_numbers(np.int64, made.lanes)
        low = code.splat(Number(code, start, np.dtype(np.int64), 1), made.lanes)
        return (lanes >= low) & code.mask(stop, made.lanes)


def nest(taps: Pair, steps: Pair, channels: int, width: int) -> Loops:
    """Taps and channels as loops (count, step of x, step of the panel), runs joined."""
    rows, columns = taps
    loops = [(rows, steps[0], columns * channels * width), (columns, steps[1], channels * width)]
    joined = [(channels, 1, width)]
    for count, x_step, panel_step in reversed(loops):
        inner, inner_x, inner_panel = joined[0]
        if count == 1:
            continue
        if (x_step, panel_step) == (inner * inner_x, inner * inner_panel):
            joined[0] = (inner * count, inner_x, inner_panel)
        elif inner == 1:
            joined[0] = (count, x_step, panel_step)
        else:
            joined.insert(0, (count, x_step, panel_step))
    return joined


def apart(loops: Loops) -> tuple[Loops, Loops]:
    """The loops over whole short sums, and those inside one.

    A sum of short sums is more exact than one long sum: its error grows as the root of how many
    numbers are in each.

    Examples
    --------
    >>> apart([(3, 1000, 12288), (768, 1, 16)])
    ([(3, 1000, 12288), (4, 192, 3072)], [(192, 1, 16)])
    """
    count, x_step, panel_step = loops[-1]
    if count > _SHORT:
        # The fewest equal parts that are short enough, or, failing that, the most.
        fitting = [n for n in range(2, count // _SHORTEST + 1) if count % n == 0]
        short = [n for n in fitting if count // n <= _SHORT]
        for parts in short[:1] or fitting[-1:]:
            size = count // parts
            halves = [(parts, size * x_step, size * panel_step), (size, x_step, panel_step)]
            loops = [*loops[:-1], *halves]
    inner, length = len(loops) - 1, loops[-1][0]
    while inner:
        # Very short sums spend more on being put together than they gain.
        most = _SHORT if length >= _SHORTEST else 2 * _SHORT
        if loops[inner - 1][0] * length > most:
            break
        inner -= 1
        length *= loops[inner][0]
    return loops[:inner], loops[inner:]


def _chosen(code: Code, nth: Any, values: Sequence[int]) -> Any:
    """The nth of some constants."""
    found: Any = I64(values[-1])
    if len(set(values)) == 1:
        return found
    for place, value in enumerate(values[:-1]):
        here = code.builder.icmp_signed("==", nth, I64(place))
        found = code.builder.select(here, I64(value), found)
    return found
