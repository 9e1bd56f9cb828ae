"""Every figure is drawn in both themes and languages, without a warning, nothing clipped."""

import functools

import numpy as np
import pytest

from backlight import nn
from backlight.errors import ArgumentError, MissingExtraError
from backlight.explain.collapse import collapse
from backlight.explain.depth_probe import depth_probe
from backlight.explain.look import (
    adversary,
    boundary,
    dream,
    embedding,
    exciting,
    features,
    gallery,
    occlusion,
    saliency,
    style,
    taxonomy,
    templates,
)
from backlight.explain.look.classifier import classifier
from tests.explain.look.small import convnet, digits, linear, pictures

pytest.importorskip("matplotlib")


def module(name):
    import importlib

    return importlib.import_module(f"backlight.explain.look.{name}")


@functools.cache
def drawn():
    """A function that draws each kind of figure, by name; what they show is computed once."""
    subject, seen, labels = digits()
    colour, picture, many = convnet(), pictures(1)[0], pictures(9)
    methods = [saliency(subject, seen[0], method=one) for one in module("saliency").METHODS]
    covered, maps = occlusion(colour, picture), features(colour, picture)
    changed = adversary(subject, seen[0])
    hierarchy = [exciting(colour, many, path, [0, 1, 2]) for path in ("1", "4")]
    images = module("class_image").class_images(subject, [3], steps=2)
    dreamt = dream(colour, many[0], octaves=1, steps=1)
    exhibits = gallery(["none", "Tanh"], 4, 16)
    stack = collapse(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))
    flat, points = classifier(nn.Linear(2, 3), 3, (2,)), np.eye(20, 2) - 0.3
    kinds, plane = np.arange(20) % 3, boundary(flat, np.eye(20, 2) - 0.3, 30)
    probed = depth_probe(flat.module, points, kinds, points, kinds)
    spread = embedding(subject, seen[:30])
    grouped = taxonomy(subject, seen[:30], labels[:30], {"low": "01234", "high": "56789"})
    some = (subject, seen[:30], labels[:30])
    return {
        "saliency": (module("saliency").draw, subject, seen[0], methods),
        "occlusion": (module("occlusion").draw, colour, picture, covered),
        "features": (module("features").draw, colour, picture, maps),
        "adversary": (module("adversary").draw, subject, changed),
        "templates": (module("templates").draw, linear(), templates(linear())),
        "filters": (module("templates").draw, colour, templates(colour)),
        "layers": (module("exciting").draw_layers, colour, many, hierarchy),
        "unit": (module("exciting").draw_unit, colour, many, hierarchy[1][0]),
        "class image": (module("class_image").draw, subject, images),
        "dream": (module("dream").draw, colour, many[0], dreamt),
        "gallery": (module("gallery").draw, exhibits),
        "collapse": (module("collapse").draw, stack),
        "boundary": (module("boundary").draw, flat, plane, points, kinds),
        "probes": (module("probes").draw, flat, probed, 20),
        "embedding": (module("embedding").draw, *some, spread),
        "taxonomy": (module("taxonomy").draw, *some, grouped, 2),
    }


@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "ko")])
def test_every_figure_is_drawn_within_its_page_in_the_themes_colours(theme, language):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import same_color

    paper = style.THEMES[theme].paper
    for name, (draw, *shown) in drawn().items():
        figure = draw(*shown, theme=theme, language=language)
        assert same_color(figure.get_facecolor(), paper), name
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        whole = figure.bbox
        for text in [figure._suptitle, figure._supxlabel, *_titles(figure)]:
            if text is None or not text.get_text():
                continue
            box = text.get_window_extent(renderer)
            assert box.x0 >= whole.x0 - 2, (name, text.get_text())
            assert box.x1 <= whole.x1 + 2, (name, text.get_text())
            assert box.y1 <= whole.y1 + 2, (name, text.get_text())


def _titles(figure):
    return [axes.title for axes in figure.axes] + [axes.xaxis.label for axes in figure.axes]


def test_zero_is_the_colour_of_the_paper_in_signed_maps():
    for theme, zero in (("light", (1, 1, 1)), ("dark", (0, 0, 0))):
        look = style.style(theme, "en")
        assert look.signed()(0.5)[:3] == pytest.approx(zero, abs=0.01)
        assert look.amount()(0.0)[:3] == pytest.approx(zero, abs=0.01)


@pytest.mark.parametrize("of", ["value", "gradient"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_half_as_much_looks_half_as_dark(theme, of):
    from matplotlib.colors import to_hex

    colours = style.style(theme, "en").amount(of)
    heights = [style.lightness(to_hex(colours(k / 8))) for k in range(9)]
    steps = np.diff(heights)
    assert (np.sign(steps) == np.sign(steps[0])).all()
    assert abs(steps).max() < 1.5 * abs(steps).mean()


def test_without_a_font_with_hangul_labels_are_english_and_it_is_said(monkeypatch):
    monkeypatch.setattr(style, "FONTS_WITH_HANGUL", ("No Such Font",))
    look = style.style("light", "ko")
    assert look.language == "en"
    assert "No Such Font" in look.note
    assert style.style("light", "en").note == ""


def test_mistakes_are_told(monkeypatch):
    with pytest.raises(ArgumentError, match="Did you mean 'dark'"):
        style.style("drak")
    with pytest.raises(ArgumentError, match="without maps"):
        module("features").draw(linear(), np.zeros((1, 4, 4)), [])
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'backlight\[plots\]'"):
        style.style("light", "en")


def test_numbers_have_a_real_minus_sign():
    assert style.signed_number(-1.5) == "−1.5"
