"""The frame that all pages share, on the pages of the lessons."""

import pytest

from browsing import accessibility_faults, html_faults, overflows, visit
from polytome.lessons import find_lesson, run_lesson
from polytome.pages import base_styles, document
from polytome.teaching.html import lesson_page


@pytest.fixture(scope="module")
def lesson_file(tmp_path_factory):
    lesson = find_lesson("softmax")
    path = tmp_path_factory.mktemp("lesson") / "softmax.html"
    path.write_text(lesson_page(lesson, run_lesson(lesson)), encoding="utf-8")
    return path


def test_a_frame_is_valid_html_and_what_it_is_given_as_text_stays_text():
    html = document("<b> & co", 'a "quoted" one', "<p>Text</p>", head=f"<style>{base_styles()}</style>", kind='"x')
    assert "<h1>&lt;b&gt; &amp; co</h1>" in html
    assert html_faults(html) == []


def test_a_checker_that_finds_nothing_is_not_believed():
    assert html_faults("<!doctype html><title>x</title><p></b>")


@pytest.mark.parametrize("dark", [False, True])
def test_a_lesson_reads_well_on_a_phone(chromium, lesson_file, dark):
    with visit(chromium, lesson_file, dark=dark, width=360, height=740) as page:
        assert not overflows(page)
        assert accessibility_faults(page) == []


def test_foreign_requests_are_noticed(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text('<!doctype html><img alt="" src="http://127.0.0.1:9/picture.png">')
    with pytest.raises(AssertionError, match=r"picture\.png"), visit(chromium, path):
        pass
