"""Layers fold into boxes, equal blocks into one, and a page never holds more than 400 boxes."""

import itertools

import pytest

from backlight.explain.circuit.draw import MOST, draw, tree_of
from backlight.explain.circuit.fold import groups_below, opened
from tests.explain.circuit.drawn import KINDS, hundred_layers, long_row, recurrent, residual


@pytest.mark.parametrize("kind", KINDS)
def test_groups_hold_every_gate_once_and_in_order(kind):
    drawn = KINDS[kind]()
    tree = tree_of(drawn)
    assert tree.nodes == tuple(node.index for node in drawn.gates)
    keys = []
    for group in groups_below(tree):
        keys.append(group.key)
        parts = [(p,) if isinstance(p, int) else p.nodes for p in group.members]
        assert tuple(itertools.chain(*parts)) == group.nodes
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("kind", KINDS)
def test_no_drawing_is_too_large_and_every_group_can_be_opened(kind):
    drawn = KINDS[kind]()
    tree = tree_of(drawn)
    assert len(draw(drawn).boxes) <= (60 if drawn.calls else 240)
    every = [group.key for group in groups_below(tree)]
    assert len(draw(drawn, open=every).boxes) <= MOST
    for group in list(groups_below(tree))[1:12]:
        shown = draw(drawn, open=[group.key])
        assert len(shown.boxes) <= MOST
        assert f"g{group.key}" not in {box.key for box in shown.boxes}


def has_loop(shown):
    waiting = [0] * len(shown.boxes)
    for wire in shown.wires:
        waiting[wire.target] += 1
    ready = [box for box, count in enumerate(waiting) if not count]
    for box in ready:
        for wire in shown.wires:
            if wire.source == box:
                waiting[wire.target] -= 1
                if not waiting[wire.target]:
                    ready.append(wire.target)
    return len(ready) < len(shown.boxes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_without_loops_and_its_keys_are_its_own(kind):
    drawn = KINDS[kind]()
    for keys in (None, (), [group.key for group in groups_below(tree_of(drawn))]):
        shown = draw(drawn, open=keys)
        assert len({box.key for box in shown.boxes}) == len(shown.boxes)
        assert not has_loop(shown)


def test_equal_blocks_are_one_box():
    shown = draw(residual(12))
    repeated = [box for box in shown.boxes if box.times > 1]
    assert [(box.symbol, box.note, box.times) for box in repeated] == [("1…12 ×12", "Residual", 12)]
    assert len(repeated[0].nodes) == 48


def test_unequal_blocks_are_not():
    shown = draw(hundred_layers())
    assert not [box for box in shown.boxes if box.times > 1]


def test_steps_of_a_recurrent_layer_are_one_box():
    shown = draw(recurrent())
    assert 20 in {box.times for box in shown.boxes}
    assert len(shown.boxes) < 15


def test_a_small_circuit_is_open():
    drawn = residual(1)
    tree = tree_of(drawn)
    assert opened(tree, drawn, 48) == {group.key for group in groups_below(tree)}


def test_a_row_without_layers_is_divided():
    shown = draw(long_row())
    assert 1 < len(shown.boxes) <= 240
    assert sum(len(box.nodes) for box in shown.boxes if box.kind in ("gate", "layer")) == 3000
