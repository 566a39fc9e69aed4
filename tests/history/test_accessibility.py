"""axe-core, the usual automated check of accessibility, finds nothing serious on our pages."""

import hashlib
import os
import shutil
import subprocess
import tarfile

import pytest

from tests.history.browser import complaints
from tests.history.test_site import driver, needs_browser, opened, pages, project  # noqa: F401

VERSION, SHA256 = "4.14.1", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"

RUN = """
const done = arguments[arguments.length - 1];
axe.run(arguments[0], {resultTypes: ["violations"]}).then((found) => done(found.violations
  .filter((v) => ["serious", "critical"].includes(v.impact))
  .map((v) => [v.id, v.impact, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120))])), (e) => done([String(e)]));
"""

PAGES = [
    "index.html",
    "readers.html#clip=variable.mkv",
    "history.html",
    "history.html#view=regressions",
    "releases/h5py/index.html",
    "docs/README.html",
]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """Fetch axe-core of one version from npm, whose hash is known."""
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    command = [npm, "pack", "--silent", f"axe-core@{VERSION}"]
    required = "npm" in os.environ.get("VIDFORMATS_REQUIRE", "").split(",")
    done = npm and subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=50)
    if not npm or done.returncode:
        (pytest.fail if required else pytest.skip)(
            "axe-core cannot be fetched: npm is not there, or reaches no registry"
        )
    archive = folder / f"axe-core-{VERSION}.tgz"
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    with tarfile.open(archive) as files:
        return files.extractfile("package/axe.min.js").read().decode()


@needs_browser
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(driver, pages, axe, page, width):  # noqa: F811
    from selenium.webdriver.support.ui import WebDriverWait

    opened(driver, pages, width, page=page)
    ready = "return (document.getElementById('root') || document.body).innerText.length > 40"
    WebDriverWait(driver, 20).until(lambda d: d.execute_script(ready))
    driver.execute_script(axe)
    # Inside the interface of asv-tachyon: its cards and buttons are its own.
    scope = {"include": [["html"]]} | ({"exclude": [["#root"]]} if driver.find_elements("id", "root") else {})
    assert driver.execute_async_script(RUN, scope) == []
    assert complaints(driver) == []
