"""A toy that is changed while it learns: its points, its activations, its hidden space."""

import numpy as np
import pytest

from backlight.errors import BacklightError, DataError
from backlight.studio.hidden_space import FIELD, LATTICE, HiddenSpace
from backlight.studio.toy import MOST_POINTS, OWN, Choice, Toy
from backlight.studio.toy_edits import read_table


@pytest.fixture
def toy(ask):
    ask("toy.make", data="circles", points=20, hidden=[6, 4], seed=3)
    for _ in range(3):
        ask("toy.step")
    return lambda: ask.studio.held["toy"].toy


def test_a_moved_point_stays_moved_and_the_net_goes_on(ask, toy):
    before, weights = toy().edition, toy().weights()[0][1].copy()
    ask("toy.move", index=5, x=0.25, y=-0.5)
    assert toy().inputs[5].tolist() == [0.25, -0.5]
    assert np.array_equal(toy().weights()[0][1], weights)
    assert toy().edition > before
    assert toy().choice.data == OWN
    ask("toy.step")
    assert toy().step == 4
    ask("toy.make", data=OWN, hidden=[3])
    assert toy().inputs[5].tolist() == [0.25, -0.5]


def test_points_are_painted_and_erased(ask, toy):
    net = toy().net
    ask("toy.paint", x=0, y=0, label=1)
    assert len(toy().labels) == 41
    assert toy().net is net
    ask("toy.paint", x=0.5, y=0.5, label=2)
    assert toy().classes == 3
    assert toy().field().shape[2] == 3
    assert toy().net is not net, "a class more needs an output more"
    ask("toy.erase", index=0)
    assert len(toy().labels) == 41
    for _ in range(30):
        ask("toy.step")
    assert set(toy()._batch()) <= set(range(41))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("toy.move", {"index": 40, "x": 0, "y": 0}),
        ("toy.move", {"index": -1, "x": 0, "y": 0}),
        ("toy.move", {"index": 0, "x": "0", "y": 0}),
        ("toy.move", {"index": 0, "x": 1e300, "y": 0}),
        ("toy.paint", {"x": 0, "y": 0, "label": 3}),
        ("toy.paint", {"x": 0, "y": None, "label": 0}),
        ("toy.erase", {"index": 1.5}),
        ("toy.load", {"text": ""}),
        ("toy.load", {"text": "x" * 500_000}),
    ],
)
def test_edits_have_limits(ask, toy, name, wrong):
    points = toy().points()
    with pytest.raises(BacklightError):
        ask(name, **wrong)
    assert toy().points() == points


def test_two_points_are_kept(ask):
    ask("toy.load", text="0,0,0\n1,1,1")
    with pytest.raises(BacklightError, match="2 points"):
        ask("toy.erase", index=0)


def test_a_table_is_read_with_names_signs_and_marks():
    text = "\ufeffx;y;kind\n1;2;dog\n\n-1;0.5;cat\n1e-3;0;dog\n"
    points, classes = read_table(text)
    assert points.tolist() == [[1, 2], [-1, 0.5], [0.001, 0]]
    assert classes.tolist() == [1, 0, 1]
    assert read_table("0\t0\t10\n1\t1\t9")[1].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,2,0\n3,4", "'3,4' in row 2"),
        ("1,2,0\n3,nan,1", "row 2"),
        ("1,2,0\n3,1e999,1", "row 2"),
        ("1,2,0", "1 points"),
        ("".join(f"{k},0,{k}\n" for k in range(9)), "9 classes"),
        ("0,0,0\n" * (MOST_POINTS + 1), "2,001 points"),
        ("<img src=x onerror=alert(1)>", "0 points"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_row(text, told):
    with pytest.raises(DataError, match="table got") as refused:
        read_table(text)
    assert told in str(refused.value)


def test_large_numbers_are_brought_to_size(ask):
    found = ask("toy.load", text="100,2000,a\n300,4000,b\n200,9000,a")
    assert found["scaled"]
    points = np.array(found["points"])
    assert np.allclose(points.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(points.std(axis=0), 1, atol=1e-6)


def test_without_activations_many_layers_are_one_and_back(ask, toy):
    before = toy().field()
    found = ask("toy.collapse")
    assert found["activation"] == "Identity"
    assert "relu" in found["witness"]
    one = found["one"]
    product = np.eye(2)
    for layer in reversed(one["layers"]):
        product = layer @ product
    assert np.allclose(product, one["matrix"], atol=1e-3)
    assert one["error"] < 1e-12
    lead = np.log(toy().field()[..., 0]) - np.log(toy().field()[..., 1])
    assert np.abs(np.diff(lead, n=2, axis=0)).max() < 1e-3, "the boundary is a line"
    assert ask("toy.collapse")["activation"] == "ReLU"
    assert np.array_equal(toy().field(), before)


def test_nothing_below_a_step_learns(ask):
    ask("toy.make", activation="Step", hidden=[5], points=10)
    ask("toy.step")
    norms = ask("toy.choices")["now"]["state"]["norms"]
    assert norms["0.weight"] == 0
    assert norms["2.weight"] > 0
    assert ask("toy.example", index=3)["pull"].tolist() == [0, 0]


def unpacked(frame):
    count, lattice, grid, classes = frame["sizes"]
    cuts = np.cumsum([2 * count, 2 * lattice * lattice])
    points, lines, field = np.split(frame["floats"], cuts)
    return points.reshape(-1, 2), lines.reshape(-1, 2), field.reshape(grid, grid, classes)


def test_two_hidden_units_are_shown_as_they_are():
    toy = Toy(Choice(data="moons", points=15, hidden=(5, 2), activation="Tanh"))
    frame = HiddenSpace().of(toy)
    points, lines, field = unpacked(frame)
    value = toy.inputs
    for path in ("0", "2"):
        layer = dict(toy.net.named_children())[path]
        value = np.tanh(value @ layer.weight._value.T + layer.bias._value)
    assert np.allclose(points, value, atol=1e-5)
    assert frame["share"] == pytest.approx(1)
    assert (len(lines), len(field)) == (LATTICE**2, FIELD)
    lead = np.log(field[..., 0]) - np.log(field[..., 1])
    assert np.abs(np.diff(lead, n=2, axis=1)).max() < 1e-3, "the last layer is linear"


def test_the_hidden_space_turns_no_more_than_the_net_does():
    toy = Toy(Choice(points=30, hidden=(16,)))
    space = HiddenSpace()
    before = unpacked(space.of(toy))[0]
    for _ in range(20):
        toy.advance()
        now = unpacked(space.of(toy))[0]
        spread = np.abs(now).max()
        assert np.abs(now - before).max() < 0.5 * spread, "no axis flips from frame to frame"
        before = now


def test_a_net_without_hidden_layers_has_no_hidden_space():
    assert HiddenSpace().of(Toy(Choice(points=5, hidden=()))) is None
    assert HiddenSpace().of(Toy(Choice(points=5, hidden=(1,)))) is not None
