"""Events that say all is done wait until the output is in place."""

import pytest

from kaizen_batch.events import BatchFinished, BatchProgress, BatchStarted, Event
from kaizen_batch.files.deferred_events import DeferredEvents
from kaizen_batch.results import BatchSummary

HALF, ALL = (BatchProgress(done, 0, 2, 0, 0.0) for done in (1, 2))
FINISHED = BatchFinished(BatchSummary())


def test_the_last_progress_and_the_end_come_when_the_block_is_left() -> None:
    seen: list[Event] = []
    with DeferredEvents(seen.append) as events:
        for event in (BatchStarted(2, 1), HALF, ALL, FINISHED):
            events(event)
        assert seen == [BatchStarted(2, 1), HALF]
        events.complete = True
    assert seen[2:] == [ALL, FINISHED]


def test_after_an_error_only_the_end_comes() -> None:
    seen: list[Event] = []
    with pytest.raises(ValueError), DeferredEvents(seen.append) as events:
        events(ALL)
        events(FINISHED)
        raise ValueError
    assert seen == [FINISHED]


def test_a_sink_that_raises_does_not_hide_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("sink")

    with DeferredEvents(broken) as events:
        events(FINISHED)
    assert "an event sink raised" in caplog.text
