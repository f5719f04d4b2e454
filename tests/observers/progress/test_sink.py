"""The sink and its displays: lines, a bar, a notebook; the end only when the output is closed."""

import io
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from rich.console import Console

from kaizen_batch import (
    BatchProcessorAgent,
    ConfigError,
    ItemFinished,
    ItemResult,
    MockProvider,
    ParallelBatchStrategy,
    ProviderError,
    progress_sink,
)
from kaizen_batch.observers.progress import ProgressSink
from kaizen_batch.observers.progress.bar import Bar, _Drawn
from kaizen_batch.observers.progress.display import Lines
from kaizen_batch.observers.progress.figures import Pace, view_of
from tests.observers.progress.events import finished, progress, started

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


_COLOR = re.compile(r"\x1b\[[39][0-9;]*m")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Shown:
    """A display that keeps what it is given."""

    def __init__(self) -> None:
        self.views: list[Any] = []
        self.ends: list[tuple[int, tuple[str, ...]]] = []

    def show(self, run: int, view: Any) -> None:
        self.views.append(view)

    def end(self, run: int, totals: Any) -> None:
        self.ends.append((run, tuple(totals)))


def drawn(width: int, **options: Any) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, **options)
    figures = {"failures": {"refusal": 8, "length": 4}, "failed": 12, "input_tokens": 5_000_000, "cost_usd": 1.0}
    console.print(_Drawn(view_of(progress(420, 10.0, **figures), Pace())))
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [20, 40, 80, 400])
def test_the_bar_fits_the_terminal(width: int) -> None:
    lines = _CONTROL.sub("", drawn(width)).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].lstrip().startswith("42%") and lines[0].rstrip().endswith("420/1,000")
    assert lines[0].count("━") + lines[0].count("╸") + lines[0].count("╺") <= 80
    assert "0.0 items/s" in lines[1]


def test_no_color_leaves_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _COLOR.search(drawn(80, color_system="truecolor", no_color=False))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drawn(80, color_system="truecolor")
    assert not _COLOR.search(plain)
    assert "42%" in plain and "420/1,000" in plain


def test_without_a_total_there_is_no_bar() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    console.print(_Drawn(view_of(progress(420, 10.0, total=None), Pace())))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "420 items" in text and "%" not in text and "━" not in text


def test_lines_come_every_ten_seconds_and_at_the_end() -> None:
    stream = io.StringIO()
    sink = progress_sink("lines", stream).for_run()
    sink(started())
    for n in range(1, 51):
        sink(progress(10 * n, n / 2))
    sink(finished())
    first, second, last, *rest = stream.getvalue().splitlines()
    assert first == "20% 200/1,000; 20.0 items/s; 40 s left; 10 of 10 calls in flight"
    assert second.startswith("40% 400/1,000; 20.0 items/s")
    assert last == "1,000 items in 12 s (80/s): 988 done, 12 failed"
    assert rest[0].startswith("failed: 8 refusal")


def test_in_a_block_the_end_waits_for_the_output() -> None:
    shown = Shown()
    with ProgressSink(shown) as sink:
        sink(started())
        sink(progress(1000, 12.0))
        sink(finished())
        assert [(view.percent, view.parts[0]) for view in shown.views] == [(99, "writing ...")] * 2
        assert shown.ends == []
    assert [run for run, _ in shown.ends] == [0]
    sink.close()
    assert len(shown.ends) == 1


def test_close_shows_the_end_too() -> None:
    shown = Shown()
    sink = ProgressSink(shown).__enter__()
    sink(started())
    sink(finished())
    sink.close()
    assert len(shown.ends) == 1


def test_an_output_that_failed_is_not_shown_as_done() -> None:
    shown = Shown()
    with pytest.raises(OSError, match="SECRET"), ProgressSink(shown) as sink:
        sink(started())
        sink(finished())
        raise OSError("SECRET")
    [(_, totals)] = shown.ends
    assert totals[0] == "the output is not complete: OSError"


def test_a_run_that_was_left_says_so() -> None:
    shown = Shown()
    with ProgressSink(shown) as sink:
        sink(started())
    assert shown.ends == [(0, ("the run was left before its end",))]


def test_a_single_item_is_no_batch_unless_in_a_block() -> None:
    shown = Shown()
    agent = BatchProcessorAgent(llm_provider="mock", on_event=ProgressSink(shown))
    agent.process_single("x")
    assert (shown.views, shown.ends) == ([], [])
    with agent.strategy.on_event:  # type: ignore[attr-defined]
        agent.process_single("x")
    assert len(shown.ends) == 1


def test_events_that_are_not_needed_show_nothing() -> None:
    shown = Shown()
    run = ProgressSink(shown).for_run()
    run(started())
    run(ItemFinished(ItemResult(0, {})))
    assert shown.views == []


async def test_concurrent_runs_are_distinguished() -> None:
    shown = Shown()
    strategy = ParallelBatchStrategy(2, on_event=ProgressSink(shown))
    agent = MockProvider(latency_s=0.001)

    async def one(item: int) -> int:
        return item + agent.calls

    async with strategy.stream(one, [1, 2]) as first, strategy.stream(one, [1, 2, 3]) as second:
        await anext(aiter(first))
        assert len([item async for item in second]) == 3
        assert len([item async for item in first]) == 1
    assert [(run, totals[0].split()[0]) for run, totals in shown.ends] == [(1, "3"), (0, "2")]


async def test_no_message_of_an_error_is_shown() -> None:
    async def fails(item: int) -> int:
        raise ProviderError("SECRET", code="own_code")

    stream = io.StringIO()
    await ParallelBatchStrategy(on_event=progress_sink("lines", stream)).run_batch(fails, [1, 2])
    assert "failed: 2 own_code: see the error of each" in stream.getvalue()
    assert "SECRET" not in stream.getvalue()


def test_a_display_that_is_gone_does_not_spoil_the_end() -> None:
    stream = io.StringIO()
    with progress_sink("lines", stream) as sink:
        sink(started())
        sink(finished())
        stream.close()


def test_the_bar_draws_the_newest_view_and_leaves_the_totals() -> None:
    console = Console(file=Terminal(), force_terminal=True, width=60)
    bar = Bar(console)
    bar.show(0, view_of(progress(420, 10.0), Pace()))
    bar.show(1, view_of(progress(77, 10.0), Pace()))
    bar._live.refresh()  # type: ignore[union-attr]
    bar.end(0, ["1,000 items", "12 failed"])
    bar.end(1, ["the second"])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert bar._live is None
    assert "420/1,000" in text and "77/1,000" in text
    assert text.rindex("the second") > text.rindex("12 failed") > text.rindex("1,000 items") > 0


class Stopped(Terminal):
    """A terminal that can be stopped, as by Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on, self.is_waited_for = threading.Event(), threading.Event()
        self.goes_on.set()

    def write(self, text: str) -> int:
        if not self.goes_on.is_set():
            self.is_waited_for.set()
            self.goes_on.wait()
        return super().write(text)


def test_a_terminal_that_is_stopped_does_not_hold_up_the_run() -> None:
    terminal = Stopped()
    bar = Bar(Console(file=terminal, force_terminal=True, width=60))
    bar.show(0, view_of(progress(1, 1.0), Pace()))
    terminal.goes_on.clear()
    assert terminal.is_waited_for.wait(timeout=60)
    bar.show(0, view_of(progress(500, 2.0), Pace()))  # returns, or this test would never end
    terminal.goes_on.set()
    bar.end(0, ["over"])
    assert terminal.getvalue().endswith("over\n")


def test_what_is_printed_goes_to_its_own_stream(capfd: pytest.CaptureFixture[str]) -> None:
    bar = Bar(Console(file=sys.stderr, force_terminal=True, width=60))
    bar.show(0, view_of(progress(1, 1.0), Pace()))
    print("data")
    bar.end(0, ["over"])
    assert capfd.readouterr().out == "data\n"


def test_the_kind_is_chosen_by_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_sink(stream=Terminal())._display, Bar)
    assert isinstance(progress_sink(stream=io.StringIO())._display, Lines)
    assert isinstance(progress_sink("bar", io.StringIO())._display, Bar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_sink(stream=Terminal())._display, Lines)
    with pytest.raises(ConfigError, match="kind='plot': give one of 'auto', 'bar'"):
        progress_sink("plot")  # type: ignore[arg-type]


def test_none_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    BatchProcessorAgent(llm_provider="mock", on_event=progress_sink("none")).execute(batch=["a", "b"])
    assert capfd.readouterr().err == ""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_notebook_has_one_output_that_is_drawn_anew(shell: InteractiveShell) -> None:
    with capture_output() as captured, progress_sink("notebook") as sink:
        sink(started())
        sink(progress(420, 10.0, waiting_for="<b>"))
        sink(progress(430, 10.5))
        sink(finished())
    first, *others = captured.outputs
    assert 'value="42"' in first.data["text/html"] and "420/1,000" in first.data["text/html"]
    assert "<b>" not in first.data["text/html"]
    assert [output.update for output in others] == [True] * 3
    assert {output.transient["display_id"] for output in others} == {first.transient["display_id"]}
    assert "988 done" in captured.outputs[-1].data["text/html"]


def test_a_notebook_needs_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ConfigError, match="needs IPython"):
        progress_sink("notebook")


_PROGRAM = """
from kaizen_batch import BatchProcessorAgent, MockProvider, progress_sink
with progress_sink() as progress:
    agent = BatchProcessorAgent(provider=MockProvider(latency_s=0.02), max_concurrent=4, on_event=progress)
    agent.execute(batch=["a question"] * 400)
    input("write it? ")
"""


def test_in_a_terminal_the_bar_moves_and_ends_with_the_output() -> None:
    environment = {"TERM": "xterm", "PYTHONWARNINGS": "ignore", "PATH": ""}
    child = pexpect.spawn(sys.executable, ["-c", _PROGRAM], env=environment, dimensions=(24, 70), encoding="utf-8")
    child.expect(r"(\d+)/400", timeout=60)
    counts = [int(child.match.group(1))]
    while child.expect([r"(\d+)/400", "writing"], timeout=60) == 0:
        counts.append(int(child.match.group(1)))
    assert counts == sorted(counts) and len(set(counts)) > 2
    child.expect("99%", timeout=60)
    child.sendline("")
    child.expect("400 items in .*: 400 done", timeout=60)
    child.expect(pexpect.EOF, timeout=60)
    child.close()
    assert child.exitstatus == 0
