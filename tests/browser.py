"""A pytest plugin: a headless Chromium, and what it has logged and requested."""

import json
import os
from collections.abc import Iterator
from shutil import which
from typing import Any

import pytest

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One Chromium per module. Without it, tests are skipped, or fail under REQUIRE_BROWSER=1."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = which("chromium"), which("chromedriver")
    if not chromium or not driver:
        missing = "chromium and chromedriver are not installed: apt-get install chromium chromium-driver"
        pytest.fail(missing) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def errors(browser: Any) -> list[str]:
    """The messages of the console since the last call."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser: Any) -> list[str]:
    """The addresses requested since the last call, without those of the browser's own pages."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [address for address in requested if not address.startswith(("data:", "chrome:"))]
