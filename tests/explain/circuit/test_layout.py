"""Boxes do not overlap, wires are upright and level and end where they should, in time."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight.explain.circuit import layout as layout_module
from backlight.explain.circuit import layout_worker
from backlight.explain.circuit.boxes import CELLS, PIXELS, Box, Drawn, Wire
from backlight.explain.circuit.columns import in_columns
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.layout import laid_out
from backlight.explain.circuit.wrap import wrapped
from tests.explain.circuit.drawn import KINDS, framed, neuron, shared


def overlap(a, b):
    return (
        min(a.x + a.width, b.x + b.width) - max(a.x, b.x) > 0.11
        and min(a.y + a.height, b.y + b.height) - max(a.y, b.y) > 0.11
    )


def check(placed, whole=False):
    for a, b in itertools.combinations(placed.boxes, 2):
        assert not overlap(a, b)
    for wire, points in zip(placed.drawn.wires, placed.wires, strict=True):
        source, target = placed.boxes[wire.source], placed.boxes[wire.target]
        assert points[0][0] == pytest.approx(source.x + source.width, abs=0.2)
        assert points[-1][0] == pytest.approx(target.x, abs=0.2)
        if not whole:
            assert points[0][1] == pytest.approx(source.middle, abs=0.2)
            assert abs(points[-1][1] - target.middle) <= 20.2
        for (ax, ay), (bx, by) in itertools.pairwise(points):
            assert abs(ax - bx) < 0.15 or abs(ay - by) < 0.15
    for place in (*placed.boxes, *placed.frames):
        assert place.x >= -0.1
        assert place.y >= -0.1
        assert place.x + place.width <= placed.width + 0.11
        assert place.y + place.height <= placed.height + 0.11
        if whole:
            assert place.x == int(place.x)
            assert place.y == int(place.y)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_tidy(kind):
    placed = laid_out(draw(KINDS[kind]()), deadline=20)
    assert not placed.plain
    check(placed)
    assert not crossed(placed)
    rows = wrapped(placed)
    check(rows)
    assert not crossed(rows)
    if kind in ("hundred_layers", "residual", "mlp", "framed"):
        assert rows.width <= 2000


@pytest.mark.parametrize("kind", [neuron, shared])
def test_a_terminal_gets_whole_cells(kind):
    check(laid_out(draw(kind(), pen=CELLS)), whole=True)


def test_boxes_are_inside_the_frames_they_belong_to():
    placed = laid_out(draw(KINDS["mlp"]()))
    assert len(placed.frames) == 3
    for box, place in zip(placed.drawn.boxes, placed.boxes, strict=True):
        for number, frame in enumerate(placed.frames):
            inside = (
                frame.x <= place.x
                and place.x + place.width <= frame.x + frame.width
                and frame.y <= place.y
                and place.y + place.height <= frame.y + frame.height
            )
            assert inside == (box.frame == number)
            assert inside or not overlap(place, frame)


def test_a_frame_wider_than_a_row_is_cut_with_it():
    """Every box stands in exactly one part of each frame around it, and in no other frame's."""
    whole = laid_out(draw(framed(), budget=120), deadline=20)
    rows = wrapped(whole)
    parts = [piece for piece in rows.pieces if piece.frame == 0]
    assert whole.frames[0].width > rows.width
    assert len(parts) >= 3
    assert [piece.begins for piece in parts] == [True] + [False] * (len(parts) - 1)
    assert [piece.ends for piece in parts] == [False] * (len(parts) - 1) + [True]
    assert [piece.place for piece in whole.pieces] == list(whole.frames)
    assert len(rows.frames) == len(whole.frames)
    for box, place in zip(rows.drawn.boxes, rows.boxes, strict=True):
        around, frame = set(), box.frame
        while frame >= 0:
            around.add(frame)
            frame = rows.drawn.frames[frame].frame
        for piece in rows.pieces:
            one = piece.place
            inside = (
                one.x <= place.x
                and place.x + place.width <= one.x + one.width
                and one.y <= place.y
                and place.y + place.height <= one.y + one.height
            )
            assert inside or not overlap(place, one)
            around -= {piece.frame} if inside else set()
            assert not inside or piece.frame not in around
        assert not around
    for a, b in itertools.combinations(parts, 2):
        assert not overlap(a.place, b.place)


def crossed(placed):
    """Wires that run through a box that is neither of their ends."""
    found = []
    for wire, points in zip(placed.drawn.wires, placed.wires, strict=True):
        for number, box in enumerate(placed.boxes):
            for (ax, ay), (bx, by) in itertools.pairwise(points):
                across = min(max(ax, bx), box.x + box.width) - max(min(ax, bx), box.x)
                down = min(max(ay, by), box.y + box.height) - max(min(ay, by), box.y)
                inside = (across > 1 and down >= 0) or (down > 1 and across >= 0)
                if inside and number not in (wire.source, wire.target):
                    found.append((wire, number))
    return found


def graph(sizes, ends):
    boxes = tuple(
        Box(f"b{i}", "gate", 0, "×", width, height, 34.0) for i, (width, height) in enumerate(sizes)
    )
    wires = tuple(Wire(a, b, 0, ((b, 0),)) for a, b in ends)
    return Drawn(boxes, wires)


@st.composite
def graphs(make):
    count = make(st.integers(1, 14))
    sizes = [(make(st.sampled_from([60.0, 90.0, 150.0])), 36.0) for _ in range(count)]
    pairs = [(a, b) for b in range(count) for a in range(b)]
    ends = make(st.lists(st.sampled_from(pairs), unique=True, max_size=24)) if pairs else []
    return graph(sizes, ends)


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_any_graph_is_placed(drawn):
    placed = laid_out(drawn)
    assert not placed.plain
    check(placed)
    check(laid_out(drawn, deadline=9.0))
    check(wrapped(placed, 300.0))


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_the_plain_layout_never_fails(drawn):
    sizes = tuple((box.width, box.height, -1) for box in drawn.boxes)
    ends = tuple((wire.source, wire.target, 1) for wire in drawn.wires)
    found = in_columns(sizes, ends, (22.0, 14.0, 9.0, 0.0, 0.0))
    placed = layout_module._settled(drawn, found, True)
    check(placed)
    assert not crossed(placed)


def test_a_layout_that_takes_too_long_is_given_up():
    drawn = draw(KINDS["hundred_layers"](), open=[f"c{i}" for i in range(200)])
    assert len(drawn.boxes) > layout_module.SMALL
    started = time.perf_counter()
    placed = laid_out(drawn, deadline=0.001)
    assert placed.plain
    assert time.perf_counter() - started < 1.5
    check(placed)
    assert not laid_out(drawn, deadline=30.0).plain, "giving up is not remembered"


def test_an_engine_that_refuses_is_done_without(monkeypatch):
    def refuse(request):
        raise ValueError("no")

    monkeypatch.setattr(layout_worker, "place", refuse)
    placed = laid_out(graph([(61.5, 36.0), (62.5, 36.0)], [(0, 1)]))
    assert placed.plain
    check(placed)


def test_the_same_structure_is_placed_once(monkeypatch):
    first = laid_out(draw(KINDS["neuron"]()))
    monkeypatch.setattr(layout_worker, "place", None)
    assert laid_out(draw(KINDS["neuron"]())).boxes == first.boxes
    assert first.drawn.pen is PIXELS
