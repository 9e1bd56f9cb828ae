"""Nets in the studio: their circuits, their doctor, the palette, and what strangers bring."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

from backlight.train import checkpoint
from tests.pages.conftest import OVERLAPS, QUIET, chromium, tell, unnamed, wait_for

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def trained(serving):
    """A run that has learned a little, in the studio's folder."""
    flags = ["--data", "digits", "--model", "mlp", "--epochs", "1", "--limit", "100"]
    path = serving.studio.runs / "learned"
    subprocess.run(
        [sys.executable, "-m", "backlight", "train", "--quiet", *flags, f"--out={path}"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
    )
    return path


def test_a_trained_net_unfolds_by_keys_and_is_asked_why(visit, trained):
    page = visit("train?kind=run&run=learned")
    page.click("[data-circuit]")
    page.wait_for_selector("svg.blc .layer")
    assert "Layers open and fold" in tell(page, "main")
    layers = page.locator("svg.blc .layer").count()
    page.locator("svg.blc .layer").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("svg.blc .frame")
    wait_for(page, f"document.querySelectorAll('svg.blc .layer').length === {layers - 1}")
    assert {"weight", "bias"} <= set(page.locator("svg.blc text").all_text_contents())
    assert page.evaluate(OVERLAPS) == []
    page.click("button.plain:has-text('1.weight')")
    page.click("[data-why]")
    page.wait_for_selector("text=Going back from the output")
    page.locator("svg.blc .gate >> nth=1").focus()
    page.click("[data-jacobian]")
    page.wait_for_selector(".told:has-text('It is 1.weight itself')")
    page.locator("svg.blc .frame").first.focus()
    page.keyboard.press("Enter")
    wait_for(page, f"document.querySelectorAll('svg.blc .layer').length === {layers}")
    page.keyboard.press("PageDown")
    wait_for(page, "document.querySelector('main').dataset.shown === '1'")
    assert page.evaluate("location.search") == "?run=learned&example=1"
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".sentence")
    assert unnamed(page) == []


def test_the_jacobian_of_a_formula_is_written_out_if_it_is_small(visit):
    page = visit("circuit?f=W@x&W=[[1,2],[3,4]]&x=[1,1]")
    page.wait_for_selector("svg.blc")
    page.keyboard.press("j")
    page.wait_for_selector("pre.matrix:has-text('3  4')")
    assert "It is W itself." in tell(page, "main")
    page.fill("[data-first]", "2+3")
    wait_for(page, "document.querySelector('[data-output]').textContent === '5'")
    assert page.locator("svg.blc [data-box]").count() == 1


def test_what_the_doctor_remarked_is_shown_as_text(visit, serving, trained):  # W35
    run = serving.studio.runs / "remarked"
    run.mkdir(exist_ok=True)
    (run / "config.toml").write_text((trained / "config.toml").read_text())
    remark = {"event": "remark", "step": 12, "epoch": 1}
    lines = [
        *(trained / "metrics.jsonl").read_text().splitlines(),
        json.dumps(remark | {"kind": "dead", "about": EVIL, "share": 0.75}),
        json.dumps(remark | {"kind": EVIL, "about": ["x"], "share": "y"}),
        json.dumps(remark | {"kind": "rising", "about": "", "best": 0.5, "now": 4.25}),
    ]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    for path in ("train?kind=run&run=remarked", "runs?runs=remarked,learned"):
        page = visit(path)
        page.wait_for_selector("[data-remarks]")
        told = tell(page, "[data-remarks]")
        assert f"layer {EVIL}: 75% of the ReLUs are dead" in told
        assert "risen from 0.5 to 4.25" in told
        assert page.locator("[data-remarks] li").count() == 2, "what is no remark is left out"
    page.click("text=Circuit of learned")
    page.wait_for_selector("svg.blc .layer")


def test_the_doctor_examines_the_toy_and_leaves_it_alone(visit):
    page = visit("train")
    page.keyboard.press("r")
    page.select_option("[name=optimizer]", "sgd")
    page.fill("[name=lr]", "50")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    page.keyboard.press("e")
    page.wait_for_selector("[data-diagnosis][data-ok=false]")
    assert "learning rate 50 is too high" in tell(page, "[data-diagnosis]")
    assert tell(page, "[data-tile=step]") == "0"


def test_everything_is_found_by_typing(visit):
    page = visit("circuit")
    page.wait_for_selector("svg.blc")
    page.keyboard.press("Control+k")
    page.keyboard.type("unf")
    assert page.locator("[role=option]").count() == 1
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelectorAll('svg.blc .gate').length > 5")
    page.keyboard.press("Meta+k")
    page.keyboard.type("nothing of the kind")
    assert "nothing of this name" in tell(page, "[role=listbox]")
    page.keyboard.press("Escape")
    assert not page.locator("[role=dialog]").is_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("runs")
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-ready=runs]")
    assert page.evaluate("document.activeElement.closest('[inert]')") is None


def test_a_strangers_checkpoint_says_what_it_is_as_text(visit, serving, trained):  # W37, W36
    run = serving.studio.runs / EVIL.replace("/", "")
    run.mkdir(exist_ok=True)
    (run / "config.toml").write_text((trained / "config.toml").read_text())
    saved = checkpoint.best(trained / "checkpoints")
    arrays = {f"model/{EVIL}{k}": np.ones(3, np.float32) for k in range(2)}
    state = dict(saved.state) | {"classes": [EVIL] * 10, "note": EVIL}
    checkpoint.save(run / "checkpoints", 7, arrays, state, score=0.5)
    page = visit("circuit?run=" + run.name.replace("=", "%3D"))
    page.wait_for_selector(".problem")
    assert page.locator("img").count() == 0
    assert EVIL in page.locator("[data-source]").inner_text()
    page.locator("[data-source]").select_option("learned")
    page.wait_for_selector("svg.blc")
    assert "alert" not in page.url


def test_a_strangers_report_reaches_nothing(visit, serving, trained):  # W37
    report = """<!doctype html><title>before</title>
    <svg xmlns="http://www.w3.org/2000/svg" onload="document.title += ' svg'"><script>
    const tried = [];
    const attempt = (name, what) => { try { what(); tried.push(name); } catch { } };
    attempt("cookie", () => document.cookie.length);
    attempt("storage", () => localStorage.length);
    attempt("opener", () => opener.location.href);
    attempt("parent", () => { if (parent === window) throw 0; parent.document; });
    document.title = "ran " + tried.join();
    fetch("/words/en.json").then(() => { document.title += " fetched"; }, () => {});
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.onopen = () => { document.title += " connected"; };
    open("/circuit");
    </script></svg><img src="/web/app.js"><img src="http://evil.example/x">
    <form action="http://evil.example/" method="post"></form>
    <script>document.forms[0].submit()</script>"""
    (trained / "report.html").write_text(report)
    page = visit("runs?runs=learned")
    with page.context.expect_page() as opening:
        page.click("a[href='/report/learned']")
    stranger = opening.value
    stranger.wait_for_timeout(500)
    assert stranger.title().startswith("ran "), "its scripts run, and find nothing"
    assert not {"cookie", "storage", "opener", "parent"} & set(stranger.title()[4:].split(","))
    assert "fetched" not in stranger.title()
    assert "connected" not in stranger.title()
    assert len(page.context.pages) == 2, "it opens no window"
    visit.trouble[:] = [one for one in visit.trouble if "evil" not in one and "learned" in one]
    visit.trouble.clear()


def test_formulas_are_text_whatever_they_say(visit):  # W35
    page = visit("circuit")
    page.wait_for_selector("svg.blc")
    for formula in (EVIL, "${alert(1)}", "x</title><script>alert(1)</script>", "\u202ex+\u0000"):
        page.fill("[data-first]", formula)
        page.wait_for_selector(".problem")
        page.fill("[data-first]", "a+b")
        wait_for(page, "!document.querySelector('.problem')")
    assert page.locator("img").count() == 0


def test_a_name_that_turns_into_this_machine_is_refused(browser, serving):  # W07
    """DNS rebinding as it is: the browser believes that the stranger's name is this machine."""
    rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
    opened = browser.browser_type.launch(executable_path=chromium(), args=[*QUIET, rules])
    try:
        page = opened.new_page()
        for path in ("", "circuit", "landscape", "web/app.js", "words/en.json", "report/learned"):
            for query in ("", f"?key={serving.admission.key}"):
                answer = page.goto(f"http://rebound.example:{serving.port}/{path}{query}")
                assert answer.status == 421
                assert "set-cookie" not in answer.headers
                assert "does not go by this name" in answer.text()
        found = page.evaluate("""() => new Promise((go) => {
          const socket = new WebSocket(`ws://${location.host}/live`);
          socket.onopen = () => go("open");
          socket.onerror = () => go("refused");
        })""")
        assert found == "refused"
        assert page.context.cookies() == []
    finally:
        opened.close()
