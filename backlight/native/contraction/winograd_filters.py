"""Winograd's filters: G g Gᵀ, sixteen numbers for the nine of a filter, in panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlight.native.contraction.geometry import Pair
from backlight.native.contraction.packed_filters import divided, smaller
from backlight.native.contraction.pairs import paired
from backlight.native.machine_code.emit import I32, I64, Code, Number, kernel, operand
from backlight.native.machine_code.machine import Target

DType = np.dtype[Any]
BOOL = np.dtype(bool)


@dataclass(frozen=True)
class TransformFilters:
    """The kernel G g Gᵀ: (O, C, 3, 3) to panels [block of lanes][16][channel summed over][lane].

    Transposed, for the gradient by the data, the lanes are input channels and the taps run
    backwards. With `pairs`, two channels summed over are rounded to bfloat16 and share a word.
    """

    shape: Pair
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
        settings = (self.shape, self.width, self.transposed, self.pairs)
        return ("transform filters", *settings, self.dtype.str, self.target.key)

    @property
    def size(self) -> int:
        """Elements of the panels."""
        return self._blocks * 16 * self._depth * self.width

    @property
    def bytes(self) -> int:
        """What it reads and writes at least."""
        return (9 * self.shape[0] * self.shape[1] + self.size) * self.dtype.itemsize

    @property
    def chunks(self) -> int:
        """Pieces of work, whatever the number of threads: a channel, or pair, of a block each."""
        return self._blocks * self._depth

    @property
    def _across(self) -> int:
        return self.shape[1] if self.transposed else self.shape[0]

    @property
    def _along(self) -> int:
        return self.shape[0] if self.transposed else self.shape[1]

    @property
    def _depth(self) -> int:
        return -(-self._along // 2) if self.pairs else self._along

    @property
    def _blocks(self) -> int:
        return -(-self._across // self.width)

    def emit(self, module: Any, name: str, target: Target) -> None:
        """Write `void name(operands, begin, end)` into a module."""
        code, operands, begin, end = kernel(name, module, target)
        weight, panels = operand(code, operands, 0), operand(code, operands, 1)
        built, lanes = code.builder, self.target.lanes(self.dtype.itemsize)
        lane_step, k_step = (9, 9 * self.shape[1]) if self.transposed else (9 * self.shape[1], 9)

        def chunk(index: Any) -> None:
            block, k = divided(code, index, self._depth)
            first = built.mul(block, I64(self.width))
            place = built.mul(block, I64(16 * self._depth))
            place = built.mul(built.add(place, k), I64(self.width))

            def transformed(k: Any, lane: Any) -> list[Number]:
                base = built.mul(k, I64(k_step))
                taps = self._taps(code, weight, base, built.add(first, lane), lane_step)
                return both(taps, 3, _filter)

            def vector(lane: Any) -> None:
                if self.pairs:  # an odd last channel is paired with zero
                    even = built.mul(k, I64(2))
                    odd = smaller(code, built.add(even, I64(1)), I64(self._along - 1))
                    there_is = Number(code, built.icmp_signed(">", odd, even), BOOL, 1)
                    pairs = zip(transformed(even, lane), transformed(odd, lane), strict=True)
                    made = [paired(a, code.select(there_is, b, 0.0)) for a, b in pairs]
                else:
                    made = transformed(k, lane)
                for nth, number in enumerate(made):
                    there = built.add(place, I64(nth * self._depth * self.width))
                    code.store(number, panels, built.add(there, lane))

            code.loop(0, self.width, lanes, vector)

        code.loop(begin, end, 1, chunk)
        code.finish()

    def _taps(self, code: Code, weight: Any, base: Any, lane: Any, step: int) -> list[Number]:
        """Nine vectors of weights; lanes beyond the last are 0."""
        built, lanes = code.builder, self.target.lanes(self.dtype.itemsize)
        ragged = self._across % self.width != 0
        zero = code.constant(self.dtype, 0)
        found = [code.constant(self.dtype, 0, lanes).value] * 9
        for nth in range(lanes):
            at = built.add(lane, I64(nth))
            inside = built.icmp_signed("<", at, I64(self._across))
            # A lane beyond the last reads the last one, and is cleared.
            at = smaller(code, at, I64(self._across - 1)) if ragged else at
            place = built.add(base, built.mul(at, I64(step)))
            for tap in range(9):
                one = code.load(
                    weight,
                    built.add(place, I64(8 - tap if self.transposed else tap)),
                    self.dtype,
                ).value
                one = built.select(inside, one, zero.value) if ragged else one
                if lanes > 1:
                    one = built.insert_element(found[tap], one, I32(nth))
                found[tap] = one
        return [Number(code, one, self.dtype, lanes) for one in found]


def both(numbers: list[Number], size: int, transform: Callable[..., list[Number]]) -> list[Number]:
    """A transform of the columns of a square of numbers, then of its rows."""
    columns = [transform(*numbers[j::size]) for j in range(size)]
    found: list[Number] = []
    for row in zip(*columns, strict=True):
        found += transform(*row)
    return found


def _filter(g0: Number, g1: Number, g2: Number) -> list[Number]:
    """G."""
    ends = g0 + g2
    return [g0, (ends + g1) * 0.5, (ends - g1) * 0.5, g2]
