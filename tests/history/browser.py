"""A headless Chromium and a local static server: what a visitor sees, and every request the pages make."""

import contextlib
import functools
import http.server
import json
import shutil
import tempfile
import threading

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1"),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder on a free local port, and yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def _started(start):
    """Return the driver; selenium gives a driver 35 seconds to start, which a machine under load does not always do."""
    from selenium.common.exceptions import WebDriverException

    for _ in range(4):
        with contextlib.suppress(WebDriverException):
            return start()
    return start()


@contextlib.contextmanager
def chromium():
    """Yield a driver of a fresh Chromium that records its console and its requests."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        driver = _started(lambda: webdriver.Chrome(options=options, service=Service(DRIVER)))
        try:
            yield driver
        finally:
            driver.quit()


def look(driver, width, height=900, scheme="light"):
    """Set the size of the page and the colour scheme that the visitor prefers."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def complaints(driver):
    """Return what the console said since the last call."""
    return [entry["message"] for entry in driver.get_log("browser")]


def strangers(driver, address):
    """Return the requests since the last call that left the local address."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked, "no request was recorded at all"
    return [url for url in asked if not url.startswith((address, "data:", "blob:", "chrome:"))]
