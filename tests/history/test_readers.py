"""The page "Which reader?", in a browser and without one."""

import json
import re

import pytest

from tests.history.browser import complaints, strangers
from tests.history.recorded import refereed
from tests.history.test_site import choose, driver, needs_browser, opened, pages, project  # noqa: F401
from vidformats.bench.referee import results
from vidformats.history.readers import readers_page


def test_what_a_reader_said_cannot_end_the_script():
    found = refereed()
    found["cells"][0] |= {"error": "</script><script>alert(1)", "wrong": 1}
    page = readers_page(found, "")
    assert "</script><script>alert" not in page
    held = re.search(r'id="measurements">(.*?)</script>', page)[1]
    assert "</script><script>alert(1)" in {row[-2] for row in json.loads(held)["cells"]}


def test_the_answer_names_who_is_right():
    told = results.answer(refereed())
    assert told.startswith("**Without a wrong or refused frame on 1,200 frames of 2 clips: The good one 1.0.**")
    assert (
        "1 of 2 ways of reading returned wrong frames; the worst was The bad one 1.0, wrong in 38 % of the frames asked"
        in told
    )


@pytest.fixture
def page(driver, pages):  # noqa: F811
    opened(driver, pages, page="readers.html")
    assert driver.execute_script("return document.documentElement.dataset.drawn") == "yes"
    return driver


def rows(driver, table):  # noqa: F811
    found = driver.find_elements("css selector", f"#{table} tbody tr")
    return [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in found]


@needs_browser
def test_wrong_frames_come_first(page, pages):  # noqa: F811
    assert rows(page, "readers") == [
        ["The good one 1.0", "0", "1,200", "0 of 2", "0", "0", "0", "2", "", ""],
        ["The bad one 1.0", "300", "800", "1 of 2", "60", "0", "2", "2", "", ""],
    ]
    assert rows(page, "clips") == [["small.mp4", "0", "0"], ["variable.mkv", "0", "300"]]
    assert "No wrong frame: The good one." in page.find_element("id", "answer").text
    assert "gone was not judged: it cannot be installed." in page.find_element("id", "missing").text
    assert complaints(page) == []
    assert strangers(page, pages) == []


@needs_browser
def test_filters(page):
    choose(page, "kind", "size")
    assert [row[1] for row in rows(page, "readers")] == ["0", "0"]
    choose(page, "kind", "")
    choose(page, "access", "at")
    assert rows(page, "readers")[1][:2] == ["The bad one 1.0", "has no such call"]
    choose(page, "which", "disputed")
    assert [row[0] for row in rows(page, "clips")] == ["broken.mp4"]


@needs_browser
def test_a_cell_leads_to_its_clip_and_command_by_keyboard(page):
    from selenium.webdriver import Keys

    (count,) = page.find_elements("css selector", "#clips td a")
    count.send_keys(Keys.ENTER)
    told = page.find_element("id", "cell").text
    assert page.switch_to.active_element.get_attribute("id") == "cell"
    assert "time: phones. 120 frames of 96 x 128 pixels." in told
    assert "asked for frame 5, which shows 5, it gave one that shows 6; OSError: <no> frame." in told
    assert "vidformats referee --clip variable.mkv --reader bad --access frame --requests 200 --seed 0" in told
    assert "The good one" not in told
    page.find_element("link text", "variable.mkv").send_keys(Keys.ENTER)
    assert "The good one" in page.find_element("id", "cell").text
    page.back()
    assert "The good one" not in page.find_element("id", "cell").text
