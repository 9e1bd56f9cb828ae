"""Chromium and a studio for the tests of its page; the other pages bring their own."""

import os
import shutil
import time

import pytest

from tests.train.synthetic_run import HOSTILE, make_examination, make_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll("svg.blc text.number, svg.blc text.symbol")]
    .filter((one) => one.textContent && one.getClientRects().length)
    .map((one) => [one.textContent, one.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
    const beside = p.left + 1 >= q.right || q.left + 1 >= p.right;
    if (!beside && p.top + 3 < q.bottom && q.top + 3 < p.bottom)
      found.push(`${a} and ${b}`);
  }));
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll(
    "main button, main input, main select, main canvas, main img, main [role=img], #bar button")]
  .filter((one) => one.getClientRects().length && !one.closest("[aria-hidden=true]"))
  .filter((one) => !(one.getAttribute("aria-label") || one.alt || one.textContent.trim()
    || one.labels?.length || one.title || one.placeholder))
  .map((one) => one.outerHTML.slice(0, 120))"""
TWICE = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  return ids.filter((one, k) => ids.indexOf(one) !== k);
}"""
UNLABELLED = """() => [...document.querySelectorAll(
    "a[href], select, textarea, [tabindex='0'], [role=region], [role=group], nav, svg")]
  .filter((one) => one.getClientRects().length && !one.closest("[aria-hidden=true]"))
  .filter((one) => !(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby")
    || one.textContent.trim() || one.labels?.length || one.title))
  .map((one) => one.outerHTML.slice(0, 120))"""
UNSEEN_FOCUS = """() => {
  const one = document.activeElement;
  if (!one || one === document.body || !one.getClientRects().length) return "";
  const style = getComputedStyle(one);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const inner = [one, ...one.querySelectorAll("*")].some((part) =>
    part.ownerSVGElement && parseFloat(getComputedStyle(part).strokeWidth) > 2);
  return ring || style.boxShadow !== "none" || inner ? "" : one.outerHTML.slice(0, 120);
}"""


def chromium():
    """Where Chromium is; the test is skipped where it is not."""
    given = os.environ.get("BACKLIGHT_TEST_BROWSER")
    path = given or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on PATH; name one in BACKLIGHT_TEST_BROWSER")
    return path


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
    )
    with api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    pytest.importorskip("starlette", reason="the studio's packages are not installed")
    from tests.studio.conftest import begin

    folder = tmp_path_factory.mktemp("studio")
    for name, classes in (("one", [str(k) for k in range(10)]), ("hostile", HOSTILE)):
        make_examination(make_run(folder / "runs" / name, names=classes), classes)
    found = begin(folder / "runs", folder / "state")
    yield found
    found.stop()


@pytest.fixture
def visit(browser, serving):
    """Open a screen; afterwards nothing may have gone wrong, or been asked of another host."""
    contexts, trouble, requests = [], [], []

    def open_screen(path, *, width=1280, height=800, scheme="light", language="en"):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.add_init_script(
            f"localStorage.getItem('backlight.language')"
            f" || localStorage.setItem('backlight.language', '{language}')"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        serving.studio.target = path
        page.goto(serving.address)
        page.wait_for_selector(f"main[data-ready={path.split('?')[0]}]")
        return page

    open_screen.trouble = trouble
    yield open_screen
    for context in contexts:
        context.close()
    assert trouble == []
    foreign = [
        one for one in requests if not one.startswith((f"http://{serving.host}/", "blob:", "data:"))
    ]
    assert foreign == []


def tell(page, selector):
    return page.locator(selector).inner_text()


def unnamed(page):
    """Controls and regions without a name, and identifiers that are there twice."""
    return [one for wrong in (NAMELESS, UNLABELLED, TWICE) for one in page.evaluate(wrong)]


def wait_for(page, expression, seconds=15):
    """Ask until it is so. (The page's policy forbids what playwright's own waiting does.)"""
    until = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < until, expression
        page.wait_for_timeout(20)
