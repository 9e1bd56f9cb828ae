"""The studio in a real browser: every screen opened, driven by keys, and looked at."""

import socket
import statistics
import time

import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

from backlight.studio.screens import NAMES
from tests.pages.conftest import OVERLAPS, UNSEEN_FOCUS, tell, unnamed, wait_for
from tests.studio.conftest import begin

SOON = tuple(name for name in NAMES if name not in ("net", "compiler", "look"))
"""Screens that need no compiling to be open."""
HUNDRED = "+".join("sin(x*y+z)" for _ in range(25))


@pytest.mark.parametrize("screen", SOON)
def test_each_screen_fits_a_phone_and_speaks_korean_in_the_dark(visit, screen):
    page = visit(screen, width=390, height=844, scheme="dark", language="ko")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert "rgb(17, 20, 24)" in page.evaluate("getComputedStyle(document.body).backgroundColor")
    shown = page.evaluate("document.body.innerText")
    assert not [word for word in ("undefined", "NaN", "[object", "studio.") if word in shown]
    assert unnamed(page) == []
    unseen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        unseen.add(page.evaluate(UNSEEN_FOCUS))
    assert unseen <= {""}, "where the focus is can be seen"
    page.keyboard.press("Control+k")
    assert unnamed(page) == []
    assert page.locator("[role=combobox]").get_attribute("aria-label")


def test_the_circuit_shows_the_worked_example(visit):
    page = visit("circuit")
    page.wait_for_selector("svg.blc")
    assert tell(page, "[data-output]") == "0.880797"
    numbers = page.locator("svg.blc text.gradient").all_text_contents()
    assert {"0.3150", "−0.1050", "0.2100"} <= set(numbers)
    assert page.evaluate(OVERLAPS) == []
    assert unnamed(page) == []


def test_the_circuit_is_driven_by_keys_alone(visit):
    page = visit("circuit")
    page.wait_for_selector("svg.blc")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert "squashes" in tell(page, ".sentence")
    assert "·" in page.locator("svg.blc text.gradient").all_text_contents()
    page.keyboard.press("Shift+ArrowRight")
    assert "·" not in page.locator("svg.blc text.gradient").all_text_contents()
    page.keyboard.press("n")
    page.wait_for_selector("text=The numerical gradients agree")
    page.keyboard.press("u")
    wait_for(page, "document.querySelectorAll('svg.blc .gate').length > 5")
    page.keyboard.press("/")
    page.keyboard.press("Control+a")
    page.keyboard.type("max(p, q)")
    page.keyboard.press("Enter")  # Whether or not the answer with its offer has come.
    wait_for(page, "document.querySelector('[data-output]').textContent === '1'")
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    wait_for(page, "document.querySelector('[data-output]').textContent === '1.01'")
    page.keyboard.press("?")
    assert page.locator("[role=dialog]").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+ArrowDown")
    page.wait_for_selector("main[data-ready=train]")


def test_a_mistake_has_a_caret_and_is_mended_by_typing_on(visit):
    page = visit("circuit")
    page.fill("[data-first]", "x*(y")
    page.wait_for_selector(".problem")
    assert "^ here" in tell(page, ".problem")
    page.fill("[data-first]", "c*x")
    wait_for(page, "document.querySelectorAll('svg.blc .gate').length === 1")
    assert page.locator(".problem").count() == 0


def test_a_step_uphill_is_foreseen(visit):
    page = visit("circuit?f=x*y&x=-2&y=3")
    page.wait_for_selector("svg.blc")
    page.click("[data-uphill]")
    wait_for(page, "document.querySelector('[data-output]').textContent === '−5.8706'")
    assert "0.13" in tell(page, "[data-change]")
    assert "0.1294" in tell(page, "[data-change]")


def test_the_factors_of_a_gate_are_reached_by_tab(visit):
    page = visit("circuit?f=x*y&x=4&y=-3")
    page.wait_for_selector("svg.blc")
    page.locator("svg.blc .gate").focus()
    page.wait_for_selector("table caption")
    assert "upstream 1" in tell(page, "table caption")


def test_a_hundred_gates_follow_a_drag_in_time(visit):
    page = visit(f"circuit?f={HUNDRED.replace('+', '%2B')}&x=1&y=2&z=0.5")
    page.wait_for_selector("svg.blc")
    assert page.locator("svg.blc .gate").count() == 99
    times = page.evaluate("""async () => {
      const slider = document.querySelector(".knob input[type=range]");
      const main = document.querySelector("main");
      const found = [];
      for (let k = 0; k < 60; k++) {
        const before = Number(main.dataset.moves ?? 0);
        const started = performance.now();
        slider.value = 1 + 0.01 * (k % 50);
        slider.dispatchEvent(new Event("input"));
        while (Number(main.dataset.moves ?? 0) === before) await new Promise((go) => {
          const channel = new MessageChannel();
          channel.port1.onmessage = go;
          channel.port2.postMessage(0);
        });
        found.push(performance.now() - started);
      }
      return found;
    }""")
    times.sort()
    print(f"drag of 99 gates: median {statistics.median(times):.1f} ms, 95 % {times[56]:.1f} ms")
    # The bound is 50 ms on a machine that does nothing else; see docs/studio.md.
    assert times[10] < 50


def test_the_toy_learns_while_one_looks(visit):
    page = visit("train")
    page.keyboard.press("Space")
    wait_for(page, "Number(document.querySelector('[data-tile=step]')?.textContent) > 60")
    page.keyboard.press("Space")
    wait_for(page, "document.querySelector('[data-go]').getAttribute('aria-pressed') === 'false'")
    page.locator("canvas.plane").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("text=Point 0")
    page.wait_for_selector("svg.blc")
    assert page.evaluate(OVERLAPS) == []
    colours = page.evaluate("""() => {
      const canvas = document.querySelector("canvas.plane");
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      const some = Array.from({ length: 999 }, (_, k) => pixels.slice(900 * k, 900 * k + 3));
      return new Set(some.map((one) => one.join())).size;
    }""")
    assert colours > 20


def test_a_second_tab_and_a_reload_see_the_same_training(visit):
    first = visit("train")
    first.keyboard.press("r")
    first.keyboard.press("ArrowRight")
    wait_for(first, "document.querySelector('[data-tile=step]')?.textContent === '1'")
    second = visit("train")
    assert tell(second, "[data-tile=step]") == "1"
    first.keyboard.press("ArrowRight")
    wait_for(second, "document.querySelector('[data-tile=step]')?.textContent === '2'")
    first.reload()
    wait_for(first, "document.querySelector('[data-tile=step]')?.textContent === '2'")


def test_runs_are_compared_and_hostile_names_are_text(visit):
    page = visit("runs")
    page.wait_for_selector("figure.chart > svg")
    page.locator("main input[type=checkbox]").first.focus()
    page.keyboard.press("Space")
    wait_for(page, "document.querySelectorAll('main input:checked').length === 1")
    page.keyboard.press("Space")
    wait_for(page, "document.querySelectorAll('main input:checked').length === 2")
    page.wait_for_selector("text=Confusions of")
    assert page.locator("img[onerror]").count() == 0
    assert page.evaluate("({}).polluted") is None
    page.wait_for_timeout(300)
    page.locator("figure.chart > svg").first.focus()
    page.keyboard.press("Home")
    wait_for(page, "document.querySelector('.legend').textContent.includes('epoch')")


def test_rules_race_by_keys(visit):
    page = visit("optimisers")
    wait_for(page, "document.querySelector('[data-step]').textContent === '120 / 120'")
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    wait_for(page, "document.querySelector('[data-step]').textContent.startsWith('1 /')")
    slider = page.locator(".slot input")
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_selector("text=runs away")


def test_a_planted_fault_is_found(visit):
    page = visit("check")
    page.wait_for_selector("[data-verdict=true]")
    page.select_option("[data-fault]", "transposed")
    page.wait_for_selector("[data-verdict=false]")
    page.locator(".scroll button").first.click()
    wait_for(page, "document.querySelectorAll('figure.chart .line[d]').length >= 2")


def test_a_landscape_is_computed_and_raised(visit):
    page = visit("landscape")
    page.fill("input[type=number] >> nth=0", "9")
    page.click("[data-go]")
    page.wait_for_selector("text=where training stands; between")
    page.click("[data-view=surface]")
    page.wait_for_selector(".surface[data-drawn] canvas")
    visit.trouble[:] = [one for one in visit.trouble if "GPU" not in one and "Canvas2D" not in one]


def test_an_unfolded_gate_folds_and_opens_and_still_follows_a_drag(visit):
    page = visit("circuit?unfold=1")
    page.wait_for_selector("svg.blc .frame")
    gates = page.locator("svg.blc .gate").count()
    page.locator("svg.blc .frame").first.focus()
    page.locator("svg.blc .frame text").first.click()
    wait_for(page, f"document.querySelectorAll('svg.blc .gate').length < {gates}")
    page.locator(".knob input[type=number]").first.fill("2")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelector('[data-output]').textContent === '0.731059'")
    page.locator("svg.blc .layer text").first.click()
    wait_for(page, f"document.querySelectorAll('svg.blc .gate').length === {gates}")


def test_every_number_of_a_convnet_follows_a_dragged_pixel(visit):
    page = visit("net")
    page.set_default_timeout(60_000)
    page.wait_for_selector("[data-gate]")
    for kind in ("gate", "weight", "pixel"):
        page.click(f"[data-{kind}]")
        page.wait_for_selector(f"p:has-text('{kind.capitalize()} '):has-text('the loss has')")
        before = tell(page, "[data-loss]")
        page.locator("[data-slider]").focus()
        for _ in range(20):
            page.keyboard.press("ArrowLeft")
        wait_for(page, f"document.querySelector('[data-loss]').textContent !== '{before}'")
        page.wait_for_selector("[data-change]:has-text('Foreseen')")
    times = page.evaluate("""async () => {
      const slider = document.querySelector("[data-slider]");
      const main = document.querySelector("main");
      const found = [];
      for (let k = 0; k < 40; k++) {
        const before = Number(main.dataset.moves);
        const started = performance.now();
        slider.value = 0.01 * k;
        slider.dispatchEvent(new Event("input"));
        while (Number(main.dataset.moves) === before) await new Promise((go) => setTimeout(go));
        found.push(performance.now() - started);
      }
      return found.sort((a, b) => a - b);
    }""")
    print(f"drag of a ConvNet: median {times[20]:.1f} ms, 95 % {times[37]:.1f} ms")
    assert unnamed(page) == []


def test_a_net_is_looked_into(visit):
    page = visit("look?run=fresh")
    page.set_default_timeout(60_000)
    page.wait_for_selector(".maps canvas")
    page.click("[data-mode=occlusion]")
    page.wait_for_selector("text=a patch of")
    page.click("[data-mode=saliency]")
    page.wait_for_selector("text=Score of")
    assert unnamed(page) == []


def test_a_program_is_shown_and_measured(visit):
    page = visit("compiler")
    page.set_default_timeout(60_000)
    page.wait_for_selector("pre:has-text('linear')")
    page.click("[data-stage=loops]")
    wait_for(page, "document.querySelector('[data-stage=loops]').ariaPressed === 'true'")
    page.click("[data-measure]")
    page.wait_for_selector("text=Roofline")
    assert unnamed(page) == []


def test_a_restarted_server_is_found_again(browser, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "runs").mkdir()
    first = begin(tmp_path / "runs", tmp_path / "state", port)
    context = browser.new_context()
    page = context.new_page()
    page.goto(first.address)
    page.wait_for_selector("svg.blc")
    started = time.monotonic()
    first.stop()
    assert time.monotonic() - started < 2
    page.wait_for_selector("#banner:not([hidden])")
    assert page.locator("svg.blc").is_visible(), "the picture stays"
    second = begin(tmp_path / "runs", tmp_path / "state", first.port)
    try:
        page.wait_for_selector("#banner", state="hidden")
        page.fill("[data-first]", "7*unheard")
        page.wait_for_selector("text=no value yet")
    finally:
        context.close()
        second.stop()


def test_another_page_reaches_nothing(browser, serving, tmp_path):  # W07, W08
    """A page of another origin, in the very browser that has the cookie."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(serving.address)
    page.wait_for_selector("main[data-ready]")
    evil = context.new_page()
    evil.route(
        "http://evil.example/**",
        lambda route: route.fulfill(body="<p>evil</p>", content_type="text/html"),
    )
    evil.goto("http://evil.example/")
    found = evil.evaluate(
        """async (host) => {
      const tried = {};
      const late = () => new Promise((go) => setTimeout(() => go("late"), 1500));
      const soon = (promise) => Promise.race([promise, late()]);
      for (const mode of ["cors", "no-cors"]) {
        const asked = fetch(`http://${host}/words/en.json`, { mode, credentials: "include" });
        tried[mode] = await soon(asked
          .then(async (answer) => (await answer.text()).length, () => "refused"));
      }
      tried.socket = await soon(new Promise((go) => {
        const socket = new WebSocket(`ws://${host}/live`);
        socket.onopen = () => go("open");
        socket.onerror = () => go("refused");
      }));
      tried.script = await soon(new Promise((go) => {
        const script = document.createElement("script");
        script.src = `http://${host}/web/app.js`;
        script.onload = () => go("loaded");
        script.onerror = () => go("refused");
        document.head.append(script);
      }));
      const posted = fetch(`http://${host}/`, { method: "POST", mode: "no-cors", body: "x" });
      tried.post = await soon(posted
        .then(() => "sent", () => "refused"));
      return tried;
    }""",
        serving.host,
    )
    assert found["cors"] == "refused"
    assert found["no-cors"] in (0, "refused")
    assert found["socket"] == "refused"
    assert found["script"] == "refused"
    assert len(serving.studio.tabs) <= 1
    context.close()
