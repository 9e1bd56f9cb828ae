"""The report in a real browser: nothing leaves the page, everything on it works."""

import os
import shutil

import pytest

from backlight.train.report import write_report
from tests.train.synthetic_run import HOSTILE, make_examination, make_run

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
DIGITS = [str(k) for k in range(10)]


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


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name, classes in (("digits", DIGITS), ("hostile", HOSTILE)):
        run = make_run(folder / name, names=classes)
        make_examination(run, classes)
        made[name] = write_report(run)
    return made


@pytest.fixture
def visit(browser, reports):
    """Open a report; afterwards nothing may have been requested, refused or gone wrong."""
    contexts, trouble, requests = [], [], []

    def open_page(name="digits", *, width=1280, scheme="light", scripts=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.add_init_script(
            "window.refused = []; addEventListener('securitypolicyviolation',"
            " event => window.refused.push(event.violatedDirective + event.blockedURI));"
        )
        page.goto(reports[name].as_uri())
        return page

    yield open_page
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.refused ?? []") == []
        context.close()
    assert trouble == []
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert sum(url.startswith("file:") for url in requests) == len(contexts)


@pytest.mark.parametrize("name", ["digits", "hostile"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_fits_and_stays_silent(visit, name, width):
    page = visit(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate("""() => [...document.querySelectorAll("figure.chart, .card, .tile")]
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5).length""")
    assert outside == 0


def test_text_in_the_charts_can_be_read_on_a_phone(visit):
    page = visit(width=390)
    smallest = page.evaluate("""() => Math.min(...[...document.querySelectorAll("svg.plot text")]
        .filter((node) => node.getClientRects().length)
        .map((node) => {
          const { a, b, c, d } = node.getScreenCTM();
          return parseFloat(getComputedStyle(node).fontSize) * Math.sqrt(a * d - b * c);
        }))""")
    assert smallest >= 9


def test_labels_of_an_axis_do_not_run_into_each_other(visit):
    for width in (390, 1280):
        page = visit(width=width)
        clashes = page.evaluate("""() => {
          const found = [];
          for (const plot of document.querySelectorAll("svg.plot:not([hidden])")) {
            for (const kind of [".tick.across", ".tick.up"]) {
              const boxes = [...plot.querySelectorAll(kind)].map((n) => [n.textContent,
                n.getBoundingClientRect()]).filter(([, box]) => box.width);
              boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
                if (p.left < q.right && q.left < p.right && p.top + 2 < q.bottom - 2
                    && q.top + 2 < p.bottom - 2) found.push(`${a} and ${b}`);
              }));
            }
          }
          return found;
        }""")
        assert clashes == []


def test_one_crosshair_goes_through_all_charts(visit):
    page = visit()
    before = page.locator("#accuracy .legend .value").all_inner_texts()
    page.locator("#loss svg.plot").first.scroll_into_view_if_needed()
    box = page.locator("#loss svg.plot").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    for chart in ("loss", "accuracy", "gradients", "updates"):
        assert page.locator(f"#{chart} .at").inner_text().startswith("at epoch 1.")
    assert page.locator("#accuracy .legend .value").all_inner_texts() != before
    assert page.locator('#updates .cross[visibility="visible"]').count() == 1
    page.mouse.move(1, 1)
    assert page.locator("#accuracy .legend .value").all_inner_texts() == before


def test_the_crosshair_goes_by_keys(visit):
    page = visit()
    page.locator("#accuracy svg.plot").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#accuracy .at").inner_text().startswith("at epoch 0.")
    page.keyboard.press("End")
    assert page.locator("#loss .at").inner_text() == "at epoch 8"


def test_the_log_switch_changes_the_drawing(visit):
    page = visit()
    switch = page.locator("#loss [data-switch]")
    assert page.locator("#loss svg[data-kind=linear]").is_visible()
    switch.click()
    assert switch.get_attribute("aria-pressed") == "true"
    assert page.locator("#loss svg[data-kind=log]").is_visible()
    assert not page.locator("#loss svg[data-kind=linear]").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_and_the_switch(visit, scheme):
    page = visit(scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 24)"}
    other = "dark" if scheme == "light" else "light"
    assert page.evaluate(ground) == colours[scheme]
    page.click("#theme")
    assert page.evaluate(ground) == colours[other]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, scheme):
    page = visit(scheme=scheme)
    weakest = page.evaluate("""() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const hex = style.getPropertyValue(name).trim().slice(1);
        const [r, g, b] = [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255)
          .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05)
        / (Math.min(light(a), light(b)) + 0.05);
      const pairs = [];
      for (const ground of ["--ground", "--panel", "--raised"]) {
        for (const ink of ["--text", "--quiet", "--value", "--miss"]) {
          pairs.push([ratio(ink, ground), 4.5]);
        }
        for (let k = 0; k < 8; k++) pairs.push([ratio(`--c${k}`, ground), 3]);
      }
      pairs.push([ratio("--on-strong", "--value"), 4.5], [ratio("--on-strong", "--miss"), 4.5]);
      return Math.min(...pairs.map(([found, needed]) => found / needed));
    }""")
    assert weakest >= 1


def test_the_confusion_matrix_answers(visit):
    page = visit()
    matrix = page.locator("svg.matrix")
    matrix.focus()
    page.keyboard.press("ArrowDown")
    said = page.locator("#confusion-matrix .at").inner_text()
    assert said.startswith("true 1, predicted 0:")
    assert said.endswith("of 27")


def test_hostile_class_names_are_said_as_text(visit):
    page = visit("hostile")
    page.locator("svg.matrix").focus()
    page.keyboard.press("ArrowUp")
    said = page.locator("#confusion-matrix .at").inner_text()
    assert said.startswith("true <img src=x onerror=alert(1)>, predicted")
    assert page.locator("img[onerror]").count() == 0
    assert page.evaluate("({}).polluted") is None


def test_tables_open_and_are_copied(visit):
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#loss summary").click()
    page.locator("#loss [data-copy]").click()
    page.wait_for_function("document.querySelector('#loss [data-copy]').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].startswith("epoch,training loss,validation loss,")
    assert len(copied) == 9
    assert float(copied[1].split(",")[1]) > 1


def test_without_scripts_everything_is_there_but_the_switches(visit):
    page = visit(scripts=False)
    assert page.locator("#loss svg[data-kind=linear]").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator(".card").count() > 12


def test_pictures_are_shown_and_sharp(visit):
    page = visit()
    broken = page.evaluate("""() => [...document.images].filter((image) => !image.complete
        || !image.naturalWidth || getComputedStyle(image).imageRendering !== "pixelated").length""")
    assert broken == 0
    assert page.evaluate("document.images.length") > 20


def test_printing_is_light_and_whole(visit):
    page = visit(scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert len(page.pdf()) > 50_000
