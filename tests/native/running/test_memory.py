"""The memory planner: no two living arrays overlap, and little is wasted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backlight.native.running.memory import ALIGNMENT, Buffer, largest, plan

LIVES = st.tuples(st.integers(0, 5000), st.integers(0, 30), st.integers(0, 10))


@given(st.lists(LIVES, max_size=40))
def test_buffers_that_live_together_lie_apart(lives):
    buffers = [Buffer(size, first, first + length) for size, first, length in lives]
    size = plan(buffers)
    for place, one in enumerate(buffers):
        assert one.offset % ALIGNMENT == 0
        assert 0 <= one.offset <= size - one.nbytes
        for other in buffers[place + 1 :]:
            together = one.first <= other.last and other.first <= one.last
            apart = (
                one.offset + max(one.nbytes, 1) <= other.offset
                or other.offset + max(other.nbytes, 1) <= one.offset
            )
            assert apart or not together


def test_a_chain_needs_two_places():
    buffers = [Buffer(6400, step, step + 1) for step in range(50)]
    assert plan(buffers) == 2 * 6400


def test_neighbouring_free_stretches_become_one():
    buffers = [Buffer(64, 0, 0), Buffer(64, 0, 0), Buffer(64, 0, 0), Buffer(192, 1, 1)]
    assert plan(buffers) == 192


def test_the_largest_are_named_in_order():
    buffers = [Buffer(10, 0, 0, "loss"), Buffer(3 * 2**20, 0, 0, "conv1"), Buffer(2048, 0, 0, "b")]
    assert largest(buffers, 2) == "conv1 3.0 MiB; b 2.0 KiB"
