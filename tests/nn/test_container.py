"""Containers."""

import pytest

import backlight
from backlight import nn
from backlight.errors import ArgumentError, RangeError


def test_sequential_indexing_slicing_and_changing():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert net[-1] is net[2]
    front = net[:2]
    assert len(front) == 2
    assert front[0] is net[0]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    del net[1]
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    assert net(backlight.zeros(1, 2)).shape == (1, 1)
    net.append(nn.Sigmoid())
    assert len(list(net)) == 3
    with pytest.raises(RangeError, match="index 3"):
        net[3]


def test_sequential_by_name():
    net = nn.Sequential({"fc": nn.Linear(2, 1), "act": nn.ReLU()})
    assert [name for name, _ in net.named_parameters()] == ["fc.weight", "fc.bias"]
    assert net.fc is net[0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: nn.Sequential([nn.ReLU()]),
        lambda: nn.Sequential(nn.ReLU),
        lambda: nn.Sequential(backlight.relu),
        lambda: nn.Sequential({"a.b": nn.ReLU()}),
    ],
)
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(ArgumentError):
        wrong()


def test_empty_ones():
    assert nn.Sequential()(3) == 3
    assert list(nn.ModuleList().parameters()) == []
    with pytest.raises(RangeError, match="has none"):
        nn.ModuleList()[0]


def test_one_module_at_two_places_is_kept_twice():
    layer = nn.ReLU()
    assert len(nn.Sequential(layer, layer)) == 2
    assert len(list(nn.ModuleList([layer, layer]))) == 2


def test_flatten_is_channels_rows_columns():
    x = backlight.arange(24).reshape(1, 2, 3, 4)
    assert nn.Flatten()(x).tolist() == [list(range(24))]
    assert nn.Flatten(0)(x).shape == (24,)
    assert nn.Flatten(2)(x).shape == (1, 2, 12)
    assert nn.Flatten()(backlight.zeros(0, 3, 2)).shape == (0, 6)
