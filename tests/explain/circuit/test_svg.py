"""The picture: sound XML without ids, the same bytes each time, every text where it belongs."""

import base64
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from backlight import nn, tensor
from backlight.errors import ArgumentError, MissingExtraError
from backlight.explain import circuit
from tests.explain.circuit.drawn import KINDS, data, long_row, neuron

HOSTILE = '<script>alert("1")</script>&amp;\x00\x1b]]>\ud800 가중치 W₁'


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_sound_and_the_same_each_time(kind):
    drawn = KINDS[kind]()
    for theme in ("auto", "light"):
        text = drawn.render("svg", theme=theme)
        assert text == drawn.render("svg", theme=theme)
        root = ElementTree.fromstring(text)  # noqa: S314 - our own
        assert root.tag.endswith("svg")
        assert not [one for one in root.iter() if "id" in one.attrib]
        assert root.find("{*}title").text
        assert root.find("{*}desc").text
        for group in root.iter():
            if "tabindex" in group.attrib:
                assert group.attrib["aria-label"]
                assert group.attrib["role"]
        assert ("var(" in text) == (theme == "auto")
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_names_are_text_and_nothing_else():
    x = tensor(2.0, requires_grad=True)
    drawn = circuit(x * x, names={HOSTILE: x})
    text = drawn.render("svg")
    ElementTree.fromstring(text.encode())  # noqa: S314 - our own
    assert "<script" not in text
    assert "가중치" in text
    page = drawn.render("html")
    assert page.count("<script") == 2
    assert "<script>" not in page


def test_values_are_above_and_gradients_below():
    root = ElementTree.fromstring(neuron().render("svg"))  # noqa: S314 - our own
    seen = 0
    for group in root.findall(".//{*}g"):
        if group.get("data-box"):
            texts = {one.get("class"): one for one in group.findall("{*}text")}
            value, gradient = texts["number value"], texts["number gradient"]
            assert float(value.get("y")) < float(gradient.get("y"))
            seen += 1
    assert seen == 10


def test_a_network_of_fifty_layers_is_drawn_in_time():
    layers = [part for _ in range(50) for part in (nn.Linear(64, 64), nn.ReLU())]
    loss = nn.Sequential(*layers)(data(8, 64)).sum()
    started = time.perf_counter()
    text = circuit(loss).render("svg")
    assert time.perf_counter() - started < 2
    assert "×50" in text


def test_png():
    pytest.importorskip("resvg_py", reason="resvg-py is not installed (pip install resvg-py)")
    small = neuron().render("png", scale=1.0)
    assert small.startswith(b"\x89PNG")
    assert len(small) > 3000
    assert len(neuron().render("png", theme="dark", language="ko")) > len(small)


def test_png_without_the_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'backlight\[plots\]'"):
        neuron().render("png")


def test_saving_goes_by_the_end_of_the_name(tmp_path):
    drawn = neuron()
    for form in ("svg", "html", "json", "dot", "tex", "txt"):
        assert drawn.save(tmp_path / f"a.{form}").stat().st_size > 100
    with pytest.raises(ArgumentError, match="svgg"):
        drawn.save(tmp_path / "a.svgg")


def test_notebook():
    drawn = neuron()
    shown = drawn._repr_mimebundle_()
    assert set(shown) == {"text/plain", "image/svg+xml", "text/html"}
    assert shown["text/html"].startswith("<div")
    packed = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', shown["text/html"])[1]
    assert base64.b64decode(packed).decode() == shown["image/svg+xml"]
    assert re.search(r'<img class="blc-still" alt="Circuit of [^"]+"', shown["text/html"])
    assert set(drawn._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in drawn._repr_mimebundle_(exclude=["text/html"])
    assert drawn._repr_svg_() == shown["image/svg+xml"]
    assert "(×)" in str(drawn)
    assert "5 gates" in repr(drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_one_small_file(kind):
    page = KINDS[kind]().render("html")
    assert len(page.encode()) < 200_000
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_a_page_of_a_very_long_row_takes_no_time():
    """Twenty thousand gates: what takes long in groups would take minutes here."""
    drawn = long_row(20_000)
    started = time.process_time()
    page = drawn.render("html")
    assert time.process_time() - started < 4
    assert len(page.encode()) < 200_000


def test_the_picture_in_the_documentation_is_of_now():
    """Draw it again with neuron().save("docs/images/neuron.svg", language="en")."""
    kept = Path(__file__).parents[3] / "docs" / "images" / "neuron.svg"
    assert neuron().render("svg", language="en") == kept.read_text("utf-8")
