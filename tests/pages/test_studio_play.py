"""Circuit, Train and Check in a real browser: arrays, Jacobians, steps, points, kept states."""

import pytest

pytest.importorskip("starlette", reason="the studio's packages are not installed")
pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (pip install playwright)"
)

from tests.pages.conftest import tell, unnamed, wait_for

NORM = "circuit?f=sum((W@x)²)&W=[[0.1,0.5],[-0.3,0.8]]&x=[0.2,0.4]"
STEP = "document.querySelector('[data-tile=step]')?.textContent"


def drag(page, box, start, end, steps=8):
    """From one place of an element to another, as shares of its size."""
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=steps)
    page.mouse.up()


def count_points(page):
    """How many points the toy has, as the file that is saved says."""
    with page.expect_download() as saved:
        page.click("text=Save CSV")
    return len(saved.value.path().read_text().splitlines()) - 1


# ── Circuit ────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_of_a_matrix_is_dragged_typed_and_moved_by_keys(visit):
    page = visit(NORM)
    entry = page.locator('[data-entry="W 0, 1"]')
    entry.wait_for()
    assert tell(page, ".knob:has([data-entry^=W]) .shapes").startswith("W is 2×2, ∇W is 2×2")
    gradients = page.locator(".entry .gradient").all_text_contents()
    assert gradients == ["0.088", "0.176", "0.104", "0.208", "−0.112", "0.636"]
    colours = page.evaluate("""[...document.querySelectorAll('.entry i')].map(
        (one) => getComputedStyle(one).backgroundColor)""")
    assert len(set(colours[:4])) == 4, "each entry by what it contributes"
    box = entry.bounding_box()
    drag(page, box, (0.3, 0.5), (0.3 + 20 / box["width"], 0.5))
    wait_for(page, "document.querySelector('[data-output]').textContent !== '0.116'")
    assert entry.input_value() == "0.7"
    entry.press("ArrowUp")
    assert entry.input_value() == "0.71"
    entry.fill("0.5")
    entry.press("Enter")
    wait_for(page, "document.querySelector('[data-output]').textContent === '0.116'")
    page.locator("input.matrix").first.fill("[[1, 0], [0, 1], [1, 1]]")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelectorAll('[data-entry^=W]').length === 6")
    assert unnamed(page) == []


def test_an_input_is_dragged_in_the_drawing_and_a_click_still_chooses_it(visit):
    page = visit("circuit?f=x*y&x=2&y=3")
    page.wait_for_selector("svg.blc .draggable")
    box = page.locator("svg.blc .draggable").first.locator("rect, path").first.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 10, steps=10)
    page.mouse.up()
    wait_for(page, "document.querySelector('[data-output]').textContent === '7.5'")
    assert page.locator(".knob input[type=number]").first.input_value() == "2.5"
    page.keyboard.press("+")
    wait_for(page, "document.querySelector('[data-output]').textContent === '7.53'")
    page.mouse.click(box["x"] + 10, box["y"] + 10)
    page.wait_for_selector(".detail h2:has-text('x')")


def test_a_row_of_a_jacobian_lights_the_inputs_it_depends_on(visit):
    page = visit("circuit?f=relu(x)*[1,2,3]&x=[-1,2,0.5]")
    page.wait_for_selector("[data-entry]")
    page.keyboard.press("j")
    page.wait_for_selector("[data-jacobian-map]")
    page.locator("[data-jacobian-map]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("figure.jacobian p:has-text('f[1] depends on 1 of 3 numbers: x[1] 2.')")
    lit = page.evaluate(
        "[...document.querySelectorAll('.entry.lit input')].map((one) => one.dataset.entry)"
    )
    assert lit == ["x 1"]
    page.locator('[data-entry="x 1"]').fill("-2")
    page.keyboard.press("Enter")
    page.wait_for_selector("figure.jacobian p:has-text('f[1] depends on none of')")
    page.locator("figure.jacobian [data-row='0'] rect").first.click()
    page.wait_for_selector("figure.jacobian p:has-text('f[0] depends on none of')")


def test_an_example_is_found_by_its_name(visit):
    page = visit("circuit")
    page.wait_for_selector("svg.blc")
    page.fill("[data-first]", "norm_squared(W@x)")
    page.wait_for_selector("[data-offer] button")
    page.keyboard.press("Enter")
    wait_for(page, "document.querySelector('[data-output]').textContent === '0.116'")


def test_a_step_that_is_too_large_overshoots_and_a_small_one_does_not(visit):
    page = visit("circuit?f=x*x&x=1")
    page.wait_for_selector("svg.blc")
    page.keyboard.press("d")
    wait_for(page, "document.querySelector('[data-output]').textContent === '0.9604'")
    assert page.locator("[data-overshot]").is_hidden()
    page.locator("[data-step-size]").focus()
    page.keyboard.press("End")
    page.keyboard.press("d")
    page.wait_for_selector("[data-overshot]:has-text('f rose')")
    assert page.locator(".ascent figure.chart .line[d]").count() == 1
    page.locator(".knob input[type=number]").first.fill("1")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-overshot]", state="hidden")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.wait_for_selector("[data-overshot]:has-text('far from the foreseen')")


def test_where_one_stands_outlives_language_reload_and_the_way_back(visit):
    page = visit("circuit?f=(x%2By)*z&x=-2&y=5&z=-4")
    page.wait_for_selector("svg.blc")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.locator("svg.blc .gate").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".detail table")
    said = tell(page, ".detail h2")
    page.click("button[lang=ko]")
    page.wait_for_selector(".detail caption:has-text('위에서 온')")
    assert page.locator(".track i:not([class=''])").count() == 3
    assert tell(page, ".detail h2") == said
    assert tell(page, "[data-output]") == "−12"
    page.reload()
    page.wait_for_selector(".track i.back")
    assert page.locator(".track i:not([class=''])").count() == 3
    page.keyboard.press("Control+ArrowDown")
    page.wait_for_selector("main[data-ready=train]")
    page.go_back()
    page.wait_for_selector(".track i.back")
    page.wait_for_selector(f".detail h2:has-text('{said}')")


def test_on_a_phone_the_circuit_stays_in_sight_while_its_inputs_move(visit):
    page = visit(NORM, width=390, height=844)
    page.wait_for_selector("[data-entry]")
    places = page.evaluate("""['.stage', '[data-entry]'].map(
        (one) => document.querySelector(one).getBoundingClientRect().top)""")
    assert places[0] < places[1], "what is looked at comes first"
    page.mouse.wheel(0, 500)
    wait_for(page, "scrollY > 100")
    stage = page.evaluate("""(({ top, bottom }) => [top, bottom])(
        document.querySelector('.stage').getBoundingClientRect())""")
    assert 0 <= stage[0] < stage[1] < 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_a_phone_the_bar_shows_where_one_is(visit):
    page = visit("check", width=390, height=844)
    seen = page.evaluate("""(({ left, right }) => [left, right])(
        document.querySelector('#bar [aria-current]').getBoundingClientRect())""")
    assert 0 <= seen[0] < seen[1] <= 390
    page.keyboard.press("Control+ArrowUp")
    page.wait_for_selector("main[data-ready=optimisers]")


# ── Train ──────────────────────────────────────────────────────────────────────────────────────


def toy_of(page, data="circles", **fields):
    page.select_option("[name=data]", data)
    for name, value in fields.items():
        page.fill(f"[name={name}]", str(value))
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    wait_for(page, f"{STEP} === '0'")


def test_points_are_painted_dragged_and_erased_and_another_tab_sees_it(visit):
    page = visit("train")
    toy_of(page, points=20)
    other = visit("train")
    before = count_points(page)
    page.click("[data-tool='1']")
    box = page.locator("canvas.plane").first.bounding_box()
    drag(page, box, (0.05, 0.05), (0.4, 0.05), steps=12)
    page.wait_for_timeout(400)
    painted = count_points(page)
    assert painted > before + 4
    wait_for(other, "document.querySelector('[name=data]').value === 'own'")
    assert count_points(other) == painted
    page.click("[data-tool=pick]")
    drag(page, box, (0.05, 0.05), (0.95, 0.9))
    page.locator("canvas.plane").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("h2:has-text('Point ')")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Delete")
    page.wait_for_timeout(300)
    assert count_points(page) == painted - 1
    page.locator("canvas.plane").first.focus()
    page.keyboard.press("3")
    page.wait_for_selector("[data-tool='3']")
    assert unnamed(page) == []


def test_a_table_is_loaded_and_one_that_does_not_fit_says_where(visit):
    page = visit("train")
    table = {"name": "own.csv", "mimeType": "text/csv", "buffer": b"x,y,c\n0,0,a\n1,1,b\n0,1,b\n"}
    page.set_input_files("input[type=file]", table)
    page.wait_for_selector("text=Points: 3. Classes: 2.")
    assert page.input_value("[name=data]") == "own"
    page.set_input_files("input[type=file]", table | {"buffer": b"0,0,<b>x</b>\n1\n"})
    page.wait_for_selector(".problem:has-text(\"'1' in row 2\")")
    assert page.locator("main b:text-is('x')").count() == 0


def test_without_activations_the_boundary_is_straight_and_the_hidden_space_is_seen(visit):
    page = visit("train")
    toy_of(page, points=20, hidden="6, 2")
    page.wait_for_selector("figcaption:has-text('Its units are the axes')")
    page.keyboard.press("c")
    page.wait_for_selector("[data-collapsed]:has-text('3 of them, equal one matrix')")
    wait_for(page, "document.querySelector('[name=activation]').value === 'Identity'")
    assert "2×6" in tell(page, "[data-collapsed]")
    assert page.get_attribute("[data-collapse]", "aria-pressed") == "true"
    page.keyboard.press("c")
    wait_for(page, "document.querySelector('[data-collapse]').ariaPressed === 'false'")
    assert page.locator("[data-collapsed]").is_hidden()
    wait_for(page, "document.querySelector('[name=activation]').value === 'ReLU'")


def test_below_a_step_the_gradient_goes_dark(visit):
    page = visit("train")
    toy_of(page, points=20, hidden="5")
    page.select_option("[name=activation]", "Step")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    wait_for(page, f"{STEP} === '1'")
    page.wait_for_selector(".bars:has-text('0 no gradient')")
    assert tell(page, ".bars:has-text('no gradient') >> nth=0").count("no gradient") == 2


def test_a_run_that_cannot_begin_says_why_on_the_page(visit):
    page = visit("train?kind=run")
    page.select_option("[name=model]", "svm")
    page.fill("[name=hidden]", "5")
    page.click("[data-start]")
    page.wait_for_selector(".problem:has-text('hidden got 5 for model svm')")


def swipe(page, start, end):
    """A finger from one place of the page to another."""
    hand = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", start)
    for k in range(1, 11):
        touch("touchMove", [a + (b - a) * k / 10 for a, b in zip(start, end, strict=True)])
        page.wait_for_timeout(16)
    touch("touchEnd")
    page.wait_for_timeout(300)


def test_a_finger_scrolls_paints_and_drags(visit):
    page = visit("train", width=390, height=844)
    toy_of(page, "xor", points=10)
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("canvas.plane").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    swipe(page, (x, y), (x, y - 150))
    wait_for(page, "scrollY > 60")
    assert page.locator("svg.blc").count() == 0, "scrolling chooses no point"
    page.click("[data-tool='0']")
    page.evaluate("scrollTo(0, 0)")
    swipe(page, (x - 90, y), (x + 90, y + 5))
    assert page.evaluate("scrollY") == 0
    wait_for(page, "document.querySelector('[name=data]').value === 'own'")
    page = visit("circuit?f=x*y&x=2&y=3", width=390, height=844)
    page.wait_for_selector("svg.blc .draggable")
    box = page.locator("svg.blc .draggable").first.bounding_box()
    swipe(page, (box["x"] + 14, box["y"] + 20), (box["x"] + 74, box["y"] + 20))
    wait_for(page, "document.querySelector('[data-output]').textContent === '7.8'")


# ── Check, and a net live ──────────────────────────────────────────────────────────────────────


def test_a_check_speaks_korean_and_stays_what_it_was(visit):
    page = visit("check", language="ko")
    page.wait_for_selector("[data-verdict=true]")
    assert "좋음" in tell(page, "main table")
    page.select_option("[data-fault]", "double")
    page.wait_for_selector("td:has-text('두 배로 큼: ')")
    wait_for(page, "document.querySelectorAll('figure.chart .line[d]').length >= 2")
    page.click("button[lang=en]")
    page.wait_for_selector("td:has-text('twice too large')")
    assert page.input_value("[data-fault]") == "double"
    page.select_option("main select >> nth=0", label="Scores of a linear classifier")
    page.select_option("[data-fault]", "transposed")
    page.wait_for_selector("text=This fault changes nothing here")
    page.wait_for_selector("text=The 3 results are added")
    assert unnamed(page) == []


def test_any_number_of_a_net_is_chosen_by_keys_and_kept(visit):
    page = visit("net")
    page.set_default_timeout(60_000)
    page.wait_for_selector("[data-pixel]")
    page.click("[data-pixel]")
    page.wait_for_selector("p:has-text('Pixel ')")
    page.fill("[data-index]", "33")
    page.keyboard.press("Enter")
    page.wait_for_selector("p:has-text('Pixel [0, 1, 1]')")
    page.locator("[data-slider]").focus()
    page.keyboard.press("End")
    page.wait_for_selector("[data-change]:has-text('Foreseen')")
    page.click("button[lang=ko]")
    page.wait_for_selector("[data-change]:has-text('예상한')")
    assert page.input_value("[data-index]") == "33"
