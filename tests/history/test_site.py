import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from tests.history.browser import CHROMIUM, DRIVER, chromium, complaints, look, served, strangers
from tests.history.recorded import ENVIRONMENTS, MACHINE, make, refereed
from vidformats.bench.published import ROWS
from vidformats.bench.referee import results
from vidformats.history import site
from vidformats.history.recordings import COLUMNS, SUITES, from_table, recordings
from vidformats.history.releases import LIBRARIES

ROOT = Path(__file__).parents[2]

RELEASES = ("av", "h5py", "pillow", "zarr")
"""Libraries whose recorded releases are put on the site here; av's are counts of frames, the others' times."""

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
    (folder / "docs" / "method.md").write_text(
        "# Method\n\nSee [the releases](releases.md#findings) and [code](../x.py).\n"
    )
    (folder / "docs" / "results" / "referee.json").write_text(results.text(refereed()))
    (folder / "docs" / "referee.md").write_text("# Which reader\n")
    releases = "# Releases\n\n## Findings\n\n**h5py.** Lists are fast\nsince 9.9.\n\n**NumPy.** Nothing.\n"
    (folder / "docs" / "releases.md").write_text(releases)
    (folder / "docs" / "index.md").write_text("# Documents\n\nAll of them, and who needs which.\n")
    text = (
        "# Project\n\n| a | b |\n| --- | --- |\n| 1 | [method](docs/method.md) |\n\n```console\n$ echo " + "long " * 60
    )
    (folder / "README.md").write_text(text + "\n```\n")
    for name in RELEASES:
        shutil.copytree(ROOT / f".asv/releases/{name}/results", folder / f".asv/releases/{name}/results")
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


def held(project):
    """Return what the landing page draws."""
    text = (project / ".asv" / "html" / "index.html").read_text()
    return json.loads(re.search(r'id="measurements">(.*?)</script>', text, re.DOTALL)[1])["recordings"]


def test_every_recording_of_a_commit_knows_its_graph(project):
    measured = [one for one in held(project) if one["commit"]]
    assert len(measured) == 3 * len(ENVIRONMENTS)
    for one in measured:
        settings = {key.removeprefix("f-"): value for key, value in urllib.parse.parse_qsl(one["graph"])}
        assert settings["h5py"] == one["libraries"]["h5py"]
        assert settings["machine"] == MACHINE["machine"]
    assert [one.get("graph") for one in held(project) if not one["commit"]] == [None]


def test_figures_of_a_row_are_of_one_load(project):
    """The published way's time includes the copy that makes frames of a view; so does its memory."""
    results = project / ".asv" / "results"
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in recordings(results)[0]["rows"]]
    published = [row for row in rows if row["way"] == "published"]
    assert {row["benchmark"] for row in published} == {"formats.Published.time_load_whole"}
    assert SUITES["formats.Published"].memory == "track_memory_whole"
    (whole,) = [r["memory"] for r in map(lambda r: dict(zip(COLUMNS, r, strict=True)), from_table(table(), "")["rows"])
                if r["way"] == "published" and r["format"] == "npy_mapped"]  # fmt: skip
    assert whole == 8e6


def test_no_alarm_on_code_that_never_changes_nor_on_little_memory():
    def counts(name, now, best):
        return site._counts([name, "graphs/a.json", {}, 0, now, best, [[1, 2, best, now]]])

    assert not counts("formats.Published.time_load('noise', 'mat')", 0.02, 0.01)
    assert not counts("formats.Baseline.peakmem_baseline", 2e8, 1e8)
    assert not counts("formats.Ours.track_memory('noise', 'npy')", 16_384, 12_288)
    assert counts("formats.Ours.track_memory('noise', 'npy')", 9e7, 5e7)
    assert counts("formats.Ours.time_load('noise', 'npy')", 0.02, 0.01)


def test_regressions_name_the_benchmark_and_its_commit(tmp_path):
    """From figures that are made up: no clock decides."""
    folder = make(tmp_path / "slow", commits=8, slow="formats.Ours.time_load", slow_from=4)
    site.publish(folder, "asv.conf.json")
    html = folder / ".asv" / "html"
    found = json.loads((html / "regressions.json").read_text())["regressions"]
    assert found
    assert {name.partition("(")[0] for name, *_ in found} == {"formats.Ours.time_load"}
    log = subprocess.run(
        ["git", "rev-list", "--reverse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )
    hashes = json.loads((html / "index.json").read_text())["revision_to_hash"]
    assert {hashes[str(jumps[0][1])] for *_, jumps in found} == {log.stdout.split()[4]}


def test_what_was_measured_here_comes_first(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project")
    (folder / ".asv" / "local").mkdir()
    mine = table() | {"content": "face", "n_frames": 123}
    (folder / ".asv" / "local" / "table.json").write_text(json.dumps([mine]))
    shutil.rmtree(folder / ".asv" / "releases")
    site.publish(folder, "asv.conf.json")
    first, *_, last = held(folder)
    assert (first["date"], last["date"]) == ("measured here, 123 frames, face", "recorded, 400 frames, noise")
    text = (folder / ".asv" / "html" / "index.html").read_text()
    assert "Measured on this machine. face: every 4th of 123" in text
    assert "noise: every 4th of 400" not in text


def test_a_releases_page_begins_with_the_finding(project):
    text = (project / ".asv/html/releases/h5py/index.html").read_text()
    assert text.index("Lists are fast since 9.9.") < text.index('id="root"')


def test_every_library_has_its_finding():
    document = ROOT / "docs" / "releases.md"
    for library in LIBRARIES.values():
        finding = site._finding(document, library.title)
        assert finding.endswith("."), library.name
        assert "`" not in finding


def pages_of(project):
    html = project / ".asv" / "html"
    ours = ["index.html", "history.html", *(f"docs/{path.name}" for path in (html / "docs").glob("*.html"))]
    return [html / name for name in [*ours, *(f"releases/{library}/index.html" for library in RELEASES)]]


def test_documents_are_on_the_site_and_every_link_leads_somewhere(project):
    names = [path.name for path in pages_of(project)]
    assert {"README.html", "method.html", "releases.html"} <= set(names)
    for page in pages_of(project):
        for link in re.findall(r'<a [^>]*href="([^"]+)"', page.read_text()):
            address, _, anchor = link.partition("#")
            goal = (page.parent / address).resolve() if address else page
            assert goal.is_file(), f"{page.name}: {link}"
            assert goal.name not in ("stock.html", "error.html")
            if anchor and "=" not in anchor:
                assert f'id="{anchor}"' in goal.read_text(), f"{page.name}: {link}"


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
    [("content", "noise"), ("access", "windows"), ("cache", "cold"), ("disk", "30"), ("recording", "2")],
)
def test_a_control_changes_picture_and_table(driver, pages, control, value):
    opened(driver, pages)
    before, told = driver.execute_script("return document.querySelector('#chart svg').outerHTML"), rows(driver)
    choose(driver, control, value)
    from selenium.webdriver.support.ui import WebDriverWait

    changed = "return document.querySelector('#chart svg').outerHTML !== arguments[0]"
    WebDriverWait(driver, 10).until(lambda d: d.execute_script(changed, before))
    assert rows(driver) != told
    assert complaints(driver) == []


@needs_browser
def test_the_page_opens_on_natural_content(driver, pages):
    opened(driver, pages)
    assert driver.find_element("id", "content").get_attribute("value") == "face"


@needs_browser
def test_the_best_choices_are_those_none_beats_within_the_budget(driver, pages):
    opened(driver, pages)
    best = [row[0] for row in rows(driver) if row[6] == "yes"]
    # h5 and mat frames are as fast as npy within their quartiles, and as large: the plainest is chosen.
    assert best == ["npy", "h5 frames", "jpg", "mp4"]
    assert "Fastest: npy" in driver.find_element("id", "answer").text
    assert "As fast within the spread: h5" in driver.find_element("id", "answer").text
    choose(driver, "disk", "25")
    found = rows(driver)
    assert [row[0] for row in found if row[6] == "yes"] == ["jpg", "mp4"]
    assert [row[0] for row in found if row[6] == "over the budget"].count("npy") == 2
    assert "Fastest: jpg" in driver.find_element("id", "answer").text
    choose(driver, "disk", "1")
    assert driver.find_element("id", "answer").text == "No format is within the budget."


JUDGE = """
const judged = arguments[0].map((p) => ({ name: p[0], format: p[0], way: "ours", seconds: p[1], low: p[2], high: p[3],
  disk: p[4], memory: null, benchmark: null }));
return judge(judged).filter((point) => point.front).map((point) => point.name).sort();
"""


@needs_browser
@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([["pickle", 1.0, 0.9, 1.1, 10], ["npy", 1.05, 0.95, 1.2, 10]], ["npy"]),
        ([["pickle", 1.0, 0.99, 1.01, 10], ["npy", 1.05, 1.04, 1.06, 10]], ["pickle"]),
        ([["jpg", 5, 4.9, 5.1, 1], ["npy", 1, 0.9, 1.1, 10], ["png", 6, 5.9, 6.1, 5]], ["jpg", "npy"]),
        ([["npy", 1.0, None, None, 10], ["h5", 1.05, None, None, 10]], ["npy"]),
        ([["h5", 1.0, None, None, 10], ["npy", 1.5, None, None, 10]], ["h5"]),
        # Not slower, and smaller: the larger one is no choice.
        ([["npy", 1.0, 0.8, 1.2, 10], ["h5_frames", 1.1, 0.9, 1.3, 5]], ["h5 frames"]),
    ],
)
def test_ties_are_told_by_intervals_and_go_to_the_plainest(driver, pages, points, front):
    opened(driver, pages)
    assert driver.execute_script(JUDGE, points) == front


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


SHOWN = """
const root = document.getElementById("root");
return {
  settings: Object.fromEntries([...root.querySelectorAll("select")]
    .map((s) => [s.previousElementSibling?.textContent || "", s.value])),
  series: [...root.querySelectorAll(".param-chip.on")].map((chip) => chip.textContent),
  benchmark: [...root.querySelectorAll("h1, h2")].map((heading) => heading.textContent),
};
"""


@needs_browser
@pytest.mark.parametrize("recording", [0, 1])
@pytest.mark.parametrize("access", ["every_4th", "windows"])
def test_a_graph_link_leads_to_the_very_series(driver, pages, recording, access):
    """What the page of the history says it draws: environment, benchmark and parameters."""
    opened(driver, pages)
    choose(driver, "recording", str(recording))
    choose(driver, "access", access)
    links = driver.execute_script(
        "return [...document.querySelectorAll('#points tbody tr')].map(r => [[...r.cells].map(c => c.textContent),"
        "r.querySelector('a').href])"
    )
    h5py = re.search(r"h5py (\S+)", driver.find_element("id", "recording").text.splitlines()[recording])[1]
    assert h5py == ENVIRONMENTS[recording]["h5py"]
    for (name, way, *_), href in (links[0], links[len(links) // 2], links[-1]):
        driver.get("about:blank")
        driver.get(href)
        drawn_history(driver)
        shown = driver.execute_script(SHOWN)
        assert shown["settings"]["h5py"] == h5py
        assert shown["settings"]["machine"] == MACHINE["machine"]
        (series,) = shown["series"]
        assert f"'{name.replace(' ', '_')}'" in series
        assert ("content='face'" if access == "every_4th" else f"access='{access}'") in series
        (benchmark,) = [text for text in shown["benchmark"] if text.startswith(("formats.", "load."))]
        assert ("Published" in benchmark) == (way == "published")
        assert benchmark.startswith("load.WarmNatural" if access != "every_4th" else "formats.")


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
    assert driver.switch_to.active_element.get_attribute("aria-label").startswith("graph of ")
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


@needs_browser
def test_the_history_opens_where_there_are_results(driver, pages):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, page="history.html")
    WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "root").text) > 200)
    shown = driver.execute_script(SHOWN)["settings"]
    assert shown["h5py"] == ENVIRONMENTS[0]["h5py"]


@needs_browser
@pytest.mark.parametrize(("view", "title"), [("overview", "History"), ("regressions", "Regressions")])
def test_the_page_that_is_shown_is_marked(driver, pages, view, title):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, page=f"history.html#view={view}")
    WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "root").text) > 200)
    assert [link.text for link in driver.find_elements("css selector", "[aria-current]")] == [title]


CUT = """
const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
const inside = (e) => { for (let p = e; p; p = p.parentElement) if (scrolls(p)) return true; return false; };
return [...document.querySelectorAll("body *")]
  .filter((e) => e.offsetParent && !e.children.length && e.textContent.trim())
  .filter((e) => !inside(e) && (e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 ||
    (getComputedStyle(e).overflowX !== "visible" && e.scrollWidth > e.clientWidth + 1)))
  .map((e) => [e.tagName, e.className, e.textContent.slice(0, 40)]).slice(0, 5);
"""
"""Text that is cut off, and cannot be scrolled to."""


@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize(
    "page",
    [
        *("index.html", "readers.html", "history.html", "docs/README.html"),
        *(f"releases/{library}/index.html" for library in RELEASES),
    ],
)
def test_nothing_is_wider_than_the_page(driver, pages, page, width):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, width, page=page)
    WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "main").text) > 5)
    if driver.find_elements("id", "root"):
        WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "root").text) > 200)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script(CUT) == []
    assert complaints(driver) == []
    assert strangers(driver, pages) == []
    assert len(driver.find_elements("css selector", "main")) == 1
    assert driver.find_element("css selector", ".skip").get_attribute("href").endswith("#main")


CONTRAST = """
const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const paper = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
  if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
const faint = [];
for (const e of document.querySelectorAll(arguments[0])) {
  if (!e.offsetParent || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(paper(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) faint.push([e.textContent.slice(0, 40), ratio]);
}
return faint;
"""


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "page", ["index.html", "readers.html", "docs/README.html", "history.html", "releases/h5py/index.html"]
)
def test_text_has_the_contrast_of_wcag_aa(driver, pages, page, scheme):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, scheme=scheme, page=page)
    WebDriverWait(driver, 20).until(lambda d: len(d.find_element("id", "main").text) > 5)
    # Inside the interface of asv-tachyon, labels: its cards and buttons are its own.
    own = ".site-nav *, .about *, #root label, #root p" if "root" in driver.page_source else "body *"
    assert driver.execute_script(CONTRAST, own) == []


@needs_browser
def test_an_address_of_asvs_feed_leads_to_the_graph(driver, pages):
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, page="history.html")
    driver.get(pages + "index.html#formats.Ours.time_load?h5py=3.16.0")
    WebDriverWait(driver, 10).until(lambda d: "history.html#" in d.current_url)
    drawn_history(driver)
    assert "bench=formats.Ours.time_load" in driver.current_url
