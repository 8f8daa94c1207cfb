"""The playground as a person meets it: in Chromium, by mouse and by keyboard, on a desk and on a
phone."""

import json
import re

import pytest

pytest.importorskip("fastapi", reason="FastAPI is absent")

from browsing import accessibility_faults, html_faults, overflows, until, visit
from polytome.play.app import make_app, page_html
from polytome.play.presets import PRESETS
from serving import running

GOOD = "height,weight,kind\n1.8,80,tall\n1.9,85,tall\n1.5,60,small\n1.4,50,small\n"


@pytest.fixture(scope="module")
def address():
    with running(make_app()) as client:
        yield client.address


def play(chromium, address, query="", **options):
    return visit(chromium, f"{address}/{query}", **options)


def wait_for_step(page, least):
    until(page, f"Number(document.getElementById('at-text').textContent) >= {least}")


def shown_step(page):
    return int(page.locator("#at-text").inner_text())


def shown_loss(page):
    return float(page.locator("#facts dd").first.inner_text())


def is_ready(page):
    page.wait_for_selector("#surface svg")
    until(page, "document.getElementById('verdict').dataset.state !== undefined")


def test_iris_learns(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        before = shown_loss(page)
        page.get_by_role("button", name="Play").click()
        wait_for_step(page, 12)
        page.get_by_role("button", name="Pause").click()
        assert shown_loss(page) < before == pytest.approx(0.693147)
        assert page.locator("#verdict").inner_text().startswith("The loss fell from 0.")
        assert page.locator("#update tbody tr").count() == 3
        assert re.match(r"w1 := .* − 0\.3 · .* = ", page.locator("#worked").inner_text())
        at = shown_step(page)
        page.wait_for_timeout(400)
        assert shown_step(page) == at


def test_a_rate_of_100_diverges_and_says_so(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        page.get_by_label("Learning rate").fill("100")
        page.get_by_label("Learning rate").press("Enter")
        until(page, "document.getElementById('formula').textContent && location.search.includes('rate=100')")
        for _ in range(3):
            page.get_by_role("button", name="One step forward").click()
        page.wait_for_selector("#verdict[data-state=diverged]")
        assert re.search(r"Diverged: .* Try a rate below 2/L = 0\.399\.", page.locator("#verdict").inner_text())


def test_a_new_rate_goes_on_playing_from_the_start(chromium, address):
    with play(chromium, address, "?data=houses&loss=adaline&rate=0.02") as page:
        is_ready(page)
        page.get_by_role("button", name="Play").click()
        wait_for_step(page, 3)
        page.get_by_role("button", name="Double the rate").click()
        until(page, "location.search.includes('rate=0.04')")
        page.get_by_role("button", name="Double the rate").click()
        page.wait_for_selector("#verdict[data-state=diverged]")
        assert page.locator("#rate").input_value() == "0.08"


def test_a_link_restores_everything(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        page.get_by_label("Data set").select_option("moons")
        until(page, "location.search.includes('moons')")
        page.get_by_label("Model and its loss").select_option("softmax")
        page.get_by_label("Steps").select_option("mini-batch")
        page.get_by_label("Points per step").fill("7")
        page.get_by_label("Seed").fill("5")
        page.get_by_label("Standardise the columns").check()
        until(page, "location.search.includes('standardise=true') && location.search.includes('seed=5')")
        is_ready(page)
        page.get_by_label("upwards", exact=True).select_option("3")
        page.get_by_label("logarithmic").check()
        for _ in range(6):
            page.get_by_role("button", name="One step forward").click()
        until(page, "location.search.includes('at=6')")
        url, state = page.url, whole_state(page)
    with visit(chromium, url) as page:
        is_ready(page)
        wait_for_step(page, 6)
        assert whole_state(page) == state
        assert state["#seed"] == "5"
        assert state["#at-text"] == "6"


def whole_state(page):
    fields = ["#data", "#loss", "#way", "#batch", "#seed", "#rate", "#penalty", "#upwards", "#across", "#held"]
    values = {field: page.locator(field).input_value() for field in fields}
    boxes = {field: page.locator(field).is_checked() for field in ("#standardise", "#log", "#shuffle")}
    texts = {field: page.locator(field).inner_text() for field in ("#verdict", "#facts", "#update", "#at-text")}
    return {**values, **boxes, **texts}


def test_presets_open_from_the_page(chromium, address):
    with play(chromium, address) as page:
        for preset in PRESETS:
            is_ready(page)
            page.get_by_role("link", name=preset.title, exact=True).click()
            until(page, f"document.getElementById('hint').textContent === {json.dumps(preset.hint)}")
            assert page.locator(".presets a[aria-current]").inner_text() == preset.title
            assert not page.locator("#fault").inner_text()


def test_a_bad_table_is_told_what_is_wrong(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        page.get_by_label("Data set").select_option("own")
        table = {"name": "people.csv", "mimeType": "text/csv", "buffer": GOOD.replace("60,", "").encode()}
        page.get_by_label("CSV file").set_input_files(table)
        until(page, "document.getElementById('fault').textContent")
        assert (
            page.get_by_role("alert").inner_text().startswith("people.csv, line 4: 2 cells where the first line has 3")
        )
        page.get_by_label("CSV file").set_input_files({**table, "buffer": GOOD.encode()})
        until(page, "!document.getElementById('fault').textContent && location.search.includes('csv=')")
        until(page, "document.getElementById('plane-words').innerText.includes('people.csv: 4 rows')")
        url = page.url
    with visit(chromium, url) as page:  # a small table travels with the link
        is_ready(page)
        assert "people.csv: 4 rows" in page.locator("#plane-words").inner_text()
        assert page.locator("#plane .point").count() == 4


def test_a_wrong_number_is_told(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        page.get_by_label("Learning rate").fill("0")
        page.get_by_label("Learning rate").press("Enter")
        until(page, "document.getElementById('fault').textContent")
        assert page.get_by_role("alert").inner_text().startswith("rate=0: needs a number from")


def test_by_keyboard_alone(chromium, address):
    with play(chromium, address) as page:
        is_ready(page)
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert shown_step(page) == 3
        page.keyboard.press("ArrowLeft")
        assert shown_step(page) == 2
        page.keyboard.press("Space")
        wait_for_step(page, 5)
        page.keyboard.press("Space")
        assert page.locator("#play").inner_text() == "Play"
        page.keyboard.press("Home")
        assert shown_step(page) == 0
        page.get_by_role("button", name="Play").focus()
        page.keyboard.press("ArrowRight")  # on a button the arrows still step, and space presses the button
        assert shown_step(page) == 1
        page.keyboard.press("Space")
        wait_for_step(page, 3)
        page.keyboard.press("Space")
        assert page.locator("#play").inner_text() == "Play"
        page.keyboard.press("Home")
        page.get_by_label("Steps").focus()
        page.keyboard.press("ArrowDown")  # in a field the arrows are the field's
        until(page, "location.search.includes('way=mini-batch')")
        assert shown_step(page) == 0
        reached = set()
        page.keyboard.press("Home")
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id"))
        assert {
            "data",
            "loss",
            "way",
            "rate",
            "play",
            "forward",
            "at",
            "speed",
            "across",
            "held",
            "log",
            "copy",
        } <= reached


def test_a_screen_reader_hears_the_numbers(chromium, address):
    with play(chromium, address, "?data=blobs&loss=softmax&way=lbfgs&penalty=0.1&at=4") as page:
        is_ready(page)
        news = page.locator("#news").inner_text()
        assert re.match(
            r"Step 4\. The loss fell from .* of 100 points are in their class\. Shares of the plane: A \d+ %", news
        )
        names = [page.locator(f"#{place} title").text_content() for place in ("plane", "surface", "curve")]
        assert "in their class" in names[0]
        assert "the lowest point is at" in names[1]
        assert names[2].startswith("The loss from step 0, ")


def test_a_click_on_the_surface_starts_there(chromium, address):
    with play(chromium, address, "?data=houses&loss=adaline&rate=0.02&at=5") as page:
        is_ready(page)
        box = page.locator("#surface rect.frame").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75)
        until(page, "location.search.includes('start=')")
        assert page.locator("#start").input_value() == "numbers"
        start = [float(number) for number in page.locator("#numbers").input_value().split(",")]
        shown = "document.querySelector('#update tbody td').innerText.replace('\u2212', '-')"
        until(page, f"{shown} === '{start[0]:g}'")  # the address is written before the steps are computed


def test_a_link_survives_the_question_for_the_token(chromium):
    with (
        running(make_app(token="for-friends")) as client,
        visit(chromium, f"{client.address}/?data=moons&at=3") as page,
    ):
        page.get_by_label("Token").fill("for-friends")
        page.get_by_role("button", name="Sign in").click()
        is_ready(page)
        wait_for_step(page, 3)
        assert page.get_by_label("Data set").input_value() == "moons"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_reads_well_everywhere(chromium, address, dark, width):
    query = "?data=iris&loss=softmax&way=stochastic&rate=0.1&penalty=0.01&at=20"
    with play(chromium, address, query, dark=dark, width=width, touch=width == 360) as page:
        is_ready(page)
        assert not overflows(page)
        assert accessibility_faults(page) == []


def test_the_page_is_valid_html():
    assert html_faults(page_html("people & co.csv")) == []


def test_a_server_that_is_gone_is_noticed(chromium):
    with running(make_app()) as client:
        context = visit(chromium, client.address)
        page = context.__enter__()
        is_ready(page)
    page.get_by_label("Penalty").fill("0.5")
    page.get_by_label("Penalty").press("Enter")
    until(page, "document.getElementById('fault').textContent.startsWith('The server does not answer')")
    context.__exit__(None, None, None)
