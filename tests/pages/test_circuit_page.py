"""A drawn circuit in a real browser: it walks, folds, tells, and asks the network for nothing."""

import itertools
import json
import os
import shutil
from importlib import resources

import numpy as np
import pytest

from backlight.explain import circuit
from backlight.explain.circuit.draw import draw
from backlight.explain.circuit.page import drawing, written
from backlight.explain.circuit.statistics import figures
from backlight.explain.circuit.style import DARK, LIGHT
from tests.explain.circuit.drawn import KINDS, neuron

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll('.blc g[data-box] text')]
    .filter((one) => one.textContent)
    .map((one) => ({text: one.textContent, ...one.getBoundingClientRect().toJSON()}));
  return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4).map((b) => a.text + ' / ' + b.text));
}"""


@pytest.fixture(scope="module")
def browser():
    given = os.environ.get("BACKLIGHT_TEST_BROWSER")
    path = given or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on PATH; name one in BACKLIGHT_TEST_BROWSER")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open a circuit's page; afterwards nothing may have been requested or gone wrong."""
    contexts, trouble, requests = [], [], []

    def open_page(kind, *, width=1280, scheme="light", language="en", scripts=True, text=None):
        path = tmp_path / f"{kind}.html"
        path.write_text(text or KINDS[kind]().render("html", language=language), "utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8_000)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not trouble
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_do_not_overlap(visit, kind):
    page = visit(kind)
    assert page.evaluate(OVERLAPS) == []
    assert visit(kind, language="ko").evaluate(OVERLAPS) == []


def text_of(page, key, name):
    return page.text_content(f"[data-box='{key}'] text.{name}")


def test_steps_by_keyboard(visit):
    page = visit("neuron")
    page.focus("[data-box='n2']")
    assert text_of(page, "n2", "value") == "−1.00"
    page.keyboard.press("ArrowRight")
    assert text_of(page, "n2", "value") == "−1.00"
    assert text_of(page, "n5", "value") == "·", "not reached yet"
    assert text_of(page, "n2", "gradient") == "·"
    assert "× gate" in page.text_content(".blc-said")
    assert "step 1 of" in page.text_content(".blc-count")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert text_of(page, "n9", "value") == "0.8808"
    assert text_of(page, "n9", "gradient") == "·"
    page.keyboard.press("ArrowRight")
    assert text_of(page, "n9", "gradient") == "1.00"
    page.keyboard.press("Shift+ArrowRight")
    assert text_of(page, "n0@2.0", "gradient") == "−0.1050"
    page.keyboard.press("Shift+ArrowLeft")
    assert page.text_content(".blc-count") == ""
    assert page.get_attribute(".blc-said", "aria-live") == "polite"


def test_walking_and_pointing_tells_statistics(visit):
    page = visit("mlp")
    page.focus("[data-box='n3']")
    told = page.text_content(".blc-detail")
    assert "linear gate" in told
    assert "standard deviation" in told
    assert "zeros" in told
    page.hover("[data-box='n1@3.1'] .symbol")
    assert "Parameter 0.weight" in page.text_content(".blc-detail")
    assert page.locator(".same").count() == 1


def test_layers_open_and_fold(visit):
    page = visit("residual")
    folded = page.locator("[aria-expanded=false][data-group]")
    before = page.locator("[data-box]").count()
    assert folded.count() == 1
    assert "×12" in folded.text_content()
    folded.focus()
    page.keyboard.press("Enter")
    page.locator("[data-box]").nth(before).wait_for()
    opened = page.locator("[aria-expanded=true][data-group]")
    assert "×12" in opened.nth(1).text_content()
    assert page.evaluate(OVERLAPS) == []
    page.locator("[data-group].layer").first.focus()
    page.keyboard.press("u")
    page.wait_for_selector(".symbol >> text=before")
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator("text.number", has_text="·").count() == 0, "all is known at the end"
    page.keyboard.press("ArrowLeft")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert page.locator("text.value", has_text="·").count() == 0, "values are, going backward"
    page.get_by_role("button", name="Fold all").click()
    page.locator("[data-box]").nth(before).wait_for(state="detached")
    assert page.locator("[data-box]").count() == before


def test_the_table_and_the_keys(visit):
    page = visit("neuron")
    page.focus("[data-box='n2']")
    assert not page.is_visible(".blc-table")
    page.keyboard.press("t")
    rows = page.locator(".blc-table tbody tr").all_text_contents()
    assert len(rows) == 10
    assert any("0.880797" in row for row in rows)
    page.keyboard.press("?")
    assert page.is_visible(".blc-help")
    assert page.locator(".blc-table [aria-hidden]").count() == 0


def test_playing_ends(visit):
    page = visit("neuron")
    page.get_by_role("button", name="Play").click()
    assert page.get_by_role("button", name="Pause").count() == 1
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Play").count() == 1


def test_without_scripts_the_picture_stays(visit):
    page = visit("neuron", scripts=False)
    assert page.locator("[data-box]").count() == 10
    assert text_of(page, "n9", "value") == "0.8808"


def test_a_narrow_dark_page_scrolls_only_the_picture(visit):
    page = visit("neuron", width=320, scheme="dark", language="ko")
    assert page.evaluate("document.documentElement.scrollWidth <= 320")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.blc .ground')).fill")
        == "rgb(17, 20, 24)"
    )
    small = page.evaluate(
        "[...document.querySelectorAll('button')]"
        ".filter(b => b.getBoundingClientRect().height < 24).length"
    )
    assert small == 0


def test_every_box_and_button_has_a_label(visit):
    page = visit("residual")
    for element in page.query_selector_all("[tabindex], button"):
        assert element.get_attribute("aria-label")
    assert page.locator("g[aria-hidden=true] [tabindex]").count() == 0


def test_a_cell_of_a_jacobian_lights_what_it_depends_on(visit):
    """A row of a convolution's Jacobian is the patch of the image under the kernel."""
    random = np.random.default_rng(0)
    drawn = circuit(
        "conv2d(x, w)", x=random.normal(size=(1, 1, 6, 6)), w=random.normal(size=(1, 1, 3, 3))
    )
    page = visit("jacobian", text=drawn.render("html", language="en", jacobian=True))
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    first = page.locator(".blc-jacobian").first
    assert "Toeplitz in blocks" in first.text_content()
    cells = first.locator(".blc-scrolled td")
    assert cells.count() == 16 * 36
    cells.nth(5 * 36 + 14).click()
    grids = first.locator(".blc-arrays table")
    lit = grids.nth(1).locator("td")
    found = [at for at in range(36) if "lit" in (lit.nth(at).get_attribute("class") or "")]
    assert found == [6 * row + column for row in (1, 2, 3) for column in (1, 2, 3)]
    said = first.locator(".blc-said").text_content()
    assert "number 6 of f changes by" in said
    assert "9 of the 36 numbers of x" in said
    page.keyboard.press("ArrowDown")
    assert "number 7 of f" in first.locator(".blc-said").text_content()
    grids.nth(0).locator("td").nth(15).click()
    assert "Row 16: number 16 of f depends on 9" in first.locator(".blc-said").text_content()
    korean = visit("korean", text=drawn.render("html", language="ko", jacobian=True))
    assert "합성곱" in korean.text_content(".blc-jacobian")


def test_bars_of_folded_layers_follow(visit):
    page = visit("residual")
    assert page.locator(".layer .strip path").count() == 12
    before = page.locator(".layer .strip path").first.get_attribute("class")
    page.locator(".layer").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".layer .strip path.none").count() == 12, "no gradient yet"
    page.keyboard.press("Shift+ArrowRight")
    assert page.locator(".layer .strip path").first.get_attribute("class") == before


def test_a_notebook_without_scripts_shows_an_image(visit):
    text = neuron().render("fragment", language="ko")
    page = visit("still", text="<!doctype html><meta charset=utf-8>" + text, scripts=False)
    image = page.locator("img.blc-still")
    assert image.bounding_box()["width"] > 300
    assert "회로" in image.get_attribute("alt")


def test_two_notebook_outputs_live_side_by_side(visit):
    parts = [KINDS[kind]().render("fragment", language="en") for kind in ("neuron", "shared")]
    page = visit(
        "notebook", text="<!doctype html><meta charset=utf-8>" + "".join([*parts, parts[0]])
    )
    assert page.locator(".blc-bar").count() == 3
    assert page.locator("svg.blc").count() == 3
    assert page.locator("img").count() == 0
    page.locator(".blc-live").nth(1).get_by_role("button", name="Step forward").click()
    counts = page.locator(".blc-count").all_text_contents()
    assert counts[0] == counts[2] == ""
    assert counts[1].startswith("step 1")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].length")
    assert ids == 0


def test_numbers_follow_in_place(visit):
    """What the studio does while an input is dragged: new figures, the same drawing."""
    before, after = (circuit("x/y + relu(z)", x=x, y=4, z=1) for x in (2, -0.25))
    script = resources.files("backlight.explain.circuit").joinpath("web", "circuit.js")
    data = json.dumps(drawing(before)).replace("<", "\\u003c")
    page = visit(
        "drag",
        text=f"""<!doctype html><meta charset=utf-8><main></main><script type=module>
        {script.read_text("utf-8")}
        window.told = [];
        window.view = mount(document.querySelector("main"), {data}, {{controls: false}})
          .on("select", (what) => told.push(what.key)).on("fold", (what) => told.push(what));
        window.kept = document.querySelector("[data-box=n2]");
        </script>""",
    )
    assert text_of(page, "n2", "value") == "0.50"
    made = written(figures(after, draw(after)))
    page.evaluate("(figures) => view.update({figures})", made)
    assert text_of(page, "n2", "value") == "−0.0625"
    assert page.evaluate("kept === document.querySelector('[data-box=n2]')")
    assert "−0.0625" in page.get_attribute("[data-box=n2]", "aria-label")
    page.focus("[data-box=n2]")
    assert page.evaluate("told") == ["n2"]
    page.evaluate("(data) => view.update(data)", drawing(neuron()))
    assert page.locator("[data-box]").count() == 10
    page.evaluate("view.destroy()")
    assert page.locator("main *").count() == 0


def test_colours_of_both_themes_are_legible():
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for theme in (LIGHT, DARK):
        for text, ground in itertools.product(("text", "quiet", "value", "gradient"), ("ground",)):
            a, b = sorted((light(theme[text]), light(theme[ground])))
            assert (b + 0.05) / (a + 0.05) >= 4.5
