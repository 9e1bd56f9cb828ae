"""Stages beside each other, pictures of one's own, slices, and a studio that was started anew."""

import json
import socket

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the studio's packages are not installed")
pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

from tests.pages.conftest import tell, unnamed, wait_for
from tests.studio.conftest import begin


def test_a_line_of_a_stage_lights_up_where_it_came_from(visit):
    page = visit("compiler")
    page.set_default_timeout(60_000)
    page.wait_for_selector("pre:has-text('linear')")
    page.click("[data-stage=simplified]")
    line = page.locator("[data-side=left] > span:has-text('maximum')").first
    line.hover()
    assert "relu" in tell(page, "[data-traced]")
    lit = page.locator("[data-side=right] > .kin").all_text_contents()
    assert [one for one in lit if "maximum" in one]
    read = page.locator("[data-side=left] > .from").all_text_contents()
    given = line.text_content().split("maximum(")[1].split(")")[0].split(", ")
    assert [one.split(" = ")[0] for one in read] == given
    line.click()  # it stays
    page.locator("[data-side=left] > span").last.hover()
    assert "relu" in tell(page, "[data-traced]")
    page.keyboard.press("Escape")
    assert page.locator(".kin").count() == 0
    page.select_option("[aria-label='The stage beside it']", "assembly")
    page.wait_for_selector("[data-side=right]:has-text('ret')")
    page.locator("[data-side=left]").focus()
    for key in ["Home", *["ArrowDown"] * 4]:
        page.keyboard.press(key)
    assert "linear" in tell(page, "[data-traced]")
    assert page.locator("[data-side=right] > .kin").count() >= 1, "a whole kernel"
    assert unnamed(page) == []


def test_a_picture_of_ones_own_has_to_fit(visit, tmp_path):
    drawn = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(drawn).save(tmp_path / "large.png")
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(tmp_path / "fits.png")
    (tmp_path / "none.png").write_bytes(b"<svg onload=alert(1)>")
    page = visit("look?run=fresh")
    page.set_default_timeout(60_000)
    page.wait_for_selector(".maps canvas")
    page.set_input_files("[data-own]", tmp_path / "none.png")
    page.wait_for_selector(".problem:has-text('cannot be read as a picture')")
    page.set_input_files("[data-own]", tmp_path / "large.png")
    page.wait_for_selector(".problem:has-text('has 30×20 pixels')")
    assert "32×32" in tell(page, ".problem")
    page.click("[data-fit]")
    page.wait_for_selector("img[alt='Your picture']")
    page.set_input_files("[data-own]", tmp_path / "fits.png")
    page.click("[data-mode=saliency]")
    page.wait_for_selector("figcaption:has-text('Your picture')")
    assert page.locator("label:has-text('class') select").count() == 1
    page.click("button:has-text('Back to the examples')")
    page.wait_for_selector("figcaption:has-text('The image, of class')")
    assert unnamed(page) == []


def test_the_way_from_the_start_is_a_slice_too(visit):
    page = visit("landscape")
    page.wait_for_selector("[data-go]:enabled")
    page.select_option("[data-direction]", "between")
    page.fill("input[type=number] >> nth=0", "9")
    page.click("[data-go]")
    page.wait_for_selector("text=start", state="attached")
    page.wait_for_selector("[data-go]:enabled")
    page.fill("input[type=number] >> nth=0", "9999")
    page.click("[data-go]")
    page.wait_for_selector(".problem:has-text('from 5 to 61')")
    assert "Compute a slice" in tell(page, "main"), "the last picture is not left standing"
    visit.trouble[:] = [one for one in visit.trouble if "Canvas2D" not in one]


def test_who_goes_from_view_to_view_sees_the_last_one(visit):
    page = visit("look?run=fresh")
    page.set_default_timeout(60_000)
    page.wait_for_selector(".maps canvas")
    for mode in ["saliency", "occlusion", "classes", "adversary"] * 3 + ["occlusion"]:
        page.click(f"[data-mode={mode}]")
    page.wait_for_selector("text=a patch of")
    assert page.locator(".problem").count() == 0


def test_a_studio_with_another_key_says_what_to_do(browser, tmp_path):  # W39
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "runs").mkdir()
    first = begin(tmp_path / "runs", tmp_path / "state", port)
    context = browser.new_context()
    page = context.new_page()
    page.goto(first.address)
    page.wait_for_selector("main[data-ready]")
    first.stop()
    page.wait_for_selector("#banner:has-text('start it again')")
    second = begin(tmp_path / "runs", tmp_path / "other", port)
    try:
        page.wait_for_selector("#banner:has-text('was started anew')")
        page.wait_for_timeout(5_000)  # it goes on trying, and goes on saying so
        assert "was started anew" in tell(page, "#banner")
        page.goto(second.address)
        page.wait_for_selector("main[data-ready]")
        wait_for(page, "document.getElementById('banner').hidden")
    finally:
        context.close()
        second.stop()


def test_a_clock_that_jumps_changes_nothing(browser, serving):  # W39
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(serving.address)
    page.wait_for_selector("main[data-ready]")
    page.clock.fast_forward("01:00:00")
    page.evaluate("history.replaceState(null, '', '/runs')")
    found = page.evaluate(
        "import('/web/live.js').then(({ ask }) => ask('circuit.examples')).then(JSON.stringify)"
    )
    assert json.loads(found)
    assert page.locator("#banner").is_hidden()
    context.close()
