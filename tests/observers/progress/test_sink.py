"""The sink and its displays: lines, a bar, a notebook; the end only when the output is closed."""

import io
from typing import Any

import pytest

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
from kaizen_batch.observers.progress.bar import Bar
from kaizen_batch.observers.progress.display import Lines
from tests.observers.progress.events import Terminal, finished, progress, started


class Shown:
    """A display that keeps what it is given."""

    def __init__(self) -> None:
        self.views: list[Any] = []
        self.ends: list[tuple[int, tuple[str, ...]]] = []

    def show(self, run: int, view: Any) -> None:
        self.views.append(view)

    def end(self, run: int, totals: Any) -> None:
        self.ends.append((run, tuple(totals)))


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
    sink = ProgressSink(shown)
    agent = BatchProcessorAgent(llm_provider="mock", on_event=sink)
    agent.process_single("x")
    assert (shown.views, shown.ends) == ([], [])
    with sink:
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
