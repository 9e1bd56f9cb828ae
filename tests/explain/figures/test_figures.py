"""Every figure of the notes is drawn in both themes and languages, whole and legible."""

import itertools
import re

import pytest

from backlight.errors import ArgumentError
from backlight.explain.figures import FIGURES, PAGES, draw, find, ordered
from backlight.explain.figures import registry as registry_module
from backlight.explain.figures.sheet import sheet
from backlight.explain.look import style

pytest.importorskip("matplotlib")

HANGUL = re.compile("[가-힣]")
LOOKS = [("light", "en"), ("dark", "ko")]


def lettering(figure):
    """What is written on a figure apart from the numbers at ticks, each with its box."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # it is laid out already
    found = [one for part in (figure, *figure.subfigs) for one in (part._suptitle, part._supxlabel)]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]
        if axes.axison and axes.name != "3d":
            found += [axes.xaxis.label, axes.yaxis.label]
        if axes.get_legend() is not None:
            found += axes.get_legend().get_texts()
    return [
        (one, one.get_window_extent(renderer)) for one in found if one and one.get_text().strip()
    ]


def check_figure(figure, name, look):
    """Nothing is cut off, no two texts collide, and the language is the one asked for."""
    from matplotlib.colors import same_color

    assert same_color(figure.get_facecolor(), look.theme.paper), name
    whole = figure.bbox
    found = lettering(figure)
    for one, box in found:
        told = (name, one.get_text(), box)
        assert min(box.x0 - whole.x0, whole.x1 - box.x1) >= -1, told
        assert min(box.y0 - whole.y0, whole.y1 - box.y1) >= -1, told
    for (one, box), (other, around) in itertools.combinations(found, 2):
        across = min(box.x1, around.x1) - max(box.x0, around.x0)
        up = min(box.y1, around.y1) - max(box.y0, around.y0)
        if not (one.get_rotation() or other.get_rotation()):
            assert min(across, up) <= 2.5, (name, one.get_text(), other.get_text(), across, up)
    written = "".join(one.get_text() for one, _ in found)
    assert bool(HANGUL.search(written)) == (look.language == "ko"), name


@pytest.mark.parametrize(("theme", "language"), LOOKS)
@pytest.mark.parametrize("name", sorted(FIGURES))
def test_it_is_drawn(name, theme, language):
    """Missing letters are warnings, and warnings are errors."""
    look = sheet(theme, language)
    if look.note:
        pytest.skip(look.note)
    drawn = draw(name, theme=theme, language=language)
    if isinstance(drawn, str):
        assert drawn.startswith("<svg")
        assert f'data-theme="{theme}"' in drawn
        assert bool(HANGUL.search(drawn)) == (language == "ko")
        return
    check_figure(drawn, name, look)


def test_the_other_two_looks():
    """A figure with a bit of everything, in the themes and languages that are left."""
    for theme, language in (("light", "ko"), ("dark", "en")):
        look = sheet(theme, language)
        if look.note:
            pytest.skip(look.note)
        for name in ("data-flow", "two-heads", "image-to-scores"):
            check_figure(draw(name, theme=theme, language=language), name, look)


def test_titles_fit_their_page():
    """A title in Hangul is wide: it is no longer than its figure."""
    for one in FIGURES.values():
        assert one.title("en") != one.title("ko"), one.name
        assert len(one.title("ko")) <= 42, one.name
        assert HANGUL.search(one.title("ko")), one.name


def test_without_hangul_it_is_english_and_said(monkeypatch):
    monkeypatch.setattr(style, "FONTS_WITH_HANGUL", ("No Such Font",))
    look = sheet("light", "ko")
    assert look.language == "en"
    assert "No Such Font" in look.note


def test_each_page_declares_figures():
    for page in PAGES:
        assert any(one.draw.__module__ == page.__name__ for one in FIGURES.values()), page


def test_a_picture_is_drawn_once():
    """No two figures claim the same lost picture."""
    linked = [place for one in FIGURES.values() for place in one.linked]
    assert len(linked) == len(set(linked))
    assert all(one.places for one in FIGURES.values())
    assert [one.name for one in ordered()] != sorted(FIGURES)


def test_finding():
    assert find("S3:55").name == "two-heads"
    assert find("S1:85").name == "learning-rates"
    for wrong in ("S9:1", "two-head", "", "S1:7"):
        with pytest.raises(ArgumentError, match="show note list"):
            find(wrong)
    with pytest.raises(ArgumentError, match="Did you mean 'two-heads'"):
        find("two-head")


@pytest.mark.parametrize("place", ["S5:1", "S1", "1:70", "S1:0", "S1:x"])
def test_wrong_places_are_refused(place):
    with pytest.raises(ArgumentError, match="a note and a line"):
        registry_module.figure("some", linked=place)
    assert "some" not in FIGURES
