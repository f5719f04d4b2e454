"""The page in a real browser: the right figures, no error, nothing from the network, on a desk and on a phone."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchConfig, BatchResult, Completion, ParallelBatchStrategy, Provider
from kaizen_batch.agents import create_agent
from kaizen_batch.report import write_report
from kaizen_batch.report.server import ReportServer
from tests.browser import errors, requests
from tests.report.journals import COMMAND

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402 - what of selenium is needed
from selenium.webdriver.common.by import By  # noqa: E402 - what of selenium is needed after it is known to be there
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

_PLOTS = ["speed", "flight", "throttles", "tokens", "cost", "latency"]


@pytest.fixture(scope="module")
def report(made: tuple[Path, list[BatchResult]]) -> str:
    """The address of the written report."""
    return write_report(made[0], made[0].with_name("report.html")).as_uri()


def show(browser: Any, address: str, *, width: int = 1200, dark: bool = False) -> None:
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(address)


def text(browser: Any, place: str) -> str:
    found: str = browser.find_element(By.CSS_SELECTOR, place).text
    return found


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_screen_and_its_plots_are_drawn_in_its_colors(
    browser: Any, report: str, width: int, dark: bool
) -> None:
    requests(browser)
    show(browser, report, width=width, dark=dark)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    bright = browser.execute_script(
        "return getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)[0]"
    )
    assert (bright < 128) == dark
    for name in _PLOTS:
        canvas = browser.find_element(By.CSS_SELECTOR, f"#plot-{name} canvas")
        assert 200 < canvas.size["width"] <= width
        assert browser.execute_script(
            "const c = arguments[0]; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(n => n)",
            canvas,
        )
    assert errors(browser) == []
    assert set(requests(browser)) == {report}


def test_the_plots_change_their_colors_with_the_screen(browser: Any, report: str) -> None:
    show(browser, report)
    marker = ".u-legend .u-marker"
    color = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    light = browser.execute_script(color, "#plot-speed .u-series:nth-child(2) .u-marker")
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    later = WebDriverWait(browser, 10)
    later.until(lambda b: b.execute_script(color, "#plot-speed .u-series:nth-child(2) .u-marker") != light)
    assert len(browser.find_elements(By.CSS_SELECTOR, marker)) == 2 + 2 + 1 + 2 + 1 + 1 + len(_PLOTS)


def test_its_figures_are_those_of_the_run(browser: Any, report: str, made: tuple[Path, list[BatchResult]]) -> None:
    _, [first, second] = made
    show(browser, report)
    assert text(browser, "#status") == "finished"
    assert text(browser, "#tile-rows-done") == f"{second.summary.ok:,}"
    assert text(browser, "#tile-failed") == f"{second.summary.failed:,}"
    assert text(browser, "#tile-tokens-in") == f"{second.summary.input_tokens:,}"
    costs = first.summary.cost_usd or 0, second.summary.cost_usd or 0
    for tile, cost in (("#tile-cost", costs[1]), ("#tile-cost-of-all-runs", sum(costs))):
        assert float(text(browser, tile).removeprefix("$")) == pytest.approx(cost, rel=0.01)
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#runs tbody tr")]
    assert [row.split()[0] for row in rows] == ["1", "2"]
    assert rows[0].endswith("stopped early")
    kinds = {each.get_attribute("data-code") for each in browser.find_elements(By.CSS_SELECTOR, ".failure")}
    assert kinds >= set(second.summary.failures)
    assert text(browser, "#command") == COMMAND


def test_a_pointer_over_a_plot_reads_its_values_in_all_of_them(browser: Any, report: str) -> None:
    show(browser, report)
    canvas = browser.find_element(By.CSS_SELECTOR, "#plot-speed .u-over")
    left = -int(0.4 * canvas.size["width"])  # from the middle, where one run may end and have no values
    webdriver.ActionChains(browser).move_to_element_with_offset(canvas, left, 0).perform()
    later = WebDriverWait(browser, 10)
    later.until(lambda b: text(b, "#plot-speed .u-legend").count("/s") == 2)
    later.until(lambda b: "$" in text(b, "#plot-cost .u-legend"))


def test_a_long_text_opens_and_closes(browser: Any, report: str) -> None:
    show(browser, report)
    details = browser.find_element(By.CSS_SELECTOR, "#answers details.text")
    whole = details.find_element(By.CSS_SELECTOR, ".whole")
    assert not whole.is_displayed()
    details.find_element(By.CSS_SELECTOR, ".more").click()
    assert whole.is_displayed()
    assert len(whole.text) > len(details.find_element(By.CSS_SELECTOR, ".cut").get_attribute("textContent"))
    details.find_element(By.CSS_SELECTOR, ".less").click()
    assert not whole.is_displayed()


def test_what_models_say_does_nothing(browser: Any, tmp_path: Path, hostile: Path) -> None:
    show(browser, write_report(hostile, tmp_path / "report.html").as_uri())
    assert browser.title == "tickets.csv"
    assert "<script>document.title = 'owned'</script>" in text(browser, "#answers")
    assert browser.find_elements(By.CSS_SELECTOR, "a, img") == []
    assert errors(browser) == []


class Held(Provider):
    """Answers, from the fourth call on only when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.released = asyncio.Event()

    def let_go(self) -> None:
        """For another thread than the run's."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.released.set)

    async def complete(self, request: Any) -> Completion:
        self.loop = asyncio.get_running_loop()
        self.calls += 1
        if self.calls > 3:
            await self.released.wait()
        return Completion(text="yes")


def test_a_live_page_follows_the_run_and_says_when_it_is_over(browser: Any, tmp_path: Path) -> None:
    provider, journal = Held(), tmp_path / "live.db"
    config = BatchConfig(llm_provider="mock", journal=journal, max_concurrent=1)
    strategy = ParallelBatchStrategy.from_config(config)
    items = [f"item {number}" for number in range(10)]
    run = threading.Thread(target=lambda: asyncio.run(strategy.run_batch(create_agent(config, None, provider), items)))
    run.start()
    # A part of the page may be replaced between finding an element and reading it.
    later = WebDriverWait(browser, 30, ignored_exceptions=[StaleElementReferenceException])
    later.until(lambda _: provider.calls > 3)
    with ReportServer(journal) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        requests(browser)
        show(browser, server.url)
        later.until(lambda b: text(b, "#status") == "running" and "3 of 10 items" in text(b, "header"))
        browser.execute_script("window.same = true")
        provider.let_go()
        later.until(lambda b: text(b, "#status") == "finished" and "10 of 10 items" in text(b, "header"))
        run.join()
        assert browser.execute_script("return window.same")  # it did not load anew
        assert browser.find_element(By.CSS_SELECTOR, "#plot-speed canvas")
        assert set(requests(browser)) == {server.url}
        assert errors(browser) == []
        server.shutdown()
        serving.join()
    later.until(lambda b: "The watching has ended" in text(b, "#gone"))
