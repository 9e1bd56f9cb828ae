import numpy as np
import pytest

from backlight import nn
from backlight.errors import ArgumentError, RangeError
from backlight.explain.look.classifier import classifier
from backlight.explain.look.exciting import Sight, draw_unit, exciting, receptive_field
from backlight.explain.look.features import features
from tests.explain.look.small import convnet, digits, pictures


def test_the_top_picture_is_the_one_with_the_largest_activation():
    subject, seen = convnet(), pictures(90)
    found = exciting(subject, seen, "4", [3], count=4)[0]
    activations = np.asarray(subject.reach("4", seen)._value)[:, 3].reshape(90, -1).max(axis=1)
    order = np.argsort(-activations)[:4]
    assert found.places.tolist() == order.tolist()
    np.testing.assert_allclose(found.values, activations[order], rtol=1e-4)


def test_a_patch_alone_decides_the_activation():
    """Whatever is outside the box may change, and the unit answers the same."""
    subject, seen = convnet(), pictures(20)
    for path in ("0", "2", "4"):
        found = exciting(subject, seen, path, [2], count=3)[0]
        for place, value, box in zip(found.places, found.values, found.boxes, strict=True):
            top, bottom, left, right = box
            other = pictures(1, seed=9)[0]
            other[:, top:bottom, left:right] = seen[place][:, top:bottom, left:right]
            out = np.asarray(subject.reach(path, other[None])._value)[0, 2]
            assert (abs(out - value) < 1e-4).any()


def test_patches_at_the_border_are_drawn_as_large_as_the_others():
    pytest.importorskip("matplotlib")
    subject, seen, labels = digits()
    for unit in exciting(subject, seen[:60], "1", range(8)):
        figure = draw_unit(subject, seen, unit, labels=labels, language="en")
        below = figure.axes[len(unit.places) :]
        shapes = {axes.images[0].get_array().shape for axes in below}
        assert shapes == {unit.field.size}


def test_boxes_in_the_middle_have_the_size_that_the_shapes_say():
    subject = convnet()
    assert str(receptive_field(subject, "4")) == "8×8 every 2"
    top, bottom, left, right = Sight(subject, "4").box(3 * 6 + 3)
    assert (bottom - top, right - left) == (8, 8)
    assert Sight(subject, "4").box(0) == (0, 5, 0, 5)
    assert Sight(subject, "6").box(0) == (0, 12, 0, 12)
    assert str(receptive_field(subject, "6")) == "all"


def test_dead_maps_are_found():
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    bias = np.array([-100, 5, 5], np.float32)
    net[0].load_state_dict({"weight": net[0].weight.detach().numpy(), "bias": bias})
    found = features(classifier(net, 2, (1, 4, 4)), np.full((1, 4, 4), 0.5))
    assert [one.path for one in found] == ["0", "1", "3"]
    assert found[1].dead.tolist() == [True, False, False]


def test_mistakes_are_told():
    subject = convnet()
    with pytest.raises(RangeError, match="a unit from 0 to 7"):
        exciting(subject, pictures(3), "4", [8])
    with pytest.raises(ArgumentError, match="layer got 'conv'"):
        exciting(subject, pictures(3), "conv")
    with pytest.raises(RangeError, match="no pictures"):
        exciting(subject, pictures(0), "4")
