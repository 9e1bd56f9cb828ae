"""The pages to play with: their numbers are those of the gates, their files are whole."""

import json
import re

import numpy as np
import pytest

import backlight
from backlight.errors import ArgumentError
from backlight.explain.play import ROOMS, open_all
from backlight.explain.play.convolution import example
from backlight.explain.play.eleven_lines import LINES, begun, stepped_on
from backlight.explain.play.jacobian import LAYERS, POINT, WEIGHTS, entries_of
from backlight.explain.play.page import PAGES, document, find
from backlight.gates.activation import sigmoid

open_all()


def data_of(name, language="en"):
    return find(name)(language).data


def test_every_room_declares_a_page():
    assert {make.__module__.rpartition(".")[2] for make in PAGES.values()} == set(ROOMS)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_one_file_that_asks_for_nothing(name, language):
    page = document(name, language=language, theme="dark")
    assert page == document(name, language=language, theme="dark")
    assert f'lang="{language}" data-theme="dark"' in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "{" not in re.search(r"<main>.*?<div id=stage", page, re.S)[0]
    assert bool(re.search("[가-힣]", page)) == (language == "ko")
    written = re.search(r"id=data>(.*?)</script>", page, re.S)[1]
    assert json.loads(written) == json.loads(json.dumps(find(name)(language).data))


def test_pages_are_found():
    with pytest.raises(ArgumentError, match="play list"):
        find("convolutions")


def test_every_window_s_sum_is_the_number_of_the_gate():
    given = example()
    frames = data_of("convolution")["frames"]
    assert len(frames) == 1 + given.output.size
    seen = {}
    for frame in frames[1:]:
        (name,) = (one for one in frame["texts"] if one.startswith("y"))
        k, row, column = map(int, name[1:4])
        total, _, value = frame["texts"]["sum"].partition(" = ")
        parts = [float(one.strip("()").replace("−", "-")) for one in total.split(" + ")]
        assert sum(parts) == given.output[k, row, column] == float(value.replace("−", "-"))
        seen[k, row, column] = value
        lit = [one for one in frame["lit"] if one.startswith("x")]
        assert len(lit) == 27
        window = [given.padded[int(c), int(i), int(j)] for _, c, i, j in lit]
        assert (
            np.dot(window, given.weights[k].ravel()) + given.bias[k] == given.output[k, row, column]
        )
    assert len(seen) == 18
    assert np.abs(given.image - given.image.round()).max() == 0


def test_the_eleven_lines_have_the_gradient_of_the_engine():
    net = begun()
    first = backlight.tensor(net.first, requires_grad=True)
    second = backlight.tensor(net.second, requires_grad=True)
    apart = sigmoid(sigmoid(net.inputs @ first) @ second) - net.wanted
    loss = 0.5 * (apart * apart).sum()
    loss.backward()
    assert loss.item() == pytest.approx(net.loss, abs=1e-15)
    by_first, by_second = net.slopes
    assert by_first == pytest.approx(first.grad.numpy(), abs=1e-15)
    assert by_second == pytest.approx(second.grad.numpy(), abs=1e-15)


def test_the_eleven_lines_learn():
    """The lines themselves, run here, come to the numbers of the page."""
    net = begun()
    assert stepped_on(net).loss < net.loss
    for _ in range(10_000):
        net = stepped_on(net)
    assert net.output.round().ravel().tolist() == [0, 1, 1, 0]
    last = data_of("eleven-lines")["frames"][-1]
    shown = [float(last["texts"][f"value{row}"].replace("−", "-")) for row in range(4)]
    assert shown == pytest.approx(net.output.ravel(), abs=6e-4)


def test_the_lines_are_those_that_are_computed():
    """Each printed line, run as Python by this test, makes the value beside it."""
    net = begun()
    names = {"np": np, "W1": net.first.copy(), "W2": net.second.copy()}
    for _, line in LINES[:2]:
        exec(line, names)  # noqa: S102
    assert (names["X"] == net.inputs).all()
    assert (names["y"] == net.wanted).all()
    for name, line in LINES[5:]:
        exec(line.strip(), names)  # noqa: S102
        if hasattr(net, name):
            assert names[name] == pytest.approx(getattr(net, name), abs=1e-15)
    after = stepped_on(net)
    assert names["W1"] == pytest.approx(after.first, abs=1e-15)
    assert names["W2"] == pytest.approx(after.second, abs=1e-15)


def test_shapes_stand_beside_their_lines():
    frames = data_of("eleven-lines", "ko")["frames"]
    names = [frame["texts"]["name"].split() for frame in frames[1 : 1 + len(LINES)]]
    assert names[5] == ["hidden", "4×4"]
    assert names[9] == ["hidden.T", "@", "d_output", "4×1"]
    assert names[10][-1] == "3×4"


def test_the_jacobians_are_those_of_the_books():
    p = np.exp(POINT) / np.exp(POINT).sum()
    assert entries_of(LAYERS["softmax"][1]) == pytest.approx(np.diag(p) - np.outer(p, p), abs=1e-15)
    assert (entries_of(LAYERS["relu"][1]) == np.diag(POINT > 0)).all()
    assert (entries_of(LAYERS["product"][1]) == WEIGHTS).all()
    assert (entries_of(LAYERS["sum"][1]) == 2 * POINT).all()
    rows = entries_of(LAYERS["convolution"][1])
    assert [list(row[k : k + 3]) for k, row in enumerate(rows)] == [[1, 2, -1]] * 4
    assert np.count_nonzero(rows) == 12


def test_no_entry_is_shown_as_nothing_that_is_something():
    for layer in data_of("jacobian")["layers"]:
        exact = entries_of(LAYERS[layer["name"]][1])
        shown = np.array([[one != "0" for one in row] for row in layer["entries"]])
        assert (shown == (exact != 0)).all()
        assert max(len(one) for row in layer["entries"] for one in row) <= 7
