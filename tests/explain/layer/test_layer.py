"""A layer told and drawn: sizes, the Jacobian that is not formed, the backward pass."""

import pytest

from backlight.explain.figures.sheet import sheet
from backlight.explain.layer import backward_cost, draw, facts, told
from backlight.explain.layer.backward_cost import module_of
from backlight.explain.layer.drawing import taps
from backlight.nn.vocabulary import sizes
from backlight.nn.vocabulary_reader import read
from tests.explain.figures.test_figures import check_figure

LINES = [
    ("nn.Conv2d(3, 96, 11, stride=4)", (3, 227, 227), 363),
    ("nn.MaxPool2d(3, 2, ceil_mode=True)", (64, 112, 112), 9),
    ("nn.AvgPool2d(2)", (8, 4, 4), 4),
    ("nn.Linear(3072, 10)", (3, 32, 32), 3072),
    ("nn.ReLU()", (4096,), 1),
    ("K=2 F=3 S=2 P=1", (3, 5, 5), 27),
]


def test_the_lecture_s_jacobian():
    """S2:65: 409,600² entries are 625 GiB, and the gradient is 1.6 MB."""
    layer = read("nn.ReLU()")
    cost = backward_cost(layer, sizes(layer, (4096,)), 100)
    assert cost.jacobian_bytes == 625 * 2**30
    assert cost.gradient_bytes == 1_638_400
    assert 0 < cost.seconds < 5
    assert "625 GiB" in told(layer, sizes(layer, (4096,)), cost, "ko")


def test_what_is_too_large_is_counted_and_not_tried():
    layer = read("nn.Linear(1000000, 1000000)")
    cost = backward_cost(layer, sizes(layer, (10**6,)), 10**6)
    assert cost.entries == 10**24
    assert cost.seconds is None


@pytest.mark.parametrize(("line", "shape", "count"), LINES)
def test_the_layer_is_what_is_told(line, shape, count):
    layer = read(line)
    found = sizes(layer, shape)
    import backlight

    with backlight.no_grad():
        assert module_of(layer, shape)(backlight.zeros(1, *shape)).shape[1:] == found.output
    assert taps(layer, found) == count
    cost = backward_cost(layer, found)
    assert facts(layer, found, cost)["output"] == list(found.output)
    assert f"{found.made:,}" in told(layer, found, cost, "en")


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "ko")])
@pytest.mark.parametrize(("line", "shape", "count"), LINES)
def test_it_is_drawn(line, shape, count, theme, language):
    pytest.importorskip("matplotlib")
    look = sheet(theme, language)
    if look.note:
        pytest.skip(look.note)
    layer = read(line)
    found = sizes(layer, shape)
    cost = backward_cost(layer, found)
    check_figure(draw(layer, found, cost, theme=theme, language=language), line, look)
