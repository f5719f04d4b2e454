"""The website that `make docs` builds: every link resolves, and nothing in it needs a network."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kaizen_batch
from tests.browser import errors, requests
from tests.docs.pages import DOCS, PAGES

LOADED = re.compile(
    r"<(?:script|img|iframe|source|link)\b[^>]*?\s(?:src|href)=[\"']?([^\"'\s>]+)|url\([\"']?([^\"')]+)", re.IGNORECASE
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. `-W` makes a link that leads nowhere an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def test_make_docs_runs_the_build_that_is_tested_here() -> None:
    makefile = (DOCS.parent / "Makefile").read_text(encoding="utf-8")
    assert "-m sphinx -q -W --keep-going -b html docs build/docs" in makefile


def test_every_page_of_the_folder_is_a_page_of_the_site(site: Path) -> None:
    for page in PAGES:
        if page.parent == DOCS and page.name != "README.md":
            assert (site / page.with_suffix(".html").name).is_file(), page.name


def test_every_public_name_is_in_the_api_reference(site: Path) -> None:
    shown = set(re.findall(r'id="kaizen_batch\.(\w+)"', (site / "api.html").read_text(encoding="utf-8")))
    assert set(kaizen_batch.__all__) - shown == set()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    seen = 0
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        for found in LOADED.findall(file.read_text(encoding="utf-8")):
            address = found[0] or found[1]
            seen += 1
            assert not re.match(r"(?!data:)\w+:|//", address), f"{file.name}: {address}"
    assert seen > 100


def test_opened_from_the_disk_it_requests_nothing_from_a_network(site: Path, browser: Any) -> None:
    requests(browser)
    for page in ("index", "quickstart", "api", "search"):
        browser.get((site / f"{page}.html").as_uri())
    assert errors(browser) == []
    requested = requests(browser)
    assert len(requested) > 10
    assert [address for address in requested if not address.startswith("file://")] == []


def test_the_search_works_offline(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{(site / 'search.html').as_uri()}?q=hedge")
    results = WebDriverWait(browser, 30)  # they appear one after another
    results.until(lambda b: "Failures and retries" in b.find_element(By.CSS_SELECTOR, "#search-results").text)
    assert [address for address in requests(browser) if not address.startswith("file://")] == []
