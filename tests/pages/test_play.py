"""The pages to play with in a real browser: stepped, played, dragged, at a phone's width."""

import numpy as np
import pytest

from backlight.engine.derivative import grad
from backlight.explain.play import open_all
from backlight.explain.play.linear import POINTS, RATE, WEIGHTS
from backlight.explain.play.page import PAGES, document
from backlight.gates.hinge import multiclass_hinge
from backlight.gates.loss import cross_entropy
from backlight.studies.divergence import divergence

open_all()
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
def opened(browser, tmp_path):
    contexts, trouble = [], []

    def open_page(name, language="en", theme="auto", width=900):
        path = tmp_path / f"{name}.html"
        path.write_text(document(name, language=language, theme=theme), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 860})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def said(page):
    return page.locator("#said").inner_text()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_fits_a_phone(opened, name, language):
    page = opened(name, language, "dark", width=360)
    assert not page.evaluate(TOO_WIDE)
    assert said(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 24)"


def test_stepping(opened):
    page = opened("convolution")
    cell = page.locator('[data-name="y000"]')
    assert cell.text_content() == ""
    page.keyboard.press("ArrowRight")
    assert cell.text_content() == "−3"
    assert page.locator(".cell.lit").count() == 27 + 27 + 1
    page.keyboard.press("End")
    assert page.locator(".cell.done").count() == 18
    page.keyboard.press("ArrowLeft")
    assert page.locator('[data-name="y122"]').text_content() == ""
    page.locator("button").first.click()
    assert cell.text_content() == ""
    page.locator("input[type=range]").fill("3")
    assert page.locator(".cell.done").count() == 3


def test_playing_and_pausing(opened):
    page = opened("eleven-lines")
    first = said(page)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "(first) => document.getElementById('said').textContent !== first", arg=first
    )
    page.get_by_role("button", name="Pause").click()
    now = said(page)
    page.wait_for_timeout(300)
    assert said(page) == now


def numbers(page):
    names = ("entropy", "cross", "divergence")
    return [float(page.locator(f'[data-name="{one}-told"]').text_content()) for one in names]


def shares(page, which):
    return [
        float(page.locator(f'[data-name="{which}{k}"]').get_attribute("aria-valuenow"))
        for k in range(4)
    ]


def test_dragged_bars_have_the_numbers_of_the_gates(opened):
    page = opened("entropy")
    page.locator('[data-name="p3"]').focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    box = page.locator('[data-name="q1"] .grip').bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 0.9 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 5, box["y"] + 0.3 * box["height"])
    page.mouse.up()
    p, q = shares(page, "p"), shares(page, "q")
    assert q[1] == pytest.approx(0.7, abs=0.02)
    assert sum(p) == pytest.approx(1, abs=2e-3)
    p, q = ([one / sum(each) for one in each] for each in (p, q))
    found = divergence(p, q)
    wanted = [found.entropy, found.cross_entropy, found.divergence]
    assert numbers(page) == pytest.approx(wanted, abs=6e-3)
    page.get_by_role("button", name="q = p").click()
    entropy, cross, more = numbers(page)
    assert (cross, more) == (entropy, 0)


def test_bits_and_the_impossible(opened):
    page = opened("entropy")
    page.get_by_role("button", name="bits").click()
    assert numbers(page)[0] == pytest.approx(1.75)
    page.locator('[data-name="q0"]').focus()
    page.keyboard.press("Home")
    assert page.locator('[data-name="cross-told"]').text_content() == "∞"
    assert "no bound" in said(page)


def test_a_clicked_output_lights_its_inputs(opened):
    page = opened("jacobian")

    def lit():
        return page.eval_on_selector_all(
            ".cell.lit:not(.entry)", "cells => cells.map((one) => one.dataset.name)"
        )

    page.get_by_role("button", name="x ∗ (1, 2, −1)", exact=True).click()
    page.locator('[data-name="f₂"]').click()
    assert sorted(lit()) == ["f₂", "x₂", "x₃", "x₄"]
    assert "{" not in said(page)
    page.locator('[data-name="x₁"]').focus()
    page.keyboard.press("Enter")
    assert sorted(lit()) == ["f₁", "x₁"]
    page.keyboard.press("Enter")
    assert lit() == []
    page.get_by_role("button", name="max(0, x)", exact=True).click()
    page.locator('[data-name="f₂"]').click()
    assert lit() == ["f₂"]
    assert "nothing" in said(page)


def state(page):
    """Weights, points, and the loss beside each point, as the page has them."""
    rows = page.eval_on_selector_all(
        "line[data-row]", "lines => lines.map((one) => one.dataset.row.split(',').map(Number))"
    )
    dots = page.eval_on_selector_all(
        ".dot", "dots => dots.map((one) => [one.dataset.at, one.textContent])"
    )
    points = np.array([[float(one) for one in at.split(",")] for at, _ in dots])
    return np.array(rows), np.c_[points, np.ones(len(points))], [float(loss) for _, loss in dots]


@pytest.mark.parametrize(
    ("button", "gate"), [("SVM (hinge)", multiclass_hinge), ("softmax", cross_entropy)]
)
def test_a_step_goes_against_the_engine_s_gradient(opened, button, gate):
    page = opened("linear")
    labels = np.array([label for _, label in POINTS])
    page.get_by_role("button", name=button, exact=True).click()
    before, rows, shown = state(page)
    assert before == pytest.approx(np.array(WEIGHTS))
    each = [
        float(gate(row[None] @ before.T, label[None]))
        for row, label in zip(rows, labels, strict=True)
    ]
    assert shown == pytest.approx(each, abs=5.1e-3)
    slope = np.asarray(grad(lambda weights: gate(rows @ weights.T, labels))(before))
    page.get_by_role("button", name="one step").click()
    assert state(page)[0] == pytest.approx(before - RATE * slope, abs=1e-12)


def test_a_moved_point_has_another_loss(opened):
    page = opened("linear", "ko")
    dot = page.locator(".dot").first
    _, rows, losses = state(page)
    dot.focus()
    page.keyboard.press("ArrowRight")
    box = page.locator(".dot").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60)
    page.mouse.up()
    _, moved, changed = state(page)
    assert moved[0, 0] == pytest.approx(rows[0, 0] + 0.05)
    assert abs(moved[1] - rows[1]).max() > 0.1
    assert changed[0] != losses[0]
    assert changed[1] != losses[1]
    assert changed[2:] == losses[2:]
