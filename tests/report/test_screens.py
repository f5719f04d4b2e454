"""The page of empty, failing, truncated, resumed and live runs: readable by all, on a desk and on a phone."""

import asyncio
import itertools
import json
import re
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from kaizen_batch import BatchResult, Journal
from kaizen_batch.report import write_report
from kaizen_batch.report.server import ReportServer
from kaizen_batch.simulator.settings import error_reply
from tests.report.journals import cut_off, one_run
from tests.report.test_browser import By, show, text

AXE = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
_RUN_AXE = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(found => done(found.violations.map(
  each => `${each.id}: ${each.help}: ${each.nodes.map(node => node.target.join(" ")).slice(0, 3)}`)));
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, made: tuple[Path, list[BatchResult]]) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")

    async def nothing(path: Path) -> Path:
        async with Journal(path).writing():
            return path

    journals = {
        "empty": asyncio.run(nothing(folder / "empty.db")),
        "failing": one_run(folder / "failing.db", 30, [error_reply(400, "content_policy", "not this one")] * 30),
        "truncated": one_run(folder / "truncated.db", 30, [cut_off()] * 30, max_tokens=4),
        "resumed": made[0],
    }
    return {name: write_report(path, folder / f"{name}.html").as_uri() for name, path in journals.items()}


def violations(browser: Any) -> list[str]:
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE})  # past the page's own policy, which is strict
    found: list[str] = browser.execute_async_script(_RUN_AXE)
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1400])
@pytest.mark.parametrize("name", ["empty", "failing", "truncated", "resumed"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Any, pages: dict[str, str], name: str, width: int, dark: bool
) -> None:
    show(browser, pages[name], width=width, dark=dark)
    assert violations(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


_NOTE_LABELS = """
const drawn = new Map(), {fillText, clearRect} = CanvasRenderingContext2D.prototype;
window.labels = () => [...drawn.values()].flat();
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  drawn.set(this.canvas, []);
  return clearRect.apply(this, box);
};
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
  const {width} = this.measureText(text), plot = this.canvas.closest("[id]").id;
  const left = {center: x - width / 2, right: x - width, end: x - width}[this.textAlign] ?? x;
  const label = {plot, text, left, right: left + width, y: Math.round(y)};
  if (text) drawn.set(this.canvas, [...(drawn.get(this.canvas) || []), label]);
  return fillText.call(this, text, x, y, ...more);
};
"""


@pytest.fixture
def noted(browser: Any) -> Iterator[Any]:
    """The browser, whose pages note the texts that they draw on canvases."""
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _NOTE_LABELS})
    yield browser
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.mark.parametrize("width", [390, 768, 1400])
@pytest.mark.parametrize("name", ["truncated", "resumed"])
def test_labels_of_plots_do_not_collide(noted: Any, pages: dict[str, str], name: str, width: int) -> None:
    show(noted, pages[name], width=width)
    check_labels(noted.execute_script("return window.labels()"))


@pytest.mark.parametrize("width", [390, 768, 1400])
@pytest.mark.parametrize("edges", [[0.009, 0.95], [0.0004, 600.0], [2.0, 9.0]])
def test_labels_of_latencies_do_not_collide_whatever_these_are(
    noted: Any, pages: dict[str, str], tmp_path: Path, edges: list[float], width: int
) -> None:
    page = Path(url2pathname(urlsplit(pages["resumed"]).path)).read_text(encoding="utf-8")
    changed, found = re.subn(r'"edges_s": ?\[[^\]]*\]', f'"edges_s": {edges}', page)
    assert found == 1
    (tmp_path / "report.html").write_text(changed, encoding="utf-8")
    show(noted, (tmp_path / "report.html").as_uri(), width=width)
    check_labels(noted.execute_script("return window.labels()"))


def check_labels(labels: list[dict[str, Any]]) -> None:
    assert {label["plot"] for label in labels} >= {"plot-speed", "plot-flight"}
    ordered = sorted(labels, key=lambda label: (label["plot"], label["y"], label["left"]))
    for one, other in itertools.pairwise(ordered):
        if (one["plot"], one["y"]) == (other["plot"], other["y"]):
            assert one["right"] + 2 <= other["left"], (one, other)


def test_axe_finds_nothing_on_the_live_page(browser: Any, made: tuple[Path, list[BatchResult]]) -> None:
    with ReportServer(made[0]) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            show(browser, server.url)
            assert violations(browser) == []
        finally:
            browser.get("about:blank")
            server.shutdown()
            serving.join()


def chips(browser: Any) -> list[str]:
    return [chip.text for chip in browser.find_elements(By.CSS_SELECTOR, ".chip")]


def test_failures_are_red_in_the_bar_and_stand_in_the_header(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["failing"])
    assert chips(browser) == ["0 done", "30 failed"]
    assert browser.find_element(By.CSS_SELECTOR, ".progress .failed").get_attribute("width") == "100.00"
    assert "content_policy: see the error of each" in text(browser, ".sentences")
    assert "row 1" in text(browser, "#failures") and "not this one" in text(browser, "#failures")


def test_answers_that_were_cut_off_stand_in_the_header(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["truncated"])
    assert "30 cut off" in chips(browser)
    assert "raise max_tokens" in text(browser, ".sentences")
    assert "cut off" in text(browser, "#answers")
    assert "The invoice of last" in text(browser, "#columns")


def test_one_run_and_all_runs_are_told_apart(browser: Any, pages: dict[str, str], made: Any) -> None:
    _, [first, second] = made
    show(browser, pages["resumed"])
    asked = second.summary.ok + second.summary.failed - second.summary.from_journal
    speed = float(text(browser, "#tile-speed").removesuffix("/s").replace(",", ""))
    # The journal is closed a moment before the run is.
    assert speed == pytest.approx(asked / second.summary.elapsed_s, rel=0.2)
    assert text(browser, "#tile-calls") == f"{second.summary.calls:,}"
    assert text(browser, "#tile-calls-of-all-runs") == f"{first.summary.calls + second.summary.calls:,}"
    headings = [each.text for each in browser.find_elements(By.TAG_NAME, "h2")]
    assert headings.index("A sample of the answers") < headings.index("Slowest answers")


def test_tables_scroll_on_a_phone_and_take_the_keyboard(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["resumed"], width=390)
    regions = browser.find_elements(By.CSS_SELECTOR, ".wide")
    assert regions and all(each.get_attribute("tabindex") == "0" for each in regions)
    wide = browser.find_element(By.CSS_SELECTOR, ".wide:has(#runs)")
    assert browser.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", wide)


def labels_of(browser: Any) -> Iterator[Any]:
    yield from json.loads(browser.execute_script("return document.getElementById('data').textContent"))["over_time"]


def test_plots_say_in_words_what_they_show(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["resumed"])
    for plot in labels_of(browser):
        label = browser.find_element(By.CSS_SELECTOR, f"#plot-{plot['id']} .canvas").get_attribute("aria-label")
        assert label == f"{plot['title']}. {plot['summary']}" and len(plot["summary"]) > 10
