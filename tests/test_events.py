"""Events and sinks: who receives which event, and that no sink can harm a run or another sink."""

import logging

import pytest

from kaizen_batch import BatchFinished, BatchProgress, BatchStarted, BatchSummary, Event
from kaizen_batch.events import Sinks, for_run, wants_calls, wants_items
from tests.engine.spies import PerRun

STARTED, FINISHED = BatchStarted(2, 10), BatchFinished(BatchSummary())


class Frugal:
    """A sink that wants neither calls nor items."""

    wants_calls = wants_items = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


def test_every_sink_receives_every_event_in_order() -> None:
    first, second = Frugal(), Frugal()
    sinks = Sinks(first, second)
    sinks(STARTED)
    sinks(FINISHED)
    assert first.events == second.events == [STARTED, FINISHED]


def test_no_sinks_are_false_and_accept_events() -> None:
    assert not Sinks()
    assert Sinks(Frugal())
    Sinks()(STARTED)


def test_a_sink_that_raises_is_dropped_with_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Event] = []

    def broken(event: Event) -> None:
        calls.append(event)
        raise RuntimeError("broken")

    good = Frugal()
    sinks = Sinks(broken, good)
    with caplog.at_level(logging.ERROR):
        sinks(STARTED)
        sinks(FINISHED)
    assert (calls, good.events) == ([STARTED], [STARTED, FINISHED])
    assert len(caplog.records) == 1


def test_a_plain_function_wants_everything_and_a_sink_says_what_it_wants() -> None:
    assert wants_calls(print) and wants_items(print)
    assert not wants_calls(Frugal()) and not wants_items(Frugal())
    assert not Sinks(Frugal()).wants_items
    assert Sinks(Frugal(), print).wants_calls


def test_a_run_gets_its_own_sink() -> None:
    sink = PerRun()
    one, two = for_run(sink), for_run(sink)
    one(STARTED)
    two(FINISHED)
    assert sink.runs == [[STARTED], [FINISHED]]
    assert for_run(print) is print


def test_called_directly_it_serves_one_run_after_another() -> None:
    sink = PerRun()
    sink(FINISHED)  # before any run
    for event in (STARTED, FINISHED, STARTED):
        sink(event)
    assert sink.runs == [[STARTED, FINISHED], [STARTED]]


def test_the_rate_of_progress_is_zero_before_any_time_has_passed() -> None:
    assert BatchProgress(done=5, failed=0, total=None, in_flight=0, elapsed_s=0.0).items_per_s == 0.0
    assert BatchProgress(done=5, failed=0, total=None, in_flight=0, elapsed_s=2.0).items_per_s == 2.5
