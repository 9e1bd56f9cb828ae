"""Tests of index expressions: taking places apart and putting them together again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.native.kernels import places
from backlight.native.kernels.places import Index, Space, Symbol
from backlight.native.lowering.loops import Node


def value(index: Index, numbers: dict[Symbol, int]) -> int:
    """What an index is for given symbols."""
    total = index.constant
    for symbol, factor in index.terms:
        if symbol.whole is not None:
            number = value(symbol.whole, numbers) // symbol.divisor
        else:
            number = numbers[symbol]
        total += factor * number
    return total


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 24)), min_size=1, max_size=3),
    st.integers(0, 30),
    st.integers(1, 24),
)
@settings(deadline=None, max_examples=150)
def test_quotient_and_remainder_are_those_of_the_numbers(
    parts: list[tuple[int, int]], constant: int, divisor: int
) -> None:
    symbols = [Symbol(0, high) for high, _ in parts]
    index = Index(constant)
    for symbol, (_, factor) in zip(symbols, parts, strict=True):
        index = index + places.of(symbol, factor)
    space = Space()
    quotient, remainder = space.divided(index, divisor)
    ranges = space.range(quotient), space.range(remainder)
    for numbers in itertools.product(*[range(high + 1) for high, _ in parts]):
        given_numbers = dict(zip(symbols, numbers, strict=True))
        found = [value(one, given_numbers) for one in (quotient, remainder)]
        assert found == list(divmod(value(index, given_numbers), divisor))
        for one, (low, high) in zip(found, ranges, strict=True):
            assert low <= one <= high


def test_a_flat_place_taken_apart_and_put_together_is_itself() -> None:
    space = Space()
    flat = places.of(Symbol(0, 7 * 11 * 13 - 1))
    apart = space.apart(flat, (7, 11, 13))
    assert places.flat(apart, (7, 11, 13)) == flat


def test_coordinates_within_an_axis_need_no_division() -> None:
    row, column = Symbol(0, 5), Symbol(0, 7)
    space = Space()
    flat = places.flat((places.of(row), places.of(column)), (6, 8))
    assert space.apart(flat, (6, 8)) == (places.of(row), places.of(column))
    apart = space.apart(flat, (3, 2, 2, 4))
    assert all(index.terms for index in apart)


def test_division_by_a_vectors_width_keeps_the_lane_apart() -> None:
    lane, block = Symbol(0, 15, lane=True), Symbol(0, 99)
    space = Space()
    quotient, remainder = space.divided(places.of(block, 16) + places.of(lane), 64)
    assert not quotient.varies
    assert remainder.factor(lane) == 1


@pytest.mark.parametrize("before", [(0, 0), (1, 2)])
def test_a_remembered_range_moves_with_a_constant(before: tuple[int, int]) -> None:
    space = Space()
    index = places.of(Symbol(0, 1000)) + before[0]
    space.note(index, 3, 9)
    assert space.range(index + 5) == (8, 14)


def test_own_positions_are_known_through_views_and_arithmetic() -> None:
    place = Node("place", (), (4, 5), np.int64, {"axis": 1})
    two = Node("constant", (), (), np.int64, {"value": 2})
    turned = Node("transpose", (place,), (5, 4), np.int64, {"axes": (1, 0)})
    twice = Node("multiply", (turned, two), (5, 4), np.int64)
    row, column = Symbol(0, 4), Symbol(0, 3)
    at = (places.of(row), places.of(column))
    assert places.known(twice, at, Space()) == places.of(row, 2)
    squared = Node("multiply", (turned, turned), (5, 4), np.int64)
    assert places.known(squared, at, Space()) is None
