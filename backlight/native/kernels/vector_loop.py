"""A loop over a run of elements, a vector at a time, with its tail.

The tail is a vector with fewer real lanes where the processor has masks for that (AVX-512), else
single elements. Both run the same formula on the same numbers: no element depends on where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backlight.native.kernels import places
from backlight.native.kernels.expression import FREE, Expressions, Guard
from backlight.native.kernels.folds import INT64, Partial, Reducer
from backlight.native.kernels.places import Index, Symbol
from backlight.native.machine_code.emit import I64, Number

Body = Callable[[Index, Guard, list[Partial]], list[Partial]]


class VectorLoop:
    """Runs `body` on the elements 0 … count − 1.

    Parameters
    ----------
    expressions : Expressions
    size : int
        The most elements there can be.
    count : LLVM value, optional
        How many there are, if fewer than `size` at times.
    rules : list of Reducer
        What is folded along the way.
    unroll : int
        Vectors in one turn, each with partial results of its own.
    """

    def __init__(
        self,
        expressions: Expressions,
        size: int,
        count: Any,
        rules: list[Reducer],
        unroll: int,
    ) -> None:
        self.expressions, self.code = expressions, expressions.code
        self.size, self.count, self.rules, self.unroll = size, count, rules, unroll
        self.lanes = expressions.lanes
        self.masked = self.code.target.name == "avx512"

    def start(self) -> list[list[Partial]]:
        """Empty partial results: one set for each vector of a turn, one for single elements."""
        sets = [[rule.start(self.lanes) for rule in self.rules] for _ in range(self.unroll)]
        if not self.masked:
            sets.append([rule.start(1) for rule in self.rules])
        return sets

    def combined(self, sets: list[list[Partial]]) -> list[Partial]:
        """One scalar result for each fold."""
        found = []
        for number, rule in enumerate(self.rules):
            wide = [one[number] for one in sets[: self.unroll]]
            while len(wide) > 1:
                pairs = zip(wide[::2], wide[1::2], strict=True)
                wide = [rule.merged(left, right) for left, right in pairs]
            total = rule.across(wide[0])
            for one in sets[self.unroll :]:
                total = rule.merged(total, one[number])
            found.append(total)
        return found

    def run(self, sets: list[list[Partial]], body: Body) -> list[list[Partial]]:
        """The loop, from these partial results on; returns the new ones."""
        lanes, unroll = self.lanes, self.unroll
        if self.count is None:
            full: Any = self.size // lanes
            turns: Any = full // unroll
            done: Any = turns * unroll
            rest: Any = self.size % lanes
        else:
            built = self.code.builder
            full = built.udiv(self.count, I64(lanes))
            turns = built.udiv(full, I64(unroll))
            done = built.mul(turns, I64(unroll))
            rest = built.sub(self.count, built.mul(full, I64(lanes)))
        if self.size >= lanes * unroll:
            sets = self._turns(0, turns, unroll, sets, body)
        if unroll > 1 and not (isinstance(full, int) and full == done):
            sets = self._turns(done, full, 1, sets, body)
        if isinstance(rest, int) and rest == 0:
            return sets
        return self._tail(full, rest, sets, body)

    def _turns(
        self, first: Any, last: Any, unroll: int, sets: list[list[Partial]], body: Body
    ) -> list[list[Partial]]:
        step = self.lanes * unroll
        if isinstance(first, int) and isinstance(last, int) and last - first == 1:
            with self.expressions.scope():
                return self._turn(Index(first * step), unroll, sets, body)

        def turn(index: Any, *held: Number) -> list[Number]:
            number = Number(self.code, index, INT64, 1)
            symbol = Symbol(0, max(0, (self.size - 1) // step), number)
            with self.expressions.scope():
                now = self._turn(places.of(symbol, step), unroll, grouped(sets, held), body)
            return flattened(now)

        return grouped(sets, self.code.loop(first, last, 1, turn, flattened(sets)))

    def _turn(
        self, first: Index, unroll: int, sets: list[list[Partial]], body: Body
    ) -> list[list[Partial]]:
        new = list(sets)
        lane = places.of(self.expressions.lane)
        for place in range(unroll):
            index = first + (place * self.lanes)
            if index.terms:
                self.expressions.space.note(index + lane, 0, self.size - 1)
            new[place] = body(index + lane, FREE, sets[place])
        return new

    def _tail(
        self, full: Any, rest: Any, sets: list[list[Partial]], body: Body
    ) -> list[list[Partial]]:
        if not self.masked:
            return self._singly(full, rest, sets, body)
        expressions = self.expressions
        start = self._number(full, self.lanes)
        index = start + places.of(expressions.lane)
        if isinstance(rest, int):
            # What its real lanes can be: else an index is not what it was when the kernel was made.
            real = expressions.space.limited(index, start.constant, self.size - 1)
            with real, expressions.scope():
                mask = self.code.mask(I64(rest), self.lanes)
                return [body(index, Guard(None, mask), sets[0]), *sets[1:]]
        expressions.space.note(index, 0, self.size - 1)

        def turn(_: Any, *held: Number) -> list[Number]:
            with expressions.scope():
                mask = self.code.mask(rest, self.lanes)
                return flattened([body(index, Guard(None, mask), grouped(sets[:1], held)[0])])

        some = self.code.builder.zext(self.code.builder.icmp_signed(">", rest, I64(0)), I64)
        made = self.code.loop(0, some, 1, turn, flattened(sets[:1]))
        return [*grouped(sets[:1], made), *sets[1:]]

    def _singly(
        self, full: Any, rest: Any, sets: list[list[Partial]], body: Body
    ) -> list[list[Partial]]:
        expressions = self.expressions
        start = self._number(full, self.lanes)

        def turn(index: Any, *held: Number) -> list[Number]:
            symbol = Symbol(0, self.lanes - 1, Number(self.code, index, INT64, 1))
            place = expressions.space.note(start + places.of(symbol), 0, self.size - 1)
            with expressions.scope():
                return flattened([body(place, FREE, grouped(sets[-1:], held)[0])])

        expressions.lanes = 1
        made = self.code.loop(0, rest, 1, turn, flattened(sets[-1:]))
        expressions.lanes = self.lanes
        return [*sets[:-1], *grouped(sets[-1:], made)]

    def _number(self, value: Any, factor: int) -> Index:
        if isinstance(value, int):
            return Index(value * factor)
        symbol = Symbol(0, self.size // factor, Number(self.code, value, INT64, 1))
        return places.of(symbol, factor)


def flattened(sets: list[list[Partial]]) -> list[Number]:
    """All numbers of some sets of partial results, one after the other."""
    return [number for one in sets for partial in one for number in partial]


def grouped(like: list[list[Partial]], numbers: Any) -> list[list[Partial]]:
    """Numbers put into sets as `like` has them: the inverse of `flattened`."""
    given = iter(numbers)
    return [[[next(given) for _ in partial] for partial in one] for one in like]
