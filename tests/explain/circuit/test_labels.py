"""Labels never overlap: measured, letter by letter, on the kinds of circuits and on random ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import tensor
from backlight.explain import circuit
from backlight.explain.circuit.draw import tree_of
from backlight.explain.circuit.fold import groups_below
from tests.explain.circuit.drawn import KINDS, neuron, residual
from tests.explain.circuit.labels import collisions, measured

NAMES = ["x", "W1", "weight", "가중치", "a_rather_long_name_for_an_input", "β"]
UNARY = ["exp", "tanh", "sigmoid", "relu", "sin", "log_softmax", "logsumexp", "neg", "abs"]
BINARY = ["__add__", "__mul__", "__sub__", "__truediv__", "maximum"]
SHAPES = [(), (3,), (2, 3), (16, 8, 4, 3), (1024, 1)]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_legible(kind, language):
    drawn = KINDS[kind]()
    every = [group.key for group in groups_below(tree_of(drawn))]
    for open_ in (None, [], every):
        assert not collisions(drawn.render("svg", language=language, open=open_))


def test_letters_that_are_too_large_are_found():
    for drawn in (neuron(), residual(2)):
        svg = drawn.render("svg", language="en")
        assert len(measured(svg)[0]) > 10
        assert collisions(svg, larger=1.6)


@st.composite
def graphs(drawing):
    """A value made of random gates from random leaves, used again at random."""
    count = drawing(st.integers(1, 4))
    shape = drawing(st.sampled_from(SHAPES))
    size = drawing(st.sampled_from([1e-30, 1.0, 123.456, 1e9]))
    random = np.random.default_rng(count)
    known, named = [], {}
    for number in range(count):
        value = size * random.normal(size=shape if number % 2 == 0 else ())
        leaf = tensor(value, requires_grad=True)
        named[NAMES[number] if drawing(st.booleans()) else f"x{number}"] = leaf
        known.append(leaf)
    for _ in range(drawing(st.integers(1, 14))):
        one = known[drawing(st.integers(0, len(known) - 1))]
        if drawing(st.booleans()):
            other = known[drawing(st.integers(0, len(known) - 1))]
            known.append(getattr(one, drawing(st.sampled_from(BINARY)))(other))
        else:
            gate = drawing(st.sampled_from(UNARY))
            plain = not one.shape and "softmax" in gate
            known.append(one.tanh() if plain else getattr(one, gate)())
    return circuit(known[-1], names=named)


@settings(max_examples=60, deadline=None)
@given(graphs(), st.sampled_from(["en", "ko"]))
def test_labels_of_random_circuits_do_not_overlap(drawn, language):
    assert not collisions(drawn.render("svg", language=language))
