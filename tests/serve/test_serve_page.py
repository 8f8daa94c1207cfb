"""The page of the server as people meet it: drawing, filling in, flipping, failing, in Chromium."""

import os
import re
import threading
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from browsing import accessibility_faults, html_faults, overflows, until, visit
from polytome.evaluation.ordering import largest
from polytome.files.model_file import save
from polytome.files.sources import fit_source, open_source
from polytome.models.logistic import LogisticRegression

pytest.importorskip("fastapi", reason="the extra serve is absent")
pytest.importorskip("PIL", reason="the extra cli is absent")
from serving import PATIENCE

THREE = [(0.3, 0.25), (0.45, 0.17), (0.62, 0.2), (0.68, 0.32), (0.6, 0.44), (0.45, 0.48)]
THREE += [(0.62, 0.53), (0.7, 0.66), (0.62, 0.8), (0.45, 0.84), (0.3, 0.76)]


@contextmanager
def serving(path, *, port=0, **settings):
    """A server of a model file in a thread; what it yields can be stopped early."""
    from polytome.serve.app import create_app
    from polytome.serve.listening import address_of, bound_socket, make_server

    ready, listening = threading.Event(), bound_socket("127.0.0.1", port)
    server = make_server(create_app(path, **settings), 30, ready.set)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def stop():
        server.should_exit = True
        thread.join()
        listening.close()

    try:
        assert ready.wait(PATIENCE)
        address = address_of(listening)
        yield SimpleNamespace(address=address, port=int(address.rsplit(":", 1)[1]), stop=stop)
    finally:
        stop()


def saved(tmp_path_factory, name, source, **settings):
    model = fit_source(LogisticRegression(scale=source.scale, **settings), source)
    path = tmp_path_factory.mktemp(name) / f"{name}.safetensors"
    save(model, path)
    return SimpleNamespace(path=path, model=model)


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    found = saved(tmp_path_factory, "iris", open_source("iris"))
    with serving(found.path) as server:
        yield SimpleNamespace(**vars(found), address=server.address)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A model of two classes with a category."""
    random = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("table") / "people.csv"
    colours = np.array(["blue", "green", "red"])[random.integers(3, size=200)]
    ages = random.integers(20, 70, 200)
    incomes = np.where(ages / 25 + 2 * (colours == "red") + random.normal(size=200) > 2.5, "high", "low")
    lines = (f"{age},{colour},{income}" for age, colour, income in zip(ages, colours, incomes, strict=True))
    path.write_text("\n".join(["age,colour,income", *lines]))
    found = saved(tmp_path_factory, "people", open_source(str(path), target="income"))
    with serving(found.path) as server:
        yield SimpleNamespace(**vars(found), address=server.address)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    found = saved(tmp_path_factory, "digits", open_source("digits"))
    with serving(found.path) as server:
        yield SimpleNamespace(**vars(found), address=server.address)


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """A table with more columns than a form can show."""
    digits = open_source("digits")
    model = LogisticRegression().fit(digits.X[:300], digits.y[:300])
    path = tmp_path_factory.mktemp("pixels") / "pixels.safetensors"
    save(model, path)
    with serving(path) as server:
        yield SimpleNamespace(path=path, model=model, row=digits.X[7], address=server.address)


def draw(page, points):
    """Draw a line with the mouse; points are shares of the sheet."""
    page.locator("#sheet").scroll_into_view_if_needed()
    box = page.locator("#sheet").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def keys_along(start, points):
    """Arrow keys that lead the pen along points, a fiftieth of the sheet each."""
    x, y = (round(50 * share) for share in start)
    for point in points:
        to_x, to_y = (round(50 * share) for share in point)
        while (x, y) != (to_x, to_y):
            if abs(to_x - x) > abs(to_y - y):
                yield "ArrowRight" if to_x > x else "ArrowLeft"
                x += 1 if to_x > x else -1
            else:
                yield "ArrowDown" if to_y > y else "ArrowUp"
                y += 1 if to_y > y else -1


def expect_best(page, label):
    page.locator("#best .label", has_text=re.compile(f"^{re.escape(label)}$")).wait_for()


def shares(page):
    """The probabilities that the page shows, in percent."""
    texts = page.locator("#probabilities .number").all_inner_texts()
    ends = {"< 0.1 %": 0.0, "> 99.9 %": 100.0}
    return [ends[text] if text in ends else float(text.removesuffix(" %")) for text in texts]


def settled(page, change):
    """Make a change and wait until the answers to it, prediction and explanation, are on the
    page."""
    explained = "answers.filter(address => address.includes('/explain')).length"
    before = page.evaluate(explained)
    change()
    until(page, f"{explained} > {before}")


def field(page, name):
    return page.get_by_label(name, exact=True)


@pytest.mark.parametrize("dark", [False, True])
def test_a_drawn_three_is_read(chromium, digits, dark):
    with visit(chromium, digits.address, dark=dark) as page:
        page.get_by_text("Draw something").wait_for()
        assert page.locator("#why").is_hidden()
        draw(page, THREE)
        expect_best(page, "3")
        page.locator("#why").wait_for()
        assert len(shares(page)) == 10
        page.locator("#spoken", has_text=re.compile(r"^3, \d+\.\d %; next ")).wait_for()
        assert accessibility_faults(page) == []


@pytest.mark.data
def test_a_three_drawn_for_mnist_is_read(chromium, tmp_path_factory):
    if not os.environ.get("POLYTOME_DATA"):
        pytest.skip("POLYTOME_DATA names no folder of real data")
    mnist = open_source("mnist")
    model = LogisticRegression(scale=255, tol=1e-2).fit(mnist.X[:4000], mnist.y[:4000])
    model.image_shape_ = (28, 28)
    path = tmp_path_factory.mktemp("mnist") / "mnist.safetensors"
    save(model, path)
    with serving(path) as server, visit(chromium, server.address) as page:
        draw(page, THREE)
        expect_best(page, "3")
        assert shares(page)[3] > 50


def test_what_the_model_saw_and_what_each_pixel_adds_are_pictures_of_its_shape(chromium, digits):
    with visit(chromium, digits.address) as page:
        draw(page, THREE)
        expect_best(page, "3")
        page.locator("#why").wait_for()
        for name in ("seen", "map"):
            size, colours = page.evaluate(
                """name => {
                    const canvas = document.getElementById(name);
                    const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                    const colours = new Set();
                    for (let at = 0; at < bytes.length; at += 4) colours.add(bytes.slice(at, at + 4).join());
                    return [[canvas.width, canvas.height], colours.size];
                }""",
                name,
            )
            assert size[0] == size[1]
            assert size[0] % 8 == 0
            assert colours > 8
        settled(page, lambda: field(page, "against").select_option("5"))
        page.locator("#map-words", has_text="What each pixel adds, 3 against 5").wait_for()
        field(page, "against").select_option("3")
        page.get_by_text("These are the same class").wait_for()


def test_undo_and_clear_bring_the_sheet_back(chromium, digits):
    with visit(chromium, digits.address) as page:
        draw(page, THREE)
        expect_best(page, "3")
        draw(page, [(0.1, 0.9), (0.9, 0.95)])
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("Draw something").wait_for()
        assert page.get_by_role("button", name="Clear").is_disabled()
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Undo").click()
        expect_best(page, "3")


def test_a_picture_can_be_chosen_instead_of_drawn(chromium, digits, tmp_path):
    from PIL import Image, ImageDraw

    paper = Image.new("L", (500, 700), 235)
    ImageDraw.Draw(paper).line([(200 * x + 150, 300 * y + 200) for x, y in THREE], fill=30, width=22, joint="curve")
    paper.save(tmp_path / "three.jpg")
    (tmp_path / "no-picture.png").write_text("words")
    with visit(chromium, digits.address) as page:
        page.locator("#file").set_input_files(tmp_path / "three.jpg")
        expect_best(page, "3")
        page.locator("#file").set_input_files(tmp_path / "no-picture.png")
        page.get_by_text("no-picture.png is not a picture").wait_for()
        expect_best(page, "3")  # the last good answer stays
        Image.new("L", (90, 90), 255).save(tmp_path / "empty.png")
        page.locator("#file").set_input_files(tmp_path / "empty.png")
        page.locator("#input-fault", has_text="is blank").wait_for()


def test_the_keyboard_alone_can_draw(chromium, digits):
    with visit(chromium, digits.address) as page:
        page.locator("#sheet").wait_for()
        page.keyboard.press("Tab")  # the link to the content
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "sheet"
        for key in [*keys_along((0.5, 0.5), THREE[:1]), " ", *keys_along(THREE[0], THREE[1:]), " "]:
            page.keyboard.press(key)
        expect_best(page, "3")
        page.locator("#pen", has_text="Pen up").wait_for()
        page.keyboard.press("Delete")
        page.get_by_text("Draw something").wait_for()
        page.keyboard.press("Backspace")
        expect_best(page, "3")


def test_a_finger_can_draw(chromium, digits):
    with visit(chromium, digits.address, width=360, height=740, touch=True) as page:
        page.locator("#sheet").scroll_into_view_if_needed()
        box = page.locator("#sheet").bounding_box()
        touch = page.context.new_cdp_session(page)

        def send(kind, points):
            places = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        send("touchStart", THREE[:1])
        for start, end in pairwise(THREE):
            middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
            send("touchMove", [middle])
            send("touchMove", [end])
        send("touchEnd", [])
        expect_best(page, "3")


def test_a_changed_value_changes_the_probabilities_to_those_of_the_model(chromium, iris):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        start = [float(field(page, name).input_value()) for name in iris.model.encoder_.feature_names]
        np.testing.assert_allclose(start, iris.model.training_.mean, atol=0.005)
        np.testing.assert_allclose(shares(page), 100 * iris.model.predict_proba([start])[0], atol=0.051)
        settled(page, lambda: field(page, "petal width (cm)").fill("2.4"))
        changed = [*start[:3], 2.4]
        np.testing.assert_allclose(shares(page), 100 * iris.model.predict_proba([changed])[0], atol=0.051)
        slider = page.get_by_label("petal length (cm), slider")
        settled(page, lambda: slider.fill("6.9"))
        assert field(page, "petal length (cm)").input_value() == "6.9"
        expect_best(page, "virginica")


def test_contributions_add_up_to_the_log_odds_of_the_two_classes(chromium, iris):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        settled(page, lambda: field(page, "petal length (cm)").fill("5.5"))
        settled(page, lambda: field(page, "What counts for").select_option("virginica"))
        settled(page, lambda: field(page, "against").select_option("setosa"))
        texts = page.locator("#contributions-rows tr td:nth-of-type(2)").all_inner_texts()
        *parts, total = [float(text.replace("\u2212", "-")) for text in texts]
        assert np.isclose(sum(parts), total, atol=0.03)
        row = [float(field(page, name).input_value()) for name in iris.model.encoder_.feature_names]
        log_p = iris.model.predict_log_proba([row])[0]
        assert np.isclose(total, log_p[2] - log_p[0], atol=0.06)


def test_each_flip_that_is_offered_keeps_its_word(chromium, iris):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        settled(page, lambda: field(page, "petal length (cm)").fill("4.9"))
        offered = page.locator("#flips-list li").count()
        assert offered > 1
        for place in range(offered):
            line = page.locator("#flips-list li").nth(place)
            name, value, label = line.locator("b").all_inner_texts()
            settled(page, line.get_by_role("button", name="Try it").click)
            expect_best(page, label)
            assert field(page, name).input_value() == value
            assert page.evaluate("document.activeElement.value") == value
            settled(page, page.get_by_role("button", name="Back to the start").click)
            settled(page, lambda: field(page, "petal length (cm)").fill("4.9"))


def test_another_level_of_a_category_is_offered_and_tried(chromium, people):
    with visit(chromium, people.address) as page:
        page.locator("#flips").wait_for()
        settled(page, lambda: field(page, "age").fill("30"))
        expect_best(page, "low")
        settled(page, page.get_by_role("button", name="Try it: colour red").click)
        expect_best(page, "high")
        assert field(page, "colour").input_value() == "red"
        assert people.model.predict([[30, 0, 0, 1]]) == ["high"]


def test_reasons_that_are_equal_to_rounding_are_ordered_by_name(chromium, people):
    sizes, names = [0.3, 0.1 + 0.2, 0.7, 1e-17, 0.3, 0.0], ["fig", "pear", "tree", "oak", "ant", "bee"]
    with visit(chromium, people.address) as page:
        ask = "async way => (await import('/static/table.js')).largestFirst(...way)"
        assert page.evaluate(ask, [sizes, names]) == largest(sizes, names=names).tolist() == [2, 4, 0, 1, 5, 3]
        assert page.evaluate(ask, [[], []]) == []


def test_as_many_flips_are_answered_as_are_wanted(chromium, iris):
    with visit(chromium, iris.address) as page:
        question = {"rows": [[6.0, 2.9, 4.9, 1.6]]}
        answers = [
            page.request.post(f"{iris.address}/explain{query}", data=question).json()["rows"][0]["flips"]
            for query in ("", "?most_flips=2")
        ]
        assert answers[1] == answers[0][:2]
        assert page.request.post(f"{iris.address}/explain?most_flips=0", data=question).status == 422


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wide", "\u201cwide\u201d is not a number; write one such as 1.2."),
        ("1,3", "Write it with a decimal point: 1.3."),
        (" ", "Needs a number, such as 1.2."),
        ("1e999", "1e999 is too large."),
    ],
)
def test_a_bad_value_is_told_beside_its_field_and_the_last_good_answer_stays(chromium, iris, text, words):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        before = shares(page)
        control = field(page, "petal width (cm)")
        control.fill(text)
        page.locator(f"#{control.get_attribute('aria-describedby')}", has_text=words).wait_for()
        assert control.get_attribute("aria-invalid") == "true"
        assert shares(page) == before
        page.get_by_text("the last valid values").wait_for()
        assert accessibility_faults(page) == []
        settled(page, lambda: control.fill("9"))
        page.get_by_text("Outside the range in training, 0.1 to 2.5.").wait_for()
        expect_best(page, "virginica")


def test_a_pasted_row_fills_the_form(chromium, people):
    with visit(chromium, people.address) as page:
        page.locator("#flips").wait_for()
        page.get_by_text("Paste a row").click()
        take = page.get_by_role("button", name="Use these values")
        for pasted, words in (
            ("30,red,low", "The row has 3 values, the model 2 features; leave out the column of the labels."),
            ("30,violet", "colour: \u201cviolet\u201d is not one of its levels: blue, green and red."),
            ("old,red", "age: \u201cold\u201d is not a number"),
            ("age,hue\n30,red", "The feature \u201ccolour\u201d is not among the names."),
        ):
            page.locator("#pasted").fill(pasted)
            take.click()
            page.locator("#pasted-fault", has_text=words).wait_for()
        page.locator("#pasted").fill('income,"colour",age\n"low, ""very"" \U0001f33f","green",61\n')
        settled(page, take.click)
        assert (field(page, "age").input_value(), field(page, "colour").input_value()) == ("61", "green")


def test_many_features_are_found_by_name_and_pasted(chromium, pixels):
    with visit(chromium, pixels.address) as page:
        page.get_by_text("64 features, the first 12 shown.").wait_for()
        assert page.locator("#fields .field").count() == 12
        page.get_by_label("Find a feature").fill("column_6")
        page.get_by_text("6 features found.").wait_for()
        page.get_by_text("Paste a row").click()
        page.locator("#pasted").fill(",".join(str(value) for value in pixels.row))
        settled(page, page.get_by_role("button", name="Use these values").click)
        np.testing.assert_allclose(shares(page), 100 * pixels.model.predict_proba([pixels.row])[0], atol=0.051)
        assert field(page, "column_6").input_value() == str(pixels.row[5])
        page.get_by_text("52 other features").wait_for()
        page.get_by_label("Find a feature").fill("nothing of this name")
        page.get_by_text("0 features found.").wait_for()


def test_a_server_that_is_gone_is_told_and_found_again(chromium, iris):
    with serving(iris.path) as server, visit(chromium, server.address) as page:
        page.locator("#flips").wait_for()
        server.stop()
        field(page, "petal width (cm)").fill("9")
        page.get_by_text("The server does not answer.").wait_for()
        assert accessibility_faults(page) == []
        page.get_by_role("button", name="Try again").click()
        with serving(iris.path, port=server.port):
            page.locator("#trouble").wait_for(state="hidden")
            expect_best(page, "virginica")


def test_other_classes_on_the_server_are_noticed(chromium, iris, people, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(iris.path.read_bytes())
    with serving(path) as server, visit(chromium, server.address) as page:
        page.locator("#flips").wait_for()
        server.stop()
        path.write_bytes(people.path.read_bytes())
        with serving(path, port=server.port):
            field(page, "petal width (cm)").fill("2.4")
            page.locator("#trouble-words", has_text=re.compile("another model|lacks|values")).wait_for()


def test_a_server_with_a_token_lets_the_page_in_after_signing_in(chromium, iris):
    with serving(iris.path, token="the-token-of-this-server") as server, visit(chromium, server.address) as page:
        page.get_by_label("Token").fill("the-token-of-this-server")
        page.get_by_role("button", name="Sign in").click()
        page.locator("#flips").wait_for()
        page.context.clear_cookies()
        field(page, "petal width (cm)").fill("2.4")
        page.get_by_text("The server asks for its token again.").wait_for()
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("Token").wait_for()


def test_the_head_of_the_page_says_what_the_model_is(chromium, iris):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        assert page.title() == "iris - Polytome"
        assert page.locator("h1").inner_text() == "iris"
        assert "distinguishes setosa, versicolor and virginica by 4 features" in page.locator("#facts").inner_text()
        assert page.locator("#certificate").inner_text() == str(iris.model.certificate_)
        for name in ("OpenAPI", "Metrics"):
            address = page.get_by_role("link", name=name).get_attribute("href")
            assert page.request.get(iris.address + address).ok


@pytest.mark.parametrize(("kind", "dark"), [("iris", True), ("people", False), ("digits", True), ("pixels", False)])
def test_the_page_suits_a_phone(chromium, request, kind, dark):
    with visit(chromium, request.getfixturevalue(kind).address, dark=dark, width=360, height=740) as page:
        if kind == "digits":
            draw(page, THREE)
        page.locator("#why").wait_for()
        page.locator("#sum span").wait_for()
        assert not overflows(page)
        assert accessibility_faults(page) == []
        below = page.locator("#best").bounding_box()
        assert below["y"] + below["height"] <= 741  # the answer stays in sight while one fills in


def test_the_page_is_valid_html_with_what_its_script_adds(chromium, iris):
    with visit(chromium, iris.address) as page:
        page.locator("#flips").wait_for()
        page.locator("#contributions-rows tr").first.wait_for()
        assert html_faults(page.content()) == []


def test_the_page_has_a_field_for_the_text_and_shows_the_words_that_count(chromium, tmp_path_factory, tmp_path):
    (tmp_path / "t.csv").write_text("message,y\na free prize,spam\nfree cash,spam\ndinner at home,ham\nsee you,ham\n")
    source = open_source(str(tmp_path / "t.csv"), target="y", text=["message"])
    with serving(saved(tmp_path_factory, "texts", source).path) as server, visit(chromium, server.address) as page:
        page.get_by_text("Write a text, and the answer follows.").wait_for()
        written = page.get_by_label("message")
        assert written.get_attribute("aria-invalid") == "false"
        written.fill("<b>free</b> dinner, free")
        rows = page.locator("#contributions-rows tr")
        rows.first.wait_for()
        names = [rows.nth(place).locator("th").inner_text() for place in range(rows.count())]
        assert names == ["message: free", "message: dinner", "Without any words", "Together"]
        written.fill(" ")
        page.get_by_text("Write a text, and the answer follows.").wait_for()
        assert accessibility_faults(page) == []
