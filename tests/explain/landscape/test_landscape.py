import numpy as np
import pytest

from backlight import nn
from backlight.engine import random
from backlight.errors import ArgumentError, RangeError
from backlight.explain.landscape import (
    Told,
    between,
    chords,
    downhill,
    draw,
    draw_chords,
    line,
    path,
    plane,
    random_direction,
    weights_of,
)
from backlight.explain.landscape.direction import length
from backlight.explain.landscape.slice import Slice
from backlight.explain.landscape.way import between_points, pieces


def examples(count=6, features=4, classes=3, seed=0):
    drawn = np.random.default_rng(seed)
    return drawn.normal(size=(count, features)).astype(np.float32), drawn.integers(
        0, classes, count
    )


def model(hidden=True):
    random.default.manual_seed(0)
    if not hidden:
        return nn.Sequential(nn.Linear(4, 3))
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def test_a_slice_goes_through_the_loss_and_is_the_loss_elsewhere():
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples(700)  # more than one batch
    first, second = (random_direction(weights_of(net), 0, k) for k in (0, 1))
    before = weights_of(net)
    found = plane(net, loss, x, y, first, second, [-0.5, 0, 1], [0, 0.25])
    assert found.losses.shape == (2, 3)
    assert found.losses[0, 1] == pytest.approx(loss(net(x), y).item(), rel=1e-5)
    moved = {k: before[k] + first[k] + np.float32(0.25) * second[k] for k in before}
    assert all(np.array_equal(before[k], v) for k, v in weights_of(net).items())
    net.load_state_dict(moved)
    assert found.losses[1, 2] == pytest.approx(loss(net(x), y).item(), rel=1e-4)


def test_the_same_bits_on_one_and_on_two_threads():
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples(300)
    direction = random_direction(weights_of(net))
    runs = [line(net, loss, x, y, direction, np.linspace(-1, 1, 7), threads=t) for t in (1, 2)]
    assert np.array_equal(runs[0].losses, runs[1].losses)


def kinks(net, x, y, direction, across):
    """Where along the line a hinge of an example is exactly at its margin."""
    weights = weights_of(net)
    place = weights["0.weight"], weights["0.bias"]
    slope = direction["0.weight"], direction["0.bias"]
    found = []
    for row, label in zip(x, y, strict=True):
        at, change = (w @ row + b for w, b in (place, slope))
        others = [k for k in range(3) if k != label]
        found += [-(at[k] - at[label] + 1) / (change[k] - change[label]) for k in others]
    return [k for k in found if across[0] < k < across[-1]]


@pytest.mark.parametrize("count", [1, 3])
def test_the_slice_of_a_few_hinges_is_straight_between_its_kinks(count):
    net, loss = model(hidden=False).double(), nn.MultiClassHingeLoss()
    x, y = examples(count, seed=5)
    x = x.astype(np.float64)
    direction = random_direction(weights_of(net), 2)
    across = np.linspace(-3, 3, 601)
    losses = line(net, loss, x, y, direction, across).losses
    second = losses[2:] - 2 * losses[1:-1] + losses[:-2]
    bends = kinks(net, x, y, direction, across)
    assert bends
    step = across[1] - across[0]
    near = np.array([min(abs(a - k) for k in bends) <= step * 1.001 for a in across[1:-1]])
    assert abs(second[~near]).max() < 1e-11  # straight
    assert second.min() > -1e-11  # and convex
    for bend in bends:  # every kink is seen
        assert second[abs(across[1:-1] - bend) <= step * 1.001].max() > 1e-4


def test_a_loss_of_linear_scores_is_convex_and_that_of_a_network_is_not():
    x, y = examples(5)
    bowl = chords(model(hidden=False), nn.MultiClassHingeLoss(), x, y, 10_000)
    assert bowl.found.chords == 10_000
    assert bowl.found.convex
    assert bowl.rise <= 1e-9
    bent = chords(model(), nn.CrossEntropyLoss(), x, y, 400, radius=3)
    assert not bent.found.convex
    assert bent.rise > 0


def test_directions_are_as_long_as_the_weights():
    weights = weights_of(model())
    plain = random_direction(weights, 3)
    assert length(plain) == pytest.approx(length(weights), rel=1e-5)
    filtered = random_direction(weights, 3, normalise="filters")
    for name, one in filtered.items():
        if one.ndim == 2:
            norms = [np.linalg.norm(side, axis=1) for side in (one, weights[name])]
            np.testing.assert_allclose(*norms, rtol=1e-5)
        else:
            assert not one.any()
    same, other = random_direction(weights, 3), random_direction(weights, 3, 1)
    assert all(np.array_equal(plain[k], same[k]) for k in plain)
    assert not np.array_equal(plain["0.weight"], other["0.weight"])
    with pytest.raises(ArgumentError, match="Did you mean 'filters'"):
        random_direction(weights, normalise="filter")


def test_downhill_goes_down():
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples(20)
    found = line(net, loss, x, y, downhill(net, loss, x, y), [-1e-3, 0, 1e-3]).losses
    assert found[0] > found[1] > found[2]


def test_between_two_points_0_is_the_one_and_1_the_other():
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples(20)
    first = weights_of(net)
    last = {name: one * 2 + 1 for name, one in first.items()}
    found = line(net, loss, x, y, between(first, last), [0, 1]).losses
    net.load_state_dict(last)
    assert found[1] == pytest.approx(loss(net(x), y).item(), rel=1e-4)
    with pytest.raises(ArgumentError, match="different models"):
        between(first, weights_of(model(hidden=False)))


def test_the_path_lies_where_the_checkpoints_are():
    """In a plane by construction, so that the two directions must give every point back."""
    weights = {"w": np.array([[3.0, 4.0, 0.0]]), "b": np.array([1.0])}
    ends = [random_direction(weights, k) for k in (1, 2)]
    points = [
        {name: weights[name] + a * ends[0][name] + b * ends[1][name] for name in weights}
        for a, b in [(1.0, 0.5), (0.6, 0.5), (0.3, 0.1), (0.0, 0.0)]
    ]
    found = path(points)
    assert found.coordinates.shape == (4, 2)
    assert found.coordinates[-1].tolist() == [0, 0]
    assert found.explained.sum() == pytest.approx(1)
    assert found.explained[0] >= found.explained[1]
    for point, (a, b) in zip(points, found.coordinates, strict=True):
        for name in weights:
            back = weights[name] + a * found.first[name] + b * found.second[name]
            np.testing.assert_allclose(back, point[name], atol=1e-6)
    with pytest.raises(RangeError, match="--replay"):
        path(points[:2])
    with pytest.raises(RangeError, match="all the same"):
        path([weights] * 3)


def test_a_loss_that_overflows_is_kept_as_it_is_and_drawn_around():
    net = nn.Linear(4, 1)
    x, _ = examples(3)
    y = np.zeros((3, 1), np.float32)
    direction = {name: one * 0 + 1 for name, one in weights_of(net).items()}
    found = line(net, nn.MSELoss(), x, y, direction, [0, 1, 1e38])
    assert np.isfinite(found.losses[:2]).all()
    assert not np.isfinite(found.losses[2])
    pytest.importorskip("matplotlib")
    draw(found, Told("title", "first"), language="en")


def test_figures_are_drawn_without_a_warning():
    pytest.importorskip("matplotlib")
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples(20)
    first, second = (random_direction(weights_of(net), 0, k) for k in (0, 1))
    places = np.linspace(-2, 2, 9)
    found = plane(net, loss, x, y, first, second, places, places)
    way = np.array([[1.0, 0.5], [0.4, 0.4], [0, 0]])
    told = Told("title", "distance", "distance", "caption", way, ("start", "end"))
    for kind, theme in (("both", "light"), ("surface", "dark"), ("contour", "dark")):
        figure = draw(found, told, kind=kind, theme=theme, language="ko")
        assert len(figure.axes) >= 1
    flat = plane(net, loss, x, y, first, second, [0, 1e-9], [0, 1e-9])
    draw(flat, Told("title", "a", "b"), language="en")
    draw_chords(chords(model(False), loss, x, y, 5), language="ko")
    with pytest.raises(ArgumentError, match="Did you mean 'contour'"):
        draw(found, told, kind="contours")


def test_the_way_lies_on_the_surface_that_is_drawn():
    """Of a plane of heights every place of the way has the plane's own height."""
    across, up = np.linspace(-1, 2, 7), np.linspace(0, 4, 5)
    columns, rows = np.meshgrid(across, up)
    way = np.array([[1.9, 3.9], [0.3, 1.1], [0.0, 0.0]])
    places = pieces(way)
    assert len(places) == 49
    found = between_points(across, up, 3 * columns - 2 * rows + 1, places)
    np.testing.assert_allclose(found, 3 * places[:, 0] - 2 * places[:, 1] + 1, atol=1e-12)
    np.testing.assert_array_equal(between_points(across, up, rows, [(9, 9), (-9, -9)]), [4, 0])


@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_the_way_is_drawn_on_the_map_and_on_the_surface(kind):
    pytest.importorskip("matplotlib")
    side = np.linspace(-1, 1, 5)
    bowl = Slice(side, side, side[None] ** 2 + side[:, None] ** 2 + 1)
    way = np.array([[0.8, 0.5], [0.4, 0.4], [0, 0]])
    told = Told("title", "a", "b", "caption", way, ("first", "last"))
    axes = draw(bowl, told, kind=kind, language="en").axes[0]
    assert {"first", "last"} <= {one.get_text() for one in axes.texts}
    ends = [one.get_data_3d() if kind == "surface" else one.get_data() for one in axes.lines]
    joined = [np.array(one) for one in ends if len(one[0]) == 3]
    assert any(np.allclose(one[:2], way.T) for one in joined)


def test_the_ends_of_a_line_are_named_with_their_loss():
    pytest.importorskip("matplotlib")
    side = np.linspace(0, 1, 5)
    told = Told("title", "a", path=np.array([[1.0, 0], [0, 0]]), epochs=("first", "last"))
    axes = draw(Slice(side, np.zeros(0), 2 * side), told, language="en").axes[0]
    assert {"first: 2", "last: 0"} <= {one.get_text() for one in axes.texts}


def test_mistakes_are_told():
    net, loss, (x, y) = model(), nn.CrossEntropyLoss(), examples()
    direction = random_direction(weights_of(net))
    with pytest.raises(RangeError, match="no examples"):
        line(net, loss, x[:0], y[:0], direction, [0])
    with pytest.raises(RangeError, match="0 points"):
        line(net, loss, x, y, direction, [])
    with pytest.raises(RangeError, match="radius=0"):
        chords(net, loss, x, y, radius=0)
    seen = []
    line(net, loss, x, y, direction, [0, 1], tell=lambda *it: seen.append(it))
    assert seen == [(1, 2), (2, 2)]
