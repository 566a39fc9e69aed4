import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.history.browser import CHROMIUM, DRIVER, chromium, complaints, look, served, strangers
from tests.history.recorded import ENVIRONMENTS, MACHINE, make
from vidformats.bench.published import ROWS
from vidformats.history import site
from vidformats.history.recordings import COLUMNS, from_table, recordings

ROOT = Path(__file__).parents[2]

# The pages are for a browser; CI installs one, and a machine without it can still run everything else.
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")


def table():
    """What `vidformats table --json` writes, made up."""
    run = {"time": 0.02, "whole": 0.05, "memory": 4e6, "whole_memory": 8e6, "pixels": "right"}
    machine = {"cpus": 2, "cpu": "a cpu", "memory_gib": 24, "system": "Linux", "kernel": "6.1", "file_system": "ext4"}
    return {
        "content": "noise",
        "n_frames": 400,
        "size": 120,
        "rounds": 3,
        "threads": 2,
        "payload": 4_320_000,
        "machine": machine | {"python": "3.11.7", "libraries": {"numpy": "2.4.6"}},
        "rows": {row.label: {"published": [run] * 3, "ours": [run] * 3, "disk": 1e7, "allocated": 1e7} for row in ROWS},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("site") / "project")
    (folder / "docs" / "results").mkdir(parents=True)
    (folder / "docs" / "results" / "table.json").write_text(json.dumps([table()]))
    shutil.copytree(ROOT / ".asv/releases/h5py/results", folder / ".asv/releases/h5py/results")
    done = subprocess.run(
        [sys.executable, "-m", "vidformats", "site"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(project):
    with served(project / ".asv" / "html") as address:
        yield address


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


def test_recordings_hold_what_asv_recorded(project):
    found = recordings(project / ".asv" / "results")
    assert len(found) == 3 * len(ENVIRONMENTS)
    youngest = found[0]
    assert youngest["libraries"] == {**ENVIRONMENTS[0], "python": "3.11"}
    assert youngest["machine"] == MACHINE
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in youngest["rows"]]
    (npy,) = [
        r for r in rows if (r["content"], r["access"], r["way"], r["format"]) == ("noise", "every_4th", "ours", "npy")
    ]
    assert npy["seconds"] == pytest.approx(0.015, rel=0.05)
    assert (npy["disk"], npy["memory"], npy["case"]) == (86.4e6, 22e6, 0)
    assert npy["low"] < npy["seconds"] < npy["high"]
    assert {r["cache"] for r in rows} == {"warm", "cold"}
    # The natural content is named for what it was, and its disk is that content's.
    (cold,) = [r for r in rows if (r["access"], r["cache"], r["format"]) == ("windows", "cold", "mp4")]
    assert (cold["content"], cold["disk"]) == ("face", pytest.approx(4.8e6))


def test_a_point_is_there_once(project):
    for one in recordings(project / ".asv" / "results"):
        assert len({row[:5] for row in one["rows"]}) == len(one["rows"])


def test_no_results_are_no_recordings(tmp_path):
    assert recordings(tmp_path) == []


def test_a_table_is_a_recording_too():
    found = from_table(table(), "table")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found["rows"]]
    assert {(r["way"], r["seconds"]) for r in rows} == {("ours", 0.02), ("published", 0.05)}
    assert [r["format"] for r in rows if r["way"] == "ours"] == list(dict.fromkeys(row.format for row in ROWS))


def test_the_page_without_results_says_so_and_shows_what_was_published():
    page = site.landing([], [], site.navigation([], "index.html"))
    assert "No results are recorded yet" in page
    assert "4358" in page
    assert "<script>" in page
    assert len(page) < 20_000


def test_a_name_can_not_end_the_script():
    wicked = {
        "commit": "c",
        "date": "</script><b>",
        "environment": "",
        "machine": {},
        "libraries": {},
        "rows": [],
        "graph": 0,
    }
    page = site.landing([wicked], [], "")
    held = re.search(r'id="measurements">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(held)["recordings"][0]["date"] == "</script><b>"


@pytest.mark.parametrize("name", ["index.html", "history.html", "releases/h5py/index.html"])
def test_a_page_needs_no_other_host(project, name):
    text = (project / ".asv" / "html" / name).read_text()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    assert 'class="site-nav"' in text


def test_graphs_are_found_by_their_place(project):
    html = project / ".asv" / "html"
    held = re.search(r'id="measurements">(.*?)</script>', (html / "index.html").read_text(), re.DOTALL)[1]
    listed = json.loads((html / "index.json").read_text())["graph_param_list"]
    measured = [one for one in json.loads(held)["recordings"] if one["commit"]]
    assert {one["graph"] for one in measured} == {0, 1}
    for one in measured:
        assert listed[one["graph"]]["h5py"] == one["libraries"]["h5py"]


def opened(driver, pages, width=1200, scheme="light", page="index.html"):
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get("about:blank")
    complaints(driver), driver.get_log("performance")
    look(driver, width, scheme=scheme)
    driver.get(pages + page)
    if page == "index.html":
        WebDriverWait(driver, 20).until(lambda d: d.execute_script("return document.documentElement.dataset.drawn"))
    return driver


def choose(driver, name, value):
    driver.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def dots(driver):
    """Return where the points are drawn."""
    return driver.execute_script(
        "return [...document.querySelectorAll('#chart .mark-symbol path')].map(p => p.getAttribute('transform'))"
    )


def rows(driver):
    return driver.execute_script(
        "return [...document.querySelectorAll('#points tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )


@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (390, "light"), (320, "dark")])
def test_the_page_draws_and_nothing_is_cut(driver, pages, width, scheme):
    opened(driver, pages, width, scheme)
    assert len(set(dots(driver))) == len(rows(driver)) == 18
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('#chart .mark-text text')]"
        ".filter(t => t.textContent && t.getAttribute('opacity') !== '0')"
        ".map(t => t.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) >= 8
    for k, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert right <= width
        for others in boxes[k + 1 :]:
            assert right <= others[0] or others[2] <= left or bottom <= others[1] or others[3] <= top
    paper = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (min(map(int, re.findall(r"\d+", paper))) > 200) == (scheme == "light")
    assert complaints(driver) == []
    assert strangers(driver, pages) == []


@needs_browser
@pytest.mark.parametrize(
    ("control", "value"),
    [("content", "face"), ("access", "windows"), ("cache", "cold"), ("disk", "30"), ("recording", "2")],
)
def test_a_control_changes_picture_and_table(driver, pages, control, value):
    opened(driver, pages)
    if control == "cache":  # only natural video was measured cold
        choose(driver, "content", "face")
    before, told = driver.execute_script("return document.querySelector('#chart svg').outerHTML"), rows(driver)
    choose(driver, control, value)
    from selenium.webdriver.support.ui import WebDriverWait

    changed = "return document.querySelector('#chart svg').outerHTML !== arguments[0]"
    WebDriverWait(driver, 10).until(lambda d: d.execute_script(changed, before))
    assert rows(driver) != told
    assert complaints(driver) == []


@needs_browser
def test_the_best_choices_are_those_none_beats_within_the_budget(driver, pages):
    opened(driver, pages)
    best = [row[0] for row in rows(driver) if row[6] == "yes"]
    assert best == ["npy", "h5 frames", "jpg", "mp4"]
    assert "Fastest: npy" in driver.find_element("id", "answer").text
    choose(driver, "disk", "30")
    found = rows(driver)
    assert [row[0] for row in found if row[6] == "yes"] == ["jpg", "mp4"]
    assert [row[0] for row in found if row[6] == "over the budget"].count("npy") == 2
    assert "Fastest: jpg" in driver.find_element("id", "answer").text
    choose(driver, "disk", "1")
    assert driver.find_element("id", "answer").text == "No format is within the budget."


def drawn_history(driver):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda d: "history.html" in d.current_url)
    WebDriverWait(driver, 20).until(lambda d: d.find_elements("css selector", "canvas"))
    WebDriverWait(driver, 20).until(lambda d: "Latest" in d.find_element("tag name", "body").text.title())
    inked = (
        "const c = document.querySelector('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const s = new Set(); for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);"
        "return s.size"
    )
    WebDriverWait(driver, 20).until(lambda d: d.execute_script(inked) > 10)


@needs_browser
def test_a_point_leads_to_a_history_that_draws(driver, pages):
    from selenium.webdriver import ActionChains

    opened(driver, pages)
    point = driver.find_elements("css selector", "#chart .mark-symbol path")[-1]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(driver).move_to_element(point).click().perform()
    drawn_history(driver)
    assert re.search(r"bench=formats\.(Ours|Published)\.time_load", driver.current_url)
    assert complaints(driver) == []
    assert strangers(driver, pages) == []


@needs_browser
def test_a_point_tells_of_itself(driver, pages):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages)
    point = driver.find_elements("css selector", "#chart .mark-symbol path")[-1]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(driver).move_to_element(point).perform()
    shown = WebDriverWait(driver, 10).until(lambda d: d.find_element("css selector", "#vg-tooltip-element.visible"))
    assert all(word in shown.text for word in ("format", "way", "time", "disk", "memory", "MB"))


@needs_browser
def test_the_keyboard_is_enough(driver, pages):
    from selenium.webdriver import ActionChains, Keys

    opened(driver, pages)
    for _ in range(20):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        if driver.switch_to.active_element.get_attribute("id") == "access":
            break
    ActionChains(driver).send_keys(Keys.DOWN).perform()
    assert driver.find_element("id", "access").get_attribute("value") == "windows"
    assert "windows of frames" in driver.find_element("id", "asked").text
    for _ in range(20):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        if driver.switch_to.active_element.text == "graph":
            break
    assert driver.switch_to.active_element.get_attribute("aria-label").startswith("history of ")
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    drawn_history(driver)


@needs_browser
def test_a_screen_reader_is_told(driver, pages):
    opened(driver, pages)
    tree = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = {(node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in tree}
    for control in ("Recorded", "Content", "Access", "Page cache"):
        assert ("combobox", control) in names
    roles = {role for role, _ in names}
    assert {"table", "columnheader", "rowheader", "navigation", "main", "heading"} <= roles
    (picture,) = [name for role, name in names if role in ("image", "img") and name]
    assert "table below says the same" in picture


@needs_browser
@pytest.mark.parametrize(
    "page", ["history.html#view=regressions", "history.html#view=overview", "releases/h5py/index.html"]
)
def test_other_pages_of_the_site_draw_offline(driver, pages, page):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, page=page)
    WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "root").text) > 200)
    assert complaints(driver) == []
    assert strangers(driver, pages) == []
